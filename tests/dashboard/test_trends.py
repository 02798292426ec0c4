"""GET /api/v1/trends."""

import csv
import io
from datetime import date, timedelta
from statistics import fmean

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.trends import all_measures, find_trends
from ingest.models import SleepMetric
from tests.worlds import days_ago, store_days, store_nights

pytestmark = pytest.mark.django_db
NIGHT = {"main_type": "long_sleep"}


def trend(api, name="sleep.duration", **query):
    answer = api.get("trends", measures=name, **query)
    assert answer.status_code == 200, answer.content
    return answer.json()["measures"][name]


def store_durations(user, first, durations):
    """Store nights from a day on."""
    for place, duration in enumerate(durations):
        store_days(user, [first + timedelta(days=place)], duration=duration, **NIGHT)


def test_points_are_the_stored_values_oldest_first(ana, api):
    store_durations(ana, days_ago(2), [25_000, 26_000, 27_000])
    stored = SleepMetric.objects.order_by("day").values_list("day", "duration")
    assert trend(api)["points"] == [[str(day), value] for day, value in stored]


def test_absent_values_are_no_points(ana, api):
    store_days(ana, [days_ago(1)], score=80)
    assert trend(api)["points"] == []


def test_period_ends_at_the_end(ana, api):
    store_durations(ana, date(2026, 3, 1), [25_000] * 31)
    found = trend(api, period="30d", end="2026-03-30")
    days = [day for day, _ in found["points"]]
    assert (days[0], days[-1], len(days)) == ("2026-03-01", "2026-03-30", 30)


def test_all_begins_with_the_first_day(ana, api):
    store_days(ana, [date(2014, 5, 1), days_ago(0)], duration=25_000, **NIGHT)
    found = trend(api, period="all")
    assert [day for day, _ in found["points"]] == ["2014-05-01", str(days_ago(0))]
    assert found["before"] == {"mean": None, "days": 0}


def test_means_are_of_this_period_and_of_the_one_before(ana, api):
    store_durations(ana, date(2026, 3, 1), [20_000] * 30 + [30_000] * 30)
    found = trend(api, period="30d", end="2026-04-29")
    assert found["period"] == {"mean": 30_000, "days": 30}
    assert found["before"] == {"mean": 20_000, "days": 30}


def test_usual_is_of_the_days_before_each_point(ana, api):
    store_durations(ana, date(2026, 3, 1), range(20_000, 35_000, 1000))
    usual = trend(api, period="30d", end="2026-03-15")["usual"]
    assert usual[13] == ["2026-03-14", None, None, None]
    assert usual[14] == ["2026-03-15", 23_250, 26_500, 29_750]


def test_last_day_has_its_usual_without_a_value(ana, api):
    store_durations(ana, date(2026, 3, 1), range(20_000, 34_000, 1000))
    found = trend(api, period="30d", end="2026-03-20")["usual_at_end"]
    assert found == {"days": 14, "q1": 23_250, "median": 26_500, "q3": 29_750}


def test_too_few_days_are_counted_until_usual_is_known(ana, api):
    store_durations(ana, date(2026, 3, 1), [20_000] * 9)
    found = trend(api, period="30d", end="2026-03-20")["usual_at_end"]
    assert found == {"days": 9, "q1": None, "median": None, "q3": None}


def test_days_that_are_not_full_count_in_nothing(ana, api):
    store_durations(ana, date(2026, 3, 1), [25_000] * 20)
    store_days(ana, [date(2026, 3, 21)], duration=600, main_type="late_nap")
    found = trend(api, period="30d", end="2026-03-21")
    assert found["left_out"] == ["2026-03-21"]
    assert found["points"][-1] == ["2026-03-21", 600]
    assert found["period"] == {"mean": 25_000, "days": 20}
    assert found["median"][-1] == ["2026-03-21", 25_000]


def test_scores_count_on_each_day(ana, api):
    store_days(ana, [days_ago(1)], score=60, duration=600, main_type="late_nap")
    found = trend(api, "sleep.score")
    assert (found["left_out"], found["period"]["mean"]) == ([], 60)


def test_day_under_way_counts_in_nothing(ana, api):
    store_days(ana, [days_ago(0)], "activity", steps=200)
    found = trend(api, "activity.steps")
    assert found["left_out"] == [str(days_ago(0))]
    assert found["period"] == {"mean": None, "days": 0}


def test_median_and_usual_start_again_at_a_mark(ana, api):
    days = [date(2026, 1, 1) + timedelta(days=count) for count in range(40)]
    store_nights(ana, days[:20], "v1", total_sleep_duration=20_000)
    store_nights(ana, days[20:], "v2", total_sleep_duration=30_000)
    found = trend(api, period="90d", end=str(days[-1]))
    assert [mark["day"] for mark in found["marks"]] == [str(days[20])]
    assert {value for _, value in found["median"]} == {20_000, 30_000}
    assert {each[0]: each[2] for each in found["usual"]}[str(days[20])] is None
    assert found["usual"][-1][2] == 30_000


