"""Every day accounted for: one state for each person, day and type, and why.

Nothing of it is stored. One query tells what is known (stretches of rows, readings, rejected
documents, time without the ring); the states are derived from that as ranges of days.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import groupby
from typing import Any, TypeVar

from django.db import connections
from django.db.models import Min

from ingest.models import METRIC_MODELS, Metric, Reading, RejectedDocument
from ingest.readings import REJECTED, over_at
from metrics import TYPES, MetricType
from myhealth.days import FIRST_DAY, ONE_DAY, Days, parse_day, subtract

# Kinds of failure that trying again does not mend.
REFUSALS = ("unauthorized", "forbidden", "disconnected")
# How long the ring must have been off, over two days, to be the reason that a night is missing:
# charging takes an hour or so.
OFF_MINUTES = 300
# Less than that a day is charging.
OFF_AT_LEAST = 100
# What is read and written by one run may be some minutes apart.
SAME_RUN = timedelta(minutes=15)
# Where no later day tells that all has been synced, this long after its end a day is judged by
# the ring's own word that it was off; or by nothing at all, where there never was any day.
PATIENCE = timedelta(days=14)

# So many failures in a row are no reason to wait yet.
EASY = 2

STATES = (
    "held",
    "partial",
    "rejected",
    "not_worn",
    "none",
    "no_permission",
    "failed",
    "not_synced",
    "not_asked",
)
PRESENT = ("held", "partial")
# Who can do something about a day that is missing.
FAULT = {
    "not_worn": "wearer",
    "not_synced": "wearer",
    "no_permission": "wearer",
    "none": "oura",
    "partial": "oura",
    "rejected": "myhealth",
    "failed": "myhealth",
    "not_asked": "myhealth",
}


@dataclass(frozen=True)
class Failure:
    """The last failed attempt: Oura's collection, the page from 1, the HTTP status if one came."""

    kind: str
    status: int | None
    collection: str
    page: int | None
    attempts: int
    at: datetime

    @property
    def next_at(self) -> datetime:
        """When trying again is worth it: at the next run at first, after a day at last."""
        if self.attempts <= EASY:
            return self.at
        # A little less, so that an hourly run does not miss its hour by seconds.
        hours = min(2 ** min(self.attempts - EASY, 5), 24)
        return self.at + timedelta(hours=hours) - timedelta(minutes=10)


@dataclass(frozen=True)
class Range(Days):
    """Days of one type in one state.

    `why` tells apart what a state may come from, `minutes` for how long the ring was off,
    `asked_at` when Oura was last read whole for them, `rejected` the document's key, `times` how
    often they were asked for in vain.
    """

    type: str
    state: str
    why: str = ""
    minutes: int | None = None
    asked_at: datetime | None = None
    failure: Failure | None = None
    rejected: int | None = None
    times: int = 0

    @property
    def reason(self) -> str | None:
        """A sentence for people; None where there is nothing to explain."""
        return REASONS.get((self.state, self.why)) or self._reason()

    def _reason(self) -> str | None:
        if self.state == "partial":
            return f"Oura has no {self.why} document of it."
        if self.state == "not_worn":
            hours, minutes = divmod(self.minutes or 0, 60)
            return f"The ring was off for {hours} h {minutes} min of this day and the one before."
        return told(self.failure) if self.failure else None


REASONS = {
    ("held", "rejected"): "A newer version of it was rejected.",
    ("rejected", ""): "What Oura sent can't be stored; see the rejected documents.",
    ("not_worn", "nothing"): (
        "Oura has nothing of any kind for it, though later days have come: "
        "the ring was not worn, or its battery was empty."
    ),
    ("none", ""): "Oura has nothing for it, asked after the day was over and synced.",
    ("none", "before"): "It lies before the first day that Oura has.",
    ("not_synced", "early"): "It was asked for before it was over.",
    ("not_synced", "waiting"): (
        "No later day has come from Oura yet: open the Oura app with the ring nearby."
    ),
    ("not_synced", "late"): "A later day has come since; it will be asked for again.",
    ("not_asked", ""): "Oura has not been asked for it yet.",
    ("not_asked", "future"): "It lies in the future.",
    ("not_asked", "ancient"): "It lies before there was any ring.",
}


