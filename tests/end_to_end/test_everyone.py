"""One run collects for every connected person; what happens to one is nobody else's."""

import pytest

from ingest.models import SleepMetric
from myhealth.states import State
from oura.models import Connection
from tests.scale import full_only

pytestmark = pytest.mark.django_db(transaction=True)


def states(client, user):
    """Return the state of each of the last days of sleep, and who can fix it."""
    client.force_login(user)
    days = client.get("/api/v1/coverage").json()["sleep"]["ranges"]
    return {(each["state"], State(each["state"]).fault) for each in days}


def held(model=SleepMetric):
    return set(model.objects.values_list("user__username", flat=True))


def test_everybody_is_collected_and_nobody_gets_anothers_days(club):
    for number in range(1, 6):
        club.join(number)
    code, report, _ = club.collect()
    assert (code, report["status"], report["errors"]) == (0, "ok", [])
    assert held() == {f"member{number}" for number in range(1, 6)}
    assert SleepMetric.objects.values("oura_id").distinct().count() == SleepMetric.objects.count()
    assert not Connection.objects.filter(collected_at=None).exists()


def test_whoever_fails_is_named_and_the_others_are_complete(club):
    for number in range(1, 5):
        club.join(number)
    club.join(5, granted=["personal"])
    club.at_oura.control("grants/revoke", name="member1")
    club.at_oura.control("membership", name="member2", active=False)
    code, report, _ = club.collect()
    assert (code, report["status"]) == (1, "partial")
    assert {error["user"] for error in report["errors"]} == {"member1", "member2", "member5"}
    assert held() == {"member3", "member4"}
    problems = {each.user.username: each.problem for each in Connection.objects.all()}
    assert "Connect Oura again" in problems["member1"]
    assert "membership has expired" in problems["member2"]
    # The account page says by the scopes what was not shared.
    assert problems["member5"] == ""
    assert problems["member3"] == ""


@full_only
def test_a_slow_account_and_a_broken_one_delay_nobody(club):
    for number in range(1, 6):
        club.join(number)
    control = club.at_oura.control
    control("faults", fault="timeout", name="member1", times=100)
    control("faults", fault="malformed", name="member2", path="daily_readiness", times=100)
    code, report, _ = club.collect(COLLECTOR_TIMEOUT="1")
    assert code == 1
    assert {error["user"] for error in report["errors"]} == {"member1", "member2"}
    assert held() == {"member2", "member3", "member4", "member5"}


@full_only
def test_ended_connection_is_reported_and_fails_no_later_run(club):
    club.join(1)
    club.join(2)
    club.at_oura.control("grants/revoke", name="member1")
    assert club.collect()[0] == 1
    code, report, _ = club.collect()
    assert (code, [error["user"] for error in report["errors"]]) == (0, ["member1"])


@full_only
def test_tokens_that_no_key_opens_are_a_lost_connection(club, client):
    lost = club.join(1)
    club.join(2)
    token = bytes(lost.access_token)
    Connection.objects.filter(pk=lost.pk).update(access_token=b"damaged")
    code, report, log = club.collect()
    assert (code, report["status"], "Traceback" in log) == (1, "partial", False)
    assert {error["user"] for error in report["errors"]} == {"member1"}
    assert held() == {"member2"}
    assert states(client, lost.user) == {("no_permission", "wearer")}
    code, report, _ = club.collect()
    assert (code, [error["user"] for error in report["errors"]]) == (0, ["member1"])
    # As if the former key had been put back.
    Connection.objects.filter(pk=lost.pk).update(access_token=token)
    assert club.collect()[0] == 0
    assert held() == {"member1", "member2"}
    assert not Connection.objects.exclude(problem="").exists()


def test_a_token_that_expires_on_the_way_is_renewed(club):
    club.join(1)
    club.at_oura.control("grants/expire", name="member1")
    assert club.collect()[0] == 0
    assert held() == {"member1"}


def test_shards_are_parts_that_make_the_whole(club):
    for number in range(1, 7):
        club.join(number)
    assert club.collect("--shard", "0/2")[0] == 0
    first = held()
    assert club.collect("--shard", "1/2")[0] == 0
    assert 0 < len(first) < 6
    assert held() == {f"member{number}" for number in range(1, 7)}


def test_one_person_can_be_collected_alone(club):
    club.join(1)
    club.join(2)
    assert club.collect("--user", "MEMBER2")[0] == 0
    assert held() == {"member2"}


def test_no_token_and_no_name_is_in_the_log(club):
    from oura import vault

    connection = club.join(1)
    _, _, log = club.collect(LOG_LEVEL="debug")
    assert "range collected" in log
    for column in (vault.ACCESS, vault.REFRESH):
        assert vault.decrypt(connection, column) not in log
    assert "member1" not in log
