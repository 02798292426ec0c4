"""The admin's pages on how complete everything is: runs, readings, revisions, coverage."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import strip_tags

from ingest import runs
from ingest.admin_coverage import PEOPLE_PER_PAGE
from ingest.admin_filters import MOST_PEOPLE
from ingest.models import METRIC_MODELS, Reading, RejectedDocument, Revision, Run, SleepMetric
from ingest.upsert import store
from tests.conftest import person
from tests.ingest.conftest import night

pytestmark = pytest.mark.django_db

TODAY = datetime.now(UTC).date()
COVERAGE = "/admin/ingest/reading/coverage/"
LISTS = ["run", "reading", "revision"]


def ago(days):
    return TODAY - timedelta(days=days)


@pytest.fixture
def staff(ben):
    ben.is_staff = True
    ben.save()
    client = Client(REMOTE_ADDR="198.51.100.7")
    client.force_login(ben, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def admin(staff, ben):
    ben.is_superuser = True
    ben.save()
    return staff


def allow(user, *models):
    names = [f"view_{model}" for model in models]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))


def text_of(answer):
    assert answer.status_code == 200
    return answer.content.decode()


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
    """What the first row of a list says, column by column; its lines are told apart by a slash."""
    answer = client.get(f"/admin/ingest/{model}/", query)
    table = answer.context["cl"]
    row = table.result_list[0]
    said = {name: getattr(table.model_admin, name, None) for name in table.list_display}
    return {
        name: strip_tags(str(say(row)).replace("<br>", " / ")) for name, say in said.items() if say
    }


def hold(user, *days, fetched_at=None, **values):
    raw = [orjson.dumps(night(day=str(day), id=f"{user.pk}-{day}", **values)) for day in days]
    now = timezone.now()
    outcome = store(METRIC_MODELS["sleep"], user.pk, raw, fetched_at=fetched_at or now, now=now)
    assert outcome.rejected == []


def ran(user, request_id="run-1", **figures):
    finished = {"finished_at": timezone.now(), "newest": True} if "missing" in figures else {}
    return Run.objects.create(user=user, request_id=request_id, **finished, **figures)


def asked(user, start=None, end=None, **values):
    values = {"type": "sleep", "complete": True, "asked_at": timezone.now(), **values}
    return Reading.objects.create(user=user, start=start or ago(3), end=end or ago(1), **values)


def failed(user, *args, **values):
    what = {"kind": "rate_limited", "status": 429, "collection": "daily_sleep", "attempts": 3}
    return asked(user, *args, complete=False, **{**what, **values})


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
    return Revision.objects.create(user=user, day=day or ago(3), **values)


def page_of(row):
    return f"/admin/ingest/{row._meta.model_name}/{row.pk}/change/"


# Who gets in


@pytest.mark.parametrize("path", [f"/admin/ingest/{name}/" for name in LISTS] + [COVERAGE])
def test_who_is_not_staff_is_sent_to_the_login(path, ana):
    client = Client()
    client.force_login(ana, backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(path).headers["Location"] == f"/admin/login/?next={path}"


def test_the_coverage_of_a_person_is_for_staff_only(ana):
    path = f"{COVERAGE}{ana.pk}/"
    assert Client().get(path).headers["Location"] == f"/admin/login/?next={path}"


@pytest.mark.parametrize("name", LISTS)
def test_staff_need_the_permission_to_look_at_a_list(staff, name):
    assert staff.get(f"/admin/ingest/{name}/").status_code == 403


def test_staff_need_the_permission_to_look_at_the_coverage(staff, ana):
    assert staff.get(COVERAGE).status_code == 403
    assert staff.get(f"{COVERAGE}{ana.pk}/").status_code == 403


def test_the_permission_to_look_at_readings_is_enough_for_the_coverage(staff, ana, ben):
    allow(ben, "reading")
    assert staff.get(COVERAGE).status_code == 200
    assert staff.get(f"{COVERAGE}{ana.pk}/").status_code == 200


@pytest.mark.parametrize("service", ["processor", "sandbox"])
def test_only_the_api_process_has_the_coverage(admin, ana, settings, service):
    settings.ROOT_URLCONF = f"myhealth.urls.{service}"
    assert admin.get(COVERAGE).status_code == 404


@pytest.mark.parametrize("make", [ran, asked, revised])
def test_nobody_changes_anything(admin, ana, make):
    row = make(ana)
    folder = f"/admin/ingest/{row._meta.model_name}/"
    assert admin.get(f"{folder}add/").status_code == 403
    assert admin.post(f"{folder}{row.pk}/change/", {}).status_code == 403
    assert admin.post(f"{folder}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert type(row).objects.filter(pk=row.pk).exists()


# Runs


def test_what_is_missing_after_a_run_is_told_in_words(admin, ana):
    ran(ana, missing={"sleep": {"failed": 1, "not_worn": 3}, "readiness": {"not_synced": 2}})
    told = "sleep: 3 not worn, 1 failed / readiness: 2 not synced"
    assert columns(admin, "run")["not_held"] == told


def test_a_run_after_which_nothing_is_missing_says_so(admin, ana):
    ran(ana, missing={})
    assert columns(admin, "run")["not_held"] == "nothing"


def test_a_run_that_has_not_finished_says_so(admin, ana):
    ran(ana)
    assert "not finished" in text_of(admin.get("/admin/ingest/run/"))


def test_a_state_that_is_no_more_is_still_told(admin, ana):
    ran(ana, missing={"sleep": {"lost_at_sea": 1}})
    assert columns(admin, "run")["not_held"] == "sleep: 1 lost at sea"


@pytest.mark.parametrize("name", ["failures", "healed", "revised"])
def test_runs_are_found_by_what_they_came_to(admin, ana, name):
    ran(ana, "dull")
    wanted = ran(ana, "eventful", **{name: 1})
    assert found(admin, "run", came_to=name) == [wanted]


def test_runs_can_be_filtered_by_person(admin, ana, ben):
    ran(ana)
    ran(ben)
    assert offered(admin, "run") == {"what it came to", "user"}


def test_a_run_leads_to_its_readings(admin, ana, ben):
    run = ran(ana)
    wanted = asked(ana, run="run-1")
    asked(ana, run="run-2")
    asked(ben, run="run-1")
    path = f"/admin/ingest/reading/?run=run-1&user__id__exact={ana.pk}"
    assert path.replace("&", "&amp;") in text_of(admin.get(page_of(run)))
    assert list(admin.get(path).context["cl"].result_list) == [wanted]


def test_a_run_leads_to_the_persons_coverage(admin, ana):
    assert f'href="{COVERAGE}{ana.pk}/"' in text_of(admin.get(page_of(ran(ana))))


def test_a_run_leads_to_the_persons_revisions(admin, ana):
    path = f"/admin/ingest/revision/?user__id__exact={ana.pk}"
    assert f'href="{path}"' in text_of(admin.get(page_of(ran(ana))))


def test_links_that_one_may_not_follow_are_not_shown(staff, ana, ben):
    allow(ben, "run")
    page = text_of(staff.get(page_of(ran(ana))))
    assert "/admin/ingest/reading/" not in page
    assert "/admin/ingest/revision/" not in page


# Readings


def test_a_complete_reading_says_so(admin, ana):
    asked(ana)
    assert columns(admin, "reading")["outcome"] == "complete"


def test_a_failed_reading_tells_what_failed(admin, ana):
    failed(ana, page=2)
    told = "rate limited (HTTP 429) / daily_sleep page 2, 3 attempts"
    assert columns(admin, "reading")["outcome"] == told


def test_a_failed_reading_tells_only_what_is_known(admin, ana):
    failed(ana, kind="unavailable", status=None, collection="", attempts=1)
    assert columns(admin, "reading")["outcome"] == "unavailable / 1 attempt"


@pytest.mark.parametrize("query", [{"kind": "forbidden"}, {"q": "run-7"}])
def test_readings_are_found_by_kind_of_failure_and_run(admin, ana, query):
    failed(ana)
    wanted = failed(ana, kind="forbidden", run="run-7")
    assert found(admin, "reading", **query) == [wanted]


def test_readings_can_be_filtered_by_type_outcome_and_person(admin, ana, ben):
    asked(ana)
    asked(ben)
    assert offered(admin, "reading") == {"type", "complete", "kind of failure", "user"}


def test_readings_of_some_days_are_those_that_overlap_them(admin, ana):
    asked(ana, ago(20), ago(11))
    first, last = asked(ana, ago(10), ago(8)), asked(ana, ago(6), ago(1))
    asked(ana, ago(0), ago(0))
    rows = found(admin, "reading", days=f"{ago(8)} to {ago(6)}")
    assert set(rows) == {first, last}


def test_a_filter_that_a_link_has_set_can_be_seen_and_undone(admin, ana):
    asked(ana, run="run-1")
    [spec] = [
        each
        for each in admin.get("/admin/ingest/reading/?run=run-1").context["cl"].filter_specs
        if each.title == "run"
    ]
    assert spec.lookup_choices == [("run-1", "run-1")]


def test_a_reading_leads_to_its_run(admin, ana):
    run = ran(ana)
    reading = asked(ana, run="run-1")
    for path in ("/admin/ingest/reading/", page_of(reading)):
        assert f'href="{page_of(run)}"' in text_of(admin.get(path))


def test_a_reading_does_not_lead_to_another_persons_run_of_that_name(admin, ana, ben):
    run = ran(ben)
    reading = asked(ana, run="run-1")
    for path in ("/admin/ingest/reading/", page_of(reading)):
        assert page_of(run) not in text_of(admin.get(path))


def test_a_reading_leads_to_the_persons_coverage(admin, ana):
    reading = asked(ana)
    for path in ("/admin/ingest/reading/", page_of(reading)):
        assert f'href="{COVERAGE}{ana.pk}/"' in text_of(admin.get(path))


# Revisions


def test_revisions_can_be_filtered_by_type_kind_and_person(admin, ana, ben):
    revised(ana)
    revised(ben)
    assert offered(admin, "revision") == {"type", "kind", "user"}


def test_a_revision_tells_in_short_what_changed(admin, ana):
    changes = {"score": [71, 78], "duration": [25000, 27000], "latency": [300, None]}
    revised(ana, changes=changes, notes=["a nap added"])
    assert columns(admin, "revision")["summary"] == "score 71 → 78, a nap added, 2 more columns"


def test_a_revision_without_a_new_score_tells_the_first_column(admin, ana):
    revised(ana, changes={"duration": [25000, None]})
    assert columns(admin, "revision")["summary"] == "duration 25000 → –"


def test_a_day_that_went_is_no_change_of_columns(admin, ana):
    row = revised(ana, kind="removed", changes={})
    assert "no longer at Oura" in text_of(admin.get("/admin/ingest/revision/"))
    assert "no column" in text_of(admin.get(page_of(row)))


def test_a_revision_shows_both_values_of_each_column(admin, ana):
    row = revised(ana, changes={"contributors.timing": [None, 12]})
    page = text_of(admin.get(page_of(row)))
    assert '<th scope="row">contributors.timing</th><td>–</td><td>12</td>' in page


def test_what_oura_sends_is_text_and_no_markup(admin, ana):
    row = revised(ana, changes={"bedtime_start": ["<b>", "<i>"]}, notes=["<u>"])
    page = text_of(admin.get(page_of(row)))
    assert "<td>&lt;b&gt;</td><td>&lt;i&gt;</td>" in page
    assert "&lt;u&gt;" in page


def test_a_revision_shows_the_row_and_the_documents_as_they_were(admin, ana):
    source = {"daily_sleep": {"timestamp": "then"}, "sleep": []}
    day, then = ago(9), timezone.now() - timedelta(days=2)
    hold(ana, day, fetched_at=then, score=71, source=source)
    hold(ana, day, score=78, source=source | {"sleep": [{}]})
    page = text_of(admin.get(page_of(Revision.objects.get())))
    assert "&quot;score&quot;: 71" in page
    assert "&quot;timestamp&quot;: &quot;then&quot;" in page


def test_a_revision_leads_to_the_row_as_it_is_now(admin, ana):
    hold(ana, ago(3))
    row = SleepMetric.objects.get()
    assert f'href="{page_of(row)}"' in text_of(admin.get(page_of(revised(ana, ago(3)))))


def test_a_revision_of_a_day_that_went_leads_to_no_row(admin, ana, ben):
    hold(ben, ago(3))
    page = text_of(admin.get(page_of(revised(ana, ago(3)))))
    assert "The row as it is now" not in page


def test_a_metric_leads_to_the_days_revisions(admin, ana, ben):
    hold(ana, ago(3))
    wanted = revised(ana, ago(3))
    revised(ana, ago(4))
    revised(ana, ago(3), type="activity")
    revised(ben, ago(3))
    path = f"/admin/ingest/revision/?user__id__exact={ana.pk}&type__exact=sleep&day={ago(3)}"
    page = text_of(admin.get(page_of(SleepMetric.objects.get())))
    assert path.replace("&", "&amp;") in page
    assert list(admin.get(path).context["cl"].result_list) == [wanted]


def test_a_metric_leads_to_the_persons_coverage(admin, ana):
    hold(ana, ago(3))
    page = text_of(admin.get(page_of(SleepMetric.objects.get())))
    assert f'href="{COVERAGE}{ana.pk}/"' in page


def test_an_account_leads_to_its_coverage(admin, ana):
    page = text_of(admin.get(f"/admin/accounts/user/{ana.pk}/change/"))
    assert f'href="{COVERAGE}{ana.pk}/"' in page


# People


def choices(client, path):
    [spec] = [each for each in client.get(path).context["cl"].filter_specs if each.title == "user"]
    return [name for _, name in spec.lookup_choices]


def crowd(django_user_model):
    users = [django_user_model(username=f"person{n:03}") for n in range(MOST_PEOPLE)]
    django_user_model.objects.bulk_create(users)
    for user in users:
        ran(user)


def test_people_who_have_rows_can_be_chosen(admin, ana, ben):
    ran(ana)
    assert choices(admin, "/admin/ingest/run/") == ["ana"]


@pytest.mark.parametrize("name", LISTS)
def test_of_a_person_who_has_no_rows_none_are_shown(admin, ana, ben, name):
    {"run": ran, "reading": asked, "revision": revised}[name](ben)
    assert found(admin, name, user__id__exact=ana.pk) == []


def test_of_nobody_no_rows_are_shown_among_many_either(admin, django_user_model):
    crowd(django_user_model)
    ran(person("zoe", "ana"))
    assert found(admin, "run", user__id__exact=0) == []


def test_among_many_only_the_chosen_person_is_named(admin, ana, django_user_model):
    wanted = ran(ana)
    crowd(django_user_model)
    path = f"/admin/ingest/run/?user__id__exact={ana.pk}"
    assert choices(admin, path) == ["ana"]
    assert list(admin.get(path).context["cl"].result_list) == [wanted]


def test_among_many_the_search_finds_a_person(admin, ana, django_user_model):
    wanted = ran(ana)
    crowd(django_user_model)
    assert found(admin, "run", q="ana") == [wanted]


# Coverage of a person


def covered(client, user, **query):
    """By type, what the page shows of it."""
    answer = client.get(f"{COVERAGE}{user.pk}/", query)
    assert answer.status_code == 200
    return {each["name"]: each for each in answer.context["types"]}


def spans(type_):
    return [(row["range"].start, row["range"].end, row["state"]) for row in type_["rows"]]


def test_days_not_held_are_listed_newest_first(admin, ana):
    hold(ana, ago(9), ago(5), ago(0))
    assert spans(covered(admin, ana)["sleep"]) == [
        (ago(4), ago(1), "not asked"),
        (ago(8), ago(6), "not asked"),
    ]


def test_the_totals_tell_days_by_state_and_what_is_held(admin, ana):
    hold(ana, ago(9), ago(5), ago(0))
    failed(ana, ago(8), ago(8))
    sleep = covered(admin, ana)["sleep"]
    assert (sleep["first"], sleep["last"]) == (ago(9), ago(0))
    assert (sleep["days"], sleep["counts"]) == (7, "6 not asked, 1 failed")


def test_other_types_are_listed_from_the_first_day_of_any(admin, ana):
    hold(ana, ago(2))
    assert spans(covered(admin, ana)["activity"]) == [(ago(2), ago(0), "not asked")]


def test_the_reason_is_told(admin, ana):
    hold(ana, ago(9), ago(0))
    failed(ana, ago(8), ago(1), page=2)
    page = text_of(admin.get(f"{COVERAGE}{ana.pk}/"))
    assert "Reading daily_sleep failed on page 2 with status 429" in page


def test_nobody_elses_days_are_told(admin, ana, ben):
    hold(ana, ago(0))
    failed(ben, ago(9), ago(1))
    assert spans(covered(admin, ana)["sleep"]) == []


def test_a_rejected_day_leads_to_its_document(admin, ana):
    hold(ana, ago(2))
    document = RejectedDocument.objects.create(
        user=ana, type="sleep", key="k", day=str(ago(1)), errors={"score": ["Too high."]}
    )
    page = text_of(admin.get(f"{COVERAGE}{ana.pk}/"))
    assert f'href="{page_of(document)}"' in page


def test_a_range_leads_to_its_readings(admin, ana):
    hold(ana, ago(9), ago(0))
    wanted = failed(ana, ago(8), ago(1))
    asked(ana, ago(30), ago(10))
    failed(ana, ago(8), ago(1), type="activity")
    [row] = covered(admin, ana)["sleep"]["rows"]
    assert list(admin.get(row["readings"]).context["cl"].result_list) == [wanted]


def test_a_person_of_whom_nothing_came_is_accounted_for_from_what_was_asked(admin, ana):
    failed(ana, ago(700), ago(0), kind="forbidden", status=403)
    assert spans(covered(admin, ana)["sleep"]) == [(ago(700), ago(0), "no permission")]


def test_a_person_who_was_never_asked_for_has_a_page(admin, ana):
    assert spans(covered(admin, ana)["sleep"]) == [(ago(0), ago(0), "not asked")]


def test_a_year_can_be_chosen(admin, ana):
    year = TODAY.year - 1
    hold(ana, f"{year - 1}-12-30", f"{year + 1}-01-01")
    sleep = covered(admin, ana, year=year)["sleep"]
    assert [span[:2] for span in spans(sleep)] == [
        (datetime(year, 1, 1).date(), datetime(year, 12, 31).date())
    ]
    assert sleep["counts"].endswith("not asked")
    assert sleep["first"] == datetime(year - 1, 12, 30).date()


@pytest.mark.parametrize("year", ["", "abc", "-1", "1999", "0", "²⁰²⁵", "99999999999999999999"])
def test_a_year_that_there_is_not_is_404(admin, ana, year):
    hold(ana, ago(0))
    assert admin.get(f"{COVERAGE}{ana.pk}/", {"year": year}).status_code == 404


@pytest.mark.parametrize("pk", [0, 99999999999999999999])
def test_nobody_there_is_404(admin, pk):
    assert admin.get(f"{COVERAGE}{pk}/").status_code == 404


def test_the_page_has_no_script_or_style_of_its_own(admin, ana):
    hold(ana, ago(9), ago(0))
    page = text_of(admin.get(f"{COVERAGE}{ana.pk}/"))
    content = page[page.index('id="content-main"') : page.index("END Content")]
    assert "<script" not in content
    assert "style" not in content


# Coverage of everyone


def everyone(client, **query):
    answer = client.get(COVERAGE, query)
    assert answer.status_code == 200
    return {row["username"]: row for row in answer.context["people"].object_list}


def test_everyone_is_listed_with_the_totals_of_their_newest_run(admin, ana):
    Run.objects.create(user=ana, request_id="old", missing={"sleep": {"failed": 99}})
    ran(ana, "new", missing={"sleep": {"failed": 1, "not_worn": 3}, "activity": {"none": 2}})
    row = everyone(admin)["ana"]
    assert row["days"] == 6
    assert "sleep: 3 not worn, 1 failed" in row["told"]
    assert "activity: 2 none" in row["told"]


def test_an_account_without_a_finished_run_is_listed_too(admin, ana):
    ran(ana)
    assert everyone(admin)["ana"]["run"] is None
    assert "none finished" in text_of(admin.get(COVERAGE))


def test_what_a_run_has_written_down_is_what_is_listed(admin, ana):
    hold(ana, ago(9), ago(0))
    runs.finish(ana.pk, "run-1", timezone.now())
    assert "sleep: 8 not asked" in everyone(admin)["ana"]["told"]


def test_everyone_leads_to_each_persons_coverage(admin, ana):
    assert f'href="{COVERAGE}{ana.pk}/"' in text_of(admin.get(COVERAGE))


def test_many_accounts_come_page_by_page(admin, django_user_model):
    names = [f"person{n:03}" for n in range(PEOPLE_PER_PAGE)]
    django_user_model.objects.bulk_create(django_user_model(username=name) for name in names)
    assert list(everyone(admin)) == ["ben", *names[:-1]]
    assert list(everyone(admin, page=2)) == [names[-1]]


@pytest.mark.parametrize("page", ["x", "-3", "99999999999999999999"])
def test_a_page_that_there_is_not_is_the_nearest(admin, page):
    assert list(everyone(admin, page=page)) == ["ben"]


@pytest.mark.parametrize("name", ["run", "reading"])
def test_lists_lead_to_the_coverage_of_everyone(admin, name):
    assert f'href="{COVERAGE}"' in text_of(admin.get(f"/admin/ingest/{name}/"))


# What costs too much, and what cannot be


def queries(client, path):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(path).status_code == 200
    return len(captured)


@pytest.mark.parametrize("name", LISTS + ["reading/coverage"])
def test_more_rows_cost_no_more_queries(admin, ana, name):
    def add(user):
        ran(user, missing={"sleep": {"failed": 1}})
        asked(user, run="run-1")
        revised(user)

    add(ana)
    path = f"/admin/ingest/{name}/"
    few = queries(admin, path)
    for name in ("cleo", "dan", "eve"):
        add(person(name, "ana"))
    assert queries(admin, path) == few


def test_the_coverage_of_everyone_is_one_query_and_its_count(admin, django_assert_num_queries):
    # Session, account, the count, the people with their newest runs.
    with django_assert_num_queries(4):
        admin.get(COVERAGE)


def test_more_missing_ranges_cost_no_more_queries(admin, ana):
    hold(ana, ago(3), ago(0))
    path = f"{COVERAGE}{ana.pk}/"
    few = queries(admin, path)
    hold(ana, *(ago(n) for n in range(10, 60, 2)))
    assert queries(admin, path) == few


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("sleepmetric", "day__year=99999999999"),
        ("sleepmetric", "day__year=9999"),
        ("sleepmetric", "day__year=9999&day__month=12&day__day=31"),
        ("sleepmetric", "day__year__gte=99999999999"),
        ("rejecteddocument", "last_seen__year=99999999999"),
        ("revision", "replaced_at__year=99999999999"),
        ("revision", "day=soon"),
        ("reading", "days=soon"),
        ("reading", "days=2026-03-01"),
        ("reading", "run=%00"),
        ("reading", "start__year__gte=99999999999"),
        ("run", "began_at__year__gte=99999999999"),
        ("run", "user__id__exact=ana"),
        ("run", "user__id__exact="),
    ],
)
def test_a_filter_by_what_cannot_be_is_the_admins_usual_redirect(admin, ana, model, query):
    path = f"/admin/ingest/{model}/"
    answer = admin.get(f"{path}?{query}")
    assert (answer.status_code, answer.headers.get("Location")) == (302, f"{path}?e=1")


@pytest.mark.django_db(transaction=True)
def test_a_filter_that_the_database_refuses_is_the_admins_usual_redirect(admin):
    answer = admin.get("/admin/ingest/reading/?kind__regex=[")
    assert answer.headers["Location"] == "/admin/ingest/reading/?e=1"
