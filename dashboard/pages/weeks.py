"""`/weeks/`: weeks or months beside one another."""

from datetime import date
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.generic import TemplateView

from dashboard.day_cards import Figures
from dashboard.pages.base import PersonalPage, first_steps
from dashboard.period_tables import Period, PeriodTable
from dashboard.periods import BY, WEEK, period_of, periods_until
from dashboard.summaries import period_summaries
from metrics import TYPES
from myhealth.days import FIRST_DAY, Days, parse_day, shift, utc_today

_TITLES = {"week": "Weeks", "month": "Months"}
_SHOWN = 8
# As many have room on a phone: so many further on, it shows others, and leaves out none.
_STEP = 3


class WeeksPage(PersonalPage, TemplateView):
    """`by` is week or month, and `end` a day of the newest one."""

    template_name = "dashboard/weeks.html"
    section = "weeks"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        query = request.GET
        if query.get("by", WEEK) not in BY or (query.get("end") and not parse_day(query["end"])):
            return redirect("weeks")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        query, user, today = self.request.GET, self.user, self.user.today()
        by = query.get("by", WEEK)
        end = max(min(parse_day(query.get("end", "")) or today, today), FIRST_DAY)
        days = list(islice(periods_until(end, by, user.first_weekday), _SHOWN + 1))
        summaries = period_summaries(user, today, days, utc=utc_today(), counts=True)
        found = [
            Period(*each, today) for each in zip(days, [by] * len(days), summaries, strict=True)
        ]
        # Before the first day of all there is nothing to compare.
        while len(found) > 1 and not found[-1].is_expected:
            found.pop()
        shown, earlier = found[:_SHOWN][::-1], found[_SHOWN] if len(found) > _SHOWN else None
        tables = [PeriodTable(each, shown, earlier, user.pk) for each in TYPES.values()]
        has_rows = any(each.has_rows for each in shown)
        return super().get_context_data(
            by=by,
            today=today,
            days=Days(shown[0].days.start, min(shown[-1].days.end, today)),
            periods=shown,
            newest=shown[-1],
            choices=[
                (title, _query(each, end, today), each == by) for each, title in _TITLES.items()
            ],
            previous=_query(by, found[_STEP].days.end, today) if len(found) > _STEP else "",
            following=self._following(by, days[0], today),
            figures=Figures([row.newest for table in tables for row in table.main_rows]),
            tables=[table for table in tables if table.is_expected] if has_rows else [],
            has_sums=any(each.has_sums for each in tables),
            csv=_csv(by, shown),
            **({} if has_rows else first_steps(user)),
            **kwargs,
        )

    def _following(self, by: str, period: Days, today: date) -> str:
        """Return the query that leads as far on as the other one leads back; empty if it can't."""
        if today in period:
            return ""
        for _ in range(_STEP):
            period = period_of(shift(period.end, 1), by, self.user.first_weekday)
        return _query(by, period.end, today)


def _query(by: str, end: date, today: date) -> str:
    return urlencode({"by": by, **({"end": end} if end < today else {})})


def _csv(by: str, shown: list[Period]) -> str:
    first, last = shown[0].days.start, shown[-1].days.start
    return urlencode({"by": by, "start": first, "end": last, "format": "csv"})
