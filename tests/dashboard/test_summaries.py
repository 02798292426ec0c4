"""GET /api/v1/summaries: every number is that of the rows of the week or month."""

import csv
import io
import random
from calendar import monthrange
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from statistics import fmean

import pytest

from tests.dashboard.test_means import store_activity
from tests.worlds import days_ago, fetch_completely, store_days, store_documents, store_nights

pytestmark = pytest.mark.django_db
ONE_DAY = timedelta(days=1)
# Two years meet in an ISO week 53, and summer time begins.
FIRST, LAST = date(2020, 12, 1), date(2021, 4, 4)


def summaries(api, **query):
    answer = api.get("summaries", **query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def spans(api, **query):
    return [(each["start"], each["end"]) for each in summaries(api, **query)]


def days_from(first, last):
    return [first + n * ONE_DAY for n in range((last - first).days + 1)]


# The oracle ---------------------------------------------------------------------------------------

NIGHTS = [("long_sleep", 27_000), (None, 20_000), ("siesta", 11_000)]
NO_NIGHTS = [("late_nap", 2_000), ("sleep", 20_000), ("siesta", 9_000)]


def store_odd_days(user, days):
    """Store days of all kinds; return by type and day the values, and whether the day is full."""
    chance, stored = random.Random(1), {"sleep": {}, "activity": {}, "readiness": {}}
    under_way = {}
    for day in days:
        if chance.random() < 0.85:
            is_night = chance.random() < 0.8
            kind, seconds = chance.choice(NIGHTS if is_night else NO_NIGHTS)
            values = {
                "score": chance.choice([None, 40, 77, 85]),
                "main_type": kind,
                "duration": seconds + chance.randrange(900),
                "efficiency": chance.randrange(60, 99),
                "lowest_heart_rate": chance.choice([None, 48, 55]),
                "average_hrv": chance.randrange(20, 90),
            }
            # Without bedtimes, a night of unknown kind counts by its time asleep.
            stored["sleep"][day] = values, is_night
        if chance.random() < 0.9:
            what = chance.choice(["over", "over", "over", "ring off", "under way"])
            values = {
                "score": chance.choice([None, 60, 90]),
                "steps": chance.randrange(20_000),
                "active_calories": chance.randrange(900),
                "non_wear_minutes": 1200 if what == "ring off" else 60,
            }
            if what == "under way":
                under_way[day] = values
            stored["activity"][day] = values, what == "over" and day < user.today()
        if chance.random() < 0.85:
            deviation = round(chance.uniform(-1, 1), 2)
            values = {"score": chance.randrange(100), "temperature_deviation": deviation}
            stored["readiness"][day] = values, True
    for type_, rows in stored.items():
        documents = [
            {"id": f"{type_} {day}", "day": str(day), **values}
            for day, (values, _) in rows.items()
            if type_ != "activity" or day not in under_way
        ]
        assert not store_documents(user, documents, type_).rejected
    for day, values in under_way.items():
        end = datetime.combine(day + ONE_DAY, time(4), user.zone).astimezone(UTC)
        source = {"daily_activity": {}}
        store_days(user, [day], "activity", at=end - ONE_DAY / 24, source=source, **values)
    return stored


def sums(stored, first, last):
    """Return all figures of the days, computed one by one."""

    def values(type_, column, *, full=False):
        return [
            row[column]
            for day, (row, is_full) in stored[type_].items()
            if first <= day <= last and row[column] is not None and (is_full or not full)
        ]

    def average(*of, **which):
        found = values(*of, **which)
        return round(fmean(found), 2) if found else None

    def total(*of):
        found = values(*of)
        return sum(found) if found else None

    inside = {
        type_: [is_full for day, (_, is_full) in rows.items() if first <= day <= last]
        for type_, rows in stored.items()
    }
    return {
        "avg_sleep_score": average("sleep", "score"),
        "avg_sleep_duration": average("sleep", "duration", full=True),
        "avg_sleep_efficiency": average("sleep", "efficiency", full=True),
        "avg_lowest_heart_rate": average("sleep", "lowest_heart_rate", full=True),
        "avg_hrv": average("sleep", "average_hrv", full=True),
        "avg_activity_score": average("activity", "score"),
        "total_steps": total("activity", "steps"),
        "avg_steps": average("activity", "steps", full=True),
        "total_active_calories": total("activity", "active_calories"),
        "avg_readiness_score": average("readiness", "score"),
        "avg_temperature_deviation": average("readiness", "temperature_deviation"),
        **{f"{type_}_days": len(found) for type_, found in inside.items()},
        **{f"{type_}_full_days": sum(found) for type_, found in inside.items()},
    }


def calendar_period(day, by, first_weekday):
    """Return the first and the last day of the week or month, found by walking."""
    if by == "month":
        return day.replace(day=1), day.replace(day=monthrange(day.year, day.month)[1])
    while day.isoweekday() != first_weekday:
        day -= ONE_DAY
    return day, day + 6 * ONE_DAY


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Auckland"])
@pytest.mark.parametrize(
    ("by", "first_weekday"), [("week", 1), ("week", 6), ("week", 7), ("month", 1)]
)
def test_every_number_is_that_of_the_rows(ana, api, by, first_weekday, zone):
    ana.time_zone, ana.first_weekday = zone, first_weekday
    ana.save()
    today = ana.today()
    stored = store_odd_days(ana, [*days_from(FIRST, LAST), *days_from(days_ago(70), today)])
    for start, end in ((FIRST, LAST), (days_ago(60), today)):
        expected = dict.fromkeys(
            calendar_period(day, by, first_weekday) for day in reversed(days_from(start, end))
        )
        answer = summaries(api, by=by, start=start, end=end)
        assert [(each["start"], each["end"]) for each in answer] == [
            (str(first), str(last)) for first, last in expected
        ]
        for (first, last), each in zip(expected, answer, strict=True):
            numbers = sums(stored, first, min(last, today))
            assert {name: each[name] for name in numbers} == numbers


def test_coverage_is_that_of_the_days(ana, api):
    stored = store_odd_days(ana, days_from(FIRST, LAST))
    firsts = min(min(rows) for rows in stored.values())
    fetch_completely(ana, FIRST, LAST)
    # Not the days before the first of one type, which are no holes.
    for period in summaries(api, by="week", start=FIRST + 14 * ONE_DAY, end=LAST):
        ranges = api.get("coverage", start=period["start"], end=period["end"]).json()
        for type_, of_type in ranges.items():
            states = Counter()
            for each in of_type["ranges"]:
                first = max(date.fromisoformat(each["from"]), firsts)
                states[each["state"]] += max((date.fromisoformat(each["to"]) - first).days + 1, 0)
            coverage = period["coverage"][type_]
            assert coverage["days_expected"] == sum(states.values())
            assert coverage["days_present"] == states.pop("held", 0) + states["partial"]
            assert coverage["missing"] == {state: days for state, days in states.items() if days}
            end = min(date.fromisoformat(period["end"]), LAST)
            newest = max(day for day in stored[type_] if day <= end)
            assert coverage["newest_day"] == str(newest)


def test_last_seven_days_are_as_on_the_dashboard(ana, api):
    ana.first_weekday = days_ago(6).isoweekday()
    ana.save()
    store_odd_days(ana, days_from(days_ago(40), days_ago(0)))
    for week, other in zip(
        api.get("dashboard", weeks=5).json()["weekly_summaries"], summaries(api), strict=False
    ):
        assert {name: other[name] for name in week} == week


def test_marks_are_in_the_period_that_they_begin_in(ana, api):
    store_nights(ana, days_from(date(2026, 3, 2), date(2026, 3, 12)), "v1")
    store_nights(ana, days_from(date(2026, 3, 13), date(2026, 3, 25)), "v2")
    marks = [each["marks"] for each in summaries(api, start="2026-03-02", end="2026-03-22")]
    assert [[mark["day"] for mark in each] for each in marks] == [[], ["2026-03-13"], []]


# Which weeks and months ---------------------------------------------------------------------------


def test_last_twelve_weeks_come_first(ana, api):
    found = spans(api)
    assert len(found) == 12
    today = ana.today()
    monday = today - (today.isoweekday() - 1) * ONE_DAY
    assert found[0] == (str(monday), str(monday + 6 * ONE_DAY))
    assert found == sorted(found, reverse=True)


def test_last_twelve_months_come_first(api):
    found = spans(api, by="month", end="2026-03-15")
    assert (len(found), found[0], found[-1]) == (
        12,
        ("2026-03-01", "2026-03-31"),
        ("2025-04-01", "2025-04-30"),
    )


def test_periods_that_meet_the_range_are_whole(api):
    assert spans(api, start="2026-03-08", end="2026-03-09") == [
        ("2026-03-09", "2026-03-15"),
        ("2026-03-02", "2026-03-08"),
    ]
    assert spans(api, by="month", start="2024-02-29", end="2024-02-29") == [
        ("2024-02-01", "2024-02-29")
    ]


def test_week_53_is_one_week(api):
    assert spans(api, start="2020-12-31", end="2021-01-01") == [("2020-12-28", "2021-01-03")]


@pytest.mark.parametrize(
    ("weekday", "start"), [(1, "2026-03-02"), (6, "2026-02-28"), (7, "2026-03-01")]
)
def test_week_begins_on_persons_first_weekday(ana, api, weekday, start):
    ana.first_weekday = weekday
    ana.save()
    assert spans(api, start="2026-03-05", end="2026-03-05")[0][0] == start


def test_ten_years_of_weeks_are_one_answer(api):
    assert len(spans(api, start="2016-01-01", end="2025-12-31")) == 523


@pytest.mark.parametrize("by", ["week", "month"])
@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_calendar_has_a_first_and_a_last_period(ana, api, by, day):
    ana.first_weekday = 7
    ana.save()
    [(start, end)] = spans(api, by=by, start=day, end=day)
    assert start <= day <= end
    assert spans(api, by=by, end=day)[0] == (start, end)


def test_period_to_come_has_nothing_and_misses_nothing(ana, api):
    store_days(ana, [days_ago(40)], score=80)
    [week] = summaries(api, start=days_ago(-30), end=days_ago(-30))
    coverage = week["coverage"]["sleep"]
    assert (week["avg_sleep_score"], week["sleep_days"]) == (None, 0)
    assert (coverage["days_expected"], coverage["missing"]) == (0, {})


def test_days_to_come_are_not_missing(ana, api):
    store_days(ana, [days_ago(400)], score=80)
    [month] = summaries(api, by="month", start=days_ago(0), end=days_ago(0))
    assert month["coverage"]["sleep"]["days_expected"] == ana.today().day


def test_without_data_figures_are_null(api):
    week = summaries(api)[0]
    assert week["avg_sleep_score"] is week["total_steps"] is None
    assert week["sleep_days"] == week["sleep_full_days"] == 0


def test_others_rows_do_not_count(api, ben):
    store_days(ben, [days_ago(1)], score=80)
    assert not any(each["sleep_days"] for each in summaries(api))


# The request --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "name", "expected"),
    [
        ({"by": "year"}, "by", "expected one of week, month"),
        ({"by": ""}, "by", "expected one of week, month"),
        ({"start": "2026-02-30"}, "start", "expected YYYY-MM-DD"),
        ({"end": "20260301"}, "end", "expected YYYY-MM-DD"),
        ({"start": "2026-03-02", "end": "2026-03-01"}, "start", "must not be after end"),
        ({"start": "1999-01-01", "end": "2026-03-01"}, "start", "expected at most 530 weeks"),
        (
            {"by": "month", "start": "2006-02-01", "end": "2026-03-01"},
            "start",
            "expected at most 240 months",
        ),
        ({"weeks": "3"}, "weeks", "expected one of by, start, end, format"),
    ],
)
def test_mistake_is_named_with_what_is_expected(api, query, name, expected):
    answer = api.get("summaries", **query)
    assert answer.status_code == 400
    assert expected in answer.json()["errors"][name][0]


