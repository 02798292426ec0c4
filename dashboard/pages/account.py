"""`/account/`: a person's own settings, and their connection to Oura."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.urls import reverse_lazy
from django.views.generic import UpdateView

from accounts.forms import ProfileForm
from accounts.models import User
from dashboard.pages.base import PersonalPage
from myhealth.headers import POLICY, page_policy
from oura import tokens
from oura.models import Connection
from oura.origin import origin_of
from oura.provider import SCOPES, consent_origins


class AccountPage(PersonalPage, UpdateView):  # type: ignore[type-arg]
    """A person's own settings, and their connection to Oura."""

    template_name = "dashboard/account.html"
    section = "account"
    form_class = ProfileForm
    success_url = reverse_lazy("account")

    def get_object(self, queryset: Any = None) -> User:
        return self.user

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
