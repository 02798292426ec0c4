"""GET /api/v1/days/{day}."""

import datetime

import pytest

from ingest.models import METRIC_MODELS, MetricSource, Revision
from myhealth.states import Cause
from tests.worlds import fetch_completely, reject_document, store_days

pytestmark = pytest.mark.django_db
DAY = "2026-03-02"
OVER = datetime.datetime(2026, 3, 4, 12, tzinfo=datetime.UTC)


def store_version(user, score, type="sleep", *, days=0, **columns):
    """Store the day as fetched this number of days after it was over."""
    at = OVER + datetime.timedelta(days=days)
    store_days(user, [DAY], type, at=at, score=score, **columns)


def revisions(api):
    return api.get(f"days/{DAY}").json()["revisions"]


def test_day_has_same_rows_as_routes_of_types(ana, api):
    store_days(ana, [DAY], score=70, contributors={"latency": 90})
    store_days(ana, ["2026-03-03"])
    store_days(ana, [DAY], "readiness", temperature_deviation=0.25)
    body = api.get(f"days/{DAY}").json()
    span = {"start": DAY, "end": DAY}
    assert body["day"] == DAY
    assert [body["sleep"]] == api.get("sleep", **span).json()
    assert [body["readiness"]] == api.get("readiness", **span).json()
    assert body["activity"] is None


def test_day_has_state_and_reason_of_each_type(ana, api):
    store_days(ana, [DAY])
    fetch_completely(ana, DAY, DAY, ["activity"], at=OVER - datetime.timedelta(days=2))
    body = api.get(f"days/{DAY}").json()
    not_asked = {"state": "not_asked", "reason": "myhealth has not asked Oura yet."}
    assert body["coverage"] == {
        **dict.fromkeys(METRIC_MODELS, not_asked),
        "sleep": {"state": "held", "reason": None},
        "activity": {"state": "not_synced", "reason": Cause.EARLY.label},
    }


def test_changed_day_has_earlier_version(ana, api):
    store_version(ana, 70, source={"daily_sleep": None, "sleep": [{"type": "long_sleep"}]})
    store_version(ana, 75, days=1, source={"daily_sleep": {}, "sleep": [{"type": "long_sleep"}]})
    [only] = revisions(api)
    assert list(only)[:5] == ["type", "kind", "replaced_at", "fetched_at", "times"]
    assert list(only)[5:] == ["changes", "notes", "values", "source"]
    assert (only["type"], only["kind"], only["times"]) == ("sleep", "changed", 1)
    assert (only["fetched_at"], only["replaced_at"]) == (
        "2026-03-04T12:00:00+00:00",
        "2026-03-05T12:00:00+00:00",
    )
    assert only["changes"] == {"score": [70, 75]}
    assert only["notes"] == ["summary added"]
    assert only["values"]["score"] == 70
    assert only["source"] == {"daily_sleep": None, "sleep": [{"type": "long_sleep"}]}


def test_revision_without_source_is_null(ana, api):
    store_version(ana, 70)
    store_version(ana, 75, days=1)
    assert revisions(api)[0]["source"] is None


def test_revisions_of_all_types_are_newest_first(ana, api):
    for days, score, type_ in ((0, 1, "sleep"), (0, 1, "activity"), (1, 2, "sleep")):
        store_version(ana, score, type_, days=days)
    store_version(ana, 3, "activity", days=2)
    store_version(ana, 4, days=3)
    assert [(each["type"], each["values"]["score"]) for each in revisions(api)] == [
        ("sleep", 2),
        ("activity", 1),
        ("sleep", 1),
    ]


def test_version_replaced_twice_is_listed_once(ana, api):
    for days, score in enumerate((70, 75, 70, 75)):
        store_version(ana, score, days=days)
    versions = [(each["values"]["score"], each["times"]) for each in revisions(api)]
    assert versions == [(70, 2), (75, 1)]


def test_removed_day_has_revision_and_no_row(ana, api):
    store_version(ana, 70)
    store_days(ana, ["2026-03-05"], id=f"ana sleep {DAY}")
    body = api.get(f"days/{DAY}").json()
    assert body["sleep"] is None
    assert [(each["kind"], each["changes"]) for each in body["revisions"]] == [("removed", {})]


def test_revisions_of_other_people_are_hidden(ana, ben, api):
    store_version(ben, 70)
    store_version(ben, 75, days=1)
    assert Revision.objects.count() == 1
    body = api.get(f"days/{DAY}").json()
    assert (body["sleep"], body["revisions"]) == (None, [])
    assert body["coverage"]["sleep"]["state"] == "not_asked"


def test_day_has_warnings_of_each_type(ana, ben, api):
    warnings = {"efficiency": ["'101' is not valid; expected a whole number from 0 to 100."]}
    for user in (ana, ben):
        store_version(user, 70, source={"sleep": []})
    MetricSource.objects.filter(user=ana).update(warnings=warnings)
    body = api.get(f"days/{DAY}").json()
    assert body["warnings"] == {**dict.fromkeys(METRIC_MODELS, {}), "sleep": warnings}


def test_day_without_warnings_has_none(ana, ben, api):
    store_version(ben, 70, source={"sleep": []})
    MetricSource.objects.update(warnings={"efficiency": ["wrong"]})
    store_version(ana, 70, source={"sleep": []})
    assert api.get(f"days/{DAY}").json()["warnings"] == dict.fromkeys(METRIC_MODELS, {})


def test_stored_day_may_have_reason(ana, api):
    store_version(ana, 70)
    reject_document(ana, DAY)
    assert api.get(f"days/{DAY}").json()["coverage"]["sleep"] == {
        "state": "held",
        "reason": Cause.NEWER_REJECTED.label,
    }


@pytest.mark.parametrize("day", ["2026-02-30", "20260302", "today", "2026-3-2", "2026-W09-7"])
def test_invalid_day_is_an_error(api, day):
    answer = api.get(f"days/{day}")
    assert answer.status_code == 400
    assert "expected YYYY-MM-DD" in answer.json()["errors"]["day"][0]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_any_valid_day_is_accepted(api, day):
    assert api.get(f"days/{day}").json()["coverage"]["sleep"]["state"] == "not_asked"


def test_unknown_parameter_is_an_error(api):
    answer = api.get(f"days/{DAY}", start=DAY)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["start"])


def test_etag_differs_by_day(api):
    etags = {api.get(f"days/{day}").headers["ETag"] for day in (DAY, "2026-03-03")}
    assert len(etags) == 2


def test_etag_changes_when_day_changes(ana, api):
    store_version(ana, 70)
    etag = api.get(f"days/{DAY}").headers["ETag"]
    assert api.get(f"days/{DAY}", headers={"If-None-Match": etag}).status_code == 304
    store_version(ana, 75, days=1)
    assert api.get(f"days/{DAY}", headers={"If-None-Match": etag}).status_code == 200
