"""Connecting and disconnecting, with the pages that people use."""

import pytest
from django.test import Client

from accounts.models import Origin
from oura import vault
from oura.models import Connection
from oura.provider import SCOPES
from tests.sandbox.consent import agree

pytestmark = pytest.mark.django_db


class Visitor:
    """A signed-in person who uses the pages about Oura."""

    def __init__(self, user):
        self.http = Client(enforce_csrf_checks=False)
        self.http.force_login(user)

    def begin(self):
        response = self.http.post("/connect/oura/")
        assert response.status_code == 302
        return response.headers["Location"]

    def come_back(self, location):
        return self.http.get("/connect/oura/callback?" + location.partition("?")[2], follow=True)

    def connect(self, **consent):
        return self.come_back(agree(self.begin(), **consent))

    def page(self):
        return self.http.get("/account/").content.decode()


@pytest.fixture
def visitor(ana, at_oura):
    return Visitor(ana)


def code_of(response):
    text = response.content.decode()
    return text.partition('data-code="')[2].partition('"')[0]


def test_connecting_leads_back_to_the_account_page(visitor, ana):
    response = visitor.connect()
    assert response.redirect_chain == [("/account/", 302)]
    assert 'role="status">Connected.</p>' in response.content.decode()
    connection = Connection.objects.get()
    assert (connection.user, connection.scopes) == (ana, list(SCOPES))
    assert "Connected since" in visitor.page()


def test_denied_consent_connects_nothing(visitor):
    response = visitor.connect(decision="deny")
    assert (response.status_code, code_of(response)) == (400, "denied")
    assert not Connection.objects.exists()


@pytest.mark.parametrize("granted", [["personal"], []])
def test_missing_scope_is_shown(visitor, granted):
    response = visitor.connect(granted=granted)
    assert "Connected, but without your data." in response.content.decode()
    for page in (response.content.decode(), visitor.page()):
        assert page.count("You did not share your") == 1
        assert "starting a collection" not in page.lower()


def test_callback_is_accepted_once(visitor):
    location = agree(visitor.begin())
    visitor.come_back(location)
    assert code_of(visitor.come_back(location)) == "expired"


def test_callback_with_foreign_state_is_refused(visitor, ben):
    location = agree(visitor.begin())
    other = Visitor(ben)
    other.begin()
    assert code_of(other.come_back(location)) == "state"
    assert not Connection.objects.exists()


def test_callback_from_another_issuer_is_refused(visitor):
    location = agree(visitor.begin()).replace("iss=http", "iss=https")
    assert code_of(visitor.come_back(location)) == "issuer"


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_callback_without_promised_issuer_is_refused(visitor, decision):
    location = agree(visitor.begin(), decision=decision)
    before, _, rest = location.partition("iss=")
    without = before + rest.partition("&")[2]
    assert code_of(visitor.come_back(without)) == "issuer"
    assert not Connection.objects.exists()


def test_callback_of_old_provider_needs_no_issuer(visitor, at_oura, settings):
    own = {"client_id": "myhealth-sandbox", "client_secret": "myhealth-sandbox-secret"}
    uris = ["http://localhost:8000/connect/oura/callback"]
    at_oura.control("clients", **own, redirect_uris=uris, portal="old")
    settings.OURA_AUTHORIZE_URL = f"{at_oura.url}/oauth/authorize"
    location = agree(visitor.begin())
    assert "iss=" not in location
    assert visitor.come_back(location).redirect_chain == [("/account/", 302)]


def test_invalid_code_is_reported_as_expired(visitor, at_oura):
    location = agree(visitor.begin())
    forged = location.replace("code=", "code=x")
    assert code_of(visitor.come_back(forged)) == "expired"


def test_connecting_works_after_oura_was_unavailable(visitor, at_oura):
    at_oura.control("faults", fault="server_error", path="token")
    assert code_of(visitor.connect()) == "unavailable"
    assert visitor.connect().redirect_chain == [("/account/", 302)]


def test_lapsed_membership_is_explained(visitor, at_oura):
    at_oura.control("membership", name="ana", active=False)
    response = visitor.connect()
    assert code_of(response) == "forbidden"
    assert "renew your membership" in response.content.decode()


def test_oura_account_belongs_to_one_person(visitor, ben):
    visitor.connect(person="ana")
    response = Visitor(ben).connect(person="ana")
    assert code_of(response) == "anothers"
    assert Connection.objects.get().user.username == "ana"


def test_person_has_one_oura_account(visitor):
    visitor.connect(person="ana")
    assert code_of(visitor.connect(person="chloe")) == "anothers"
    assert Connection.objects.get().ended == ""


@pytest.fixture
def owned(visitor, ana):
    """Ana's account has data of her Oura account, which she has disconnected."""
    visitor.connect(person="ana")
    owner = Connection.objects.get().oura_user_id
    visitor.http.post("/disconnect/oura/")
    return Origin.objects.create(user=ana, name="sandbox", owner=owner)


