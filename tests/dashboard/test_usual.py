"""What is usual: quartiles and medians of windows of days."""

from itertools import accumulate

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from dashboard.usual import Values, runs, usual_of

numbers = st.lists(st.integers(0, 100_000), min_size=14, max_size=90)


@given(numbers)
def test_quartiles_lie_among_the_values(values):
    usual = usual_of(values)
    assert min(values) <= usual.q1 <= usual.median <= usual.q3 <= max(values)


@pytest.mark.django_db
def test_quartiles_are_those_of_postgresql():
    values = [41, 55, 12, 97, 63, 38, 74, 5, 88, 20, 69, 46, 33, 91, 80]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT percentile_cont(ARRAY[.25, .5, .75]) WITHIN GROUP (ORDER BY value) "
            "FROM unnest(%s::float8[]) AS value",
            [values],
        )
        [[expected]] = cursor.fetchall()
    assert list(usual_of(values)) == expected


def test_usual_needs_fourteen_values():
    assert usual_of(range(13)) is None
    assert usual_of(range(14)) is not None


def test_usual_is_of_the_ninety_days_before():
    values = Values(list(range(1, 201)), list(range(1, 201)))
    assert values.before(150) == list(range(60, 150))


def test_usual_starts_again_at_a_break():
    values = Values(list(range(1, 201)), list(range(1, 201)), [145])
    assert values.before(145) == []
    assert values.before(150) == [145, 146, 147, 148, 149]


def test_values_before_a_break_ignore_it():
    values = Values(list(range(1, 201)), list(range(1, 201)), [145])
    assert values.before(144) == list(range(54, 144))


def test_median_is_of_the_days_around():
    values = Values([1, 2, 3, 4, 5, 6, 7], [10, 20, 30, 40, 50, 60, 70])
    assert values.medians_at([3, 4, 7], 3) == [30, 40, 65]


def test_median_crosses_no_break():
    values = Values([1, 2, 3, 4, 5, 6, 7], [10, 20, 30, 40, 50, 60, 70], [4])
    assert values.medians_at([3, 4], 7) == [20, 55]


def test_median_needs_values_on_a_third_of_the_days():
    values = Values([10, 11, 20, 21, 22], [1, 2, 2, 4, 5])
    assert values.medians_at([10, 20], 7) == [None, 4]


histories = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), min_size=1, max_size=60)


@given(histories, st.lists(st.integers(1, 700), max_size=3, unique=True))
def test_usual_of_many_days_is_that_of_each(history, breaks):
    """Each value comes some days after the one before."""
    days = list(accumulate(step for step, _ in history))
    values = Values(days, [value for _, value in history], sorted(breaks))
    asked = range(1, days[-1] + 100)
    assert values.usual_at(asked) == [usual_of(values.before(day)) for day in asked]


def test_runs_end_at_gaps_and_breaks():
    assert runs([1, 2, 4, 5, 6], [6]) == [(1, 2), (4, 5), (6, 6)]
