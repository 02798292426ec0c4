"""The collector's memory: eight people at once, and an Oura that answers all it has at once."""

import hashlib
import json
import os
import sys
import threading
from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from bench.collecting import run_measured
from ingest.models import METRIC_MODELS
from myhealth.days import ONE_DAY, Days, intersect, parse_day, utc_today
from oura import connections
from tests.oura.answering import Reply, StubServer
from tests.processes import ROOT, TOKEN
from tests.scale import full_only
from tests.worlds import person

PEOPLE = 8
MOST_BYTES = 300_000_000
# Yesterday is the last one, so that the length does not depend on the hour.
DAYS = Days(utc_today() - timedelta(1100), utc_today() - ONE_DAY)
pytestmark = pytest.mark.django_db(transaction=True)


class Oura:
    """Has three years of everybody, 15 kB a day; knows no pages, and no `fields`.

    All people's lists of days end at the same moment, so that the collector has all of them in
    memory at once.
    """

    def __init__(self):
        self.all_listed = threading.Barrier(PEOPLE)
        padding = [0.9] * 1440 * 2
        values = {
            "sleep": {"type": "long_sleep", "total_sleep_duration": 27000, "heart_rate": padding},
            "daily_activity": {"steps": 9000, "met": {"items": padding}},
            "daily_readiness": {"score": 80, "items": padding},
            "daily_sleep": {"score": 80, "items": padding},
        }
        self.rest = {name: json.dumps(each)[1:].encode() for name, each in values.items()}

    def __call__(self, request):
        collection = request.path.rsplit("/", 1)[-1]
        name = hashlib.sha256(request.headers["Authorization"].encode()).hexdigest()[:8]
        query = parse_qs(request.query)
        first, last = (parse_day(query[end][0]) for end in ("start_date", "end_date"))
        days = [day for part in intersect([Days(first, last)], [DAYS]) for day in part]
        documents = b",".join(
            b'{"id":"%s-%s-%s","day":"%s",' % (name.encode(), collection.encode(), day, day)
            + self.rest[collection]
            for day in (str(each).encode() for each in days)
        )
        body = b'{"data":[' + documents + b'],"next_token":null}'
        return Reply(self.together(body)) if "fields" in query else Reply(body)

    def together(self, body):
        yield body[:-1]
        try:
            self.all_listed.wait(20)
        except threading.BrokenBarrierError:
            self.all_listed.reset()
        yield body[-1:]


@pytest.fixture
def oura():
    server = StubServer(Oura())
    yield server
    server.close()


@full_only
def test_years_of_eight_people_need_little_memory(
    oura, at_oura, processor_process, settings, database_settings
):
    for number in range(1, PEOPLE + 1):
        member = person(f"member{number}", password_of="ana")
        connections.connect(member, at_oura.code(person=f"member{number}"), "v" * 50)
    ended = run_measured(
        [sys.executable, "manage.py", "collect_oura", "--output", "json"],
        cwd=ROOT,
        env={
            **os.environ,
            **database_settings,
            **at_oura.settings(),
            "OURA_API_URL": oura.url,
            "TOKEN_ENCRYPTION_KEYS": ",".join(settings.TOKEN_ENCRYPTION_KEYS),
            "PROCESSOR_URL": processor_process.url,
            "INGEST_TOKENS": TOKEN,
        },
    )
    assert ended.code == 0, ended.output
    for model in METRIC_MODELS.values():
        assert model.objects.count() == PEOPLE * len(DAYS)
    assert ended.peak < MOST_BYTES
