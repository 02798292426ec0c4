"""Which accounts a run collects: the key's, connected ones, or one of them."""

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone

from oura import vault
from oura.accounts import (
    MEMBERSHIP_LAPSED,
    ConnectedAccount,
    KeyAccount,
    NoSuchAccount,
    select_accounts,
)
from oura.budget import Budget
from oura.errors import RunEnded
from oura.models import Connection
from oura.report import Problem, Report
from oura.tokens import access_token
from tests.worlds import person

pytestmark = pytest.mark.django_db

ALL = (0, 1)


@pytest.fixture
def both(settings):
    settings.OURA_API_KEY, settings.OURA_CLIENT_ID, settings.OURA_USER = "key", "id", "ana"


@pytest.fixture(autouse=True)
def oura(settings):
    settings.OURA_API_URL, settings.OURA_CLIENT_ID = "https://api.ouraring.com", "id"
    settings.TOKEN_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]


def connect(user, **values):
    fields = {
        "origin": "oura",
        "oura_user_id": f"oura {user.pk}",
        "access_token": vault.encrypt("a token", user.pk, vault.ACCESS),
        "refresh_token": vault.encrypt("another", user.pk, vault.REFRESH),
        "expires_at": timezone.now(),
    }
    return Connection.objects.create(user=user, **{**fields, **values})


def selected(user=None, shard=ALL):
    """Return each account's kind and user."""
    return [
        ("key" if isinstance(each, KeyAccount) else "connection", each.user)
        for each in select_accounts(user, shard)
    ]


def test_key_alone_needs_no_database(settings, django_assert_num_queries):
    settings.OURA_API_KEY, settings.OURA_CLIENT_ID, settings.OURA_USER = "key", "", "ana"
    with django_assert_num_queries(0):
        assert selected() == [("key", "ana")]


def test_key_without_user_leaves_user_to_the_processor(settings):
    settings.OURA_API_KEY, settings.OURA_CLIENT_ID, settings.OURA_USER = "key", "", ""
    assert selected() == [("key", None)]


def test_key_comes_before_connections(both, ben):
    connect(ben)
    assert selected() == [("key", "ana"), ("connection", "ben")]


def test_connection_of_the_keys_person_takes_precedence(both, ana):
    connect(ana)
    assert selected() == selected("Ana") == [("connection", "ana")]


def test_ended_connection_falls_back_to_the_key(both, ana):
    connect(ana, ended=Connection.Ended.REFUSED)
    assert selected() == selected("ana") == [("key", "ana")]


def test_connection_that_no_key_opens_falls_back_to_the_key(both, ana):
    connect(ana, access_token=b"damaged")
    assert selected("ana") == [("key", "ana")]


def test_user_selects_one_connection(both, ben):
    connect(ben)
    assert selected("BEN") == [("connection", "ben")]


def test_unconnected_person_is_an_error(both, ben):
    with pytest.raises(NoSuchAccount, match="'ben' has not connected"):
        select_accounts("ben", ALL)


@pytest.mark.parametrize("name", ["nobody", "a b", "x" * 160, "\udcff"])
def test_name_without_an_account_is_an_error(both, name):
    with pytest.raises(NoSuchAccount, match="There is no account named '"):
        select_accounts(name, ALL)


def test_connection_of_the_sandbox_is_said_not_to_be_served(both, ben):
    connect(ben, origin="sandbox")
    with pytest.raises(NoSuchAccount, match="'ben' comes from the sandbox, but this server"):
        select_accounts("ben", ALL)


def test_user_other_than_the_keys_is_an_error(settings):
    settings.OURA_API_KEY, settings.OURA_CLIENT_ID, settings.OURA_USER = "key", "", "ana"
    with pytest.raises(NoSuchAccount, match="belongs to 'ana'"):
        select_accounts("ben", ALL)


def test_key_belongs_to_the_first_shard(both):
    assert (selected(shard=(0, 2)), selected(shard=(1, 2))) == ([("key", "ana")], [])


def test_longest_waiting_connections_come_first(both, settings):
    settings.OURA_API_KEY = ""
    asked_at = {"late": timezone.now(), "never": None}
    for name, moment in asked_at.items():
        connect(person(name, "ben"), asked_at=moment)
    assert [user for _, user in selected()] == ["never", "late"]


def test_wanted_are_new_connections_and_those_asked_for(both, ben):
    connect(ben, asked_at=timezone.now())
    connect(person("new", "ben"))
    connect(person("asking", "ben"), asked_at=timezone.now(), wanted_at=timezone.now())
    connect(person("over", "ben"), ended=Connection.Ended.REFUSED)
    found = {each.user for each in select_accounts(None, ALL, wanted=True)}
    assert found == {"new", "asking"}


