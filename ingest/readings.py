"""What is known of the days that Oura was asked for: the newest word on each, kept as ranges.

A complete reading is the last word on its days; a failed one stands beside an older complete one,
which stays true. Ranges are cut where a newer reading covers them, so that what is superseded goes;
the rest goes on telling of the whole that was read. The writer's lock on the person and type is
held.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from ingest.models import Reading

ONE_DAY = timedelta(days=1)
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
    replace(held, outside(held, [Reading(start=day, end=day) for day in days]))


def replace(held: Sequence[Reading], after: Sequence[Reading]) -> None:
    kept = {reading.pk for reading in after}
    Reading.objects.filter(pk__in=[each.pk for each in held if each.pk not in kept]).delete()
    Reading.objects.bulk_create([reading for reading in after if reading.pk is None])


def newer(user_id: int, type_: str, moment: datetime) -> list[Reading]:
    """The complete readings of after that moment."""
    held = Reading.objects.filter(user_id=user_id, type=type_, complete=True, asked_at__gt=moment)
    return list(held)


def covers(readings: Iterable[Reading], day: date) -> bool:
    return any(reading.start <= day <= reading.end for reading in readings)


def runs_of(start: date, end: date, days: Iterable[date | None]) -> list[tuple[date, date]]:
    """Those of the days that lie in the range, as ranges; all of it if one is not known."""
    wanted = set(days)
    if None in wanted:
        return [(start, end)]
    inside = sorted(day for day in wanted if day and start <= day <= end)
    found: list[tuple[date, date]] = []
    for day in inside:
        if found and found[-1][1] + ONE_DAY == day:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def apart(start: date, end: date, days: Iterable[date | None]) -> list[tuple[date, date]]:
    """The range without the days, as ranges."""
    found: list[tuple[date, date]] = []
    for first, last in runs_of(start, end, days):
        if start < first:
            found.append((start, first - ONE_DAY))
        start = last + ONE_DAY
    return [*found, (start, end)] if start <= end else found


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
            reading.start <= day <= reading.end
            and (not reading.complete or reading.asked_at >= over_at(day))
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
        left = outside(counted(report, complete), [each for each in newer if each.complete])
        return [*outside(older, [report]), *newer, *left]
    failed = [each for each in older if not each.complete]
    again = [in_a_row(each, report) for each in failed if overlap(each, report)]
    report.attempts = max(again, default=1)
    left = outside([report], newer)
    complete = [each for each in older if each.complete]
    return [*complete, *outside(failed, [report]), *newer, *left]


def counted(report: Reading, complete: Iterable[Reading]) -> list[Reading]:
    """The report in parts by how often in a row their days have been asked for."""
    asked = [each for each in complete if overlap(each, report)]
    again = [
        part(
            report,
            max(each.start, report.start),
            min(each.end, report.end),
            min(in_a_row(each, report), MOST_ATTEMPTS),
        )
        for each in asked
    ]
    first = [part(each, each.start, each.end, 1) for each in outside([report], asked)]
    return [*again, *first]


def in_a_row(before: Reading, report: Reading) -> int:
    """How often it has come to this with the report, which may be the same one sent again."""
    return before.attempts + (before.asked_at != report.asked_at)


def overlap(one: Reading, other: Reading) -> bool:
    return one.start <= other.end and other.start <= one.end


def outside(readings: Iterable[Reading], covers: Iterable[Reading]) -> list[Reading]:
    """The parts of the readings that none of the covers has."""
    left = list(readings)
    for cover in covers:
        left = [part for reading in left for part in without(reading, cover)]
    return left


def without(reading: Reading, cover: Reading) -> list[Reading]:
    if not overlap(reading, cover):
        return [reading]
    before = (reading.start, min(reading.end, cover.start - ONE_DAY))
    after = (max(reading.start, cover.end + ONE_DAY), reading.end)
    return [part(reading, *span) for span in (before, after) if span[0] <= span[1]]


def part(reading: Reading, start: date, end: date, attempts: int | None = None) -> Reading:
    content = {name: getattr(reading, name) for name in CONTENT}
    if attempts is not None:
        content["attempts"] = attempts
    return Reading(user_id=reading.user_id, type=reading.type, start=start, end=end, **content)


def joined(readings: Iterable[Reading]) -> list[Reading]:
    """The same with neighbours joined that tell the same."""
    result: list[Reading] = []
    for reading in sorted(readings, key=lambda each: (each.complete, each.start)):
        if result and joinable(result[-1], reading):
            result[-1] = part(reading, result[-1].start, reading.end)
        else:
            result.append(reading)
    return result


def joinable(one: Reading, following: Reading) -> bool:
    same = all(getattr(one, name) == getattr(following, name) for name in CONTENT)
    return same and one.end + ONE_DAY == following.start
