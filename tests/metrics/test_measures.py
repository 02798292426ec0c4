"""Measures: what has one number a day."""

from metrics import ACTIVITY, READINESS, SLEEP
from metrics.measures import measures_of
from tests.invented.types import INVENTED


def test_numbers_times_of_day_and_contributors_are_measures():
    names = measures_of(SLEEP)
    assert {"sleep.score", "sleep.bedtime_start", "sleep.contributors.timing"} <= names.keys()


def test_texts_are_no_measures():
    assert "sleep.main_type" not in measures_of(SLEEP)


def test_columns_come_before_contributors():
    names = list(measures_of(READINESS))
    assert names[:3] == [
        "readiness.score",
        "readiness.temperature_deviation",
        "readiness.temperature_trend_deviation",
    ]
    assert all(".contributors." in name for name in names[3:])


def test_only_counts_begin_at_zero():
    counts = {name for name, each in measures_of(ACTIVITY).items() if each.is_count}
    assert {"activity.steps", "activity.total_calories"} <= counts
    assert not any(each.is_count for each in measures_of(SLEEP).values())


def test_scores_and_contributors_count_on_each_day():
    counted = {name for name, each in measures_of(SLEEP).items() if not each.of_full_days}
    assert counted == {"sleep.score", *(n for n in measures_of(SLEEP) if ".contributors." in n)}


def test_invented_types_have_measures():
    assert all(measures_of(each) for each in INVENTED.values())
