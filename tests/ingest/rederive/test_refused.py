"""Days that the new mapping gives no row, or none that can be stored."""

import zlib

import orjson
import pytest
from django.core.management import CommandError

from ingest.models import MetricSource, Revision, SleepMetric
from tests.ingest.rederive.conftest import FIRST, ORIGINAL, days, doubled, latencies, store_history

pytestmark = pytest.mark.django_db


def test_day_without_row_is_removed_with_revision(ana, rederive):
    store_history(ana, [FIRST])
    report = rederive(mapping=lambda day, documents: None)["types"]["sleep"]
    assert (report["removed"], SleepMetric.objects.count()) == (1, 0)
    assert Revision.objects.get().kind == "remapped"


def test_revision_of_removed_day_has_its_documents(ana, rederive):
    store_history(ana, [FIRST])
    documents = MetricSource.objects.get().documents
    rederive(mapping=lambda day, documents: None)
    assert (Revision.objects.get().documents, MetricSource.objects.count()) == (documents, 0)


@pytest.fixture
def rederive_with_errors(rederive):
    """A function that runs the command with a mapping, and returns its error."""

    def run(mapping):
        with pytest.raises(CommandError) as raised:
            rederive(mapping=mapping)
        return raised.value

    return run


def invalid_first(day, documents):
    row = doubled(day, documents)
    return {**row, "id": "unspeakable" * 40} if day == str(FIRST) else row


def test_refused_day_stays_and_others_change(ana, rederive_with_errors):
    store_history(ana, days(2))
    rederive_with_errors(invalid_first)
    assert latencies(ana) == [300, 600]


def test_refused_day_is_error_with_code_1(ana, rederive_with_errors, capsys):
    store_history(ana, days(2))
    error = rederive_with_errors(invalid_first)
    assert error.returncode == 1
    assert str(error) == (
        f"sleep 2026-03-01, person {ana.pk}: id: expected a string of 1 to 255 characters."
    )
    assert orjson.loads(capsys.readouterr().out)["types"]["sleep"]["refused"] == 1


def test_values_of_refused_day_are_neither_printed_nor_logged(
    ana, rederive_with_errors, capsys, caplog
):
    store_history(ana, days(2))
    error = rederive_with_errors(invalid_first)
    assert "day refused" in caplog.text
    assert "unspeakable" not in f"{error} {capsys.readouterr().out} {caplog.text}"


def test_error_counts_refused_days_beyond_first_twenty(ana, rederive_with_errors):
    store_history(ana, days(25))
    error = rederive_with_errors(lambda *day: {**ORIGINAL(*day), "id": 987})
    assert str(error).splitlines()[-1] == "and 5 more; all of them are in the log"


def test_id_of_another_account_is_refused(ana, ben, rederive_with_errors):
    store_history(ana, [FIRST])
    store_history(ben, [FIRST])
    rederive_with_errors(lambda *day: {**doubled(*day), "id": f"ben sleep {FIRST}"})
    assert (latencies(ana), latencies(ben)) == ([300], [600])


def test_same_id_for_two_days_is_refused_for_both(ana, rederive_with_errors):
    store_history(ana, days(2))
    error = rederive_with_errors(lambda *day: {**doubled(*day), "id": "one"})
    assert len(str(error).splitlines()) == 2


def test_id_of_removed_day_can_be_reused(ana, rederive):
    first, second = days(2)
    store_history(ana, [first, second])
    id_of_first = f"ana sleep {first}"

    def merged(day, documents):
        return None if day == str(first) else {**doubled(day, documents), "id": id_of_first}

    rederive(mapping=merged)
    assert [(row.day, row.oura_id) for row in SleepMetric.objects.all()] == [(second, id_of_first)]


DAMAGED = [b"garbage", zlib.compress(b"{bad"), zlib.compress(b"{}")[:-1], b""]


@pytest.mark.parametrize("content", DAMAGED)
def test_day_with_damaged_source_is_refused_alone(ana, rederive_with_errors, content):
    store_history(ana, days(3))
    MetricSource.objects.filter(day=days(3)[1]).update(content=content)
    error = rederive_with_errors(doubled)
    text = "source: The stored documents are damaged."
    assert str(error) == f"sleep 2026-03-02, person {ana.pk}: {text}"
    assert latencies(ana) == [600, 300, 600]
