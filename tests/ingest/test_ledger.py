"""One state and a reason for each day: from what is known, and from what is stored."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import orjson
import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import ledger as module
from ingest.ledger import (
    PATIENCE,
    SAME_RUN,
    STATES,
    Asked,
    Facts,
    Failure,
    Range,
    Stretch,
    absent,
    coverage,
    derive,
    first_days,
    for_people,
    for_programs,
    ledger,
    missing,
)
from ingest.models import METRIC_MODELS, Reading, RejectedDocument, Stream
from ingest.readings import over_at
from ingest.upsert import Whole, store
from myhealth.days import FIRST_DAY, ONE_DAY, Days
from tests.conftest import person
from tests.ingest.conftest import night

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


@pytest.fixture
def known():
    """A night is missing, asked for when it was over; later ones had come before."""
    return Known().held(0, 9).held(11, 40).asked()


# Days that are held -------------------------------------------------------------------------------


def test_a_day_with_a_row_is_held(known):
    assert known.state(when=day(9)) == "held"


def test_a_day_with_a_row_is_held_whatever_has_failed_since(known):
    assert known.failed(SETTLED + HOUR).state(when=day(9)) == "held"


def test_a_day_held_tells_when_it_was_read(known):
    assert known.of(when=day(9)).asked_at == SETTLED


def test_a_day_held_that_nobody_knows_the_reading_of_is_held():
    found = Known().held(0, 9).of(when=day(9))
    assert (found.state, found.asked_at) == ("held", None)


def test_a_row_without_its_periods_is_partial_and_says_what_is_lacking():
    found = Known().held(10, 10, missing="sleep").asked().of()
    assert (found.state, found.why) == ("partial", "sleep")
    assert found.reason == "Oura has no sleep document of it."


def test_a_day_of_which_only_a_rejected_document_came_is_rejected(known):
    found = known.rejected(10).of()
    assert (found.state, found.rejected) == ("rejected", 7)


def test_a_rejected_document_of_another_type_says_nothing(known):
    assert known.rejected(10, "activity").state() == "none"


def test_a_held_day_with_a_rejected_newer_version_is_held_and_says_so(known):
    found = known.rejected(9).of(when=day(9))
    assert (found.state, found.why, found.rejected) == ("held", "rejected", 7)
    assert found.reason == "A newer version of it was rejected."


# Days that the ring was not worn ------------------------------------------------------------------


def worn(known):
    return known.held(0, 40, "activity")


def test_a_night_is_not_worn_if_the_ring_was_off_on_both_of_its_days(known):
    found = worn(known).off(_9=170, _10=200).of()
    assert (found.state, found.why, found.minutes) == ("not_worn", "", 370)
    assert found.reason == "The ring was off for 6 h 10 min of this day and the one before."


@pytest.mark.parametrize("minutes", [{"_10": 700}, {"_9": 700}])
def test_a_ring_that_was_off_on_one_of_the_two_days_alone_is_no_reason(known, minutes):
    assert worn(known).off(**minutes).state() == "none"


def test_a_ring_that_was_off_for_less_than_five_hours_is_no_reason(known):
    assert worn(known).off(_9=150, _10=149).state() == "none"
    assert worn(known).off(_9=150, _10=150).state() == "not_worn"


def test_a_ring_that_was_off_before_the_day_before_is_no_reason(known):
    assert worn(known).off(_8=700, _9=700).state() == "none"


def test_a_night_that_readiness_has_was_not_without_the_ring(known):
    known.held(10, 10, "readiness")
    assert worn(known).off(_9=300, _10=300).state() == "none"


def test_readiness_is_judged_by_the_ring_too():
    known = (
        Known()
        .held(0, 9, "readiness")
        .held(11, 40, "readiness")
        .asked(SETTLED, 0, 40, *METRIC_MODELS)
    )
    assert worn(known).off(_9=300, _10=300).state(type="readiness") == "not_worn"


def test_activity_is_not_judged_by_its_own_minutes():
    known = Known().held(0, 9, "activity").held(11, 40, "activity")
    known.asked(SETTLED, 0, 40, "activity")
    assert known.off(_9=300, _10=300).state(type="activity") == "none"


def test_a_ring_that_was_off_explains_no_day_after_the_last_until_two_weeks_have_passed():
    known = worn(Known().held(0, 9)).off(_9=300, _10=300)
    early, late = (over_at(DAY) + PATIENCE - HOUR, over_at(DAY) + PATIENCE)
    assert known.asked(early).state() == ("not_synced", "waiting")
    known.facts.complete.clear()
    assert known.asked(late).state() == "not_worn"


def all_types(*, without=()):
    """Of all types that day is missing, asked for when it was over, and later days are there."""
    known = Known()
    for type_ in METRIC_MODELS:
        known.held(0, 9, type_).held(11, 40, type_)
        if type_ not in without:
            known.asked(SETTLED, 0, 40, type_)
    return known


def test_a_day_that_oura_has_nothing_of_in_any_type_was_not_worn():
    found = all_types().of()
    assert (found.state, found.why) == ("not_worn", "nothing")
    assert "its battery was empty" in found.reason


def test_a_day_that_another_type_has_is_none():
    known = all_types()
    known.facts.held["readiness"] = []
    assert known.held(0, 40, "readiness").state() == "none"


def test_a_day_that_another_type_has_a_rejected_document_of_is_none():
    assert all_types().rejected(10, "activity").state() == "none"


def test_a_day_that_another_type_was_not_asked_for_is_none():
    assert all_types(without=["activity"]).state() == "none"


def test_a_day_that_another_type_was_asked_for_before_it_was_over_is_none():
    known = all_types(without=["activity"])
    assert known.asked(over_at(DAY) - HOUR, 0, 40, "activity").state() == "none"


# Days that Oura has nothing of --------------------------------------------------------------------


def test_a_day_asked_for_after_it_was_over_with_later_days_there_is_none(known):
    found = known.of()
    assert (found.state, found.why, found.asked_at) == ("none", "", SETTLED)
    assert found.reason == "Oura has nothing for it, asked after the day was over and synced."


def test_a_day_before_the_first_held_is_none_and_says_so():
    found = Known().held(11, 40).asked().of()
    assert (found.state, found.why) == ("none", "before")
    assert found.reason == "It lies before the first day that Oura has."


def test_a_day_after_the_first_held_is_not_before_it_even_if_only_later_rows_were_asked_for():
    known = Known().held(11, 40).asked()
    known.facts.first["sleep"] = day(0)
    assert known.state() == "none"


def test_where_there_never_was_any_row_a_day_is_none_after_two_weeks():
    assert Known().asked(over_at(DAY) + PATIENCE).state() == "none"


def test_where_there_never_was_any_row_a_day_waits_for_two_weeks():
    assert Known().asked(over_at(DAY) + PATIENCE - HOUR).state() == ("not_synced", "waiting")


def test_how_often_it_was_asked_for_in_vain_is_told():
    assert Known().held(0, 9).held(11, 40).asked(times=2).of().times == 2


# Days that are not synced -------------------------------------------------------------------------


def test_a_day_asked_for_before_it_was_over_is_not_synced():
    early = Known().held(0, 9).asked(over_at(DAY) - timedelta(seconds=1))
    assert early.state() == ("not_synced", "early")
    assert early.of().reason == "It was asked for before it was over."


def test_a_day_asked_for_when_it_was_over_is_not_early():
    assert Known().held(0, 9).asked(over_at(DAY)).state() == ("not_synced", "waiting")


def test_a_day_that_no_later_one_has_come_after_waits_and_says_what_to_do():
    waiting = Known().held(0, 9).asked()
    assert waiting.state() == ("not_synced", "waiting")
    assert "open the Oura app with the ring nearby" in waiting.of().reason


def test_a_day_waits_however_late_it_is_asked_for():
    assert Known().held(0, 9).asked(SETTLED + 10 * PATIENCE).state() == ("not_synced", "waiting")


def test_a_day_that_a_later_one_has_come_after_since_will_be_asked_for_again():
    late = Known().held(0, 9).held(11, 40, created_at=SETTLED + SAME_RUN + HOUR).asked()
    assert late.state() == ("not_synced", "late")
    assert late.of().reason == "A later day has come since; it will be asked for again."


def test_a_later_day_that_came_with_the_same_run_settles_it():
    assert Known().held(0, 9).held(11, 40, created_at=SETTLED + SAME_RUN).asked().state() == "none"


def test_a_later_day_of_another_type_settles_nothing():
    assert Known().held(0, 9).held(11, 40, "activity").asked().state() == ("not_synced", "waiting")


# Days that could not be read ----------------------------------------------------------------------


def test_a_day_that_could_not_be_read_has_failed():
    found = Known().failed().of()
    assert (found.state, found.failure.attempts) == ("failed", 1)


@pytest.mark.parametrize("kind", ["unauthorized", "forbidden", "disconnected"])
def test_a_day_that_oura_refuses_is_without_permission(kind):
    assert Known().failed(kind=kind).state() == "no_permission"


def test_a_failure_since_it_was_asked_for_too_early_is_told():
    early = over_at(DAY) - HOUR
    assert Known().held(0, 9).asked(early).failed(SETTLED).state() == "failed"


def test_a_failure_before_it_was_asked_for_is_not_told():
    assert Known().held(0, 9).failed(SETTLED - HOUR).asked().state() == ("not_synced", "waiting")


def test_what_was_settled_before_an_attempt_failed_still_is(known):
    assert known.failed(SETTLED + HOUR).state() == "none"


def test_a_failure_of_other_days_says_nothing():
    assert Known().failed(SETTLED, 11, 40).state() == "not_asked"


def test_a_day_that_never_was_asked_for_is_not_asked():
    found = Known().held(0, 9).of()
    assert (found.state, found.asked_at) == ("not_asked", None)
    assert found.reason == "Oura has not been asked for it yet."


# What is told of a failure ------------------------------------------------------------------------

AT = datetime(2026, 3, 14, 6, 30, tzinfo=UTC)
FAILURE = Failure("bad_answer", 502, "daily_sleep", 3, 4, AT)


def told(**changes):
    return Range(DAY, DAY, "sleep", "failed", failure=replace(FAILURE, **changes)).reason


def test_a_failure_names_collection_page_status_times_and_the_next_attempt():
    assert told() == (
        "Reading daily_sleep failed on page 3 with status 502 (bad answer); "
        "tried 4 times, last at 2026-03-14 06:30 UTC, next from 2026-03-14 10:20 UTC."
    )


def test_what_is_not_known_of_a_failure_is_left_out():
    assert told(collection="", page=None, status=None, attempts=1) == (
        "Reading it failed (bad answer); "
        "tried once, last at 2026-03-14 06:30 UTC, next from 2026-03-14 06:30 UTC."
    )


def test_a_refusal_says_what_is_missing_and_names_collection_and_status():
    assert told(kind="forbidden", status=403) == (
        "Oura refuses daily_sleep with status 403: the connection, a scope or the membership is "
        "missing; tried 4 times, last at 2026-03-14 06:30 UTC."
    )


@pytest.mark.parametrize(
    ("attempts", "minutes"),
    [(1, 0), (2, 0), (3, 110), (4, 230), (5, 470), (6, 950), (7, 1430), (50, 1430)],
)
def test_trying_again_waits_longer_each_time_up_to_a_day(attempts, minutes):
    assert replace(FAILURE, attempts=attempts).next_at == AT + timedelta(minutes=minutes)


def test_programs_are_told_all_they_need():
    failed = Range(FIRST, DAY, "sleep", "failed", asked_at=AT, failure=FAILURE, times=1)
    assert for_programs(failed) == {
        "from": FIRST,
        "to": DAY,
        "state": "failed",
        "why": "",
        "reason": failed.reason,
        "asked_at": AT,
        "next_at": FAILURE.next_at,
        "times": 1,
    }


def test_of_what_did_not_fail_programs_are_told_no_next_attempt():
    assert for_programs(Range(FIRST, DAY, "sleep", "none"))["next_at"] is None


# Ranges -------------------------------------------------------------------------------------------

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


@settings(deadline=None)
@given(all_facts(), st.sampled_from(list(METRIC_MODELS)), span_of_days)
def test_each_day_of_any_range_is_told_exactly_once_and_in_order(facts, type_, span):
    found = derive(facts, type_, span)
    assert days_of(found) == list(span)
    assert all(each.state in STATES for each in found)


@settings(deadline=None)
@given(all_facts(), st.sampled_from(list(METRIC_MODELS)), span_of_days)
def test_each_day_of_a_range_is_told_what_it_is_told_alone(facts, type_, span):
    for each in derive(facts, type_, span):
        for one in each:
            assert derive(facts, type_, Days(one, one)) == [replace(each, start=one, end=one)]


def test_one_reading_tells_apart_the_days_that_were_settled_over_and_not_over_when_it_was_made():
    facts = Known().asked(over_at(day(20))).facts
    assert [
        (each.end, each.state, each.why) for each in derive(facts, "sleep", Days(FIRST, day(40)))
    ] == [
        (day(6), "none", ""),
        (day(20), "not_synced", "waiting"),
        (day(40), "not_synced", "early"),
    ]


@settings(deadline=None)
@given(all_facts(), st.sampled_from(list(METRIC_MODELS)), span_of_days)
def test_no_two_neighbours_tell_the_same(facts, type_, span):
    found = derive(facts, type_, span)
    alike = [replace(each, start=FIRST, end=FIRST) for each in found]
    assert all(one != other for one, other in zip(alike, alike[1:], strict=False))


@settings(deadline=None)
@given(all_facts(), span_of_days)
def test_no_day_that_is_held_is_ever_missing_and_no_other_day_held(facts, span):
    held = held_days(facts, "sleep")
    told = days_of(each for each in derive(facts, "sleep", span) if each.state in module.PRESENT)
    assert set(told) == held & set(span)


def ranges(*parts):
    """One after another, of so many days each."""
    start, found = 0, []
    for days, state, *more in parts:
        fields = more[0] if more else {}
        found.append(Range(day(start), day(start + days - 1), "sleep", state, **fields))
        start += days
    return found


def test_for_people_days_that_differ_only_in_when_they_were_read_are_one_range():
    [found] = for_people(ranges((3, "held"), (4, "held", {"asked_at": AT})))
    assert (found.start, found.end, found.state) == (day(0), day(6), "held")


@pytest.mark.parametrize(
    "other",
    [
        (4, "held"),
        (4, "none", {"why": "before"}),
        (4, "none", {"rejected": 7}),
    ],
)
def test_for_people_days_of_another_state_reason_or_document_stay_apart(other):
    given_ = ranges((3, "none"), other)
    assert for_people(given_) == given_


def test_for_people_days_with_others_between_stay_apart():
    given_ = ranges((3, "held"), (1, "none"), (3, "held"))
    assert for_people(given_) == given_


def test_of_nothing_there_is_nothing_for_people():
    assert for_people([]) == []


def test_what_is_not_wholly_held_is_counted_by_state():
    found = absent(
        ranges(
            (9, "none", {"why": "before"}),
            (5, "held"),
            (2, "none"),
            (3, "partial", {"why": "sleep"}),
            (1, "held", {"why": "rejected"}),
            (4, "none"),
        )
    )
    assert found == {"none": 6, "partial": 3}


def test_every_state_but_held_is_somebodys_to_mend():
    assert module.FAULT.keys() == set(STATES) - {"held"}


# From what is stored ------------------------------------------------------------------------------

TODAY = day(40)
AFTER = over_at(day(41))


def write(user, numbers, type="sleep", *, at=AFTER, span=(0, 40), **values):
    """Documents of these days, as all that Oura has of the span."""
    documents = [
        orjson.dumps(night(day(n).isoformat(), f"{user.username} {type} {n}", **values))
        for n in numbers
    ]
    whole = Whole(day(span[0]), day(span[1]), "a run")
    return store(METRIC_MODELS[type], user.pk, documents, fetched_at=at, now=at, whole=whole)


def fail(user, start, end, at=AFTER):
    Reading.objects.create(
        user=user,
        type="sleep",
        start=day(start),
        end=day(end),
        complete=False,
        asked_at=at,
        kind="unavailable",
        status=503,
        collection="sleep",
        page=2,
        attempts=4,
    )


def states(user, start=0, end=40, type="sleep"):
    """By day, counted from FIRST."""
    found = ledger(user.pk, day(start), day(end), today=TODAY)[type]
    return {(one - FIRST).days: each for each in found for one in each}


def told_of(user, number=10, type="sleep"):
    found = states(user, type=type)[number]
    return (found.state, found.why) if found.why else found.state


GAP = [n for n in range(41) if n != 10]


@pytest.mark.django_db
def test_rows_and_the_gap_between_them_are_told(ana):
    write(ana, GAP)
    found = ledger(ana.pk, day(0), TODAY, today=TODAY)["sleep"]
    assert [(each.start, each.end, each.state) for each in found] == [
        (day(0), day(9), "held"),
        (day(10), day(10), "none"),
        (day(11), day(40), "held"),
    ]


@pytest.mark.django_db
def test_a_row_that_lacks_its_periods_is_partial(ana):
    write(ana, GAP)
    write(ana, [10], span=(10, 10), source={"daily_sleep": {"score": 80}, "sleep": []})
    assert [told_of(ana, n) for n in (9, 10, 11)] == ["held", ("partial", "sleep"), "held"]


@pytest.mark.django_db
def test_a_rejected_document_is_told_by_its_key(ana):
    write(ana, GAP)
    write(ana, [10], span=(10, 10), score=101)
    found = states(ana)[10]
    assert (found.state, found.rejected) == ("rejected", RejectedDocument.objects.get().pk)


@pytest.mark.django_db
@pytest.mark.parametrize("told", ["", "soon", "2026-02-30", "20260311"])
def test_a_rejected_document_without_a_day_says_nothing_of_any(ana, told):
    write(ana, GAP)
    RejectedDocument.objects.create(user=ana, type="sleep", key="x", day=told, errors={})
    assert told_of(ana) == "none"


def at_rest(off):
    """An activity day's minutes, all but those without the ring."""
    minutes = ("high", "medium", "low")
    active = {f"{name}_activity_minutes": 10 for name in minutes}
    return active | {"sedentary_minutes": 400, "resting_minutes": 1440 - 430 - off}


