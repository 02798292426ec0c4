"""`/calendar/`: which days of a type are stored, and why the others are missing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.generic import TemplateView

from accounts.models import User
from dashboard.arrivals import standing_of
from dashboard.calendar_charts import Calendar, Quarters, Sign
from dashboard.marks import describe_mark, find_marks
from dashboard.pages.base import PersonalPage, first_steps
from dashboard.queries import database_alias
from dashboard.trends import find_values
from ingest.coverage import first_stored_days, missing_ranges
from ingest.ledger import Range, clamp, expected_from, ledger, outline
from metrics import TYPES, MetricType
from metrics.measures import Measure, measures_of
from myhealth.days import DAYS_OF_WEEK, ONE_DAY, Days, parse_day, shift, utc_today
from myhealth.states import State
from oura.plan import RECENT_SPAN

_BY = {"value": "Value", "state": "State"}
# So many ranges of missing days are listed at once, the newest ones.
_MOST_LISTED = 10
# Returns the query of other days of the same calendar.
_Link = Callable[..., str]
_ANY_DAY = "2000-01-01"
# What people can do about missing days, where their reason does not say it.
_ADVICE = {
    State.REJECTED: "Ask the person who runs this server.",
    State.NOT_WORN: "It can't be filled in later.",
    State.NO_PERMISSION: "Connect Oura again in your account.",
    State.FAILED: "It will be tried again automatically.",
    State.NOT_ASKED: "It will be fetched while your account is connected to Oura.",
}
# With these, Oura may have more by now. Every collection asks for the recent days again.
_OPEN_APP = "Open the Oura app so that it syncs"
_COLLECT_NOW = f"{_OPEN_APP}; then use Collect now on your account page."
_WAIT = f"{_OPEN_APP}: recent days are fetched again with every collection."
_REPAIR = (
    "If the Oura app shows more, ask the person who runs this server to fetch it again "
    "(collect_oura --repair)."
)
_ON_ACCOUNT = (State.NO_PERMISSION, State.NOT_ASKED)


@dataclass(frozen=True)
class _Month(Days):
    """A month in the calendar of a year; without a link before the first day and after today."""

    calendar: Calendar
    query: str
    drawing: SafeString


@dataclass(frozen=True)
class _Cell:
    """A day in the calendar of a month; days that are blank have no sign."""

    day: date
    sign: Sign | None
    text: str

    @property
    def is_label(self) -> bool:
        """Whether the text is no value: narrow screens have room for the sign alone."""
        return self.sign is not None and not self.sign.kind.startswith("quarter")


class CalendarPage(PersonalPage, TemplateView):
    """`type` names the type, `by` what its days are drawn by, `year` or `month` the days."""

    template_name = "dashboard/calendar.html"
    section = "calendar"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        query = request.GET
        if (
            query.get("type", next(iter(TYPES))) not in TYPES
            or query.get("by", "value") not in _BY
            or ("year" in query and not parse_day(f"{query['year']}-01-01"))
            or ("month" in query and not parse_day(f"{query['month']}-01"))
        ):
            # An address that was changed by hand, or of a type that is no more.
            return redirect("calendar")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        query, user, today = self.request.GET, self.user, self.user.today()
        metric_type = TYPES[query.get("type", next(iter(TYPES)))]
        measure = _measure_of(metric_type)
        by = query.get("by", "value") if measure else "state"
        using = database_alias()
        firsts = first_stored_days(user.pk, using)
        all_days = Days(min(expected_from(metric_type, firsts) or today, today), today)
        month = parse_day(f"{query.get('month')}-01")
        start = month or parse_day(f"{query.get('year')}-01-01") or today
        days = _shown(min(max(start, all_days.start), today), is_month=bool(month))
        ranges = self._ranges(metric_type, days, all_days, is_month=bool(month))
        calendar = self._calendar(ranges, measure, all_days if by == "value" else days, by)

        def link(**of: str) -> str:
            return urlencode({"type": metric_type.name, "by": by, **of})

        here = {"month": f"{days.start:%Y-%m}"} if month else {"year": str(days.start.year)}
        of_days = calendar.clamped(days)
        holes = _holes(user, missing_ranges(of_days.ranges), today)
        return super().get_context_data(
            **{
                **kwargs,
                "type": metric_type,
                "measure": measure,
                "by": by,
                "days": days,
                "today": today,
                "is_month": bool(month),
                "calendar": of_days,
                "all_days": all_days,
                "all_values": len(calendar.values),
                "types": [
                    (each.title, link(**here, type=each.name), each is metric_type)
                    for each in TYPES.values()
                ],
                "choices": [
                    (title, link(**here, by=name), name == by) for name, title in _BY.items()
                ]
                if measure
                else [],
                "year": link(year=str(days.start.year)),
                "years": [] if month else _years(calendar, all_days, link),
                "previous": _step(days.start - ONE_DAY, all_days, link, is_month=bool(month)),
                "following": _step(days.end + ONE_DAY, all_days, link, is_month=bool(month)),
                "months": [] if month else _months(of_days, days, user.first_weekday, link, today),
                "weekdays": [DAYS_OF_WEEK[(at + user.first_weekday - 1) % 7] for at in range(7)],
                "weeks": _weeks(of_days, days, user.first_weekday) if month else [],
                "missing": holes[:_MOST_LISTED],
                "missing_more": holes[_MOST_LISTED:],
                "marks": [
                    describe_mark(each)
                    for each in reversed(
                        find_marks(user.pk, days.start, days.end) if by == "value" else ()
                    )
                    if each["mark"] in metric_type.provenance
                ],
                **({} if firsts.get(metric_type.name, date.max) <= today else first_steps(user)),
            }
        )

    def _ranges(
        self, metric_type: MetricType, days: Days, all_days: Days, *, is_month: bool
    ) -> list[Range]:
        """Return the ledger of the days that are shown; in a year, with an outline of all others.

        To read why days of other years are missing would take most of the time.
        """
        user_id, name, today, using = self.user.pk, metric_type.name, utc_today(), database_alias()
        start, end = max(days.start, all_days.start), min(days.end, all_days.end)
        ranges = ledger(user_id, start, end, today=today, types=[name], using=using)[name]
        if is_month or (start, end) == (all_days.start, all_days.end):
            return ranges
        others = outline(user_id, name, all_days, today=today, using=using)
        before = clamp(others, all_days.start, start - ONE_DAY)
        return [*before, *ranges, *clamp(others, end + ONE_DAY, all_days.end)]

    def _calendar(
        self, ranges: list[Range], measure: Measure | None, days: Days, by: str
    ) -> Calendar:
        """Return the calendar of the ranges with the values of some days."""
        if measure is None:
            return Calendar(ranges, None, {}, None)
        points, left_out = find_values(self.user, measure, days, today=self.user.today())
        counted = [value for day, value in points if day not in left_out]
        quarters = Quarters(measure, counted) if by == "value" else None
        return Calendar(ranges, measure, dict(points), quarters)


def _measure_of(metric_type: MetricType) -> Measure | None:
    """Return the measure that days are drawn by: the score, or the first number of the card."""
    measures = measures_of(metric_type)
    names = (f"{metric_type.name}.{column}" for column in ("score", *metric_type.card))
    return next((measures[name] for name in names if name in measures), None)


def _shown(day: date, *, is_month: bool) -> Days:
    """Return the month or the year of a day."""
    if not is_month:
        return Days(date(day.year, 1, 1), date(day.year, 12, 31))
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return Days(day.replace(day=1), following - ONE_DAY)


def _step(day: date, all_days: Days, link: _Link, *, is_month: bool) -> str:
    """Return the query of the month or year of a day; empty if there is none."""
    days = _shown(day, is_month=is_month)
    if not days.overlaps(all_days):
        return ""
    return link(month=f"{day:%Y-%m}") if is_month else link(year=str(day.year))


def _years(
    calendar: Calendar, all_days: Days, link: _Link
) -> list[tuple[int, str, str, SafeString]]:
    found = []
    for year in range(all_days.end.year, all_days.start.year - 1, -1):
        of_year = calendar.clamped(Days(date(year, 1, 1), date(year, 12, 31)))
        missing = of_year.missing.in_words()
        found.append((year, link(year=str(year)), missing, of_year.strip(year)))
    return found


def _months(
    calendar: Calendar, year: Days, first_weekday: int, link: _Link, today: date
) -> list[_Month]:
    page = reverse("day-page", args=[_ANY_DAY]).replace(_ANY_DAY, "{}")
    found = []
    for number in range(1, 13):
        days = _shown(date(year.start.year, number, 1), is_month=True)
        of_month = calendar.clamped(days)
        query = link(month=f"{days.start:%Y-%m}") if of_month.total else ""
        drawing = of_month.month(first_weekday, page, today)
        found.append(_Month(days.start, days.end, of_month, query, drawing))
    return found


def _weeks(calendar: Calendar, month: Days, first_weekday: int) -> list[list[_Cell | None]]:
    """Return the days of a month in weeks, which begin and end with what belongs to others."""
    cells: list[_Cell | None] = [None] * ((month.start.isoweekday() - first_weekday) % 7)
    for day in month:
        sign = calendar.sign(day)
        cells.append(_Cell(day, sign, calendar.text(day) if sign else ""))
    cells += [None] * (-len(cells) % 7)
    return [cells[at : at + 7] for at in range(0, len(cells), 7)]


def _holes(user: User, missing: list[Range], today: date) -> list[tuple[Range, str, bool]]:
    """Return missing days with what can be done, and whether that is on the page of the account."""
    first_recent = shift(today, -RECENT_SPAN.days)
    is_recent = any(
        each.state in (State.PARTIAL, State.NONE) and each.end >= first_recent for each in missing
    )
    can_collect = is_recent and standing_of(user).can_collect
    found = []
    for each in missing:
        advice, on_account = _ADVICE.get(each.state, ""), each.state in _ON_ACCOUNT
        if each.state in (State.PARTIAL, State.NONE):
            on_account = can_collect and each.end >= first_recent
            recent = _COLLECT_NOW if can_collect else _WAIT
            advice = recent if each.end >= first_recent else _REPAIR
        found.append((each, advice, on_account))
    return found