def test_marks_of_sleep_leave_other_types_alone(ana, api):
    days = [date(2026, 1, 1) + timedelta(days=count) for count in range(40)]
    store_nights(ana, days[:20], "v1")
    store_nights(ana, days[20:], "v2")
    store_days(ana, days, "readiness", score=80)
    found = trend(api, "readiness.score", end=str(days[-1]))
    assert found["marks"] == []
    assert found["usual"][20][2] == 80


def test_contributors_are_measures(ana, api):
    store_days(ana, [days_ago(1)], score=80, contributors={"timing": 55, "latency": None})
    assert trend(api, "sleep.contributors.timing")["points"] == [[str(days_ago(1)), 55]]
    assert trend(api, "sleep.contributors.latency")["points"] == []


@pytest.mark.parametrize(
    ("moment", "seconds"),
    [
        ("2026-03-01T23:30:00+01:00", -1800),
        ("2026-03-02T01:15:00-08:00", 4500),
        ("2026-03-02T00:00:00Z", 0),
    ],
)
def test_bedtime_is_seconds_from_midnight_by_its_own_clock(ana, api, moment, seconds):
    store_days(ana, [date(2026, 3, 2)], bedtime_start=moment, duration=20_000, **NIGHT)
    found = trend(api, "sleep.bedtime_start", end="2026-03-02")
    assert (found["unit"], found["points"]) == ("s", [["2026-03-02", seconds]])


def test_coverage_counts_expected_days_from_the_first(ana, api):
    store_durations(ana, days_ago(9), [25_000] * 5)
    assert trend(api)["coverage"] == {"days": 5, "days_expected": 10}


def test_negative_and_decimal_values_stay_exact(ana, api):
    store_days(ana, [days_ago(1)], "readiness", temperature_deviation=-0.13)
    found = trend(api, "readiness.temperature_deviation")
    assert (found["points"], found["period"]["mean"]) == ([[str(days_ago(1)), -0.13]], -0.13)


def test_measures_are_answered_in_the_order_asked(ana, api):
    names = ["readiness.score", "sleep.duration", "activity.steps"]
    answer = api.get("trends", measures=",".join(names)).json()
    assert list(answer["measures"]) == names


def test_scores_are_the_default(api):
    assert set(api.get("trends").json()["measures"]) == {
        "sleep.score",
        "activity.score",
        "readiness.score",
    }


def test_ends_today_by_default(api):
    assert api.get("trends").json()["end"] == str(days_ago(0))


def test_others_days_are_not_shown(ben, api):
    store_days(ben, [days_ago(1)], duration=25_000, **NIGHT)
    assert trend(api, period="all")["points"] == []


@pytest.mark.parametrize(
    ("query", "field", "part"),
    [
        ({"measures": "sleep.luck"}, "measures", "'sleep.luck'"),
        ({"measures": ""}, "measures", "expected one or more of sleep.score"),
        ({"measures": "sleep.main_type"}, "measures", "'sleep.main_type'"),
        ({"period": "2w"}, "period", "expected one of 30d, 90d, 365d, all"),
        ({"end": "2026-02-30"}, "end", "expected YYYY-MM-DD"),
        ({"start": "2026-02-03"}, "start", ""),
    ],
)
def test_bad_parameter_is_named(api, query, field, part):
    answer = api.get("trends", **query)
    assert answer.status_code == 400
    assert part in answer.json()["errors"][field][0]


def test_more_than_twenty_measures_are_refused(api):
    names = list(all_measures())
    assert api.get("trends", measures=",".join(names[:21])).status_code == 400
    assert api.get("trends", measures=",".join(names[:20])).status_code == 200


@pytest.mark.parametrize("end", ["0001-01-01", "9999-12-31"])
def test_any_real_date_is_an_end(ana, api, end):
    store_days(ana, [days_ago(1)], duration=25_000, **NIGHT)
    for period in ("30d", "365d", "all"):
        assert trend(api, period=period, end=end)["usual"] is not None


def test_csv_has_the_same_numbers(ana, api):
    store_durations(ana, date(2026, 3, 1), range(20_000, 36_000, 1000))
    query = {"measures": "sleep.duration,sleep.score", "period": "30d", "end": "2026-03-16"}
    found = api.get("trends", **query).json()["measures"]["sleep.duration"]
    answer = api.get("trends", **query, format="csv")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [[row["day"], int(row["sleep.duration"])] for row in reversed(rows)] == found["points"]
    assert float(rows[0]["sleep.duration.usual_median"]) == found["usual"][-1][2]
    assert float(rows[0]["sleep.duration.median"]) == found["median"][-1][1]


