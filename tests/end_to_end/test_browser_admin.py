"""The admin in a real Chromium: accessibility, and tables that fit."""

import pytest
from django.contrib.admin.models import LogEntry

from accounts.models import Origin
from tests.end_to_end.test_browser import signed_in_page, violations
from tests.ingest.admin.pages import failed, page_of, ran, revised
from tests.odd_input.admins import address, admins
from tests.scale import full_only
from tests.worlds import days_ago, person, reject_document, store_days

MISSING = {
    "sleep": {"not_worn": 312, "no_permission": 14, "failed": 3},
    "readiness": {"not_synced": 2, "not_asked": 1200},
}
SOURCE = {"daily_activity": {"met": {"items": [0.9] * 1440}, "class_5_min": "1" * 288}}


@pytest.fixture
def paths(transactional_db, ana):
    """The pages of the admin, about someone with a long name and a row in each table."""
    ana.is_staff = ana.is_superuser = True
    ana.save()
    long = person("maximiliane.of.the.long.name@example.org", "ana")
    for type_ in ("sleep", "activity", "readiness"):
        store_days(long, [days_ago(0), days_ago(400)], type_, score=90, source=SOURCE)
    Origin.objects.create(user=long, name="sandbox")
    LogEntry.objects.create(user=ana, action_flag=2, object_repr="x")
    reject_document(long, days_ago(2))
    rows = [ran(long, "r" * 64, missing=MISSING), failed(long), revised(long)]
    account = f"/admin/accounts/user/{long.pk}"
    pages = ["/admin/", f"{account}/delete/", f"{account}/history/", "/admin/coverage/"]
    days = long.activitymetrics.first()
    return [*map(address, admins()), *map(page_of, [*rows, days]), *pages]


@full_only
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_admin_has_no_accessibility_violations(chromium, api_process, paths, scheme):
    with signed_in_page(chromium, api_process, 1280, 900, color_scheme=scheme) as page:
        found = {}
        for path in paths:
            page.goto(path)
            found[path] = violations(page)
        assert {path: each for path, each in found.items() if each} == {}


@full_only
def test_admin_cuts_nothing_off_at_1280_pixels(chromium, api_process, paths):
    with signed_in_page(chromium, api_process, 1280, 900) as page:
        cut = []
        for path in paths:
            page.goto(path)
            wide = "all => all.some(each => each.scrollWidth > each.clientWidth)"
            if page.locator(".results, html").evaluate_all(wide):
                cut.append(path)
        assert cut == []
