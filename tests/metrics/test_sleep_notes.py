"""What changed in a night, in words."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics import SLEEP

LAST_NIGHT = {
    "bedtime_start": "2026-02-28T23:10:00+01:00",
    "bedtime_end": "2026-03-01T07:00:00+01:00",
}
SUMMARY = {"id": "s", "score": 80}


def period(id="p", type="long_sleep", asleep=25_000, **values):
    return {"id": id, "type": type, "total_sleep_duration": asleep, **LAST_NIGHT, **values}


def nap(id="n", **values):
    return period(id, "late_nap", 1_800, **values)


def night(*periods, summary=SUMMARY):
    return {"daily_sleep": summary, "sleep": list(periods)}


# What became of it --------------------------------------------------------------------------------


def test_of_a_night_that_stayed_there_is_nothing_to_say():
    assert SLEEP.notes(night(period(), nap()), night(period(), nap())) == []


def test_other_values_of_the_same_night_are_nothing_to_say():
    assert SLEEP.notes(night(period(latency=1)), night(period(latency=2))) == []


def test_a_nap_added_is_told():
    assert SLEEP.notes(night(period()), night(period(), nap())) == ["a nap added"]


def test_a_nap_removed_is_told():
    assert SLEEP.notes(night(period(), nap()), night(period())) == ["a nap removed"]


def test_several_naps_are_counted():
    assert SLEEP.notes(night(period()), night(period(), nap("n"), nap("m"))) == ["2 naps added"]


@pytest.mark.parametrize("type", ["rest", "deleted", None])
def test_a_period_that_does_not_count_is_no_nap(type):
    assert SLEEP.notes(night(period()), night(period(), period("q", type, 900))) == []


def test_a_period_deleted_is_told():
    deleted = nap("n") | {"type": "deleted"}
    assert SLEEP.notes(night(period(), nap("n")), night(period(), deleted)) == [
        "a nap removed",
        "a period deleted",
    ]


def test_a_period_that_was_deleted_before_is_not_told_again():
    deleted = period("d", "deleted")
    assert SLEEP.notes(night(period(), deleted), night(period(), deleted)) == []


def test_a_bedtime_that_the_person_edited_is_told_so():
    edited = period(bedtime_start="2026-02-28T22:00:00+01:00", sleep_analysis_reason="bedtime_edit")
    assert SLEEP.notes(night(period()), night(edited)) == ["bedtime edited"]


def test_a_bedtime_that_oura_moved_is_told_as_analysed_anew():
    moved = period(
        bedtime_end="2026-03-01T07:30:00+01:00",
        sleep_analysis_reason="background_sleep_analysis",
    )
    assert SLEEP.notes(night(period()), night(moved)) == ["bedtime analysed anew"]


def test_an_edit_that_left_the_bedtime_is_nothing_to_say():
    edited = period(sleep_analysis_reason="bedtime_edit")
    assert SLEEP.notes(night(period()), night(edited)) == []


def test_another_algorithm_is_told_with_both_versions():
    before, after = (period(sleep_algorithm_version=version) for version in ("v1", "v2"))
    assert SLEEP.notes(night(before), night(after)) == ["algorithm changed, v1 to v2"]


def test_an_algorithm_that_only_one_of_them_tells_is_nothing_to_say():
    assert SLEEP.notes(night(period()), night(period(sleep_algorithm_version="v2"))) == []


def test_a_summary_that_came_is_told():
    assert SLEEP.notes(night(period(), summary=None), night(period())) == ["the summary came"]


def test_a_summary_that_went_is_told():
    assert SLEEP.notes(night(period()), night(period(), summary=None)) == ["the summary went"]


def test_the_sleep_that_came_after_its_summary_is_told_and_is_no_nap():
    assert SLEEP.notes(night(), night(period())) == ["the sleep came"]


def test_the_sleep_that_went_is_told_and_is_no_nap():
    assert SLEEP.notes(night(period()), night()) == ["the sleep went"]


def test_all_that_changed_is_told():
    after = night(period(bedtime_end="2026-03-01T08:00:00+01:00"), nap())
    assert SLEEP.notes(night(period(), summary=None), after) == [
        "the summary came",
        "a nap added",
        "bedtime analysed anew",
    ]


# By what it was measured --------------------------------------------------------------------------


def test_the_provenance_is_those_of_the_main_period():
    main = period(sleep_algorithm_version="v2", ring_id="r")
    other = nap(sleep_algorithm_version="v1", ring_id="q")
    assert SLEEP.provenance_of(night(other, main)) == {"sleep_algorithm": "v2", "ring": "r"}


@pytest.mark.parametrize("value", [None, "", 2, {"id": "r"}])
def test_a_trait_that_is_no_text_is_left_out(value):
    assert SLEEP.provenance_of(night(period(sleep_algorithm_version="v2", ring_id=value))) == {
        "sleep_algorithm": "v2"
    }


def test_a_night_without_sleep_has_no_provenance():
    assert SLEEP.provenance_of(night()) == {}


texts = st.sampled_from(["", "a", "b"])
values = st.none() | st.integers() | texts | st.dictionaries(texts, st.none(), max_size=2)
fields = st.fixed_dictionaries(
    {"type": st.sampled_from(["long_sleep", "late_nap", "deleted"]) | values},
    optional=dict.fromkeys(
        ["id", "total_sleep_duration", "bedtime_start", "sleep_algorithm_version"], values
    ),
)
strange = st.fixed_dictionaries(
    {}, optional={"daily_sleep": values, "sleep": values | st.lists(values | fields, max_size=4)}
)


@settings(deadline=None)
@given(strange)
def test_whatever_oura_sends_compared_with_itself_is_nothing_to_say(source):
    assert SLEEP.notes(source, source) == []


@settings(deadline=None)
@given(strange, strange)
def test_whatever_oura_sends_is_told_in_texts(before, after):
    assert all(isinstance(note, str) for note in SLEEP.notes(before, after))
