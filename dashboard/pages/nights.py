"""`/nights/` and `/nights/{day}/`."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.generic import TemplateView, View

from dashboard.day_cards import day_cards, listed, until_usual
from dashboard.night_charts import CARD_PIXELS, PeriodChart
from dashboard.nights import find_night
from dashboard.pages.base import PersonalPage, first_steps, page_day
from dashboard.queries import rows_of_user
from dashboard.templatetags.figures import days_in_words, night_of
from ingest.models import SleepMetric
from metrics import SLEEP
from myhealth.days import FIRST_DAY, Days, shift


class NightsPage(PersonalPage, View):
    """Lead to the newest night."""

    def get(self, request: HttpRequest) -> HttpResponse:
        today = self.user.today()
        # What is stored of other days has no page.
        nights = rows_of_user(SleepMetric, self.user.pk).between(FIRST_DAY, shift(today, 1))
        newest = nights.order_by("-day").values_list("day", flat=True).first()
        return redirect("night", newest or today)


class NightPage(PersonalPage, TemplateView):
    """The sleep of the night that ends on a day, and how it compares with what is usual."""

    template_name = "dashboard/night.html"
    section = "nights"
    current = "true"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user, today = self.user, self.user.today()
        day = page_day(self.kwargs["day"], today)
        night = find_night(user.pk, day)
        cards = day_cards(user, day, today=today, of_nights_only=True)
        following = night.following
        is_night = night.main is None or night.main.is_night
        return super().get_context_data(
            **{
                **kwargs,
                "day": day,
                "today": today,
                "previous": night.previous,
                # What is stored of days to come has no page.
                "following": following if following and following <= shift(today, 1) else None,
                "main": night.main and PeriodChart(night.main, day),
                "heading": f"Night of {night_of(day, today)}"
                if is_night
                else f"Sleep on {days_in_words(Days(day, day), today)}",
                "others_counted": night.others_counted,
                "others": [
                    PeriodChart(each, day, CARD_PIXELS)
                    for each in night.periods
                    if not each.is_main
                ],
                "left_out": night.left_out,
                "until_usual": until_usual(cards),
                "sleep": next(each for each in cards if each.metric_type is SLEEP),
                "warnings": [text for each in cards for text in each.warnings],
                **(first_steps(user) if not (night.periods or night.previous or following) else {}),
                "figures": listed(value for each in cards for value in each.measured),
            }
        )
