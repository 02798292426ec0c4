"""Random histories of requests, compared with a model of the rows in a dictionary."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from ingest.models import SleepMetric
from tests.scale import scaled
from tests.worlds import document, person, store_documents

DAY = date(2026, 3, 1)
NOW = datetime(2026, 4, 1, tzinfo=UTC)

requests = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), max_size=6)
histories = st.lists(st.tuples(st.integers(0, 3), requests), max_size=6)


def last_of_each(request):
    """Return the documents that no later one of the request replaces."""
    kept = []
    for document_ in reversed(request):
        if all(document_[0] != day and document_[1] != id_ for day, id_, _ in kept):
            kept.append(document_)
    return kept


def apply(rows, hour, request):
    """Update `rows`, {day: (id, score, hour of fetch)}, as a request should."""
    days_by_id = {id_: day for day, (id_, _, _) in rows.items()}
    newer = [
        (day, id_, score)
        for day, id_, score in last_of_each(request)
        if not (day in rows and rows[day][2] > hour)
        and not (id_ in days_by_id and rows[days_by_id[id_]][2] > hour)
    ]
    for _, id_, _ in newer:
        if id_ in days_by_id:
            rows.pop(days_by_id[id_], None)
    for day, id_, score in newer:
        rows[day] = (id_, score, hour)


class UpsertModel(TestCase):
    @settings(max_examples=scaled(40, 300))
    @given(histories)
    def test_rows_equal_model(self, history):
        user = person("ana")
        expected = {}
        for hour, request in history:
            documents = [
                document(DAY + timedelta(days=day), f"id{id_}", score=score)
                for day, id_, score in request
            ]
            outcome = store_documents(user, documents, at=NOW + timedelta(hours=hour))
            assert outcome.stored == len(request)
            apply(expected, hour, request)
            rows = {
                (row.day - DAY).days: (int(row.oura_id[2:]), row.score)
                for row in SleepMetric.objects.filter(user=user)
            }
            assert rows == {day: (id_, score) for day, (id_, score, _) in expected.items()}
