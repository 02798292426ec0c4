"""What may be known of a person's days, for tests of the ledger; days are counted from FIRST."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import strategies as st

from ingest.ledger import (
    Asked,
    Facts,
    Failure,
    Stretch,
    derive,
)
from ingest.models import METRIC_MODELS
from ingest.readings import over_at
from myhealth.days import Days

FIRST = date(2026, 3, 1)

HOUR = timedelta(hours=1)

# Long before anything was asked.
CREATED = datetime(2026, 3, 1, tzinfo=UTC)


def day(number):
    return FIRST + timedelta(days=number)


# The day that most of these tests are about, and when it had been over for a while.
DAY = day(10)

SETTLED = over_at(DAY) + timedelta(days=3)


class Known:
    """Facts, put together in a test's words; days are counted from FIRST."""

    def __init__(self):
        self.facts = Facts()

    def held(self, start, end, type="sleep", *, missing="", created_at=CREATED):
        self.facts.held[type].append(Stretch(day(start), day(end), missing, created_at))
        self.facts.held[type].sort(key=lambda each: each.start)
        self.facts.first[type] = self.facts.held[type][0].start
        return self

    def asked(self, at=SETTLED, start=0, end=40, *types, times=1):
        for type_ in types or ("sleep",):
            self.facts.complete[type_].append(Asked(day(start), day(end), at, None, times))
        return self

    def failed(self, at=SETTLED, start=0, end=40, *, kind="unavailable", attempts=1):
        failure = Failure(kind, 503, "sleep", 2, attempts, at)
        self.facts.failed["sleep"].append(Asked(day(start), day(end), at, failure, attempts))
        return self

    def rejected(self, number, type="sleep", key=7):
        self.facts.rejected[type][day(number)] = key
        return self

    def off(self, **minutes):
        """Minutes without the ring, the day before and that day, of which activity is held."""
        self.facts.off |= {day(int(name[1:])): each for name, each in minutes.items()}
        return self

    def of(self, when=DAY, type="sleep"):
        [found] = derive(self.facts, type, Days(when, when))
        return found

    def state(self, **which):
        found = self.of(**which)
        return (found.state, found.why) if found.why else found.state


moments = st.integers(-10, 60).map(lambda number: over_at(day(number)) + HOUR)


def one_after_another(part):
    """Spans that neither meet nor overlap, with a value each."""
    lengths = st.tuples(st.integers(1, 5), st.integers(0, 9), part)
    return st.lists(lengths, max_size=5).map(in_a_row)


def in_a_row(parts):
    start, found = 0, []
    for gap, length, value in parts:
        found.append((start + gap, start + gap + length, value))
        start += gap + length + 1
    return found


type_of_facts = st.fixed_dictionaries(
    {
        "held": one_after_another(st.tuples(st.sampled_from(["", "sleep"]), moments)),
        "complete": one_after_another(st.tuples(moments, st.integers(1, 2))),
        "failed": one_after_another(st.tuples(moments, st.sampled_from(["error", "forbidden"]))),
        "rejected": st.sets(st.integers(0, 40), max_size=3),
    }
)

minutes_off = st.dictionaries(st.integers(0, 40), st.sampled_from([120, 200, 400]), max_size=20)


@st.composite
def all_facts(draw):
    known = Known()
    # Of somebody without any row no day is judged alone.
    has_rows = draw(st.booleans())
    for type_ in METRIC_MODELS:
        found = draw(type_of_facts)
        for start, end, (missing_, created_at) in found["held"] if has_rows else ():
            known.held(start, end, type_, missing=missing_, created_at=created_at)
        for start, end, (at, times) in found["complete"]:
            known.asked(at, start, end, type_, times=times)
        for number in found["rejected"]:
            known.rejected(number, type_)
        if type_ == "sleep":
            for start, end, (at, kind) in found["failed"]:
                known.failed(at, start, end, kind=kind)
    off = {day(number): each for number, each in draw(minutes_off).items()}
    active = held_days(known.facts, "activity")
    known.facts.off = {one: each for one, each in off.items() if one in active}
    return known.facts


def held_days(facts, type_):
    return set(days_of(facts.held[type_]))


span_of_days = st.tuples(st.integers(-5, 60), st.integers(0, 70)).map(
    lambda pair: Days(day(pair[0]), day(pair[0] + pair[1]))
)


def days_of(ranges):
    return [one for each in ranges for one in each]
