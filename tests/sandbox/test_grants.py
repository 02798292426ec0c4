"""What the tokens of a grant open in the sandbox, what ends them, and who can grant."""

from urllib.parse import urlencode

import pytest

from sandbox import grants
from sandbox.people import people
from sandbox.registry import scope_of
from tests.sandbox.applications import (
    EVERYTHING,
    EXT,
    NEW,
    OLD,
    URI,
    Application,
    error_of,
)
from tests.sandbox.sandboxed import LISTS, SEED, Oura

pytestmark = pytest.mark.usefixtures("afresh")


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
