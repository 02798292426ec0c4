"""Oura's routes. Only what a real client can ask; the controls are in `controls`."""

from collections.abc import Callable
from hmac import compare_digest

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from sandbox import answers, grants, lists, store
from sandbox.answers import Refused
from sandbox.faults import KINDS, Hit, faults, requests, suffer
from sandbox.others import rings
from sandbox.people import Person, everyone, personal_info, stranger
from sandbox.registry import COLLECTIONS, PERSONAL_INFO, RINGS, scope_of
from sandbox.series import SERIES

View = Callable[..., HttpResponse]
NO_AUTHORIZATION = "Missing auth token. Include any string in 'Authorization' header."
MOST_SECONDS = 3600


def oura_route(answer: Callable[..., bytes]) -> View:
    """A route of Oura's: counted, subject to faults, GET only, errors as Oura words them."""

    @csrf_exempt
    def view(request: HttpRequest, name: str = "", **captured: str) -> HttpResponse:
        match = request.resolver_match
        requests.count("/" + match.route.replace("<name>", name) if match else request.path)

        def answered() -> HttpResponse:
            try:
                return answers.raw(answer(request, name, **captured))
            except Refused as refused:
                return answers.refusal(refused)

        if request.method != "GET":
            return answers.json({"detail": "Method Not Allowed"}, 405, {"Allow": "GET"})
        hit = asked_fault(request) or faults.take(name, holder(request))
        return suffer(hit, answered) if hit else answered()

    return view


def asked_fault(request: HttpRequest) -> Hit | None:
    """The fault that a request asks for itself; a name that is none is no fault."""
    kind = request.headers.get("X-Sandbox-Fault", "")
    seconds = request.headers.get("X-Sandbox-Retry-After", "")
    wait = int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 5 else 1
    return faults.asked(kind, min(wait, MOST_SECONDS)) if kind in KINDS else None


def holder(request: HttpRequest) -> str | None:
    """The name of the person whose token it is, good or not."""
    token = request.headers.get("Authorization", "").partition(" ")[2].strip()
    if grant := grants.of_token(token):
        return grant.person.name
    known = everyone(settings.SANDBOX_SEED).values()
    return next((each.name for each in known if each.access_token == token), None)


def owner(request: HttpRequest, collection: str) -> Person:
    """Whose access token it is.

    Raises Refused: 401 without a valid one or without the collection's scope, 403 without a
    membership.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(401, "Missing or malformed access token.", {"WWW-Authenticate": "Bearer"})
    given = token.strip().encode()
    for person in everyone(settings.SANDBOX_SEED).values():
        if compare_digest(person.access_token.encode(), given):
            return member(person)
    grant = grants.of_token(token.strip())
    if grant is None or not grants.is_good(grant, token.strip()):
        detail = "Access token is invalid or has expired."
        raise Refused(401, detail, {"WWW-Authenticate": "Bearer"})
    if collection != PERSONAL_INFO and not grant.covers(collection):
        raise Refused(401, f"Token is not authorized access {scope_of(collection)} scope.")
    return member(grant.person)


def own_info(request: HttpRequest) -> dict[str, object]:
    """personal_info: any token tells the id; the rest is null without its scope."""
    info = personal_info(owner(request, PERSONAL_INFO))
    grant = grants.of_token(request.headers["Authorization"].partition(" ")[2].strip())
    # The people's own tokens come from no grant and cover all.
    scopes = grants.SCOPES if grant is None else grant.scopes
    seen = {"id", *({"email"} & set(scopes))}
    if "personal" in scopes:
        seen |= info.keys() - {"email"}
    return {name: value if name in seen else None for name, value in info.items()}


def member(person: Person) -> Person:
    if person.name in grants.state.lapsed:
        raise Refused(403, "The user's Oura membership has expired.")
    return person


def anybody(request: HttpRequest) -> Person:
    """The made-up person of Oura's own sandbox, which takes any Authorization."""
    if not request.headers.get("Authorization", "").strip():
        raise Refused(400, NO_AUTHORIZATION)
    return stranger(settings.SANDBOX_SEED)


def listed(request: HttpRequest, name: str) -> bytes:
    refuse_unknown(name)
    if name == PERSONAL_INFO:
        return orjson.dumps(own_info(request))
    return listing(owner(request, name), name, request)


def listing(person: Person, name: str, request: HttpRequest) -> bytes:
    if name in SERIES:
        return lists.series(person, name, request.GET)
    if name == RINGS:
        return lists.configurations(person, request.GET)
    return lists.documents(person, name, request.GET)


def single(request: HttpRequest, name: str, document_id: str) -> bytes:
    refuse_unknown(name, documents_only=True)
    return one(owner(request, name), name, document_id)


def one(person: Person, name: str, document_id: str) -> bytes:
    if name == RINGS:
        found = next((ring for ring in rings(person) if ring["id"] == document_id), None)
        raw = orjson.dumps(found) if found else None
    else:
        raw = store.document(person, name, document_id)
    if raw is None:
        raise Refused(404, "Document not found.")
    return raw


def sandbox_listed(request: HttpRequest, name: str) -> bytes:
    refuse_unknown(name)
    if name == PERSONAL_INFO:
        raise Refused(404, "Not Found")
    return listing(anybody(request), name, request)


def sandbox_single(request: HttpRequest, name: str, document_id: str) -> bytes:
    refuse_unknown(name, documents_only=True)
    return one(anybody(request), name, document_id)


def unknown(request: HttpRequest, name: str) -> bytes:
    raise Refused(404, "Not Found")


def refuse_unknown(name: str, *, documents_only: bool = False) -> None:
    without_ids = (*SERIES, PERSONAL_INFO)
    if name in COLLECTIONS or name == RINGS or (name in without_ids and not documents_only):
        return
    raise Refused(404, "Not Found")
