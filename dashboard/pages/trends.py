"""`/trends/`: one or two measures over a period."""

from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.generic import TemplateView

from dashboard.pages.base import PersonalPage, first_steps
from dashboard.queries import database_alias
from dashboard.trend_charts import TrendChart, gaps_of
from dashboard.trends import ALL, PERIODS, Trend, all_measures, find_trends
from ingest.coverage import expected_or_failed, first_stored_days, is_missing
from ingest.ledger import Range, ledger
from metrics import TYPES
from metrics.measures import Measure, measures_of
from myhealth.days import FIRST_DAY, Days, parse_day, shift, utc_today

_TITLES = {"30d": "30 days", "90d": "90 days", "365d": "Year", ALL: "All"}
_DEFAULT_PERIOD = "90d"
# So many ranges of missing days are listed under a chart, the newest ones.
_MOST_LISTED = 3


class TrendsPage(PersonalPage, TemplateView):
    """`measure` names up to two measures, `period` and `end` the days, as in `/api/v1/trends`."""

    template_name = "dashboard/trends.html"
    section = "trends"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        query = request.GET
        if any(name not in all_measures() for name in query.getlist("measure") if name) or (
            query.get("end") and not parse_day(query["end"])
        ):
            # An address that was changed by hand, or of a measure that is no more.
            return redirect("trends")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        query, today = self.request.GET, self.user.today()
        period = query.get("period", "")
        period = period if period in PERIODS else _DEFAULT_PERIOD
        end = max(min(parse_day(query.get("end", "")) or today, today), FIRST_DAY)
        names = list(dict.fromkeys(filter(None, query.getlist("measure"))))[:2] or _default()
        trends = find_trends(self.user, names, period, end, today=today)
        days = next(iter(trends.values())).period
        user_id, database = self.user.pk, database_alias()
        by_type = expected_or_failed(
            ledger(user_id, days.start, days.end, today=utc_today(), using=database),
            first_stored_days(user_id, database),
            today,
        )
        return super().get_context_data(
            charts=[
                _section(trend, by_type[trend.measure.metric_type.name], self.user.first_weekday)
                for trend in trends.values()
            ],
            days=days,
            today=today,
            end=end,
            period=period,
            periods=[
                (title, _query(names, each, end), each == period) for each, title in _TITLES.items()
            ],
            previous=_step(names, period, days, -1, today),
            following=_step(names, period, days, 1, today),
            choices=_choices(),
            names=[*names, ""][:2],
            csv=_csv(names, period, end),
            **({} if any(each.points for each in trends.values()) else first_steps(self.user)),
            **kwargs,
        )


def _default() -> list[str]:
    """Return the first column of the first type's card, and that type's score.

    They explain each other, and a new type changes nothing.
    """
    first = next(each for each in TYPES.values() if each.card)
    names = (f"{first.name}.{column}" for column in (first.card[0], "score"))
    return [name for name in names if name in all_measures()]


def _section(trend: Trend, ranges: list[Range], first_weekday: int) -> dict[str, Any]:
    gaps = gaps_of(trend, ranges)
    days_expected = sum(len(each) for each in ranges if each.state.has_row or is_missing(each))
    return {
        "chart": TrendChart(trend, gaps, days_expected, first_weekday),
        "measure": trend.measure,
        "type": trend.measure.metric_type,
        "gaps": gaps[:_MOST_LISTED],
        "more": sum(map(len, gaps[_MOST_LISTED:])),
    }


def _choices() -> list[tuple[str, list[Measure]]]:
    """Return the measures by type, for the lists to choose from."""
    return [(each.title, list(measures_of(each).values())) for each in TYPES.values()]


def _query(names: list[str], period: str, end: date) -> str:
    query = QueryDict(mutable=True)
    query.setlist("measure", names)
    query["period"], query["end"] = period, str(end)
    return query.urlencode()


def _step(names: list[str], period: str, days: Days, steps: int, today: date) -> str:
    """Return the query of the period before or after; empty if there is none."""
    end = min(shift(days.end, steps * len(days)), today)
    return "" if period == ALL or end == days.end or end < FIRST_DAY else _query(names, period, end)


def _csv(names: list[str], period: str, end: date) -> str:
    query = QueryDict(mutable=True)
    query.update({"measures": ",".join(names), "period": period, "end": str(end), "format": "csv"})
    return query.urlencode(safe=",")
