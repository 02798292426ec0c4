"""Several senders at once, each with a connection of its own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import orjson
import pytest
from django.db import connection

from ingest.models import METRIC_MODELS, SleepMetric
from ingest.upsert import store
from tests.worlds import person

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime(2026, 4, 1, tzinfo=UTC)
DAYS = [date(2026, 3, 1) + timedelta(days=n) for n in range(20)]


def documents(score, prefix="id"):
    return [orjson.dumps({"id": f"{prefix}{day}", "day": day, "score": score}) for day in DAYS]


def at_once(*jobs):
    """Run the jobs together, starting at the same moment; their results."""
    start = threading.Barrier(len(jobs))

    def run(job):
        start.wait()
        try:
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def test_eight_senders_of_the_same_days_leave_one_row_a_day_with_the_newest_value():
    user = person("ana")

    def sender(n):
        return lambda: [
            store(
                METRIC_MODELS["sleep"],
                user.pk,
                documents(score=(n * 5 + round_) % 100),
                fetched_at=NOW + timedelta(minutes=n * 5 + round_),
                now=NOW,
            )
            for round_ in range(5)
        ]

    at_once(*[sender(n) for n in range(8)])
    rows = SleepMetric.objects.filter(user=user)
    assert rows.count() == len(DAYS)
    assert set(rows.values_list("score", flat=True)) == {39}


def test_two_people_who_send_the_same_ids_get_them_once_and_no_deadlock():
    users = [person("ana"), person("ben")]

    def sender(user, sent):
        return lambda: store(METRIC_MODELS["sleep"], user.pk, sent, fetched_at=NOW, now=NOW)

    outcomes = at_once(
        sender(users[0], documents(1)), sender(users[1], list(reversed(documents(2))))
    )
    assert SleepMetric.objects.count() == len(DAYS)
    assert sum(outcome.created for outcome in outcomes) == len(DAYS)
    assert sum(len(outcome.rejected) for outcome in outcomes) == len(DAYS)


def test_the_same_change_sent_by_eight_is_made_once():
    user = person("ana")
    outcomes = at_once(
        *[
            lambda: store(METRIC_MODELS["sleep"], user.pk, documents(50), fetched_at=NOW, now=NOW)
            for _ in range(8)
        ]
    )
    assert sum(outcome.created for outcome in outcomes) == len(DAYS)
    assert sum(outcome.unchanged for outcome in outcomes) == 7 * len(DAYS)
