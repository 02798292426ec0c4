"""The lists and pages of runs and fetches."""

import pytest

from tests.ingest.admin.pages import (
    COVERAGE,
    allow,
    columns,
    failed,
    fetched,
    found,
    offered,
    page_of,
    ran,
    text_of,
)
from tests.worlds import days_ago

pytestmark = pytest.mark.django_db


def test_run_lists_missing_days_in_words(admin, ana):
    ran(ana, missing={"sleep": {"failed": 1, "not_worn": 3}, "readiness": {"not_synced": 2}})
    words = "sleep – ring not worn: 3, could not be fetched: 1 / readiness – not synced yet: 2"
    assert columns(admin, "run")["missing_days"] == words


def test_run_without_missing_days_lists_nothing(admin, ana):
    ran(ana, missing={})
    assert columns(admin, "run")["missing_days"] == "nothing"


def test_unfinished_run_says_so(admin, ana):
    ran(ana)
    assert "not finished" in text_of(admin.get("/admin/ingest/run/"))


def test_unknown_state_is_shown_as_it_is(admin, ana):
    ran(ana, missing={"sleep": {"lost_at_sea": 1}})
    assert columns(admin, "run")["missing_days"] == "sleep – lost_at_sea: 1"


@pytest.mark.parametrize("name", ["failures", "healed", "revised"])
def test_runs_are_filtered_by_outcome(admin, ana, name):
    ran(ana, "dull")
    wanted = ran(ana, "eventful", **{name: 1})
    assert found(admin, "run", outcome=name) == [wanted]


def test_runs_offer_outcome_and_user_filters(admin, ana, ben):
    ran(ana)
    ran(ben)
    assert offered(admin, "run") == {"outcome", "user"}


def test_run_links_to_its_fetches(admin, ana, ben):
    run = ran(ana)
    wanted = fetched(ana, run="run-1")
    fetched(ana, run="run-2")
    fetched(ben, run="run-1")
    path = f"/admin/ingest/fetch/?run=run-1&user__id__exact={ana.pk}"
    assert path.replace("&", "&amp;") in text_of(admin.get(page_of(run)))
    assert list(admin.get(path).context["cl"].result_list) == [wanted]


def test_run_links_to_coverage(admin, ana):
    assert f'href="{COVERAGE}{ana.pk}/"' in text_of(admin.get(page_of(ran(ana))))


def test_run_links_to_revisions(admin, ana):
    path = f"/admin/ingest/revision/?user__id__exact={ana.pk}"
    assert f'href="{path}"' in text_of(admin.get(page_of(ran(ana))))


def test_links_without_permission_are_hidden(staff, ana, ben):
    allow(ben, "run")
    page = text_of(staff.get(page_of(ran(ana))))
    assert "/admin/ingest/fetch/" not in page
    assert "/admin/ingest/revision/" not in page


def test_complete_fetch_says_so(admin, ana):
    fetched(ana)
    assert columns(admin, "fetch")["outcome"] == "complete"


def test_failed_fetch_says_what_failed(admin, ana):
    failed(ana, page=2)
    words = "rate limit reached (HTTP 429) / daily_sleep page 2, 3 attempts"
    assert columns(admin, "fetch")["outcome"] == words


def test_failed_fetch_leaves_out_what_is_unknown(admin, ana):
    failed(ana, kind="unavailable", status=None, collection="", attempts=1)
    assert columns(admin, "fetch")["outcome"] == "no answer from Oura / 1 attempt"


def test_fetches_are_filtered_by_outcome(admin, ana):
    good, bad = fetched(ana), failed(ana)
    assert found(admin, "fetch", outcome="complete") == [good]
    assert found(admin, "fetch", outcome="failed") == [bad]


@pytest.mark.parametrize("query", [{"kind": "forbidden"}, {"q": "run-7"}])
def test_fetches_are_found_by_failure_and_run(admin, ana, query):
    failed(ana)
    wanted = failed(ana, kind="forbidden", run="run-7")
    assert found(admin, "fetch", **query) == [wanted]


def test_fetches_offer_type_outcome_and_user_filters(admin, ana, ben):
    fetched(ana)
    fetched(ben)
    assert offered(admin, "fetch") == {"type", "outcome", "kind of failure", "user"}


def test_days_filter_keeps_overlapping_fetches(admin, ana):
    fetched(ana, days_ago(20), days_ago(11))
    first, last = fetched(ana, days_ago(10), days_ago(8)), fetched(ana, days_ago(6), days_ago(1))
    fetched(ana, days_ago(0), days_ago(0))
    rows = found(admin, "fetch", days=f"{days_ago(8)} to {days_ago(6)}")
    assert set(rows) == {first, last}


def test_filter_set_by_link_is_shown(admin, ana):
    fetched(ana, run="run-1")
    [spec] = [
        each
        for each in admin.get("/admin/ingest/fetch/?run=run-1").context["cl"].filter_specs
        if each.title == "run"
    ]
    assert spec.lookup_choices == [("run-1", "run-1")]


def test_fetch_links_to_its_run(admin, ana):
    run = ran(ana)
    fetch = fetched(ana, run="run-1")
    for path in ("/admin/ingest/fetch/", page_of(fetch)):
        assert f'href="{page_of(run)}"' in text_of(admin.get(path))


def test_fetch_never_links_to_another_persons_run(admin, ana, ben):
    run = ran(ben)
    fetch = fetched(ana, run="run-1")
    for path in ("/admin/ingest/fetch/", page_of(fetch)):
        assert page_of(run) not in text_of(admin.get(path))


def test_fetch_links_to_coverage(admin, ana):
    fetch = fetched(ana)
    for path in ("/admin/ingest/fetch/", page_of(fetch)):
        assert f'href="{COVERAGE}{ana.pk}/"' in text_of(admin.get(path))
