"""The pages that connect a person's Oura account: where consent begins, where it comes back."""

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
from django.views.decorators.http import require_GET, require_POST

from oura import connections, provider
from oura.errors import OuraError
from oura.models import Connection

log = structlog.get_logger("oura.pages")

KEY = "oura_consent"
PATIENCE = 600.0  # Seconds for which Oura's codes live.
ACCOUNT = "account"
WELCOME = (
    "Connected. Your history is on its way: it comes with the next collection, within the hour."
)


@login_required
@require_POST
def begin(request: HttpRequest) -> HttpResponse:
    """`POST /connect/oura/`: on to Oura's consent page."""
    if not settings.OURA_CLIENT_ID:
        return redirect("register-oura")
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    request.session[KEY] = {"state": state, "verifier": verifier, "since": time.time()}
    return redirect(provider.consent_url(connections.redirect_uri(), state, verifier))


@login_required
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    """`GET /connect/oura/callback`: back from Oura, with a code or a refusal."""
    # Taken out, so that an answer is believed once.
    begun = request.session.pop(KEY, None)
    if refusal := refused(request, begun):
        return failed(request, *refusal)
    try:
        done = connections.connect(request.user, request.GET["code"], begun["verifier"])
    except provider.GrantRefused:
        return failed(request, "expired", "Oura's answer was used before, or came too late.")
    except OuraError as error:
        return failed(request, error.kind, str(error))
    if done.missing:
        names = ", ".join(sorted(done.missing))
        messages.warning(
            request,
            f"Connected, but Oura says that you did not allow: {names}. "
            "Connect again and leave it ticked to have everything collected.",
        )
    else:
        messages.success(request, WELCOME)
    return redirect(ACCOUNT)


def refused(request: HttpRequest, begun: Any) -> tuple[str, str] | None:
    """Why an answer is not to be believed: a stable word and a sentence; None for a good one."""
    if begun is None or time.time() - begun["since"] > PATIENCE:
        return "expired", "This answer of Oura's belongs to no connection that is being made here."
    given = request.GET.get("state", "")
    if not hmac.compare_digest(given.encode(), begun["state"].encode()):
        return "state", "This answer of Oura's was meant for another visit."
    issuer = provider.endpoints().issuer
    if "iss" in request.GET and issuer and request.GET["iss"] != issuer:
        return "issuer", "This answer does not come from Oura."
    if request.GET.get("error") == "access_denied":
        return "denied", "You did not agree at Oura, so nothing was connected."
    if "error" in request.GET or not request.GET.get("code"):
        return "refused", "Oura refused; its application settings may not fit this address."
    return None


def failed(request: HttpRequest, code: str, sentence: str) -> HttpResponse:
    log.warning("connecting failed", reason=code)
    context = {"sentence": sentence, "code": code}
    return render(request, "oura/not_connected.html", context, status=400)


@login_required
@require_POST
def end(request: HttpRequest) -> HttpResponse:
    """`POST /disconnect/oura/`: revoked at Oura and forgotten here; the days stay."""
    user: Any = request.user
    held = Connection.objects.filter(user=user).first()
    if held is None:
        messages.info(request, "No Oura account is connected.")
    elif connections.disconnect(held):
        messages.success(request, "Disconnected. Your days stay here until you delete them.")
    else:
        messages.warning(
            request,
            "Disconnected here, but Oura did not confirm it: remove myhealth in your Oura "
            "account's list of applications, too.",
        )
    return redirect(ACCOUNT)


@login_required
@require_GET
def register(request: HttpRequest) -> HttpResponse:
    """`GET /connect/oura/register`: how to make an application at Oura, with what to paste."""
    context = {
        "redirect_uri": connections.redirect_uri(),
        "site": settings.PUBLIC_URL,
        "scopes": provider.SCOPES,
    }
    return render(request, "oura/register.html", context)
