"""Which accounts a run collects: that of the key, those that are connected, or one of them."""

import pytest
from django.utils import timezone

from oura.accounts import LAPSED, ConnectedAccount, KeyAccount, NoSuchAccount, select_accounts
from oura.budget import Budget
from oura.models import Connection
from oura.report import Problem, Report
from tests.worlds import person

pytestmark = pytest.mark.django_db

ALL = (0, 1)


@pytest.fixture
def both(settings):
    settings.OURA_API_KEY, settings.OURA_CLIENT_ID, settings.OURA_USER = "key", "id", "ana"
    settings.OURA_API_URL = "https://api.ouraring.com"


def connect(user, **changed):
    fields = {"access_token": b"", "refresh_token": b"", "expires_at": timezone.now()}
    id_ = f"oura {user.pk}"
    return Connection.objects.create(
        user=user, origin="oura", oura_user_id=id_, **fields, **changed
    )


def selected(user=None, shard=ALL):
    """Each account's way in and its person."""
    return [
        ("key" if isinstance(each, KeyAccount) else "connection", each.user)
        for each in select_accounts(user, shard)
    ]


def test_key_alone_needs_no_database(settings, django_assert_num_queries):
    settings.OURA_API_KEY, settings.OURA_CLIENT_ID, settings.OURA_USER = "key", "", "ana"
    with django_assert_num_queries(0):
        assert selected() == [("key", "ana")]


def test_without_name_the_processor_knows_whose_it_is(settings):
    settings.OURA_API_KEY, settings.OURA_CLIENT_ID, settings.OURA_USER = "key", "", ""
    assert selected() == [("key", None)]


def test_key_comes_before_connections(both, ben):
    connect(ben)
    assert selected() == [("key", "ana"), ("connection", "ben")]


def test_connection_of_the_keys_person_wins(both, ana):
    connect(ana)
    assert selected() == selected("Ana") == [("connection", "ana")]


def test_ended_connection_leaves_the_key(both, ana):
    connect(ana, ended=Connection.Ended.REFUSED)
    assert selected("ana") == [("key", "ana")]


def test_another_person_is_collected_alone(both, ben):
    connect(ben)
    assert selected("BEN") == [("connection", "ben")]


def test_unconnected_person_is_an_error(both):
    with pytest.raises(NoSuchAccount, match="ben has not connected"):
        select_accounts("ben", ALL)


def test_another_person_than_the_keys_is_an_error(settings):
    settings.OURA_API_KEY, settings.OURA_CLIENT_ID, settings.OURA_USER = "key", "", "ana"
    with pytest.raises(NoSuchAccount, match="belongs to ana"):
        select_accounts("ben", ALL)


def test_key_belongs_to_the_first_shard(both):
    assert (selected(shard=(0, 2)), selected(shard=(1, 2))) == ([("key", "ana")], [])


def test_those_who_waited_longest_come_first(both, settings):
    settings.OURA_API_KEY = ""
    asked = {"late": timezone.now(), "never": None}
    for name, moment in asked.items():
        connect(person(name, "ben"), asked_at=moment)
    assert [user for _, user in selected()] == ["never", "late"]


# What the account page shows of a run -------------------------------------------------------------


REFUSED = Problem("ana", "sleep", "The scope was not granted.", "forbidden", known=True)
AGAIN = Problem("ana", "sleep", "Rejected as before.", "rejected", known=True)
FAILED = Problem("ana", "sleep", "It failed.", "unavailable")
LAPSE = Problem("ana", "sleep", "Oura does not permit it (403).", "forbidden")


@pytest.mark.parametrize(
    ("problems", "scopes", "shown", "complete"),
    [
        ([], ["daily"], "", True),
        ([AGAIN], ["daily"], "", True),
        ([REFUSED], [], REFUSED.error, True),
        ([FAILED], ["daily"], FAILED.error, False),
        ([REFUSED, FAILED], [], FAILED.error, False),
        ([LAPSE], ["daily"], LAPSED, False),
        ([LAPSE], [], LAPSE.error, False),
    ],
)
def test_finish_records_what_is_wrong_and_when_all_came(ana, problems, scopes, shown, complete):
    account = ConnectedAccount(connect(ana, scopes=scopes), Budget())
    account.finish(Report(problems=problems))
    held = Connection.objects.get()
    assert (held.problem, held.collected_at is not None) == (shown, complete)


def test_dry_run_collects_nothing(ana):
    ConnectedAccount(connect(ana, scopes=["daily"]), Budget()).finish(Report(dry_run=True))
    assert Connection.objects.get().collected_at is None


def test_ended_connection_is_left_as_it_is(ana):
    held = connect(ana, ended=Connection.Ended.REFUSED, problem="It is over.")
    account = ConnectedAccount(held, Budget())
    account.begin()
    account.finish(Report())
    assert Connection.objects.values("problem", "asked_at", "collected_at").get() == {
        "problem": "It is over.",
        "asked_at": None,
        "collected_at": None,
    }
