"""The sandbox's OAuth2, as a client of Oura's meets it."""

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
import requests
from authlib.integrations.requests_client import OAuth2Session
from django.test import Client

from sandbox import grants
from sandbox.people import people
from sandbox.registry import scope_of
from tests.sandbox.consent import agree, answer_of
from tests.sandbox.sandboxed import LISTS, SEED, Oura, start_afresh

URI = "http://localhost:8000/connect/oura/callback"
EXT = "/oauth/v2/ext/oauth"
NEW, OLD = f"{EXT}-token", "/oauth/token"
CREDENTIALS = {"client_id": "myhealth-sandbox", "client_secret": "myhealth-sandbox-secret"}
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:43]
EVERYTHING = " ".join(grants.SCOPES)


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


class Application:
    """An application of one portal, in this process, and the consent of its people."""

    def __init__(self, portal="new", credentials=CREDENTIALS, uri=URI):
        self.http = Client(enforce_csrf_checks=True)
        self.credentials, self.uri = credentials, uri
        self.page = f"{EXT}-authorize" if portal == "new" else "/oauth/authorize"
        self.tokens = NEW if portal == "new" else OLD
        self.asked = {
            "response_type": "code",
            "client_id": credentials["client_id"],
            "redirect_uri": uri,
            "state": "a-state",
            "scope": "extapi:personal extapi:daily",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }

    def see(self, **changed):
        return self.http.get(self.page, self.asked | changed)

    def decide(self, person="ana", granted=("personal", "daily"), decision="allow", **changed):
        form = {"person": person, "granted": granted, "decision": decision}
        return self.http.post(self.page, self.asked | form | changed)

    def code(self, **consent):
        return answer_of(self.decide(**consent)["Location"])["code"]

    def ask(self, path=None, headers=None, **form):
        return self.http.post(path or self.tokens, self.credentials | form, headers=headers)

    def exchange(self, code, **changed):
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.uri}
        return self.ask(**form | {"code_verifier": VERIFIER} | changed)

    def refresh(self, token):
        return self.ask(grant_type="refresh_token", refresh_token=token)

    def connect(self, **consent):
        answer = self.exchange(self.code(**consent))
        assert answer.status_code == 200, answer.content
        return answer.json()

    def get(self, collection, token):
        headers = {"Authorization": f"Bearer {token}"}
        return self.http.get(f"/v2/usercollection/{collection}", headers=headers)

    def works(self, tokens):
        return self.get("daily_sleep", tokens["access_token"]).status_code == 200


@pytest.fixture(autouse=True)
def afresh(settings):
    start_afresh(settings, days=20)
    grants.state.clear()


@pytest.fixture
def application(afresh):
    return Application()


@pytest.fixture
def control(afresh):
    def ask(path, /, **body):
        answer = Oura().control(path, **body)
        assert answer.status_code == 200, answer.content
        return answer.json()

    return ask


@pytest.fixture
def old(control):
    """An application of the old portal's."""
    credentials = {"client_id": "elder", "client_secret": "elder-secret"}
    uri = "https://elder.example/back"
    control("clients", **credentials, redirect_uris=[uri], portal="old")
    return Application("old", credentials, uri)


def error_of(answer):
    return answer.status_code, answer.json()["error"]


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


# What tokens open


@pytest.mark.parametrize("collection", LISTS)
def test_a_collection_needs_its_scope_and_no_other(application, collection):
    scope = scope_of(collection)
    others = [each for each in grants.SCOPES if each != scope]
    without = application.connect(scope=EVERYTHING, granted=others)["access_token"]
    refused = application.get(collection, without)
    detail = f"Token is not authorized access {scope} scope."
    assert (refused.status_code, refused.json()) == (401, {"detail": detail})
    holding = application.connect(scope=EVERYTHING, granted=[scope])["access_token"]
    assert application.get(collection, holding).status_code == 200


def test_a_single_document_needs_the_scope_too(application):
    granted = application.connect()["access_token"]
    found = application.get("daily_sleep", granted).json()["data"][0]
    without = application.connect(granted=["personal"])["access_token"]
    assert application.get(f"daily_sleep/{found['id']}", granted).json() == found
    assert application.get(f"daily_sleep/{found['id']}", without).status_code == 401


