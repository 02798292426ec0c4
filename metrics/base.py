"""The base class of metric types, without any dependency on a database or HTTP."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from metrics.columns import PERCENT, Column, Contributors, Figure, Kind, Number, in_words
from metrics.moments import parse_moment
from metrics.numbers import is_number
from metrics.series import Series, Span

OuraDocument = dict[str, Any]
# One day's documents, by collection.
Documents = Mapping[str, Sequence[OuraDocument]]
# The documents that a row was made from, by collection, as stored with the row.
Source = Mapping[str, Any]

# With the ring off for that long, in whole minutes, a day says little about its wearer.
DAY_OFF_MINUTES = 20 * 60
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class OuraDay:
    """The Oura documents of one day, as columns read them."""

    id: Any
    summary: OuraDocument
    source: Source


class StoredDay(NamedTuple):
    """A row, as far as `MetricType.is_full` needs it.

    `values` has the columns that `full_columns` names; `today` and `zone` are the person's. If the
    day was over everywhere when it was fetched, `fetched_at` may be the moment when it was.
    """

    day: date
    values: Mapping[str, Any]
    fetched_at: datetime
    today: date
    zone: tzinfo


class MetricType:
    """One metric type: a row for each person and day.

    `collections` are Oura's collections that a row is made from, the day's summary first;
    `collection_words` has what people call them, where it is not the name in words; `scope` is the
    OAuth scope that gives access to them. `figures` are computed for each week. `card` has
    the columns that the page of today shows. `series` are those inside the documents. `provenance`
    has the kinds of provenance, each with the sentence about a change of it, in which {before} and
    {after} are replaced by its values.
    """

    name: str
    collections: tuple[str, ...]
    collection_words: Mapping[str, str] = MappingProxyType({})
    scope = "daily"
    columns: tuple[Column, ...]
    figures: tuple[Figure, ...] = ()
    card: tuple[str, ...] = ()
    series: tuple[Series, ...] = ()
    provenance: Mapping[str, str] = MappingProxyType({})

    # What the ledger may conclude from rows of the type, or from their absence ------------------

    # A row is about the night that ends on its day.
    of_night = False
    # A row shows that the ring was worn in the night that ends on its day.
    shows_wear = False
    # Oura has a row for every day on which the ring was worn. If no such type has one, the ring was
    # not worn. Days are expected from a person's first row of such a type.
    on_every_worn_day = False
    # The column with how many minutes of the day the ring was off, if there is one.
    off_minutes: str = ""

    def is_off(self, values: Mapping[str, Any]) -> bool:
        """Return whether the ring was off all day, or nearly."""
        minutes = values.get(self.off_minutes)
        return minutes is not None and minutes >= DAY_OFF_MINUTES

    # A row is about spans of time, of which no second belongs to two days.
    has_spans = False

    # Which days are full: figures `of_full_days` leave out the others -----------------------------

    # Which days they are, and what another day is, for people.
    full_days = ""
    not_full = ""
    # The columns that `is_full` needs, and a value of the first with which a day is full, whatever
    # the others are: most days have it, and need not be looked at any further.
    full_columns: tuple[str, ...] = ()
    full_value: str = ""
    # Oura's document of a day grows until the day ends, so what was fetched before is not final.
    grows = False

    @cached_property
    def title(self) -> str:
        return in_words(self.name)

    @cached_property
    def class_name(self) -> str:
        """Return the prefix of the names of classes that are made for the type."""
        return self.name.title().replace("_", "")

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def contributors(self) -> tuple[str, ...]:
        """Return the names of the contributors; none if the type has no such column."""
        kinds = (column.kind for column in self.columns)
        return next((kind.names for kind in kinds if isinstance(kind, Contributors)), ())

    @cached_property
    def _readers(self) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
        """Return the columns' names, each with what returns its value."""
        return tuple(
            (each.name, each.value if each.sentinels else each.read) for each in self.columns
        )

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    def map(self, day: str, documents: Documents) -> dict[str, Any] | None:
        """Return the metric document made from a day's Oura documents, or None if no row results.

        A value of a wrong type is passed on unchanged: the processor stores null, with a warning.
        """
        oura_day = self.read_day(documents)
        if oura_day is None:
            return None
        values = {name: read(oura_day) for name, read in self._readers}
        return {"id": oura_day.id, "day": day, **values, "source": oura_day.source}

    def read_day(self, documents: Documents) -> OuraDay | None:
        """Return the day that the columns are read from, or None if no row results.

        By default the columns are read from the newest document of the first collection; those of
        other collections are only stored.
        """
        first, *others = self.collections
        summary = newest_document(documents.get(first, ()))
        if summary is None:
            return None
        rest = {name: list(documents.get(name, ())) for name in others}
        return OuraDay(summary.get("id"), summary, {first: summary, **rest})

    def missing_collection(self, values: Mapping[str, Any], source: Source) -> str:
        """Return the collection without which the row is partial; empty if none is missing.

        With `:rest` after its name, the collection has documents of the day, but none that counts.
        """
        return ""

    def is_full(self, row: StoredDay) -> bool | None:
        """Return whether the day is full; None if that depends on its source."""
        return True

    def is_full_by_source(self, row: StoredDay, source: Source | None) -> bool:
        """Return whether a day is full for which `is_full` returned None."""
        return True

    def is_full_by_wear(self, row: StoredDay, wear: Mapping[str, Any]) -> bool | None:
        """Return the same by what `wear_of` returned of the source; None if it doesn't tell."""
        return None

    def spans_of(self, source: Source) -> list[Span]:
        """Return the spans of time that a row is about, if the type has any."""
        return []

    def provenance_of(self, source: Source) -> dict[str, str]:
        """Return the provenance of the day, as far as its documents have it."""
        return {}

    def wear_of(self, source: Source) -> dict[str, Any] | None:
        """Return when the ring was off; None if the documents don't say.

        The keys are `start` (a moment with an offset), how many `minutes` from it on are known,
        and `off`: ranges of them without the ring, `[[from, to], ...]`.
        """
        return None

    def change_notes(self, before: Source, after: Source) -> list[str]:
        """Return descriptions of the changes between two versions of a day's documents."""
        return []


