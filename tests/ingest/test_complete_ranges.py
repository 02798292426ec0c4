"""Complete fetches: which days their range covers, and the rows and rejected documents they end."""

from datetime import date, datetime, timedelta

import pytest
from django.utils import timezone

from ingest import ledger
from ingest.models import (
    ActivityMetric,
    Fetch,
    MetricSource,
    RejectedDocument,
    Revision,
    SleepMetric,
    Stream,
)
from tests.worlds import document

pytestmark = pytest.mark.django_db
MARCH = {"start": "2026-03-01", "end": "2026-03-31"}
OLDER, NEWER = "2026-04-02T06:00:00+00:00", "2026-04-03T06:00:00+00:00"


def march(*numbers, user="ana", **columns):
    return [document(f"2026-03-{n:02}", f"{user} {n}", **columns) for n in numbers]


def fetch(processor, *documents, fetched_at=NEWER, read=MARCH, **more):
    answer = processor.send(*documents, fetched_at=fetched_at, read=read, **more)
    assert answer.status_code in (201, 400)
    return answer.json()


def stored_days(user, model=SleepMetric):
    """Return the numbers of the days of March that have a row."""
    return [row.day.day for row in model.objects.of(user.pk).order_by("day")]


def test_row_absent_from_complete_fetch_is_deleted(processor, ana):
    fetch(processor, *march(1, 2, 3), fetched_at=OLDER)
    fetch(processor, *march(1, 3))
    assert stored_days(ana) == [1, 3]


def test_row_and_fetch_have_same_time_with_odd_offset(processor, ana):
    fetch(processor, *march(1), fetched_at="2026-04-02T00:00:00+05:53:28")
    assert SleepMetric.objects.get().fetched_at == Fetch.objects.get().asked_at


def test_source_is_deleted_with_row(processor, ana):
    fetch(processor, *march(1, 2, source={"a": 1}), fetched_at=OLDER)
    fetch(processor, *march(1, source={"a": 1}))
    assert [each.day.day for each in MetricSource.objects.all()] == [1]


def test_deleted_row_is_kept_as_revision(processor, ana):
    fetch(processor, *march(2, score=71, source={"a": 1}), fetched_at=OLDER)
    fetch(processor)
    revision = Revision.objects.get()
    assert (revision.kind, revision.day) == ("removed", date(2026, 3, 2))
    assert (revision.values["score"], revision.documents, revision.changes) == (71, {"a": 1}, {})


def test_deleted_row_raises_version(processor, ana):
    fetch(processor, *march(2), fetched_at=OLDER)
    before = Stream.objects.get().version
    fetch(processor)
    assert Stream.objects.get().version > before


def test_rows_outside_range_stay(processor, ana):
    fetch(processor, *march(9, 10, 20, 21), fetched_at=OLDER)
    fetch(processor, read={"start": "2026-03-10", "end": "2026-03-20"})
    assert stored_days(ana) == [9, 21]


def test_request_without_range_deletes_no_row(processor, ana):
    fetch(processor, *march(1, 2), fetched_at=OLDER)
    fetch(processor, *march(1), read=None)
    assert (stored_days(ana), Fetch.objects.count()) == ([1, 2], 1)


def test_rejected_document_protects_row_of_its_day(processor, ana):
    fetch(processor, *march(1, 2, score=80), fetched_at=OLDER)
    fetch(processor, *march(2, score=101))
    assert stored_days(ana) == [2]


@pytest.mark.parametrize(
    "content", [5, {"id": "x"}, document("2026-02-30"), document("a long time")]
)
def test_rejected_document_without_day_protects_all_rows(processor, ana, content):
    fetch(processor, *march(1, 2), fetched_at=OLDER)
    fetch(processor, content)
    assert stored_days(ana) == [1, 2]


def test_older_fetch_deletes_no_row_of_newer_one(processor, ana):
    fetch(processor, *march(1, 2), fetched_at=NEWER)
    fetch(processor, *march(1), fetched_at=OLDER)
    assert stored_days(ana) == [1, 2]


def test_rows_of_other_people_stay(processor, ana, ben):
    fetch(processor, *march(1, user="ben"), user="ben", fetched_at=OLDER)
    fetch(processor)
    assert stored_days(ben) == [1]


def test_rows_of_other_types_stay(processor, ana):
    fetch(processor, *march(1), type="activity", fetched_at=OLDER)
    fetch(processor)
    assert stored_days(ana, ActivityMetric) == [1]


def rejected_days():
    return sorted(RejectedDocument.objects.values_list("day", flat=True))


def test_absent_rejected_documents_are_deleted(processor, ana):
    fetch(processor, *march(1, 2, score=101), fetched_at=OLDER)
    fetch(processor, *march(2, score=101))
    assert rejected_days() == ["2026-03-02"]


def test_rejected_documents_outside_range_stay(processor, ana):
    fetch(processor, *march(1, score=101), fetched_at=OLDER)
    fetch(processor, read={"start": "2026-03-02", "end": "2026-03-31"})
    assert rejected_days() == ["2026-03-01"]


def test_newer_rejected_documents_stay(processor, ana):
    fetch(processor, *march(1, score=101), fetched_at=NEWER)
    fetch(processor, fetched_at=OLDER)
    assert rejected_days() == ["2026-03-01"]


