"""Oura's two OAuth2 providers, under the paths of their real hosts.

The new one (moi.ouraring.com) and the old one (cloud and api.ouraring.com) know only their own
applications, and refuse the other's as the real ones were seen to.
"""

import base64
from collections.abc import Callable
from hmac import compare_digest
from urllib.parse import unquote, urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from sandbox import answers, grants
from sandbox.faults import TOKEN, faults, requests, suffer
from sandbox.grants import NEW, OLD, PREFIX, SCOPES, Application, Grant, state
from sandbox.people import everyone, people

View = Callable[[HttpRequest], HttpResponse]
EXT = "oauth/v2/ext/oauth"
DISCOVERY = f"{EXT}-anonymous/.well-known/openid-configuration"
# What the consent page's form repeats of the address that led to it.
HANDED_ON = (
    "client_id",
    "redirect_uri",
    "state",
    "scope",
    "code_challenge",
    "code_challenge_method",
)


def base(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"


def issuer(request: HttpRequest) -> str:
    return f"{base(request)}/{EXT}-anonymous"


@require_GET
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


def authorize(portal: str) -> View:
    """The consent page, and its answer."""

    @csrf_exempt
    @require_http_methods(["GET", "POST"])
    def view(request: HttpRequest) -> HttpResponse:
        asked = request.POST if request.method == "POST" else request.GET
        application = state.applications.get(asked.get("client_id", ""))
        uri = asked.get("redirect_uri", "")
        if application is None or application.portal != portal:
            return trouble(request, "This application is not known here (Invalid client).")
        if not application.accepts(uri):
            return trouble(request, "The redirect URI is not one of this application's.")
        # What its absence means (RFC 7636, 4.3), and Oura takes S256 alone.
        method = asked.get("code_challenge_method") or "plain"
        if asked.get("code_challenge") and method != "S256":
            return back(request, portal, uri, error="invalid_request")
        scopes = grants.known_scopes(asked.get("scope", ""))
        if request.method == "POST":
            return decided(request, portal, application, scopes)
        if asked.get("response_type") != "code":
            return back(request, portal, uri, error="unsupported_response_type")
        return consent_page(request, application, scopes)

    return view


def consent_page(
    request: HttpRequest, application: Application, scopes: tuple[str, ...]
) -> HttpResponse:
    context = {
        "client": application.client_id,
        "people": people(settings.SANDBOX_SEED).values(),
        "scopes": {scope: SCOPES[scope] for scope in scopes},
        "fields": {name: request.GET.get(name, "") for name in HANDED_ON},
    }
    return TemplateResponse(request, "sandbox/consent.html", context)


def trouble(request: HttpRequest, sentence: str) -> HttpResponse:
    # Never a redirect: nobody knows yet that the address is the application's.
    context = {"sentence": sentence}
    return TemplateResponse(request, "sandbox/consent.html", context, status=400)


def decided(
    request: HttpRequest, portal: str, application: Application, asked: tuple[str, ...]
) -> HttpResponse:
    form = request.POST
    uri = form.get("redirect_uri", "")
    if form.get("decision") != "allow":
        return back(request, portal, uri, error="access_denied")
    name, known = form.get("person", ""), everyone(settings.SANDBOX_SEED)
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


def token(portal: str) -> View:
    @csrf_exempt
    @require_POST
    def view(request: HttpRequest) -> HttpResponse:
        requests.count(request.path)
        hit = faults.take(TOKEN, holder(request))
        return suffer(hit, lambda: tokens(request, portal)) if hit else tokens(request, portal)

    return view


def holder(request: HttpRequest) -> str | None:
    """The name of the person whose code or refresh token comes, good or not."""
    code = state.codes.get(request.POST.get("code", ""))
    grant = code.grant if code else grants.of_token(request.POST.get("refresh_token", ""))
    return grant.person.name if grant else None


def tokens(request: HttpRequest, portal: str) -> HttpResponse:
    application = client_of(request)
    if application is None:
        return unauthenticated(request)
    if application.portal != portal:
        # Seen of the real ones, with perfect credentials.
        return refused("invalid_request" if portal == OLD else "invalid_client", "Invalid client")
    form = request.POST
    kind = form.get("grant_type", "")
    if kind not in ("authorization_code", "refresh_token"):
        return refused("unsupported_grant_type", "Unknown grant type")
    name = "code" if kind == "authorization_code" else kind
    if not form.get(name):
        return refused("invalid_request", f"Missing {name}")
    if kind == "refresh_token":
        grant = grants.renew(form[name], application)
    else:
        uri, verifier = form.get("redirect_uri", ""), form.get("code_verifier", "")
        grant = grants.redeem(form[name], application, uri, verifier)
    if grant is None:
        return refused("invalid_grant", "The grant is invalid, expired or revoked")
    return granted(grant)


def granted(grant: Grant) -> HttpResponse:
    answer = {
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "token_type": "bearer",
        "expires_in": state.lifetime,
        # Prefixed even where asked without.
        "scope": spelt(NEW, grant.scopes),
    }
    return answers.json(answer, headers={"Cache-Control": "no-store"})


def refused(
    error: str, description: str, status: int = 400, headers: dict[str, str] | None = None
) -> HttpResponse:
    return answers.json({"error": error, "error_description": description}, status, headers)


def unauthenticated(request: HttpRequest) -> HttpResponse:
    # Who tried Basic is told so (RFC 6749, 5.2).
    headers = {"WWW-Authenticate": "Basic"} if "Authorization" in request.headers else None
    return refused("invalid_client", "Invalid client", 401, headers)


def client_of(request: HttpRequest) -> Application | None:
    """By form or by HTTP Basic (RFC 6749, 2.3.1)."""
    name, secret = request.POST.get("client_id", ""), request.POST.get("client_secret", "")
    scheme, _, basic = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(basic).decode().partition(":")
        except ValueError:
            return None
        name, secret = unquote(name), unquote(secret)
    found = state.applications.get(name)
    good = found and compare_digest(found.client_secret.encode(), secret.encode())
    return found if good else None


def of_token(answer: Callable[[Grant | None, str], HttpResponse]) -> View:
    """A route of the new provider's about a token, of which an application knows its own only."""

    @csrf_exempt
    @require_POST
    def view(request: HttpRequest) -> HttpResponse:
        application, asked = client_of(request), request.POST.get("token", "")
        if application is None:
            return unauthenticated(request)
        if application.portal != NEW:
            return refused("invalid_client", "Invalid client")
        grant = grants.of_token(asked)
        return answer(grant if grant and grant.is_of(application) else None, asked)

    return view


def revoked(grant: Grant | None, asked: str) -> HttpResponse:
    """RFC 7009: 200 for unknown tokens, too."""
    grants.end(grant)
    return answers.json({})


def introspected(grant: Grant | None, asked: str) -> HttpResponse:
    """RFC 7662: of a token that works no more, only that it doesn't."""
    if grant is None or not (grants.is_good(grant, asked) or grants.can_renew(grant, asked)):
        return answers.json({"active": False})
    told = {
        "active": True,
        "scope": spelt(NEW, grant.scopes),
        "client_id": grant.application.client_id,
        "sub": grant.person.user_id,
    }
    if asked == grant.access_token:
        told["exp"] = int(grant.expires_at)
    return answers.json(told)


@csrf_exempt
@require_http_methods(["GET", "POST"])
def old_revoke(request: HttpRequest) -> HttpResponse:
    """The old provider's asks for no credentials but the token itself."""
    asked = request.GET.get("access_token") or request.POST.get("access_token", "")
    grant = grants.of_token(asked)
    grants.end(grant if grant and grant.application.portal == OLD else None)
    return answers.json({})


urlpatterns = [
    path(DISCOVERY, discovery),
    path(f"{EXT}-authorize", authorize(NEW)),
    path(f"{EXT}-token", token(NEW)),
    path(f"{EXT}-revoke", of_token(revoked)),
    path(f"{EXT}-introspect", of_token(introspected)),
    path("oauth/authorize", authorize(OLD)),
    path("oauth/token", token(OLD)),
    path("oauth/revoke", old_revoke),
]
