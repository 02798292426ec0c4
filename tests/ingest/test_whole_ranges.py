"""Ranges that are told to be whole: what is never taken for read, and what can be told of them."""

from datetime import date, timedelta

import pytest
from django.utils import timezone

from ingest import ledger
from ingest.models import Fetch, RejectedDocument, Run, SleepMetric
from tests.ingest.conftest import night

pytestmark = pytest.mark.django_db
RANGE = {"start": "2026-02-25", "end": "2026-03-05"}
SUMMARY_ONLY = {"daily_sleep": {"id": "a", "day": "2026-03-01"}, "sleep": []}


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
def test_a_range_beyond_all_days_is_taken_for_those_there_can_be(processor, ana, span):
    for _ in range(2):
        assert processor.send(night(), read=span).status_code == 201
    reading = Fetch.objects.get()
    assert reading.start >= date(2010, 1, 1)
    assert reading.end <= timezone.now().date() + timedelta(days=2)
    assert processor.get("/api/v1/metrics/ledger", user="ana").status_code == 200


def test_a_report_beyond_all_days_is_taken_for_those_there_can_be(processor, ana):
    body = {"user": "ana", "type": "sleep", "kind": "error"}
    body["ranges"] = [{"start": "0001-01-01", "end": "9999-12-31"}]
    for _ in range(2):
        assert processor.post(body, path="/api/v1/reports").status_code == 204
    assert processor.get("/api/v1/metrics/ledger", user="ana").status_code == 200


@pytest.mark.parametrize("day", ["9999-12-31", "9999-W52-5", "1900-01-01"])
def test_a_rejected_document_of_an_impossible_day_harms_nobody(processor, ana, day):
    processor.send(night(day=day))
    assert processor.get("/api/v1/metrics/ledger", user="ana").status_code == 200


def test_an_older_reading_brings_back_no_day_that_a_newer_one_had_nothing_of(processor, ana):
    both = [night("2026-03-01", "a"), night("2026-03-02", "b")]
    processor.send(*both, fetched_at=ago(hours=3), read=RANGE)
    processor.send(both[1], fetched_at=ago(hours=1), read=RANGE)
    answer = processor.send(*both, fetched_at=ago(hours=2), read=RANGE).json()
    assert (answer["created"], answer["unchanged"]) == (0, 2)
    assert list(processor.rows()) == ["2026-03-02"]


def test_a_range_with_an_undated_document_says_nothing_of_the_days_it_leaves_out(processor, ana):
    processor.send(night("2026-03-04", "b"), {"id": "x", "day": "soon"}, read=RANGE)
    assert state(ana, "2026-03-01") == "rejected"


def test_a_rejected_day_is_no_day_without_data_once_its_document_is_dropped(processor, ana):
    processor.send(night("2026-03-01", "x", score=500), night("2026-03-04", "b"), read=RANGE)
    RejectedDocument.objects.all().delete()
    assert state(ana, "2026-03-01") == "rejected"


def test_a_day_whose_document_moved_to_another_is_asked_for_again(processor, ana):
    processor.send(night("2026-03-03", "b"), fetched_at=ago(days=2), read=RANGE)
    processor.send(night("2026-03-02", "b"), read={"start": "2026-03-01", "end": "2026-03-02"})
    assert state(ana, "2026-03-03") == "not_asked"


def test_the_same_reading_sent_again_counts_once(processor, ana):
    for _ in range(2):
        processor.send(fetched_at="2026-03-09T00:00:00Z", read=RANGE)
    assert Fetch.objects.get().attempts == 1


def test_runs_that_are_never_ended_are_kept_within_bounds(processor, ana):
    for _ in range(53):
        processor.send(read=RANGE)
    assert Run.objects.count() == 50


def test_what_older_code_left_untold_of_an_unchanged_row_is_made_up_for(processor, ana):
    processor.send(night(source=SUMMARY_ONLY))
    SleepMetric.objects.update(missing_collection="")
    answer = processor.send(night(source=SUMMARY_ONLY))
    assert answer.json()["unchanged"] == 1
    assert SleepMetric.objects.get().missing_collection == "sleep"
