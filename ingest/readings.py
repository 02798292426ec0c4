"""What is known of the days that Oura was asked for: the newest word on each, kept as ranges.

A complete reading is the last word on its days; a failed one stands beside an older complete one,
which stays true. Ranges are cut where a newer reading covers them, so that what is superseded goes;
the rest goes on telling of the whole that was read. The writer's lock on the person and type is
held.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from ingest.models import Reading
from myhealth.days import ONE_DAY, Days, from_days, merge, subtract

# What a reading tells besides its days.
CONTENT: tuple[str, ...] = ("complete", "asked_at", "run", "pages", "documents", "attempts")
CONTENT += ("kind", "status", "collection", "page")
# Once or more often is all that anybody asks.
MOST_ATTEMPTS = 2
# The kind of failure of a day whose document came and can't be stored.
REJECTED = "rejected"


def over_at(day: date) -> datetime:
    """When a day is over everywhere: Oura's days end at 04:00, the last at 16:00 UTC."""
    return datetime.combine(day + ONE_DAY, time(16), UTC)


def record(*reports: Reading) -> None:
    """Add what ranges of one person and type came to. Reports may come in any order, and again."""
    if not reports:
        return
    held = list(Reading.objects.filter(user_id=reports[0].user_id, type=reports[0].type))
    after = held
    for report in reports:
        after = known(after, report)
    replace(held, joined(after))


def unask(user_id: int, type_: str, days: Iterable[date]) -> None:
    """Forget that the days were read: what was known of them has moved elsewhere."""
    held = list(Reading.objects.filter(user_id=user_id, type=type_, complete=True))
    replace(held, outside(held, from_days(days)))


def replace(held: Sequence[Reading], after: Sequence[Reading]) -> None:
    kept = {reading.pk for reading in after}
    Reading.objects.filter(pk__in=[each.pk for each in held if each.pk not in kept]).delete()
    Reading.objects.bulk_create([reading for reading in after if reading.pk is None])


def newer(user_id: int, type_: str, moment: datetime) -> list[Reading]:
    """The complete readings of after that moment."""
    held = Reading.objects.filter(user_id=user_id, type=type_, complete=True, asked_at__gt=moment)
    return list(held)


def missed(user_id: int, type_: str, days: Iterable[date]) -> int:
    """How many of the days were asked for in vain before: after they were over, or by a failure."""
    wanted = set(days)
    if not wanted:
        return 0
    held = Reading.objects.filter(
        user_id=user_id, type=type_, start__lte=max(wanted), end__gte=min(wanted)
    )
    asked = list(held)
    return sum(
        any(
            day in reading.days and (not reading.complete or reading.asked_at >= over_at(day))
            for reading in asked
        )
        for day in wanted
    )


def known(held: Sequence[Reading], report: Reading) -> list[Reading]:
    """The readings after a report; those that it leaves alone are the same objects."""
    older = [each for each in held if each.asked_at <= report.asked_at]
    newer = [each for each in held if each.asked_at > report.asked_at]
    if report.complete:
        complete = [each for each in held if each.complete]
        left = outside(counted(report, complete), [each.days for each in newer if each.complete])
        return [*outside(older, [report.days]), *newer, *left]
    failed = [each for each in older if not each.complete]
    again = [in_a_row(each, report) for each in failed if each.days.overlaps(report.days)]
    report.attempts = max(again, default=1)
    left = outside([report], [each.days for each in newer])
    complete = [each for each in older if each.complete]
    return [*complete, *outside(failed, [report.days]), *newer, *left]


def counted(report: Reading, complete: Iterable[Reading]) -> list[Reading]:
    """The report in parts by how often in a row their days have been asked for."""
    asked = [
        (days, min(in_a_row(each, report), MOST_ATTEMPTS))
        for each in complete
        if (days := each.days.clamped(report.start, report.end))
    ]
    first = [(days, 1) for days in subtract([report.days], [days for days, _ in asked])]
    return [part(report, *each) for each in (*asked, *first)]


def in_a_row(before: Reading, report: Reading) -> int:
    """How often it has come to this with the report, which may be the same one sent again."""
    return before.attempts + (before.asked_at != report.asked_at)


def outside(readings: Iterable[Reading], covers: Iterable[Days]) -> list[Reading]:
    """The parts of the readings that none of the covers has."""
    covers = merge(covers)
    return [
        reading if days == reading.days else part(reading, days)
        for reading in readings
        for days in subtract([reading.days], covers)
    ]


def part(reading: Reading, days: Days, attempts: int | None = None) -> Reading:
    told = content(reading) | ({} if attempts is None else {"attempts": attempts})
    return Reading(
        user_id=reading.user_id, type=reading.type, start=days.start, end=days.end, **told
    )


def content(reading: Reading) -> dict[str, Any]:
    return {name: getattr(reading, name) for name in CONTENT}


def joined(readings: Iterable[Reading]) -> list[Reading]:
    """The same with neighbours joined that tell the same."""
    alike: dict[tuple[Any, ...], dict[Days, Reading]] = defaultdict(dict)
    for reading in readings:
        alike[tuple(content(reading).values())][reading.days] = reading
    found = [
        held.get(days) or part(next(iter(held.values())), days)
        for held in alike.values()
        for days in merge(held)
    ]
    return sorted(found, key=lambda each: (each.complete, each.start))