def test_owner_is_kept_when_oura_account_is_disconnected(visitor, owned):
    response = visitor.connect(person="chloe")
    assert code_of(response) == "anothers"
    assert "delete_person USER --data-only" in response.content.decode()
    assert not Connection.objects.exists()


def test_owner_may_connect_again(visitor, owned):
    assert visitor.connect(person="ana").redirect_chain == [("/account/", 302)]


def test_oura_account_with_days_elsewhere_is_refused(visitor, owned, ben):
    response = Visitor(ben).connect(person="ana")
    assert code_of(response) == "anothers"
    assert "ana" not in response.content.decode().lower().replace("manage", "")


@pytest.mark.parametrize("served", ["sandbox", "oura"])
def test_account_with_data_of_another_origin_has_no_button(visitor, ana, settings, served):
    has = {"sandbox": "oura", "oura": "sandbox"}[served]
    if served == "oura":
        settings.OURA_API_URL = "https://api.ouraring.com"
    assert 'action="/connect/oura/"' in visitor.page()
    Origin.objects.create(user=ana, name=has)
    assert 'action="/connect/oura/"' not in visitor.page()
    response = visitor.http.post("/connect/oura/", follow=True)
    assert response.redirect_chain == [("/account/", 302)]
    sentences = {"sandbox": "Set up the connection to Oura first", "oura": "Delete the sample data"}
    assert sentences[served] in response.content.decode()


def test_origin_that_arrives_during_the_consent_is_refused(visitor, ana):
    location = agree(visitor.begin())
    Origin.objects.create(user=ana, name="oura")
    assert code_of(visitor.come_back(location)) == "anothers"
    assert not Connection.objects.exists()


def test_page_asks_before_it_disconnects(visitor):
    visitor.connect()
    page = visitor.page()
    before = page[: page.index('action="/disconnect/oura/"')]
    assert before.rindex("<details>") > before.rfind("</details>")


def test_disconnecting_revokes_and_deletes_the_tokens(visitor, at_oura):
    visitor.connect()
    token = vault.decrypt(Connection.objects.get(), vault.ACCESS)
    response = visitor.http.post("/disconnect/oura/", follow=True)
    assert "Disconnected. Your days stay here" in response.content.decode()
    assert at_oura.get("daily_sleep", token).status_code == 401
    assert not Connection.objects.exists()


def test_disconnecting_while_oura_is_unavailable_deletes_the_tokens(visitor, settings):
    visitor.connect()
    settings.OURA_REVOKE_URL = "http://127.0.0.1:9/revoke"
    response = visitor.http.post("/disconnect/oura/", follow=True)
    assert "Oura did not confirm" in response.content.decode()
    assert not Connection.objects.exists()


def test_reconnecting_replaces_the_tokens(visitor, at_oura):
    visitor.connect()
    before = bytes(Connection.objects.get().access_token)
    at_oura.control("grants/revoke", name="ana")
    visitor.connect()
    connection = Connection.objects.get()
    assert (connection.ended, bytes(connection.access_token) == before) == ("", False)


def test_without_application_the_page_explains_how_to_register(ana, settings):
    settings.OURA_CLIENT_ID = ""
    settings.PUBLIC_URL = "http://localhost:8000"
    visitor = Visitor(ana)
    assert "Set up the connection" in visitor.page()
    page = visitor.http.get("/connect/oura/register").content.decode()
    assert "http://localhost:8000/connect/oura/callback" in page
    assert "If the file isn’t there, create it" in page
    assert "press Ctrl-C in its terminal, and enter <code>make run</code> again" in page


def test_page_names_each_field_of_ouras_form(ana):
    page = Visitor(ana).http.get("/connect/oura/register").content.decode().lower()
    fields = ["display name", "description", "contact email", "website", "privacy policy"]
    fields += ["terms of service", "redirect uri", "scopes"]
    assert [field for field in fields if field not in page] == []


def test_connecting_requires_signing_in(db):
    assert Client().post("/connect/oura/").headers["Location"].startswith("/accounts/login/")


def test_connecting_and_disconnecting_require_post(visitor):
    for path in ("/connect/oura/", "/disconnect/oura/"):
        assert visitor.http.get(path).headers["Location"] == "/account/"
        assert visitor.http.put(path, "x").status_code == 405


def test_admin_disconnects_and_never_shows_tokens(visitor, ana, at_oura):
    visitor.connect()
    connection = Connection.objects.get()
    token = vault.decrypt(connection, vault.ACCESS)
    ana.is_staff = ana.is_superuser = True
    ana.save()
    page = visitor.http.get(f"/admin/oura/connection/{connection.pk}/change/").content.decode()
    assert "connected" in page
    assert token not in page
    assert bytes(connection.access_token).decode() not in page
    body = {"action": "disconnect", "_selected_action": [connection.pk]}
    visitor.http.post("/admin/oura/connection/", body)
    assert not Connection.objects.exists()
    assert at_oura.get("daily_sleep", token).status_code == 401
