"""What a request costs, in statements and rows read: neither other people nor years add to it."""

import datetime
import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.personal_tokens import create_token
from ingest.models import (
    METRIC_MODELS,
    Fetch,
    MetricSource,
    RejectedDocument,
    Revision,
    Stream,
)
from tests.processes import TOKEN
from tests.worlds import (
    NOW,
    YESTERDAY,
    days_ago,
    fetch_completely,
    person,
    store_days,
    store_nights,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fixed_time")]

_OTHERS: tuple[Any, ...] = (Fetch, MetricSource, RejectedDocument, Revision)

# A month of another person's or of one's own past, by type: cheap, since no document is parsed.
_COPY = """
    INSERT INTO {table} (user_id, oura_id, day, {columns}, content_hash, missing_collection,
        created_at, updated_at, fetched_at)
    SELECT u.id, u.id || '-' || d.day || '-{table}', d.day, {values}, '\\x00', '',
        '{now}', '{now}', '{now}'
    FROM unnest(%s::bigint[]) AS u(id),
        (SELECT %s::date - n AS day FROM generate_series(0, %s - 1) AS n) AS d"""
_COPY_SOURCES = """
    INSERT INTO metric_sources (user_id, type, day, content, provenance)
    SELECT user_id, %s, day, '\\x00', '{{"ring": "ring"}}' FROM {table}
    WHERE user_id = ANY(%s) AND day <= %s"""

# PostgreSQL's planner itself looks at the ends of an index.
PLANNER = 30
# Tables with rows for each day or request; scans of the others, which are small, vary.
_GROWING = [model._meta.db_table for model in (*METRIC_MODELS.values(), *_OTHERS)]


def fill(people, last, days):
    """Give people a row of each type for each of so many days up to the last."""
    for model in METRIC_MODELS.values():
        has_contributors = "contributors" in model.metric_type.column_names
        sql = _COPY.format(
            table=model._meta.db_table,
            columns="score, contributors" if has_contributors else "score",
            values="70, '{}'" if has_contributors else "70",
            now=NOW,
        )
        with connection.cursor() as cursor:
            ids = [each.pk for each in people]
            cursor.execute(sql, [ids, last, days])
            sources = _COPY_SOURCES.format(table=model._meta.db_table)
            cursor.execute(sources, [model.metric_type.name, ids, last])
            cursor.execute(f"ANALYZE {model._meta.db_table}, metric_sources")


@pytest.fixture
def last_month(ana):
    days = [days_ago(n) for n in range(30)]
    store_nights(ana, days, "v2", "a ring")
    for type_ in ("activity", "readiness"):
        store_days(ana, days, type_, score=70)
    fetch_completely(ana, days[-1], days[0], ["activity", "readiness"])


@pytest.fixture
def crowd(last_month):
    fill([person(f"member{n}", password_of="ana") for n in range(40)], days_ago(0), 400)


@pytest.fixture
def years(ana, last_month):
    fill([ana], days_ago(30), 3_600)


def rows_read(work):
    """Return how many rows of tables PostgreSQL reads for some work."""

    def count():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0))"
                " FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)",
                [_GROWING],
            )
            return int(cursor.fetchone()[0])

    before = count()
    work()
    return count() - before


class Processor:
    def __init__(self, settings):
        settings.ROOT_URLCONF = "myhealth.urls.processor"
        settings.INGEST_TOKENS = [TOKEN]
        self.client = Client(headers={"Authorization": f"Bearer {TOKEN}"})

    def get(self, path):
        answer = self.client.get(f"/api/v1/{path}", {"user": "ana"})
        assert answer.status_code == 200, answer.content

    def ingest(self, day):
        document = {"id": f"costs {day}", "day": str(day), "score": 71}
        body = json.dumps({"type": "sleep", "user": "ana", "data": document})
        answer = self.client.post("/api/v1/ingest", body, content_type="application/json")
        assert answer.json()["created"] + answer.json()["updated"] == 1


READS = ["sleep", "dashboard", "coverage", f"days/{YESTERDAY}"]
READS += [
    "series/night_heart_rate",
    f"nights/{YESTERDAY}",
    "types",
    "marks",
    "trends",
    "summaries",
]
PROGRAM_READS = ["metrics/sleep", "metrics/ledger", "metrics/coverage"]


@pytest.mark.parametrize("path", READS)
def test_other_people_add_no_rows_to_a_read(ana, api, last_month, path, request):
    api.get("sleep", fields="day")
    alone = rows_read(lambda: api.get(path))
    assert alone > 0
    request.getfixturevalue("crowd")
    api.log_in()
    api.get("sleep", fields="day,score")
    assert rows_read(lambda: api.get(path, format="json")) <= alone + PLANNER


