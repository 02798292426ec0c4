"""How a person stands with Oura, in words."""

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone

from accounts.models import Origin
from metrics import TYPES
from oura.models import Connection, WantedRun
from oura.provider import SCOPES
from oura.standing import find_standing, in_words
from tests.oura.test_accounts import connect

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def oura(settings):
    settings.OURA_API_URL, settings.OURA_CLIENT_ID = "https://api.ouraring.com", "id"
    settings.TOKEN_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]


def ago(minutes):
    return timezone.now() - timedelta(minutes=minutes)


def collected(user, **values):
    """Connect a person whose last run began and ended well an hour ago."""
    times = {"asked_at": ago(60), "finished_at": ago(59), "collected_at": ago(59)}
    return connect(user, **{"scopes": list(SCOPES), **times, **values})


def said(user, **given):
    standing = find_standing(user, **given)
    return standing.problem, standing.note, str(standing.action), str(standing.progress)


def test_nobody_is_connected_at_first(ana):
    assert said(ana) == ("", "", "connect", "")


def test_without_application_it_is_to_be_set_up(ana, settings):
    settings.OURA_CLIENT_ID = ""
    assert said(ana) == ("", "", "set_up", "")


def test_person_of_the_key_has_nothing_to_do(ana, settings):
    settings.OURA_API_KEY, settings.OURA_USER = "key", "Ana"
    standing = find_standing(ana)
    assert standing.is_awaited and standing.action == "" and standing.can_collect
    assert standing.note == "Your data are fetched with this server's own access to Oura."


def test_administrator_reads_which_setting_it_is(ana, settings):
    settings.OURA_API_KEY, settings.OURA_USER = "key", "Ana"
    ana.is_superuser = True
    assert "OURA_API_KEY" in find_standing(ana).note


def test_sample_data_are_to_be_deleted_first(ana):
    Origin.objects.create(user=ana, name="sandbox")
    problem, _, action, _ = said(ana)
    assert "Delete the sample data first, or sign in with another account" in problem
    assert action == "delete_data"


def test_own_data_need_oura_instead_of_the_sandbox(ana, settings):
    settings.OURA_API_URL = "http://127.0.0.1:8002"
    Origin.objects.create(user=ana, name="oura")
    problem, _, action, _ = said(ana)
    assert "Set up the connection to Oura first" in problem
    assert action == "set_up"


def test_origin_without_a_name_forbids_nothing(ana):
    Origin.objects.create(user=ana, name="", owner="one")
    assert said(ana) == ("", "", "connect", "")


def test_complete_connection_has_nothing_to_say(ana):
    collected(ana)
    assert said(ana) == ("", "", "", "")


def test_lost_connection_is_to_be_renewed(ana):
    collected(ana, ended=Connection.Ended.REFUSED)
    problem, _, action, _ = said(ana)
    assert "was revoked at Oura or has expired" in problem
    assert action == "reconnect"


@pytest.mark.parametrize(
    ("client_id", "origin", "reason", "action"),
    [
        ("", "oura", "can't be used, because this server is not registered at Oura", "set_up"),
        ("id", "sandbox", "comes from the sandbox, but this server is connected to Oura", ""),
    ],
)
def test_nobody_reconnects_what_settings_have_closed(
    ana, settings, client_id, origin, reason, action
):
    settings.OURA_CLIENT_ID = client_id
    collected(ana, origin=origin)
    remedy = "The person who runs this server can change that."
    assert said(ana) == (f"Your connection to Oura {reason}. {remedy}", "", action, "")


def test_key_brings_the_data_of_a_lost_connection(ana, settings):
    settings.OURA_API_KEY, settings.OURA_USER = "key", "ana"
    collected(ana, ended=Connection.Ended.REFUSED)
    standing = find_standing(ana)
    assert (standing.problem, standing.action, standing.can_collect) == ("", "reconnect", True)
    assert standing.note == (
        "Your connection to Oura was revoked at Oura or has expired. Your data are fetched with "
        "this server's own access to Oura."
    )


