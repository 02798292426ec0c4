"""What a metric type declares, and what all types share. Pure: no database, no HTTP."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from metrics.columns import PERCENT, Column, Contributors, Figure, Kind, Number

OuraDocument = dict[str, Any]
# One day's documents, by Oura's collection.
Documents = Mapping[str, Sequence[OuraDocument]]
# The documents that a row was made from, by collection, as they are kept with it.
Source = Mapping[str, Any]


@dataclass(frozen=True)
class OuraDay:
    """One day as its Oura documents have it: what columns are read from."""

    id: Any
    summary: OuraDocument
    source: Source


class MetricType:
    """One type of metric: a row for each person and day.

    `collections` are Oura's collections that a day is made from, the day's summary first; `scope`
    is the OAuth scope that gives them. `figures` are a week's, `card` the columns on the page of
    today. `provenance` names what a day was measured by, with the words for a change of it, which
    makes that days before and after don't compare; {before} and {after} are its values.
    """

    name: str
    collections: tuple[str, ...]
    scope = "daily"
    columns: tuple[Column, ...]
    figures: tuple[Figure, ...] = ()
    card: tuple[str, ...] = ()
    provenance: Mapping[str, str] = MappingProxyType({})

    # What the ledger may conclude from the type's rows, or from their absence -------------------

    # The day's row is of the night that ends on that day.
    of_night = False
    # A row of the day shows that the ring was worn in the night that ends on it.
    shows_wear = False
    # Oura has a row of every day on which the ring was worn: where it has none, of all such types,
    # the ring was not. A person's first such day is the first that anything is expected of.
    on_every_worn_day = False
    # The columns with the minutes of the day that the ring was worn; what they lack of 24 hours,
    # it was off.
    worn_minutes: tuple[str, ...] = ()

    @cached_property
    def title(self) -> str:
        return self.name.replace("_", " ").capitalize()

    @cached_property
    def class_name(self) -> str:
        """What classes are named after that are made for the type."""
        return self.name.title().replace("_", "")

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def contributors(self) -> tuple[str, ...]:
        """The names of Oura's contributors; none for a type that has no such column."""
        kinds = (column.kind for column in self.columns)
        return next((kind.names for kind in kinds if isinstance(kind, Contributors)), ())

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def map(self, day: str, documents: Documents) -> dict[str, Any] | None:
        """Return the metric document of a day's Oura documents; None when none of them counts.

        A value of a wrong kind is passed on as it is: the processor names it.
        """
        found = self.read(documents)
        if found is None:
            return None
        values = {column.name: column.value(found) for column in self.columns}
        return {"id": found.id, "day": day, **values, "source": found.source}

    def read(self, documents: Documents) -> OuraDay | None:
        """Return the day that the columns are read from; None when nothing makes a row of it.

        Here, the last document of the first collection; those of the others are only kept.
        """
        first, *others = self.collections
        summary = last(documents.get(first, ()))
        if summary is None:
            return None
        kept = {name: list(documents.get(name, ())) for name in others}
        return OuraDay(summary.get("id"), summary, {first: summary, **kept})

    def missing_collection(self, values: Mapping[str, Any], source: Source) -> str:
        """Return the collection that has nothing of the day yet, so that the row is partial."""
        return ""

    def provenance_of(self, source: Source) -> dict[str, str]:
        """Return what the day was measured by, as far as its documents have it."""
        return {}

    def notes(self, before: Source, after: Source) -> list[str]:
        """Return in words what changed between two versions of a day's documents."""
        return []


def last(documents: Sequence[OuraDocument]) -> OuraDocument | None:
    return documents[-1] if documents else None


def field(
    name: str, kind: Kind, meaning: str, unit: str = "", *, source: str = "", **more: Any
) -> Column:
    """A column with a field of the day's summary: `source` is its path, `a.b`, if not its name."""
    path = (source or name).split(".")

    def read(day: OuraDay) -> Any:
        value: Any = day.summary
        for key in path:
            if value is None:
                return None
            if not isinstance(value, dict):
                # In a list it is of no column's kind, so that the processor names it.
                return [value]
            value = value.get(key)
        return value

    return Column(name, kind, read, meaning, unit, **more)


def _contributors(day: OuraDay) -> Any:
    """Oura's contributors run from 1 to 100; 0 stands for none (seen in recorded answers)."""
    values = day.summary.get("contributors")
    if not isinstance(values, dict):
        return values
    return {name: None if value == 0 else value for name, value in values.items()}


SCORE = field("score", PERCENT, "Oura's score, 0 to 100; null when there is none")


def contributors(*names: str, value: Number = PERCENT) -> Column:
    meaning = "Oura's contributors to the day, each a number or null"
    return Column("contributors", Contributors(names, value), _contributors, meaning)
