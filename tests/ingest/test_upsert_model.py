"""Random histories of documents against a dictionary that says what should be held."""

from datetime import UTC, date, datetime, timedelta

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from ingest.models import METRIC_MODELS, SleepMetric
from ingest.upsert import store
from tests.worlds import person

DAY = date(2026, 3, 1)
NOW = datetime(2026, 4, 1, tzinfo=UTC)

documents = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)), max_size=6)
histories = st.lists(st.tuples(st.integers(0, 3), documents), max_size=6)


def last_wins(request):
    kept = []
    for document in reversed(request):
        if all(document[0] != day and document[1] != id_ for day, id_, _ in kept):
            kept.append(document)
    return kept


def apply(held, reading, request):
    """`held` is {day: (id, score, reading)}."""
    by_id = {id_: day for day, (id_, _, _) in held.items()}
    fresh = [
        (day, id_, score)
        for day, id_, score in last_wins(request)
        if not (day in held and held[day][2] > reading)
        and not (id_ in by_id and held[by_id[id_]][2] > reading)
    ]
    for _, id_, _ in fresh:
        if id_ in by_id:
            held.pop(by_id[id_], None)
    for day, id_, score in fresh:
        held[day] = (id_, score, reading)
    return len(request)


class UpsertModel(TestCase):
    @settings(max_examples=150, deadline=None)
    @given(histories)
    def test_rows_are_what_the_dictionary_says(self, history):
        user = person("ana")
        held = {}
        for reading, request in history:
            outcome = store(
                METRIC_MODELS["sleep"],
                user.pk,
                [
                    orjson.dumps(
                        {"id": f"id{id_}", "day": str(DAY + timedelta(days=day)), "score": score}
                    )
                    for day, id_, score in request
                ],
                fetched_at=NOW + timedelta(hours=reading),
                now=NOW,
            )
            assert outcome.stored == apply(held, reading, request)
            rows = {
                ((row.day - DAY).days): (int(row.oura_id[2:]), row.score)
                for row in SleepMetric.objects.filter(user=user)
            }
            assert rows == {day: (id_, score) for day, (id_, score, _) in held.items()}