def told(failure: Failure) -> str:
    what = failure.collection or "it"
    status = f" with status {failure.status}" if failure.status else ""
    page = f" on page {failure.page}" if failure.page else ""
    times = "once" if failure.attempts == 1 else f"{failure.attempts} times"
    when = f"tried {times}, last at {clock(failure.at)}"
    if failure.kind in REFUSALS:
        return (
            f"Oura refuses {what}{status}: the connection, a scope or the membership is missing; "
            f"{when}."
        )
    return (
        f"Reading {what} failed{page}{status} ({failure.kind.replace('_', ' ')}); "
        f"{when}, next from {clock(failure.next_at)}."
    )


def clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def ledger(
    user_id: int, start: date, end: date, *, today: date, using: str = "default"
) -> dict[str, list[Range]]:
    """Per type the ranges from start to end, oldest first: each day of them exactly once."""
    if start > end:
        return {name: [] for name in TYPES}
    asked = Days(start, end)
    ancient = asked.clamped(last=FIRST_DAY - ONE_DAY)
    known = asked.clamped(FIRST_DAY, today + ONE_DAY)
    future = asked.clamped(first=today + 2 * ONE_DAY)
    facts = facts_of(user_id, known.start, using) if known else Facts()
    return {
        name: [
            *_not_asked(name, ancient, "ancient"),
            *(derive(facts, name, known) if known else ()),
            *_not_asked(name, future, "future"),
        ]
        for name in TYPES
    }


def _not_asked(name: str, days: Days | None, why: str) -> list[Range]:
    return [Range(days.start, days.end, name, "not_asked", why)] if days else []


def for_people(ranges: Iterable[Range]) -> list[Range]:
    """Fewer ranges: neighbours that differ only in when they were last read are one."""
    result: list[Range] = []
    for each in ranges:
        last = result[-1] if result else None
        if last and (last.state, last.reason, last.rejected) == (
            each.state,
            each.reason,
            each.rejected,
        ):
            result[-1] = replace(last, end=each.end)
        else:
            result.append(each)
    return result


def missing(user_id: int, now: datetime, using: str = "default") -> dict[str, dict[str, int]]:
    """Per type how many of the days expected up to today are not wholly held, by state."""
    today = now.astimezone(UTC).date()
    firsts = first_days(user_id, using)
    if not firsts:
        return {}
    found = ledger(user_id, min(firsts.values()), today, today=today, using=using)
    counts = {
        name: absent(clamp(ranges, since, today))
        for name, ranges in found.items()
        if (since := expected_from(TYPES[name], firsts))
    }
    return {name: dict(each) for name, each in counts.items() if each}


def absent(ranges: Iterable[Range]) -> Counter[str]:
    """Days that are not wholly held, by state; those before the first day Oura has don't count."""
    counts: Counter[str] = Counter()
    for each in ranges:
        if each.state != "held" and each.why != "before":
            counts[each.state] += len(each)
    return counts


def first_days(user_id: int, using: str = "default") -> dict[str, date]:
    """The first day held of each type that has any."""
    firsts = {
        name: model.objects.using(using).of(user_id).aggregate(first=Min("day"))["first"]
        for name, model in METRIC_MODELS.items()
    }
    return {name: first for name, first in firsts.items() if first}


def expected_from(metric_type: MetricType, firsts: Mapping[str, date]) -> date | None:
    """The first day that a row is expected of: the first with the ring, or the type's own."""
    known = [
        first
        for name, first in firsts.items()
        if TYPES[name].on_every_worn_day or name == metric_type.name
    ]
    return min(known, default=None)


def clamp(ranges: Iterable[Range], first: date, last: date) -> list[Range]:
    """The parts of the ranges from first to last, both included."""
    return [part for each in ranges if (part := each.clamped(first, last))]


