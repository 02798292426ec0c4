"""Rows that are of no use any more are deleted after each run, also if nobody signs in."""

import uuid
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.models import FailedSignIn, KnownNetwork, TokenFamily
from ingest.models import RejectedDocument
from tests.processes import ROOT

pytestmark = pytest.mark.django_db


def add_session(user, age):
    Session.objects.create(session_key=f"{age}", expire_date=timezone.now() - age)


def add_family(user, age):
    TokenFamily.objects.create(user=user, current=uuid.uuid4(), expires_at=timezone.now() - age)


def add_failure(user, age):
    FailedSignIn.objects.create(
        account=1, network="n", block="b", source="n", is_new=True, at=timezone.now() - age
    )


def add_network(user, age):
    KnownNetwork.objects.create(
        user=user, token_version=0, network=f"{age}", at=timezone.now() - age
    )


def add_rejected(user, age):
    RejectedDocument.objects.create(
        user=user, type="sleep", key=f"{age}", errors={}, last_seen=timezone.now() - age
    )


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("model", "add", "kept", "old"),
    [
        (Session, add_session, -HOUR, HOUR),
        (TokenFamily, add_family, -HOUR, HOUR),
        (FailedSignIn, add_failure, HOUR / 2, 2 * HOUR),
        (KnownNetwork, add_network, 29 * DAY, 31 * DAY),
        (RejectedDocument, add_rejected, 89 * DAY, 91 * DAY),
    ],
)
def test_each_run_deletes_rows_that_are_too_old(ana, processor, model, add, kept, old):
    add(ana, kept)
    stays = model.objects.get()
    add(ana, old)
    answer = processor.post({"user": "ana"}, path="/api/v1/runs", **{"X-Request-ID": "a-run"})
    assert answer.status_code == 200
    assert model.objects.get() == stays


def test_operations_say_who_empties_each_table():
    section = (ROOT / "docs/operations.md").read_text().partition("\n## What grows\n")[2]
    table = section.partition("\n## ")[0]
    models = apps.get_models(include_auto_created=True)
    ours = [model for model in models if not model.__module__.startswith("tests.")]
    assert [model._meta.db_table for model in ours if model._meta.db_table not in table] == []
