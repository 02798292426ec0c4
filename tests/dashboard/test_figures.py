"""The template filters."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.templatetags.figures import ago, with_unit
from metrics.columns import Column, Integer, Number, Text


def make_column(kind=None, unit="", **more):
    return Column("x", kind or Integer(), lambda day: None, "X", unit, **more)


@pytest.mark.parametrize(
    ("value", "column", "text"),
    [
        (None, make_column(), "–"),
        (1234, make_column(), "1,234"),
        (71.6, make_column(unit="bpm"), "72 bpm"),
        (6.43, make_column(Number(), "m/s"), "6.4 m/s"),
        (0.125, make_column(Number(), "°C", decimals=2, signed=True), "+0.13 °C"),
        (-0.14, make_column(Number(), "°C", decimals=2, signed=True), "−0.14 °C"),
        (-0.3, make_column(), "0"),
        (26700, make_column(unit="s"), "7 h 25 min"),
        (605, make_column(unit="min"), "10 h 05 min"),
        (-1200, make_column(unit="s"), "−20 min"),
        ("calm", make_column(Text()), "calm"),
    ],
)
def test_value_is_shown_with_its_unit(value, column, text):
    assert with_unit(value, column) == text


def test_moment_of_a_clock_ahead_is_now():
    assert ago(timezone.now() + timedelta(seconds=20)) == "now"
