"""The sandbox's grants: what tokens open, what revokes them, and who can consent."""

from urllib.parse import urlencode

import pytest

from sandbox import grants
from sandbox.people import named_people
from sandbox.registry import scope_of
from tests.sandbox.applications import (
    EVERYTHING,
    EXT,
    NEW,
    OLD,
    URI,
    Application,
    status_and_error,
)
from tests.sandbox.sandboxed import LISTS, SEED, Oura

pytestmark = pytest.mark.usefixtures("fresh_sandbox")


# Scopes


@pytest.mark.parametrize("collection", LISTS)
def test_collection_requires_only_its_scope(application, collection):
    scope = scope_of(collection)
    others = [item for item in grants.SCOPES if item != scope]
    without = application.connect(scope=EVERYTHING, granted=others)["access_token"]
    refused = application.get(collection, without)
    detail = f"Token is not authorized access {scope} scope."
    assert (refused.status_code, refused.json()) == (401, {"detail": detail})
    holding = application.connect(scope=EVERYTHING, granted=[scope])["access_token"]
    assert application.get(collection, holding).status_code == 200


def test_single_document_requires_the_scope(application):
    granted = application.connect()["access_token"]
    document = application.get("daily_sleep", granted).json()["data"][0]
    without = application.connect(granted=["personal"])["access_token"]
    assert application.get(f"daily_sleep/{document['id']}", granted).json() == document
    assert application.get(f"daily_sleep/{document['id']}", without).status_code == 401


def test_only_requested_and_known_scopes_are_granted(application):
    token = application.connect(
        scope="daily nonsense spo2Daily daily", granted=["daily", "spo2", "nonsense", "email"]
    )
    assert token["scope"] == "extapi:daily extapi:spo2"


@pytest.mark.parametrize(
    ("granted", "visible"),
    [
        (["daily"], set()),
        (["email"], {"email"}),
        (["personal"], {"age", "weight", "height", "biological_sex"}),
        (["personal", "email"], {"age", "weight", "height", "biological_sex", "email"}),
    ],
)
def test_personal_info_has_id_and_granted_values(application, granted, visible):
    token = application.connect(scope=EVERYTHING, granted=granted)["access_token"]
    info = application.get("personal_info", token).json()
    assert info["id"] == named_people(SEED)["ana"].user_id
    assert {name for name, value in info.items() if value is not None} == visible | {"id"}


def test_token_opens_only_its_persons_documents(application):
    token = application.connect(person="chloe")["access_token"]
    own = Oura("chloe").get("sleep").content
    assert application.get("sleep", token).content == own
    assert own != Oura("ana").get("sleep").content


def test_own_token_opens_everything(application):
    for collection in [*LISTS, "personal_info"]:
        assert Oura("ana").get(collection).status_code == 200


