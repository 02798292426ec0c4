"""The stages of a night as a strip, small enough for a card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from metrics.moments import parse_moment

HEIGHT = 100
# How deep each stage is in percent, so that it can be told without its colour, and the colour.
_STAGES = {
    "awake": (0, "#d98a2b"),
    "rem": (25, "#2b9cb0"),
    "light": (50, "#8a90e0"),
    "deep": (75, "#2f3390"),
}


class Block(NamedTuple):
    """Minutes of one stage; `y` is where it begins, from the top."""

    stage: str
    x: float
    width: float
    y: int
    height: int
    colour: str


@dataclass(frozen=True)
class StageStrip:
    """The stages of a sleep period, one unit of width for each minute."""

    start: datetime
    end: datetime
    blocks: Sequence[Block]

    @property
    def minutes(self) -> float:
        return _minutes(self.start, self.end)

    @property
    def clocks(self) -> tuple[str, str]:
        """Return when it begins and ends, on the wearer's clock."""
        return f"{self.start:%H:%M}", f"{self.end:%H:%M}"


def find_strip(night: Mapping[str, Any]) -> StageStrip | None:
    """Return the strip of a night's main period; `night` is the answer of `night_detail`."""
    period = next((each for each in night["periods"] if each["main"] and each["stages"]), None)
    if not period:
        return None
    changes = period["stages"]
    start, end = changes[0][0], parse_moment(period["bedtime_end"]) or changes[-1][0]
    blocks = [
        _block(stage, start, first, min(last, end))
        for (first, stage), (last, _) in pairwise([*changes, (end, None)])
        if stage in _STAGES and first < min(last, end)
    ]
    return StageStrip(start, end, blocks) if blocks else None


def _block(stage: str, start: datetime, first: datetime, last: datetime) -> Block:
    y, colour = _STAGES[stage]
    return Block(stage, _minutes(start, first), _minutes(first, last), y, HEIGHT - y, colour)


def _minutes(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds() / 60, 1)
