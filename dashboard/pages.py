"""The pages of people, signed in by session."""

from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.generic import TemplateView

from dashboard import reading, summaries
from dashboard.models import User
from ingest.registry import METRICS


class Login(LoginView):
    template_name = "dashboard/login.html"
    redirect_authenticated_user = True


class Today(LoginRequiredMixin, TemplateView):
    """The newest day of each type, and the week."""

    template_name = "dashboard/today.html"
    request: HttpRequest

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.request.user
        assert isinstance(user, User)
        today = user.today()
        newest = {
            name: reading.rows_of(kind, user.pk).order_by("-day").first()
            for name, kind in METRICS.items()
        }
        return super().get_context_data(
            today=today,
            newest=newest,
            empty=not any(newest.values()),
            week=summaries.weekly(user.pk, today, 1)[0],
            **kwargs,
        )


def expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without a valid token: left open too long, or sent by another site."""
    return render(request, "dashboard/expired.html", status=403)