# Revocation


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_either_token_ends_both(application, kind):
    tokens = application.connect()
    assert application.post(f"{EXT}-revoke", token=tokens[kind]).status_code == 200
    assert not application.token_works(tokens)
    assert status_and_error(application.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_revoking_an_unknown_token_succeeds(application):
    assert application.post(f"{EXT}-revoke", token="x").status_code == 200


def test_revoking_ends_no_other_grant(application):
    one, other = application.connect(), application.connect()
    application.post(f"{EXT}-revoke", token=one["access_token"])
    assert application.token_works(other)


def test_application_cannot_revoke_or_inspect_other_applications_tokens(application, control):
    tokens = application.connect()
    other = {"client_id": "other", "client_secret": "s"}
    control("clients", **other, redirect_uris=[URI], portal="new")
    stranger = Application(credentials=other)
    response = stranger.post(f"{EXT}-introspect", token=tokens["access_token"])
    assert response.json() == {"active": False}
    stranger.post(f"{EXT}-revoke", token=tokens["access_token"])
    assert application.token_works(tokens)


@pytest.mark.parametrize("method", ["get", "post"])
def test_old_provider_revokes_by_access_token_only(old, method):
    tokens = old.connect()
    query = urlencode({"access_token": tokens["access_token"]})
    assert getattr(old.http, method)(f"/oauth/revoke?{query}").status_code == 200
    assert not old.token_works(tokens)
    assert status_and_error(old.refresh(tokens["refresh_token"])) == (400, "invalid_grant")


def test_old_provider_revokes_by_form(old):
    tokens = old.connect()
    old.http.post("/oauth/revoke", {"access_token": tokens["access_token"]})
    assert not old.token_works(tokens)


def test_introspection_describes_valid_token(application):
    tokens = application.connect()
    response = application.post(f"{EXT}-introspect", token=tokens["access_token"]).json()
    assert (response["active"], response["scope"]) == (True, tokens["scope"])
    assert response["sub"] == named_people(SEED)["ana"].user_id


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_introspection_reports_used_token_as_inactive(application, kind):
    tokens = application.connect()
    application.refresh(tokens["refresh_token"])
    response = application.post(f"{EXT}-introspect", token=tokens[kind]).json()
    assert response == {"active": False}


# Controls


def test_expiring_spares_the_refresh_token(application, control):
    tokens = application.connect()
    assert control("grants/expire", name="ana") == {"expired": 1}
    assert application.get("daily_sleep", tokens["access_token"]).status_code == 401
    assert application.token_works(application.refresh(tokens["refresh_token"]).json())


def test_revoking_at_oura_ends_only_that_persons_tokens(application, control):
    anas, bens = application.connect(), application.connect(person="ben")
    assert control("grants/revoke", name="ana") == {"revoked": 1}
    assert (application.token_works(anas), application.token_works(bens)) == (False, True)
    assert status_and_error(application.refresh(anas["refresh_token"])) == (400, "invalid_grant")


def test_person_can_consent_after_revoking(application, control):
    application.connect()
    control("grants/revoke", name="ana")
    assert application.token_works(application.connect())


def test_lapsed_membership_is_403_until_renewed(application, control):
    tokens = application.connect()
    control("membership", name="ana", active=False)
    assert application.get("daily_sleep", tokens["access_token"]).status_code == 403
    assert Oura("ana").get("daily_sleep").status_code == 403
    assert Oura("ben").get("daily_sleep").status_code == 200
    control("membership", name="ana", active=True)
    assert application.token_works(tokens)


def test_token_lifetime_can_be_set(application, control):
    control("token_lifetime", seconds=0)
    tokens = application.connect()
    assert tokens["expires_in"] == 0
    assert not application.token_works(tokens)


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
def test_invalid_control_is_400_with_reason(path, body):
    answer = Oura().control(path, **body)
    assert answer.status_code == 400
    assert answer.json()["detail"]


# Faults and counts


@pytest.mark.parametrize(
    ("fault", "status"), [("server_error", 500), ("rate_limit", 429), ("malformed", 200)]
)
def test_fault_of_token_path_does_not_use_up_token(application, control, fault, status):
    token = application.connect()["refresh_token"]
    control("faults", fault=fault, path="token")
    answer = application.refresh(token)
    assert answer.status_code == status
    assert b"refresh_token" not in answer.content
    assert application.refresh(token).status_code == 200


def test_truncated_response_has_used_up_the_token(application, control):
    token = application.connect()["refresh_token"]
    control("faults", fault="truncated", path="token")
    application.refresh(token)
    assert status_and_error(application.refresh(token)) == (400, "invalid_grant")


def test_fault_of_token_path_spares_data(application, control):
    tokens = application.connect()
    control("faults", fault="server_error", path="token")
    assert application.token_works(tokens)


def test_fault_of_person_spares_other_peoples_tokens(application, control):
    anas, bens = application.connect(), application.connect(person="ben")
    control("faults", fault="server_error", path="token", name="ana", times=2)
    assert application.refresh(bens["refresh_token"]).status_code == 200
    assert application.refresh(anas["refresh_token"]).status_code == 500
    assert application.exchange(application.code()).status_code == 502


def test_token_requests_are_counted_by_path(application, old):
    application.refresh(application.connect()["refresh_token"])
    old.connect()
    paths = application.http.get("/_sandbox/requests").json()["paths"]
    assert (paths[NEW], paths[OLD]) == (2, 1)


# Members


def test_all_lists_a_hundred_more_people(application):
    few = application.http.get("/_sandbox/people").json()
    response = application.http.get("/_sandbox/people?all=1").json()
    assert [item["name"] for item in few] == list(named_people(SEED))
    names = [f"member{number}" for number in range(1, 101)]
    assert [item["name"] for item in response] == [*named_people(SEED), *names]
    assert len({item["user_id"] for item in response}) == 108


def test_member_can_consent_and_has_their_own_data(application):
    response = application.http.get("/_sandbox/people?all=1").json()
    static = {item["name"]: item["access_token"] for item in response}
    granted = application.connect(person="member100")["access_token"]
    own = application.get("sleep", granted)
    assert own.json()["data"]
    assert own.content == application.get("sleep", static["member100"]).content
    assert own.content != application.get("sleep", static["member99"]).content
