"""Who may view the lists and the coverage."""

import pytest
from django.test import Client

from tests.ingest.admin.pages import COVERAGE, LISTS, allow, fetched, ran, revised

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", [f"/admin/ingest/{name}/" for name in LISTS] + [COVERAGE])
def test_others_than_staff_are_sent_to_login(path, ana):
    client = Client()
    client.force_login(ana)
    assert client.get(path).headers["Location"] == f"/admin/login/?next={path}"


def test_coverage_of_person_is_for_staff_only(ana):
    path = f"{COVERAGE}{ana.pk}/"
    assert Client().get(path).headers["Location"] == f"/admin/login/?next={path}"


@pytest.mark.parametrize("name", LISTS)
def test_staff_need_permission_to_view_list(staff, name):
    assert staff.get(f"/admin/ingest/{name}/").status_code == 403


def test_staff_need_permission_to_view_coverage(staff, ana):
    assert staff.get(COVERAGE).status_code == 403
    assert staff.get(f"{COVERAGE}{ana.pk}/").status_code == 403


def test_permission_to_view_fetches_opens_coverage(staff, ana, ben):
    allow(ben, "fetch")
    assert staff.get(COVERAGE).status_code == 200
    assert staff.get(f"{COVERAGE}{ana.pk}/").status_code == 200


@pytest.mark.parametrize("service", ["processor", "sandbox"])
def test_only_api_process_has_coverage(admin, ana, settings, service):
    settings.ROOT_URLCONF = f"myhealth.urls.{service}"
    assert admin.get(COVERAGE).status_code == 404


@pytest.mark.parametrize("make", [ran, fetched, revised])
def test_rows_are_read_only(admin, ana, make):
    row = make(ana)
    folder = f"/admin/ingest/{row._meta.model_name}/"
    assert admin.get(f"{folder}add/").status_code == 403
    assert admin.post(f"{folder}{row.pk}/change/", {}).status_code == 403
    assert admin.post(f"{folder}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert type(row).objects.filter(pk=row.pk).exists()
