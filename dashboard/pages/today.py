"""`/`: the newest day of each type, the last week, and what is missing."""

from datetime import date, timedelta
from typing import Any

from django.views.generic import TemplateView

from dashboard import marks, queries, summaries
from dashboard.pages.base import PersonalPage
from ingest.coverage import last_complete_fetch, missing_ranges, stored_ranges_with_reason
from ingest.ledger import ledger
from ingest.models import METRIC_MODELS, Metric
from metrics import TYPES, MetricType
from myhealth.days import utc_today

# For how many days the page shows what is missing, and marks.
_DAYS_SHOWN = 30


class TodayPage(PersonalPage, TemplateView):
    """The newest day of each type, the last week, and what is missing of the last days."""

    template_name = "dashboard/today.html"
    section = "today"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.user
        today = user.today()
        newest = {
            model: queries.rows_of_user(model, user.pk).order_by("-day").first()
            for model in METRIC_MODELS.values()
        }
        days = {model.metric_type.name: row.day for model, row in newest.items() if row}
        warnings = queries.warnings_by_type(user.pk, days)
        week = summaries.weekly_summaries(user, today, 1)[0]
        return super().get_context_data(
            today=today,
            cards=[_card(model, row, warnings) for model, row in newest.items()],
            empty=not any(newest.values()),
            week=[
                (figure.label, week[figure.name], metric_type.column(figure.column))
                for metric_type in TYPES.values()
                for figure in metric_type.figures
                if figure.label
            ],
            days_stored=[
                (metric_type.title.lower(), week[f"{name}_days"])
                for name, metric_type in TYPES.items()
                if metric_type.figures
            ],
            **_last_days(user.pk, today),
            **kwargs,
        )


def _card(
    model: type[Metric], row: Metric | None, warnings: dict[str, queries.Warnings]
) -> dict[str, Any]:
    """Return the newest day of one type: its score, if any, the card's columns, and warnings."""
    metric_type = model.metric_type
    columns = [metric_type.column(name) for name in metric_type.card]
    return {
        "type": metric_type,
        "row": row,
        "scored": "score" in metric_type.column_names,
        **_remarks(metric_type, warnings[metric_type.name]),
        "figures": [(column.label, getattr(row, column.name, None), column) for column in columns],
    }


def _remarks(metric_type: MetricType, warnings: queries.Warnings) -> dict[str, list[str]]:
    """Return which values were left out, and the other warnings, which are sentences."""
    labels = {each.name: each.label for each in metric_type.columns}
    left_out, remarks = [], []
    for name, texts in sorted(warnings.items()):
        column, _, contributor = name.partition(".")
        if column not in labels:
            remarks += texts
        elif contributor:
            left_out.append(f"{contributor.replace('_', ' ')} (contributor)")
        else:
            left_out.append(labels[column] or column.replace("_", " "))
    return {"left_out": left_out, "remarks": remarks}


def _last_days(user_id: int, today: date) -> dict[str, Any]:
    """Return what is missing of the last days, what there is to know of the others, their marks,
    and the time of the last fetch.
    """
    first = today - timedelta(days=_DAYS_SHOWN - 1)
    database = queries.database_alias()
    by_type = ledger(user_id, first, today, today=utc_today(), using=database)
    return {
        "days": _DAYS_SHOWN,
        "missing": [
            (TYPES[type_], missing)
            for type_, ranges in by_type.items()
            if (missing := missing_ranges(ranges))
        ],
        "noted": [
            (TYPES[type_], noted)
            for type_, ranges in by_type.items()
            if (noted := stored_ranges_with_reason(ranges))
        ],
        "marks": [marks.describe_mark(mark) for mark in marks.find_marks(user_id, first, today)],
        "fetched_at": last_complete_fetch(user_id, database),
    }
