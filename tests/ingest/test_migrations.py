"""Databases with values that newer tables refuse are upgraded."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from ingest.models import ActivityMetric, Stream
from tests.scale import full_only
from tests.worlds import person, store_days


def migrate(name=""):
    """Migrate to this one, or to the newest."""
    executor = MigrationExecutor(connection)
    executor.migrate([("ingest", name)] if name else executor.loader.graph.leaf_nodes("ingest"))


@full_only
@pytest.mark.django_db(transaction=True)
def test_minutes_that_no_day_has_are_cleared():
    ana = person("ana")
    store_days(ana, ["2026-03-01"], "activity", resting_minutes=3000, sedentary_minutes=7)
    migrate("0002_move_origin")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE activity_metrics SET sedentary_minutes = 3001")
    migrate()
    row = ActivityMetric.objects.get()
    assert (row.resting_minutes, row.sedentary_minutes, row.non_wear_minutes) == (3000, None, None)


@full_only
@pytest.mark.django_db(transaction=True)
def test_answers_after_upgrade_have_other_etags():
    ana = person("ana")
    store_days(ana, ["2026-03-01"], "activity")
    ahead = 10**17
    Stream.objects.create(user=ana, type="sleep", version=ahead)
    before = Stream.objects.get(type="activity")
    migrate("0002_move_origin")
    migrate()
    raised = {each.type: each for each in Stream.objects.all()}
    assert raised["activity"].version > before.version
    assert raised["activity"].ledger_version > before.ledger_version
    assert raised["sleep"].version == ahead + 1
