"""The pages of people, signed in by session."""

from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse_lazy
from django.views.generic import TemplateView, UpdateView

from accounts.forms import Profile
from accounts.models import User
from dashboard import marks, reading, summaries
from ingest.coverage import last_complete_fetch, missing_ranges
from ingest.ledger import ledger
from ingest.models import METRIC_MODELS, Metric
from metrics import TYPES
from myhealth.days import utc_today
from oura.client import origin_of
from oura.models import Connection
from oura.provider import SCOPES

# What is missing, and marks, are told of so many days.
DAYS = 30


class Today(LoginRequiredMixin, TemplateView):
    """The newest day of each type, the week, and what is missing of the last days."""

    template_name = "dashboard/today.html"
    request: HttpRequest

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.request.user
        assert isinstance(user, User)
        today = user.today()
        newest = {
            model: reading.rows_of(model, user.pk).order_by("-day").first()
            for model in METRIC_MODELS.values()
        }
        week = summaries.weekly(user.pk, today, 1)[0]
        return super().get_context_data(
            today=today,
            cards=[card(model, row) for model, row in newest.items()],
            empty=not any(newest.values()),
            week=[
                (figure.label, week[figure.name], each.column(figure.column))
                for each in TYPES.values()
                for figure in each.figures
                if figure.label
            ],
            days_held=[
                (each.title.lower(), week[f"{name}_days"])
                for name, each in TYPES.items()
                if each.figures
            ],
            **lately(user.pk, today),
            **kwargs,
        )


def card(model: type[Metric], row: Metric | None) -> dict[str, Any]:
    """The newest day of one type: its score, if it has one, and the columns of its card."""
    metric_type = model.metric_type
    columns = [metric_type.column(name) for name in metric_type.card]
    return {
        "type": metric_type,
        "row": row,
        "scored": "score" in metric_type.column_names,
        "figures": [(each.label, getattr(row, each.name, None), each) for each in columns],
    }


def lately(user_id: int, today: date) -> dict[str, Any]:
    """How the last days are accounted for."""
    first = today - timedelta(days=DAYS - 1)
    by_type = ledger(user_id, first, today, today=utc_today(), using=reading.database())
    return {
        "days": DAYS,
        "missing": [
            (TYPES[type_], missing)
            for type_, ranges in by_type.items()
            if (missing := missing_ranges(ranges))
        ],
        "marks": [marks.sentence(each) for each in marks.between(user_id, first, today)],
        "read_at": last_complete_fetch(user_id, reading.database()),
    }


class Account(LoginRequiredMixin, UpdateView):  # type: ignore[type-arg]
    """A person's own settings, and their connection to Oura."""

    template_name = "dashboard/account.html"
    form_class = Profile
    success_url = reverse_lazy("account")

    def get_object(self, queryset: Any = None) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user

    def form_valid(self, form: Any) -> HttpResponse:
        messages.success(self.request, "Saved.")
        return super().form_valid(form)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        held = Connection.objects.filter(user=self.object).first()
        return super().get_context_data(
            connection=held,
            missing=sorted(set(SCOPES) - set(held.scopes)) if held else [],
            can_connect=bool(settings.OURA_CLIENT_ID),
            invented=origin_of(settings.OURA_API_URL) == "sandbox",
            **kwargs,
        )