def whole(user_id: int, *, now: datetime) -> dict[str, list[Range]]:
    """All that there can be of a person, from the first ring to tomorrow."""
    today = now.astimezone(UTC).date()
    return ledger(user_id, FIRST_DAY, today + ONE_DAY, today=today)


def coverage(user_id: int, *, now: datetime) -> dict[str, dict[str, Any]]:
    """Per type `first`, `last`, `days` held, and the `missing` ranges between (ends included)."""
    return {name: _summed(ranges) for name, ranges in whole(user_id, now=now).items()}


def _summed(ranges: list[Range]) -> dict[str, Any]:
    held = [each for each in ranges if each.state in PRESENT]
    first, last = (held[0].start, held[-1].end) if held else (None, None)
    inside = [each for each in ranges if first and last and first <= each.start <= last]
    gaps = [
        list(group)
        for present, group in groupby(inside, key=lambda each: each.state in PRESENT)
        if not present
    ]
    return {
        "first": first,
        "last": last,
        "days": sum(map(len, held)),
        "missing": [[gap[0].start, gap[-1].end] for gap in gaps],
    }


def for_programs(each: Range) -> dict[str, Any]:
    return {
        "from": each.start,
        "to": each.end,
        "state": each.state,
        "why": each.why,
        "reason": each.reason,
        "asked_at": each.asked_at,
        "next_at": each.failure.next_at if each.failure else None,
        "times": each.times,
    }


@dataclass(frozen=True)
class Stretch(Days):
    """Days held one after another; `created_at` is the first one's."""

    missing_collection: str
    created_at: datetime


@dataclass(frozen=True)
class Asked(Days):
    """A reading, so many `times` in a row; `failure` is None for a complete one."""

    at: datetime
    failure: Failure | None
    times: int


@dataclass
class Facts:
    """What is known of a person, by type; `off` has minutes without the ring by day.

    `first` is the first day held, which may lie before all `held` stretches that were asked for.
    """

    first: dict[str, date] = field(default_factory=dict)
    held: dict[str, list[Stretch]] = field(default_factory=lambda: defaultdict(list))
    complete: dict[str, list[Asked]] = field(default_factory=lambda: defaultdict(list))
    failed: dict[str, list[Asked]] = field(default_factory=lambda: defaultdict(list))
    rejected: dict[str, dict[date, int]] = field(default_factory=lambda: defaultdict(dict))
    off: dict[date, int] = field(default_factory=dict)


def derive(facts: Facts, name: str, days: Days) -> list[Range]:
    """The ranges of one type. A pure function: each of the days is in one of them."""
    one = _Type(facts, name)
    begins = sorted(one.begins(days))
    judged = [(begin, one.judge(begin)) for begin in begins]
    firsts = [
        (begin, verdict)
        for index, (begin, verdict) in enumerate(judged)
        if index == 0 or verdict != judged[index - 1][1]
    ]
    lasts = [*(begin - ONE_DAY for begin, _ in firsts[1:]), days.end]
    return [
        Range(begin, last, name, *verdict)
        for (begin, verdict), last in zip(firsts, lasts, strict=True)
    ]


# The fields of a Range after its days and type.
Verdict = tuple[str, str, int | None, datetime | None, Failure | None, int | None, int]


