"""`manage.py delete_person`: through the processor, which alone writes metrics."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from accounts.models import Origin, User
from ingest.models import MetricSource, SleepMetric
from oura.models import Connection, WantedRun
from tests.processes import PATIENCE
from tests.worlds import store_days

DAY = "2026-03-01"


@pytest.fixture
def stored(transactional_db, ana, settings, processor_process):
    settings.PROCESSOR_URL = processor_process.url
    store_days(ana, [DAY], source={"daily_sleep": {}})
    Origin.objects.create(user=ana, name="oura", owner="one")
    return ana


def test_data_only_deletes_days_and_keeps_account(stored, capsys):
    WantedRun.objects.create(user=stored, at=timezone.now())
    call_command("delete_person", "ANA", "--data-only", "--yes")
    tables = (SleepMetric, MetricSource, Origin, WantedRun)
    assert [table.objects.count() for table in tables] == [0, 0, 0, 0]
    assert User.objects.filter(username="ana").exists()
    assert "sleep 1" in capsys.readouterr().out


def test_account_is_deleted_after_its_data(stored):
    call_command("delete_person", "ana", "--yes")
    assert not User.objects.filter(username="ana").exists()


def test_account_is_deleted_though_days_arrive_meanwhile(stored):
    def store():
        store_days(stored, ["2026-03-02"])
        connection.close()

    once = iter([True])

    def store_before(execute, sql, *rest):
        # The sleep of the account is deleted then, and the account itself is not.
        if sql.startswith('DELETE FROM "activity_metrics"') and next(once, False):
            with ThreadPoolExecutor(1) as pool:
                pool.submit(store).result(PATIENCE)
        return execute(sql, *rest)

    with connection.execute_wrapper(store_before):
        call_command("delete_person", "ana", "--yes")
    assert (User.objects.count(), SleepMetric.objects.count()) == (0, 0)


@pytest.mark.parametrize("option", ["", "--data-only"])
def test_connection_that_oura_did_not_end_is_said(stored, capsys, option):
    Connection.objects.create(
        user=stored, access_token=b"damaged", refresh_token=b"damaged", expires_at=timezone.now()
    )
    call_command("delete_person", "ana", "--yes", *filter(None, [option]))
    said = capsys.readouterr().out
    assert "Oura did not confirm" in said
    last = "and the connection to Oura." if option else "the connection to Oura and the account"
    assert f"Oura's documents{' ' if option else ', '}{last}" in said
    assert (Connection.objects.exists(), User.objects.exists()) == (False, bool(option))


@pytest.mark.parametrize("options", [[], ["--data-only"]])
def test_without_yes_it_only_says_what(stored, options):
    with pytest.raises(CommandError, match="sleep 1") as raised:
        call_command("delete_person", "ana", *options)
    assert (raised.value.returncode, SleepMetric.objects.count()) == (2, 1)


@pytest.mark.parametrize("name", ["nobody", ""])
def test_unknown_account_is_code_2(transactional_db, name):
    with pytest.raises(CommandError) as raised:
        call_command("delete_person", name, "--yes")
    assert raised.value.returncode == 2


def test_without_processor_nothing_is_deleted(stored, settings):
    settings.PROCESSOR_URL = "http://127.0.0.1:9"
    with pytest.raises(CommandError, match="Deleting did not finish") as raised:
        call_command("delete_person", "ana", "--yes")
    assert (raised.value.returncode, SleepMetric.objects.count()) == (1, 1)
