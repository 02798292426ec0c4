"""An interrupted run continues where it stopped."""

import pytest

import metrics.base
import metrics.sleep
from ingest import rederive as rederive_module
from ingest.models import Rederivation
from metrics import READINESS, SLEEP
from tests.ingest.rederive.conftest import FIRST, days, doubled, latencies, store_history

pytestmark = pytest.mark.django_db


class RecordingMapping:
    """A mapping that records its days, and fails at one of them."""

    def __init__(self, fails_at=None):
        self.days = []
        self.fails_at = fails_at

    def __call__(self, day, documents):
        if day == str(self.fails_at):
            raise InterruptedError("cut off")
        self.days.append(day)
        return doubled(day, documents)


@pytest.fixture
def interrupt(rederive, monkeypatch):
    """A function that runs small batches up to a day; returns the mapping, which works then."""

    def run(at):
        mapping = RecordingMapping(fails_at=at)
        monkeypatch.setattr(rederive_module, "BATCH_DAYS", 2)
        with pytest.raises(InterruptedError):
            rederive("--type", "sleep", mapping=mapping)
        mapping.fails_at = None
        mapping.days.clear()
        return mapping

    return run


def test_interrupted_run_continues_after_last_batch(ana, rederive, interrupt):
    store_history(ana, days(5))
    mapping = interrupt(at=days(5)[3])
    rederive()
    # The batch of the third and fourth day was not committed.
    assert mapping.days == [str(day) for day in days(5)[2:]]


def test_interrupted_run_ends_with_all_rows_derived(ana, ben, rederive, interrupt):
    store_history(ana, days(5))
    store_history(ben, days(3))
    interrupt(at=days(5)[3])
    rederive()
    assert (latencies(ana), latencies(ben)) == ([600] * 5, [600] * 3)


def test_interrupted_run_continues_with_same_person(ana, ben, rederive, interrupt):
    store_history(ana, days(1))
    store_history(ben, days(3))
    mapping = interrupt(at=days(3)[2])
    rederive()
    assert mapping.days == [str(days(3)[2])]


def test_finished_run_leaves_no_position(ana, rederive, interrupt):
    store_history(ana, days(3))
    interrupt(at=days(3)[2])
    assert Rederivation.objects.get().day == days(3)[1]
    rederive()
    assert not Rederivation.objects.exists()


def test_run_with_another_mapping_starts_over(ana, rederive, interrupt):
    store_history(ana, days(3))
    mapping = interrupt(at=days(3)[2])
    Rederivation.objects.update(mapping="another")
    rederive()
    assert len(mapping.days) == 3


def test_restart_option_starts_over(ana, rederive, interrupt):
    store_history(ana, days(3))
    mapping = interrupt(at=days(3)[2])
    rederive("--restart")
    assert len(mapping.days) == 3


def test_interrupted_restart_leaves_no_earlier_position(ana, rederive, interrupt):
    store_history(ana, days(3))
    mapping = interrupt(at=days(3)[2])
    mapping.fails_at = FIRST
    with pytest.raises(InterruptedError):
        rederive("--type", "sleep", "--restart")
    assert not Rederivation.objects.exists()


@pytest.mark.parametrize("option", [["--dry-run"], ["--user", "ana"]])
def test_run_of_one_person_or_dry_run_ignores_position(ana, rederive, interrupt, option):
    store_history(ana, days(3))
    mapping = interrupt(at=days(3)[2])
    before = list(Rederivation.objects.values())
    rederive(*option, "--restart")
    assert (len(mapping.days), list(Rederivation.objects.values())) == (3, before)


@pytest.mark.parametrize("changed", [metrics.sleep, metrics.base])
def test_fingerprint_changes_with_code_of_type(monkeypatch, tmp_path, changed):
    sleep, readiness = (rederive_module.mapping_fingerprint(each) for each in (SLEEP, READINESS))
    (tmp_path / "changed.py").write_text("another mapping")
    monkeypatch.setattr(changed, "__file__", str(tmp_path / "changed.py"))
    assert rederive_module.mapping_fingerprint(SLEEP) != sleep
    assert (rederive_module.mapping_fingerprint(READINESS) != readiness) == (
        changed is metrics.base
    )


def test_exception_of_mapping_names_day(ana, rederive):
    store_history(ana, [FIRST])
    with pytest.raises(InterruptedError) as raised:
        rederive(mapping=RecordingMapping(fails_at=FIRST))
    assert raised.value.__notes__ == ["while deriving sleep of 2026-03-01"]
