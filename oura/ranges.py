"""Fetches a range of days of one collection, in pieces where Oura does not answer for all of it.

Oura has been seen to refuse ranges of more than 30 days, and to fail for every range that has one
certain day. So a range that is refused, or fails, is asked for again in pieces, down to single
days: one bad day costs one day.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import chain

from myhealth.days import ONE_DAY, Days, from_days, intersect, merge, shift, subtract
from oura.client import ListedDocument, OuraClient
from oura.errors import CollectionDown, KnownFailure, OuraDown, OuraError

# With the padding on both sides 30 days: the limit that people have reported.
PIECE_DAYS = 26
# Some collections end a range before its last day, some after it, and one is said to begin it late
# (measured in 2026). So ask for more days before and after, and keep the documents of the wanted
# ones. Only for a single day, next to one that Oura fails for, ask for fewer.
_PADDINGS = ((2, 2), (1, 1), (0, 1), (0, 0))
# So many failures in a row, without an answer, may mean that the server is down.
_PROBE_AFTER = 6
_PROBE_AGE = timedelta(days=31)


@dataclass
class CollectionAnswer:
    """What Oura has of some days of a collection.

    `documents` are those of the days, and those without a day, in Oura's order; of an id that comes
    twice, the last one. `failures` are the days that Oura did not answer for, with the error.
    `skipped` are days that it was not asked for. Of `narrow` days, Oura may have left out documents
    that belong to them but began the day before.
    """

    documents: list[ListedDocument]
    failures: list[tuple[Days, OuraError]]
    skipped: list[Days]
    narrow: list[Days]

    @property
    def failed_days(self) -> list[Days]:
        return merge(days for days, _ in self.failures)


@dataclass(frozen=True)
class BadDay(Days):
    """A day that makes Oura fail for every range that has it; `error` is for the days next to it.

    A day that has nothing looks like one that less padding has left out.
    """

    error: OuraError


@dataclass
class _Width:
    """How many days of a collection Oura answers at once, as far as this run has learned.

    A range of `answered` days is answered, one of `refused` days is not.
    """

    answered: int
    refused: int

    @property
    def next(self) -> int:
        """The width to try next: between the two, unless it is as wide as it usually can be."""
        if self.answered >= PIECE_DAYS:
            return self.answered
        return max(self.answered, min(PIECE_DAYS, (self.answered + self.refused) // 2))


@dataclass
class _Division:
    """A range that was not answered, of which `waiting` parts have not been asked for yet."""

    width: int
    part_width: int
    waiting: int
    has_failed_part: bool = False


@dataclass(frozen=True)
class _Piece:
    """Days to ask for at once; `division` is None if they are no part of a larger range.

    `padding` is the index of the days to ask for before and after them. `error` is the first one
    with which Oura answered for exactly these days.
    """

    days: Days
    division: _Division | None = None
    padding: int = 0
    error: OuraError | None = None

    @property
    def asked(self) -> Days:
        before, after = _PADDINGS[self.padding]
        return Days(shift(self.days.start, -before), shift(self.days.end, after))


@dataclass
class RangeFetcher:
    """Fetches ranges of one account in one run; what it learns of Oura is forgotten with it.

    `types` are the collections of each type that the account has access to. Methods raise the
    errors of `oura.errors` that concern more than the range: CollectionDown, OuraDown,
    OuraUnauthorized, OuraForbidden, OuraRateLimited, OuraNotFound and OuraUnreachable.
    """

    client: OuraClient
    types: Sequence[Sequence[str]]
    today: date
    _widths: dict[str, _Width] = field(default_factory=dict)
    _down: set[str] = field(default_factory=set)
    _failed_in_a_row: int = 0

    def takes(self, collection: str, days: Days) -> bool:
        """Return whether Oura may answer for so many days of the collection at once."""
        width = self._widths.get(collection)
        return width is None or len(days) <= width.answered

    def fetch(
        self, collection: str, days: Days, bad: Iterable[BadDay] = (), *, is_bad: bool = False
    ) -> CollectionAnswer:
        """Return the documents of the days, and the days that Oura did not answer for.

        `bad` days are skipped; where the days are bad themselves, ask once only.
        """
        padded = _Piece(days).asked
        bad = [each for each in bad if not is_bad and each.overlaps(padded)]
        answers: list[list[ListedDocument]] = []
        failures: list[tuple[Days, OuraError]] = []
        skipped = intersect(bad, [days])
        pieces = [_part(days)] if is_bad else _around(days, bad)
        narrow: list[Days] = []
        while pieces:
            piece = self._next_piece(collection, pieces)
            try:
                found = self._ask(collection, piece)
            except OuraError as error:
                if not error.is_divisible:
                    raise
                self._failed_in_a_row += 1
                is_doubtful = piece.division is None or self._failed_in_a_row % _PROBE_AFTER == 0
                if is_doubtful:
                    self._check_answering(collection, error)
                parts = _divide(piece, error)
                pieces += parts
                if not parts:
                    first = error if isinstance(piece.error, KnownFailure) else piece.error
                    failures.append((piece.days, first or error))
                continue
            if found is None:
                if self._need_not_be_there(piece):
                    skipped.append(piece.days)
                elif piece.error:
                    failures.append((piece.days, piece.error))
                continue
            answers.append(found)
            if not _PADDINGS[piece.padding][0]:
                narrow.append(piece.days)
            if self._learn(collection, piece):
                # Cut the rest again: these pieces are too wide, or narrower than they need to be.
                whole = merge(each.days for each in pieces if not each.padding)
                single = [each for each in pieces if each.padding]
                pieces = sorted([*map(_part, whole), *single], key=lambda each: each.days)
        # The newest pieces were answered first; in one answer, the oldest documents come first.
        documents = chain.from_iterable(reversed(answers))
        skipped = merge(skipped)
        return CollectionAnswer(_wanted(documents, days, skipped), failures, skipped, narrow)

    def days(self, collection: str, days: Days) -> tuple[set[date], bool]:
        """Return which of the days have a document, and whether all entries of the list had a day.

        Only if they had, all other days are sure to have none. Oura is asked for this one field.
        Raises any OuraError.
        """
        asked = _Piece(days).asked
        try:
            listed = self.client.documents(collection, asked, fields="day")
        except OuraError as error:
            if error.is_divisible:
                self._check_answering(collection, error)
            raise
        found = {document.day for document in listed}
        return {day for day in found if day and day in days}, None not in found

    def _next_piece(self, collection: str, pieces: list[_Piece]) -> _Piece:
        """Take the newest piece, cut to the width that Oura answers; put the rest back."""
        piece = pieces.pop()
        width = self._widths.get(collection)
        if width is None or len(piece.days) <= width.next:
            return piece
        start = shift(piece.days.end, 1 - width.next)
        pieces.append(_part(Days(piece.days.start, start - ONE_DAY)))
        return _part(Days(start, piece.days.end))

    def _ask(self, collection: str, piece: _Piece) -> list[ListedDocument] | None:
        """Return what Oura lists for a piece; None if that is no evidence of what it has."""
        is_part = piece.division is not None
        found = self.client.documents(collection, piece.asked, is_part=is_part)
        self._failed_in_a_row = 0
        # With less than the full padding, the day may have been left out.
        if piece.padding and not any(document.day == piece.days.start for document in found):
            return None
        return found

    def _need_not_be_there(self, piece: _Piece) -> bool:
        """Return whether an empty answer to the piece is what is to be expected of its day."""
        _, after = _PADDINGS[piece.padding]
        return piece.days.start > self.today or (piece.days.start == self.today and after > 0)

    def _learn(self, collection: str, piece: _Piece) -> bool:
        """Learn the width from a piece that was answered; return whether a range was too wide.

        All parts of a range that was not answered must be: a range with one bad day teaches
        nothing.
        """
        width, division = self._widths.get(collection), piece.division
        if width:
            width.answered = max(width.answered, min(len(piece.days), width.refused - 1))
        if division is None:
            return False
        division.waiting -= 1
        if division.waiting or division.has_failed_part:
            return False
        if width is None:
            self._widths[collection] = _Width(division.part_width, division.width)
        else:
            width.refused = min(width.refused, division.width)
            width.answered = min(width.answered, width.refused - 1)
        return True

    def _check_answering(self, collection: str, error: OuraError) -> None:
        """Raise CollectionDown if Oura does not answer for the collection, after it failed once.

        Raises OuraDown if another collection isn't answered, either.
        """
        month_ago = self.today - _PROBE_AGE
        if self._answers(collection, self.today) or self._answers(collection, month_ago):
            return
        self._down.add(collection)
        # One of another type says more: a type's collections are made of the same data.
        others = [
            each
            for type_ in sorted(self.types, key=lambda collections: collection in collections)
            for each in type_
            if each not in self._down
        ]
        if others and not self._answers(others[0], month_ago):
            raise OuraDown.by(error)
        raise CollectionDown.by(error)

    def _answers(self, collection: str, day: date) -> bool:
        # Some collections leave out the last day, and the newest may have nothing yet.
        asked = Days(day - ONE_DAY, day + ONE_DAY)
        try:
            self.client.check(collection, asked)
        except OuraError as error:
            if not error.is_divisible:
                raise
            return False
        return True


def _around(days: Days, bad: Sequence[BadDay]) -> list[_Piece]:
    """Return the pieces to ask for without the bad days, oldest first.

    The days next to one are asked for singly, with less padding, since that would include it.
    """
    if not bad:
        return [_Piece(days)]
    reach = _PADDINGS[0][0]
    near = {
        day: each.error
        for each in bad
        for day in Days(shift(each.start, -reach), shift(each.end, reach))
        if day in days and not any(day in other for other in bad)
    }
    far = subtract([days], [*bad, *from_days(near)])
    pieces = [*map(_Piece, far), *(_part(Days(day, day), 1, near[day]) for day in near)]
    return sorted(pieces, key=lambda piece: piece.days)


def _part(days: Days, padding: int = 0, error: OuraError | None = None) -> _Piece:
    """Return a piece that teaches nothing about widths, whether it is answered or not."""
    return _Piece(days, _Division(0, 0, 0, has_failed_part=True), padding, error)


def _divide(piece: _Piece, error: OuraError) -> list[_Piece]:
    """Return the pieces to ask for instead, oldest first; none if nothing smaller is left."""
    if piece.division:
        piece.division.has_failed_part = True
    if len(piece.days) == 1:
        if piece.padding + 1 == len(_PADDINGS):
            return []
        return [_part(piece.days, piece.padding + 1, piece.error or error)]
    half = (len(piece.days) + 1) // 2
    part_width = PIECE_DAYS if len(piece.days) > PIECE_DAYS else half
    parts = _cut(piece.days, part_width)
    division = _Division(len(piece.days), part_width, len(parts))
    return [_Piece(days, division) for days in parts]


def _cut(days: Days, width: int) -> list[Days]:
    """Return the days in ranges of this width, oldest first; only the oldest may be shorter."""
    parts: list[Days] = []
    end = days.end
    while end >= days.start:
        start = max(days.start, shift(end, 1 - width))
        parts.append(Days(start, end))
        end = start - ONE_DAY
    return parts[::-1]


def _wanted(
    documents: Iterable[ListedDocument], days: Days, skipped: Sequence[Days]
) -> list[ListedDocument]:
    """Return the documents of the days and those without a day; of each id, only the last copy.

    Pages and pieces overlap, and a document may be listed under two days.
    """
    last: dict[object, ListedDocument] = {}
    for document in documents:
        last[document.id if isinstance(document.id, str) else bytes(document.raw)] = document
    return [
        each
        for each in last.values()
        if each.day is None or (each.day in days and not any(each.day in part for part in skipped))
    ]
