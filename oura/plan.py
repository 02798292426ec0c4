"""What to ask Oura for, and why: a pure function of the ledger, the wish and the clock.

Asked at every run: the last 14 days, what was asked too early, and days up to a quarter old that
wait for the next sync. Asked once: what never was. Asked again after a while: what failed, and
older days on a schedule that thins out, since Oura revises. Few, wide requests: what one request
can bring along costs nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from myhealth.days import FIRST_DAY, ONE_DAY, Days, intersect, merge, shift, subtract

# Oura still revises these.
RECENT = timedelta(days=13)
# Oura suggests one to three months a request; four keep memory small and requests few.
WINDOW_DAYS = 120
# What the window of the last 14 days can hold besides, at no further request.
REACH = timedelta(days=WINDOW_DAYS - 3)
# Days are read again when they are so many days old, and at each full year.
AGES = (13, 30, 90)
YEAR = 365
# Days that Oura had nothing of are asked for once more, then after a tenth of their age.
GAP_AGE = 10
GAP_REST = timedelta(hours=20)
# More windows than this of days that may hold nothing: ask for the list of days first.
MOST_BLIND = 2
# Why days that nobody knows anything of are looked for again.
FAR = "Oura had nothing"


@dataclass(frozen=True)
class Known(Days):
    """Days that the ledger has in one state."""

    state: str
    why: str = ""
    asked_at: datetime | None = None
    next_at: datetime | None = None
    times: int = 0


@dataclass(frozen=True)
class Wish:
    """What a run is asked for: days, or all, or what is not held, or (neither) what is due.

    A dry run reads, and sends nothing; with `plan_only` nothing is read either.
    """

    days: Days | None = None
    everything: bool = False
    repair: bool = False
    dry_run: bool = False
    plan_only: bool = False


@dataclass(frozen=True)
class Due(Days):
    """Days to ask for, and why in a few words."""

    why: str


@dataclass(frozen=True)
class Plan:
    """`read`: to be read in any case. `seek`: to be read as far as Oura's list of days has them."""

    read: tuple[Due, ...]
    seek: tuple[Due, ...] = ()


def plan(ledger: Sequence[Known], wish: Wish, now: datetime) -> Plan:
    """What to ask for one type. The ledger has each day from FIRST_DAY to tomorrow once."""
    today = now.astimezone(UTC).date()
    if wish.days:
        return Plan((Due(wish.days.start, wish.days.end, "asked for"),))
    recent = recently(ledger, today)
    if wish.everything:
        whole = Due(FIRST_DAY, today + ONE_DAY, "all of the history")
        return Plan((recent, *held(ledger)), (whole,))
    late = [due for each in ledger if (due := urgent(each, now))]
    gaps = missing(ledger) if wish.repair else gaps_due(ledger, today, now)
    near = [each for each in gaps if each.start >= today - REACH]
    blind = [*unasked(ledger), *(each for each in gaps if each.start < today - REACH)]
    read = (recent, *late, *near, *again(ledger, today))
    if len(windows(blind)) > MOST_BLIND or any(each.why == FAR for each in blind):
        return Plan(read, tuple(blind))
    return Plan((*read, *blind))


def recently(ledger: Sequence[Known], today: date) -> Due:
    """The last 14 days; and from the last day held less as many, if that is one request still."""
    lasts = [each.end for each in ledger if each.state in ("held", "partial")]
    last = min(max(lasts, default=today), today)
    if last >= today - ONE_DAY or last - RECENT < today - REACH:
        return Due(max(today - RECENT, FIRST_DAY), today + ONE_DAY, "the last 14 days")
    return Due(
        max(last - RECENT, FIRST_DAY), today + ONE_DAY, "since the last day held, and 14 more"
    )


def urgent(known: Known, now: datetime) -> Due | None:
    """What of it can't wait."""
    if known.state == "not_synced" and known.why in ("early", "late"):
        return Due(known.start, known.end, f"asked too early ({known.why})")
    tried = known.state in ("failed", "no_permission", "rejected")
    if tried and known.next_at and known.next_at <= now:
        return Due(known.start, known.end, f"{known.state.replace('_', ' ')} before")
    return None


def unasked(ledger: Iterable[Known]) -> list[Due]:
    return [
        Due(each.start, each.end, "never asked") for each in ledger if each.state == "not_asked"
    ]


def missing(ledger: Iterable[Known]) -> list[Due]:
    """All that is not held, whatever the reason and however often it was asked for."""
    others = ("held", "not_asked")
    return [
        Due(each.start, each.end, FAR if each.why == "before" else f"repair: {each.state}")
        for each in ledger
        if each.state not in others
    ]


def gaps_due(ledger: Sequence[Known], today: date, now: datetime) -> list[Due]:
    """Days that Oura had nothing of: those whose turn it is, or all older ones if any's it is."""
    gaps = [each for each in ledger if each.state in ("none", "not_worn", "not_synced", "rejected")]
    due = [each for each in gaps if is_due(each, today, now)]
    is_far = any(each.start < today - REACH for each in due)
    return [
        Due(each.start, each.end, FAR)
        for each in gaps
        if each in due or (is_far and each.start < today - REACH)
    ]


def is_due(gap: Known, today: date, now: datetime) -> bool:
    if gap.why == "before" or gap.asked_at is None or gap.next_at:
        return False
    rest = max(GAP_REST, timedelta((today - gap.end).days / GAP_AGE))
    return gap.times <= 1 or now - gap.asked_at >= rest


def held(ledger: Iterable[Known]) -> list[Due]:
    return [
        Due(each.start, each.end, "held") for each in ledger if each.state in ("held", "partial")
    ]


def again(ledger: Sequence[Known], today: date) -> list[Due]:
    """Older days whose age calls for another reading: of an age all, once some are overdue.

    A day is overdue a quarter of that age later, so that days are asked for by weeks and months.
    """
    return [
        due
        for age in (*AGES, *range(YEAR, (today - FIRST_DAY).days, YEAR))
        for due in at_age(ledger, age, today)
    ]


def at_age(ledger: Iterable[Known], age: int, today: date) -> list[Due]:
    due = [each for known in ledger if (each := aged(known, age, today))]
    late = today - timedelta(age + (age // 4 if age > RECENT.days else 1))
    return due if any(each.start <= late for each in due) else []


def aged(known: Known, age: int, today: date) -> Due | None:
    """The part that has reached the age since it was last read.

    Held days of which nobody knows when they were read are taken never to have been.
    """
    if known.state not in ("held", "partial"):
        return None
    read_on = known.asked_at.astimezone(UTC).date() if known.asked_at else FIRST_DAY
    part = known.clamped(read_on - timedelta(age - 1), today - timedelta(age))
    return Due(part.start, part.end, f"{age} days old") if part else None


def windows(wanted: Iterable[Days]) -> list[Days]:
    """The fewest ranges that hold all these days, oldest first, none over WINDOW_DAYS."""
    found: list[Days] = []
    left = merge(wanted)
    while left:
        widest = Days(left[0].start, shift(left[0].start, WINDOW_DAYS - 1))
        found.append(Days(widest.start, intersect(left, [widest])[-1].end))
        left = subtract(left, [widest])
    return found
