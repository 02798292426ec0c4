"""What could not be read: ranges of days, and why. What was read whole comes with its documents."""

from collections.abc import Callable, Iterable
from datetime import date, datetime
from typing import Any

from django.db import transaction

from ingest import fetches, runs
from ingest.models import METRIC_MODELS, Fetch
from ingest.people import known_person
from ingest.prometheus import READ_FAILURES
from ingest.upsert import Writer
from myhealth.days import FIRST_DAY, ONE_DAY, Days, utc_today
from myhealth.errors import Invalid
from myhealth.states import FailureKind

FIELDS = ("type", "user", "asked_at", "ranges", "kind", "status", "collection", "page")
KINDS = tuple(kind.value for kind in FailureKind if kind != FailureKind.REJECTED)
MOST_RANGES = 1_000


def record_failure(
    user_id: int,
    type_: str,
    ranges: Iterable[Days],
    failure: dict[str, Any],
    *,
    asked_at: datetime,
    now: datetime,
    run: str,
) -> None:
    """Record one failure for all the ranges that it holds for."""
    with known_person(), transaction.atomic():
        writer = Writer(METRIC_MODELS[type_], user_id, asked_at, now)
        writer.lock()
        fetches.record(
            *(
                Fetch(
                    user_id=user_id,
                    type=type_,
                    start=days.start,
                    end=days.end,
                    complete=False,
                    asked_at=asked_at,
                    run=run,
                    **failure,
                )
                for days in ranges
            )
        )
        runs.count(user_id, run, now, failures=1)
        writer.raise_version("ledger_version")
    READ_FAILURES.labels(type_, failure["kind"]).inc()


def ranges_of(value: Any, day_of: Callable[[str, Any], date]) -> list[Days]:
    """Raises Invalid."""
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_RANGES:
        raise Invalid({"ranges": [f"It must be a list of 1 to {MOST_RANGES} ranges."]})
    found = [range_of(f"ranges.{index}", each, day_of) for index, each in enumerate(value)]
    return [days for each in found if (days := clamp(each))]


def clamp(days: Days) -> Days | None:
    """The part of a range that can hold a day: from the first ring to tomorrow, in any zone."""
    return days.clamped(FIRST_DAY, utc_today() + 2 * ONE_DAY)


def range_of(name: str, value: Any, day_of: Callable[[str, Any], date]) -> Days:
    if not isinstance(value, dict) or value.keys() != {"start", "end"}:
        raise Invalid({name: ["It must be an object with start and end."]})
    return days_of(name, value, day_of)


def days_of(name: str, value: Any, day_of: Callable[[str, Any], date]) -> Days:
    """The range from `start` to `end` of an object that has both. Raises Invalid."""
    start, end = (day_of(f"{name}.{key}", value[key]) for key in ("start", "end"))
    if start > end:
        raise Invalid({name: [f"It starts on {start}, after its end, {end}."]})
    return Days(start, end)


def failure_of(body: dict[str, Any]) -> dict[str, Any]:
    """The columns that tell what failed. Raises Invalid."""
    kind, collection = body.get("kind"), body.get("collection") or ""
    if kind not in KINDS:
        raise Invalid({"kind": [f"It must be one of {', '.join(KINDS)}."]})
    if not isinstance(collection, str) or len(collection) > 64 or "\x00" in collection:
        raise Invalid({"collection": ["It must be a text of up to 64 characters."]})
    return {
        "kind": kind,
        "collection": collection,
        "status": number_of(body, "status", 100, 599),
        "page": number_of(body, "page", 1, 2**31 - 1),
    }


def number_of(body: dict[str, Any], name: str, lowest: int, highest: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest:
        return value
    raise Invalid({name: [f"It must be a whole number from {lowest} to {highest}."]})
