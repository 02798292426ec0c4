"""The admin's lists are filtered only by what they offer: hidden columns can't be asked about."""

import pytest
from django.contrib import admin as site
from django.db.models.constants import LOOKUP_SEP

from myhealth.admin import CheckedAdmin
from tests.odd_input.admins import address, admins, offered
from tests.odd_input.values import Turns
from tests.scale import full_only

pytestmark = pytest.mark.django_db
LOOKUPS = ["", "__startswith", "__contains", "__regex", "__gt", "__isnull", "__in"]


def paths(model, depth=2):
    """Yield all fields of a model, and those of the models that they lead to."""
    for field in model._meta.get_fields():
        yield field.name
        if field.is_relation and field.related_model and depth > 1:
            for further in paths(field.related_model, depth - 1):
                yield f"{field.name}{LOOKUP_SEP}{further}"


def test_all_lists_are_checked():
    site.autodiscover()
    assert [
        str(each) for each in site.site._registry.values() if not isinstance(each, CheckedAdmin)
    ] == []


@full_only
def test_lists_can_be_filtered_by_what_they_offer(admin, rows):
    for each in admins():
        for name in offered(admin, each):
            assert admin.get(address(each), {name: "1"}).status_code in (200, 302)


@full_only
def test_lists_refuse_all_other_lookups(admin, rows):
    some = Turns(1)
    allowed = []
    for each in admins():
        of_filters = offered(admin, each)
        for path in paths(each.model):
            for lookup in some(LOOKUPS):
                name = path + lookup
                if (
                    name not in of_filters
                    and admin.get(address(each), {name: "1"}).status_code != 400
                ):
                    allowed.append((each.opts.model_name, name))
    assert allowed == []


@pytest.mark.parametrize(
    ("model", "lookup"),
    [
        ("oura/connection", "refresh_token__contains"),
        ("oura/connection", "oura_user_id__startswith"),
        ("oura/connection", "user__password__startswith"),
        ("ingest/run", "user__oura_connection__access_token__contains"),
        ("ingest/run", "user__is_superuser"),
        ("ingest/sleepmetric", "day__gte"),
        ("ingest/revision", "content__contains"),
        ("accounts/user", "password__startswith"),
        ("accounts/user", "oura_connection__refresh_token__isnull"),
        ("accounts/origin", "owner__startswith"),
    ],
)
def test_hidden_column_is_400(admin, model, lookup):
    assert admin.get(f"/admin/{model}/", {lookup: "a"}).status_code == 400


def test_date_of_hierarchy_does_not_let_other_dates_in(admin):
    query = {"day__year": "2026", "day__month": "3"}
    assert admin.get("/admin/ingest/sleepmetric/", query).status_code == 200
    assert admin.get("/admin/ingest/sleepmetric/", query | {"score__gte": 1}).status_code == 400