@pytest.mark.django_db
def test_minutes_that_no_class_of_activity_has_tell_that_the_ring_was_off(ana):
    write(ana, GAP)
    write(ana, range(41), "activity", **at_rest(off=180))
    found = states(ana)[10]
    assert (found.state, found.minutes) == ("not_worn", 360)


@pytest.mark.django_db
def test_the_minutes_of_a_day_read_before_it_was_over_tell_nothing(ana):
    write(ana, GAP)
    write(ana, range(11), "activity", at=over_at(DAY) - HOUR, **at_rest(off=400))
    assert told_of(ana) == "none"


@pytest.mark.django_db
def test_an_hour_or_so_of_charging_is_no_time_without_the_ring(ana):
    write(ana, GAP)
    write(ana, range(11), "activity", **at_rest(off=99))
    write(ana, [10], "activity", span=(10, 10), **at_rest(off=700))
    assert told_of(ana) == "none"


@pytest.mark.django_db
def test_a_day_without_activity_is_no_time_without_the_ring(ana):
    write(ana, GAP)
    write(ana, [n for n in range(41) if n != 9], "activity", **at_rest(off=700))
    assert told_of(ana) == "none"


@pytest.mark.django_db
def test_activity_without_minutes_tells_nothing(ana):
    write(ana, GAP)
    write(ana, range(41), "activity")
    assert told_of(ana) == "none"


