"""Rows of odd days that an earlier version stored otherwise heal without asking Oura again."""

import json

from django.core.management import call_command

from ingest.models import MetricSource, SleepMetric
from metrics import TYPES
from tests.scale import full_only

NIGHTS = ["twin", "nested", "overlapping", "null_type", "out_of_range", "offsetless", "zeros"]


def collect_odd_nights(strange):
    days = dict(zip(NIGHTS, strange.plain_days(len(NIGHTS)), strict=True))
    for oddity, day in days.items():
        strange.make_odd("sleep", day, oddity)
    strange.collect_days(days.values())
    return days


def shown(strange, days):
    rows = {type_: strange.shown(type_) for type_ in TYPES}
    for row in (row for by_day in rows.values() for row in by_day.values()):
        del row["updated_at"]
    return rows, [strange.warnings(day) for day in days.values()]


def rederive(capsys):
    """Return the counts of each type's days."""
    capsys.readouterr()
    call_command("rederive", "--output", "json")
    return json.loads(capsys.readouterr().out.splitlines()[-1])


@full_only
def test_odd_days_are_rederived_as_they_are(strange, capsys):
    days = collect_odd_nights(strange)
    before = shown(strange, days)
    counts = rederive(capsys)
    assert shown(strange, days) == before
    assert [each["changed"] for each in counts["types"].values()] == [0, 0, 0]


@full_only
def test_odd_days_heal_by_rederive(strange, capsys):
    days = collect_odd_nights(strange)
    before = shown(strange, days)
    SleepMetric.objects.update(duration=1, time_in_bed=2, main_type=None, content_hash=b"old")
    MetricSource.objects.update(warnings={})
    rederive(capsys)
    assert shown(strange, days) == before


@full_only
def test_odd_days_heal_when_fetched_again(strange):
    days = collect_odd_nights(strange)
    before = shown(strange, days)
    SleepMetric.objects.update(duration=1, time_in_bed=2, main_type=None, content_hash=b"old")
    MetricSource.objects.update(warnings={})
    strange.collect_days(days.values())
    assert shown(strange, days) == before


@full_only
def test_lost_warnings_come_back_when_fetched_again(strange):
    days = collect_odd_nights(strange)
    before = shown(strange, days)
    MetricSource.objects.update(warnings={}, wear=None)
    run = strange.collect_days(days.values())
    assert run.counts("warnings")["sleep"] == 2
    assert shown(strange, days) == before
