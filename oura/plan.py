"""What to ask Oura for, and why: a pure function of the ledger, the wish and the clock.

Asked at every run: the last 14 days, what was asked too early, and days up to a quarter old that
wait for the next sync. Asked once: what never was. Asked again after a while: what failed, and
older days on a schedule that thins out, since Oura revises. Few, wide requests: what one request
can bring along costs nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

# No ring is older; the processor takes no earlier day.
HISTORY = date(2010, 1, 1)
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
ONE_DAY = timedelta(days=1)

Span = tuple[date, date]


@dataclass(frozen=True)
class Known:
    """Days that the ledger has in one state, both ends included."""

    start: date
    end: date
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

    days: Span | None = None
    everything: bool = False
    repair: bool = False
    dry_run: bool = False
    plan_only: bool = False


@dataclass(frozen=True)
class Due:
    """Days to ask for, and why in a few words."""

    start: date
    end: date
    why: str


@dataclass(frozen=True)
class Plan:
    """`read`: to be read in any case. `seek`: to be read as far as Oura's list of days has them."""

    read: tuple[Due, ...]
    seek: tuple[Due, ...] = ()


def plan(ledger: Sequence[Known], wish: Wish, now: datetime) -> Plan:
    """What to ask for one type. The ledger has each day from HISTORY to tomorrow once."""
    today = now.astimezone(UTC).date()
    if wish.days:
        return Plan((Due(*wish.days, "asked for"),))
    recent = recently(ledger, today)
    if wish.everything:
        whole = Due(HISTORY, today + ONE_DAY, "all of the history")
        return Plan((recent, *held(ledger)), (whole,))
    late = [due for each in ledger if (due := urgent(each, now))]
    gaps = missing(ledger) if wish.repair else gaps_due(ledger, today, now)
    near = [each for each in gaps if each.start >= today - REACH]
    blind = [*unasked(ledger), *(each for each in gaps if each.start < today - REACH)]
    read = (recent, *late, *near, *again(ledger, today))
    if len(windows(spans(blind))) > MOST_BLIND or any(each.why == FAR for each in blind):
        return Plan(read, tuple(blind))
    return Plan((*read, *blind))


def recently(ledger: Sequence[Known], today: date) -> Due:
    """The last 14 days; and from the last day held less as many, if that is one request still."""
    lasts = [each.end for each in ledger if each.state in ("held", "partial")]
    last = min(max(lasts, default=today), today)
    if last >= today - ONE_DAY or last - RECENT < today - REACH:
        return Due(max(today - RECENT, HISTORY), today + ONE_DAY, "the last 14 days")
    return Due(max(last - RECENT, HISTORY), today + ONE_DAY, "since the last day held, and 14 more")


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
        for age in (*AGES, *range(YEAR, (today - HISTORY).days, YEAR))
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
    read_on = known.asked_at.astimezone(UTC).date() if known.asked_at else HISTORY
    first = max(known.start, read_on - timedelta(age - 1))
    last = min(known.end, today - timedelta(age))
    return Due(first, last, f"{age} days old") if first <= last else None


def spans(dues: Iterable[Due]) -> list[Span]:
    """The days of all of them as spans that neither meet nor overlap, oldest first."""
    found: list[Span] = []
    for due in sorted(dues, key=lambda each: each.start):
        if found and due.start <= found[-1][1] + ONE_DAY:
            found[-1] = (found[-1][0], max(found[-1][1], due.end))
        else:
            found.append((due.start, due.end))
    return found


def windows(wanted: Iterable[Span]) -> list[Span]:
    """The fewest ranges that hold all days of the spans, oldest first, none over WINDOW_DAYS."""
    found: list[Span] = []
    for start, end in wanted:
        if found and start <= found[-1][1]:
            start = found[-1][1] + ONE_DAY
        while start <= end:
            limit = found[-1][0] + timedelta(WINDOW_DAYS - 1) if found else date.min
            if start <= limit:
                found[-1] = (found[-1][0], min(end, limit))
            else:
                found.append((start, min(end, start + timedelta(WINDOW_DAYS - 1))))
            start = found[-1][1] + ONE_DAY
    return found


def without(wanted: Iterable[Span], covered: Iterable[Span]) -> list[Span]:
    """The parts of the spans that the others, oldest first and apart, do not cover."""
    covers = list(covered)
    left: list[Span] = []
    for start, end in wanted:
        for first, last in covers:
            if last < start or first > end:
                continue
            if start < first:
                left.append((start, first - ONE_DAY))
            start = last + ONE_DAY
        if start <= end:
            left.append((start, end))
    return left
