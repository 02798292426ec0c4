"""Concurrent requests, each with its own connection."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, transaction

from accounts.models import Origin
from ingest.models import Fetch, RejectedDocument, Run, SleepMetric
from ingest.people import lock_person
from ingest.runs import finish
from ingest.upsert import delete_metrics
from tests.ingest.conftest import CONTROL
from tests.processes import wait_until
from tests.worlds import document, person, reject_document, store_documents

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


def while_waiting(user, job, change, lock="ingest:sleep"):
    """Make a change while a job waits for a lock of the person; return its result."""

    def run():
        try:
            return job()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            lock_person(lock, user.pk)
            result = pool.submit(run)
            _wait_for_waiting()
            change()
        return result.result()


def _wait_for_waiting():
    sql = """
        SELECT FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""

    def someone_waits():
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    wait_until(someone_waits)


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


def test_origin_is_fixed_again_if_data_go_meanwhile():
    user = person("ana")

    def send(day):
        return store_documents(user, [document(day, f"id{day}")], origin="oura", owner="one")

    send(DAYS[0])
    outcome = while_waiting(user, lambda: send(DAYS[1]), lambda: delete_metrics(user.pk))
    assert (outcome.created, SleepMetric.objects.get().day) == (1, DAYS[1])
    assert Origin.objects.values_list("name", "owner").get() == ("oura", "one")


@pytest.mark.parametrize(
    ("lock", "path", "body"),
    [
        ("ingest:sleep", "ingest", {"type": "sleep", "data": document()}),
        ("ingest:sleep", "ingest", {"type": "sleep", "data": [document(), document(DAYS[1], "b")]}),
        (
            "ingest:sleep",
            "reports",
            {
                "type": "sleep",
                "ranges": [{"start": "2026-03-01", "end": "2026-03-09"}],
                "kind": "unavailable",
            },
        ),
        ("runs", "runs", {}),
    ],
)
def test_request_of_a_run_that_waits_for_deletion_is_refused(processor, lock, path, body):
    user = person("ana")
    sent = {"path": f"/api/v1/{path}", "Data-Generation": str(user.data_generation)}
    answer = while_waiting(
        user, lambda: processor.post(body, **sent), lambda: delete_metrics(user.pk), lock
    )
    assert answer.status_code == 409
    assert not any(model.objects.exists() for model in (SleepMetric, Fetch, Run))


def test_deletion_waits_for_a_run_that_is_ending():
    user = person("ana")
    while_waiting(
        user, lambda: delete_metrics(user.pk), lambda: finish(user.pk, "a run", NOW), "runs"
    )
    assert not Run.objects.exists()


def test_document_deleted_while_it_is_retried_stays_deleted(processor):
    user = person("ana")
    entry = reject_document(user, DAYS[0], score=500)
    RejectedDocument.objects.update(content=entry.content.replace("500", "81"))
    path = f"/api/v1/rejected/{entry.pk}/retry"
    answer = while_waiting(
        user,
        lambda: processor.post({}, token=CONTROL, path=path),
        lambda: delete_metrics(user.pk),
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "data_deleted")
    assert not SleepMetric.objects.exists()


def test_request_is_about_one_account_if_names_change(processor):
    ana, ben = person("ana"), person("ben")
    read = {"start": str(DAYS[0]), "end": str(DAYS[-1])}

    def send(name, id, score):
        sent = [document(DAYS[0], id, score=score)]
        more = {"read": read, "fetched_at": f"2026-04-0{score}T00:00:00Z"}
        return processor.send(*sent, user=name, **more).json()

    def rename():
        for user, name in ((ana, "anna"), (ben, "ana")):
            type(user).objects.filter(pk=user.pk).update(username=name)

    send("ana", "of ana", 1)
    send("ben", "of ben", 1)
    assert while_waiting(ana, lambda: send("ana", "of ana", 2), rename)["updated"] == 1
    assert SleepMetric.objects.of(ana.pk).get().score == 2
    times = dict(Fetch.objects.values_list("user_id", "asked_at"))
    assert times == {ana.pk: NOW + timedelta(days=1), ben.pk: NOW}
    assert Fetch.objects.count() == 2
