"""The sandbox's controls under `/_sandbox/`: people, faults, changes to days, OAuth2 state."""

from collections.abc import Callable
from datetime import date
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from myhealth.days import parse_day
from sandbox import grants, limits, oddities, store
from sandbox.days import Document
from sandbox.faults import KINDS, MAX_RETRY_AFTER, Fault, fault_paths, faults, request_counts
from sandbox.people import all_people, named_people
from sandbox.responses import ApiError, error_response, json_response
from sandbox.sleep import NAP_TYPES

_Body = dict[str, Any]
_Handler = Callable[[_Body], object]
_MAX_TIMES = 1_000_000
_MAX_LIMIT = 1_000_000


def _control_view(**handlers: _Handler) -> Callable[[HttpRequest], HttpResponse]:
    """Return a view with one handler per method, called with the body or, for GET, the query.

    Errors raised by a handler are answered as `{"detail": …}`.
    """

    @csrf_exempt
    def view(request: HttpRequest) -> HttpResponse:
        handler = handlers.get(str(request.method))
        if handler is None:
            allow = ", ".join(handlers)
            return json_response(
                {"detail": f"This route accepts {allow} only."}, 405, {"Allow": allow}
            )
        try:
            _refuse_other_sites(request)
            fields = _parse_body(request) if request.method == "POST" else request.GET.dict()
            return json_response(handler(fields))
        except ApiError as error:
            return error_response(error)
        except store.NotFound as error:
            return json_response({"detail": error.args[0]}, 404)
        except ValueError as error:
            return json_response({"detail": str(error)}, 400)

    return view


def _refuse_other_sites(request: HttpRequest) -> None:
    """Raise ApiError for what the page of another site can make a browser send."""
    origin = f"{request.scheme}://{request.get_host()}"
    if request.headers.get("Origin", origin) != origin:
        raise ApiError(403, "Another site's page can't use the controls.")
    if request.method == "GET" or not (request.content_type or request.body):
        return
    # Without asking first, a page can send text, forms and bodies that say nothing of their type.
    if request.content_type != "application/json":
        raise ApiError(415, "The body must be JSON, with Content-Type: application/json.")


def _parse_body(request: HttpRequest) -> _Body:
    try:
        value = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("The body must be a JSON object.")
    return value


def _check_fields(fields: _Body, *names: str) -> None:
    unknown = sorted(fields.keys() - set(names))
    if unknown:
        raise ValueError(f"Unknown fields: {', '.join(unknown)}. Use only {', '.join(names)}.")


def _int_field(fields: _Body, name: str, default: int, lowest: int, highest: int) -> int:
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise ValueError(f"{name} must be an integer from {lowest} to {highest}.")
    return value


def _bool_field(fields: _Body, name: str, default: bool | None = None) -> bool:
    value = fields.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false.")
    return value


def _list_people(fields: _Body) -> object:
    people = all_people if fields.get("all") == "1" else named_people
    return [
        {"name": person.name, "user_id": person.user_id, "access_token": person.access_token}
        for person in people(settings.SANDBOX_SEED).values()
    ]


def _add_fault(fields: _Body) -> object:
    _check_fields(fields, "fault", "times", "path", "name", "retry_after")
    kind, path = fields.get("fault"), fields.get("path")
    if kind not in tuple(KINDS):
        raise ValueError(f"fault must be one of: {', '.join(KINDS)}.")
    if path is not None and path not in fault_paths():
        raise ValueError(f"path must be omitted or one of: {', '.join(fault_paths())}.")
    times = _int_field(fields, "times", 1, 1, _MAX_TIMES)
    name = _person_name({"name": fields["name"]}) if fields.get("name") is not None else None
    wait = _int_field(fields, "retry_after", 1, 0, MAX_RETRY_AFTER)
    return faults.add(Fault(kind, times, path, name, wait))


def _clear_faults(_: _Body) -> object:
    return {"cleared": faults.clear()}


