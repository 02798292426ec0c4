"""What could not be read, as a collector reports it."""

from datetime import date, datetime, timedelta

import pytest
from django.utils import timezone

from ingest.models import Fetch, Run, SleepMetric, Stream
from ingest.prometheus import READ_FAILURES
from ingest.validation import FAILURE_KINDS, MAX_RANGES

pytestmark = pytest.mark.django_db

PATH = "/api/v1/reports"
MARCH = {"start": "2026-03-01", "end": "2026-03-31"}
ASKED = "2026-04-02T06:00:00+00:00"
WHOLE = {
    "type": "sleep",
    "user": "ana",
    "asked_at": ASKED,
    "ranges": [MARCH],
    "kind": "unavailable",
    "status": 503,
    "collection": "daily_sleep",
    "page": 2,
}


def report(processor, *, token=None, run="a-run", **changes):
    tokens = {} if token is None else {"token": token}
    return processor.post(WHOLE | changes, path=PATH, **tokens, **{"X-Request-ID": run})


def without(*names):
    return {name: value for name, value in WHOLE.items() if name not in names}


# What is taken down -------------------------------------------------------------------------------


def test_a_failure_is_taken_down_with_all_that_is_told_of_it(processor, ana):
    answer = report(processor)
    assert (answer.status_code, answer.content) == (204, b"")
    found = Fetch.objects.get()
    assert (found.user, found.type, found.complete) == (ana, "sleep", False)
    assert (found.start, found.end) == (date(2026, 3, 1), date(2026, 3, 31))
    assert found.asked_at == datetime.fromisoformat(ASKED)
    assert (found.run, found.kind, found.status) == ("a-run", "unavailable", 503)
    assert (found.collection, found.page, found.attempts) == ("daily_sleep", 2, 1)


def test_every_range_is_taken_down(processor, ana):
    days = [{"start": f"2026-03-0{n}", "end": f"2026-03-0{n}"} for n in (1, 3, 5)]
    report(processor, ranges=days)
    assert [each.start.day for each in Fetch.objects.order_by("start")] == [1, 3, 5]


@pytest.mark.parametrize("kind", FAILURE_KINDS)
def test_every_kind_of_failure_is_taken_down(processor, ana, kind):
    assert report(processor, kind=kind).status_code == 204
    assert Fetch.objects.get().kind == kind


def test_what_a_collector_does_not_know_of_a_failure_may_be_left_out(processor, ana):
    body = without("user", "asked_at", "status", "collection", "page")
    assert processor.post(body, path=PATH).status_code == 204
    found = Fetch.objects.get()
    assert (found.status, found.collection, found.page) == (None, "", None)
    assert timezone.now() - found.asked_at < timedelta(minutes=1)


def test_a_failure_removes_no_row(processor, ana):
    processor.send({"id": "a", "day": "2026-03-01"}, fetched_at="2026-04-01T06:00:00+00:00")
    report(processor)
    assert SleepMetric.objects.exists()


def test_a_report_counts_as_one_failure_of_its_run_however_many_ranges_it_has(processor, ana):
    report(processor, ranges=[MARCH, {"start": "2026-01-01", "end": "2026-01-31"}])
    run = Run.objects.get()
    assert (run.user, run.request_id, run.failures) == (ana, "a-run", 1)


def test_reports_of_one_run_are_counted_together(processor, ana):
    report(processor)
    report(processor, type="activity")
    assert Run.objects.get().failures == 2


def test_reports_of_two_runs_are_counted_apart(processor, ana):
    report(processor)
    report(processor, run="another-run")
    assert {run.request_id: run.failures for run in Run.objects.all()} == {
        "a-run": 1,
        "another-run": 1,
    }


def test_the_ledgers_readers_learn_of_a_failure(processor, ana):
    report(processor)
    before = Stream.objects.get()
    report(processor)
    after = Stream.objects.get()
    assert after.ledger_version > before.ledger_version
    assert after.version == before.version


def test_operators_see_failures_by_type_and_kind(processor, ana):
    counter = READ_FAILURES.labels("readiness", "bad_answer")
    before = counter._value.get()
    report(processor, type="readiness", kind="bad_answer")
    assert counter._value.get() == before + 1
    text = processor.client.get("/metrics").content.decode()
    assert 'myhealth_read_failures_total{kind="bad_answer",type="readiness"}' in text


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "mood"),
        ("type", ["sleep"]),
        ("type", None),
        ("user", "nobody"),
        ("user", {}),
        ("user", "a\x00"),
        ("asked_at", "yesterday"),
        ("asked_at", "2026-04-02T06:00:00"),
        ("asked_at", "2999-01-01T00:00:00Z"),
        ("asked_at", 5),
        ("ranges", None),
        ("ranges", []),
        ("ranges", MARCH),
        ("ranges", "all"),
        ("kind", "bad luck"),
        ("kind", None),
        ("kind", ["error"]),
        ("status", 99),
        ("status", 600),
        ("status", "503"),
        ("status", True),
        ("status", 503.0),
        ("collection", 5),
        ("collection", "x" * 65),
        ("collection", "a\x00"),
        ("page", 0),
        ("page", 2**31),
        ("page", "1"),
        ("page", True),
        ("more", 1),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_taken_down(processor, ana, field, value):
    answer = report(processor, **{field: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Fetch.objects.exists()
    assert not Run.objects.exists()


@pytest.mark.parametrize("field", ["type", "ranges", "kind"])
def test_a_field_that_is_needed_is_named_when_it_is_missing(processor, ana, field):
    answer = processor.post(without(field), path=PATH)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ("2026-03-01", "ranges.1"),
        ({"start": "2026-03-01"}, "ranges.1"),
        (MARCH | {"more": 1}, "ranges.1"),
        ({"start": "2026-03-02", "end": "2026-03-01"}, "ranges.1"),
        (MARCH | {"start": "soon"}, "ranges.1.start"),
        (MARCH | {"end": "2026-02-30"}, "ranges.1.end"),
        (MARCH | {"end": None}, "ranges.1.end"),
        (MARCH | {"start": "20260301"}, "ranges.1.start"),
        (MARCH | {"start": "2026-W09-7"}, "ranges.1.start"),
    ],
)
def test_a_bad_range_is_named_by_its_place_and_none_is_taken_down(processor, ana, bad, field):
    answer = report(processor, ranges=[MARCH, bad])
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Fetch.objects.exists()


@pytest.mark.parametrize(("number", "status"), [(MAX_RANGES, 204), (MAX_RANGES + 1, 400)])
def test_a_report_has_at_most_a_thousand_ranges(processor, ana, number, status):
    assert report(processor, ranges=[MARCH] * number).status_code == status


def test_an_unknown_kind_is_answered_with_those_that_there_are(processor, ana):
    [message] = report(processor, kind="bad luck").json()["errors"]["kind"]
    assert all(kind in message for kind in FAILURE_KINDS)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"{"])
def test_a_body_that_is_no_object_is_400(processor, ana, body):
    answer = processor.post(body, path=PATH)
    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize("token", ["", "wrong", "control-token-for-tests"])
def test_without_its_token_a_report_is_401_and_nothing_is_taken_down(processor, ana, token):
    assert report(processor, token=token).status_code == 401
    assert not Fetch.objects.exists()


def test_with_two_accounts_a_name_is_needed(processor, ana, ben):
    answer = processor.post(without("user"), path=PATH)
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_user")


def test_an_unknown_user_is_never_made(processor, ana):
    answer = report(processor, user="nobody")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_user")
    assert not Fetch.objects.exists()
