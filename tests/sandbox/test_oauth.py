"""The sandbox's OAuth2, as a client of Oura sees it."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session

from sandbox import grants
from sandbox.people import named_people
from tests.sandbox.applications import (
    CREDENTIALS,
    EXT,
    NEW,
    OLD,
    URI,
    VERIFIER,
    Application,
    status_and_error,
)
from tests.sandbox.consent import agree, redirect_params
from tests.sandbox.sandboxed import SEED

pytestmark = pytest.mark.usefixtures("fresh_sandbox")


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


# Discovery


def test_discovery_has_the_sandboxs_addresses(application):
    response = application.http.get(f"{EXT}-anonymous/.well-known/openid-configuration").json()
    for name in ("authorization", "token", "revocation", "introspection"):
        assert response[f"{name}_endpoint"].startswith("http://testserver/oauth/v2/ext/oauth-")
    assert "extapi:daily" in response["scopes_supported"]
    assert response["code_challenge_methods_supported"] == ["S256"]


# The consent page


def test_consent_page_offers_people_and_requested_scopes(application):
    page = application.open_consent_page(scope="extapi:daily heartrate nonsense").content.decode()
    # Browsers ask for no file that there isn't.
    assert '<link rel="icon" href="data:,">' in page
    assert "myhealth-sandbox wants" in page
    for name in named_people(SEED):
        assert f'value="{name}"' in page
    assert [name for name in grants.SCOPES if f'value="{name}" checked' in page] == [
        "daily",
        "heartrate",
    ]
    assert "member1" not in page
    assert "nonsense</" not in page


def test_consent_form_repeats_the_query(application):
    page = application.open_consent_page().content.decode()
    for name in ("client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method"):
        assert f'name="{name}" value="{application.params[name]}"' in page


def test_consent_page_escapes_the_state(application):
    assert "<script>" not in application.open_consent_page(state='"><script>').content.decode()


@pytest.mark.parametrize("act", ["open_consent_page", "submit_consent"])
@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "nobody"},
        {"redirect_uri": "https://elsewhere.example/connect/oura/callback"},
        {"redirect_uri": URI + "/"},
        {"redirect_uri": URI.replace("http:", "https:")},
        {"redirect_uri": "http://localhost:8000.elsewhere.example/connect/oura/callback"},
        {"redirect_uri": ""},
    ],
)
def test_wrong_application_or_redirect_uri_is_never_redirected_to(application, act, changed):
    answer = getattr(application, act)(**changed)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()


@pytest.mark.parametrize("host", ["localhost:8000", "localhost:54321", "127.0.0.1:8000"])
def test_myhealth_may_use_any_local_port(application, host):
    uri = f"http://{host}/connect/oura/callback"
    assert application.submit_consent(redirect_uri=uri)["Location"].startswith(f"{uri}?code=")


def test_myhealth_may_use_its_public_address(application, settings):
    settings.PUBLIC_URL = "https://laptop.local:8443"
    uri = f"{settings.PUBLIC_URL}/connect/oura/callback"
    assert application.submit_consent(redirect_uri=uri)["Location"].startswith(f"{uri}?code=")


def test_registered_redirect_uri_must_match_with_port(control):
    own = {"client_id": "own", "client_secret": "s"}
    control("clients", **own, redirect_uris=["http://localhost:9000/back"], portal="new")
    application = Application(credentials=own, uri="http://localhost:9000/back")
    assert application.open_consent_page().status_code == 200
    assert (
        application.open_consent_page(redirect_uri="http://localhost:9001/back").status_code == 400
    )


def test_consent_redirects_with_code_state_and_issuer(application):
    location = application.submit_consent()["Location"]
    answer = redirect_params(location)
    assert location.startswith(URI + "?")
    assert (answer["state"], answer["iss"]) == ("a-state", f"http://testserver{EXT}-anonymous")
    assert answer["code"]


def test_denial_redirects_with_access_denied(application):
    answer = redirect_params(application.submit_consent(decision="deny")["Location"])
    assert answer == {
        "error": "access_denied",
        "state": "a-state",
        "iss": f"http://testserver{EXT}-anonymous",
    }


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
    ],
)
def test_unsupported_request_redirects_with_error(application, changed, error):
    assert redirect_params(application.open_consent_page(**changed)["Location"])["error"] == error


def test_unknown_person_cannot_consent(application):
    assert application.submit_consent(person="nobody").status_code == 400


# Codes


def test_code_gives_tokens_in_ouras_format(application):
    token = application.connect()
    assert token.keys() == {
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "scope",
    }
    assert (token["token_type"], token["expires_in"]) == ("bearer", 2_591_999)
    assert token["scope"] == "extapi:personal extapi:daily"


def test_token_responses_are_not_cached(application):
    assert application.exchange(application.code())["Cache-Control"] == "no-store"


def test_second_use_of_code_revokes_its_tokens(application):
    code = application.code()
    first = application.exchange(code).json()
    assert application.token_works(first)
    assert status_and_error(application.exchange(code)) == (400, "invalid_grant")
    assert not application.token_works(first)
    assert status_and_error(application.refresh(first["refresh_token"])) == (400, "invalid_grant")


def test_second_use_of_code_revokes_refreshed_tokens(application):
    code = application.code()
    first = application.exchange(code).json()
    second = application.refresh(first["refresh_token"]).json()
    application.exchange(code)
    assert not application.token_works(second)


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "w" * 50},
        {"code_verifier": ""},
        {"redirect_uri": URI + "/"},
        {"redirect_uri": ""},
        {"code": "other"},
    ],
)
def test_code_requires_verifier_and_redirect_uri(application, changed):
    code = application.code()
    assert status_and_error(application.exchange(**{"code": code} | changed)) == (
        400,
        "invalid_grant",
    )


def test_rejected_code_cannot_be_used_again(application):
    code = application.code()
    application.exchange(code, code_verifier="w" * 50)
    assert status_and_error(application.exchange(code)) == (400, "invalid_grant")


def test_code_without_challenge_needs_no_verifier(application):
    code = application.code(code_challenge="", code_challenge_method="")
    assert application.exchange(code, code_verifier="").status_code == 200


@pytest.mark.parametrize(("seconds_ago", "status"), [(590, 200), (610, 400)])
def test_code_expires_after_ten_minutes(application, seconds_ago, status):
    code = application.code()
    grants.state.codes[code].expires_at -= seconds_ago
    assert application.exchange(code).status_code == status


def test_code_works_only_for_its_application(application, control):
    other = {"client_id": "other", "client_secret": "s"}
    control("clients", **other, redirect_uris=[URI], portal="new")
    code = application.code()
    assert status_and_error(application.exchange(code, **other)) == (400, "invalid_grant")
    assert application.exchange(code).status_code == 200


def test_code_is_invalid_after_revocation(application, control):
    code = application.code()
    control("grants/revoke", name="ana")
    assert status_and_error(application.exchange(code)) == (400, "invalid_grant")


# Refresh tokens


def test_refresh_replaces_both_tokens(application):
    first = application.connect()
    second = application.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["scope"] == first["scope"]
    assert (application.token_works(second), application.token_works(first)) == (True, False)


def test_refresh_token_works_only_once(application):
    spent = application.connect()["refresh_token"]
    current = application.refresh(spent).json()["refresh_token"]
    for _ in range(2):
        assert status_and_error(application.refresh(spent)) == (400, "invalid_grant")
    assert application.refresh(current).status_code == 200


def test_refresh_token_is_not_an_access_token(application):
    token = application.connect()["refresh_token"]
    assert application.get("daily_sleep", token).status_code == 401


def test_refresh_token_works_only_for_its_application(application, control):
    other = {"client_id": "other", "client_secret": "s"}
    control("clients", **other, redirect_uris=[URI], portal="new")
    token = application.connect()["refresh_token"]
    stolen = Application(credentials=other).refresh(token)
    assert status_and_error(stolen) == (400, "invalid_grant")


def test_grant_survives_second_registration_of_application(application, control):
    token = application.connect()["refresh_token"]
    control("clients", **CREDENTIALS, redirect_uris=[URI], portal="new")
    assert application.refresh(token).status_code == 200


# Validation of token requests


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
    ],
)
def test_incomplete_token_request_is_400(application, form, error):
    assert status_and_error(application.post(**form)) == (400, error)


def test_token_path_accepts_only_post(application):
    assert application.http.get(NEW).status_code == 405


@pytest.mark.parametrize("path", [NEW, OLD, f"{EXT}-revoke", f"{EXT}-introspect"])
def test_wrong_secret_is_401(application, path):
    answer = application.post(path, client_secret="wrong", token="x")
    assert status_and_error(answer) == (401, "invalid_client")


def test_http_basic_authenticates(application):
    code = application.code()
    application.credentials = {}
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": URI}
    headers = basic("myhealth-sandbox:myhealth-sandbox-secret")
    answer = application.post(headers=headers, code_verifier=VERIFIER, **form)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        basic("myhealth-sandbox:wrong"),
        basic("myhealth-sandbox"),
        {"Authorization": "Basic nonsense"},
        {"Authorization": "Basic /w=="},
        {"Authorization": "Basic \xe4"},
    ],
)
def test_wrong_basic_credentials_are_401_with_www_authenticate(application, headers):
    answer = application.post(headers=headers, grant_type="refresh_token", refresh_token="x")
    assert status_and_error(answer) == (401, "invalid_client")
    assert answer["WWW-Authenticate"] == "Basic"


# Two portals


def test_old_application_gets_and_refreshes_tokens(old):
    answer = redirect_params(old.submit_consent(scope="daily personal")["Location"])
    assert "iss" not in answer
    first = old.exchange(answer["code"]).json()
    second = old.refresh(first["refresh_token"]).json()
    assert old.token_works(second)


def test_old_token_path_rejects_new_application(application):
    token = application.connect()["refresh_token"]
    answer = application.post(OLD, grant_type="refresh_token", refresh_token=token)
    assert status_and_error(answer) == (400, "invalid_request")
    assert "Invalid client" in answer.json()["error_description"]
    # The token is still valid.
    assert application.refresh(token).status_code == 200


@pytest.mark.parametrize("path", [NEW, f"{EXT}-revoke", f"{EXT}-introspect"])
def test_new_provider_rejects_old_application(old, path):
    tokens = old.connect()
    answer = old.post(
        path,
        grant_type="refresh_token",
        refresh_token=tokens["refresh_token"],
        token=tokens["access_token"],
    )
    assert status_and_error(answer) == (400, "invalid_client")
    assert answer.json()["error_description"] == "Invalid client"
    assert old.token_works(tokens)


def test_consent_page_rejects_the_other_portals_application(application, old):
    application.page, old.page = old.page, application.page
    assert (application.open_consent_page().status_code, old.open_consent_page().status_code) == (
        400,
        400,
    )


# The running process


def test_oauth_library_works_against_the_running_sandbox(at_oura):
    where = requests.get(at_oura.settings()["OURA_OAUTH_DISCOVERY_URL"]).json()
    client = OAuth2Session(
        **CREDENTIALS,
        scope="extapi:personal extapi:daily extapi:email",
        redirect_uri=URI,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic",
    )
    url, state = client.create_authorization_url(
        where["authorization_endpoint"], code_verifier=VERIFIER
    )
    back = agree(url)
    assert (redirect_params(back)["iss"], redirect_params(back)["state"]) == (
        where["issuer"],
        state,
    )
    token = client.fetch_token(
        where["token_endpoint"], authorization_response=back, code_verifier=VERIFIER
    )
    assert token["scope"] == "extapi:personal extapi:daily"
    assert client.get(f"{at_oura.url}/v2/usercollection/daily_sleep").json()["data"]
    again = client.refresh_token(where["token_endpoint"])
    assert at_oura.get("daily_sleep", again["access_token"]).status_code == 200
    assert at_oura.get("daily_sleep", token["access_token"]).status_code == 401
    assert client.introspect_token(where["introspection_endpoint"], again["access_token"]).json()[
        "active"
    ]
    client.revoke_token(where["revocation_endpoint"], again["refresh_token"])
    assert at_oura.get("daily_sleep", again["access_token"]).status_code == 401


def test_only_one_of_simultaneous_refreshes_succeeds(at_oura):
    form = {"grant_type": "authorization_code", "code": at_oura.code(), "redirect_uri": URI}
    url = f"{at_oura.url}{NEW}"
    own = requests.post(url, {**CREDENTIALS, **form, "code_verifier": VERIFIER}).json()
    form = {"grant_type": "refresh_token", "refresh_token": own["refresh_token"]}

    def refresh(_):
        return requests.post(url, {**CREDENTIALS, **form}).status_code

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(refresh, range(16)))
    assert sorted(codes) == [200, *[400] * 15]
    assert at_oura.request_count() == 17
