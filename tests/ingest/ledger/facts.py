"""Facts for tests of the ledger, without a database; days are counted from FIRST."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from ingest.facts import Attempt, Facts, Stretch
from ingest.ledger import derive
from ingest.wear import ActivityDay, night_off
from metrics import TYPES
from myhealth.days import ONE_DAY, Days, over_at
from myhealth.states import Failure, FailureKind

FIRST = date(2026, 3, 1)
HOUR = timedelta(hours=1)
TWO_WEEKS = timedelta(days=14)
# Long before any fetch.
CREATED = datetime(2026, 3, 1, tzinfo=UTC)


def day(number):
    return FIRST + timedelta(days=number)


# The day that most tests are about, and a moment when it was long over.
DAY = day(10)
SETTLED = over_at(DAY) + timedelta(days=3)


class FactsBuilder:
    def __init__(self):
        self.facts = Facts()

    def stored(self, start, end, type="sleep", *, missing="", created_at=CREATED, off=None):
        stretches = self.facts.stored[type]
        stretches.append(Stretch(day(start), day(end), missing, created_at, off))
        stretches.sort(key=lambda each: each.start)
        self.facts.first[type] = stretches[0].start
        return self

    def fetched(self, at=SETTLED, start=0, end=40, *types, times=1):
        for type_ in types or ("sleep",):
            self.facts.complete[type_].append(Attempt(day(start), day(end), at, None, times))
        return self

    def failed(self, at=SETTLED, start=0, end=40, *, kind="unavailable", attempts=1):
        failure = Failure(FailureKind(kind), 503, "sleep", 2, attempts, at)
        self.facts.failed["sleep"].append(Attempt(day(start), day(end), at, failure, attempts))
        return self

    def rejected(self, number, type="sleep", pk=7):
        self.facts.rejected[type][day(number)] = pk
        return self

    def ring_off(self, minutes_by_number):
        """The ring is off for so many minutes of these activity days, but it isn't known when."""
        self.facts.nights_off |= nights_off({day(n): m for n, m in minutes_by_number.items()})
        return self

    def verdict(self, when=DAY, type="sleep"):
        [only] = derive(self.facts, type, Days(when, when))
        return only.verdict

    def state(self, **which):
        """The state, with its cause if it has one."""
        verdict = self.verdict(**which)
        cause = verdict.cause or verdict.missing_collection
        return (verdict.state, cause) if cause else verdict.state


def nights_off(minutes_by_day):
    found = {}
    for same, minutes in minutes_by_day.items():
        before = minutes_by_day.get(same - ONE_DAY, 0)
        days = (ActivityDay(each, None, SETTLED) for each in (before, minutes))
        if off := night_off(same, *days):
            found[same] = off
    return found


def one_night_missing():
    """A night is missing though it was fetched when it was over, and later ones were stored."""
    return FactsBuilder().stored(0, 9).stored(11, 40).fetched()


def one_day_missing_everywhere(*, not_fetched=()):
    """The same of every type."""
    builder = FactsBuilder()
    for type_ in TYPES:
        builder.stored(0, 9, type_).stored(11, 40, type_)
        if type_ not in not_fetched:
            builder.fetched(SETTLED, 0, 40, type_)
    return builder


def days_of(ranges):
    return [each for one_range in ranges for each in one_range]


# Any facts ----------------------------------------------------------------------------------------

moments = st.integers(-10, 60).map(lambda number: over_at(day(number)) + HOUR)


def spans(values):
    """Spans with a value each, oldest first, with gaps between them."""
    parts = st.tuples(st.integers(1, 5), st.integers(0, 9), values)
    return st.lists(parts, max_size=5).map(_in_a_row)


def _in_a_row(parts):
    start, placed = 0, []
    for gap, length, value in parts:
        placed.append((start + gap, start + gap + length, value))
        start += gap + length + 1
    return placed


_one_type = st.fixed_dictionaries(
    {
        "stored": spans(st.tuples(st.sampled_from(["", "sleep"]), moments)),
        "complete": spans(st.tuples(moments, st.integers(1, 2))),
        "failed": spans(st.tuples(moments, st.sampled_from(["error", "forbidden"]))),
        "rejected": st.sets(st.integers(0, 40), max_size=3),
    }
)
_minutes_off = st.dictionaries(st.integers(0, 40), st.sampled_from([120, 200, 400]), max_size=20)


@st.composite
def any_facts(draw):
    builder = FactsBuilder()
    # Without any row no day is judged one by one.
    has_rows = draw(st.booleans())
    for type_ in TYPES:
        drawn = draw(_one_type)
        for start, end, (missing, created_at) in drawn["stored"] if has_rows else ():
            builder.stored(start, end, type_, missing=missing, created_at=created_at)
        for start, end, (at, times) in drawn["complete"]:
            builder.fetched(at, start, end, type_, times=times)
        for number in drawn["rejected"]:
            builder.rejected(number, type_)
        if type_ == "sleep":
            for start, end, (at, kind) in drawn["failed"]:
                builder.failed(at, start, end, kind=kind)
    active = set(days_of(builder.facts.stored["activity"]))
    minutes_off = draw(_minutes_off)
    return builder.ring_off({n: m for n, m in minutes_off.items() if day(n) in active}).facts


any_days = st.tuples(st.integers(-5, 60), st.integers(0, 70)).map(
    lambda pair: Days(day(pair[0]), day(pair[0] + pair[1]))
)
