"""Staff who are no superusers can't raise themselves, nor harm those who have rights."""

import html
import re
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import Group, Permission
from django.db.models.signals import pre_save
from django.test import Client

from accounts.models import User
from tests.worlds import person

pytestmark = pytest.mark.django_db
USERS = "/admin/accounts/user/"
FIELDS = {
    "username": "ben",
    "time_zone": "UTC",
    "temperature_unit": "°C",
    "distance_unit": "km",
    "clock_hours": "24",
    "first_weekday": "1",
    "is_active": "on",
}
PASSWORD = "a password of one's own"
NEW_PASSWORD = {"usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}


class Form(HTMLParser):
    """What a browser sends of a page's forms if nothing in them is changed."""

    def __init__(self, page):
        super().__init__()
        self.fields, self.select = {}, ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        held = dict(attributes)
        if tag == "select":
            self.select = held["name"]
        elif tag == "option" and "selected" in held:
            self.add(self.select, held["value"])
        elif tag == "input" and held.get("type") == "checkbox":
            if "checked" in held:
                self.add(held["name"], "on")
        elif tag == "input" and "name" in held and held.get("type") != "submit":
            self.add(held["name"], held.get("value", ""))

    def add(self, name, value):
        self.fields.setdefault(name, []).append(value)


def change(browser, user, meanwhile=lambda: None, without=(), **changes):
    """Change some fields of the admin's form, in which others may do something meanwhile."""
    path = f"{USERS}{user.pk}/change/"
    fields = Form(browser.get(path).content.decode()).fields
    meanwhile()
    sent = {name: value for name, value in fields.items() if name not in without}
    assert browser.post(path, sent | changes).status_code == 302


def load(user):
    return User.objects.get(pk=user.pk)


def columns(user):
    return {name: value for name, value in vars(user).items() if not name.startswith("_")}


def with_rights(name, **rights):
    user = person(name, password_of="ben")
    User.objects.filter(pk=user.pk).update(**rights)
    return load(user)


@pytest.fixture
def staff(db):
    """Someone who may do everything with accounts, but is no superuser."""
    user = with_rights("staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__model="user"))
    return user


@pytest.fixture
def browser(staff):
    made = Client(REMOTE_ADDR="198.51.100.7")
    made.force_login(staff)
    return made


@pytest.fixture(params=["is_staff", "is_superuser"])
def protected(request, db):
    return with_rights("protected", **{request.param: True})


def every_right():
    every = [str(pk) for pk in Permission.objects.values_list("pk", flat=True)]
    return {
        "is_staff": "on",
        "is_superuser": "on",
        "user_permissions": every,
        "groups": [str(Group.objects.create(name="all").pk)],
    }


def rights(user):
    held = load(user)
    permissions = set(held.user_permissions.values_list("codename", flat=True))
    return held.is_staff, held.is_superuser, permissions, held.groups.count()


def test_staff_change_and_disable_people_without_rights(browser, ben):
    change(browser, ben, without=["is_active"], time_zone="Europe/Berlin")
    assert (load(ben).time_zone, load(ben).is_active) == ("Europe/Berlin", False)


def test_staff_give_no_rights_to_themselves(browser, staff):
    before = rights(staff)
    fields = {**FIELDS, "username": "staff", "first_name": "S", **every_right()}
    assert browser.post(f"{USERS}{staff.pk}/change/", fields).status_code == 302
    assert load(staff).first_name == "S"
    assert rights(staff) == before


def test_staff_give_no_rights_to_others(browser, ben):
    browser.post(f"{USERS}{ben.pk}/change/", {**FIELDS, "first_name": "B", **every_right()})
    assert load(ben).first_name == "B"
    assert rights(ben) == (False, False, set(), 0)


def test_staff_add_accounts_without_rights(browser):
    fields = {"username": "chloe", "time_zone": "UTC", **NEW_PASSWORD, **every_right()}
    assert browser.post(f"{USERS}add/", fields).status_code == 302
    assert rights(User.objects.get(username="chloe")) == (False, False, set(), 0)


def test_saving_as_new_copies_no_rights(browser, protected):
    fields = {"username": "chloe", "time_zone": "UTC", **NEW_PASSWORD, **every_right()}
    browser.post(f"{USERS}{protected.pk}/change/", {**fields, "_saveasnew": "1"})
    assert rights(User.objects.get(username="chloe")) == (False, False, set(), 0)
    assert columns(load(protected)) == columns(protected)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("change/", {**FIELDS, "username": "renamed"}),
        ("change/?_popup=1", {"username": "protected", "time_zone": "UTC"}),
        ("password/", NEW_PASSWORD),
        ("password/", {**NEW_PASSWORD, "usable_password": "false", "unset-password": "1"}),
        ("delete/", {"post": "yes"}),
    ],
)
def test_staff_change_nobody_with_rights(browser, protected, path, fields):
    assert browser.post(f"{USERS}{protected.pk}/{path}", fields).status_code == 403
    assert columns(load(protected)) == columns(protected)


@pytest.mark.parametrize("path", ["password/", "delete/"])
def test_staff_see_no_form_for_people_with_rights(browser, protected, path):
    assert browser.get(f"{USERS}{protected.pk}/{path}").status_code == 403


@pytest.mark.parametrize("action", ["delete_selected", "sign_out_everywhere"])
def test_no_action_reaches_people_with_rights(browser, protected, ben, action):
    fields = {"action": action, "_selected_action": [protected.pk, ben.pk], "post": "yes"}
    browser.post(USERS, fields)
    assert load(protected).token_version == 0
    assert User.objects.filter(pk=ben.pk).exists()


