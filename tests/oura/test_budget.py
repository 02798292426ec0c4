"""Oura's limit over all people, shared by all our processes through the database."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from oura.budget import SLICE, WINDOW, Budget
from oura.models import RequestBudget

pytestmark = pytest.mark.django_db(transaction=True)


def spent(budget, count):
    for _ in range(count):
        budget.spend()


def test_a_tenth_of_the_limit_is_there_at_once_and_the_rest_is_waited_for(settings):
    settings.OURA_REQUEST_LIMIT = 500
    pauses = []
    budget = Budget(sleep=pauses.append)
    spent(budget, 50)
    assert pauses == []
    spent(budget, 10)
    assert pauses == [pytest.approx(SLICE / (450 / WINDOW), rel=0.05)]


def test_several_processes_share_one_bucket(settings):
    settings.OURA_REQUEST_LIMIT = 500
    pauses = []

    def another(_):
        spent(Budget(sleep=pauses.append), 20)
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(another, range(4)))
    # Eighty were asked for, fifty were there.
    assert len(pauses) == 3
    assert RequestBudget.objects.get().left == pytest.approx(-30, abs=2)


def test_the_bucket_fills_with_time_up_to_a_tenth_of_the_limit(settings):
    settings.OURA_REQUEST_LIMIT = 500
    budget = Budget(sleep=lambda seconds: None)
    spent(budget, 50)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE oura_request_budget SET filled_at = filled_at - interval '1 hour'")
    spent(Budget(sleep=lambda seconds: None), 1)
    assert RequestBudget.objects.get().left == pytest.approx(50 - SLICE, abs=1)
