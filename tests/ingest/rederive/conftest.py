from datetime import UTC, date, datetime, timedelta

import orjson
import pytest
from django.core.management import call_command

from ingest.models import MetricSource, Rederivation, Revision, SleepMetric, Stream
from metrics import SLEEP, TYPES
from tests.worlds import store_nights

ORIGINAL = SLEEP.map
FIRST = date(2026, 3, 1)
FETCHED_AT = datetime(2026, 4, 1, 6, tzinfo=UTC)


def days(number):
    return [FIRST + timedelta(days=n) for n in range(number)]


def store_history(user, days, *, at=FETCHED_AT, **values):
    """Store nights with a latency of 300 seconds."""
    return store_nights(
        user, days, at=at, **{"version": "v2", "ring": "r", "latency": 300, **values}
    )


def doubled(day, documents):
    """Map as the original does, with twice the latency."""
    row = ORIGINAL(day, documents)
    return {**row, "latency": row["latency"] * 2}


def latencies(user):
    return list(SleepMetric.objects.of(user.pk).order_by("day").values_list("latency", flat=True))


def table_contents():
    """Return the contents of all tables that the command writes."""
    models = (SleepMetric, MetricSource, Revision, Stream, Rederivation)
    return [list(model.objects.order_by("pk").values()) for model in models]


@pytest.fixture
def rederive(monkeypatch, capsys):
    """A function that runs the command, with another mapping if given, and returns its output."""

    def run(*options, mapping=None, type="sleep", output="json"):
        if mapping:
            monkeypatch.setattr(TYPES[type], "map", mapping)
        capsys.readouterr()
        call_command("rederive", "--output", output, *options)
        text = capsys.readouterr().out
        return orjson.loads(text) if output == "json" else text

    return run
