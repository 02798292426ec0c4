"""The pages that connect a person's Oura account and disconnect it."""

import hmac
import secrets
import time
from typing import Any

import structlog
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from accounts.pages import require_post
from accounts.sections import AccountSection
from metrics import TYPES
from oura import connections, provider
from oura.errors import OuraError
from oura.models import Connection, WantedRun
from oura.standing import DEMO, Action, find_standing, is_key_user

log = structlog.get_logger("oura.pages")

_SESSION_KEY = "oura_consent"
_CODE_SECONDS = 600.0  # The lifetime of Oura's codes.
_EXPIRED = "This link from Oura has expired or was already used. Please start again."


@require_post
@login_required
def connect_oura(request: HttpRequest) -> HttpResponse:
    """`POST /connect/oura/`: redirect to Oura's consent page."""
    if not settings.OURA_CLIENT_ID:
        return redirect("register-oura")
    if refusal := connections.origin_refusal(request.user):
        messages.warning(request, refusal)
        return redirect("account")
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    request.session[_SESSION_KEY] = {"state": state, "verifier": verifier, "since": time.time()}
    return redirect(provider.consent_url(connections.redirect_uri(), state, verifier))


@login_required
@require_GET
def oura_callback(request: HttpRequest) -> HttpResponse:
    """`GET /connect/oura/callback`: the redirect from Oura, with a code or an error."""
    # Removed, so that a callback is accepted only once.
    consent = request.session.pop(_SESSION_KEY, None)
    if refusal := _callback_error(request, consent):
        return _not_connected(request, *refusal)
    try:
        result = connections.connect(request.user, request.GET["code"], consent["verifier"])
    except provider.GrantRefused:
        return _not_connected(request, "expired", _EXPIRED)
    except OuraError as error:
        return _not_connected(request, error.kind, str(error))
    # The page says what comes next, and what was not shared.
    if any(each.scope in result.connection.scopes for each in TYPES.values()):
        messages.success(request, "Connected.")
    else:
        messages.warning(request, "Connected, but without your data.")
    return redirect("account")


def _callback_error(request: HttpRequest, consent: Any) -> tuple[str, str] | None:
    """Return why a callback is refused, as a code and a sentence; None if it is valid."""
    if consent is None or time.time() - consent["since"] > _CODE_SECONDS:
        return "expired", _EXPIRED
    state = request.GET.get("state", "")
    if not hmac.compare_digest(state.encode(), consent["state"].encode()):
        return "state", "This link from Oura belongs to another sign-in. Please start again."
    if not provider.is_issuer(request.GET.get("iss")):
        return "issuer", "This link does not come from Oura."
    if request.GET.get("error") == "access_denied":
        return "denied", "You declined the request at Oura, so your account was not connected."
    if "error" in request.GET or not request.GET.get("code"):
        return "refused", (
            "Oura refused the request. Check that the redirect URI in your application's settings "
            "at Oura matches this site."
        )
    return None


def _not_connected(request: HttpRequest, code: str, sentence: str) -> HttpResponse:
    log.warning("connecting failed", reason=code)
    context = {"sentence": sentence, "code": code, "view": AccountSection(request.user)}
    return render(request, "oura/not_connected.html", context, status=400)


@require_post
@login_required
def disconnect_oura(request: HttpRequest) -> HttpResponse:
    """`POST /disconnect/oura/`: delete the tokens and revoke them at Oura; the days stay."""
    user: Any = request.user
    connection = Connection.objects.filter(user=user).first()
    if connection is None:
        messages.info(request, "No Oura account is connected.")
    elif connections.disconnect(connection):
        messages.success(request, "Disconnected. Your days stay here until you delete them.")
    else:
        messages.warning(
            request,
            "Disconnected here, but Oura did not confirm it: also remove myhealth from the list "
            "of applications in your Oura account.",
        )
    return redirect("account")


@require_post
@login_required
def collect_now(request: HttpRequest) -> HttpResponse:
    """`POST /account/collect/`: ask for a collection, which begins within seconds."""
    user: Any = request.user
    own = Connection.objects.served().filter(user=user)
    now = timezone.now()
    standing = find_standing(user)
    is_awaited = True
    if standing.has_key:
        is_awaited = WantedRun.objects.want(user, now)
    elif own.living().exists():
        is_awaited = bool(own.want(now)) or own.due().exists()
    elif (
        standing.connection
        or standing.problem
        or (standing.action == Action.CONNECT and user.username != DEMO and not is_key_user(user))
    ):
        sentence = "Nothing to collect: your account has no working connection to Oura."
        messages.info(request, sentence)
    else:
        # The key may be one that the collector alone has.
        is_awaited = WantedRun.objects.want(user, now)
    if not is_awaited:
        messages.info(
            request, "The last collection began less than a minute ago. Try again in a moment."
        )
    return redirect("account")


@login_required
@require_GET
def register_oura(request: HttpRequest) -> HttpResponse:
    """`GET /connect/oura/register`: how to register an application at Oura, step by step."""
    context = {
        "redirect_uri": connections.redirect_uri(),
        "site": settings.PUBLIC_URL,
        "scopes": provider.SCOPES,
        "view": AccountSection(request.user),
    }
    return render(request, "oura/register.html", context)
