"""Whose ring: an account keeps the Oura account that its data are from."""

import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Origin
from ingest.models import RejectedDocument
from ingest.upsert import delete_metrics
from myhealth.errors import Invalid
from tests.worlds import document, store_documents

pytestmark = pytest.mark.django_db

READ = {"start": "2026-03-01", "end": "2026-03-01"}


def owner_of(processor, user="ana"):
    return processor.get("/api/v1/metrics/ledger", user=user).headers.get("Owner")


def refused(answer):
    return (answer.status_code, answer.json().get("code")) == (400, "other_owner")


def test_first_stored_data_fix_the_owner(processor, ana):
    assert owner_of(processor) is None
    assert processor.send(document(), origin="oura", owner="one").status_code == 201
    assert owner_of(processor) == "one"
    assert processor.send(document(score=5), origin="oura", owner="one").status_code == 201


def test_empty_complete_range_fixes_the_owner(processor, ana):
    processor.send(origin="oura", owner="one", read=READ)
    assert owner_of(processor) == "one"


def test_request_that_stores_nothing_fixes_no_owner(processor, ana):
    processor.send(origin="oura", owner="one")
    processor.send(document(score=101), origin="oura", owner="one")
    assert owner_of(processor) is None


def test_owner_is_fixed_for_data_stored_without(processor, ana):
    processor.send(document(), origin="oura")
    processor.send(document(), origin="oura", owner="one")
    assert owner_of(processor) == "one"


def test_owner_without_origin_leaves_origin_open(processor, ana):
    processor.send(document(), owner="one")
    processor.send(document(score=1), origin="sandbox", owner="one")
    assert (Origin.objects.get().name, owner_of(processor)) == ("sandbox", "one")


@pytest.mark.parametrize(
    ("documents", "more"),
    [
        ([document("2026-03-02", "b")], {}),
        ([document(score=101)], {}),
        ([], {"read": READ}),
        ([], {}),
    ],
)
def test_data_of_another_owner_change_nothing(processor, ana, documents, more):
    processor.send(document(score=81), origin="oura", owner="one")
    answer = processor.send(*documents, origin="oura", owner="two", **more)
    assert refused(answer)
    assert {day: row["score"] for day, row in processor.rows().items()} == {"2026-03-01": 81}
    assert (owner_of(processor), RejectedDocument.objects.count()) == ("one", 0)


def test_refusal_says_how_to_start_over(processor, ana):
    processor.send(document(), owner="secret-one")
    text = processor.send(document(), owner="secret-two").content.decode()
    assert "delete_person USER --data-only --yes" in text
    assert "accept_owner USER --yes" in text
    assert "secret" not in text


def test_envelope_without_owner_is_accepted(processor, ana):
    processor.send(document(), owner="one")
    for owner in (None, ""):
        assert processor.send(document(score=7), owner=owner).status_code == 201
    assert owner_of(processor) == "one"


def test_reports_and_runs_need_no_owner(processor, ana):
    processor.send(document(), owner="one")
    failure = {"type": "sleep", "user": "ana", "kind": "unavailable", "ranges": [READ]}
    assert processor.post(failure, path="/api/v1/reports").status_code == 204
    assert processor.post({"user": "ana"}, path="/api/v1/runs").status_code == 200


@pytest.mark.parametrize("owner", [5, [], "x" * 129, "a\nb", "ü", " a", "a\x00"])
def test_impossible_owner_is_named(processor, ana, owner):
    answer = processor.send(document(), owner=owner)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["owner"])


def test_longest_owner_is_returned_as_sent(processor, ana):
    owner = "a b~" * 32
    processor.send(document(), owner=owner)
    assert owner_of(processor) == owner


def test_owner_is_forgotten_with_the_data(processor, ana):
    processor.send(document(), origin="oura", owner="one")
    delete_metrics(ana.pk)
    assert processor.send(document(), origin="sandbox", owner="two").status_code == 201


def test_owners_of_two_accounts_are_independent(processor, ana, ben):
    processor.send(document(), owner="one")
    processor.send(document(id="b"), user="ben", owner="two")
    assert (owner_of(processor), owner_of(processor, "ben")) == ("one", "two")


@pytest.mark.django_db(transaction=True)
def test_two_owners_at_once_never_both_win(ana):
    refusals = []

    def send(type_, owner):
        try:
            store_documents(ana, [document(id=type_)], type_, owner=owner)
        except Invalid as error:
            refusals.append(error.code)
        finally:
            connection.close()

    threads = [
        threading.Thread(target=send, args=each)
        for each in (("sleep", "one"), ("activity", "two"), ("readiness", "one"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = Origin.objects.get().owner
    assert refusals == ["other_owner"] * (1 if winner == "one" else 2)


# The command --------------------------------------------------------------------------------------


def test_accepted_owner_is_fixed_by_next_collection(processor, ana, caplog):
    processor.send(document(score=81), origin="oura", owner="one")
    call_command("accept_owner", "ana", "--yes")
    assert (owner_of(processor), list(processor.rows())) == (None, ["2026-03-01"])
    assert "owner forgotten" in caplog.text
    assert "one" not in caplog.text.replace("None", "")
    processor.send(document(), origin="oura", owner="two")
    assert refused(processor.send(document(), origin="oura", owner="one"))


def test_accept_owner_without_yes_only_explains(processor, ana):
    processor.send(document(), owner="one")
    with pytest.raises(CommandError, match="--yes") as raised:
        call_command("accept_owner", "ana")
    assert (raised.value.returncode, owner_of(processor)) == (2, "one")


@pytest.mark.parametrize("name", ["nobody", ""])
def test_accept_owner_of_unknown_account_is_code_2(ana, name):
    with pytest.raises(CommandError) as raised:
        call_command("accept_owner", name, "--yes")
    assert raised.value.returncode == 2


def test_accept_owner_without_owner_says_so(ana, capsys):
    call_command("accept_owner", "ana", "--yes")
    assert "The owner of ana's data is not known" in capsys.readouterr().out