def _clear_request_counts(_: _Body) -> object:
    request_counts.clear()
    return request_counts.to_dict()


def _day_fields(fields: _Body) -> tuple[str, str, date]:
    """Return name, type and day. Raises ValueError if one is missing or malformed."""
    for name in ("name", "type", "day"):
        if not isinstance(fields.get(name), str):
            raise ValueError(f"{name} must be a string.")
    day = parse_day(fields["day"])
    if day is None:
        raise ValueError(f"day must be a date as YYYY-MM-DD, not {fields['day']!r}.")
    return fields["name"], fields["type"], day


def _recompute(fields: _Body) -> object:
    _check_fields(fields, "name", "type", "day", "new_id")
    new_id = _bool_field(fields, "new_id", default=False)
    name, collection, day = _day_fields(fields)
    documents = store.recompute(name, collection, day, new_id=new_id)
    return _describe_day(name, collection, day) | {
        "new_id": new_id,
        "ids": _ids(documents),
        "score": documents[0].get("score"),
    }


def _set_nap(fields: _Body) -> object:
    """Add a nap to a day, as if Oura had detected it, or change the type of the added nap."""
    _check_fields(fields, "name", "day", "type")
    name, kind, day = _day_fields(fields)
    if kind not in NAP_TYPES:
        raise ValueError(f"type must be one of: {', '.join(NAP_TYPES)}.")
    return _describe_day(name, "sleep", day) | {"ids": _ids(store.set_nap(name, day, kind))}


def _set_periods_deleted(fields: _Body) -> object:
    _check_fields(fields, "name", "day", "deleted")
    name, _, day = _day_fields({**fields, "type": "sleep"})
    documents = store.set_periods_deleted(name, day, deleted=_bool_field(fields, "deleted"))
    return _describe_day(name, "sleep", day) | {"ids": _ids(documents)}


def _ids(documents: list[Document]) -> list[str]:
    return [document["id"] for document in documents]


def _remove(fields: _Body) -> object:
    _check_fields(fields, "name", "type", "day")
    name, collection, day = _day_fields(fields)
    return _describe_day(name, collection, day) | {"removed": store.remove(name, collection, day)}


def _restore(fields: _Body) -> object:
    _check_fields(fields, "name", "type", "day")
    name, collection, day = _day_fields(fields)
    return _describe_day(name, collection, day) | {"restored": store.restore(name, collection, day)}


def _describe_day(name: str, collection: str, day: date) -> _Body:
    return {"name": name, "type": collection, "day": day.isoformat()}


def _register_application(fields: _Body) -> object:
    _check_fields(fields, "client_id", "client_secret", "redirect_uris", "portal")
    uris, portal = fields.get("redirect_uris"), fields.get("portal", grants.NEW)
    if portal not in (grants.NEW, grants.OLD):
        raise ValueError("portal must be new or old.")
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
        raise ValueError("redirect_uris must be a list of strings.")
    name, secret = _text_field(fields, "client_id"), _text_field(fields, "client_secret")
    with grants.state.lock:
        application = grants.Application(name, secret, portal, tuple(uris))
        grants.state.applications[name] = application
    return {"client_id": name, "portal": portal}


def _text_field(fields: _Body, name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} must be a non-empty string.")
    return value


def _expire_access_tokens(fields: _Body) -> object:
    """Expire a person's access tokens now; their refresh tokens stay valid."""
    with grants.state.lock:
        expiring = grants.grants_of_person(_person_name(fields))
        for grant in expiring:
            grant.expires_at = 0.0
    return {"expired": len(expiring)}


def _revoke_grants(fields: _Body) -> object:
    """Revoke a person's grants, as if they had removed the applications at Oura."""
    with grants.state.lock:
        revoked = grants.grants_of_person(_person_name(fields))
        for grant in revoked:
            grant.active = False
    return {"revoked": len(revoked)}