# Marks, trends and summaries are of more than a month.
@pytest.mark.parametrize("path", READS[:-3])
def test_years_add_no_rows_to_a_read_of_days(ana, api, last_month, path, request):
    api.get("sleep", fields="day")
    before = rows_read(lambda: api.get(path))
    request.getfixturevalue("years")
    assert rows_read(lambda: api.get(path, format="json")) <= before + PLANNER


def test_other_people_add_no_rows_to_an_archive(ana, api, last_month, request):
    def download():
        assert b"".join(api.get("export").streaming_content)

    alone = rows_read(download)
    request.getfixturevalue("crowd")
    api.log_in()
    # The ledger reads an entry of the index for each type.
    assert rows_read(download) <= alone + PLANNER


PAGES = [
    "/",
    f"/days/{YESTERDAY}/",
    f"/nights/{YESTERDAY}/",
    "/trends/",
    "/calendar/",
    "/weeks/",
]


@pytest.mark.parametrize("path", PAGES)
def test_other_people_add_no_rows_to_a_page(ana, signed_in, last_month, path, request):
    signed_in.get(path)
    alone = rows_read(lambda: signed_in.get(path))
    assert alone > 0
    request.getfixturevalue("crowd")
    assert rows_read(lambda: signed_in.get(path)) <= alone + PLANNER


def test_years_add_no_rows_to_the_calendar_of_a_month(ana, signed_in, last_month, request):
    path = f"/calendar/?by=state&month={days_ago(0):%Y-%m}"
    signed_in.get(path)
    before = rows_read(lambda: signed_in.get(path))
    request.getfixturevalue("years")
    assert rows_read(lambda: signed_in.get(path)) <= before + PLANNER


@pytest.mark.parametrize("path", PAGES)
def test_page_of_years_takes_few_statements(ana, signed_in, last_month, years, path):
    signed_in.get(path)
    with CaptureQueriesContext(connection) as queries:
        assert signed_in.get(path).status_code == 200
    # Today, where nobody is connected, looks for what a key brings.
    assert len(queries) <= (20 if path == "/" else 17)


@pytest.mark.parametrize("path", PROGRAM_READS)
def test_other_people_add_no_rows_to_programs_reads(ana, settings, last_month, path, request):
    processor = Processor(settings)
    alone = rows_read(lambda: processor.get(path))
    request.getfixturevalue("crowd")
    assert rows_read(lambda: processor.get(path)) <= alone + PLANNER


def test_neither_people_nor_years_add_rows_to_ingest(ana, settings, last_month, request):
    processor = Processor(settings)
    before = rows_read(lambda: processor.ingest(days_ago(5_000)))
    for fixture in ("crowd", "years"):
        request.getfixturevalue(fixture)
    assert rows_read(lambda: processor.ingest(days_ago(5_001))) <= before + PLANNER


@pytest.mark.parametrize("path", ["sleep", "activity", "readiness"])
def test_read_takes_two_statements(ana, api, last_month, path):
    api.get("coverage")
    with CaptureQueriesContext(connection) as queries:
        api.get(path, start=str(datetime.date(2026, 1, 1)))
    assert len(queries) == 2, [query["sql"] for query in queries]


@pytest.mark.parametrize("path", ["sleep", "activity", "readiness"])
def test_read_with_personal_token_takes_three_statements(ana, api, last_month, path):
    api.access = create_token(ana, "a program", None)
    api.get("coverage")
    with CaptureQueriesContext(connection) as queries:
        api.get(path, start=str(datetime.date(2026, 1, 1)))
    assert len(queries) == 3, [query["sql"] for query in queries]


def test_no_index_of_people_doubles_another():
    """An index of `user_id` alone, where another one begins with it, costs each write some."""
    tables = [model._meta.db_table for model in (*METRIC_MODELS.values(), *_OTHERS, Stream)]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indrelid::regclass::text FROM pg_index"
            " JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]"
            " WHERE attname = 'user_id' AND indnatts = 1 AND indrelid::regclass::text = ANY(%s)",
            [tables],
        )
        assert cursor.fetchall() == []


def test_ingest_does_not_read_other_peoples_rejected_documents(ana, settings):
    processor = Processor(settings)
    # Of many people: with one alone, PostgreSQL takes any person's for all of them.
    others = [person(f"member{number}", password_of="ana") for number in range(40)]
    rejected = [
        RejectedDocument(user=other, type="sleep", key=str(number), errors={})
        for other in others
        for number in range(50)
    ]
    RejectedDocument.objects.bulk_create(rejected)
    # As autovacuum does: without statistics, PostgreSQL may take the table for empty.
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE rejected_documents")
    # The planner walks over what other tests left at the end of an index.
    processor.ingest(days_ago(4))
    assert rows_read(lambda: processor.ingest(days_ago(3))) <= PLANNER
