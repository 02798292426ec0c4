"""Warnings on the admin's pages of metrics."""

import pytest

from ingest.models import MetricSource, Revision, SleepMetric
from tests.ingest.admin.pages import found, offered, page_of, revised, text_of
from tests.worlds import store_days

pytestmark = pytest.mark.django_db


@pytest.fixture
def bad_and_good(ana):
    store_days(ana, ["2026-03-01"], efficiency=101, source={"daily_sleep": {}})
    store_days(ana, ["2026-03-02"], efficiency=100, source={"daily_sleep": {}})
    return SleepMetric.objects.order_by("day")


def test_page_of_row_shows_its_warnings(admin, bad_and_good):
    bad, good = bad_and_good
    assert "efficiency: 101 is not valid" in text_of(admin.get(page_of(bad)))
    assert "is not valid" not in text_of(admin.get(page_of(good)))


def test_list_can_be_filtered_by_warnings(admin, bad_and_good):
    assert "warnings" in offered(admin, "sleepmetric")
    assert found(admin, "sleepmetric", warnings="with") == [bad_and_good[0]]


def test_unknown_value_of_warning_filter_shows_all(admin, bad_and_good):
    assert len(found(admin, "sleepmetric", warnings="nonsense")) == 2


def test_pages_of_damaged_documents_say_so(admin, ana):
    revised(ana, content=b"garbage")
    store_days(ana, ["2026-03-01"], source={"daily_sleep": {}})
    MetricSource.objects.update(content=b"garbage")
    for row in (SleepMetric.objects.get(), Revision.objects.get()):
        assert "damaged" in text_of(admin.get(page_of(row)))
