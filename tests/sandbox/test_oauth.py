"""The sandbox's OAuth2, as a client of Oura's meets it."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session

from sandbox import grants
from sandbox.people import people
from tests.sandbox.applications import (
    CREDENTIALS,
    EXT,
    NEW,
    OLD,
    URI,
    VERIFIER,
    Application,
    error_of,
)
from tests.sandbox.consent import agree, answer_of
from tests.sandbox.sandboxed import SEED

pytestmark = pytest.mark.usefixtures("afresh")


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


# Discovery


def test_discovery_names_the_sandboxs_own_addresses(application):
    told = application.http.get(f"{EXT}-anonymous/.well-known/openid-configuration").json()
    for name in ("authorization", "token", "revocation", "introspection"):
        assert told[f"{name}_endpoint"].startswith("http://testserver/oauth/v2/ext/oauth-")
    assert "extapi:daily" in told["scopes_supported"]
    assert told["code_challenge_methods_supported"] == ["S256"]


# The consent page


def test_the_consent_page_offers_people_and_what_was_asked(application):
    page = application.see(scope="extapi:daily heartrate nonsense").content.decode()
    assert "myhealth-sandbox asks" in page
    for name in people(SEED):
        assert f'value="{name}"' in page
    assert [name for name in grants.SCOPES if f'value="{name}" checked' in page] == [
        "daily",
        "heartrate",
    ]
    assert "member1" not in page
    assert "nonsense</" not in page


def test_the_consent_pages_form_hands_on_what_led_to_it(application):
    page = application.see().content.decode()
    for name in ("client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method"):
        assert f'name="{name}" value="{application.asked[name]}"' in page


def test_the_consent_page_shows_a_state_as_text(application):
    assert "<script>" not in application.see(state='"><script>').content.decode()


@pytest.mark.parametrize("act", ["see", "decide"])
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
def test_a_wrong_application_or_address_is_never_redirected_to(application, act, changed):
    answer = getattr(application, act)(**changed)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()


@pytest.mark.parametrize("host", ["localhost:8000", "localhost:54321", "127.0.0.1:8000"])
def test_myhealth_may_be_on_any_port_of_this_machine(application, host):
    uri = f"http://{host}/connect/oura/callback"
    assert application.decide(redirect_uri=uri)["Location"].startswith(f"{uri}?code=")


def test_a_registered_redirect_uri_is_matched_with_its_port(control):
    own = {"client_id": "own", "client_secret": "s"}
    control("clients", **own, redirect_uris=["http://localhost:9000/back"], portal="new")
    application = Application(credentials=own, uri="http://localhost:9000/back")
    assert application.see().status_code == 200
    assert application.see(redirect_uri="http://localhost:9001/back").status_code == 400


def test_agreeing_leads_back_with_code_state_and_issuer(application):
    location = application.decide()["Location"]
    answer = answer_of(location)
    assert location.startswith(URI + "?")
    assert (answer["state"], answer["iss"]) == ("a-state", f"http://testserver{EXT}-anonymous")
    assert answer["code"]


def test_denying_leads_back_with_the_reason(application):
    answer = answer_of(application.decide(decision="deny")["Location"])
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
def test_what_the_provider_does_not_support_leads_back_with_an_error(application, changed, error):
    assert answer_of(application.see(**changed)["Location"])["error"] == error


def test_nobody_unknown_can_consent(application):
    assert application.decide(person="nobody").status_code == 400


# Codes


def test_a_code_gives_tokens_as_oura_words_them(application):
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


def test_tokens_are_not_to_be_kept_by_caches(application):
    assert application.exchange(application.code())["Cache-Control"] == "no-store"


def test_a_code_works_once_and_coming_again_ends_what_it_gave(application):
    code = application.code()
    first = application.exchange(code).json()
    assert application.works(first)
    assert error_of(application.exchange(code)) == (400, "invalid_grant")
    assert not application.works(first)
    assert error_of(application.refresh(first["refresh_token"])) == (400, "invalid_grant")


def test_a_replayed_code_ends_what_was_refreshed_since(application):
    code = application.code()
    first = application.exchange(code).json()
    second = application.refresh(first["refresh_token"]).json()
    application.exchange(code)
    assert not application.works(second)


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
def test_a_code_needs_its_verifier_and_its_redirect_uri(application, changed):
    code = application.code()
    assert error_of(application.exchange(**{"code": code} | changed)) == (400, "invalid_grant")


def test_a_refused_code_is_burnt(application):
    code = application.code()
    application.exchange(code, code_verifier="w" * 50)
    assert error_of(application.exchange(code)) == (400, "invalid_grant")


def test_a_code_without_a_challenge_needs_no_verifier(application):
    code = application.code(code_challenge="", code_challenge_method="")
    assert application.exchange(code, code_verifier="").status_code == 200


@pytest.mark.parametrize(("seconds_ago", "status"), [(590, 200), (610, 400)])
def test_a_code_lives_ten_minutes(application, seconds_ago, status):
    code = application.code()
    grants.state.codes[code].until -= seconds_ago
    assert application.exchange(code).status_code == status


def test_a_code_is_of_use_to_its_own_application_alone(application, control):
    other = {"client_id": "other", "client_secret": "s"}
    control("clients", **other, redirect_uris=[URI], portal="new")
    code = application.code()
    assert error_of(application.exchange(code, **other)) == (400, "invalid_grant")
    assert application.exchange(code).status_code == 200


def test_a_code_is_of_no_use_after_the_person_has_revoked(application, control):
    code = application.code()
    control("grants/revoke", name="ana")
    assert error_of(application.exchange(code)) == (400, "invalid_grant")


# Refresh tokens


def test_a_refresh_gives_new_tokens_and_ends_the_old_ones(application):
    first = application.connect()
    second = application.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["scope"] == first["scope"]
    assert (application.works(second), application.works(first)) == (True, False)


def test_a_refresh_token_works_once_and_stays_spent(application):
    spent = application.connect()["refresh_token"]
    current = application.refresh(spent).json()["refresh_token"]
    for _ in range(2):
        assert error_of(application.refresh(spent)) == (400, "invalid_grant")
    assert application.refresh(current).status_code == 200


def test_a_refresh_token_is_no_access_token(application):
    token = application.connect()["refresh_token"]
    assert application.get("daily_sleep", token).status_code == 401


def test_a_refresh_token_is_of_use_to_its_own_application_alone(application, control):
    other = {"client_id": "other", "client_secret": "s"}
    control("clients", **other, redirect_uris=[URI], portal="new")
    token = application.connect()["refresh_token"]
    stolen = Application(credentials=other).refresh(token)
    assert error_of(stolen) == (400, "invalid_grant")


def test_a_grant_outlives_its_applications_registration_anew(application, control):
    token = application.connect()["refresh_token"]
    control("clients", **CREDENTIALS, redirect_uris=[URI], portal="new")
    assert application.refresh(token).status_code == 200


# What any request for tokens must hold


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code"}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_request"),
    ],
)
def test_a_request_that_lacks_something_is_told(application, form, error):
    assert error_of(application.ask(**form)) == (400, error)


def test_tokens_are_given_by_post_alone(application):
    assert application.http.get(NEW).status_code == 405


@pytest.mark.parametrize("path", [NEW, OLD, f"{EXT}-revoke", f"{EXT}-introspect"])
def test_a_wrong_secret_is_refused(application, path):
    answer = application.ask(path, client_secret="wrong", token="x")
    assert error_of(answer) == (401, "invalid_client")


def test_credentials_may_come_by_basic(application):
    code = application.code()
    application.credentials = {}
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": URI}
    headers = basic("myhealth-sandbox:myhealth-sandbox-secret")
    answer = application.ask(headers=headers, code_verifier=VERIFIER, **form)
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
def test_wrong_credentials_by_basic_are_refused_and_basic_is_named(application, headers):
    answer = application.ask(headers=headers, grant_type="refresh_token", refresh_token="x")
    assert error_of(answer) == (401, "invalid_client")
    assert answer["WWW-Authenticate"] == "Basic"


# Two portals


def test_an_application_of_the_old_portal_goes_the_whole_way(old):
    answer = answer_of(old.decide(scope="daily personal")["Location"])
    assert "iss" not in answer
    first = old.exchange(answer["code"]).json()
    second = old.refresh(first["refresh_token"]).json()
    assert old.works(second)


def test_the_old_token_address_refuses_a_new_application_with_perfect_credentials(application):
    token = application.connect()["refresh_token"]
    answer = application.ask(OLD, grant_type="refresh_token", refresh_token=token)
    assert error_of(answer) == (400, "invalid_request")
    assert "Invalid client" in answer.json()["error_description"]
    # The refusal has not spent it.
    assert application.refresh(token).status_code == 200


@pytest.mark.parametrize("path", [NEW, f"{EXT}-revoke", f"{EXT}-introspect"])
def test_the_new_provider_refuses_an_old_application_with_perfect_credentials(old, path):
    tokens = old.connect()
    answer = old.ask(
        path,
        grant_type="refresh_token",
        refresh_token=tokens["refresh_token"],
        token=tokens["access_token"],
    )
    assert error_of(answer) == (400, "invalid_client")
    assert answer.json()["error_description"] == "Invalid client"
    assert old.works(tokens)


def test_neither_consent_page_knows_the_other_portals_application(application, old):
    application.page, old.page = old.page, application.page
    assert (application.see().status_code, old.see().status_code) == (400, 400)


# The running process


def test_a_client_made_for_oura_goes_the_whole_way(at_oura):
    where = requests.get(at_oura.settings()["OURA_OAUTH_DISCOVERY_URL"], timeout=5).json()
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
    assert (answer_of(back)["iss"], answer_of(back)["state"]) == (where["issuer"], state)
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


def test_of_simultaneous_refreshes_one_succeeds(at_oura):
    form = {"grant_type": "authorization_code", "code": at_oura.code(), "redirect_uri": URI}
    url = f"{at_oura.url}{NEW}"
    own = requests.post(url, {**CREDENTIALS, **form, "code_verifier": VERIFIER}, timeout=5).json()
    form = {"grant_type": "refresh_token", "refresh_token": own["refresh_token"]}

    def refresh(_):
        return requests.post(url, {**CREDENTIALS, **form}, timeout=5).status_code

    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(refresh, range(16)))
    assert sorted(codes) == [200, *[400] * 15]
    assert at_oura.asked() == 17