class _Type:
    """One type's facts, by day."""

    def __init__(self, facts: Facts, name: str) -> None:
        self.facts, self.name, self.metric_type = facts, name, TYPES[name]
        self.held = facts.held[name]
        self.rejected = facts.rejected[name]
        self.first = facts.first.get(name)
        self.expected_from = expected_from(self.metric_type, facts.first)

    def begins(self, days: Days) -> set[date]:
        """Days at which the state may change: between two of them it is one."""
        found = {days.start, *self.rejected, *(day + ONE_DAY for day in self.rejected)}
        for stretch in self.held:
            found |= {stretch.start, stretch.end + ONE_DAY}
        for asked in (*self.facts.complete[self.name], *self.facts.failed[self.name]):
            over = over_until(asked.at) + ONE_DAY
            found |= {asked.start, asked.end + ONE_DAY, over, over - PATIENCE}
        # Days without a row each need a judgement, but not those before any is expected.
        if self.expected_from and (since := days.clamped(first=self.expected_from)):
            found.update(*subtract([since], self.held))
        return {day for day in found if days.start <= day <= days.end}

    def judge(self, day: date) -> Verdict:
        complete = at(self.facts.complete[self.name], day)
        asked_at, times = (complete.at, complete.times) if complete is not None else (None, 0)
        rejected = self.rejected.get(day)
        stretch = at(self.held, day)
        if stretch is not None:
            if stretch.missing_collection:
                return "partial", stretch.missing_collection, None, asked_at, None, None, 0
            return "held", "rejected" if rejected else "", None, asked_at, None, rejected, 0
        failure = self.newer_failure(day, asked_at)
        if rejected:
            return "rejected", "", None, asked_at, failure, rejected, times
        state, why, minutes = self.verdict(day, asked_at)
        # What was settled before an attempt failed still is.
        if failure and state in ("not_synced", "not_asked"):
            return state_of(failure), "", None, asked_at, failure, None, 0
        return state, why, minutes, asked_at, None, None, times

    def newer_failure(self, day: date, asked_at: datetime | None) -> Failure | None:
        failed = at(self.facts.failed[self.name], day)
        if failed is None or (asked_at is not None and asked_at >= failed.at):
            return None
        return failed.failure

    def verdict(self, day: date, asked_at: datetime | None) -> tuple[str, str, int | None]:
        """State, why, and minutes without the ring, of a day that nothing is held of."""
        if asked_at is None:
            return "not_asked", "", None
        if asked_at < over_at(day):
            return "not_synced", "early", None
        waited = asked_at >= over_at(day) + PATIENCE
        following = after(self.held, day)
        if following is not None and following.created_at > asked_at + SAME_RUN:
            return "not_synced", "late", None
        if self.first and day < self.first:
            return "none", "before", None
        off = self.off(day) if self.metric_type.of_night else 0
        if off >= OFF_MINUTES and (following is not None or waited):
            return "not_worn", "", off
        if following is not None:
            return ("not_worn", "nothing", None) if self.nothing(day) else ("none", "", None)
        if self.first is None and waited:
            return "none", "", None
        return "not_synced", "waiting", None

    def off(self, day: date) -> int:
        """Minutes without the ring on both days that a night belongs to; 0 if one has none.

        A night begins on the activity day before: one of them alone may tell of another night. A
        row of the night that shows that the ring was worn outweighs both.
        """
        for name, each in TYPES.items():
            if each.shows_wear and at(self.facts.held[name], day) is not None:
                return 0
        minutes = [self.facts.off.get(each, 0) for each in (day - ONE_DAY, day)]
        return sum(minutes) if all(minutes) else 0

    def nothing(self, day: date) -> bool:
        """Whether Oura has nothing of the day, of all types that every worn day has."""
        over = over_at(day)
        for name, each in TYPES.items():
            if not each.on_every_worn_day:
                continue
            asked = at(self.facts.complete[name], day)
            if asked is None or asked.at < over:
                return False
            if at(self.facts.held[name], day) is not None or day in self.facts.rejected[name]:
                return False
        return True


def state_of(failure: Failure) -> str:
    if failure.kind == REJECTED:
        return "rejected"
    return "no_permission" if failure.kind in REFUSALS else "failed"


def over_until(moment: datetime) -> date:
    """The last day that was over everywhere at that moment."""
    day = moment.astimezone(UTC).date()
    return day - ONE_DAY if over_at(day - ONE_DAY) <= moment else day - 2 * ONE_DAY


R = TypeVar("R", bound=Days)


def at(ranges: list[R], day: date) -> R | None:
    """The one of the ranges, oldest first and apart, that has the day."""
    index = bisect_right(ranges, day, key=lambda each: each.start) - 1
    return ranges[index] if index >= 0 and day <= ranges[index].end else None