@pytest.mark.django_db
def test_a_failure_is_told_with_all_that_is_stored_of_it(ana):
    fail(ana, 10, 12)
    found = states(ana)[10]
    assert found.state == "failed"
    assert found.failure == Failure("unavailable", 503, "sleep", 2, 4, AFTER)


@pytest.mark.django_db
def test_days_after_tomorrow_lie_in_the_future(ana):
    found = states(ana, 40, 50)
    assert [found[n].why for n in (41, 42, 50)] == ["", "future", "future"]
    assert found[42].reason == "It lies in the future."


@pytest.mark.django_db
def test_days_before_2010_lie_before_there_was_any_ring(ana):
    found = ledger(ana.pk, date(2009, 12, 30), date(2010, 1, 1), today=TODAY)["sleep"]
    assert [(len(each), each.state, each.why) for each in found] == [
        (2, "not_asked", "ancient"),
        (1, "not_asked", ""),
    ]
    assert found[0].reason == "It lies before there was any ring."


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(1990, 1, 1), date(1990, 1, 9)),
        (date(2030, 1, 1), date(2030, 1, 9)),
        (date(1990, 1, 1), date(2030, 1, 9)),
        (date.min, date.max),
        (DAY, DAY),
    ],
)
def test_whatever_is_asked_for_each_day_is_told_once(ana, start, end):
    write(ana, GAP)
    for found in ledger(ana.pk, start, end, today=TODAY).values():
        assert (found[0].start, found[-1].end) == (start, end)
        for one, other in zip(found, found[1:], strict=False):
            assert one.end + ONE_DAY == other.start


