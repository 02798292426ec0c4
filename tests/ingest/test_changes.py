"""What requests change, decided without a database: properties of any history of them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import orjson
from hypothesis import given
from hypothesis import strategies as st

from ingest.changes import ANOTHERS, CompleteRange, Request, Row, Stored, decide, last_wins
from ingest.documents import parse
from metrics import READINESS
from myhealth.days import ONE_DAY

FIRST = date(2026, 3, 1)
NOW = datetime(2026, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANA, BEN = 1, 2


def parsed(index, day, id, score):
    sent = {"id": id, "day": str(FIRST + day * ONE_DAY), "score": score}
    return parse(READINESS, orjson.dumps(sent), index, today=NOW.date())


def request(hour, documents, complete=None):
    """Return a request, of documents as (day, id, score) and a complete range of days."""
    days = complete and CompleteRange(*(FIRST + day * ONE_DAY for day in complete), "a run")
    sent = [parsed(index, *each) for index, each in enumerate(documents)]
    return Request(READINESS, ANA, NOW, sent, fetched_at=NOW + hour * HOUR, complete=days)


documents = st.lists(st.tuples(st.integers(0, 4), st.sampled_from("abc"), st.integers(0, 2)))
own_ids = st.builds(
    lambda day, id, score: (day, f"{day} {id}", score),
    st.integers(0, 4),
    st.sampled_from("abc"),
    st.integers(0, 2),
)
ranges = st.none() | st.tuples(st.integers(0, 4), st.integers(0, 4)).map(sorted)
hours = st.integers(0, 9)
requests = st.builds(request, hours, documents, ranges)
# No id is that of two days.
requests_of_own_ids = st.builds(request, hours, st.lists(own_ids), ranges)


class Table:
    """The rows and fetches of one person, as the statements of `ingest.upsert` would leave them."""

    def __init__(self, rows=(), fetches=()):
        self.rows, self.fetches, self.count = list(rows), list(fetches), 0

    def apply(self, request):
        changes = decide(request, Stored(self.rows, self.fetches))
        written = {each.day: each for each in changes.written}
        gone = written.keys() | changes.removed
        rows = [row for row in self.rows if row.user_id != ANA or row.day not in gone]
        at = request.fetched_at
        rows = [row._replace(fetched_at=at) if row.id in changes.refetched else row for row in rows]
        for each in written.values():
            self.count += 1
            row = (self.count, ANA, each.id, each.day, each.content_hash, "", at)
            rows.append(Row(*row))
        self.rows = rows
        if changes.fetches is not None:
            self.fetches = [replace(each, pk=n) for n, each in enumerate(changes.fetches)]
        return changes

    def contents(self):
        return {row.day: (row.content_hash, row.fetched_at) for row in self.rows}


def table_after(history):
    table = Table()
    for each in history:
        table.apply(each)
    return table


histories = st.lists(requests, max_size=5)


@given(histories, requests)
def test_days_and_ids_are_unique(history, last):
    rows = table_after([*history, last]).rows
    assert len(rows) == len({row.day for row in rows}) == len({row.oura_id for row in rows})


@given(histories, requests)
def test_same_request_again_changes_no_rows(history, last):
    table = table_after([*history, last])
    before = table.contents()
    again = table.apply(last)
    assert (again.changes_rows, again.refetched, again.healed) == (False, [], 0)
    assert (again.unchanged, table.contents()) == (len(last.documents), before)


@given(st.lists(requests_of_own_ids, max_size=4, unique_by=lambda each: each.fetched_at), st.data())
def test_order_of_arrival_does_not_matter(history, data):
    shuffled = data.draw(st.permutations(history))
    assert table_after(shuffled).contents() == table_after(history).contents()


@given(histories, requests)
def test_every_document_is_counted_once(history, last):
    changes = table_after(history).apply(last)
    assert changes.created + changes.updated + changes.unchanged == len(last.documents)


@given(histories, requests)
def test_last_of_day_and_id_is_stored_unless_newer_is(history, last):
    table = table_after(history)
    before = table.rows
    table.apply(last)
    stored = {row.day: row.content_hash for row in table.rows}
    later = [each for each in table.fetches if each.asked_at > last.fetched_at]
    for each in last_wins(last.documents):
        newer = any(
            row.fetched_at > last.fetched_at
            for row in before
            if each.day == row.day or each.id == row.oura_id
        )
        if not newer and not any(each.day in fetch for fetch in later):
            assert stored[each.day] == each.content_hash


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=8))
def test_document_that_lost_displaces_no_other(pairs):
    sent = [parsed(index, day, str(id), 1) for index, (day, id) in enumerate(pairs)]
    winners = last_wins(sent)
    for each in sent:
        later = [other for other in winners if other.index >= each.index]
        assert any(each is one or each.day == one.day or each.id == one.id for one in later)
    assert winners == sorted(winners, key=lambda each: each.index)


@given(histories, requests)
def test_row_goes_only_for_its_id_or_by_complete_range(history, last):
    table = table_after(history)
    before = {row.day: row for row in table.rows}
    removed = table.apply(last).removed
    named, ids = ({getattr(each, name) for each in last.documents} for name in ("day", "id"))
    for day in removed:
        assert before[day].fetched_at <= last.fetched_at
        in_range = last.complete is not None and day in last.complete and day not in named
        assert in_range or before[day].oura_id in ids


@given(histories, requests, st.sets(st.sampled_from("abc")))
def test_ids_of_another_account_are_refused(history, last, ids):
    table = table_after([replace(each, documents=()) for each in history])
    table.rows = [Row(n, BEN, id, FIRST, b"", "", NOW) for n, id in enumerate(sorted(ids), 100)]
    theirs = list(table.rows)
    changes = table.apply(last)
    assert {each.index for each in changes.rejected} == {
        each.index for each in last.documents if each.id in ids
    }
    assert all(each.errors == {"id": [ANOTHERS]} for each in changes.rejected)
    assert [row for row in table.rows if row.user_id == BEN] == theirs


@given(histories, requests)
def test_rows_that_are_derived_again_keep_their_time(history, last):
    table = table_after([*history, last])
    documents = [parsed(0, (row.day - FIRST).days, row.oura_id, 50) for row in table.rows]
    derived = Request(READINESS, ANA, NOW, documents, removed=frozenset())
    changes = decide(derived, Stored(table.rows))
    assert (changes.updated, changes.refetched, changes.fetches) == (len(documents), [], None)
