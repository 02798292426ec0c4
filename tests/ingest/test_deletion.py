"""What a run sends after the person's data were deleted is refused."""

import pytest
from django.db import connection

from accounts.models import Origin, User
from ingest.models import (
    METRIC_MODELS,
    Fetch,
    MetricSource,
    RejectedDocument,
    Revision,
    Run,
)
from tests.ingest.conftest import CONTROL
from tests.worlds import document, person

pytestmark = pytest.mark.django_db
READ = {"start": "2026-03-01", "end": "2026-03-09"}
OF_DATA = (*METRIC_MODELS.values(), MetricSource, RejectedDocument, Revision, Fetch, Run, Origin)
INGEST = {"type": "sleep", "user": "ana", "origin": "oura", "owner": "one"}
# What a collector sends, by what it is: the route, and the body.
SENT = {
    "documents": ("ingest", {**INGEST, "read": READ, "data": [document(source={"a": 1})]}),
    "one document": ("ingest", {**INGEST, "data": document()}),
    "a bad document": ("ingest", {**INGEST, "data": [document(score=500)]}),
    "an empty range": ("ingest", {**INGEST, "read": READ, "data": []}),
    "a failure": (
        "reports",
        {"type": "sleep", "user": "ana", "ranges": [READ], "kind": "unavailable"},
    ),
    "the end of the run": ("runs", {"user": "ana"}),
}
each_sent = pytest.mark.parametrize("what", SENT)


def generation(processor):
    """Return what a run gets with the ledger when it begins."""
    return processor.get("/api/v1/metrics/ledger", user="ana").headers["Data-Generation"]


def send(processor, what, generation=None):
    route, body = SENT[what]
    headers = {"Data-Generation": generation} if generation is not None else {}
    return processor.post(body, path=f"/api/v1/{route}", **headers)


def delete(processor, name="ana"):
    headers = {"Authorization": f"Bearer {CONTROL}"}
    assert processor.client.delete(f"/api/v1/people/{name}", headers=headers).status_code == 204


def rows():
    return {model.__name__: model._default_manager.count() for model in OF_DATA}


@each_sent
def test_what_a_run_sends_after_deletion_is_refused(processor, ana, what):
    began = generation(processor)
    delete(processor)
    answer = send(processor, what, began)
    assert (answer.status_code, answer.json()["code"]) == (409, "data_deleted")
    assert answer.json()["detail"].startswith("This person's data have been deleted")
    assert set(rows().values()) == {0}


@each_sent
def test_what_a_later_run_sends_is_stored(processor, ana, what):
    delete(processor)
    assert send(processor, what, generation(processor)).status_code != 409
    assert set(rows().values()) != {0}


@each_sent
@pytest.mark.parametrize("generation", [None, ""])
def test_programs_without_a_generation_are_not_refused(processor, ana, what, generation):
    delete(processor)
    assert send(processor, what, generation).status_code != 409
    assert set(rows().values()) != {0}


@each_sent
def test_run_for_a_deleted_account_is_not_its_successors(processor, ana, what):
    began = generation(processor)
    ana.delete()
    assert send(processor, what, began).json()["code"] == "unknown_user"
    person("ana")
    assert send(processor, what, began).status_code == 409
    assert set(rows().values()) == {0}


def test_deleting_ones_data_ends_nobody_elses_run(processor, ana, ben):
    began = generation(processor)
    delete(processor, "ben")
    assert send(processor, "documents", began).status_code == 201


def test_saving_an_account_keeps_the_generation(processor, ana):
    delete(processor)
    before = generation(processor)
    ana.first_name = "Ana"
    ana.save()
    assert generation(processor) == before


def test_accounts_that_an_earlier_version_adds_get_a_generation(processor, ana):
    columns = [each.column for each in User._meta.concrete_fields]
    kept = ", ".join(sorted({*columns} - {"id", "username", "data_generation"}))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO accounts_user (username, {kept}) SELECT 'old', {kept} FROM accounts_user"
        )
    assert User.objects.get(username="old").data_generation != ana.data_generation
