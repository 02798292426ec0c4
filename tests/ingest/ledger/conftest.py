import pytest

from myhealth.days import over_at
from tests.ingest.ledger.facts import HOUR, day
from tests.ingest.ledger.stored import (
    AFTER,
    fail_numbers,
    reject_number,
    store_numbers,
)


@pytest.fixture
def eventful(ana):
    """Ana's days are in many states."""
    store_numbers(ana, [n for n in range(3, 36) if n not in (10, 15, 16, 20)], fetched=(0, 38))
    reject_number(ana, 20)
    store_numbers(ana, [25], fetched=(25, 25), source={"daily_sleep": None, "sleep": []})
    store_numbers(ana, [n for n in range(41) if n != 16], "activity", non_wear_minutes=180)
    store_numbers(ana, range(5, 9), "readiness", at=over_at(day(30)), fetched=(0, 20))
    fail_numbers(ana, 37, 40, at=AFTER + HOUR)
    return ana
