"""Queries that lists take, and filters that cannot be."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.ingest.admin.pages import COVERAGE, LISTS, fetched, ran, revised
from tests.worlds import days_ago, person, store_days

pytestmark = pytest.mark.django_db


def queries(client, path):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", LISTS)
def test_more_rows_take_no_more_queries(admin, ana, name):
    def add(user):
        ran(user, missing={"sleep": {"failed": 1}})
        fetched(user, run="run-1")
        revised(user)

    add(ana)
    path = f"/admin/ingest/{name}/"
    few = queries(admin, path)
    for name in ("cleo", "dan", "eve"):
        add(person(name, "ana"))
    assert queries(admin, path) == few


def test_coverage_of_all_accounts_takes_four_queries(admin, django_assert_num_queries):
    # Session, account, the count, the people with their newest runs.
    with django_assert_num_queries(4):
        admin.get(COVERAGE)


def test_more_missing_ranges_take_no_more_queries(admin, ana):
    store_days(ana, [days_ago(3), days_ago(0)])
    path = f"{COVERAGE}{ana.pk}/"
    few = queries(admin, path)
    store_days(ana, [days_ago(n) for n in range(10, 60, 2)])
    assert queries(admin, path) == few


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("sleepmetric", "day__year=99999999999"),
        ("sleepmetric", "day__year=9999"),
        ("sleepmetric", "day__year=9999&day__month=12&day__day=31"),
        ("rejecteddocument", "last_seen__year=99999999999"),
        ("revision", "replaced_at__year=99999999999"),
        ("revision", "day=soon"),
        ("fetch", "days=soon"),
        ("fetch", "days=2026-03-01"),
        ("fetch", "run=%00"),
        ("run", "user__id__exact=ana"),
        ("run", "user__id__exact="),
    ],
)
def test_impossible_filter_redirects(admin, ana, model, query):
    path = f"/admin/ingest/{model}/"
    answer = admin.get(f"{path}?{query}")
    assert (answer.status_code, answer.headers.get("Location")) == (302, f"{path}?e=1")


@pytest.mark.django_db(transaction=True)
def test_filter_that_database_refuses_redirects(admin):
    answer = admin.get("/admin/ingest/fetch/?kind=%00")
    assert answer.headers["Location"] == "/admin/ingest/fetch/?e=1"
