"""Failed fetches, as a collector reports them."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from ingest.models import Fetch, Run, SleepMetric, Stream
from ingest.validation import FAILURE_KINDS, MAX_RANGES
from tests.worlds import store_days

pytestmark = pytest.mark.django_db

PATH = "/api/v1/reports"
MARCH = {"start": "2026-03-01", "end": "2026-03-31"}
ASKED = "2026-04-02T06:00:00+00:00"
REPORT = {
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
    return processor.post(REPORT | changes, path=PATH, **tokens, **{"X-Request-ID": run})


def without(*names):
    return {name: value for name, value in REPORT.items() if name not in names}


# Valid reports ------------------------------------------------------------------------------------


def test_failure_is_recorded_with_its_details(processor, ana):
    answer = report(processor)
    assert (answer.status_code, answer.content) == (204, b"")
    fetch = Fetch.objects.get()
    assert (fetch.user, fetch.type, fetch.complete) == (ana, "sleep", False)
    assert (fetch.start, fetch.end) == (date(2026, 3, 1), date(2026, 3, 31))
    assert fetch.asked_at == datetime.fromisoformat(ASKED)
    assert (fetch.run, fetch.kind, fetch.status) == ("a-run", "unavailable", 503)
    assert (fetch.collection, fetch.page, fetch.attempts) == ("daily_sleep", 2, 1)


def test_every_range_is_recorded(processor, ana):
    days = [{"start": f"2026-03-0{n}", "end": f"2026-03-0{n}"} for n in (1, 3, 5)]
    report(processor, ranges=days)
    assert [each.start.day for each in Fetch.objects.order_by("start")] == [1, 3, 5]


@pytest.mark.parametrize("kind", FAILURE_KINDS)
def test_every_kind_of_failure_is_recorded(processor, ana, kind):
    assert report(processor, kind=kind).status_code == 204
    assert Fetch.objects.get().kind == kind


def test_details_of_failure_are_optional(processor, ana):
    body = without("user", "asked_at", "status", "collection", "page")
    assert processor.post(body, path=PATH).status_code == 204
    fetch = Fetch.objects.get()
    assert (fetch.status, fetch.collection, fetch.page) == (None, "", None)
    assert timezone.now() - fetch.asked_at < timedelta(minutes=1)


def test_failure_deletes_no_row(processor, ana):
    store_days(ana, ["2026-03-01"], at=datetime(2026, 4, 1, 6, tzinfo=UTC))
    report(processor)
    assert SleepMetric.objects.exists()


def test_report_with_several_ranges_is_one_failure_of_run(processor, ana):
    report(processor, ranges=[MARCH, {"start": "2026-01-01", "end": "2026-01-31"}])
    run = Run.objects.get()
    assert (run.user, run.request_id, run.failures) == (ana, "a-run", 1)


def test_reports_of_one_run_are_added_up(processor, ana):
    report(processor)
    report(processor, type="activity")
    assert Run.objects.get().failures == 2


def test_reports_of_two_runs_are_counted_separately(processor, ana):
    report(processor)
    report(processor, run="another-run")
    assert {run.request_id: run.failures for run in Run.objects.all()} == {
        "a-run": 1,
        "another-run": 1,
    }


def test_failure_raises_ledger_version_only(processor, ana):
    report(processor)
    before = Stream.objects.get()
    report(processor)
    after = Stream.objects.get()
    assert after.ledger_version > before.ledger_version
    assert after.version == before.version


def test_failures_are_counted_by_type_and_kind(processor, ana):
    name, labels = "myhealth_read_failures_total", {"type": "readiness", "kind": "bad_answer"}
    before = processor.sample(name, **labels)
    report(processor, type="readiness", kind="bad_answer")
    assert processor.sample(name, **labels) == before + 1


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
def test_invalid_field_is_named_and_nothing_recorded(processor, ana, field, value):
    answer = report(processor, **{field: value})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Fetch.objects.exists()
    assert not Run.objects.exists()


@pytest.mark.parametrize("field", ["type", "ranges", "kind"])
def test_missing_required_field_is_named(processor, ana, field):
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
def test_invalid_range_is_named_by_index_and_none_recorded(processor, ana, bad, field):
    answer = report(processor, ranges=[MARCH, bad])
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
    assert not Fetch.objects.exists()


@pytest.mark.parametrize(("number", "status"), [(MAX_RANGES, 204), (MAX_RANGES + 1, 400)])
def test_report_has_at_most_thousand_ranges(processor, ana, number, status):
    assert report(processor, ranges=[MARCH] * number).status_code == status


def test_error_for_unknown_kind_lists_valid_ones(processor, ana):
    [message] = report(processor, kind="bad luck").json()["errors"]["kind"]
    assert all(kind in message for kind in FAILURE_KINDS)


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"{"])
def test_body_other_than_object_is_400(processor, ana, body):
    answer = processor.post(body, path=PATH)
    assert answer.status_code == 400
    assert answer.json()["detail"]


@pytest.mark.parametrize("token", ["", "wrong", "control-token-for-tests"])
def test_report_without_valid_token_is_401_and_not_recorded(processor, ana, token):
    assert report(processor, token=token).status_code == 401
    assert not Fetch.objects.exists()


def test_user_is_required_with_two_accounts(processor, ana, ben):
    answer = processor.post(without("user"), path=PATH)
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_user")


def test_unknown_user_is_an_error(processor, ana):
    answer = report(processor, user="nobody")
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_user")
    assert not Fetch.objects.exists()


def test_report_beyond_possible_days_is_clamped(processor, ana):
    for _ in range(2):
        answer = report(processor, ranges=[{"start": "0001-01-01", "end": "9999-12-31"}])
        assert answer.status_code == 204
    assert processor.get("/api/v1/metrics/ledger", user="ana").status_code == 200