def after(held: list[Stretch], day: date) -> Stretch | None:
    """The first stretch that begins after the day."""
    index = bisect_right(held, day, key=lambda each: each.start)
    return held[index] if index < len(held) else None


def facts_of(user_id: int, since: date, using: str) -> Facts:
    """All that the states of the days from `since` on depend on."""
    facts = Facts()
    with connections[using].cursor() as cursor:
        since -= 2 * ONE_DAY  # The night's other day, and the end of the stretch before.
        cursor.execute(statement(), {"user": user_id, "since": since, "off": OFF_AT_LEAST})
        for what, name, first, last, moment, text, number, status, what_of, page in cursor:
            if what == "row":
                facts.held[name].append(Stretch(first, last, text, moment))
            elif what == "reading":
                failed = Failure(text, status, what_of, page, number, moment) if text else None
                asked = facts.failed if failed else facts.complete
                asked[name].append(Asked(first, last, moment, failed, number))
            elif what == "first":
                facts.first[name] = first
            elif what == "off":
                facts.off[first] = number
            elif day := rejected_day(text):
                facts.rejected[name][day] = number
    return facts


def rejected_day(text: str) -> date | None:
    """A rejected document's day as far as it is one that a ledger can have."""
    day = parse_day(text)
    return day if day and FIRST_DAY <= day < date.max - PATIENCE else None


def table(model: type[Metric] | type[Reading] | type[RejectedDocument]) -> str:
    return f'"{model._meta.db_table}"'


# What every part of the query tells: an empty place in each column it has nothing for.
STRETCHES = """
    SELECT 'row' AS what, '{name}' AS name, day AS first,
        coalesce(lead(before) OVER (ORDER BY day), newest) AS last, created_at AS moment,
        missing_collection AS text, NULL::bigint AS number, NULL::integer AS status,
        NULL AS collection, NULL::integer AS page
    FROM (
        SELECT day, missing_collection, created_at, lag(day) OVER days AS before,
            lag(missing_collection) OVER days AS missing_before, max(day) OVER () AS newest
        FROM {table} WHERE user_id = %(user)s AND day >= %(since)s WINDOW days AS (ORDER BY day)
    ) AS held
    WHERE before IS NULL OR before <> day - 1 OR missing_collection <> missing_before"""
FIRST = """
    SELECT 'first', '{name}', day, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    FROM (SELECT day FROM {table} WHERE user_id = %(user)s ORDER BY day LIMIT 1) AS held"""
READINGS = """
    SELECT 'reading', type, start, "end", asked_at, kind, attempts, status, collection, page
    FROM {table} WHERE user_id = %(user)s AND "end" >= %(since)s"""
REJECTIONS = """
    SELECT 'rejected', type, NULL, NULL, NULL, day, max(id), NULL, NULL, NULL
    FROM {table} WHERE user_id = %(user)s GROUP BY type, day"""
# A finished day has 24 hours: what no column of worn minutes has, the ring was off.
OFF = """
    SELECT 'off', NULL, day, NULL, NULL, NULL, off, NULL, NULL, NULL
    FROM (
        SELECT day, 1440 - {worn} AS off
        FROM {table}
        WHERE user_id = %(user)s AND day >= %(since)s
            AND fetched_at >= (day + 1 + time '16:00') AT TIME ZONE 'UTC'
    ) AS days
    WHERE off >= %(off)s"""


@cache
def statement() -> str:
    """One query for all that is known of a person, put together from the registry of types."""
    parts = [
        *(STRETCHES.format(name=name, table=table(model)) for name, model in METRIC_MODELS.items()),
        *(FIRST.format(name=name, table=table(model)) for name, model in METRIC_MODELS.items()),
        READINGS.format(table=table(Reading)),
        REJECTIONS.format(table=table(RejectedDocument)),
        *(
            OFF.format(table=table(METRIC_MODELS[name]), worn=" - ".join(each.worn_minutes))
            for name, each in TYPES.items()
            if each.worn_minutes
        ),
    ]
    return " UNION ALL ".join(parts) + " ORDER BY what, name, first"
