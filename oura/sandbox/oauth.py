"""Oura's two OAuth2 providers, under the paths of their real hosts.

The new one (moi.ouraring.com) and the old one (cloud and api.ouraring.com) know only their own
applications, and refuse the other's as the real ones were seen to.
"""

import base64
import binascii
import time
from collections.abc import Callable
from hmac import compare_digest
from urllib.parse import unquote, urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from oura.sandbox import answers, grants
from oura.sandbox.faults import TOKEN, faults, requests, suffer
from oura.sandbox.grants import NEW, OLD, PREFIX, SCOPES, Application, Grant, state
from oura.sandbox.people import members, people

EXT = "oauth/v2/ext/oauth"
DISCOVERY = f"{EXT}-anonymous/.well-known/openid-configuration"


def base(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"


def issuer(request: HttpRequest) -> str:
    return f"{base(request)}/{EXT}-anonymous"


def discovery(request: HttpRequest) -> HttpResponse:
    where = f"{base(request)}/{EXT}"
    return answers.json(
        {
            "issuer": issuer(request),
            "authorization_endpoint": f"{where}-authorize",
            "token_endpoint": f"{where}-token",
            "revocation_endpoint": f"{where}-revoke",
            "introspection_endpoint": f"{where}-introspect",
            "scopes_supported": [f"{PREFIX}{scope}" for scope in SCOPES],
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        }
    )


def authorize(portal: str) -> Callable[[HttpRequest], HttpResponse]:
    """The consent page, and its answer."""

    @csrf_exempt
    def view(request: HttpRequest) -> HttpResponse:
        asked = request.POST if request.method == "POST" else request.GET
        application = state.applications.get(asked.get("client_id", ""))
        uri = asked.get("redirect_uri", "")
        if application is None or application.portal != portal:
            return trouble(request, "This application is not known here (Invalid client).")
        if not application.accepts(uri):
            return trouble(request, "The redirect URI is not one of this application's.")
        scopes = grants.known_scopes(asked.get("scope", ""))
        if request.method == "POST":
            return decided(request, portal, application, scopes)
        if asked.get("response_type") != "code":
            return back(request, portal, uri, error="unsupported_response_type")
        names = ("client_id", "redirect_uri", "state", "scope", "code_challenge")
        context = {
            "client": application.client_id,
            "people": people(settings.SANDBOX_SEED).values(),
            "scopes": scopes,
            "fields": {name: asked.get(name, "") for name in names},
        }
        return TemplateResponse(request, "oura/sandbox_consent.html", context)

    return view


def trouble(request: HttpRequest, sentence: str) -> HttpResponse:
    # Never a redirect: nobody knows yet that the address is the application's.
    context = {"sentence": sentence}
    return TemplateResponse(request, "oura/sandbox_consent.html", context, status=400)


def decided(
    request: HttpRequest, portal: str, application: Application, asked: tuple[str, ...]
) -> HttpResponse:
    form = request.POST
    uri = form.get("redirect_uri", "")
    if form.get("decision") != "allow":
        return back(request, portal, uri, error="access_denied")
    name = form.get("person", "")
    known = people(settings.SANDBOX_SEED) | members(settings.SANDBOX_SEED)
    if name not in known:
        return trouble(request, "Choose one of the people.")
    scopes = tuple(scope for scope in asked if scope in form.getlist("granted"))
    grant = Grant(known[name], application, scopes)
    code = grants.new_code(grant, uri, form.get("code_challenge", ""))
    return back(request, portal, uri, code=code, scope=spelt(portal, scopes))


def back(request: HttpRequest, portal: str, uri: str, **answer: str) -> HttpResponse:
    asked = request.POST if request.method == "POST" else request.GET
    if asked.get("state"):
        answer["state"] = asked["state"]
    if portal == NEW:
        answer["iss"] = issuer(request)
    return HttpResponseRedirect(f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer)}")


