"""The sandbox's own controls, never part of Oura's paths: people, faults, days that change."""

from collections.abc import Callable
from datetime import date
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from myhealth.days import parse_day
from sandbox import answers, grants, store
from sandbox.answers import Refused
from sandbox.days import Document
from sandbox.faults import KINDS, Fault, faults, paths, requests
from sandbox.people import everyone
from sandbox.people import people as all_people
from sandbox.sleep import NAP_TYPES

Body = dict[str, Any]
Handler = Callable[[Body], object]
MOST_TIMES = 1_000_000
MOST_SECONDS = 3600


def control(**handlers: Handler) -> Callable[[HttpRequest], HttpResponse]:
    """A route with a handler for each method, which gets the body or, by GET, the query.

    What a handler raises becomes a sentence.
    """

    @csrf_exempt
    def view(request: HttpRequest) -> HttpResponse:
        handler = handlers.get(str(request.method))
        if handler is None:
            allow = ", ".join(handlers)
            return answers.json({"detail": f"Expected {allow}."}, 405, {"Allow": allow})
        try:
            given = body(request) if request.method == "POST" else request.GET.dict()
            return answers.json(handler(given))
        except Refused as refused:
            return answers.refusal(refused)
        except store.Unknown as unknown:
            return answers.json({"detail": unknown.args[0]}, 404)
        except ValueError as error:
            return answers.json({"detail": str(error)}, 400)

    return view


def body(request: HttpRequest) -> Body:
    try:
        found = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ValueError("The body must be a JSON object.")
    return found


def only(given: Body, *names: str) -> None:
    strange = sorted(given.keys() - set(names))
    if strange:
        raise ValueError(f"Unknown: {', '.join(strange)}; expected {', '.join(names)}.")


def whole(given: Body, name: str, default: int, lowest: int, highest: int) -> int:
    value = given.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"{name} must be a whole number from {lowest} to {highest}.")
    return value


def truth(given: Body, name: str, default: bool | None = None) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false.")
    return value


def people(given: Body) -> object:
    chosen = everyone if given.get("all") == "1" else all_people
    return [
        {"name": each.name, "user_id": each.user_id, "access_token": each.access_token}
        for each in chosen(settings.SANDBOX_SEED).values()
    ]


def add_fault(given: Body) -> object:
    only(given, "fault", "times", "path", "name", "retry_after")
    kind, path = given.get("fault"), given.get("path")
    if kind not in tuple(KINDS):
        raise ValueError(f"fault must be one of: {', '.join(KINDS)}.")
    if path is not None and path not in paths():
        raise ValueError(f"path must be left out or one of: {', '.join(paths())}.")
    times = whole(given, "times", 1, 1, MOST_TIMES)
    name = known_name({"name": given["name"]}) if given.get("name") is not None else None
    wait = whole(given, "retry_after", 1, 0, MOST_SECONDS)
    return faults.add(Fault(kind, times, path, name, wait))


def clear_faults(_: Body) -> object:
    return {"cleared": faults.clear()}


def clear_requests(_: Body) -> object:
    requests.clear()
    return requests.listed()


def day_of(given: Body) -> tuple[str, str, date]:
    for name in ("name", "type", "day"):
        if not isinstance(given.get(name), str):
            raise ValueError(f"{name} must be a text.")
    day = parse_day(given["day"])
    if day is None:
        raise ValueError(f"day: {given['day']!r} is not a date; expected YYYY-MM-DD.")
    return given["name"], given["type"], day


def recompute(given: Body) -> object:
    only(given, "name", "type", "day", "new_id")
    new_id = truth(given, "new_id", default=False)
    name, collection, day = day_of(given)
    documents = store.recompute(name, collection, day, new_id=new_id)
    return told(name, collection, day) | {
        "new_id": new_id,
        "ids": ids(documents),
        "score": documents[0].get("score"),
    }


def nap(given: Body) -> object:
    """A nap that Oura detects, and what becomes of it: the same one under another type."""
    only(given, "name", "day", "type")
    name, kind, day = day_of(given)
    if kind not in NAP_TYPES:
        raise ValueError(f"type must be one of: {', '.join(NAP_TYPES)}.")
    return told(name, "sleep", day) | {"ids": ids(store.nap(name, day, kind))}


def periods(given: Body) -> object:
    only(given, "name", "day", "deleted")
    name, _, day = day_of({**given, "type": "sleep"})
    found = store.periods(name, day, deleted=truth(given, "deleted"))
    return told(name, "sleep", day) | {"ids": ids(found)}


def ids(documents: list[Document]) -> list[str]:
    return [document["id"] for document in documents]


def remove(given: Body) -> object:
    only(given, "name", "type", "day")
    name, collection, day = day_of(given)
    return told(name, collection, day) | {"removed": store.remove(name, collection, day)}


def restore(given: Body) -> object:
    only(given, "name", "type", "day")
    name, collection, day = day_of(given)
    return told(name, collection, day) | {"restored": store.restore(name, collection, day)}


def told(name: str, collection: str, day: date) -> Body:
    return {"name": name, "type": collection, "day": day.isoformat()}


def add_client(given: Body) -> object:
    only(given, "client_id", "client_secret", "redirect_uris", "portal")
    uris, portal = given.get("redirect_uris"), given.get("portal", grants.NEW)
    if portal not in (grants.NEW, grants.OLD):
        raise ValueError("portal must be new or old.")
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
        raise ValueError("redirect_uris must be a list of texts.")
    name, secret = filled(given, "client_id"), filled(given, "client_secret")
    with grants.state.lock:
        made = grants.Application(name, secret, portal, tuple(uris))
        grants.state.applications[name] = made
    return {"client_id": name, "portal": portal}


def filled(given: Body, name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a text and not empty.")
    return value


def expire(given: Body) -> object:
    """The access tokens of a person end now; the refresh tokens don't."""
    with grants.state.lock:
        held = grants.of_person(known_name(given))
        for grant in held:
            grant.expires_at = 0.0
    return {"expired": len(held)}


def revoke(given: Body) -> object:
    """As if the person had removed the application at Oura."""
    with grants.state.lock:
        held = grants.of_person(known_name(given))
        for grant in held:
            grant.alive = False
    return {"revoked": len(held)}


def membership(given: Body) -> object:
    only(given, "name", "active")
    name, active = known_name({"name": given.get("name")}), truth(given, "active")
    with grants.state.lock:
        (grants.state.lapsed.discard if active else grants.state.lapsed.add)(name)
    return {"name": name, "active": active}


def lifetime(given: Body) -> object:
    """Seconds that access tokens live which are given from now on."""
    only(given, "seconds")
    grants.state.lifetime = whole(given, "seconds", 2_591_999, 0, 10**8)
    return {"seconds": grants.state.lifetime}


def known_name(given: Body) -> str:
    only(given, "name")
    name = given.get("name")
    if not isinstance(name, str) or name not in everyone(settings.SANDBOX_SEED):
        raise ValueError(f"There is no person {name!r}.")
    return name


clients_view = control(POST=add_client)
expire_view = control(POST=expire)
revoke_view = control(POST=revoke)
membership_view = control(POST=membership)
lifetime_view = control(POST=lifetime)
people_view = control(GET=people)
faults_view = control(GET=lambda _: faults.listed(), POST=add_fault, DELETE=clear_faults)
requests_view = control(GET=lambda _: requests.listed(), DELETE=clear_requests)
recompute_view = control(POST=recompute)
nap_view = control(POST=nap)
periods_view = control(POST=periods)
remove_view = control(POST=remove)
restore_view = control(POST=restore)
