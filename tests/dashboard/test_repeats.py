"""Reads that a program repeats are answered from memory, for as long as the answer is right."""

import datetime

import pytest
import time_machine
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from dashboard.queries import read_basis
from dashboard.repeats import MAX_BYTES, ReadResponse, RepeatedReads
from tests.conftest import Api
from tests.worlds import YESTERDAY, days_ago, person, store_days

pytestmark = pytest.mark.django_db

PATHS = ["sleep", "dashboard", "coverage", "marks", f"days/{YESTERDAY}"]
PATHS += ["series/met", f"nights/{YESTERDAY}", "trends", "summaries"]


def statements(api, path, **query):
    with CaptureQueriesContext(connection) as queries:
        assert api.get(path, **query).status_code == 200
    return [query["sql"] for query in queries]


@pytest.mark.parametrize("path", PATHS)
def test_repeated_read_reads_only_versions(ana, api, path):
    store_days(ana, [days_ago(1)])
    first = api.get(path)
    [statement] = statements(api, path)
    assert "FROM metric_streams" in statement
    again = api.get(path)
    assert again.content == first.content
    assert dict(again.headers) | {"X-Request-ID": ""} == dict(first.headers) | {"X-Request-ID": ""}


@pytest.mark.parametrize("path", PATHS)
def test_repeated_read_shows_new_day_at_once(ana, api, path):
    met = {"timestamp": f"{YESTERDAY}T04:00:00Z", "interval": 60, "items": [1.2]}
    before = api.get(path)
    store_days(ana, [YESTERDAY])
    store_days(ana, [YESTERDAY], "activity", score=80, source={"daily_activity": {"met": met}})
    after = api.get(path)
    assert after.content != before.content or path == "marks"
    assert after.headers["ETag"] != before.headers["ETag"]


def test_repeated_read_moves_on_with_the_day(ana, api):
    store_days(ana, [days_ago(0)], score=70)
    assert len(api.get("sleep", fields="day").json()) == 1
    later = timezone.now() + datetime.timedelta(days=30)
    with time_machine.travel(later):
        api.log_in()
        assert api.get("sleep", fields="day").json() == []


def test_repeated_reads_of_two_people_are_apart(ana, api):
    store_days(ana, [days_ago(1)])
    person("ben")
    ben = Api()
    ben.log_in("ben")
    for _ in range(2):
        assert len(api.get("sleep").json()) == 1
        assert ben.get("sleep").json() == []


def test_repeated_reads_of_other_formats_are_apart(ana, api):
    store_days(ana, [days_ago(1)])
    for _ in range(2):
        kinds = [
            api.get("sleep", headers={"Accept": accept}).headers["Content-Type"]
            for accept in ("application/json", "text/csv", "text/html")
        ]
        assert [kind.partition(";")[0] for kind in kinds] == [
            "application/json",
            "text/csv",
            "text/html",
        ]


def test_repeated_read_follows_persons_time_zone(ana, api):
    today = api.get("dashboard").json()["today"]
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        ana.time_zone = zone
        ana.save()
        assert api.get("dashboard").json()["today"] == str(ana.today())
    assert today == str(timezone.now().date())


def test_errors_are_not_remembered(ana, api):
    for _ in range(2):
        assert api.get("sleep", start="x").status_code == 400


def test_memory_of_answers_is_bounded(ana):
    """Many large answers replace each other."""
    api = Api()
    api.log_in()
    api.get("sleep")
    basis = read_basis(User.objects.get(pk=ana.pk))

    def view(request):
        request.user = ana
        response = ReadResponse(b"x" * 1_000_000, headers={"ETag": '"x"'})
        response.basis = basis
        return response

    middleware = RepeatedReads(view)
    headers = {"Authorization": f"Bearer {api.access}"}
    for number in range(40):
        request = RequestFactory().get(f"/api/v1/sleep?start={number}", headers=headers)
        assert isinstance(middleware(request), HttpResponse)
        assert middleware.bytes_used <= MAX_BYTES
    assert middleware.bytes_used > MAX_BYTES / 2


def test_endpoint_of_repeated_read_is_counted(ana, api):
    before = counted(api)
    for _ in range(2):
        api.get("readiness")
    assert counted(api) == before + 2


def counted(api):
    """How many reads of readiness this process has counted."""
    text = api.client.get("/metrics", REMOTE_ADDR="127.0.0.1").content.decode()
    return sum(
        float(line.split()[-1])
        for line in text.splitlines()
        if line.startswith("http_requests_total{") and '"/api/v1/readiness"' in line
        if 'status="200"' in line
    )


def test_repeated_read_not_modified_has_no_content_type(ana, api):
    for _ in range(2):
        etag = api.get("sleep").headers["ETag"]
        answer = api.get("sleep", headers={"If-None-Match": etag})
        assert answer.status_code == 304
        assert "Content-Type" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
def test_not_modified_varies_as_the_answer_does(ana, signed_in, path):
    store_days(ana, [days_ago(1)])
    answer = signed_in.get(f"/api/v1/{path}?format=json")
    again = {"If-None-Match": answer.headers["ETag"]}
    not_modified = signed_in.get(f"/api/v1/{path}?format=json", headers=again)
    assert not_modified.status_code == 304
    assert not_modified.headers["Vary"] == answer.headers["Vary"]


def test_long_questions_are_not_remembered(ana, api):
    api.get("sleep", fields="day")
    for _ in range(2):
        assert len(statements(api, "sleep", fields="day," * 200 + "score")) == 2


@pytest.mark.parametrize("query", ["form%61t=csv", "format=csv", "%66ormat=csv"])
def test_format_may_be_escaped(ana, api, query):
    headers = {"Authorization": f"Bearer {api.access}"}
    answer = api.client.get(f"/api/v1/sleep?{query}", headers=headers)
    assert answer.headers["Content-Type"].startswith("text/csv")


def test_types_are_read_each_time(ana, api):
    """They depend on the connection as well, which has no version."""
    api.get("types")
    assert len(statements(api, "types")) > 1
