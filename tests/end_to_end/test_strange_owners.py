"""Whose ring it is: days of two Oura accounts are never mixed under one account."""

import pytest
import requests
from django.core.management import call_command

from accounts.models import Origin
from ingest.models import Fetch, MetricSource, Revision
from metrics import TYPES
from tests.processes import TOKEN
from tests.scale import full_only, scaled

ALL = ("--days", "14")


def key_of(strange, name):
    return strange.environment(name=name)["OURA_API_KEY"]


def stored(strange):
    """Return all that a collection may change: rows, ledger, revisions and the owner."""
    return (
        {type_: strange.rows(type_) for type_ in TYPES},
        sorted(Fetch.objects.values_list("pk", "type", "start", "end", "asked_at", "complete")),
        Revision.objects.count(),
        sorted((each.type, each.day, bytes(each.content)) for each in MetricSource.objects.all()),
        list(Origin.objects.values_list("user__username", "name", "owner")),
    )


def other_persons(strange):
    """Return the ways in which a run has another person's token."""
    return {"OURA_API_KEY": key_of(strange, "ben")}


@full_only
def test_key_of_another_person_changes_nothing(strange):
    strange.collect(*ALL)
    before = stored(strange)
    run = strange.collect(*ALL, **other_persons(strange))
    assert (run.code, run.report["status"]) == (1, "failed")
    assert stored(strange) == before


@full_only
def test_refusal_of_another_person_says_how_to_start_over(strange):
    strange.collect(*ALL)
    run = strange.collect(*ALL, **other_persons(strange))
    for error in run.report["errors"]:
        assert "a different Oura account" in error["error"]
        assert "delete_person USER --data-only --yes" in error["error"]
        assert "accept_owner" in error["error"]
    assert {error["type"] for error in run.report["errors"]} == set(TYPES)


@full_only
def test_changed_owner_is_refused_before_anything_is_read(strange):
    strange.collect(*ALL)
    strange.be_owned_by("somebody else")
    run, asked = strange.collect_counting(*ALL)
    assert (run.code, asked) == (1, 0)


@full_only
def test_own_key_works_after_refusal(strange):
    strange.collect(*ALL)
    strange.collect(*ALL, **other_persons(strange))
    run = strange.collect(*ALL)
    assert (run.code, run.report["errors"]) == (0, [])


@pytest.mark.parametrize("fault", scaled(["forbidden"], ["unauthorized", "forbidden"]))
def test_unknown_owner_is_one_sentence_and_costs_nothing(strange, fault):
    strange.fault(fault, times=10**6, path="personal_info")
    run = strange.collect(*ALL)
    assert (run.code, run.report["status"]) == (0, "ok")
    [error] = run.report["errors"]
    assert "does not say whose account" in error["error"]
    assert strange.rows("activity")
    assert list(Origin.objects.values_list("owner", flat=True)) == [""]


@full_only
def test_owner_is_learnt_when_scope_is_granted_later(strange):
    strange.fault("forbidden", times=10**6, path="personal_info")
    strange.collect(*ALL)
    strange.clear_faults()
    strange.collect(*ALL)
    before = stored(strange)
    run = strange.collect(*ALL, **other_persons(strange))
    assert (run.code, stored(strange)) == (1, before)


@full_only
@pytest.mark.parametrize("fault", ["unauthorized", "forbidden", "server_error"])
def test_known_owner_that_can_not_be_checked_stores_nothing(strange, fault):
    strange.collect(*ALL)
    rows = {type_: strange.rows(type_) for type_ in TYPES}
    strange.fault(fault, times=10**6, path="personal_info")
    run, asked = strange.collect_counting("--days", "17")
    assert (run.code, asked) == (1, 0)
    assert {type_: strange.rows(type_) for type_ in TYPES} == rows


@full_only
def test_temporary_failure_is_no_refusal(strange):
    strange.fault("server_error", times=10**6, path="personal_info")
    run = strange.collect(*ALL)
    assert (run.code, strange.rows("activity")) == (1, {})
    strange.clear_faults()
    assert strange.collect(*ALL).code == 0
    assert Origin.objects.exclude(owner="").count() == 1


@full_only
def test_deleted_data_make_way_for_another_person(strange, settings):
    strange.collect(*ALL)
    settings.PROCESSOR_URL = strange.processor.url
    call_command("delete_person", "ana", "--data-only", "--yes")
    run = strange.collect(*ALL, **other_persons(strange))
    assert (run.code, run.report["errors"]) == (0, [])
    assert strange.rows("activity")


@full_only
def test_accepted_owner_keeps_days(strange):
    strange.collect(*ALL)
    strange.be_owned_by("the same person's new id")
    call_command("accept_owner", "ana", "--yes")
    run = strange.collect(*ALL)
    assert (run.code, sum(run.counts("unchanged").values()) > 0) == (0, True)
    assert Origin.objects.get().owner == "the same person's new id"


@full_only
def test_program_with_another_owner_is_refused(strange):
    strange.collect(*ALL)
    before = stored(strange)
    answer = requests.post(
        f"{strange.processor.url}/api/v1/ingest",
        json={
            "type": "activity",
            "user": "ana",
            "origin": "sandbox",
            "owner": "somebody else",
            "data": [{"id": "x", "day": "2026-03-01", "score": 50}],
        },
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "other_owner")
    assert stored(strange) == before
