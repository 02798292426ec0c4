"""`/`: the scores, last night, the day so far, what pulled them down, and the week."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from django.views.generic import TemplateView

from accounts.models import User
from dashboard import marks, queries, summaries
from dashboard.arrivals import standing_of
from dashboard.comparisons import difference
from dashboard.day_cards import DayCard, Shown, listed, trends_of, unit_of, until_usual
from dashboard.freshness import find_freshness
from dashboard.night_charts import CARD_PIXELS, PeriodChart
from dashboard.nights import find_night
from dashboard.pages.base import PersonalPage, arriving, first_steps
from dashboard.templatetags.figures import with_unit
from dashboard.trends import Trend, all_measures, find_trends
from ingest.coverage import (
    expected_or_failed,
    first_stored_days,
    last_complete_fetch,
    missing_ranges,
    stored_ranges_with_reason,
)
from ingest.ledger import Ledger, Range, ledger
from ingest.models import METRIC_MODELS, Metric
from metrics import TYPES, MetricType
from metrics.columns import Figure
from metrics.measures import Measure
from myhealth.days import FIRST_DAY, shift, utc_today
from myhealth.states import State
from oura.standing import Standing

# For how many days the page shows what is missing, and marks.
_DAYS_SHOWN = 30
# How many days the newest row of a type may be older than that of another.
_MOST_DAYS_OLD = 30
_WEEK = 7
# So many ranges of days are listed at once, the newest ones.
_MOST_LISTED = 3


class TodayPage(PersonalPage, TemplateView):
    """The newest day of each type beside what is usual, the last weeks, and what is missing."""

    template_name = "dashboard/today.html"
    section = "today"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user, today = self.user, self.user.today()
        rows = _newest_rows(user.pk, today)
        about = queries.about_rows(user.pk, rows)
        first = shift(today, 1 - _DAYS_SHOWN)
        database = queries.database_alias()
        by_type = ledger(user.pk, first, today, today=utc_today(), using=database)
        fetched_at = last_complete_fetch(user.pk, database)
        standing = standing_of(user, fetched_at)
        fresh = find_freshness(user, rows, about, standing, fetched_at)
        if rows:
            shown = _newest(user, today, rows, by_type, about) | arriving(user, standing)
            # Nobody waits for the hourly run, whose page would only be disturbed.
            shown["is_arriving"] = bool(standing.progress) and (standing.is_first or fresh.is_old)
            shown["reloads"] &= shown["is_arriving"]
        else:
            shown = first_steps(user)
        listed = expected_or_failed(by_type, first_stored_days(user.pk, database), today)
        missing = _listed(_without_unshared(listed, standing), missing_ranges)
        if standing.progress and standing.is_first:
            # It is not known yet what Oura lacks.
            missing = []
        return super().get_context_data(
            today=today,
            yesterday=shift(today, -1),
            fresh=fresh,
            days=_DAYS_SHOWN,
            **shown,
            marks=[marks.describe_mark(mark) for mark in marks.find_marks(user.pk, first, today)],
            missing=missing[:_MOST_LISTED],
            missing_more=missing[_MOST_LISTED:],
            noted=(noted := _listed(by_type, stored_ranges_with_reason))[:_MOST_LISTED],
            noted_more=noted[_MOST_LISTED:],
            **kwargs,
        )


def _newest_rows(user_id: int, today: date) -> list[Metric]:
    """Return the newest row of each type that has any.

    It is the one of tomorrow, which may have begun in the east, only if there is none before.
    """
    return [
        row
        for model in METRIC_MODELS.values()
        for stored in [queries.rows_of_user(model, user_id)]
        if (row := stored.between(FIRST_DAY, today).order_by("-day").first())
        or (row := stored.filter(day=shift(today, 1)).first())
    ]


def _newest(
    user: User,
    today: date,
    rows: Sequence[Metric],
    by_type: Ledger,
    about: Mapping[str, queries.About],
) -> dict[str, Any]:
    """Return what there is to see of the newest day of each type, and of the last two weeks."""
    end = max(row.day for row in rows)
    # What is older is no news, and the days that decide what was usual then are not read.
    rows = [row for row in rows if row.day > shift(end, -_MOST_DAYS_OLD)]
    trends = find_trends(user, list(all_measures()), "30d", end, today=today)
    newest = {
        (type_ := row.metric_type): DayCard(
            type_,
            row.day,
            {name: getattr(row, name) for name in type_.column_names},
            trends_of(type_, trends),
            about[type_.name].warnings,
        )
        for row in rows
    }
    scored = [each for each in newest.values() if each.is_scored]
    nights = [each for each in scored if each.metric_type.of_night]
    days = [each for each in scored if not each.metric_type.of_night]
    others = [each for each in newest.values() if not each.is_scored]
    # As with rows, a night of tomorrow is one only if there is no other.
    night = max((each.day for each in nights), key=lambda day: (day <= today, day), default=None)
    of_night = [each for each in nights if each.day == night]
    below = [each.metric_type.title.lower() for each in scored if each.score.place == "below"]
    return {
        "tiles": [
            newest.get(each) or _without_row(each, today, by_type)
            for each in TYPES.values()
            if DayCard(each, today).is_scored
        ],
        "until_usual": until_usual(newest.values()),
        "night": night,
        "is_night": not any(each.is_left_out for each in of_night),
        "night_figures": listed(value for each in of_night for value in each.main),
        "strip": night and _strip(user.pk, night),
        "awaited": _awaited(today, by_type, night, of_night) if night else [],
        "cards": [
            (each, listed(each.main)) for each in (*days, *others) if each.main or each.remarks
        ],
        "contributing": [each for each in (*nights, *days) if each.first_contributors.values],
        "below": " and ".join(filter(None, [", ".join(below[:-1]), *below[-1:]])),
        "below_more": len(below) > 1,
        "of_night": of_night,
        **_weeks(user, today, trends),
    }


def _strip(user_id: int, night: date) -> PeriodChart | None:
    """Return the chart of the main period; None without stages."""
    main = find_night(user_id, night).main
    chart = PeriodChart(main, night, CARD_PIXELS) if main else None
    return chart if chart and chart.spans else None


def _without_row(metric_type: MetricType, day: date, by_type: Ledger) -> DayCard:
    judged = _judged(by_type[metric_type.name], day)
    return DayCard(metric_type, day, state=judged.state if judged else State.NOT_ASKED)


def _awaited(
    today: date, by_type: Ledger, night: date, of_night: Iterable[DayCard]
) -> list[tuple[str, Range]]:
    """Return what is missing of last night, and what the ledger says of it."""
    if night < today:
        judged = _judged(by_type[next(iter(of_night)).metric_type.name], today)
        return [("Last night", judged)] if judged else []
    here = {each.metric_type for each in of_night}
    return [
        (each.title, judged)
        for each in TYPES.values()
        if each.of_night and each not in here and (judged := _judged(by_type[each.name], night))
    ]


def _judged(ranges: Iterable[Range], day: date) -> Range | None:
    """Return what the ledger says of a day; None if it is not one of the days shown."""
    return next((each for each in ranges if day in each), None)


# Weeks --------------------------------------------------------------------------------------------


def _weeks(user: User, today: date, trends: Mapping[str, Trend]) -> dict[str, Any]:
    """Return the figures of the last seven days and the seven before, and how many days count."""
    week, before = summaries.weekly_summaries(user, today, 2)
    shown = [
        (metric_type, figure)
        for metric_type in TYPES.values()
        for figure in metric_type.figures
        if figure.label
    ]
    full_days = [
        (each, week[f"{each.name}_full_days"], before[f"{each.name}_full_days"])
        for each in dict.fromkeys(metric_type for metric_type, _ in shown)
    ]
    # That all days are full, or that there are none, is seen.
    full_days = [each for each in full_days if each[1:] not in ((_WEEK, _WEEK), (0, 0))]
    return {
        "weeks": listed(
            _week_value(
                *each,
                week,
                before,
                _mark_between(each[0], trends, before["start"], week["end"]),
            )
            for each in shown
        ),
        "full_days": full_days,
        "left_out": [
            each.not_full
            for each, days, days_before in full_days
            if days + days_before < week[f"{each.name}_days"] + before[f"{each.name}_days"]
        ],
    }


def _mark_between(
    metric_type: MetricType, trends: Mapping[str, Trend], start: date, end: date
) -> str:
    """Return what became new after a day, up to another; empty if nothing did."""
    found = next((each.marks for each in trends_of(metric_type, trends).values()), [])
    return next((marks.name_mark(each) for each in found if start < each["day"] <= end), "")


def _week_value(
    metric_type: MetricType,
    figure: Figure,
    now: summaries.Summary,
    earlier: summaries.Summary,
    mark: str,
) -> Shown:
    """Return a figure of a week beside that of the week before, unless a mark lies between."""
    value, before = now[figure.name], earlier[figure.name]
    measure = Measure(metric_type, metric_type.column(figure.column))
    text, text_before = with_unit(value, measure), with_unit(before, measure)
    shown = Shown(figure.label, text, unit_of(text, measure))
    if before is None or not summaries.may_compare(figure, now, earlier):
        return shown
    if value is None:
        return shown._replace(compared="the 7 days before:", usual=text_before)
    if mark:
        return shown._replace(
            compared=f"not comparable with {text_before} in the 7 days before ({mark})"
        )
    words = difference(measure, value, before)
    if text == text_before:
        return shown._replace(compared=f"{words} as the 7 days before")
    return shown._replace(compared=f"{words} than the 7 days before", usual=f"({text_before})")


# What is missing ----------------------------------------------------------------------------------


def _without_unshared(by_type: Ledger, standing: Standing) -> Ledger:
    """Return the ledger without refusals of what the person did not share: one sentence says it."""
    return {
        name: [
            each
            for each in ranges
            if each.state != State.NO_PERMISSION or name not in standing.unshared
        ]
        for name, ranges in by_type.items()
    }


def _listed(
    by_type: Ledger, choose: Callable[[Iterable[Range]], list[Range]]
) -> list[tuple[Range, list[str]]]:
    """Return chosen ranges, newest first, each with the types that it is about; none for all."""
    chosen: dict[tuple[Any, ...], tuple[Range, list[str]]] = {}
    for name, ranges in by_type.items():
        for each in choose(ranges):
            key = (each.start, each.end, each.state, each.reason)
            chosen.setdefault(key, (each, []))[1].append(TYPES[name].title.lower())
    listed = [(each, types if len(types) < len(by_type) else []) for each, types in chosen.values()]
    return sorted(listed, key=lambda each: (each[0].end, each[0].start), reverse=True)
