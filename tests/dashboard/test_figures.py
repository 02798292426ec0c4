"""Values as people read them."""

import pytest

from dashboard.templatetags.figures import measured
from metrics.columns import Column, Integer, Number, Text


def column(kind=None, unit="", **more):
    return Column("x", kind or Integer(), lambda day: None, "X", unit, **more)


@pytest.mark.parametrize(
    ("value", "shown_as", "text"),
    [
        (None, column(), "–"),
        (1234, column(), "1,234"),
        (71.6, column(unit="bpm"), "72 bpm"),
        (6.43, column(Number(), "m/s"), "6.4 m/s"),
        (0.125, column(Number(), "°C", decimals=2, signed=True), "+0.12 °C"),
        (-0.14, column(Number(), "°C", decimals=2, signed=True), "−0.14 °C"),
        (-0.3, column(), "0"),
        (26700, column(unit="s"), "7 h 25 min"),
        (605, column(unit="min"), "10 h 05 min"),
        (-1200, column(unit="s"), "−0 h 20 min"),
        ("calm", column(Text()), "calm"),
    ],
)
def test_value_is_shown_with_its_unit(value, shown_as, text):
    assert measured(value, shown_as) == text