def newest_document(documents: Sequence[Any]) -> OuraDocument | None:
    """Return the document of a day that replaces the others, in whatever order they come.

    It is the one with the newest `timestamp`, or else with the highest id. If there are copies of
    one document, it is the last.
    """
    objects = [each for each in documents if isinstance(each, dict)]
    if len(objects) < 2:
        return objects[0] if objects else None
    # Of equal ones, `max` returns the first.
    return max(reversed(objects), key=_age_and_id)


def _age_and_id(document: OuraDocument) -> tuple[bool, datetime, str]:
    moment = parse_moment(document.get("timestamp"))
    return moment is not None, moment or _LONG_AGO, id_of(document)


def id_of(document: Mapping[str, Any]) -> str:
    """Return the document's id for comparisons; empty if it is no text."""
    value = document.get("id")
    return value if isinstance(value, str) else ""


def field(
    name: str, kind: Kind, meaning: str, unit: str = "", *, source: str = "", **more: Any
) -> Column:
    """Return a column that reads a field of the day's summary.

    `source` is the path of the field (`a.b`) if it differs from the column's name.
    """
    first, *rest = (source or name).split(".")

    def read(day: OuraDay) -> Any:
        value = day.summary.get(first)
        for key in rest:
            if value is None:
                return None
            if not isinstance(value, dict):
                # No column takes a list, so the processor warns of it.
                return [value]
            value = value.get(key)
        return value

    return Column(name, kind, read, meaning, unit, **more)


def _contributors(day: OuraDay) -> Any:
    """Return the contributors with null for 0: real ones are 1 to 100 in recorded answers."""
    values = day.summary.get("contributors")
    if not isinstance(values, dict):
        return values
    return {
        name: None if value == 0 and is_number(value) else value for name, value in values.items()
    }


SCORE = field("score", PERCENT, "Oura's score, 0 to 100; null when there is none", label="Score")


def contributors_field(*names: str, value: Number = PERCENT) -> Column:
    meaning = "Oura's contributors to the score; each is a number or null"
    return Column("contributors", Contributors(names, value), _contributors, meaning)