@pytest.fixture
def eventful(ana):
    """Ana's days are in many states."""
    write(ana, [n for n in range(3, 36) if n not in (10, 15, 16, 20)], span=(0, 38))
    write(ana, [20], span=(20, 20), score=101)
    write(ana, [25], span=(25, 25), source={"daily_sleep": None, "sleep": []})
    write(ana, [n for n in range(41) if n != 16], "activity", **at_rest(off=180))
    write(ana, range(5, 9), "readiness", at=over_at(day(30)), span=(0, 20))
    fail(ana, 37, 40, at=AFTER + HOUR)
    return ana


@pytest.mark.django_db
def test_part_of_the_days_are_told_what_they_are_told_among_all(eventful):
    whole = ledger(eventful.pk, day(-5), day(45), today=TODAY)
    assert len({each.state for found in whole.values() for each in found}) >= 6
    for start in range(-5, 43):
        for type_ in METRIC_MODELS:
            part = states(eventful, start, start + 3, type_)
            among = {(one - FIRST).days: each for each in whole[type_] for one in each}
            for number, each in part.items():
                assert replace(each, start=FIRST, end=FIRST) == replace(
                    among[number], start=FIRST, end=FIRST
                )


@pytest.mark.django_db
def test_another_persons_facts_never_show(eventful, ben):
    for found in ledger(ben.pk, day(-5), day(41), today=TODAY).values():
        assert found == [Range(day(-5), day(41), found[0].type, "not_asked")]


