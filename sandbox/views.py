"""Oura's data routes. The sandbox's own routes are in `controls`."""

from collections.abc import Callable
from hmac import compare_digest

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from sandbox import grants, lists, store
from sandbox.faults import KINDS, MAX_RETRY_AFTER, Hit, faults, request_counts, respond_with_fault
from sandbox.limits import owner_of
from sandbox.others import ring_configurations
from sandbox.people import Person, all_people, oura_sandbox_person, personal_info
from sandbox.registry import COLLECTIONS, PERSONAL_INFO, RINGS, scope_of
from sandbox.responses import ApiError, error_response, json_response, raw_json_response
from sandbox.series import SERIES

_View = Callable[..., HttpResponse]
_NO_AUTHORIZATION = "Missing auth token. Include any string in 'Authorization' header."


def oura_route(get_body: Callable[..., bytes]) -> _View:
    """Return a GET-only view that is counted, subject to faults, and answers errors like Oura."""

    @csrf_exempt
    def view(request: HttpRequest, name: str = "", **captured: str) -> HttpResponse:
        match = request.resolver_match
        request_counts.count("/" + match.route.replace("<name>", name) if match else request.path)

        def get_response() -> HttpResponse:
            try:
                return raw_json_response(get_body(request, name, **captured))
            except ApiError as error:
                return error_response(error)

        if request.method != "GET":
            return json_response({"detail": "Method Not Allowed"}, 405, {"Allow": "GET"})
        hit = _requested_fault(request, name) or faults.next_hit(name, _token_owner(request))
        return respond_with_fault(hit, get_response) if hit else get_response()

    return view


def _requested_fault(request: HttpRequest, name: str) -> Hit | None:
    """Return the fault that the request's own headers ask for. Unknown names are ignored."""
    kind = request.headers.get("X-Sandbox-Fault", "")
    seconds = request.headers.get("X-Sandbox-Retry-After", "")
    wait = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 5 else 1
    return faults.hit_once(kind, min(wait, MAX_RETRY_AFTER), name) if kind in KINDS else None


def _token_owner(request: HttpRequest) -> str | None:
    """Return the name of the person whose token is sent, valid or not."""
    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    if grant := grants.grant_of_token(token):
        return grant.person.name
    people = all_people(settings.SANDBOX_SEED).values()
    return next((person.name for person in people if person.access_token == token), None)


def _authorized_person(request: HttpRequest, collection: str) -> Person:
    """Return the person whose access token is sent.

    Raise ApiError: 401 without a valid token or without the collection's scope, 403 without a
    membership.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise ApiError(401, "Missing or malformed access token.", {"WWW-Authenticate": "Bearer"})
    given = token.strip().encode()
    for person in all_people(settings.SANDBOX_SEED).values():
        if compare_digest(person.access_token.encode(), given):
            return _with_membership(person)
    grant = grants.grant_of_token(token.strip())
    if grant is None or not grants.is_valid(grant, token.strip()):
        detail = "Access token is invalid or has expired."
        raise ApiError(401, detail, {"WWW-Authenticate": "Bearer"})
    if collection != PERSONAL_INFO and not grant.covers(collection):
        raise ApiError(401, f"Token is not authorized access {scope_of(collection)} scope.")
    return _with_membership(grant.person)


def _personal_info(request: HttpRequest) -> dict[str, object]:
    """Return `personal_info`: always the id, other values only with their scope."""
    person = _authorized_person(request, PERSONAL_INFO)
    info = personal_info(person) | {"id": owner_of(person)}
    grant = grants.grant_of_token(request.headers["Authorization"].partition(" ")[2].strip())
    # The people's own tokens belong to no grant and cover all scopes.
    scopes = grants.SCOPES if grant is None else grant.scopes
    visible = {"id", *({"email"} & set(scopes))}
    if "personal" in scopes:
        visible |= info.keys() - {"email"}
    return {name: value if name in visible else None for name, value in info.items()}


def _with_membership(person: Person) -> Person:
    if person.name in grants.state.lapsed:
        raise ApiError(403, "The user's Oura membership has expired.")
    return person


def _oura_sandbox_person(request: HttpRequest) -> Person:
    """Return the person of Oura's own sandbox, which accepts any Authorization header."""
    if not request.headers.get("Authorization", "").strip():
        raise ApiError(400, _NO_AUTHORIZATION)
    return oura_sandbox_person(settings.SANDBOX_SEED)


def list_collection(request: HttpRequest, name: str) -> bytes:
    _check_collection(name)
    if name == PERSONAL_INFO:
        return orjson.dumps(_personal_info(request))
    return _list(_authorized_person(request, name), name, request)


def _list(person: Person, name: str, request: HttpRequest) -> bytes:
    if name in SERIES:
        return lists.list_series(person, name, request.GET)
    if name == RINGS:
        return lists.list_rings(person, request.GET)
    return lists.list_documents(person, name, request.GET)


def get_document(request: HttpRequest, name: str, document_id: str) -> bytes:
    _check_collection(name, documents_only=True)
    return _raw_document(_authorized_person(request, name), name, document_id)


def _raw_document(person: Person, name: str, document_id: str) -> bytes:
    if name == RINGS:
        rings = ring_configurations(person)
        raw = next((orjson.dumps(ring) for ring in rings if ring["id"] == document_id), None)
    else:
        raw = store.raw_document(person, name, document_id)
    if raw is None:
        raise ApiError(404, "Document not found.")
    return raw


def sandbox_list_collection(request: HttpRequest, name: str) -> bytes:
    _check_collection(name)
    if name == PERSONAL_INFO:
        raise ApiError(404, "Not Found")
    return _list(_oura_sandbox_person(request), name, request)


def sandbox_get_document(request: HttpRequest, name: str, document_id: str) -> bytes:
    _check_collection(name, documents_only=True)
    return _raw_document(_oura_sandbox_person(request), name, document_id)


def not_found(request: HttpRequest, name: str) -> bytes:
    raise ApiError(404, "Not Found")


def _check_collection(name: str, *, documents_only: bool = False) -> None:
    without_ids = (*SERIES, PERSONAL_INFO)
    if name in COLLECTIONS or name == RINGS or (name in without_ids and not documents_only):
        return
    raise ApiError(404, "Not Found")