def test_nothing_shared_is_one_sentence_and_no_history(ana):
    connect(ana, scopes=["personal"])
    problem, note, action, progress = said(ana)
    titles = in_words(each.title.lower() for each in TYPES.values())
    assert problem.startswith(f"You did not share your {titles}")
    assert "“daily”" in problem
    assert (note, action, progress) == ("", "reconnect", "")


def test_unshared_scope_is_said_beside_what_comes(ana):
    collected(ana, scopes=["daily"])
    problem, note, action, _ = said(ana)
    assert "Oura profile (“personal”)" in note
    assert (problem, action) == ("", "reconnect")


def test_problem_of_the_last_run_is_said(ana):
    collected(ana, problem="Oura did not answer.")
    assert said(ana)[0] == "Oura did not answer."


def test_old_problem_is_silent_while_a_run_is_under_way(ana):
    collected(ana, problem="Oura did not answer.", asked_at=ago(1))
    assert said(ana) == ("", "", "", "collecting")


# Runs ---------------------------------------------------------------------------------------------


def test_new_connection_awaits_its_first_run(ana):
    connect(ana, scopes=list(SCOPES))
    standing = find_standing(ana)
    assert (standing.progress, standing.is_first, standing.can_collect) == ("awaited", True, False)


@pytest.mark.parametrize(
    ("began", "fetched", "progress"),
    [(1, None, "collecting"), (9, None, "collecting"), (11, None, ""), (30, 2, "collecting")],
)
def test_run_without_a_sign_of_life_has_died(ana, began, fetched, progress):
    collected(ana, asked_at=ago(began))
    fetched_at = ago(fetched) if fetched else None
    assert find_standing(ana, fetched_at=fetched_at).progress == progress


def test_run_that_ended_is_not_under_way(ana):
    collected(ana, asked_at=ago(2), finished_at=ago(1))
    assert find_standing(ana).progress == ""


def test_run_that_nothing_begins_is_said(ana):
    connect(ana, scopes=list(SCOPES), connected_at=ago(11))
    problem, _, _, progress = said(ana)
    assert (problem, progress) == (
        "No collection has started yet. Check that myhealth is running.",
        "",
    )


def test_wish_that_collections_of_a_part_leave_may_be_renewed(ana):
    collected(ana, wanted_at=ago(90))
    standing = find_standing(ana)
    assert (standing.problem, standing.progress, standing.can_collect) == ("", "", True)
    Connection.objects.all().want(timezone.now())
    assert find_standing(ana).progress == "awaited"


def test_schedule_says_when_the_next_run_is(ana, settings):
    settings.COLLECT_SCHEDULE = "17 * * * *"
    ana.time_zone = "Asia/Kolkata"
    connect(ana, scopes=list(SCOPES))
    standing = find_standing(ana)
    assert standing.next_at.minute == 47
    assert timedelta() < standing.next_at - timezone.now() <= timedelta(hours=1)
    assert (standing.problem, standing.progress, standing.can_collect) == ("", "", False)


def test_wanted_run_of_the_future_is_not_awaited(ana, settings):
    settings.OURA_API_KEY, settings.OURA_USER = "key", "ana"
    WantedRun.objects.create(user=ana, at=ago(-120))
    assert find_standing(ana).progress == ""
    WantedRun.objects.update(at=ago(0))
    assert find_standing(ana).progress == "awaited"


def test_wanted_run_that_nothing_begins_is_said(ana, settings):
    settings.OURA_API_KEY, settings.OURA_USER = "key", "ana"
    WantedRun.objects.create(user=ana, at=ago(11))
    standing = find_standing(ana)
    assert standing.problem == "No collection has started yet. Check that myhealth is running."
    assert not standing.can_collect


def test_regular_run_meets_the_wish_for_one(ana, settings):
    settings.OURA_API_KEY, settings.OURA_USER = "key", "ana"
    WantedRun.objects.create(user=ana, at=ago(5))
    standing = find_standing(ana, began_at=lambda: ago(4))
    assert (standing.problem, standing.progress, standing.can_collect) == ("", "", True)


def test_run_may_be_wanted_again_if_none_began(ana):
    WantedRun.objects.create(user=ana, at=ago(11))
    now = timezone.now()
    assert WantedRun.objects.want(ana, now)
    assert WantedRun.objects.get().at == now