@pytest.mark.django_db
def test_another_persons_facts_change_nothing(ana, ben):
    write(ana, GAP[3:])
    before = ledger(ana.pk, day(-5), day(41), today=TODAY)
    write(ben, range(-3, 41), span=(-5, 40))
    write(ben, range(41), "activity", **at_rest(off=700))
    fail(ben, 10, 40, at=AFTER + HOUR)
    write(ben, [10], span=(10, 10), score=101)
    assert ledger(ana.pk, day(-5), day(41), today=TODAY) == before


@pytest.mark.django_db
def test_one_query_tells_all(eventful, django_assert_num_queries):
    with django_assert_num_queries(1):
        ledger(eventful.pk, day(0), TODAY, today=TODAY)


OTHERS_DAYS = 100


def many_others(count=100):
    """Some ten thousand rows of other people in each table that the query reads."""
    users = [person(f"other {n}", "ben").pk for n in range(count)]
    some = "FROM unnest(%s::bigint[]) AS u, generate_series(0, %s) AS n"
    metric = """
        INSERT INTO {} (user_id, oura_id, day, content_hash, created_at, updated_at, fetched_at{})
        SELECT u, u || ' ' || n, date '2026-01-01' + n, ''::bytea, now(), now(), now(){}"""
    reading = """
        INSERT INTO readings (user_id, type, start, "end", complete, asked_at, run, attempts, kind,
            collection)
        SELECT u, 'sleep', date '2026-01-01' + n, date '2026-01-01' + n, true, now(), n, 1, '',
            ''"""
    rejected = """
        INSERT INTO rejected_documents (user_id, type, key, oura_id, day, content, errors,
            fetched_at, first_seen, last_seen)
        SELECT u, 'sleep', n, n, date '2026-01-01' + n, '', '{}', now(), now(), now()"""
    inserts = [
        metric.format(
            module.table(model),
            *((", contributors", ", '{}'") if model.metric_type.contributors else ("", "")),
        )
        for model in METRIC_MODELS.values()
    ]
    with connection.cursor() as cursor:
        for insert in (*inserts, reading, rejected):
            cursor.execute(f"{insert} {some}", [users, OTHERS_DAYS - 1])
        cursor.execute("ANALYZE")


