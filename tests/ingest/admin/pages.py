"""Rows that the admin shows, and how tests read its pages."""

from django.contrib.auth.models import Permission
from django.utils import timezone
from django.utils.html import strip_tags

from ingest.models import Fetch, Revision, Run
from tests.worlds import days_ago

COVERAGE = "/admin/coverage/"
LISTS = ["run", "fetch", "revision"]


def text_of(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def ran(user, request_id="run-1", **figures):
    finished = {"finished_at": timezone.now(), "newest": True} if "missing" in figures else {}
    return Run.objects.create(user=user, request_id=request_id, **finished, **figures)


def fetched(user, start=None, end=None, **values):
    values = {"type": "sleep", "complete": True, "asked_at": timezone.now(), **values}
    return Fetch.objects.create(
        user=user, start=start or days_ago(3), end=end or days_ago(1), **values
    )


def failed(user, *args, **values):
    what = {"kind": "rate_limited", "status": 429, "collection": "daily_sleep", "attempts": 3}
    return fetched(user, *args, complete=False, **{**what, **values})


def revised(user, day=None, **values):
    values = {
        "type": "sleep",
        "kind": "changed",
        "changes": {"score": [71, 78]},
        "values": {"score": 71},
        "content_hash": b"1",
        "fetched_at": timezone.now(),
        "replaced_at": timezone.now(),
        **values,
    }
    return Revision.objects.create(user=user, day=day or days_ago(3), **values)


def page_of(row):
    return f"/admin/ingest/{row._meta.model_name}/{row.pk}/change/"


def found(client, model, **query):
    """The rows that a list shows."""
    answer = client.get(f"/admin/ingest/{model}/", query)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def offered(client, model):
    """By what a list can be filtered."""
    answer = client.get(f"/admin/ingest/{model}/")
    return {spec.title for spec in answer.context["cl"].filter_specs}


def columns(client, model, **query):
    """Return the text of each column of a list's first row, its lines separated by a slash."""
    answer = client.get(f"/admin/ingest/{model}/", query)
    table = answer.context["cl"]
    row = table.result_list[0]
    said = {name: getattr(table.model_admin, name, None) for name in table.list_display}
    return {
        name: strip_tags(str(say(row)).replace("<br>", " / ")) for name, say in said.items() if say
    }


def allow(user, *models):
    names = [f"view_{model}" for model in models]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
