import pytest


@pytest.fixture(autouse=True)
def time_of_pages(fixed_time):
    """Pages say today, yesterday, and the year of days that are not of this year."""
