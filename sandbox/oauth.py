"""Oura's two OAuth2 providers, under the paths of their real hosts.

The new one (moi.ouraring.com) and the old one (cloud and api.ouraring.com) accept only their own
applications, and reject the others with the errors observed at Oura.
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

from sandbox import grants
from sandbox.faults import TOKEN_PATH, faults, request_counts, respond_with_fault
from sandbox.grants import NEW, OLD, SCOPE_PREFIX, SCOPES, Application, Grant, state
from sandbox.limits import owner_of
from sandbox.people import all_people, named_people
from sandbox.responses import json_response

_View = Callable[[HttpRequest], HttpResponse]
_EXT = "oauth/v2/ext/oauth"
_DISCOVERY = f"{_EXT}-anonymous/.well-known/openid-configuration"
# Query parameters that the consent form sends back.
_FORM_FIELDS = (
    "client_id",
    "redirect_uri",
    "state",
    "scope",
    "code_challenge",
    "code_challenge_method",
)


def _base_url(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"


def _issuer(request: HttpRequest) -> str:
    return f"{_base_url(request)}/{_EXT}-anonymous"


@require_GET
def discovery_view(request: HttpRequest) -> HttpResponse:
    where = f"{_base_url(request)}/{_EXT}"
    return json_response(
        {
            "issuer": _issuer(request),
            "authorization_endpoint": f"{where}-authorize",
            "token_endpoint": f"{where}-token",
            "revocation_endpoint": f"{where}-revoke",
            "introspection_endpoint": f"{where}-introspect",
            "scopes_supported": [f"{SCOPE_PREFIX}{scope}" for scope in SCOPES],
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "authorization_response_iss_parameter_supported": True,
        }
    )


def authorize_view(portal: str) -> _View:
    """Return the view that shows the consent page and accepts its form."""

    @csrf_exempt
    @require_http_methods(["GET", "POST"])
    def view(request: HttpRequest) -> HttpResponse:
        params = request.POST if request.method == "POST" else request.GET
        application = state.applications.get(params.get("client_id", ""))
        uri = params.get("redirect_uri", "")
        if application is None or application.portal != portal:
            return _error_page(request, "This application is not registered here (Invalid client).")
        if not application.accepts(uri):
            return _error_page(request, "This redirect URI is not registered for the application.")
        # Oura supports S256 only. Without a method, plain is meant (RFC 7636, 4.3).
        method = params.get("code_challenge_method") or "plain"
        if params.get("code_challenge") and method != "S256":
            return _redirect_back(request, portal, uri, error="invalid_request")
        scopes = grants.parse_scopes(params.get("scope", ""))
        if request.method == "POST":
            return _answer_consent(request, portal, application, scopes)
        if params.get("response_type") != "code":
            return _redirect_back(request, portal, uri, error="unsupported_response_type")
        return _consent_page(request, application, scopes)

    return view


def _consent_page(
    request: HttpRequest, application: Application, scopes: tuple[str, ...]
) -> HttpResponse:
    context = {
        "client": application.client_id,
        "people": named_people(settings.SANDBOX_SEED).values(),
        "scopes": {scope: SCOPES[scope] for scope in scopes},
        "fields": {name: request.GET.get(name, "") for name in _FORM_FIELDS},
    }
    return TemplateResponse(request, "sandbox/consent.html", context)


def _error_page(request: HttpRequest, message: str) -> HttpResponse:
    # Never a redirect, since the redirect URI may not be the application's.
    context = {"message": message}
    return TemplateResponse(request, "sandbox/consent.html", context, status=400)


def _answer_consent(
    request: HttpRequest, portal: str, application: Application, requested: tuple[str, ...]
) -> HttpResponse:
    form = request.POST
    uri = form.get("redirect_uri", "")
    if form.get("decision") != "allow":
        return _redirect_back(request, portal, uri, error="access_denied")
    name, people = form.get("person", ""), all_people(settings.SANDBOX_SEED)
    if name not in people:
        return _error_page(request, "Choose one of the people.")
    scopes = tuple(scope for scope in requested if scope in form.getlist("granted"))
    grant = Grant(people[name], application, scopes)
    code = grants.issue_code(grant, uri, form.get("code_challenge", ""))
    return _redirect_back(request, portal, uri, code=code, scope=_format_scopes(portal, scopes))


def _redirect_back(request: HttpRequest, portal: str, uri: str, **answer: str) -> HttpResponse:
    params = request.POST if request.method == "POST" else request.GET
    if params.get("state"):
        answer["state"] = params["state"]
    if portal == NEW:
        answer["iss"] = _issuer(request)
    return HttpResponseRedirect(f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer)}")


def _format_scopes(portal: str, scopes: tuple[str, ...]) -> str:
    return " ".join(f"{SCOPE_PREFIX}{scope}" if portal == NEW else scope for scope in scopes)


def token_view(portal: str) -> _View:
    @csrf_exempt
    @require_POST
    def view(request: HttpRequest) -> HttpResponse:
        request_counts.count(request.path)
        hit = faults.next_hit(TOKEN_PATH, _requesting_person(request))
        return (
            respond_with_fault(hit, lambda: _answer_token_request(request, portal))
            if hit
            else _answer_token_request(request, portal)
        )

    return view


def _requesting_person(request: HttpRequest) -> str | None:
    """Return the name of the person whose code or refresh token is sent, valid or not."""
    code = state.codes.get(request.POST.get("code", ""))
    grant = code.grant if code else grants.grant_of_token(request.POST.get("refresh_token", ""))
    return grant.person.name if grant else None


def _answer_token_request(request: HttpRequest, portal: str) -> HttpResponse:
    application = _authenticate_client(request)
    if application is None:
        return _unauthenticated(request)
    if application.portal != portal:
        # Observed at Oura, with correct credentials.
        return _error_response(
            "invalid_request" if portal == OLD else "invalid_client", "Invalid client"
        )
    form = request.POST
    kind = form.get("grant_type", "")
    if kind not in ("authorization_code", "refresh_token"):
        return _error_response("unsupported_grant_type", "Unknown grant type")
    name = "code" if kind == "authorization_code" else kind
    if not form.get(name):
        return _error_response("invalid_request", f"Missing {name}")
    if kind == "refresh_token":
        grant = grants.refresh_tokens(form[name], application)
    else:
        uri, verifier = form.get("redirect_uri", ""), form.get("code_verifier", "")
        grant = grants.redeem_code(form[name], application, uri, verifier)
    if grant is None:
        return _error_response("invalid_grant", "The grant is invalid, expired or revoked")
    return _token_response(grant)


def _token_response(grant: Grant) -> HttpResponse:
    answer = {
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "token_type": "bearer",
        "expires_in": state.lifetime,
        # With the prefix, even if the request had none.
        "scope": _format_scopes(NEW, grant.scopes),
    }
    return json_response(answer, headers={"Cache-Control": "no-store"})


def _error_response(
    error: str, description: str, status: int = 400, headers: dict[str, str] | None = None
) -> HttpResponse:
    return json_response({"error": error, "error_description": description}, status, headers)


def _unauthenticated(request: HttpRequest) -> HttpResponse:
    # Required if the client tried HTTP Basic (RFC 6749, 5.2).
    headers = {"WWW-Authenticate": "Basic"} if "Authorization" in request.headers else None
    return _error_response("invalid_client", "Invalid client", 401, headers)


def _authenticate_client(request: HttpRequest) -> Application | None:
    """Return the client that the form or HTTP Basic authenticates (RFC 6749, 2.3.1)."""
    name, secret = request.POST.get("client_id", ""), request.POST.get("client_secret", "")
    scheme, _, basic = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(basic).decode().partition(":")
        except ValueError:
            return None
        name, secret = unquote(name), unquote(secret)
    application = state.applications.get(name)
    if application and compare_digest(application.client_secret.encode(), secret.encode()):
        return application
    return None


def _token_route(answer: Callable[[Grant | None, str], HttpResponse]) -> _View:
    """Return a view of the new provider about a token of the application that asks."""

    @csrf_exempt
    @require_POST
    def view(request: HttpRequest) -> HttpResponse:
        application, token = _authenticate_client(request), request.POST.get("token", "")
        if application is None:
            return _unauthenticated(request)
        if application.portal != NEW:
            return _error_response("invalid_client", "Invalid client")
        grant = grants.grant_of_token(token)
        return answer(grant if grant and grant.belongs_to(application) else None, token)

    return view


def _revoke(grant: Grant | None, token: str) -> HttpResponse:
    """Revoke the grant. Unknown tokens get 200, too (RFC 7009)."""
    grants.revoke_grant(grant)
    return json_response({})


def _introspect(grant: Grant | None, token: str) -> HttpResponse:
    """Describe a valid token; an invalid one is only reported as inactive (RFC 7662)."""
    if grant is None or not (grants.is_valid(grant, token) or grants.can_refresh(grant, token)):
        return json_response({"active": False})
    description = {
        "active": True,
        "scope": _format_scopes(NEW, grant.scopes),
        "client_id": grant.application.client_id,
        "sub": owner_of(grant.person),
    }
    if token == grant.access_token:
        description["exp"] = int(grant.expires_at)
    return json_response(description)


@csrf_exempt
@require_http_methods(["GET", "POST"])
def old_revoke_view(request: HttpRequest) -> HttpResponse:
    """Revoke at the old provider, which requires nothing but the token."""
    token = request.GET.get("access_token") or request.POST.get("access_token", "")
    grant = grants.grant_of_token(token)
    grants.revoke_grant(grant if grant and grant.application.portal == OLD else None)
    return json_response({})


urlpatterns = [
    path(_DISCOVERY, discovery_view),
    path(f"{_EXT}-authorize", authorize_view(NEW)),
    path(f"{_EXT}-token", token_view(NEW)),
    path(f"{_EXT}-revoke", _token_route(_revoke)),
    path(f"{_EXT}-introspect", _token_route(_introspect)),
    path("oauth/authorize", authorize_view(OLD)),
    path("oauth/token", token_view(OLD)),
    path("oauth/revoke", old_revoke_view),
]
