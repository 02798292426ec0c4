"""`/nights/` and `/nights/{day}/`."""

from datetime import date
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.generic import TemplateView, View

from accounts.models import User
from dashboard.comparisons import Comparison, compare
from dashboard.marks import describe_mark
from dashboard.night_charts import PeriodChart
from dashboard.nights import find_night
from dashboard.pages.base import PersonalPage, page_day
from dashboard.queries import rows_of_user
from dashboard.trends import Trend, find_trends
from ingest.models import SleepMetric
from metrics import TYPES
from metrics.base import SCORE
from metrics.measures import measures_of
from myhealth.days import shift, utc_today


class NightsPage(PersonalPage, View):
    """Lead to the newest night."""

    def get(self, request: HttpRequest) -> HttpResponse:
        today = self.user.today()
        nights = rows_of_user(SleepMetric, self.user.pk).filter(day__lte=shift(today, 1))
        newest = nights.order_by("-day").values_list("day", flat=True).first()
        return redirect("night", newest or today)


class NightPage(PersonalPage, TemplateView):
    """The sleep of the night that ends on a day, and how it compares with what is usual."""

    template_name = "dashboard/night.html"
    section = "nights"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.user
        today = user.today()
        day = page_day(kwargs["day"], today)
        night = find_night(user.pk, day, utc=utc_today())
        periods = [PeriodChart(each, day) for each in night.periods]
        trends = _trends(user, day, today)
        figures = _figures(trends, day)
        unknown = [each.comparison for each in figures if each.comparison.usual is None]
        latest = shift(today, 1)
        return super().get_context_data(
            **{
                **kwargs,
                "day": day,
                "today": today,
                "previous": night.previous,
                "following": night.following
                if night.following and night.following <= latest
                else None,
                "state": night.verdict.state,
                "reason": night.verdict.reason,
                "main": next((each for each in periods if each.period.is_main), None),
                "others": [each for each in periods if not each.period.is_main],
                "figures": figures,
                "until_usual": max(unknown, key=_days_known).words if unknown else "",
                "left_out": _left_out(trends, day),
                "marks": _marks(trends, day),
            }
        )


class _Figure(NamedTuple):
    """A figure of the night, and the query of its trend."""

    comparison: Comparison
    query: str


def _trends(user: User, day: date, today: date) -> list[Trend]:
    """Return the trends of all that nights have, but for scores and contributors."""
    names = [
        measure.name
        for metric_type in TYPES.values()
        if metric_type.of_night
        for measure in measures_of(metric_type).values()
        if not measure.contributor and measure.column is not SCORE
    ]
    return list(find_trends(user, names, "30d", day, today=today).values())


def _figures(trends: list[Trend], day: date) -> list[_Figure]:
    """Return the figures of the types that have any on the day."""
    values = {each.measure.name: dict(each.points).get(day.toordinal()) for each in trends}
    known = {each.measure.metric_type for each in trends if values[each.measure.name] is not None}
    return [
        _Figure(
            compare(each.measure, values[each.measure.name], each.known_before(day)),
            f"measure={each.measure.name}&end={day}",
        )
        for each in trends
        if each.measure.metric_type in known
    ]


def _days_known(comparison: Comparison) -> int:
    return comparison.days_known


def _left_out(trends: list[Trend], day: date) -> list[str]:
    """Return what the day is, if averages leave it out."""
    return list(
        dict.fromkeys(
            each.measure.metric_type.not_full for each in trends if day.toordinal() in each.left_out
        )
    )


def _marks(trends: list[Trend], day: date) -> list[str]:
    marks = (mark for each in trends for mark in each.marks if mark["day"] == day)
    return list(dict.fromkeys(map(describe_mark, marks)))
