"""`/account/`: a person's own settings, and their connection to Oura."""

from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.views.generic import TemplateView

from dashboard.pages.base import PersonalPage
from myhealth import time_zones
from myhealth.headers import POLICY, page_policy
from oura import tokens
from oura.models import Connection
from oura.origin import origin_of
from oura.provider import SCOPES, consent_origins


class AccountPage(PersonalPage, TemplateView):
    """A person's own settings, and their connection to Oura."""

    template_name = "dashboard/account.html"
    section = "account"

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        response = super().render_to_response(context, **kwargs)
        if settings.OURA_CLIENT_ID:
            # The button that connects is redirected there.
            response[POLICY] = page_policy(consent_origins())
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        connection = Connection.objects.filter(user=self.user).first()
        zone = self.user.zone.key
        return super().get_context_data(
            zone=time_zones.title(zone),
            unknown_zone="" if zone == self.user.time_zone else self.user.time_zone,
            connection=connection,
            lost=tokens.why_lost(connection) if connection else "",
            problem=tokens.present_problem(connection) if connection else "",
            missing=sorted(set(SCOPES) - set(connection.scopes)) if connection else [],
            can_connect=bool(settings.OURA_CLIENT_ID),
            is_sandbox=origin_of(settings.OURA_API_URL) == "sandbox",
            **kwargs,
        )
