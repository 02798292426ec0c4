"""The same thing twice, types that are missing or new, only rest: what a day's sleep is then."""

import pytest

from metrics import TYPES
from tests.end_to_end.strange import COLLECTIONS
from tests.scale import full_only, scaled

TWICE = [
    "twin",
    "nested",
    "overlapping",
    "repeated",
    "repeated_changed",
]
UNTOLD = ["null_type", "absent_type", "new_type", "unknown", "float"]
ONLY_REST = "Oura has only sleep periods that are rest or were deleted, and these do not count."
MAIN = ("efficiency", "latency", "lowest_heart_rate", "average_hrv", "bedtime_start")


def make_nights_odd(strange, oddities):
    """Give each oddity a plain day; return the days by oddity."""
    days = dict(zip(oddities, strange.plain_days(len(oddities)), strict=True))
    for oddity, day in days.items():
        strange.make_odd("sleep", day, oddity)
    return days


def true_night(strange, day):
    night = strange.truth.one("sleep", day)
    return night["total_sleep_duration"], night["time_in_bed"], *(night[name] for name in MAIN)


def stored_night(row):
    return row["duration"], row["time_in_bed"], *(row[name] for name in MAIN)


# The same thing twice -----------------------------------------------------------------------------


def test_night_that_comes_twice_counts_once(strange):
    days = make_nights_odd(strange, TWICE)
    run = strange.collect_days(days.values(), "sleep")
    rows = strange.shown("sleep")
    assert (run.code, run.report["errors"]) == (0, [])
    assert {oddity: stored_night(rows[day]) for oddity, day in days.items()} == {
        oddity: true_night(strange, day) for oddity, day in days.items()
    }


@full_only
def test_night_that_comes_twice_is_unchanged_when_read_again(strange):
    days = make_nights_odd(strange, [*TWICE, *UNTOLD])
    first = strange.collect_days(days.values(), "sleep")
    again = strange.collect_days(days.values(), "sleep")
    assert again.counts("unchanged") == first.counts("created")
    assert again.code == 0
    assert all(strange.get(f"days/{day}")["revisions"] == [] for day in days.values())


@pytest.mark.parametrize("oddity", scaled(["repeated_changed"], ["repeated", "repeated_changed"]))
def test_last_copy_of_document_counts(strange, oddity):
    [day] = strange.plain_days(1)
    strange.collect("--start", day, "--end", day)
    before = {type_: strange.shown(type_)[day] for type_ in TYPES}
    for collection in COLLECTIONS:
        strange.make_odd(collection, day, oddity)
    run = strange.collect("--start", day, "--end", day)
    # The readings of the sleep are among its row's source, so only its figures are compared.
    after = {type_: strange.shown(type_)[day] for type_ in TYPES}
    for rows in (before, after):
        del rows["sleep"]["updated_at"]
    assert (run.code, after) == (0, before)


@full_only
def test_deleted_copy_counts_if_it_is_last(strange):
    [day] = strange.plain_days(1)
    strange.make_odd("sleep", day, "as_deleted_copy")
    runs = [strange.collect_days([day], "sleep") for _ in range(2)]
    assert [run.code for run in runs] == [0, 0]
    assert runs[1].counts("unchanged") == {"sleep": 1}
    assert strange.shown("sleep")[day]["duration"] is None
    assert strange.state(day) == ("partial", ONLY_REST)


@full_only
def test_newest_of_two_documents_of_day_counts(strange):
    [day] = strange.plain_days(1)
    strange.collect("--start", day, "--end", day)
    before = {type_: strange.shown(type_)[day] for type_ in TYPES}
    for collection in ("daily_sleep", "daily_activity", "daily_readiness"):
        strange.make_odd(collection, day, "two_documents")
    run = strange.collect("--start", day, "--end", day)
    assert (run.code, run.counts("unchanged")) == (0, dict.fromkeys(TYPES, 1))
    assert {type_: strange.shown(type_)[day] for type_ in TYPES} == before


@pytest.mark.parametrize(("size", "overlap"), scaled([(5, 1)], [(5, 1), (5, 4), (2, 1)]))
def test_pages_that_overlap_count_each_document_once(strange, size, overlap):
    start = strange.ago(15)
    expected = {type_: strange.truth.days(type_, start) for type_ in TYPES}
    strange.collect("--start", start)
    before = {type_: strange.shown(type_) for type_ in TYPES}
    strange.limit(page_size=size, page_overlap=overlap)
    run = strange.collect("--start", start)
    after = {type_: strange.shown(type_) for type_ in TYPES}
    assert (run.code, {type_: set(rows) for type_, rows in after.items()}) == (0, expected)
    assert after == before


