"""The pages of coverage: of one person, and of all accounts."""

from datetime import datetime

import pytest
from django.utils import timezone

from ingest import runs
from ingest.models import RejectedDocument, Run
from myhealth.days import utc_today
from tests.ingest.admin.pages import COVERAGE, failed, fetched, page_of, ran, text_of
from tests.worlds import days_ago, store_days

pytestmark = pytest.mark.django_db


def covered(client, user, **query):
    """By type, what the page shows of it."""
    answer = client.get(f"{COVERAGE}{user.pk}/", query)
    assert answer.status_code == 200
    return {each["name"]: each for each in answer.context["types"]}


def spans(type_):
    return [(row["range"].start, row["range"].end, row["range"].state) for row in type_["rows"]]


def test_missing_days_are_listed_newest_first(admin, ana):
    store_days(ana, [days_ago(9), days_ago(5), days_ago(0)])
    assert spans(covered(admin, ana)["sleep"]) == [
        (days_ago(4), days_ago(1), "not_asked"),
        (days_ago(8), days_ago(6), "not_asked"),
    ]


def test_totals_have_states_first_and_last_day(admin, ana):
    store_days(ana, [days_ago(9), days_ago(5), days_ago(0)])
    failed(ana, days_ago(8), days_ago(8))
    sleep = covered(admin, ana)["sleep"]
    assert (sleep["first"], sleep["last"]) == (days_ago(9), days_ago(0))
    assert (sleep["days"], sleep["counts"]) == (7, "not fetched yet: 6, could not be fetched: 1")


def test_types_are_listed_from_first_day_of_any(admin, ana):
    store_days(ana, [days_ago(2)])
    assert spans(covered(admin, ana)["activity"]) == [(days_ago(2), days_ago(0), "not_asked")]


def test_reason_is_shown(admin, ana):
    store_days(ana, [days_ago(9), days_ago(0)])
    failed(ana, days_ago(8), days_ago(1), page=2)
    page = text_of(admin.get(f"{COVERAGE}{ana.pk}/"))
    assert "Fetching the sleep score failed on page 2: rate limit reached (HTTP status 429)" in page


def test_stored_days_with_reason_are_listed_and_not_counted(admin, ana):
    store_days(ana, [days_ago(n) for n in (2, 0)], "activity")
    store_days(ana, [days_ago(1)], "activity", non_wear_minutes=1300)
    activity = covered(admin, ana)["activity"]
    assert (activity["days"], spans(activity)) == (0, [(days_ago(1), days_ago(1), "held")])
    assert activity["rows"][0]["range"].reason == "The ring was off for 21 h 40 min of the day."


def test_other_peoples_fetches_are_not_shown(admin, ana, ben):
    store_days(ana, [days_ago(0)])
    failed(ben, days_ago(9), days_ago(1))
    assert spans(covered(admin, ana)["sleep"]) == []


def test_rejected_day_links_to_its_document(admin, ana):
    store_days(ana, [days_ago(2)])
    document = RejectedDocument.objects.create(
        user=ana, type="sleep", key="k", day=str(days_ago(1)), errors={"score": ["Too high."]}
    )
    page = text_of(admin.get(f"{COVERAGE}{ana.pk}/"))
    assert f'href="{page_of(document)}"' in page


def test_range_links_to_its_fetches(admin, ana):
    store_days(ana, [days_ago(9), days_ago(0)])
    wanted = failed(ana, days_ago(8), days_ago(1))
    fetched(ana, days_ago(30), days_ago(10))
    failed(ana, days_ago(8), days_ago(1), type="activity")
    [row] = covered(admin, ana)["sleep"]["rows"]
    assert list(admin.get(row["fetches"]).context["cl"].result_list) == [wanted]


def test_person_without_rows_starts_at_first_fetch(admin, ana):
    failed(ana, days_ago(700), days_ago(0), kind="forbidden", status=403)
    assert spans(covered(admin, ana)["sleep"]) == [(days_ago(700), days_ago(0), "no_permission")]


def test_person_without_fetches_has_a_page(admin, ana):
    assert spans(covered(admin, ana)["sleep"]) == [(days_ago(0), days_ago(0), "not_asked")]


def test_year_limits_days_shown(admin, ana):
    year = utc_today().year - 1
    store_days(ana, [f"{year - 1}-12-30", f"{year + 1}-01-01"])
    sleep = covered(admin, ana, year=year)["sleep"]
    assert [span[:2] for span in spans(sleep)] == [
        (datetime(year, 1, 1).date(), datetime(year, 12, 31).date())
    ]
    assert sleep["counts"].startswith("not fetched yet: ")
    assert sleep["first"] == datetime(year - 1, 12, 30).date()


@pytest.mark.parametrize("year", ["", "abc", "-1", "1999", "0", "²⁰²⁵", "99999999999999999999"])
def test_unknown_year_is_404(admin, ana, year):
    store_days(ana, [days_ago(0)])
    assert admin.get(f"{COVERAGE}{ana.pk}/", {"year": year}).status_code == 404


@pytest.mark.parametrize("pk", [0, 99999999999999999999])
def test_unknown_person_is_404(admin, pk):
    assert admin.get(f"{COVERAGE}{pk}/").status_code == 404


def test_page_has_no_inline_script_or_style(admin, ana):
    store_days(ana, [days_ago(9), days_ago(0)])
    page = text_of(admin.get(f"{COVERAGE}{ana.pk}/"))
    content = page[page.index('id="content-main"') : page.index("END Content")]
    assert "<script" not in content
    assert "style" not in content


def all_accounts(client, **query):
    answer = client.get(COVERAGE, query)
    assert answer.status_code == 200
    return {row["username"]: row for row in answer.context["accounts"].object_list}


def test_accounts_are_listed_with_newest_run(admin, ana):
    Run.objects.create(user=ana, request_id="old", missing={"sleep": {"failed": 99}})
    ran(ana, "new", missing={"sleep": {"failed": 1, "not_worn": 3}, "activity": {"none": 2}})
    row = all_accounts(admin)["ana"]
    assert row["days"] == 6
    assert "sleep – ring not worn: 3, could not be fetched: 1" in row["described"]
    assert "activity – no data at Oura: 2" in row["described"]


def test_account_without_finished_run_is_listed(admin, ana):
    ran(ana)
    assert all_accounts(admin)["ana"]["run"] is None
    assert "no finished run" in text_of(admin.get(COVERAGE))


def test_finished_run_stores_what_is_listed(admin, ana):
    store_days(ana, [days_ago(9), days_ago(0)])
    runs.finish(ana.pk, "run-1", timezone.now())
    assert "sleep – not fetched yet: 8" in all_accounts(admin)["ana"]["described"]


def test_list_links_to_coverage_of_each_person(admin, ana):
    assert f'href="{COVERAGE}{ana.pk}/"' in text_of(admin.get(COVERAGE))


def test_accounts_are_paginated(admin, django_user_model):
    names = [f"person{n:03}" for n in range(100)]
    django_user_model.objects.bulk_create(django_user_model(username=name) for name in names)
    assert list(all_accounts(admin)) == ["ben", *names[:-1]]
    assert list(all_accounts(admin, page=2)) == [names[-1]]


@pytest.mark.parametrize("page", ["x", "-3", "99999999999999999999"])
def test_unknown_page_is_nearest_page(admin, page):
    assert list(all_accounts(admin, page=page)) == ["ben"]


@pytest.mark.parametrize("name", ["run", "fetch"])
def test_lists_link_to_coverage_of_all_accounts(admin, name):
    assert f'href="{COVERAGE}"' in text_of(admin.get(f"/admin/ingest/{name}/"))
