"""Which days count in the averages of GET /api/v1/dashboard, and of the page of today."""

from datetime import UTC, datetime, time, timedelta

import pytest

from ingest.models import MetricSource
from tests.worlds import days_ago, store_days, store_nights

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
NIGHT = {"main_type": "long_sleep", "duration": 27_000}
FRAGMENT = {"main_type": "sleep", "duration": 600}


def week(api):
    return api.get("dashboard").json()["weekly_summary"]


def week_before(api):
    return api.get("dashboard", weeks=2).json()["weekly_summaries"][1]


def end_of(day, offset=0):
    """Return when the day ends at Oura, this number of hours from UTC."""
    return datetime.combine(day, time(4), UTC) + timedelta(days=1) - offset * HOUR


def activity_source(day, offset="+00:00"):
    return {"daily_activity": {"timestamp": f"{day}T04:00:00{offset}"}}


def store_activity(user, day, offset="+00:00", *, at=None, **columns):
    source = activity_source(day, offset)
    store_days(user, [day], "activity", at=at, source=source, **columns)


# Activity -----------------------------------------------------------------------------------------


def test_mean_leaves_out_day_under_way(ana, api):
    store_activity(ana, days_ago(3), steps=10_000)
    store_activity(ana, days_ago(0), steps=200)
    assert week(api)["avg_steps"] == 10_000


def test_total_has_day_under_way(ana, api):
    store_activity(ana, days_ago(3), steps=10_000)
    store_activity(ana, days_ago(0), steps=200)
    assert week(api)["total_steps"] == 10_200


def test_mean_of_scores_has_every_day(ana, api):
    store_activity(ana, days_ago(3), score=80, non_wear_minutes=1440)
    store_activity(ana, days_ago(0), score=40)
    store_days(ana, [days_ago(3)], score=90, **FRAGMENT)
    figures = week(api)
    assert (figures["avg_activity_score"], figures["avg_sleep_score"]) == (60, 90)


@pytest.mark.parametrize(
    ("offset", "hours"), [("+00:00", 0), ("+05:30", 5.5), ("-08:00", -8), ("+0100", 1), ("Z", 0)]
)
def test_day_is_finished_at_ouras_own_end(ana, api, offset, hours):
    day = days_ago(8)
    end = end_of(day, hours)
    store_activity(ana, day, offset, at=end - timedelta(seconds=1), steps=9_000)
    assert week_before(api)["avg_steps"] is None
    store_activity(ana, day, offset, at=end, steps=9_001)
    assert week_before(api)["avg_steps"] == 9_001


def test_moment_of_end_counts_in_days_of_other_zones(ana, api):
    ana.time_zone = "Pacific/Auckland"
    ana.save()
    day = days_ago(8)
    store_activity(ana, day, "-10:00", at=end_of(day), steps=9_000)
    assert week_before(api)["avg_steps"] is None


@pytest.mark.parametrize("timestamp", [None, "x", 5, "1970-01-01T04:00:00Z", "{day}T04:00:00"])
def test_without_usable_timestamp_day_ends_in_persons_zone(ana, api, timestamp):
    ana.time_zone = "Etc/GMT+8"
    ana.save()
    day, end = days_ago(8), end_of(days_ago(8), -8)
    moment = timestamp.format(day=day) if isinstance(timestamp, str) else timestamp
    source = {"daily_activity": {"timestamp": moment}}
    store_days(ana, [day], "activity", at=end - HOUR, source=source, steps=1)
    assert week_before(api)["avg_steps"] is None
    store_days(ana, [day], "activity", at=end, source=source, steps=2)
    assert week_before(api)["avg_steps"] == 2


def test_without_source_days_before_today_count(ana, api):
    store_days(ana, [days_ago(0)], "activity", steps=100)
    assert week(api)["avg_steps"] is None
    store_days(ana, [days_ago(1)], "activity", steps=200)
    assert week(api)["avg_steps"] == 200


def test_without_source_time_of_fetch_does_not_matter(ana, api):
    day = days_ago(8)
    store_days(ana, [day], "activity", at=end_of(day) - 20 * HOUR, steps=200)
    assert week_before(api)["avg_steps"] == 200


