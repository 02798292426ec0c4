"""Rejected documents are retried, and people deleted, in the admin through the processor."""

import json

import pytest
from django.test import Client

from accounts.models import User
from ingest.models import RejectedDocument, SleepMetric
from tests.worlds import person, store_days


@pytest.fixture
def admin(transactional_db, ana, settings, processor_process):
    settings.PROCESSOR_URL = processor_process.url
    ana.is_staff = ana.is_superuser = True
    ana.save()
    client = Client()
    client.force_login(ana)
    return client


def rejected_document(user, **document):
    return RejectedDocument.objects.create(
        user=user,
        type="sleep",
        key=document["id"],
        oura_id=document["id"],
        day=document["day"],
        content=json.dumps(document),
        errors={"score": ["It was too high."]},
    )


def retry(admin, entry):
    answer = admin.post(
        "/admin/ingest/rejecteddocument/",
        {"action": "retry", "_selected_action": [entry.pk]},
        follow=True,
    )
    [message] = answer.context["messages"]
    return str(message)


def test_retry_stores_document_that_is_now_valid(admin, ana):
    entry = rejected_document(ana, id="a", day="2026-03-01", score=81)
    assert "stored" in retry(admin, entry)
    assert SleepMetric.objects.get().score == 81
    assert not RejectedDocument.objects.exists()


def test_retry_keeps_invalid_document_and_shows_reason(admin, ana):
    entry = rejected_document(ana, id="a", day="2026-03-01", score=181)
    assert "rejected" in retry(admin, entry)
    assert not SleepMetric.objects.exists()
    page = admin.get("/admin/ingest/rejecteddocument/").content.decode()
    assert "181 is not valid" in page


def test_account_is_deleted_with_its_data(admin, ana, processor_process):
    ben = person("ben")
    store_days(ben, ["2026-03-01"], score=81)
    rejected_document(ben, id="x", day="2026-03-02", score=181)
    page = admin.post(f"/admin/accounts/user/{ben.pk}/delete/", {"post": "yes"}, follow=True)
    assert "was deleted successfully" in page.content.decode()
    assert not SleepMetric.objects.exists()
    assert not User.objects.filter(username="ben").exists()


def test_no_account_is_deleted_without_processor(admin, ana, settings):
    settings.PROCESSOR_URL = "http://127.0.0.1:9"
    ben = person("ben")
    page = admin.post(f"/admin/accounts/user/{ben.pk}/delete/", {"post": "yes"}, follow=True)
    assert "Deleting did not finish" in page.content.decode()
    assert User.objects.filter(username="ben").exists()


def test_retry_says_if_processor_is_unreachable(admin, ana, settings):
    settings.PROCESSOR_URL = "http://127.0.0.1:9"
    assert "can't be reached" in retry(admin, rejected_document(ana, id="a", day="2026-03-01"))
