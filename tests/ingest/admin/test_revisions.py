"""The list and pages of revisions, and the links of rows to them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ingest.models import Revision, SleepMetric
from tests.ingest.admin.pages import COVERAGE, columns, offered, page_of, revised, text_of
from tests.worlds import days_ago, store_days

pytestmark = pytest.mark.django_db


def test_revisions_offer_type_kind_and_user_filters(admin, ana, ben):
    revised(ana)
    revised(ben)
    assert offered(admin, "revision") == {"type", "kind", "user"}


def test_revision_summary_starts_with_score(admin, ana):
    changes = {"score": [71, 78], "duration": [25000, 27000], "latency": [300, None]}
    revised(ana, changes=changes, notes=["period added"])
    assert columns(admin, "revision")["summary"] == "score 71 → 78, period added, 2 more columns"


def test_revision_summary_without_score_has_first_column(admin, ana):
    revised(ana, changes={"duration": [25000, None]})
    assert columns(admin, "revision")["summary"] == "duration 25000 → –"


def test_removed_day_has_no_changed_columns(admin, ana):
    row = revised(ana, kind="removed", changes={})
    assert "no longer at Oura" in text_of(admin.get("/admin/ingest/revision/"))
    assert "No columns changed." in text_of(admin.get(page_of(row)))


def test_revision_shows_both_values_of_column(admin, ana):
    row = revised(ana, changes={"contributors.timing": [None, 12]})
    page = text_of(admin.get(page_of(row)))
    assert '<th scope="row">contributors.timing</th><td>–</td><td>12</td>' in page


def test_values_from_oura_are_escaped(admin, ana):
    row = revised(ana, changes={"bedtime_start": ["<b>", "<i>"]}, notes=["<u>"])
    page = text_of(admin.get(page_of(row)))
    assert "<td>&lt;b&gt;</td><td>&lt;i&gt;</td>" in page
    assert "&lt;u&gt;" in page


def test_revision_shows_earlier_row_and_documents(admin, ana):
    source = {"daily_sleep": {"timestamp": "then"}, "sleep": []}
    day, then = days_ago(9), timezone.now() - timedelta(days=2)
    store_days(ana, [day], at=then, score=71, source=source)
    store_days(ana, [day], score=78, source=source | {"sleep": [{}]})
    page = text_of(admin.get(page_of(Revision.objects.get())))
    assert "&quot;score&quot;: 71" in page
    assert "&quot;timestamp&quot;: &quot;then&quot;" in page


def test_revision_links_to_current_row(admin, ana):
    store_days(ana, [days_ago(3)])
    row = SleepMetric.objects.get()
    assert f'href="{page_of(row)}"' in text_of(admin.get(page_of(revised(ana, days_ago(3)))))


def test_revision_of_removed_day_links_to_no_row(admin, ana, ben):
    store_days(ben, [days_ago(3)])
    page = text_of(admin.get(page_of(revised(ana, days_ago(3)))))
    assert "Current row" not in page


def test_row_links_to_revisions_of_its_day(admin, ana, ben):
    store_days(ana, [days_ago(3)])
    wanted = revised(ana, days_ago(3))
    revised(ana, days_ago(4))
    revised(ana, days_ago(3), type="activity")
    revised(ben, days_ago(3))
    path = f"/admin/ingest/revision/?user__id__exact={ana.pk}&type__exact=sleep&day={days_ago(3)}"
    page = text_of(admin.get(page_of(SleepMetric.objects.get())))
    assert path.replace("&", "&amp;") in page
    assert list(admin.get(path).context["cl"].result_list) == [wanted]


def test_row_links_to_coverage(admin, ana):
    store_days(ana, [days_ago(3)])
    page = text_of(admin.get(page_of(SleepMetric.objects.get())))
    assert f'href="{COVERAGE}{ana.pk}/"' in page


def test_account_links_to_its_coverage(admin, ana):
    page = text_of(admin.get(f"/admin/accounts/user/{ana.pk}/change/"))
    assert f'href="{COVERAGE}{ana.pk}/"' in page
