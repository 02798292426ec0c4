"""Connecting and letting go, by the pages that people use."""

import pytest
from django.test import Client

from oura import vault
from oura.models import Connection
from oura.provider import SCOPES
from tests.sandbox.consent import agree

pytestmark = pytest.mark.django_db


class Visitor:
    """Somebody who is signed in, with the pages about Oura at hand."""

    def __init__(self, user):
        self.http = Client(enforce_csrf_checks=False)
        self.http.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def begin(self):
        answer = self.http.post("/connect/oura/")
        assert answer.status_code == 302
        return answer.headers["Location"]

    def come_back(self, location):
        return self.http.get("/connect/oura/callback?" + location.partition("?")[2], follow=True)

    def connect(self, **consent):
        return self.come_back(agree(self.begin(), **consent))

    def page(self):
        return self.http.get("/account/").content.decode()


@pytest.fixture
def visitor(ana, at_oura):
    return Visitor(ana)


def code_of(answer):
    text = answer.content.decode()
    return text.partition('data-code="')[2].partition('"')[0]


def test_connecting_leads_back_to_the_account_page(visitor, ana):
    answer = visitor.connect()
    assert answer.redirect_chain == [("/account/", 302)]
    assert "Your history is on its way" in answer.content.decode()
    held = Connection.objects.get()
    assert (held.user, held.scopes) == (ana, list(SCOPES))
    assert "Connected since" in visitor.page()


def test_denied_consent_changes_nothing_and_is_told(visitor):
    answer = visitor.connect(decision="deny")
    assert (answer.status_code, code_of(answer)) == (400, "denied")
    assert not Connection.objects.exists()


def test_a_scope_that_was_not_granted_is_told(visitor):
    answer = visitor.connect(granted=["personal"])
    names = ", ".join(sorted({*SCOPES} - {"personal"}))
    assert f"did not allow: {names}." in answer.content.decode()
    assert f"You didn't share {names}." in visitor.page()


def test_an_answer_is_believed_once(visitor):
    location = agree(visitor.begin())
    visitor.come_back(location)
    assert code_of(visitor.come_back(location)) == "expired"


def test_an_answer_for_another_visit_is_refused(visitor, ben):
    location = agree(visitor.begin())
    other = Visitor(ben)
    other.begin()
    assert code_of(other.come_back(location)) == "state"
    assert not Connection.objects.exists()


def test_an_answer_of_another_issuer_is_refused(visitor):
    location = agree(visitor.begin()).replace("iss=http", "iss=https")
    assert code_of(visitor.come_back(location)) == "issuer"


def test_a_code_that_was_used_is_told(visitor, at_oura):
    location = agree(visitor.begin())
    forged = location.replace("code=", "code=x")
    assert code_of(visitor.come_back(forged)) == "expired"


def test_an_oura_that_does_not_answer_is_told_and_can_be_tried_again(visitor, at_oura):
    at_oura.control("faults", fault="server_error", path="token")
    assert code_of(visitor.connect()) == "unavailable"
    assert visitor.connect().redirect_chain == [("/account/", 302)]


def test_a_lapsed_membership_is_told(visitor, at_oura):
    at_oura.control("membership", name="ana", active=False)
    answer = visitor.connect()
    assert code_of(answer) == "forbidden"
    assert "renew your membership" in answer.content.decode()


def test_an_oura_account_belongs_to_one_person(visitor, ben):
    visitor.connect(person="ana")
    answer = Visitor(ben).connect(person="ana")
    assert code_of(answer) == "anothers"
    assert Connection.objects.get().user.username == "ana"


def test_a_person_is_not_connected_to_two_oura_accounts(visitor):
    visitor.connect(person="ana")
    assert code_of(visitor.connect(person="chloe")) == "anothers"
    assert Connection.objects.get().ended == ""


def test_disconnecting_revokes_at_oura_and_forgets(visitor, at_oura):
    visitor.connect()
    token = vault.unseal(Connection.objects.get().access_token)
    answer = visitor.http.post("/disconnect/oura/", follow=True)
    assert "Disconnected. Your days stay here" in answer.content.decode()
    assert at_oura.get("daily_sleep", token).status_code == 401
    assert not Connection.objects.exists()


def test_disconnecting_while_oura_is_away_forgets_and_says_what_is_left(visitor, settings):
    visitor.connect()
    settings.OURA_REVOKE_URL = "http://127.0.0.1:9/revoke"
    answer = visitor.http.post("/disconnect/oura/", follow=True)
    assert "Oura did not confirm" in answer.content.decode()
    assert not Connection.objects.exists()


def test_reconnecting_replaces_the_tokens(visitor, at_oura):
    visitor.connect()
    before = bytes(Connection.objects.get().access_token)
    at_oura.control("grants/revoke", name="ana")
    visitor.connect()
    held = Connection.objects.get()
    assert (held.ended, bytes(held.access_token) == before) == ("", False)


def test_without_an_application_people_are_led_through_making_one(ana, settings):
    settings.OURA_CLIENT_ID = ""
    settings.PUBLIC_URL = "http://localhost:8000"
    visitor = Visitor(ana)
    assert "Set up the connection" in visitor.page()
    told = visitor.http.get("/connect/oura/register").content.decode()
    assert "http://localhost:8000/connect/oura/callback" in told


def test_nobody_connects_without_signing_in(db):
    assert Client().post("/connect/oura/").headers["Location"].startswith("/accounts/login/")


def test_a_link_alone_connects_and_disconnects_nothing(visitor):
    assert visitor.http.get("/connect/oura/").status_code == 405
    assert visitor.http.get("/disconnect/oura/").status_code == 405


def test_the_admin_shows_connections_without_tokens_and_ends_them(visitor, ana, at_oura):
    visitor.connect()
    held = Connection.objects.get()
    token = vault.unseal(held.access_token)
    ana.is_staff = ana.is_superuser = True
    ana.save()
    shown = visitor.http.get(f"/admin/oura/connection/{held.pk}/change/").content.decode()
    assert "connected" in shown
    assert token not in shown
    assert bytes(held.access_token).decode() not in shown
    body = {"action": "disconnect", "_selected_action": [held.pk]}
    visitor.http.post("/admin/oura/connection/", body)
    assert not Connection.objects.exists()
    assert at_oura.get("daily_sleep", token).status_code == 401