def nodes(plan):
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


@pytest.mark.django_db
def test_among_many_people_every_table_is_read_by_person(eventful):
    many_others()
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (FORMAT JSON) {module.statement()}",
            {"user": eventful.pk, "since": day(-5), "off": module.OFF_AT_LEAST},
        )
        [[[explained]]] = cursor.fetchall()
    found = list(nodes(explained["Plan"]))
    assert [each["Relation Name"] for each in found if each["Node Type"] == "Seq Scan"] == []
    by_index = [each for each in found if "Index Name" in each]
    assert len(by_index) >= 2 * len(METRIC_MODELS) + 3
    assert [each for each in by_index if "user_id" not in each.get("Index Cond", "")] == []


def ledger_version(user):
    return Stream.objects.get(user=user, type="sleep").ledger_version


@pytest.mark.django_db
@pytest.mark.parametrize("scores", [(80, 101), (101, 80)], ids=["comes", "is cleared"])
def test_the_ledgers_readers_learn_of_a_rejected_document_that(processor, ana, scores):
    processor.send(night(score=80))
    processor.send(night(score=scores[0]))
    before = ledger_version(ana)
    processor.send(night(score=scores[1]))
    assert ledger_version(ana) > before


# Coverage, and what is missing --------------------------------------------------------------------


