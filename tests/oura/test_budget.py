"""Oura's request limit, shared by all our processes through the database."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from oura import budget as budgets
from oura.budget import REFILL_SIZE, Budget
from oura.models import RequestBudget

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def slow_flow(monkeypatch):
    # So that nothing to speak of flows in during a test.
    monkeypatch.setattr(budgets, "WINDOW_SECONDS", 300_000.0)


def spend(budget, count):
    for _ in range(count):
        budget.spend()


def test_tenth_of_limit_is_available_at_once(settings):
    settings.OURA_REQUEST_LIMIT = 500
    pauses = []
    budget = Budget(sleep=pauses.append)
    spend(budget, 50)
    assert pauses == []
    spend(budget, 10)
    assert pauses == [pytest.approx(REFILL_SIZE / (450 / budgets.WINDOW_SECONDS), rel=0.05)]


def test_several_processes_share_one_bucket(settings):
    settings.OURA_REQUEST_LIMIT = 500
    pauses = []

    def another(_):
        spend(Budget(sleep=pauses.append), 20)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(another, range(4)))
    # Eighty were requested, fifty were available.
    assert len(pauses) == 3
    assert RequestBudget.objects.get().left == pytest.approx(-30, abs=2)


def test_bucket_fills_up_to_a_tenth_of_the_limit(settings):
    settings.OURA_REQUEST_LIMIT = 500
    budget = Budget(sleep=lambda seconds: None)
    spend(budget, 50)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE oura_request_budget SET filled_at = filled_at - interval '100 days'")
    spend(Budget(sleep=lambda seconds: None), 1)
    assert RequestBudget.objects.get().left == pytest.approx(50 - REFILL_SIZE, abs=1)
