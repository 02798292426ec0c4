"""Moments: which texts are one, and how they are stored."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.moments import normalize_moment, parse_moment

RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T23:10:00+01:00",
        "2026-03-01T23:10:00.120-03:30",
        "2026-03-01T23:10:00.123456Z",
        "2026-03-01T23:10:00-00:00",
    ],
)
def test_valid_moment_stays_as_it_is(text):
    assert normalize_moment(text) == text


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2026-03-01T23:10:00+0100", "2026-03-01T23:10:00+01:00"),
        ("2026-03-01T23:10:00+01", "2026-03-01T23:10:00+01:00"),
        ("2026-03-01 23:10:00+01:00", "2026-03-01T23:10:00+01:00"),
        ("2026-03-01T23:10:00 +01:00", "2026-03-01T23:10:00+01:00"),
        ("2026-03-01T23:10:00.123456789Z", "2026-03-01T23:10:00.123456Z"),
        ("2026-03-01T23:10:00,5Z", "2026-03-01T23:10:00.5Z"),
        ("2026-03-01T23:10+01:00", "2026-03-01T23:10:00+01:00"),
        ("2026-03-01t23:10:00z", "2026-03-01T23:10:00Z"),
        ("20260301T231000+0100", "2026-03-01T23:10:00+01:00"),
    ],
)
def test_other_spelling_becomes_rfc_3339(text, stored):
    assert normalize_moment(text) == stored


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-03-01",
        "2026-03-01T23:10:00",
        "2026-W09-7T23:10:00Z",
        "2026-03-01T23:10:00+01:00:30",
        "2026-03-01T23:10:00+24:00",
        "2026-03-01T23:10:00+01:60",
        "2026-02-30T23:10:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T24:00Z",
        "2026-03-01T23:10:00.Z",
        "2026-03-01T23:10:00Z\n",
        "\u0662026-03-01T23:10:00Z",
    ],
)
def test_other_text_is_no_moment(text):
    assert normalize_moment(text) is parse_moment(text) is None


def test_longer_text_than_any_moment_is_none():
    longest = f"2026-03-01T23:10:00.{'1' * 43}Z"
    assert normalize_moment(longest) == "2026-03-01T23:10:00.111111Z"
    assert parse_moment(longest) is not None
    too_long = longest.replace("Z", "1Z")
    assert normalize_moment(too_long) is parse_moment(too_long) is None


@pytest.mark.parametrize("value", [None, 5, [], {}, True])
def test_other_value_is_no_moment(value):
    assert parse_moment(value) is None


@given(st.from_regex(r"\d{4}-?\d\d-?\d\d[Tt ]\d\d:?\d\d(:\d\d)?(\.\d{1,9})? ?([Zz]|[+-]\d{4})"))
def test_what_is_stored_is_valid_and_stays(text):
    stored = normalize_moment(text)
    if stored:
        assert RFC_3339.fullmatch(stored)
        assert normalize_moment(stored) == stored