def spelt(portal: str, scopes: tuple[str, ...]) -> str:
    return " ".join(f"{PREFIX}{scope}" if portal == NEW else scope for scope in scopes)


def token(portal: str) -> Callable[[HttpRequest], HttpResponse]:
    @csrf_exempt
    def view(request: HttpRequest) -> HttpResponse:
        requests.count(request.path)
        hit = faults.take(TOKEN)
        return suffer(hit, lambda: tokens(request, portal)) if hit else tokens(request, portal)

    return view


def tokens(request: HttpRequest, portal: str) -> HttpResponse:
    if request.method != "POST":
        return answers.json({"detail": "Method Not Allowed"}, 405, {"Allow": "POST"})
    application = client_of(request)
    if application is None:
        return refused("invalid_client", "Invalid client", 401)
    if application.portal != portal:
        # Seen of the real ones, with perfect credentials.
        return refused("invalid_request" if portal == OLD else "invalid_client", "Invalid client")
    form = request.POST
    match form.get("grant_type"):
        case "authorization_code":
            uri, verifier = form.get("redirect_uri", ""), form.get("code_verifier", "")
            grant = grants.redeem(form.get("code", ""), application, uri, verifier)
        case "refresh_token":
            grant = grants.renew(form.get("refresh_token", ""), application)
        case _:
            return refused("unsupported_grant_type", "Unknown grant type")
    if grant is None:
        return refused("invalid_grant", "The grant is invalid, expired or revoked")
    answer = {
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "token_type": "bearer",
        "expires_in": state.lifetime,
        # Prefixed even where asked without.
        "scope": spelt(NEW, grant.scopes),
    }
    return answers.json(answer, headers={"Cache-Control": "no-store"})


def refused(error: str, description: str, status: int = 400) -> HttpResponse:
    return answers.json({"error": error, "error_description": description}, status)


def client_of(request: HttpRequest) -> Application | None:
    """By form or by HTTP Basic (RFC 6749, 2.3.1)."""
    name, secret = request.POST.get("client_id", ""), request.POST.get("client_secret", "")
    scheme, _, basic = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(basic).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        name, secret = unquote(name), unquote(secret)
    found = state.applications.get(name)
    good = found and compare_digest(found.client_secret.encode(), secret.encode())
    return found if good else None


@csrf_exempt
def revoke(request: HttpRequest) -> HttpResponse:
    """RFC 7009: 200 for unknown tokens, too."""
    application = client_of(request)
    if application is None:
        return refused("invalid_client", "Invalid client", 401)
    grant = grants.of_token(request.POST.get("token", ""))
    if grant and grant.application == application:
        grant.alive = False
    return answers.json({})


@csrf_exempt
def old_revoke(request: HttpRequest) -> HttpResponse:
    grant = grants.of_token(request.GET.get("access_token", ""))
    if grant:
        grant.alive = False
    return answers.json({})


@csrf_exempt
def introspect(request: HttpRequest) -> HttpResponse:
    application, asked = client_of(request), request.POST.get("token", "")
    if application is None:
        return refused("invalid_client", "Invalid client", 401)
    grant = grants.of_token(asked)
    current = grant and (asked == grant.refresh_token or grants.is_good(grant, asked))
    if grant is None or not (grant.alive and current):
        return answers.json({"active": False})
    left = grant.expires_at - time.time()
    scope = spelt(NEW, grant.scopes)
    return answers.json({"active": True, "scope": scope, "expires_in": int(left)})


urlpatterns = [
    path(DISCOVERY, discovery),
    path(f"{EXT}-authorize", authorize(NEW)),
    path(f"{EXT}-token", token(NEW)),
    path(f"{EXT}-revoke", revoke),
    path(f"{EXT}-introspect", introspect),
    path("oauth/authorize", authorize(OLD)),
    path("oauth/token", token(OLD)),
    path("oauth/revoke", old_revoke),
]
