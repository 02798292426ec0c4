"""The real collector and processor, with an Oura that sends what the sandbox never would."""

import json
from contextlib import ExitStack

import pytest

from ingest.models import MetricSource, RejectedDocument
from tests.oura.answering import Reply, StubServer
from tests.processes import Pipeline
from tests.scale import full_only

DAY = "2026-03-01"


class Collecting(Pipeline):
    """A collection from a small server instead of the sandbox."""

    def environment(self):
        return {**super().environment(), "OURA_API_URL": self.oura.url}

    def collect(self):
        return super().collect("--type", "activity", "--start", DAY, "--end", DAY)


@pytest.fixture
def collecting(pipeline):
    """Make a collection from an Oura that has these documents of daily activity."""
    with ExitStack() as stack:

        def start(*documents):
            made = Collecting(pipeline.sandbox, pipeline.processor)
            made.oura = StubServer(
                Reply({"data": list(documents), "next_token": None, "id": "ana-at-oura"})
            )
            stack.callback(made.oura.close)
            return made

        yield start


@full_only
def test_document_without_day_is_kept_and_recognized_again(collecting):
    strange = {"id": "a", "score": 81, "steps": 3}
    pipeline = collecting(strange, {"id": "b", "day": DAY, "score": 70})
    first, second = pipeline.collect(), pipeline.collect()
    assert [(run.code, run.report["status"]) for run in (first, second)] == [
        (1, "partial"),
        (0, "ok"),
    ]
    assert "document a: day:" in second.report["errors"][0]["error"]
    kept = json.loads(RejectedDocument.objects.get().content)
    assert kept["source"] == {"daily_activity": [strange]}
    assert list(pipeline.rows("activity")) == [DAY]


@full_only
def test_a_document_that_turns_bad_otherwise_is_told_anew(collecting):
    good = {"id": "b", "day": DAY, "score": 70}
    assert collecting({"id": "a", "score": 81}, good).collect().code == 1
    again = collecting({"id": "a", "day": "soon", "score": 81}, good)
    assert [again.collect().code, again.collect().code] == [1, 0]


@full_only
@pytest.mark.parametrize("number", [181, -1, 1e300, 80.5, "80", [80]])
def test_a_value_that_no_column_holds_costs_itself(collecting, number):
    pipeline = collecting({"id": "a", "day": DAY, "score": number, "steps": 8123.0})
    runs = [pipeline.collect(), pipeline.collect()]
    assert [(run.code, run.counts("rejected")["activity"]) for run in runs] == [(0, 0)] * 2
    assert runs[1].counts("unchanged")["activity"] == 1
    row = pipeline.rows("activity")[DAY]
    assert (row["score"], row["steps"]) == (None, 8123)
    assert list(MetricSource.objects.get().warnings) == ["score"]


def test_a_document_nested_too_deeply_costs_no_other_day(collecting):
    deep = 1
    for _ in range(300):
        deep = [deep]
    pipeline = collecting({"id": "b", "day": DAY, "score": 70, "strange": deep})
    run = pipeline.collect()
    assert (run.code, run.counts("rejected")["activity"]) == (1, 1)
    assert "document b: source" in run.report["errors"][0]["error"]


def test_entries_that_are_no_documents_are_told_with_their_number(collecting):
    run = collecting(1, "x", None).collect()
    [error] = run.report["errors"]
    assert run.code == 1
    assert error["error"] == f"{DAY}: Oura's daily_activity has 3 malformed entries."
