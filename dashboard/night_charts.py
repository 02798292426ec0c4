"""The charts of a sleep period above one another, on one time axis, as the templates draw them.

A chart has one unit of width for each second, and 100 units of height, 0 at the top.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from itertools import groupby, pairwise
from typing import Any, NamedTuple

from dashboard import charts
from dashboard.charts import Tick
from dashboard.nights import runs_of, stage_changes
from dashboard.templatetags.figures import with_unit
from metrics import SLEEP
from metrics.columns import in_words
from metrics.numbers import percentages, round_half_up
from metrics.series import Run, Series, is_near_day
from metrics.sleep import Period, period_columns
from metrics.sleep_series import MOVEMENTS, STAGES
from myhealth.preferences import clock, short_clock

# The stages from the highest level to the lowest, with the field of the period, and the colour for
# where there is no style sheet.
_STAGES = {
    "awake": ("awake_time", "#d98a2b"),
    "rem": ("rem_sleep_duration", "#2b9cb0"),
    "light": ("light_sleep_duration", "#8a90e0"),
    "deep": ("deep_sleep_duration", "#2f3390"),
}
_LEVEL = charts.HEIGHT / len(_STAGES)
# How high the bar of a stage is, within its level.
_BAR = 13
_CURVE_PIXELS = 110
# How many pixels wide a chart is drawn, about, and one in a card: shorter stages can't be seen.
_PIXELS = 1200
CARD_PIXELS = 400
# The least that the scale of a curve covers, so that small differences look small.
# No night is longer, not even where it was travelled: such bedtimes are a mistake.
_LONGEST = timedelta(hours=50)
# The steps between vertical lines in minutes, and how many lines there may be.
_STEPS = (2, 10, 60, 120, 180, 360, 720, 1440)
_MOST_LINES = 13
# As many labels have room on a phone.
_MOST_LABELS = 5
_FEW_LABELS = 4


class Stage(NamedTuple):
    """One stage: its level in percent, its bars, how long it was, and its share in percent."""

    name: str
    label: str
    colour: str
    level: float
    path: str
    length: str
    share: int | None


class Span(NamedTuple):
    """A stretch of one stage; its times are those of the wearer's clock."""

    start: datetime
    end: datetime
    stage: str


@dataclass(frozen=True)
class Curve:
    """The chart of a series with numbers. Gaps stay gaps."""

    series: Series
    run: Run
    axis_start: datetime
    note: str

    @cached_property
    def _values(self) -> list[float]:
        return [value for value in self.run.values if isinstance(value, (int, float))]

    @cached_property
    def _scale(self) -> charts.Scale:
        return charts.fit_scale(self._values, unit=self.series.unit)

    @property
    def lines(self) -> list[tuple[float, str]]:
        """Return the horizontal lines: their place in pixels, and the label."""
        ticks = self._scale.ticks(lambda value: f"{value:g}")
        return [(round(tick.at * _CURVE_PIXELS / charts.HEIGHT, 1), tick.label) for tick in ticks]

    @cached_property
    def _stretches(self) -> list[list[tuple[float, float]]]:
        """The points between two gaps."""
        first = (self.run.start - self.axis_start).total_seconds()
        stretches: list[list[tuple[float, float]]] = [[]]
        for index, value in enumerate(self.run.values):
            if isinstance(value, (int, float)):
                x = round(first + index * self.run.step)
                stretches[-1].append((x, self._scale.y(value)))
            else:
                stretches.append([])
        return stretches

    @property
    def path(self) -> str:
        return charts.lines(self._stretches)

    @property
    def points(self) -> str:
        """Return the path of the points that have a gap on both sides."""
        return charts.lone_points(self._stretches)

    @property
    def description(self) -> str:
        lowest, highest = min(self._values), max(self._values)
        values = f"{len(self._values)} value{'s' if len(self._values) > 1 else ''}"
        return f"{values} from {lowest:g} to {highest:g} {self.series.unit}."


