"""Reading the metric tables: rows, and the versions that ETags come from. Never writes."""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
from django.conf import settings
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from ingest.models import Metric, MetricQuerySet, Stream
from metrics import TYPES, MetricType
from myhealth import __version__

Row = dict[str, Any]


def database() -> str:
    return "replica" if "replica" in settings.DATABASES else "default"


def columns(metric_type: MetricType) -> tuple[str, ...]:
    """The columns of an answer with rows."""
    return ("oura_id", "day", *metric_type.column_names, "updated_at")


def rows_of(model: type[Metric], user_id: int) -> MetricQuerySet:
    return model.objects.using(database()).of(user_id)


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


def latest(model: type[Metric], user_id: int) -> Row | None:
    return next(iter(rows(rows_of(model, user_id), columns(model.metric_type), most=1)), None)


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
    return {name: counters.get(name, Versions()) for name in TYPES}


def etag(*parts: Any) -> str:
    """Weak: a proxy that compresses an answer may keep it.

    Another version may answer otherwise, so its ETags match none of ours.
    """
    text = "\0".join(map(str, (__version__, *parts)))
    return f'W/"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"'