def test_run_that_begins_is_not_asked_for_any_more(both, ben):
    account = ConnectedAccount(connect(ben, wanted_at=timezone.now()), Budget())
    account.begin(is_whole=True)
    assert not Connection.objects.due().exists()
    connection = Connection.objects.get()
    assert (connection.wanted_at, connection.finished_at) == (None, None)
    account.finish(Report(), is_whole=True)
    connection.refresh_from_db()
    assert connection.finished_at >= connection.asked_at


@pytest.mark.parametrize("asked_at", [None, timezone.now()])
def test_run_of_a_part_leaves_the_wish(both, ben, asked_at):
    asked = {"wanted_at": timezone.now()} if asked_at else {}
    account = ConnectedAccount(connect(ben, asked_at=asked_at, **asked), Budget())
    account.begin(is_whole=False)
    account.finish(Report(), is_whole=False)
    connection = Connection.objects.due().get()
    assert connection.wanted_at <= connection.asked_at <= connection.finished_at
    assert connection.collected_at is None


def test_run_of_a_part_records_its_problem(ana):
    account = ConnectedAccount(connect(ana, problem="An old one.", scopes=["daily"]), Budget())
    account.finish(Report(problems=[FAILED]), is_whole=False)
    assert Connection.objects.get().problem == FAILED.error
    account.finish(Report(), is_whole=False)
    assert Connection.objects.get().problem == ""


def test_run_takes_the_connection_as_it_is_when_it_begins(ana, django_assert_num_queries):
    connect(ana, ended=Connection.Ended.REFUSED)
    [account] = select_accounts(None, ALL)
    Connection.objects.update(ended="", scopes=["daily"])
    account.begin(is_whole=True)
    with django_assert_num_queries(0):
        assert (account.user, account.ended, account.has_scope("daily")) == ("ana", "", True)
    assert Connection.objects.get().asked_at is not None


# What the account page shows of a run -------------------------------------------------------------


REFUSED = Problem("ana", "sleep", "The scope was not granted.", "forbidden", is_repeat=True)
REPEATED = Problem("ana", "sleep", "Rejected as before.", "rejected", is_repeat=True)
FAILED = Problem("ana", "sleep", "It failed.", "unavailable")
DENIED = Problem("ana", "sleep", "Oura denied access to it (403).", "forbidden")


@pytest.mark.parametrize(
    ("problems", "scopes", "shown", "complete"),
    [
        ([], ["daily"], "", True),
        ([REPEATED], ["daily"], "", True),
        ([REFUSED], [], "", True),
        ([FAILED], ["daily"], FAILED.error, False),
        ([REFUSED, FAILED], [], FAILED.error, False),
        ([DENIED], ["daily"], MEMBERSHIP_LAPSED, False),
        ([DENIED], [], "", False),
    ],
)
def test_finish_records_problem_and_time_of_collection(ana, problems, scopes, shown, complete):
    account = ConnectedAccount(connect(ana, scopes=scopes), Budget())
    account.finish(Report(problems=problems), is_whole=True)
    connection = Connection.objects.get()
    assert (connection.problem, connection.collected_at is not None) == (shown, complete)


def test_run_that_was_cut_short_records_no_collection(ana):
    account = ConnectedAccount(connect(ana, scopes=["daily"]), Budget())
    account.finish(Report(is_cut_short=True), is_whole=True)
    connection = Connection.objects.get()
    assert (connection.collected_at, connection.finished_at is None) == (None, False)


def test_account_exists_until_the_connection_is_deleted(ana):
    account = ConnectedAccount(connect(ana), Budget())
    assert account.exists()
    Connection.objects.all().delete()
    assert not account.exists()


@pytest.mark.parametrize("refused", ["", "a token"])
def test_token_of_a_deleted_connection_ends_the_run(ana, refused):
    connection = connect(ana)
    Connection.objects.all().delete()
    with pytest.raises(RunEnded):
        access_token(connection.pk, refused=refused)


def test_lost_connection_is_new_once_and_never_complete(ana):
    account = ConnectedAccount(connect(ana, access_token=b"damaged"), Budget())
    assert account.ended == ""
    account.finish(Report(problems=[FAILED]), is_whole=True)
    account.connection.refresh_from_db()
    assert "Connect Oura again" in account.ended
    account.finish(Report(problems=[REPEATED]), is_whole=True)
    assert Connection.objects.get().collected_at is None


def test_ended_connection_is_not_changed(ana):
    connection = connect(ana, ended=Connection.Ended.REFUSED, problem="It is over.")
    account = ConnectedAccount(connection, Budget())
    account.begin(is_whole=True)
    account.finish(Report(), is_whole=True)
    assert Connection.objects.values("problem", "asked_at", "collected_at").get() == {
        "problem": "It is over.",
        "asked_at": None,
        "collected_at": None,
    }
