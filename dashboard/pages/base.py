"""What all pages for people have in common."""

from collections.abc import Mapping
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import Http404, HttpRequest
from django.shortcuts import render
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.models import Origin, User
from dashboard.arrivals import arrived, standing_of
from dashboard.people import stored_days
from dashboard.queries import database_alias, rows_of_user
from ingest.coverage import last_complete_fetch
from ingest.models import METRIC_MODELS
from myhealth import preferences
from myhealth.days import FIRST_DAY, parse_day, shift
from myhealth.headers import POLICY, page_policy
from myhealth.requests import wants_page
from oura.origin import origin_of
from oura.provider import consent_origins
from oura.standing import Standing

# The key in the session of who has seen their history arriving.
_SAW_ARRIVING = "saw_arriving"
# How soon a page that shows data arriving asks for the next ones, and for how long it does so: a
# page that moves for an hour disturbs those who read it.
_REFRESH_SECONDS = 10
_REFRESHED_FOR = timedelta(minutes=10)


class NoSuchDay(Http404):
    """A day that no page can show: it has not come yet, or is before all data."""

    def __init__(self, *, is_future: bool) -> None:
        super().__init__()
        self.is_future = is_future


class PersonalPage(LoginRequiredMixin):
    """A page that shows people their own data.

    `section` is the entry of the navigation that the page belongs to; `current` is "page" if the
    entry leads to the page itself, and "true" if not.
    """

    request: HttpRequest
    section = ""
    current = "page"

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer with values shown as the person prefers."""
        if not isinstance(request.user, User):
            return super().dispatch(request, *args, **kwargs)
        with preferences.use(request.user.preferences):
            try:
                response = super().dispatch(request, *args, **kwargs)
            except NoSuchDay as error:
                if not wants_page(request):
                    raise
                context = {"view": self, "is_future": error.is_future}
                return render(request, "dashboard/no_day.html", context, status=404)
            if not isinstance(response, TemplateResponse):
                return response
            context = response.context_data or {}
            if context.get("may_connect") and settings.OURA_CLIENT_ID:
                # The button that connects is redirected there.
                response[POLICY] = page_policy(consent_origins())
            if context.get("reloads"):
                response["Refresh"] = str(_REFRESH_SECONDS)
            self._say_once_what_arrived(context)
            # Else Django would fill the template later, without the preferences.
            return response.render()

    def _say_once_what_arrived(self, context: Mapping[str, Any]) -> None:
        """Say that the history is here to who saw it arriving."""
        session, standing = self.request.session, context.get("standing")
        if not isinstance(standing, Standing):
            return
        if context.get("arrived"):
            if _SAW_ARRIVING not in session:
                session[_SAW_ARRIVING] = True
            return
        has_ended = not (standing.progress or standing.is_first)
        if has_ended and session.pop(_SAW_ARRIVING, False) and (days := stored_days(self.user)):
            have = "day has" if days == 1 else "days have"
            messages.success(self.request, f"{days:,} {have} arrived.")

    @property
    def user(self) -> User:
        assert isinstance(self.request.user, User)
        return self.request.user

    @cached_property
    def has_sample_data(self) -> bool:
        """Whether the person's data are made up: they come from the sandbox."""
        origins = Origin.objects.using(database_alias())
        return origins.filter(user=self.user, name="sandbox").exists()


def is_stored(user: User, day: date | None = None) -> bool:
    """Return whether a person has a row of any type: of a day, or of any that has a page."""
    first, last = day or FIRST_DAY, day or shift(user.today(), 1)
    return any(
        rows_of_user(model, user.pk).between(first, last).exists()
        for model in METRIC_MODELS.values()
    )


def first_steps(user: User) -> dict[str, Any]:
    """Return the context of `first_steps.html`, where nothing at all is stored of a person."""
    if is_stored(user):
        return {}
    fetched_at = last_complete_fetch(user.pk, database_alias())
    return {
        "first_steps": {
            "has_fetched": bool(fetched_at),
            "is_sandbox": origin_of(settings.OURA_API_URL) == "sandbox",
        },
        **arriving(user, standing_of(user, fetched_at)),
        "may_connect": True,
    }


def arriving(user: User, standing: Standing) -> dict[str, Any]:
    """Return the context of `arriving.html`; the page loads again in the first minutes."""
    is_first = bool(standing.progress) and standing.is_first
    is_new = standing.since is not None and timezone.now() - standing.since < _REFRESHED_FOR
    return {
        "standing": standing,
        "is_arriving": bool(standing.progress),
        "reloads": bool(standing.progress) and is_new,
        "arrived": arrived(user) if is_first else [],
    }


def page_day(text: str, today: date) -> date:
    """Return the day in an address. Raises Http404 for what is no day that a page can show.

    Tomorrow is one: east of the person's time zone it may have begun.
    """
    day = parse_day(text)
    if day is None:
        raise Http404
    if not FIRST_DAY <= day <= shift(today, 1):
        raise NoSuchDay(is_future=day > today)
    return day