@dataclass(frozen=True)
class PeriodChart:
    """A sleep period of a day, drawn so many pixels wide."""

    period: Period
    day: date
    pixels: int = _PIXELS

    @cached_property
    def values(self) -> dict[str, Any]:
        return self.period.values

    @cached_property
    def runs(self) -> dict[str, Run | None]:
        return runs_of(self.period, self.day)

    def text(self, field: str) -> str:
        """Return a field's value with its unit."""
        return with_unit(self.values[field], period_columns()[field])

    @property
    def kind(self) -> str:
        return in_words(self.values["type"] or "sleep")

    @property
    def starts(self) -> str:
        """Return when the period began; empty if that is not known."""
        return self.text("bedtime_start") if self.values["bedtime_start"] else ""

    @property
    def summary(self) -> list[str]:
        """Return when the period was, and how long, as far as it is known."""
        found = []
        if self.values["bedtime_start"] and self.values["bedtime_end"]:
            found.append(f"{self.text('bedtime_start')} to {self.text('bedtime_end')}")
        if self.values["time_in_bed"] is not None:
            found.append(f"{self.text('time_in_bed')} in bed")
        if self.values["efficiency"] is not None:
            found.append(f"{self.text('efficiency')} asleep")
        return found

    # The time axis ------------------------------------------------------------------------------

    @cached_property
    def axis(self) -> tuple[datetime, datetime] | None:
        """The first and the last moment drawn, on the wearer's clock; None if there is nothing."""
        runs = [run for run in self.runs.values() if run]
        if not runs:
            return None
        start, end = self.period.bedtimes
        # Bedtimes of another year would make the axis as long.
        is_near = start is not None and is_near_day(start, self.day)
        if is_near and start and end and timedelta(0) < end - start <= _LONGEST:
            moments = [start, end, *(moment for run in runs for moment in run.span)]
        else:
            moments = [each for run in runs for each in (run.start, run.moment(len(run.values)))]
        zone = (start if start and is_near else min(moments)).tzinfo
        return min(moments).astimezone(zone), max(moments).astimezone(zone)

    @property
    def start(self) -> datetime:
        assert self.axis
        return self.axis[0]

    @property
    def seconds(self) -> int:
        assert self.axis
        return max(round(self._second(self.axis[1])), 1)

    def _second(self, moment: datetime) -> float:
        return (moment - self.start).total_seconds()

    @property
    def clock_note(self) -> str:
        """Return that the clock was changed meanwhile, by the season or a flight; empty if not."""
        start, end = self.period.bedtimes
        if not start or not end or start.utcoffset() == end.utcoffset():
            return ""
        return (
            "The clock was changed during this sleep. "
            "The chart shows the time as it was at the start."
        )

    @property
    def clocks(self) -> list[str]:
        """Return the times of day at both ends."""
        assert self.axis
        return [clock(moment) for moment in self.axis]

    @property
    def from_to(self) -> str:
        return " to ".join(self.clocks)

    @cached_property
    def hours(self) -> list[Tick]:
        """The vertical lines: their place in percent, and the time of day."""
        midnight = datetime.combine(self.start.date(), time(), self.start.tzinfo)
        seconds, first = self.seconds, self._second(midnight)
        step = next((each for each in _STEPS if seconds / 60 / each < _MOST_LINES), _STEPS[-1])
        moments = [
            midnight + timedelta(minutes=step * number)
            for number in range(int((seconds - first) // 60 // step) + 1)
            if step * number * 60 >= -first
        ]
        places = [(round(100 * self._second(each) / seconds, 2), each) for each in moments]
        every = math.ceil(len(places) / _MOST_LABELS)
        return [
            Tick(at, short_clock(moment), place % every > 0)
            for place, (at, moment) in enumerate(places)
        ]

    @property
    def labels(self) -> list[Tick]:
        """Return the labels that are not cut off at the edges."""
        return [tick for tick in self.hours if 3 <= tick.at <= 97]

    @property
    def few_labels(self) -> list[Tick]:
        """Return as many labels as a narrow card has room for."""
        return self.labels[:: max(1, math.ceil(len(self.labels) / _FEW_LABELS))]

    @property
    def hour_lines(self) -> str:
        return "".join(f"M{tick.at * self.seconds / 100:.0f} 0v100" for tick in self.hours)

    @property
    def long_hour_lines(self) -> str:
        """Return the same, which meet those of the chart below."""
        return self.hour_lines.replace("v100", "v200")

    # Stages -------------------------------------------------------------------------------------

    @cached_property
    def spans(self) -> list[Span]:
        """The stretches of each stage, oldest first, without those that nothing is known of."""
        return self._spans(stage_changes(self.runs["sleep_stage"], self.period))

    @cached_property
    def _drawn(self) -> list[Span]:
        """The same, with at most one for each pixel: the last that begins in it."""
        changes = stage_changes(self.runs["sleep_stage"], self.period)
        by_pixel = {
            int(self._second(change[0]) * self.pixels / self.seconds): change for change in changes
        }
        return self._spans(list(by_pixel.values()))

    def _spans(self, changes: Sequence[tuple[datetime, Any]]) -> list[Span]:
        if not changes:
            return []
        end = self.period.end or changes[-1][0]
        return [
            Span(start.astimezone(self.start.tzinfo), after, stage)
            for (start, stage), (after, _) in pairwise([*changes, (end, None)])
            if stage is not None and start < after
        ]

    @cached_property
    def stages(self) -> list[Stage]:
        """Each stage, from the highest level to the lowest."""
        seconds = [self.values[field] for field, _ in _STAGES.values()]
        is_known = None not in seconds and sum(seconds)
        shares = percentages(seconds) if is_known else [None] * len(seconds)
        return [
            Stage(
                name,
                _stage_label(name),
                colour,
                (place + 0.5) * _LEVEL,
                self._bars(name, (place + 0.5) * _LEVEL - _BAR / 2),
                "–" if length is None else _length(length),
                share,
            )
            for place, ((name, (_, colour)), length, share) in enumerate(
                zip(_STAGES.items(), seconds, shares, strict=True)
            )
        ]

    def _bars(self, stage: str, top: float) -> str:
        return "".join(
            f"M{self._second(each.start):.0f} {top:g}h{_seconds(each):.0f}v{_BAR}"
            f"h-{_seconds(each):.0f}z"
            for each in self._drawn
            if each.stage == stage
        )

    @property
    def connections(self) -> str:
        """Return the path of the lines between one stage and the next."""
        level = {name: (place + 0.5) * _LEVEL for place, name in enumerate(_STAGES)}
        return "".join(
            f"M{self._second(after.start):.0f} {level[before.stage]:g}V{level[after.stage]:g}"
            for before, after in pairwise(self._drawn)
            if before.end == after.start
        )

    @property
    def stages_description(self) -> str:
        return ", ".join(f"{each.label} {each.length}" for each in self.stages) + "."

    @property
    def stage_rows(self) -> list[tuple[str, str, str, str]]:
        """Return the rows of the table of stages: start, end, stage, length."""
        zone = self.start.tzinfo if self.spans else None
        return [
            (
                clock(each.start),
                clock(each.end.astimezone(zone)),
                _stage_label(each.stage),
                _exact_length(_seconds(each)),
            )
            for each in self.spans
        ]

    # Heart rate, HRV ----------------------------------------------------------------------------

    @property
    def heart_rate(self) -> Curve | None:
        return self._curve("night_heart_rate", self._lowest())

    @property
    def hrv(self) -> Curve | None:
        average = self.values["average_hrv"]
        return self._curve("night_hrv", "" if average is None else f"average {average} ms")

    def _curve(self, name: str, note: str) -> Curve | None:
        run = self.runs[name]
        return Curve(_SERIES[name], run, self.start, note) if run else None

    def _lowest(self) -> str:
        """Return the lowest heart rate, and when it was measured first, if that is known."""
        run = self.runs["night_heart_rate"]
        values: Sequence[Any] = run.values if run else ()
        lowest = self.values["lowest_heart_rate"]
        if lowest is None:
            lowest = min((each for each in values if each is not None), default=None)
        if not run or lowest is None:
            return ""
        at = ""
        if lowest in values:
            moment = run.moment(values.index(lowest)).astimezone(self.start.tzinfo)
            at = f" at {clock(moment)}"
        return f"lowest {lowest:g} bpm{at}"

    @property
    def curve_rows(self) -> list[tuple[str, str, str]]:
        """Return the rows of the table of curves: time, heart rate, HRV."""
        heart_rate, hrv = self._texts("night_heart_rate"), self._texts("night_hrv")
        return [
            (
                clock(moment.astimezone(self.start.tzinfo)),
                heart_rate.get(moment, "–"),
                hrv.get(moment, "–"),
            )
            for moment in sorted({*heart_rate, *hrv})
        ]

    def _texts(self, name: str) -> dict[datetime, str]:
        run = self.runs[name]
        return {moment: f"{value:g}" for moment, value in run.points()} if run else {}

    # Movement -----------------------------------------------------------------------------------

    @property
    def movement(self) -> str:
        """Return the path of the bars: the more movement, the higher; none where it is unknown."""
        lowest, highest = min(_MOVEMENTS), max(_MOVEMENTS)
        bars = []
        for value, start, length in self._movements():
            # Where nothing moved is still more to see than where nothing is known.
            height = max(round(charts.HEIGHT * (value - lowest) / (highest - lowest)), 4)
            bars.append(f"M{start:.0f} 100v-{height}h{length:.0f}v{height}z")
        return "".join(bars)

    def _movements(self) -> Iterator[tuple[float, float, float]]:
        """Yield each stretch of one movement: the value, the start and the length in seconds."""
        run = self.runs["movement"]
        if not run:
            return
        start = self._second(run.start)
        for value, group in groupby(run.values):
            length = len(list(group)) * run.step
            if isinstance(value, (int, float)):
                yield value, start, length
            start += length

    @cached_property
    def _lengths(self) -> dict[float, float]:
        """How many seconds there were of each movement."""
        lengths = dict.fromkeys(_MOVEMENTS, 0.0)
        for value, _, length in self._movements():
            lengths[value] += length
        return lengths

    @property
    def movement_description(self) -> str:
        texts = (f"{name} {_length(self._lengths[value])}" for value, name in _MOVEMENTS.items())
        return ", ".join(texts)

    @property
    def stillness(self) -> str:
        """Return how long there was no movement."""
        return f"still for {_length(self._lengths[min(_MOVEMENTS)])}"


_SERIES = {each.name: each for each in SLEEP.series}
_MOVEMENTS = {float(value): name for value, name in MOVEMENTS.items()}


def _stage_label(name: str) -> str:
    label = STAGES[name].removesuffix(" sleep")
    return label[0].upper() + label[1:]


def _seconds(span: Span) -> float:
    return (span.end - span.start).total_seconds()


def _length(seconds: float) -> str:
    """Return a length in hours and minutes, or in seconds if it is short."""
    if 0 < seconds < 60:
        return f"{seconds:.0f} s"
    # As the figures of the day are rounded, which have the same lengths.
    hours, minutes = divmod(int(round_half_up(seconds / 60)), 60)
    return f"{hours} h {minutes:02}" if hours else f"{minutes} min"


def _exact_length(seconds: float) -> str:
    """Return a length in minutes and seconds, as stages have half minutes."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"
