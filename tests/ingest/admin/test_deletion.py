"""The page that asks whether an account is to be deleted."""

import pytest
from django.db import connection
from django.db.models import PROTECT, SET_NULL
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from accounts.models import TokenFamily
from accounts.tokens import issue_tokens
from tests.ingest.admin.pages import fetched, ran, text_of
from tests.worlds import days_ago, store_days

pytestmark = pytest.mark.django_db


def path(user):
    return f"/admin/accounts/user/{user.pk}/delete/"


def summary(client, user):
    page = text_of(client.get(path(user))).split("<h2>Summary</h2>")[1].split("<form")[0]
    return {line for line in map(str.strip, strip_tags(page).splitlines()) if ": " in line}


def store_history(user, days):
    store_days(user, map(days_ago, range(days)), score=80, source={"daily_sleep": {}})


def test_deletion_counts_what_goes_with_the_account(admin, ana, ben):
    store_history(ana, 1200)
    store_history(ben, 7)
    ran(ana)
    fetched(ana)
    issue_tokens(ana)
    assert summary(admin, ana) == {
        "Users: 1",
        "Days of sleep: 1,200",
        "Sources (documents from Oura): 1,200",
        "Change counters: 1",
        "Fetches: 1",
        "Runs: 1",
        "Token families: 1",
        "User: ana",
    }


def test_deletion_names_no_single_day(admin, ana):
    store_history(ana, 3)
    page = text_of(admin.get(path(ana)))
    assert str(days_ago(1)) not in page
    assert "ingest/sleepmetric" not in page


def test_deletion_loads_no_days(admin, ana):
    store_history(ana, 3)
    with CaptureQueriesContext(connection) as queries:
        admin.get(path(ana))
    of_days = [each["sql"] for each in queries if '"sleep_metrics"' in each["sql"]]
    assert len(of_days) == 1
    assert of_days[0].startswith("SELECT COUNT(*)")


def test_protected_rows_are_named_and_forbid_deletion(admin, ana, monkeypatch):
    issue_tokens(ana)
    relation = TokenFamily._meta.get_field("user").remote_field
    monkeypatch.setattr(relation, "on_delete", PROTECT)
    page = text_of(admin.get(path(ana)))
    assert "<li>Token families: 1</li>" in page
    assert 'name="post"' not in page


def test_rows_that_outlive_the_account_are_not_counted(admin, ana, monkeypatch):
    issue_tokens(ana)
    relation = TokenFamily._meta.get_field("user").remote_field
    monkeypatch.setattr(relation, "on_delete", SET_NULL)
    assert "Token families: 1" not in summary(admin, ana)
