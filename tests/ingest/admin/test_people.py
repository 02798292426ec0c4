"""Filtering by person."""

import pytest

from ingest.admin_filters import MAX_PEOPLE
from tests.ingest.admin.pages import LISTS, fetched, found, ran, revised
from tests.worlds import person

pytestmark = pytest.mark.django_db


def choices(client, path):
    [spec] = [each for each in client.get(path).context["cl"].filter_specs if each.title == "user"]
    return [name for _, name in spec.lookup_choices]


def crowd(django_user_model):
    users = [django_user_model(username=f"person{n:03}") for n in range(MAX_PEOPLE)]
    django_user_model.objects.bulk_create(users)
    for user in users:
        ran(user)


def test_user_filter_offers_people_with_rows(admin, ana, ben):
    ran(ana)
    assert choices(admin, "/admin/ingest/run/") == ["ana"]


@pytest.mark.parametrize("name", LISTS)
def test_filter_by_person_without_rows_shows_none(admin, ana, ben, name):
    {"run": ran, "fetch": fetched, "revision": revised}[name](ben)
    assert found(admin, name, user__id__exact=ana.pk) == []


def test_filter_by_unknown_person_shows_none(admin, django_user_model):
    crowd(django_user_model)
    ran(person("zoe", "ana"))
    assert found(admin, "run", user__id__exact=0) == []


def test_user_filter_among_many_offers_chosen_person(admin, ana, django_user_model):
    wanted = ran(ana)
    crowd(django_user_model)
    path = f"/admin/ingest/run/?user__id__exact={ana.pk}"
    assert choices(admin, path) == ["ana"]
    assert list(admin.get(path).context["cl"].result_list) == [wanted]


def test_search_finds_person_among_many(admin, ana, django_user_model):
    wanted = ran(ana)
    crowd(django_user_model)
    assert found(admin, "run", q="ana") == [wanted]
