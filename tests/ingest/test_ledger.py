"""One state and a reason for each day, derived from what is known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import ledger as module
from ingest.ledger import (
    PATIENCE,
    SAME_RUN,
    STATES,
    Failure,
    Range,
    absent,
    derive,
    for_people,
    for_programs,
)
from ingest.models import METRIC_MODELS
from ingest.readings import over_at
from myhealth.days import Days
from tests.ingest.facts import (
    DAY,
    FIRST,
    HOUR,
    SETTLED,
    Known,
    all_facts,
    day,
    days_of,
    held_days,
    span_of_days,
)


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