def _set_membership(fields: _Body) -> object:
    _check_fields(fields, "name", "active")
    name, active = _person_name({"name": fields.get("name")}), _bool_field(fields, "active")
    with grants.state.lock:
        (grants.state.lapsed.discard if active else grants.state.lapsed.add)(name)
    return {"name": name, "active": active}


def _set_token_lifetime(fields: _Body) -> object:
    """Set the lifetime, in seconds, of access tokens that are issued from now on."""
    _check_fields(fields, "seconds")
    grants.state.lifetime = _int_field(fields, "seconds", 2_591_999, 0, 10**8)
    return {"seconds": grants.state.lifetime}


def _person_name(fields: _Body) -> str:
    _check_fields(fields, "name")
    name = fields.get("name")
    if not isinstance(name, str) or name not in all_people(settings.SANDBOX_SEED):
        raise ValueError(f"There is no person {name!r}.")
    return name


def _set_limits(fields: _Body) -> object:
    _check_fields(fields, "name", "max_days", "status", "page_size", "page_overlap", "fields")
    name = _person_name({"name": fields.get("name")})
    if fields.get("status", 400) not in limits.STATUSES:
        raise ValueError(f"status must be one of: {', '.join(map(str, limits.STATUSES))}.")
    return limits.set_limits(
        name,
        limits.Limits(
            page_size=_limit_field(fields, "page_size", settings.SANDBOX_PAGE_SIZE),
            page_overlap=_int_field(fields, "page_overlap", 0, 0, _MAX_LIMIT),
            max_days=_limit_field(fields, "max_days", None),
            status=fields.get("status", 400),
            fields=_bool_field(fields, "fields", default=True),
        ),
    )


def _limit_field(fields: _Body, name: str, default: int | None) -> int | None:
    """Return a number of at least 1, or None for no limit."""
    if fields.get(name, default) is None:
        return None
    return _int_field(fields, name, default or 1, 1, _MAX_LIMIT)


def _clear_limits(fields: _Body) -> object:
    return {"cleared": limits.clear_limits(_person_name(fields) if fields else None)}


def _set_owner(fields: _Body) -> object:
    """Let a person's tokens belong to another account of Oura's, until `user_id` is null."""
    _check_fields(fields, "name", "user_id")
    name = _person_name({"name": fields.get("name")})
    user_id = None if fields.get("user_id") is None else _text_field(fields, "user_id")
    limits.set_owner(name, user_id)
    return {"name": name, "user_id": user_id}


def _set_oddity(fields: _Body) -> object:
    _check_fields(fields, "name", "type", "day", "oddity")
    name, collection, day = _day_fields(fields)
    kind = fields.get("oddity")
    if kind is not None and kind not in tuple(oddities.KINDS):
        raise ValueError(f"oddity must be null or one of: {', '.join(oddities.KINDS)}.")
    documents = store.set_oddity(name, collection, day, kind)
    return _describe_day(name, collection, day) | {"oddity": kind, "ids": _ids(documents)}


clients_view = _control_view(POST=_register_application)
expire_view = _control_view(POST=_expire_access_tokens)
revoke_view = _control_view(POST=_revoke_grants)
membership_view = _control_view(POST=_set_membership)
lifetime_view = _control_view(POST=_set_token_lifetime)
people_view = _control_view(GET=_list_people)
faults_view = _control_view(GET=lambda _: faults.to_list(), POST=_add_fault, DELETE=_clear_faults)
requests_view = _control_view(GET=lambda _: request_counts.to_dict(), DELETE=_clear_request_counts)
recompute_view = _control_view(POST=_recompute)
nap_view = _control_view(POST=_set_nap)
periods_view = _control_view(POST=_set_periods_deleted)
remove_view = _control_view(POST=_remove)
restore_view = _control_view(POST=_restore)
oddities_view = _control_view(POST=_set_oddity)
limits_view = _control_view(
    GET=lambda _: limits.list_limits(), POST=_set_limits, DELETE=_clear_limits
)
owner_view = _control_view(POST=_set_owner)
