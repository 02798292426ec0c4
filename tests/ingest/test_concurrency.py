"""Concurrent requests, each with its own connection."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection

from ingest.models import SleepMetric
from tests.worlds import document, person, store_documents

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 4, 1, tzinfo=UTC)
DAYS = [date(2026, 3, 1) + timedelta(days=n) for n in range(20)]


def store_all(user, score, *, at=NOW, days=DAYS):
    """Store the same ids for every user."""
    return store_documents(user, [document(day, f"id{day}", score=score) for day in days], at=at)


def at_once(*jobs):
    """Start the jobs at the same moment; return their results."""
    start = threading.Barrier(len(jobs))

    def run(job):
        start.wait()
        try:
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_eight_senders_leave_one_row_per_day_with_newest_value():
    user = person("ana")

    def sender(n):
        numbers = range(n * 5, n * 5 + 5)
        return lambda: [
            store_all(user, number, at=NOW + timedelta(minutes=number)) for number in numbers
        ]

    at_once(*[sender(n) for n in range(8)])
    rows = SleepMetric.objects.filter(user=user)
    assert rows.count() == len(DAYS)
    assert set(rows.values_list("score", flat=True)) == {39}


def test_same_ids_of_two_people_are_stored_once_without_deadlock():
    ana, ben = person("ana"), person("ben")
    outcomes = at_once(
        lambda: store_all(ana, 1), lambda: store_all(ben, 2, days=list(reversed(DAYS)))
    )
    assert SleepMetric.objects.count() == len(DAYS)
    assert sum(outcome.created for outcome in outcomes) == len(DAYS)
    assert sum(len(outcome.rejected) for outcome in outcomes) == len(DAYS)


def test_change_sent_by_eight_senders_is_made_once():
    user = person("ana")
    outcomes = at_once(*[lambda: store_all(user, 50)] * 8)
    assert sum(outcome.created for outcome in outcomes) == len(DAYS)
    assert sum(outcome.unchanged for outcome in outcomes) == 7 * len(DAYS)


def test_single_documents_of_eight_senders_are_all_stored():
    user = person("ana")
    days = [DAYS[n : n + 1] for n in range(8)]
    outcomes = at_once(*[lambda day=day: store_all(user, 50, days=day) for day in days])
    assert [outcome.created for outcome in outcomes] == [1] * 8


@pytest.mark.parametrize("same_day", [True, False])
def test_single_document_of_eight_senders_is_created_once(same_day):
    user = person("ana")

    def sender(n):
        sent = [document(DAYS[0 if same_day else n], "a", score=n)]
        return lambda: store_documents(user, sent, at=NOW + timedelta(minutes=n))

    at_once(*[sender(n) for n in range(8)])
    row = SleepMetric.objects.get()
    assert (row.score, row.fetched_at) == (7, NOW + timedelta(minutes=7))
