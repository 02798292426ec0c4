"""What `make run` says of each collection."""

from myhealth.local.collecting import days_in_words


def test_single_new_day_is_one_day():
    days = {"sleep": 1, "activity": 2, "readiness": 0}
    assert days_in_words(days) == "1 day of sleep, 2 days of activity"