def test_list_of_accounts_can_not_be_edited(browser, protected, ben):
    fields = {
        "form-TOTAL_FORMS": "1",
        "form-INITIAL_FORMS": "1",
        "form-0-id": str(ben.pk),
        "form-0-is_staff": "on",
        "_save": "Save",
    }
    browser.post(USERS, fields)
    assert rights(ben) == (False, False, set(), 0)


@pytest.mark.parametrize("path", ["", "{pk}/change/", "{pk}/history/", "add/"])
def test_other_pages_of_accounts_still_work(browser, protected, path):
    assert browser.get(USERS + path.format(pk=protected.pk)).status_code == 200


@pytest.mark.parametrize("model", ["auth/group", "auth/permission", "accounts/tokenfamily"])
def test_admin_has_no_other_way_to_rights(admin, model):
    assert admin.get(f"/admin/{model}/").status_code == 404


def test_superuser_gives_and_takes_rights(admin, ben):
    permission = Permission.objects.get(codename="change_user")
    change(admin, ben, is_staff="on", user_permissions=[permission.pk])
    assert rights(ben) == (True, False, {"change_user"}, 0)
    change(admin, ben, without=["is_staff", "user_permissions"])
    assert rights(ben) == (False, False, set(), 0)


def test_admin_form_undoes_no_change_meanwhile(admin, ben):
    def elsewhere(**_):
        User.objects.filter(pk=ben.pk).update(is_active=False, password="new")

    pre_save.connect(elsewhere, sender=User)
    try:
        change(admin, ben, first_name="B")
    finally:
        pre_save.disconnect(elsewhere, sender=User)
    held = load(ben)
    assert (held.first_name, held.is_active, held.password) == ("B", False, "new")


@pytest.mark.parametrize("right", ["is_active", "is_staff", "is_superuser"])
def test_admin_form_open_meanwhile_gives_no_right_back(admin, ben, right):
    User.objects.filter(pk=ben.pk).update(**{right: True})
    change(
        admin,
        ben,
        meanwhile=lambda: User.objects.filter(pk=ben.pk).update(**{right: False}),
        first_name="B",
    )
    assert (load(ben).first_name, getattr(load(ben), right)) == ("B", False)


def test_admin_form_open_meanwhile_keeps_other_changes(admin, ben):
    changes = {"username": "benno", "email": "b@example.org", "time_zone": "Europe/Berlin"}
    change(
        admin,
        ben,
        meanwhile=lambda: User.objects.filter(pk=ben.pk).update(**changes),
        last_name="B",
    )
    held = columns(load(ben))
    assert {**held, **changes, "last_name": "B"} == held


@pytest.mark.parametrize("changes", [{}, {"first_name": "B"}, {"user_permissions": ["{}", "{}"]}])
def test_admin_form_open_meanwhile_gives_no_permission_back(admin, ben, changes):
    taken, given, chosen = Permission.objects.all()[:3]
    ben.user_permissions.add(taken)
    if "user_permissions" in changes:
        changes = {"user_permissions": [taken.pk, chosen.pk]}
    change(admin, ben, meanwhile=lambda: ben.user_permissions.set([given]), **changes)
    expected = {given, chosen} if "user_permissions" in changes else {given}
    assert set(ben.user_permissions.all()) == expected


def test_superuser_sets_passwords(admin, ben):
    assert admin.post(f"{USERS}{ben.pk}/password/", NEW_PASSWORD).status_code == 302
    assert load(ben).check_password(PASSWORD)


def test_superuser_signs_people_out_everywhere(admin, ben, ana):
    fields = {"action": "sign_out_everywhere", "_selected_action": [ben.pk]}
    answer = admin.post(USERS, fields, follow=True)
    assert "Signed out 1 of 1 accounts everywhere." in answer.content.decode()
    assert (load(ben).token_version, load(ana).token_version) == (1, 0)


def test_admin_refuses_names_that_are_folders(admin):
    for name in (".", ".."):
        fields = {"username": name, "time_zone": "UTC", **NEW_PASSWORD}
        assert admin.post(f"{USERS}add/", fields).status_code == 200
    assert not User.objects.filter(username__startswith=".").exists()


@pytest.mark.parametrize("path", ["add/", "{pk}/change/"])
def test_form_offers_the_time_zones(admin, ben, path):
    page = admin.get(USERS + path.format(pk=ben.pk)).content.decode()
    [field] = re.findall(r'<input[^>]* name="time_zone"[^>]*>', page)
    offered = page.split('<datalist id="time-zones">')[1].split("</datalist>")[0]
    assert 'list="time-zones"' in field
    assert {"Europe/Berlin", "UTC"} < set(re.findall(r'value="(.*?)"', offered))


def test_unknown_time_zone_is_refused_with_a_hint(admin, ben):
    fields = {"username": "ben", "time_zone": "Berlin"}
    page = admin.post(f"{USERS}{ben.pk}/change/", fields).content.decode()
    assert "Berlin is not a time zone; use a name such as Europe/Berlin." in page


def test_admin_says_what_to_tell_a_new_person(admin, settings):
    settings.PUBLIC_URL = "https://health.example"
    fields = {"username": "chloe", "time_zone": "UTC", **NEW_PASSWORD}
    page = admin.post(f"{USERS}add/", fields, follow=True).content.decode()
    assert "Tell chloe to sign in at https://health.example/ with the user name chloe" in page
    assert PASSWORD not in html.unescape(page)


def test_permissions_are_shown_to_superusers_only(browser, admin, ben):
    path = f"{USERS}{ben.pk}/change/"
    assert "user_permissions" in admin.get(path).content.decode()
    assert "is_superuser" not in browser.get(path).content.decode()
    assert 'name="is_active"' in browser.get(path).content.decode()