def test_a_scope_is_granted_only_where_asked_and_known(application):
    token = application.connect(
        scope="daily nonsense spo2Daily daily", granted=["daily", "spo2", "nonsense", "email"]
    )
    assert token["scope"] == "extapi:daily extapi:spo2"


@pytest.mark.parametrize(
    ("granted", "told"),
    [
        (["daily"], set()),
        (["email"], {"email"}),
        (["personal"], {"age", "weight", "height", "biological_sex"}),
        (["personal", "email"], {"age", "weight", "height", "biological_sex", "email"}),
    ],
)
def test_personal_info_tells_the_id_and_what_was_granted(application, granted, told):
    token = application.connect(scope=EVERYTHING, granted=granted)["access_token"]
    info = application.get("personal_info", token).json()
    assert info["id"] == people(SEED)["ana"].user_id
    assert {name for name, value in info.items() if value is not None} == told | {"id"}


def test_a_token_shows_its_persons_days_and_nobody_elses(application):
    token = application.connect(person="chloe")["access_token"]
    own = Oura("chloe").get("sleep").content
    assert application.get("sleep", token).content == own
    assert own != Oura("ana").get("sleep").content


def test_a_persons_own_token_opens_everything(application):
    for collection in [*LISTS, "personal_info"]:
        assert Oura("ana").get(collection).status_code == 200


# Ending a grant


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_either_token_ends_both(application, kind):
    tokens = application.connect()
    assert application.ask(f"{EXT}-revoke", token=tokens[kind]).status_code == 200
    assert not application.works(tokens)
    assert error_of(application.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_revoking_an_unknown_token_succeeds(application):
    assert application.ask(f"{EXT}-revoke", token="x").status_code == 200


def test_revoking_ends_no_other_grant(application):
    one, other = application.connect(), application.connect()
    application.ask(f"{EXT}-revoke", token=one["access_token"])
    assert application.works(other)


def test_an_application_can_neither_revoke_nor_inspect_anothers_token(application, control):
    tokens = application.connect()
    other = {"client_id": "other", "client_secret": "s"}
    control("clients", **other, redirect_uris=[URI], portal="new")
    stranger = Application(credentials=other)
    told = stranger.ask(f"{EXT}-introspect", token=tokens["access_token"])
    assert told.json() == {"active": False}
    stranger.ask(f"{EXT}-revoke", token=tokens["access_token"])
    assert application.works(tokens)


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_old_provider_revokes_by_the_access_token_alone(old, method):
    tokens = old.connect()
    query = urlencode({"access_token": tokens["access_token"]})
    assert getattr(old.http, method)(f"/oauth/revoke?{query}").status_code == 200
    assert not old.works(tokens)
    assert error_of(old.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_the_old_provider_revokes_by_a_form_too(old):
    tokens = old.connect()
    old.http.post("/oauth/revoke", {"access_token": tokens["access_token"]})
    assert not old.works(tokens)


def test_introspection_tells_a_living_token(application):
    tokens = application.connect()
    told = application.ask(f"{EXT}-introspect", token=tokens["access_token"]).json()
    assert (told["active"], told["scope"]) == (True, tokens["scope"])
    assert told["sub"] == people(SEED)["ana"].user_id


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_introspection_tells_a_spent_token(application, kind):
    tokens = application.connect()
    application.refresh(tokens["refresh_token"])
    told = application.ask(f"{EXT}-introspect", token=tokens[kind]).json()
    assert told == {"active": False}


# Controls


def test_expiring_ends_the_access_token_and_not_the_refresh_token(application, control):
    tokens = application.connect()
    assert control("grants/expire", name="ana") == {"expired": 1}
    assert application.get("daily_sleep", tokens["access_token"]).status_code == 401
    assert application.works(application.refresh(tokens["refresh_token"]).json())


def test_revoking_at_oura_ends_all_tokens_of_the_person_alone(application, control):
    anas, bens = application.connect(), application.connect(person="ben")
    assert control("grants/revoke", name="ana") == {"revoked": 1}
    assert (application.works(anas), application.works(bens)) == (False, True)
    assert error_of(application.refresh(anas["refresh_token"])) == (400, "invalid_grant")


def test_who_revoked_can_agree_again(application, control):
    application.connect()
    control("grants/revoke", name="ana")
    assert application.works(application.connect())


def test_a_lapsed_membership_is_forbidden_until_it_is_renewed(application, control):
    tokens = application.connect()
    control("membership", name="ana", active=False)
    assert application.get("daily_sleep", tokens["access_token"]).status_code == 403
    assert Oura("ana").get("daily_sleep").status_code == 403
    assert Oura("ben").get("daily_sleep").status_code == 200
    control("membership", name="ana", active=True)
    assert application.works(tokens)


def test_the_lifetime_of_tokens_can_be_set(application, control):
    control("token_lifetime", seconds=0)
    tokens = application.connect()
    assert tokens["expires_in"] == 0
    assert not application.works(tokens)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("grants/expire", {"name": "nobody"}),
        ("grants/revoke", {}),
        ("membership", {"name": "ana"}),
        ("membership", {"name": "ana", "active": "no"}),
        ("token_lifetime", {"seconds": -1}),
        ("clients", {"client_id": "a", "client_secret": "b", "redirect_uris": "x"}),
        ("clients", {"client_id": "a", "client_secret": "", "redirect_uris": []}),
        ("clients", {"client_secret": "b", "redirect_uris": []}),
        (
            "clients",
            {"client_id": "a", "client_secret": "b", "redirect_uris": [], "portal": "third"},
        ),
    ],
)
def test_a_control_that_makes_no_sense_is_told(path, body):
    answer = Oura().control(path, **body)
    assert answer.status_code == 400
    assert answer.json()["detail"]


