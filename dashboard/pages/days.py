"""`/days/` and `/days/{day}/`."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.generic import TemplateView, View

from dashboard.day_cards import day_cards, until_usual
from dashboard.pages.base import PersonalPage, first_steps, is_stored, page_day
from myhealth.days import FIRST_DAY, shift

_RELATIVE = {-1: "Yesterday", 0: "Today", 1: "Tomorrow"}


class DaysPage(PersonalPage, View):
    """Lead to a day: the one that the form for jumping to a date names, or today."""

    def get(self, request: HttpRequest) -> HttpResponse:
        today = self.user.today()
        try:
            day = page_day(request.GET.get("day", ""), today)
        except Http404:
            day = today
        return redirect("day-page", day)


class DayPage(PersonalPage, TemplateView):
    """Everything that is known of a day."""

    template_name = "dashboard/day.html"
    section = "today"
    current = "true"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.user
        today = user.today()
        day = page_day(self.kwargs["day"], today)
        cards = day_cards(user, day, today=today)
        scored = [each for each in cards if each.is_scored]
        first, last = FIRST_DAY, max(day, today)
        if day == today and is_stored(user, shift(today, 1)):
            last = shift(today, 1)
        return super().get_context_data(
            **{
                **kwargs,
                "day": day,
                "today": today,
                "first": first,
                "last": last,
                "previous": shift(day, -1) if day > first else None,
                "following": shift(day, 1) if day < last else None,
                "relative": _RELATIVE.get((day - today).days, ""),
                "cards": cards,
                "until_usual": until_usual(cards),
                # East of the person's time zone it may have begun.
                "is_to_come": day > today and not any(each.values for each in cards),
                "scored": scored if any(each.values for each in scored) else [],
                **({} if any(each.values for each in cards) else first_steps(user)),
            }
        )