@full_only
def test_pages_that_overlap_bring_true_nights(strange):
    days = strange.plain_days(6)
    strange.limit(page_size=3, page_overlap=1)
    strange.collect_days(days, "sleep")
    rows = strange.shown("sleep")
    assert [stored_night(rows[day]) for day in days] == [true_night(strange, day) for day in days]


def test_night_under_two_days_stays_with_warning(strange):
    [later] = strange.plain_days(1, in_a_row=2)
    day = strange.day_after(later, -1)
    strange.make_odd("sleep", day, "under_two_days")
    run = strange.collect_days([day, later], "sleep")
    rows = strange.shown("sleep")
    assert (run.code, set(rows)) == (0, {day, later})
    assert stored_night(rows[day]) == true_night(strange, day)
    assert (strange.warnings(day), bool(strange.warnings(later))) == ({}, True)


@full_only
def test_night_under_two_days_is_unchanged_when_read_again(strange):
    [later] = strange.plain_days(1, in_a_row=2)
    day = strange.day_after(later, -1)
    strange.make_odd("sleep", day, "under_two_days")
    strange.collect_days([day, later], "sleep")
    warned = strange.warnings(later)
    # The later day alone, as when it is a request of its own.
    again = strange.collect_days([later], "sleep")
    assert (again.code, again.counts("unchanged")) == (0, {"sleep": 1})
    assert strange.warnings(later) == warned


@full_only
def test_warning_ends_when_night_is_under_one_day(strange):
    [later] = strange.plain_days(1, in_a_row=2)
    day = strange.day_after(later, -1)
    strange.make_odd("sleep", day, "under_two_days")
    strange.collect_days([day, later], "sleep")
    strange.undo()
    strange.collect_days([day, later], "sleep")
    assert strange.warnings(later) == {}
    assert stored_night(strange.shown("sleep")[later]) == true_night(strange, later)


# Types --------------------------------------------------------------------------------------------


def test_night_of_unknown_type_counts(strange):
    days = make_nights_odd(strange, UNTOLD)
    run = strange.collect_days(days.values(), "sleep")
    rows = strange.shown("sleep")
    assert run.code == 0
    assert {oddity: stored_night(rows[day]) for oddity, day in days.items()} == {
        oddity: true_night(strange, day) for oddity, day in days.items()
    }
    assert {oddity: rows[day]["main_type"] for oddity, day in days.items()} == {
        "null_type": None,
        "absent_type": None,
        "new_type": "segmented_sleep",
        "unknown": "long_sleep",
        "float": "long_sleep",
    }


@full_only
def test_night_of_unknown_type_counts_in_means(strange):
    [day] = strange.plain_days(1)
    strange.make_odd("sleep", day, "null_type")
    strange.collect_days([day], "sleep")
    week = strange.week_ending(day)
    assert week["avg_sleep_duration"] == strange.truth.one("sleep", day)["total_sleep_duration"]


@pytest.mark.parametrize("oddity", scaled(["all_rest"], ["all_rest", "all_deleted"]))
def test_day_of_rest_alone_says_so(strange, oddity):
    [day] = strange.plain_days(1)
    strange.make_odd("sleep", day, oddity)
    run = strange.collect_days([day])
    row = strange.shown("sleep")[day]
    assert (run.code, row["duration"], row["time_in_bed"]) == (0, None, None)
    assert row["score"] == strange.truth.one("daily_sleep", day)["score"]
    assert strange.state(day) == ("partial", ONLY_REST)


@full_only
@pytest.mark.parametrize("oddity", ["all_rest", "all_deleted"])
def test_rest_without_summary_is_no_day_without_anything(strange, oddity):
    [day] = strange.plain_days(1, from_ago=4)
    strange.make_odd("sleep", day, oddity)
    strange.remove("daily_sleep", day)
    run = strange.collect("--days", "20")
    state, reason = strange.state(day)
    assert run.code == 0
    assert state != "not_worn"
    assert "no data that counts" in reason


@full_only
def test_unknown_fields_and_words_cost_nothing(strange):
    days = strange.plain_days(2)
    strange.collect_days(days)
    before = {type_: strange.shown(type_) for type_ in TYPES}
    for day in days:
        for collection in COLLECTIONS:
            strange.make_odd(collection, day, "unknown")
    run = strange.collect_days(days)
    after = {type_: strange.shown(type_) for type_ in TYPES}
    for rows in (before, after):
        for row in (row for by_day in rows.values() for row in by_day.values()):
            del row["updated_at"]
            row["contributors"].pop("new_contributor", None)
    assert (run.code, run.counts("warnings"), after) == (0, dict.fromkeys(TYPES, 0), before)