@pytest.mark.parametrize("query", [{"end": "x"}, {"period": "x"}, {"measures": "x"}])
def test_error_of_csv_is_json(api, query):
    answer = api.get("trends", **query, format="csv")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, list(query))


def test_csv_requires_login(client):
    assert client.get("/api/v1/trends", {"format": "csv"}).status_code == 401


def test_csv_says_which_values_are_not_counted(ana, api):
    store_durations(ana, date(2026, 3, 1), [25_000])
    store_days(ana, [date(2026, 3, 2)], duration=600, main_type="late_nap")
    answer = api.get("trends", measures="sleep.duration", end="2026-03-02", format="csv")
    rows = csv.DictReader(io.StringIO(answer.content.decode()))
    assert [row["sleep.duration.counted"] for row in rows] == ["False", "True"]


def test_median_is_the_same_in_the_next_period(ana, api):
    store_durations(ana, date(2026, 3, 1), range(20_000, 80_000, 1000))
    earlier = trend(api, period="30d", end="2026-03-31")["median"][-1]
    assert earlier in trend(api, period="30d", end="2026-04-15")["median"]


def test_day_without_values_of_its_own_is_not_full(ana):
    store_days(ana, [days_ago(1)], score=80, main_type="late_nap")
    found = find_trends(ana, ["sleep.duration"], "30d", days_ago(0), today=days_ago(0))
    assert found["sleep.duration"].not_full == {days_ago(1).toordinal()}


def test_unchanged_trends_are_304_until_a_day_changes(ana, api):
    store_durations(ana, days_ago(2), [25_000])
    etag = api.get("trends").headers["ETag"]
    assert api.get("trends", headers={"If-None-Match": etag}).status_code == 304
    store_durations(ana, days_ago(1), [26_000])
    assert api.get("trends", headers={"If-None-Match": etag}).status_code == 200


def test_mean_is_that_of_the_stored_values(ana, api):
    durations = [25_123, 26_456, 27_789, 24_000]
    store_durations(ana, days_ago(4), durations)
    assert trend(api)["period"]["mean"] == round(fmean(durations), 2)


def statements_of(user, *names):
    with CaptureQueriesContext(connection) as queries:
        found = find_trends(user, names, "all", days_ago(1), today=days_ago(0))
    return [each["sql"] for each in queries], found


def test_documents_of_very_many_days_are_read_in_parts(ana):
    days = [days_ago(count) for count in range(1, 402)]
    store_days(ana, days, duration=3000, source={"sleep": [{}]})
    store_days(ana, days[::100], duration=3000, source={"sleep": []})
    statements, found = statements_of(ana, "sleep.duration")
    assert sum("ANY(" in sql for sql in statements) == 3
    assert found["sleep.duration"].mean.days == 5


def test_measures_in_another_order_need_no_other_statement(ana):
    names = ["sleep.duration", "activity.steps", "sleep.score", "activity.score"]
    statements, found = statements_of(ana, *names)
    assert list(found) == names
    assert statements_of(ana, *names[::-1])[0] == statements


MONDAY = date(2026, 3, 2)


def test_weekdays_are_quartiles_of_their_own_days(ana, api):
    store_durations(ana, MONDAY, [20_000 + 100 * place for place in range(28)])
    found = trend(api, period="30d", end=str(MONDAY + timedelta(days=27)))["weekdays"]
    assert [each["median"] for each in found] == [21_050 + 100 * place for place in range(7)]
    assert found[0] == {"days": 4, "q1": 20_525, "median": 21_050, "q3": 21_575}


def test_weekday_of_three_days_has_no_quartiles(ana, api):
    store_durations(ana, MONDAY, [20_000] * 27)
    found = trend(api, period="30d", end=str(MONDAY + timedelta(days=26)))["weekdays"]
    assert found[6] == {"days": 3, "q1": None, "median": None, "q3": None}
    assert found[5]["median"] == 20_000


def test_weekdays_leave_out_days_that_do_not_count(ana, api):
    store_durations(ana, MONDAY, [20_000] * 28)
    store_days(ana, [MONDAY], main_type="late_nap")
    found = trend(api, period="30d", end=str(MONDAY + timedelta(days=27)))["weekdays"]
    assert [each["days"] for each in found] == [3, 4, 4, 4, 4, 4, 4]


def test_weekdays_begin_with_the_newest_mark(ana, api):
    days = [MONDAY + timedelta(days=place) for place in range(60)]
    store_nights(ana, days[:15], "v1")
    store_nights(ana, days[15:], "v2")
    found = trend(api, period="90d", end=str(days[-1]))["weekdays"]
    assert sum(each["days"] for each in found) == 45
