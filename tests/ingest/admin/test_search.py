"""What the search of the lists finds."""

from datetime import UTC, date, datetime

import pytest

from accounts.models import Origin
from tests.ingest.admin.pages import fetched, found, ran, revised, text_of
from tests.odd_input.admins import address, admins
from tests.worlds import reject_document, store_days

pytestmark = pytest.mark.django_db
DAYS = ["2026-01-31", "2026-02-01", "2026-02-28", "2026-03-01"]


def on_days(user, model):
    """Store a row for each day; return them in this order."""
    match model:
        case "run":
            return [ran(user, day, began_at=datetime.fromisoformat(f"{day}T12Z")) for day in DAYS]
        case "fetch":
            return [fetched(user, day, day) for day in DAYS]
        case "revision":
            return [revised(user, day) for day in DAYS]
        case "rejecteddocument":
            return [reject_document(user, day) for day in DAYS]
    type_ = model.removesuffix("metric")
    store_days(user, DAYS, type_)
    return list(getattr(user, f"{model}s").order_by("day"))


WITH_DAYS = ["sleepmetric", "activitymetric", "rejecteddocument", "run", "fetch", "revision"]


@pytest.mark.parametrize("model", WITH_DAYS)
def test_day_finds_its_rows(admin, ana, model):
    rows = on_days(ana, model)
    assert found(admin, model, q="2026-02-01") == [rows[1]]


@pytest.mark.parametrize("model", WITH_DAYS)
def test_month_finds_the_rows_of_its_days(admin, ana, model):
    rows = on_days(ana, model)
    assert set(found(admin, model, q="2026-02")) == set(rows[1:3])


@pytest.mark.parametrize("model", WITH_DAYS)
def test_day_and_name_narrow_each_other(admin, ana, ben, model):
    on_days(ben, model)
    rows = on_days(ana, model)
    assert found(admin, model, q="ana 2026-02-28") == [rows[2]]


def test_day_finds_fetches_of_longer_ranges(admin, ana):
    wanted = fetched(ana, date(2026, 2, 1), date(2026, 2, 28))
    fetched(ana, date(2026, 3, 1), date(2026, 3, 9))
    assert found(admin, "fetch", q="2026-02-10") == [wanted]


def test_month_with_a_leap_day_has_it(admin, ana):
    store_days(ana, ["2024-02-29", "2024-03-01"])
    assert [str(row.day) for row in found(admin, "sleepmetric", q="2024-02")] == ["2024-02-29"]


@pytest.mark.parametrize("text", ["2026-02-30", "2026-13", "2026-2-1", "2026-02-", "0000-00"])
def test_impossible_date_finds_nothing(admin, ana, text):
    on_days(ana, "sleepmetric")
    assert found(admin, "sleepmetric", q=text) == []


def test_day_of_a_run_is_that_of_the_server(admin, ana, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    wanted = ran(ana, began_at=datetime(2026, 2, 1, 23, tzinfo=UTC))
    assert found(admin, "run", q="2026-02-02") == [wanted]


def test_name_is_searched_where_rows_have_no_day(admin, ana, ben):
    Origin.objects.create(user=ben, name="oura")
    wanted = Origin.objects.create(user=ana, name="oura")
    answer = admin.get("/admin/accounts/origin/", {"q": "ana"})
    assert list(answer.context["cl"].result_list) == [wanted]


def test_each_search_says_what_it_finds(admin):
    for each in admins():
        page = text_of(admin.get(address(each)))
        assert each.search_help_text in page, each
        assert ("2026-11-20" in page) == bool(each.search_day), each


def test_search_has_a_label_in_words(admin):
    assert '<label for="searchbar">Search</label>' in text_of(admin.get("/admin/ingest/run/"))


def test_search_keeps_the_filters(admin, ana):
    page = text_of(admin.get("/admin/ingest/run/?outcome=failures&q=ana"))
    assert '<input type="hidden" name="outcome" value="failures">' in page