@pytest.mark.parametrize(
    ("minutes", "expected"), [(1440, None), (1200, None), (1199, 9_000), (0, 9_000), (None, 9_000)]
)
def test_ring_off_for_twenty_hours_is_no_day_in_mean(ana, api, minutes, expected):
    store_activity(ana, days_ago(3), steps=9_000, non_wear_minutes=minutes)
    assert week(api)["avg_steps"] == expected


def test_only_days_fetched_early_need_their_sources(ana, api, django_assert_num_queries):
    for count in (8, 9):
        store_activity(ana, days_ago(count), steps=9_000)
    # The account, the versions, the dashboard.
    with django_assert_num_queries(3):
        week_before(api)
    store_activity(ana, days_ago(10), at=end_of(days_ago(10)), steps=9_000)
    # The versions twice: whether the answer of before is still right, and for the new one. Then the
    # dashboard, and the source.
    with django_assert_num_queries(4):
        week_before(api)


@pytest.mark.parametrize("offset", ["+00:00", "-08:00"])
def test_classes_tell_without_source_whether_day_was_over(
    ana, api, offset, django_assert_num_queries
):
    day = days_ago(8)
    end = end_of(day, int(offset[:3]))
    source = activity_source(day, offset)
    source["daily_activity"]["class_5_min"] = "2" * 288
    # The account or, the second time, the versions once more; the versions, the dashboard.
    for at, mean in ((end - timedelta(seconds=1), None), (end, 9_000)):
        store_days(ana, [day], "activity", at=at, source=source, steps=9_000, score=mean and 80)
        with django_assert_num_queries(3):
            assert week_before(api)["avg_steps"] == mean


# Nights -------------------------------------------------------------------------------------------


def test_fragment_is_no_night_in_mean(ana, api):
    vitals = {"efficiency": 90, "lowest_heart_rate": 50, "average_hrv": 40}
    store_days(ana, [days_ago(1)], **NIGHT, **vitals)
    odd = {"efficiency": 30, "lowest_heart_rate": 92, "average_hrv": 9}
    store_days(ana, [days_ago(2)], **FRAGMENT, **odd)
    figures = week(api)
    names = ("avg_sleep_duration", "avg_sleep_efficiency", "avg_lowest_heart_rate", "avg_hrv")
    assert [figures[name] for name in names] == [27_000, 90, 50, 40]


@pytest.mark.parametrize(
    ("kind", "seconds", "counts"),
    [
        ("long_sleep", 600, True),
        ("sleep", 20_000, False),
        ("late_nap", 20_000, False),
        ("siesta", 10_800, True),
        ("siesta", 10_799, False),
        (None, 600, True),
    ],
)
def test_nights_count_by_type_and_length(ana, api, kind, seconds, counts):
    store_days(ana, [days_ago(1)], main_type=kind, duration=seconds)
    assert week(api)["avg_sleep_duration"] == (seconds if counts else None)


@pytest.mark.parametrize("type_", [{"type": None}, {}])
@pytest.mark.parametrize(("seconds", "counts"), [(600, False), (10_800, True)])
def test_night_of_unknown_type_counts_from_three_hours(ana, api, type_, seconds, counts):
    source = {"daily_sleep": None, "sleep": [{"id": "p", **type_}]}
    store_days(ana, [days_ago(1)], duration=seconds, source=source)
    assert week(api)["avg_sleep_duration"] == (seconds if counts else None)


def test_source_without_periods_has_no_type(ana, api):
    store_days(ana, [days_ago(1)], duration=600, source={"notes": "by hand"})
    assert week(api)["avg_sleep_duration"] == 600


def test_length_of_unknown_type_is_that_of_main_period(ana, api):
    bedtimes = {
        "bedtime_start": "2026-03-01T23:00:00+01:00",
        "bedtime_end": "2026-03-02T01:00:00+01:00",
    }
    store_days(ana, [days_ago(1)], main_type="siesta", duration=14_000, **bedtimes)
    assert week(api)["avg_sleep_duration"] is None


