"""Conditions of a person's account that stay until they are undone: what its lists refuse, the
size of their pages, whether `fields` counts, and whose ring it is.
"""

from dataclasses import asdict, dataclass
from datetime import date
from threading import Lock

from django.conf import settings

from sandbox.people import Person
from sandbox.responses import ApiError, gateway_error

# What Oura or its gateway says when a range is too long, by status.
_REFUSALS: dict[int, object] = {
    400: "Time range is too large",
    413: "Request Entity Too Large",
    422: [
        {
            "type": "value_error",
            "loc": ["query", "start_date"],
            "msg": "Value error, time range is too large",
            "input": None,
        }
    ],
    500: "Internal Server Error",
}
_GATEWAY_TIMEOUT = 504
STATUSES = (*_REFUSALS, _GATEWAY_TIMEOUT)


@dataclass(frozen=True, slots=True)
class Limits:
    """The conditions of an account. With the defaults it has none but the size of pages."""

    page_size: int | None  # The most documents of a page, None without a limit.
    page_overlap: int = 0
    max_days: int | None = None
    status: int = 400  # What a range of more than `max_days` is refused with.
    fields: bool = True

    def check_range(self, begin: date, until: date) -> None:
        """Raise ApiError if a list's range, from its start's date to its end's, is too long."""
        if self.max_days is None or (until - begin).days <= self.max_days:
            return
        if self.status == _GATEWAY_TIMEOUT:
            raise gateway_error(_GATEWAY_TIMEOUT)
        raise ApiError(self.status, _REFUSALS[self.status])


_limits: dict[str, Limits] = {}
_owners: dict[str, str] = {}
_lock = Lock()


def limits_of(person: Person) -> Limits:
    return _limits.get(person.name) or Limits(settings.SANDBOX_PAGE_SIZE)


def set_limits(name: str, limits: Limits) -> dict[str, object]:
    """Replace all limits of a person. Raise ValueError for pages that would never end."""
    size = limits.page_size
    if size is not None and limits.page_overlap >= size:
        raise ValueError(f"page_overlap must be less than the page size, {size}.")
    with _lock:
        _limits[name] = limits
    return _to_dict(name, limits)


def list_limits() -> list[dict[str, object]]:
    with _lock:
        return [_to_dict(name, limits) for name, limits in _limits.items()]


def clear_limits(name: str | None = None) -> int:
    """Undo the limits of a person, or of all. Return how many people had any."""
    with _lock:
        names = [known for known in _limits if name in (None, known)]
        for known in names:
            del _limits[known]
    return len(names)


def _to_dict(name: str, limits: Limits) -> dict[str, object]:
    return {"name": name, **asdict(limits)}


def owner_of(person: Person) -> str:
    """Return the user id that the person's `personal_info` has."""
    return _owners.get(person.name, person.user_id)


def set_owner(name: str, user_id: str | None) -> None:
    """Let a person's tokens belong to another user id, or, with None, to the person again."""
    with _lock:
        if user_id is None:
            _owners.pop(name, None)
        else:
            _owners[name] = user_id


def reset() -> None:
    with _lock:
        _limits.clear()
        _owners.clear()
