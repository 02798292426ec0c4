"""When the next run of a schedule starts."""

from datetime import UTC, datetime, timedelta

import pytest

from oura.schedule import due_by, next_run

NOW = datetime(2026, 11, 26, 15, 17, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("17 * * * *", "2026-11-26T16:17:00+00:00"),
        ("18 * * * *", "2026-11-26T15:18:00+00:00"),
        ("*/20 * * * *", "2026-11-26T15:20:00+00:00"),
        ("5,35 */6 * * *", "2026-11-26T18:05:00+00:00"),
        ("10-59/30 9-10 * * *", "2026-11-27T09:10:00+00:00"),
        ("CRON_TZ=Etc/UTC 17 3 * * *", "2026-11-27T03:17:00+00:00"),
        ("CRON_TZ=Europe/Berlin 30 16 * * *", "2026-11-26T16:30:00+01:00"),
    ],
)
def test_next_run_of_a_simple_schedule(schedule, expected):
    assert next_run(schedule, NOW).isoformat() == expected


def test_next_run_is_searched_once_a_minute():
    assert next_run("17 3 * * *", NOW) is next_run("17 3 * * *", NOW + timedelta(seconds=20))


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "@hourly",
        "17 * * * 1",
        "17 * 1 * *",
        "x * * * *",
        "99 * * * *",
        "CRON_TZ=Mars 1 * * * *",
    ],
)
def test_other_schedules_are_not_guessed(schedule):
    assert next_run(schedule, NOW) is None


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("", "2026-11-26T18:17:30+00:00"),
        ("17 * * * *", "2026-11-26T18:17:00+00:00"),
        ("17 */8 * * *", "2026-11-27T01:17:00+00:00"),
        ("17 3 * * *", "2026-11-28T04:17:00+00:00"),
        ("17 * * * 1", "2026-11-27T15:17:30+00:00"),
        ("elsewhere", "2026-11-27T15:17:30+00:00"),
    ],
)
def test_data_are_due_as_the_schedule_says(schedule, expected):
    assert due_by(schedule, NOW).isoformat() == expected
