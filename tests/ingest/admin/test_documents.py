"""How the pages show documents and other JSON."""

import html

import pytest
from django.utils.html import strip_tags

from ingest.models import ActivityMetric, RejectedDocument
from tests.ingest.admin.pages import page_of, text_of
from tests.worlds import reject_document, store_days

pytestmark = pytest.mark.django_db


def documents(client, ana, document):
    """Return the HTML of the documents of a day of activity."""
    store_days(ana, ["2026-03-01"], "activity", source={"daily_activity": document})
    page = text_of(client.get(page_of(ActivityMetric.objects.get())))
    return page.rpartition('<div class="json">')[2].partition("</div>")[0]


def lines(shown):
    return html.unescape(strip_tags(shown)).splitlines()


def test_documents_have_a_line_for_each_value(admin, ana):
    shown = documents(admin, ana, {"a": None, "b": [{"c": "é"}, {}], "d": []})
    assert lines(shown) == [
        "{",
        '  "daily_activity": {',
        '    "a": null,',
        '    "b": [',
        "      {",
        '        "c": "é"',
        "      },",
        "      {}",
        "    ],",
        '    "d": []',
        "  }",
        "}",
    ]


def test_list_of_values_is_on_one_line(admin, ana):
    shown = documents(admin, ana, {"items": [1.5, None, 2]})
    assert '    "items": [1.5, null, 2]' in lines(shown)
    assert "<details>" not in shown


def test_long_list_is_folded(admin, ana):
    shown = documents(admin, ana, {"met": {"items": [0.9] * 1440, "interval": 60}})
    assert "<details><summary>1,440 values</summary>[0.9, 0.9" in shown
    assert len(lines(shown)) == 8


def test_long_text_is_folded(admin, ana):
    shown = documents(admin, ana, {"movement": "1" * 900})
    assert "<summary>900 characters</summary>" in shown


def test_markup_in_documents_is_shown_as_text(admin, ana):
    shown = documents(admin, ana, {"<b>": ["<i>"], "long": ["<u>" * 200]})
    assert not any(tag in shown for tag in ("<b>", "<i>", "<u>"))


def test_rejected_document_is_shown_by_its_values(admin, ana):
    row = reject_document(ana, "2026-03-01", contributors={"timing": 3})
    page = text_of(admin.get(page_of(row)))
    assert "&quot;score&quot;: 500" in page.split('<div class="json">')[1].splitlines()[3]


@pytest.mark.parametrize("inner", [{}, [[]]])
def test_deeply_nested_document_is_shown(admin, ana, inner):
    for _ in range(240):
        inner = {"x": inner} if isinstance(inner, dict) else [inner]
    content = str(inner).replace("'", '"')
    row = RejectedDocument.objects.create(
        user=ana, type="sleep", key="k", content=content, errors={}
    )
    assert '<div class="json">' in text_of(admin.get(page_of(row)))
