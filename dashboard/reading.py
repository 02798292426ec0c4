"""Reading the metric tables: rows, and the versions that ETags come from. Never writes."""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from ingest.models import Stream
from ingest.registry import METRICS, MetricKind

Row = dict[str, Any]
# Raised with what an answer looks like, so that old ETags stop matching.
SHAPE = "2"


def database() -> str:
    return "replica" if "replica" in settings.DATABASES else "default"


def columns(kind: MetricKind) -> tuple[str, ...]:
    return ("oura_id", "day", *kind.columns, "updated_at")


def rows_of(kind: MetricKind, user_id: int) -> "QuerySet[Any]":
    return kind.model._default_manager.using(database()).filter(user_id=user_id)


def rows(
    held: "QuerySet[Any]",
    names: tuple[str, ...],
    *,
    most: int | None = None,
    contributors: Callable[[str], Any] = orjson.Fragment,
) -> list[Row]:
    """Rows, newest first, with just these columns.

    `contributors` takes the JSON text that is stored: for a JSON answer it is copied as it is.
    """
    asked = ["as_text" if name == "contributors" else name for name in names]
    if "contributors" in names:
        held = held.annotate(as_text=Cast("contributors", TextField()))
    found = held.order_by("-day").values_list(*asked)[:most]
    read = [dict(zip(names, values, strict=True)) for values in found]
    if "contributors" in names:
        for row in read:
            row["contributors"] = contributors(row["contributors"])
    return read


def latest(kind: MetricKind, user_id: int) -> Row | None:
    return next(iter(rows(rows_of(kind, user_id), columns(kind), most=1)), None)


class Versions(NamedTuple):
    """A type's counters: changes of the rows raise one, whatever is learnt of days the other."""

    rows: int = 0
    ledger: int = 0


def versions(user_id: int) -> dict[str, Versions]:
    held = Stream.objects.using(database()).filter(user_id=user_id)
    counters = {
        name: Versions(*counted)
        for name, *counted in held.values_list("type", "version", "ledger_version")
    }
    return {name: counters.get(name, Versions()) for name in METRICS}


def etag(*parts: Any) -> str:
    """Weak: a proxy that compresses an answer may keep it."""
    text = "\0".join(map(str, (SHAPE, *parts)))
    return f'W/"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"'