@pytest.mark.django_db
def test_coverage_tells_first_last_days_and_the_gaps_between(ana):
    write(ana, [3, 4, 8, 9, 12], span=(0, 20))
    assert coverage(ana.pk, now=AFTER)["sleep"] == {
        "first": day(3),
        "last": day(12),
        "days": 5,
        "missing": [[day(5), day(7)], [day(10), day(11)]],
    }


@pytest.mark.django_db
def test_of_a_type_without_a_row_coverage_tells_nothing(ana):
    write(ana, [3])
    assert coverage(ana.pk, now=AFTER)["activity"] == {
        "first": None,
        "last": None,
        "days": 0,
        "missing": [],
    }


@pytest.mark.django_db
def test_a_gap_of_several_states_is_one_gap_of_coverage(ana):
    write(ana, [3, 9], span=(0, 12))
    write(ana, [5], span=(5, 5), score=101)
    assert coverage(ana.pk, now=AFTER)["sleep"]["missing"] == [[day(4), day(8)]]


@pytest.mark.django_db
def test_a_partial_day_counts_as_held_in_coverage(ana):
    write(ana, [3, 4, 5], source={"daily_sleep": {"score": 80}, "sleep": []})
    found = coverage(ana.pk, now=AFTER)["sleep"]
    assert (found["days"], found["missing"]) == (3, [])