def test_rejected_documents_of_other_people_and_types_stay(processor, ana, ben):
    fetch(processor, *march(1, score=101), user="ben", fetched_at=OLDER)
    fetch(processor, *march(1, score=101), type="activity", fetched_at=OLDER)
    fetch(processor)
    assert rejected_days() == ["2026-03-01"] * 2


def test_complete_fetch_is_recorded_with_run_and_numbers(processor, ana):
    body = {"type": "sleep", "user": "ana", "data": march(1), "fetched_at": NEWER}
    read = MARCH | {"pages": 2, "documents": 3}
    processor.post(body | {"read": read}, **{"X-Request-ID": "run-1"})
    result = Fetch.objects.get()
    assert (result.user_id, result.type, result.complete) == (ana.pk, "sleep", True)
    assert (result.start, result.end) == (date(2026, 3, 1), date(2026, 3, 31))
    assert result.asked_at == datetime.fromisoformat(NEWER)
    assert (result.run, result.pages, result.documents) == ("run-1", 2, 3)


def test_fetch_of_rejected_day_is_not_complete(processor, ana):
    fetch(processor, *march(1, score=101))
    ranges = {(each.complete, each.start) for each in Fetch.objects.all()}
    assert (False, date(2026, 3, 1)) in ranges
    assert (True, date(2026, 3, 1)) not in ranges


def test_fetch_without_changes_raises_ledger_version_only(processor, ana):
    fetch(processor, *march(1), fetched_at=OLDER)
    before = Stream.objects.get()
    fetch(processor, *march(1))
    after = Stream.objects.get()
    assert after.version == before.version
    assert after.ledger_version > before.ledger_version


@pytest.mark.parametrize(
    ("read", "field"),
    [
        ({"start": "2026-03-01"}, "read"),
        ([], "read"),
        (MARCH | {"more": 1}, "read"),
        (MARCH | {"end": "soon"}, "read.end"),
        (MARCH | {"start": 20260301}, "read.start"),
        (MARCH | {"pages": -1}, "read.pages"),
        (MARCH | {"documents": True}, "read.documents"),
        (MARCH | {"pages": 1.5}, "read.pages"),
        (MARCH | {"documents": 2**31}, "read.documents"),
    ],
)
def test_invalid_range_is_named_and_nothing_stored(processor, ana, read, field):
    answer = processor.send(*march(1), read=read)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert stored_days(ana) == []


# The days of the range ----------------------------------------------------------------------------

RANGE = {"start": "2026-02-25", "end": "2026-03-05"}


def ago(**time):
    return (timezone.now() - timedelta(**time)).isoformat()


def state(user, day):
    days = (date.fromisoformat(day),) * 2
    return ledger.ledger(user.pk, *days, today=timezone.now().date())["sleep"][0].state


@pytest.mark.parametrize(
    "span",
    [
        {"start": "2026-01-01", "end": "9999-12-31"},
        {"start": "0001-01-01", "end": "2026-03-05"},
    ],
)
def test_range_beyond_possible_days_is_clamped(processor, ana, span):
    for _ in range(2):
        assert processor.send(document(), read=span).status_code == 201
    result = Fetch.objects.get()
    assert result.start >= date(2010, 1, 1)
    assert result.end <= timezone.now().date() + timedelta(days=2)
    assert processor.get("/api/v1/metrics/ledger", user="ana").status_code == 200


@pytest.mark.parametrize("day", ["9999-12-31", "9999-W52-5", "1900-01-01"])
def test_rejected_document_of_impossible_day_breaks_no_ledger(processor, ana, day):
    processor.send(document(day=day))
    assert processor.get("/api/v1/metrics/ledger", user="ana").status_code == 200


def test_older_fetch_restores_no_row_deleted_by_newer_one(processor, ana):
    both = [document("2026-03-01", "a"), document("2026-03-02", "b")]
    processor.send(*both, fetched_at=ago(hours=3), read=RANGE)
    processor.send(both[1], fetched_at=ago(hours=1), read=RANGE)
    answer = processor.send(*both, fetched_at=ago(hours=2), read=RANGE).json()
    assert (answer["created"], answer["unchanged"]) == (0, 2)
    assert list(processor.rows()) == ["2026-03-02"]


def test_absent_days_are_rejected_if_document_has_no_day(processor, ana):
    processor.send(document("2026-03-04", "b"), {"id": "x", "day": "soon"}, read=RANGE)
    assert state(ana, "2026-03-01") == "rejected"


def test_day_stays_rejected_when_document_is_deleted(processor, ana):
    processor.send(document("2026-03-01", "x", score=500), document("2026-03-04", "b"), read=RANGE)
    RejectedDocument.objects.all().delete()
    assert state(ana, "2026-03-01") == "rejected"


def test_day_whose_document_moved_is_fetched_again(processor, ana):
    processor.send(document("2026-03-03", "b"), fetched_at=ago(days=2), read=RANGE)
    processor.send(document("2026-03-02", "b"), read={"start": "2026-03-01", "end": "2026-03-02"})
    assert state(ana, "2026-03-03") == "not_asked"


def test_same_fetch_sent_twice_is_one_attempt(processor, ana):
    for _ in range(2):
        processor.send(fetched_at="2026-03-09T00:00:00Z", read=RANGE)
    assert Fetch.objects.get().attempts == 1
