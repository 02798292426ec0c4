"""The list of types, and of routes."""

import pytest
from django.utils import timezone

from metrics import TYPES
from oura.models import Connection
from tests.worlds import days_ago, store_days

pytestmark = pytest.mark.django_db


def type_named(api, name="sleep"):
    return next(each for each in api.get("types").json() if each["name"] == name)


def column(api, name):
    return next(each for each in type_named(api)["columns"] if each["name"] == name)


def connect(user, *scopes):
    return Connection.objects.create(
        user=user, oura_user_id=user.username, expires_at=timezone.now(), scopes=scopes
    )


def test_types_are_in_the_order_of_the_registry(api):
    assert [each["name"] for each in api.get("types").json()] == list(TYPES)


def test_type_has_its_declared_columns(api):
    activity = type_named(api, "activity")
    assert [each["name"] for each in activity["columns"]] == list(TYPES["activity"].column_names)
    assert (activity["title"], activity["kind"], activity["scope"]) == (
        "Activity",
        "daily",
        "daily",
    )


def test_column_has_label_unit_and_bounds(api):
    assert column(api, "efficiency") == {
        "name": "efficiency",
        "label": "Efficiency",
        "unit": "%",
        "kind": "integer",
        "meaning": "Share of the time in bed spent asleep in the main sleep period",
        "minimum": 0,
        "maximum": 100,
        "contributors": [],
    }


@pytest.mark.parametrize(
    ("name", "kind", "maximum"),
    [
        ("duration", "integer", 2**31 - 1),
        ("average_breath", "number", 1e6),
        ("main_type", "text", None),
        ("bedtime_start", "moment", None),
        ("contributors", "contributors", 100),
    ],
)
def test_column_names_the_kind_of_its_values(api, name, kind, maximum):
    assert (column(api, name)["kind"], column(api, name)["maximum"]) == (kind, maximum)


def test_column_of_contributors_names_them(api):
    assert column(api, "contributors")["contributors"] == list(TYPES["sleep"].contributors)


def test_column_without_label_is_called_by_its_name(api):
    assert column(api, "contributors")["label"] == "Contributors"


def test_days_of_a_type_are_null_without_rows(api):
    assert (type_named(api)["first_day"], type_named(api)["last_day"]) == (None, None)


def test_days_of_a_type_are_those_of_the_caller(api, ana, ben):
    store_days(ana, [days_ago(9), days_ago(5)])
    store_days(ben, [days_ago(30), days_ago(0)])
    answer = type_named(api)
    assert (answer["first_day"], answer["last_day"]) == (str(days_ago(9)), str(days_ago(5)))


def test_new_row_changes_the_etag_of_types(api, ana):
    before = api.get("types").headers["ETag"]
    store_days(ana, [days_ago(1)])
    assert api.get("types").headers["ETag"] != before


def test_types_are_granted_or_not_by_the_connection(api, ana):
    assert type_named(api)["granted"] is None
    connection = connect(ana, "personal")
    assert type_named(api)["granted"] is False
    connection.scopes = ["personal", "daily"]
    connection.save()
    assert type_named(api)["granted"] is True
    connection.delete()
    assert type_named(api)["granted"] is None


def test_connection_of_another_person_grants_nothing(api, ben):
    connect(ben, "daily")
    assert type_named(api)["granted"] is None


def test_changed_scopes_change_the_etag_of_types(api, ana):
    etag = api.get("types").headers["ETag"]
    assert api.get("types", headers={"If-None-Match": etag}).status_code == 304
    connect(ana, "daily")
    assert api.get("types", headers={"If-None-Match": etag}).status_code == 200


def test_type_names_its_series(api):
    assert type_named(api)["series"] == ["night_heart_rate", "night_hrv", "sleep_stage", "movement"]


def test_unknown_parameter_of_types_is_refused(api):
    assert api.get("types", start="2026-01-01").json()["code"] == "invalid"


# Routes -------------------------------------------------------------------------------------------


def test_root_lists_the_documented_routes(client):
    document = client.get("/api/schema/", headers={"Accept": "application/json"}).json()
    listed = client.get("/api/v1/").json()
    documented = [path for path in document["paths"] if path.startswith("/api/v1/")]
    assert sorted(f"/api/v1/{name}" for name in ["", *listed]) == sorted(documented)


def test_root_has_absolute_addresses(client):
    listed = client.get("/api/v1/", headers={"Host": "localhost:8000"}).json()
    assert listed["sleep"] == "http://localhost:8000/api/v1/sleep"
    assert listed["days/{day}"] == "http://localhost:8000/api/v1/days/{day}"


def test_root_of_the_processor_lists_its_routes(client, settings):
    settings.ROOT_URLCONF = "myhealth.urls.processor"
    assert client.get("/api/v1/").json()["ingest"] == "http://testserver/api/v1/ingest"


def test_routes_can_be_clicked_in_the_browsable_api(client):
    page = client.get("/api/v1/", headers={"Accept": "text/html"}).content.decode()
    assert '<a href="http://testserver/api/v1/sleep"' in page


def test_breadcrumbs_lead_to_the_root(signed_in):
    page = signed_in.get("/api/v1/dashboard", headers={"Accept": "text/html"}).content.decode()
    assert '<a href="/api/v1/">API</a>' in page


def test_api_without_a_version_leads_to_the_root(client):
    assert client.get("/api/").headers["Location"] == "/api/v1/"
