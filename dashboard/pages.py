"""The web pages for people who are signed in."""

from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy
from django.views.generic import TemplateView, UpdateView

from accounts.forms import ProfileForm
from accounts.models import User
from dashboard import marks, queries, summaries
from ingest.coverage import last_complete_fetch, missing_ranges, stored_ranges_with_reason
from ingest.ledger import ledger
from ingest.models import METRIC_MODELS, Metric
from metrics import TYPES, MetricType
from myhealth.days import utc_today
from myhealth.headers import POLICY, page_policy
from oura import tokens
from oura.models import Connection
from oura.origin import origin_of
from oura.provider import SCOPES, consent_origins

# For how many days the page shows what is missing, and marks.
_DAYS_SHOWN = 30


class TodayPage(LoginRequiredMixin, TemplateView):
    """The newest day of each type, the last week, and what is missing of the last days."""

    template_name = "dashboard/today.html"
    request: HttpRequest

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.request.user
        assert isinstance(user, User)
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


class AccountPage(LoginRequiredMixin, UpdateView):  # type: ignore[type-arg]
    """A person's own settings, and their connection to Oura."""

    template_name = "dashboard/account.html"
    form_class = ProfileForm
    success_url = reverse_lazy("account")

    def get_object(self, queryset: Any = None) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Saved.")
        return super().form_valid(form)

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        response = super().render_to_response(context, **kwargs)
        if settings.OURA_CLIENT_ID:
            # The button that connects is redirected there.
            response[POLICY] = page_policy(consent_origins())
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        connection = Connection.objects.filter(user=self.object).first()
        return super().get_context_data(
            connection=connection,
            lost=tokens.why_lost(connection) if connection else "",
            problem=tokens.present_problem(connection) if connection else "",
            missing=sorted(set(SCOPES) - set(connection.scopes)) if connection else [],
            can_connect=bool(settings.OURA_CLIENT_ID),
            is_sandbox=origin_of(settings.OURA_API_URL) == "sandbox",
            **kwargs,
        )


def robots(request: HttpRequest) -> HttpResponse:
    """`GET /robots.txt`: nothing here is for search engines."""
    return HttpResponse("User-agent: *\nDisallow: /\n", content_type="text/plain")