def test_summaries_are_not_sent_again(ana, api):
    store_days(ana, [days_ago(1)], score=80)
    etag = api.get("summaries").headers["ETag"]
    assert api.get("summaries", headers={"If-None-Match": etag}).status_code == 304
    store_days(ana, [days_ago(1)], score=81)
    assert api.get("summaries", headers={"If-None-Match": etag}).status_code == 200


def test_etag_changes_with_first_weekday(ana, api):
    # It is the same week with the one or the other, if nothing else is asked for.
    day = str(days_ago(0))
    etag = api.get("summaries", by="month", start=day, end=day).headers["ETag"]
    other = api.get("summaries", start=day, end=day).headers["ETag"]
    ana.first_weekday = 6
    ana.save()
    assert etag != other
    assert (
        api.get("summaries", start=day, end=day, headers={"If-None-Match": other}).status_code
        == 200
    )


def test_repeated_read_follows_first_weekday(ana, api):
    before = spans(api, start="2026-03-05", end="2026-03-05")
    ana.first_weekday = 6
    ana.save()
    assert spans(api, start="2026-03-05", end="2026-03-05") != before


def test_csv_has_the_same_numbers(ana, api):
    store_days(ana, [date(2026, 3, 3)], score=80)
    store_activity(ana, date(2026, 3, 4), steps=9_000)
    query = {"start": "2026-03-01", "end": "2026-03-08"}
    answer = api.get("summaries", format="csv", **query)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="weeks_2026-02-23_2026-03-08.csv"' in answer.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    for row, week in zip(rows, summaries(api, **query), strict=True):
        for name, value in week.items():
            if name not in ("coverage", "marks"):
                assert row[name] == ("" if value is None else str(value))
        for type_, coverage in week["coverage"].items():
            assert row[f"coverage.{type_}.days_expected"] == str(coverage["days_expected"])
            for state, days in coverage["missing"].items():
                assert row[f"coverage.{type_}.missing.{state}"] == str(days)


def test_csv_has_marks_in_a_cell(ana, api):
    store_nights(ana, days_from(date(2026, 3, 2), date(2026, 3, 12)), "v1")
    store_nights(ana, days_from(date(2026, 3, 13), date(2026, 3, 25)), "v2")
    text = api.get("summaries", format="csv", start="2026-03-13", end="2026-03-13").content
    [row] = csv.DictReader(io.StringIO(text.decode()))
    assert row["marks"] == "2026-03-13 sleep_algorithm"


def test_columns_of_csv_do_not_depend_on_rows(ana, api):
    header = api.get("summaries", format="csv", end="2026-03-08").content.splitlines()[0]
    store_days(ana, [date(2026, 3, 3)], score=80)
    again = api.get("summaries", format="csv", end="2026-03-08").content.splitlines()[0]
    assert header == again


def test_weeks_take_as_many_statements_as_one(ana, api, django_assert_num_queries):
    store_days(ana, days_from(days_ago(400), days_ago(1)), main_type="long_sleep")
    api.get("types")
    # The versions and the summaries.
    with django_assert_num_queries(2):
        api.get("summaries", start=days_ago(3650))
