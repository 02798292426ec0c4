"""Whatever is sent to the admin's pages, no answer is a 500."""

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME

from tests.odd_input.admins import address, admins, offered
from tests.odd_input.values import IN_URL, Sender, Turns, filled, has_parameter, routes
from tests.scale import full_only

pytestmark = pytest.mark.django_db(transaction=True)
FORM = "application/x-www-form-urlencoded"
EVERY_LIST = ["q", "o", "p", "e", "all", "_facets", "_popup", "_to_field", "_changelist_filters"]


@pytest.fixture
def sender(admin, rows):
    return Sender(admin)


def admin_routes():
    return [route for route in routes() if route.startswith("/admin/")]


@full_only
def test_odd_parameters_of_lists_are_answered(sender):
    some = Turns(1)
    for each in admins():
        for name in [*EVERY_LIST, *offered(sender.client, each)]:
            for value in some(IN_URL):
                sender.send("GET", address(each), f"{name}={value}&_facets=True")
    assert sender.failed == []
    assert sender.statuses == {200, 302, 400}


def test_odd_keys_in_addresses_are_answered(sender):
    for route in filter(has_parameter, admin_routes()):
        for value in Turns(4)(IN_URL):
            sender.send("GET", filled(route, value))
            sender.send("POST", filled(route, value), body=b"post=yes")
    assert sender.failed == []


@full_only
def test_odd_parameters_of_pages_are_answered(sender):
    some = Turns(1)
    for route in admin_routes():
        for name in ("_to_field", "_popup", "next", "page", "year", "_changelist_filters"):
            for value in some(IN_URL):
                sender.send("GET", filled(route, "1"), f"{name}={value}")
    assert sender.failed == []


def test_empty_field_of_key_is_no_field(sender, ana):
    answer = sender.send("GET", f"/admin/accounts/user/{ana.pk}/change/", "_to_field=")
    assert answer.status_code == 200


def test_odd_actions_are_answered(sender):
    some = Turns(3)
    for each in admins():
        actions = [*(each.actions or ()), "delete_selected"]
        for value in some(IN_URL):
            for action in (*actions, value):
                body = f"action={action}&{ACTION_CHECKBOX_NAME}={value}&index=0&select_across=0"
                sender.send("POST", address(each), body=body.encode(), content_type=FORM)
            body = (
                f"action={actions[0]}&{ACTION_CHECKBOX_NAME}=1&select_across={value}&index={value}"
            )
            sender.send("POST", address(each), body=body.encode(), content_type=FORM)
    assert sender.failed == []


def test_odd_lookups_of_autocomplete_are_answered(sender):
    names = ["app_label", "model_name", "field_name", "term", "page"]
    for index in range(len(names)):
        for value in Turns(8)(IN_URL):
            given = ["ingest", "run", "user", "a", "1"]
            given[index] = value
            query = "&".join(f"{each}={text}" for each, text in zip(names, given, strict=True))
            sender.send("GET", "/admin/autocomplete/", query)
    assert sender.failed == []


@full_only
@pytest.mark.parametrize("page", ["add/", "{}/change/", "{}/password/"])
def test_odd_fields_of_accounts_are_answered(sender, ana, page):
    route = f"/admin/accounts/user/{page.format(ana.pk)}"
    shown = sender.client.get(route).context
    for name in (shown.get("form") or shown["adminform"].form).fields:
        for value in Turns(5)(IN_URL):
            form = f"username=zoe&time_zone=UTC&{name}={value}&{name}_0={value}&{name}_1={value}"
            sender.send("POST", route, body=form.encode(), content_type=FORM)
    assert sender.failed == []