# Faults and counts


@pytest.mark.parametrize(
    ("fault", "status"), [("server_error", 500), ("rate_limit", 429), ("malformed", 200)]
)
def test_a_fault_of_the_token_address_spends_no_token(application, control, fault, status):
    token = application.connect()["refresh_token"]
    control("faults", fault=fault, path="token")
    answer = application.refresh(token)
    assert answer.status_code == status
    assert b"refresh_token" not in answer.content
    assert application.refresh(token).status_code == 200


def test_a_truncated_answer_has_spent_the_token(application, control):
    token = application.connect()["refresh_token"]
    control("faults", fault="truncated", path="token")
    application.refresh(token)
    assert error_of(application.refresh(token)) == (400, "invalid_grant")


def test_a_fault_of_the_token_address_spares_the_data(application, control):
    tokens = application.connect()
    control("faults", fault="server_error", path="token")
    assert application.works(tokens)


def test_a_fault_of_one_person_spares_the_others_tokens(application, control):
    anas, bens = application.connect(), application.connect(person="ben")
    control("faults", fault="server_error", path="token", name="ana", times=2)
    assert application.refresh(bens["refresh_token"]).status_code == 200
    assert application.refresh(anas["refresh_token"]).status_code == 500
    assert application.exchange(application.code()).status_code == 502


def test_requests_for_tokens_are_counted_by_address(application, old):
    application.refresh(application.connect()["refresh_token"])
    old.connect()
    paths = application.http.get("/_sandbox/requests").json()["paths"]
    assert (paths[NEW], paths[OLD]) == (2, 1)


# Members


def test_a_hundred_more_people_are_told_of_when_asked(application):
    few = application.http.get("/_sandbox/people").json()
    told = application.http.get("/_sandbox/people?all=1").json()
    assert [each["name"] for each in few] == list(people(SEED))
    names = [f"member{number}" for number in range(1, 101)]
    assert [each["name"] for each in told] == [*people(SEED), *names]
    assert len({each["user_id"] for each in told}) == 108


def test_a_member_can_agree_and_has_a_token_and_days_of_their_own(application):
    told = application.http.get("/_sandbox/people?all=1").json()
    static = {each["name"]: each["access_token"] for each in told}
    granted = application.connect(person="member100")["access_token"]
    own = application.get("sleep", granted)
    assert own.json()["data"]
    assert own.content == application.get("sleep", static["member100"]).content
    assert own.content != application.get("sleep", static["member99"]).content


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
