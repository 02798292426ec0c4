"""The sandbox's OAuth2, as a client of Oura's meets it."""

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session

from oura import provider
from tests.oura.consent import agree, answer_of

URI = "http://localhost:8000/connect/oura/callback"
NEW, OLD = "oauth/v2/ext/oauth-token", "oauth/token"
VERIFIER = "v" * 50


def ask(at_oura, path=NEW, **form):
    client = {"client_id": "myhealth-sandbox", "client_secret": "myhealth-sandbox-secret"}
    return requests.post(f"{at_oura.url}/{path}", data={**client, **form}, timeout=5)


def exchange(at_oura, code, /, **changed):
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": URI}
    return ask(at_oura, **{**form, "code_verifier": VERIFIER, **changed})


def refresh(at_oura, token):
    return ask(at_oura, grant_type="refresh_token", refresh_token=token)


def test_a_client_made_for_oura_goes_the_whole_way(at_oura):
    where = requests.get(at_oura.settings()["OURA_OAUTH_DISCOVERY_URL"], timeout=5).json()
    client = OAuth2Session(
        "myhealth-sandbox",
        "myhealth-sandbox-secret",
        scope="extapi:personal extapi:daily extapi:email",
        redirect_uri=URI,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic",
    )
    url, state = client.create_authorization_url(
        where["authorization_endpoint"], code_verifier=VERIFIER
    )
    back = agree(url)
    assert (answer_of(back)["iss"], answer_of(back)["state"]) == (where["issuer"], state)
    token = client.fetch_token(
        where["token_endpoint"], authorization_response=back, code_verifier=VERIFIER
    )
    assert token["scope"] == "extapi:personal extapi:daily"
    rows = client.get(f"{at_oura.url}/v2/usercollection/daily_sleep").json()["data"]
    assert rows
    again = client.refresh_token(where["token_endpoint"])
    assert at_oura.get("daily_sleep", again["access_token"]).status_code == 200
    assert at_oura.get("daily_sleep", token["access_token"]).status_code == 401
    client.revoke_token(where["revocation_endpoint"], again["refresh_token"])
    assert at_oura.get("daily_sleep", again["access_token"]).status_code == 401


def test_a_code_works_once_and_coming_again_ends_what_it_gave(at_oura):
    code = at_oura.code()
    first = exchange(at_oura, code).json()
    again = exchange(at_oura, code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert at_oura.get("daily_sleep", first["access_token"]).status_code == 401


@pytest.mark.parametrize(
    "changed", [{"code_verifier": "w" * 50}, {"redirect_uri": URI + "/"}, {"code": "other"}]
)
def test_a_code_needs_its_verifier_and_its_redirect_uri(at_oura, changed):
    answer = exchange(at_oura, at_oura.code(), **changed)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_refresh_token_works_once(at_oura):
    token = exchange(at_oura, at_oura.code()).json()["refresh_token"]
    assert refresh(at_oura, token).status_code == 200
    assert refresh(at_oura, token).json()["error"] == "invalid_grant"


def test_a_scope_that_was_not_granted_is_dropped_and_its_routes_refuse(at_oura):
    token = exchange(at_oura, at_oura.code(granted=["personal"])).json()
    assert token["scope"] == "extapi:personal"
    refused = at_oura.get("daily_sleep", token["access_token"])
    assert (refused.status_code, "daily scope" in refused.json()["detail"]) == (401, True)


def test_any_token_tells_the_accounts_id_and_no_more_without_the_scope(at_oura):
    token = exchange(at_oura, at_oura.code(granted=["daily"])).json()["access_token"]
    info = at_oura.get("personal_info", token).json()
    assert info["id"]
    assert {value for name, value in info.items() if name != "id"} == {None}


def test_denying_leads_back_with_the_reason(at_oura):
    url = provider.consent_url(URI, "a-state", VERIFIER)
    assert answer_of(agree(url, decision="deny"))["error"] == "access_denied"


@pytest.mark.parametrize(
    ("name", "value"),
    [("client_id", "nobody"), ("redirect_uri", "https://elsewhere.example/connect/oura/callback")],
)
def test_a_wrong_application_or_address_is_never_redirected_to(at_oura, name, value):
    query = {"response_type": "code", "client_id": "myhealth-sandbox", "redirect_uri": URI}
    url = f"{at_oura.url}/oauth/v2/ext/oauth-authorize"
    answer = requests.get(url, {**query, name: value}, allow_redirects=False, timeout=5)
    assert answer.status_code == 400


def test_the_old_providers_address_refuses_a_new_application(at_oura):
    answer = ask(at_oura, OLD, grant_type="refresh_token", refresh_token="x")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_a_wrong_secret_is_refused(at_oura):
    answer = ask(at_oura, client_secret="wrong", grant_type="refresh_token", refresh_token="x")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_lapsed_membership_is_forbidden(at_oura):
    token = exchange(at_oura, at_oura.code()).json()["access_token"]
    at_oura.control("membership", name="ana", active=False)
    assert at_oura.get("daily_sleep", token).status_code == 403
    at_oura.control("membership", name="ana", active=True)
    assert at_oura.get("daily_sleep", token).status_code == 200


def test_the_token_address_suffers_faults_too(at_oura):
    at_oura.control("faults", fault="server_error", path="token")
    assert exchange(at_oura, at_oura.code()).status_code == 500


def test_introspection_tells_a_living_token(at_oura):
    token = exchange(at_oura, at_oura.code()).json()["access_token"]
    path = "oauth/v2/ext/oauth-introspect"
    assert ask(at_oura, path, token=token).json()["active"] is True
    at_oura.control("grants/revoke", name="ana")
    assert ask(at_oura, path, token=token).json() == {"active": False}
