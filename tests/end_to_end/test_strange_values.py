"""Numbers and moments as no one expects them: a bad value costs itself, never its day."""

import csv
import re
from datetime import datetime

import pytest

from metrics import TYPES
from tests.end_to_end.strange import COLLECTIONS
from tests.scale import full_only, scaled

FORMS = scaled(
    ["offsetless", "short_offset"], ["offsetless", "short_offset", "blank", "nine_digits"]
)
RFC_3339 = re.compile(
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)"
    r"(\.\d{1,6})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
)
MOMENTS = ("bedtime_start", "bedtime_end")
# The collections with the figure that the sandbox makes bad, and where the API shows it.
BAD_FIGURES = {
    "sleep": ("sleep", "efficiency"),
    "daily_activity": ("activity", "steps"),
    "daily_readiness": ("readiness", "contributors.previous_night"),
    "daily_sleep": ("sleep", "contributors.deep_sleep"),
}
HUGE_FIGURES = {
    "sleep": ("sleep", "average_hrv"),
    "daily_activity": ("activity", "score"),
    "daily_readiness": ("readiness", "score"),
    "daily_sleep": ("sleep", "score"),
}


def value_of(row, path):
    for name in path.split("."):
        row = row[name]
    return row


def without(row, path):
    """Return the row without one value and what follows from its change."""
    name, _, inner = path.partition(".")
    rest = {key: value for key, value in row.items() if key not in (name, "updated_at")}
    kept = {key: value for key, value in row[name].items() if key != inner} if inner else None
    return rest, kept


def collect_odd_days(strange, oddity, collections):
    """Collect days that are odd, one for each collection, before and after.

    Return the days, both shown states, and the second run.
    """
    days = dict(zip(collections, strange.plain_days(len(collections)), strict=True))
    strange.collect_days(days.values())
    before = {type_: strange.shown(type_) for type_ in TYPES}
    for collection, day in days.items():
        strange.make_odd(collection, day, oddity)
    run = strange.collect_days(days.values())
    return days, before, {type_: strange.shown(type_) for type_ in TYPES}, run


# Numbers ------------------------------------------------------------------------------------------


def test_whole_numbers_written_as_floats_are_the_same(strange):
    _, before, after, run = collect_odd_days(strange, "float", COLLECTIONS)
    for rows in (before, after):
        for row in (row for by_day in rows.values() for row in by_day.values()):
            del row["updated_at"]
    assert (run.code, after) == (0, before)
    assert run.counts("warnings") == dict.fromkeys(TYPES, 0)


@pytest.mark.parametrize(
    ("oddity", "figures"),
    [
        ("out_of_range", BAD_FIGURES),
        ("wrong_kind", BAD_FIGURES),
        ("beyond_64_bit", HUGE_FIGURES),
    ],
)
def test_bad_value_costs_itself_and_is_named(strange, oddity, figures):
    days, before, after, run = collect_odd_days(strange, oddity, COLLECTIONS)
    assert (run.code, run.counts("rejected")) == (0, dict.fromkeys(TYPES, 0))
    assert run.counts("warnings") == {"sleep": 2, "activity": 1, "readiness": 1}
    for collection, day in days.items():
        type_, path = figures[collection]
        row = after[type_][day]
        assert value_of(row, path) is None
        assert without(row, path) == without(before[type_][day], path)
        assert strange.state(day, type_) == ("held", None)
        [(column, messages)] = strange.warnings(day, type_).items()
        assert (column.partition(".")[0], bool(messages)) == (path.partition(".")[0], True)


@full_only
def test_bad_value_is_unchanged_when_read_again(strange):
    days = dict(zip(COLLECTIONS, strange.plain_days(len(COLLECTIONS)), strict=True))
    for collection, day in days.items():
        strange.make_odd(collection, day, "out_of_range")
    first = strange.collect_days(days.values())
    again = strange.collect_days(days.values())
    assert again.counts("unchanged") == first.counts("created")
    assert again.counts("warnings") == first.counts("warnings")


@full_only
def test_warning_ends_when_value_is_right_again(strange):
    [day] = strange.plain_days(1)
    strange.make_odd("sleep", day, "out_of_range")
    strange.collect_days([day], "sleep")
    strange.undo()
    strange.collect_days([day], "sleep")
    efficiency = strange.truth.one("sleep", day)["efficiency"]
    assert (strange.warnings(day), strange.shown("sleep")[day]["efficiency"]) == ({}, efficiency)


@full_only
def test_zeros_are_no_values_and_no_warnings(strange):
    days, before, after, run = collect_odd_days(strange, "zeros", COLLECTIONS)
    assert (run.code, run.counts("warnings")) == (0, dict.fromkeys(TYPES, 0))
    night = after["sleep"][days["sleep"]]
    vital = ("average_heart_rate", "lowest_heart_rate", "average_hrv", "average_breath")
    assert [night[name] for name in vital] == [None] * 4
    assert night["duration"] == before["sleep"][days["sleep"]]["duration"]
    for collection in ("daily_sleep", "daily_activity", "daily_readiness"):
        row = after[collection.removeprefix("daily_")][days[collection]]
        assert set(row["contributors"].values()) == {None}
        assert row["score"] == before[collection.removeprefix("daily_")][days[collection]]["score"]


# Moments ------------------------------------------------------------------------------------------


def shown_moments(value, path=""):
    """Yield all that looks like a moment in what the API shows, with its place."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name != "source":
                yield from shown_moments(item, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from shown_moments(item, path)
    elif isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[T ]", value):
        yield path, value


@full_only
@pytest.mark.parametrize("oddity", FORMS)
def test_moment_in_any_form_is_shown_as_rfc_3339(strange, oddity):
    days, before, after, run = collect_odd_days(strange, oddity, COLLECTIONS)
    day = days["sleep"]
    assert (run.code, run.counts("rejected")) == (0, dict.fromkeys(TYPES, 0))
    shown = [after, *(strange.get(f"days/{each}") for each in days.values())]
    moments = [text for each in shown for _, text in shown_moments(each)]
    assert [text for text in moments if not RFC_3339.fullmatch(text)] == []
    assert moments
    for name in MOMENTS:
        old, new = before["sleep"][day][name], after["sleep"][day][name]
        if (oddity, name) == ("offsetless", "bedtime_start"):
            assert new is None
            assert list(strange.warnings(day)) == [name]
        else:
            was, now = datetime.fromisoformat(old), datetime.fromisoformat(new)
            assert abs(now - was).total_seconds() < 1
            assert now.utcoffset() == was.utcoffset()
    assert after["sleep"][day]["duration"] == before["sleep"][day]["duration"]


@full_only
def test_moments_in_csv_are_rfc_3339(strange):
    days = dict(
        zip(
            ("offsetless", "short_offset", "blank", "nine_digits"),
            strange.plain_days(4),
            strict=True,
        )
    )
    for oddity, day in days.items():
        strange.make_odd("sleep", day, oddity)
    strange.collect_days(days.values(), "sleep")
    rows = {row["day"]: row for row in csv.DictReader(strange.csv("sleep").splitlines())}
    texts = [rows[day][name] for day in days.values() for name in MOMENTS]
    assert [text for text in texts if text and not RFC_3339.fullmatch(text)] == []
    assert texts.count("") == 1
