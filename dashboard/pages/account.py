"""`/account/`: a person's own settings, and their connection to Oura."""

from typing import Any

from django.conf import settings
from django.views.generic import TemplateView

from dashboard.arrivals import standing_of
from dashboard.pages.base import PersonalPage, arriving
from dashboard.people import removable_demo
from dashboard.queries import database_alias
from ingest.coverage import last_complete_fetch
from myhealth import time_zones
from oura.origin import origin_of
from oura.standing import is_key_user


class AccountPage(PersonalPage, TemplateView):
    """A person's own settings, and their connection to Oura."""

    template_name = "dashboard/account.html"
    section = "account"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        fetched_at = last_complete_fetch(self.user.pk, database_alias())
        standing = standing_of(self.user, fetched_at)
        zone = self.user.zone.key
        return super().get_context_data(
            zone=time_zones.title(zone),
            unknown_zone="" if zone == self.user.time_zone else self.user.time_zone,
            # It would move, and close, what the person is about to press.
            **arriving(self.user, standing) | {"reloads": False},
            fetched_at=fetched_at,
            may_connect=True,
            is_sandbox=origin_of(settings.OURA_API_URL) == "sandbox",
            demo=removable_demo(self.user),
            schedule=settings.COLLECT_SCHEDULE,
            is_key_user=is_key_user(self.user),
            **kwargs,
        )
