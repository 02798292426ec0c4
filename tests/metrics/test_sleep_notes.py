"""Change notes of a night, and its provenance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics import SLEEP

LAST_NIGHT = {
    "bedtime_start": "2026-02-28T23:10:00+01:00",
    "bedtime_end": "2026-03-01T07:00:00+01:00",
}
SUMMARY = {"id": "s", "score": 80}


def period(id="p", type="long_sleep", asleep=25_000, **values):
    return {"id": id, "type": type, "total_sleep_duration": asleep, **LAST_NIGHT, **values}


NAP = {"bedtime_start": "2026-03-01T13:%s:00+01:00", "bedtime_end": "2026-03-01T13:%s:30+01:00"}


def nap(id="n", minute=10, **values):
    times = {name: text % minute for name, text in NAP.items()}
    return period(id, "late_nap", 1_800, **(times | values))


def night(*periods, summary=SUMMARY):
    return {"daily_sleep": summary, "sleep": list(periods)}


# Change notes -----------------------------------------------------------------------------------


def test_same_night_has_no_notes():
    assert SLEEP.change_notes(night(period(), nap()), night(period(), nap())) == []


def test_changed_values_have_no_notes():
    assert SLEEP.change_notes(night(period(latency=1)), night(period(latency=2))) == []


def test_period_added():
    assert SLEEP.change_notes(night(period()), night(period(), nap())) == ["period added"]


def test_period_removed():
    assert SLEEP.change_notes(night(period(), nap()), night(period())) == ["period removed"]


def test_several_periods_are_counted():
    assert SLEEP.change_notes(night(period()), night(period(), nap("n"), nap("m", 20))) == [
        "2 periods added"
    ]


@pytest.mark.parametrize("type", ["rest", "deleted"])
def test_period_that_does_not_count_is_no_nap(type):
    assert SLEEP.change_notes(night(period()), night(period(), period("q", type, 900))) == []


def test_second_copy_of_night_is_no_nap():
    assert SLEEP.change_notes(night(period()), night(period(), period("q", asleep=900))) == []


@pytest.mark.parametrize("type", [None, "siesta", ["list"]])
def test_nap_of_unknown_type_is_noted(type):
    naps = night(period(), nap() | {"type": type})
    assert SLEEP.change_notes(night(period()), naps) == ["period added"]


def test_bedtime_in_other_spelling_has_no_note():
    other = period(bedtime_start="2026-02-28 23:10:00+0100")
    assert SLEEP.change_notes(night(period()), night(other)) == []


def test_period_deleted():
    deleted = nap("n") | {"type": "deleted"}
    assert SLEEP.change_notes(night(period(), nap("n")), night(period(), deleted)) == [
        "period removed",
        "period deleted",
    ]


def test_period_deleted_before_has_no_note():
    deleted = period("d", "deleted")
    assert SLEEP.change_notes(night(period(), deleted), night(period(), deleted)) == []


def test_bedtime_edited_by_person():
    edited = period(bedtime_start="2026-02-28T22:00:00+01:00", sleep_analysis_reason="bedtime_edit")
    assert SLEEP.change_notes(night(period()), night(edited)) == ["bedtime edited"]


def test_bedtime_changed_by_oura():
    moved = period(
        bedtime_end="2026-03-01T07:30:00+01:00",
        sleep_analysis_reason="background_sleep_analysis",
    )
    assert SLEEP.change_notes(night(period()), night(moved)) == ["bedtime changed by Oura"]


def test_edit_without_new_bedtime_has_no_note():
    edited = period(sleep_analysis_reason="bedtime_edit")
    assert SLEEP.change_notes(night(period()), night(edited)) == []


def test_changed_algorithm_is_noted_with_both_versions():
    before, after = (period(sleep_algorithm_version=version) for version in ("v1", "v2"))
    assert SLEEP.change_notes(night(before), night(after)) == ["algorithm changed from v1 to v2"]


def test_algorithm_known_of_one_version_has_no_note():
    assert SLEEP.change_notes(night(period()), night(period(sleep_algorithm_version="v2"))) == []


def test_summary_added():
    assert SLEEP.change_notes(night(period(), summary=None), night(period())) == ["summary added"]


def test_summary_removed():
    assert SLEEP.change_notes(night(period()), night(period(), summary=None)) == ["summary removed"]


def test_main_period_added_is_no_nap():
    assert SLEEP.change_notes(night(), night(period())) == ["main period added"]


def test_main_period_removed_is_no_nap():
    assert SLEEP.change_notes(night(period()), night()) == ["main period removed"]


def test_all_changes_are_noted_in_order():
    after = night(period(bedtime_end="2026-03-01T08:00:00+01:00"), nap())
    assert SLEEP.change_notes(night(period(), summary=None), after) == [
        "summary added",
        "period added",
        "bedtime changed by Oura",
    ]


# Provenance ---------------------------------------------------------------------------------------


def test_provenance_is_that_of_main_period():
    main = period(sleep_algorithm_version="v2", ring_id="r")
    other = nap(sleep_algorithm_version="v1", ring_id="q")
    assert SLEEP.provenance_of(night(other, main)) == {"sleep_algorithm": "v2", "ring": "r"}


@pytest.mark.parametrize("value", [None, "", 2, {"id": "r"}, "nul\x00"])
def test_provenance_that_is_no_text_is_omitted(value):
    assert SLEEP.provenance_of(night(period(sleep_algorithm_version="v2", ring_id=value))) == {
        "sleep_algorithm": "v2"
    }


def test_night_without_periods_has_no_provenance():
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


@given(strange)
def test_any_source_compared_with_itself_has_no_notes(source):
    assert SLEEP.change_notes(source, source) == []


@given(strange, strange)
def test_notes_of_any_sources_are_texts(before, after):
    assert all(isinstance(note, str) for note in SLEEP.change_notes(before, after))