def test_days_with_row_are_counted_whatever_the_means(ana, api):
    store_days(ana, [days_ago(1)], **FRAGMENT)
    store_activity(ana, days_ago(0), steps=5)
    figures = week(api)
    assert (figures["sleep_days"], figures["activity_days"]) == (1, 1)


def test_page_has_same_figures(ana, api, signed_in):
    store_days(ana, [days_ago(1)], **NIGHT)
    store_days(ana, [days_ago(2)], **FRAGMENT)
    page = signed_in.get("/").content.decode()
    assert "<dt>Sleep per night</dt><dd>7 h 30 min</dd>" in page


# ETags --------------------------------------------------------------------------------------------


def test_etag_changes_when_unchanged_day_is_finished(ana, api):
    day = days_ago(8)
    store_activity(ana, day, at=end_of(day) - HOUR, steps=9_000)
    etag = api.get("dashboard", weeks=2).headers["ETag"]
    store_activity(ana, day, at=end_of(day), steps=9_000)
    answer = api.get("dashboard", weeks=2, headers={"If-None-Match": etag})
    assert answer.status_code == 200
    assert answer.json()["weekly_summaries"][1]["avg_steps"] == 9_000


def test_etag_stays_when_day_that_is_over_is_fetched_again(ana, api):
    day = days_ago(8)
    over = end_of(day, -12)
    store_activity(ana, day, at=over, steps=9_000)
    etag = api.get("dashboard", weeks=2).headers["ETag"]
    store_activity(ana, day, at=over + HOUR, steps=9_000)
    answer = api.get("dashboard", weeks=2, headers={"If-None-Match": etag})
    assert answer.status_code == 304


@pytest.mark.parametrize(("hours", "status"), [(-1, 304), (0, 200)])
def test_etag_without_source_changes_when_day_is_over(ana, api, hours, status):
    day = days_ago(8)
    over = end_of(day, -12)
    store_days(ana, [day], "activity", at=over - 2 * HOUR, steps=9_000)
    etag = api.get("dashboard").headers["ETag"]
    store_days(ana, [day], "activity", at=over + hours * HOUR, steps=9_000)
    assert api.get("dashboard", headers={"If-None-Match": etag}).status_code == status


def test_etag_of_rows_ignores_later_fetch(ana, api):
    day = days_ago(8)
    span = {"start": day, "end": day}
    store_activity(ana, day, at=end_of(day) - HOUR, steps=9_000)
    etag = api.get("activity", **span).headers["ETag"]
    store_activity(ana, day, at=end_of(day), steps=9_000)
    assert api.get("activity", **span, headers={"If-None-Match": etag}).status_code == 304


def test_etag_changes_with_persons_zone(ana, api):
    etag = api.get("dashboard").headers["ETag"]
    ana.time_zone = "Etc/GMT"
    ana.save()
    assert api.get("dashboard", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("kind", [None, "siesta"])
@pytest.mark.parametrize(("minutes", "counts"), [(10, False), (180, True)])
def test_period_of_unknown_type_counts_from_three_hours(ana, api, kind, minutes, counts):
    period = {
        "type": kind,
        "total_sleep_duration": minutes * 50,
        "bedtime_start": "2026-03-02 01:00:00+0100",
        "bedtime_end": f"2026-03-02T0{1 + minutes // 60}:{minutes % 60:02}:00.123456789+01:00",
    }
    store_nights(ana, [days_ago(1)], **period)
    assert week(api)["avg_sleep_duration"] == (minutes * 50 if counts else None)


def test_fragment_mapped_from_oura_is_no_night_in_mean(ana, api):
    store_nights(ana, [days_ago(1)])
    store_nights(ana, [days_ago(2)], type="sleep", total_sleep_duration=600)
    figures = week(api)
    assert (figures["avg_sleep_duration"], figures["sleep_days"]) == (25_000, 2)


def test_damaged_source_does_not_stop_dashboard(ana, api):
    store_activity(ana, days_ago(0), steps=200)
    MetricSource.objects.update(content=b"garbage")
    assert week(api)["total_steps"] == 200
