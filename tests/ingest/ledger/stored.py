"""Rows, failed fetches and rejected documents for tests of the ledger; days count from FIRST."""

from myhealth.days import over_at
from tests.ingest.ledger.facts import day
from tests.worlds import document, failed_fetch, store_days, store_documents

TODAY = day(40)
AFTER = over_at(day(41))
# All days but DAY.
GAP = [n for n in range(41) if n != 10]


def store_numbers(user, numbers, type="sleep", *, at=AFTER, fetched=(0, 40), **columns):
    """Store rows of these days, as all that Oura has from the one of `fetched` to the other."""
    fetched = (day(fetched[0]), day(fetched[1]))
    store_days(user, map(day, numbers), type, at=at, fetched=fetched, **columns)


def reject_number(user, number, type="sleep"):
    """Fetch a day whose document can't be stored."""
    when = day(number)
    bad = document(when, f"{user.username} {type} {when}", score=101)
    assert store_documents(user, [bad], type, at=AFTER, fetched=(when, when)).rejected


def fail_numbers(user, start, end, at=AFTER, **details):
    details = {"status": 503, "collection": "sleep", "page": 2, "attempts": 4, **details}
    failed_fetch(user, day(start), day(end), asked_at=at, **details)