@pytest.mark.django_db
def test_days_missing_are_counted_from_the_first_held_to_today(ana):
    write(ana, [0, 1, 3], span=(0, 3))
    write(ana, [2], "activity", span=(0, 3))
    assert missing(ana.pk, over_at(day(3))) == {
        **dict.fromkeys(METRIC_MODELS, {"not_asked": 5}),
        "sleep": {"none": 1, "not_asked": 1},
        "activity": {"not_synced": 1, "not_asked": 1},
    }


@pytest.mark.django_db
def test_of_somebody_without_any_row_nothing_is_missing(ana):
    fail(ana, 0, 9)
    assert missing(ana.pk, AFTER) == {}


@pytest.mark.django_db
def test_a_type_that_is_wholly_held_is_not_among_the_missing(ana):
    for type_ in METRIC_MODELS:
        write(ana, range(3), type_, span=(0, 2))
    assert missing(ana.pk, datetime(2026, 3, 3, 12, tzinfo=UTC)) == {}


@pytest.mark.django_db
def test_each_types_first_day_is_that_persons(ana, ben):
    write(ana, [7], span=(0, 9))
    write(ana, [5], "readiness", span=(0, 9))
    write(ben, [1], span=(0, 9))
    assert first_days(ana.pk) == {"sleep": day(7), "readiness": day(5)}


@pytest.mark.django_db
def test_of_somebody_without_any_row_there_is_no_first_day(ana):
    assert first_days(ana.pk) == {}


# Asked by programs --------------------------------------------------------------------------------

LEDGER, COVERAGE = "/api/v1/metrics/ledger", "/api/v1/metrics/coverage"


@pytest.mark.django_db
def test_programs_get_each_day_from_the_first_ring_to_tomorrow_of_every_type(processor, eventful):
    told = processor.get(LEDGER, user="ana").json()
    assert told.keys() == METRIC_MODELS.keys()
    for found in told.values():
        spans = [
            (date.fromisoformat(each["from"]), date.fromisoformat(each["to"])) for each in found
        ]
        assert spans[0][0] == FIRST_DAY
        assert spans[-1][1] == datetime.now(UTC).date() + ONE_DAY
        for one, other in zip(spans, spans[1:], strict=False):
            assert one[1] + ONE_DAY == other[0]


@pytest.mark.django_db
def test_programs_get_a_failure_with_its_reason_and_next_attempt(processor, ana):
    fail(ana, 10, 12)
    [found] = [each for each in processor.get(LEDGER).json()["sleep"] if each["state"] == "failed"]
    assert (found["from"], found["to"]) == ("2026-03-11", "2026-03-13")
    assert found["reason"].startswith("Reading sleep failed on page 2 with status 503")
    assert datetime.fromisoformat(found["next_at"]) > AFTER


@pytest.mark.django_db
def test_programs_get_coverage_with_the_four_fields_of_the_contract(processor, ana):
    write(ana, [3, 4, 8], span=(0, 20))
    told = processor.get(COVERAGE, user="ana").json()
    assert told["sleep"] == {
        "first": "2026-03-04",
        "last": "2026-03-09",
        "days": 3,
        "missing": [["2026-03-06", "2026-03-08"]],
    }
    assert all(each.keys() == told["sleep"].keys() for each in told.values())


@pytest.mark.django_db
@pytest.mark.parametrize("path", [LEDGER, COVERAGE])
def test_without_a_token_nothing_is_told(processor, ana, path):
    assert processor.get(path, token="wrong", user="ana").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("path", [LEDGER, COVERAGE])
@pytest.mark.parametrize("query", [{"user": "nobody"}, {"user": "ana", "start": "2026-03-01"}])
def test_an_unknown_user_or_parameter_is_400(processor, ana, path, query):
    assert processor.get(path, **query).status_code == 400
