"""The browsable API, metrics in the admin, addresses of pages, and what pages have in common."""

import re

import pytest
from django.test import Client

from accounts.models import Origin
from tests.worlds import TODAY, days_ago, fetch_completely, store_days

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser():
    return Client(REMOTE_ADDR="198.51.100.7")


def test_browsable_api_accepts_session(signed_in, ana):
    store_days(ana, [days_ago(1)], score=83)
    answer = signed_in.get("/api/v1/sleep", headers={"Accept": "text/html"})
    page = answer.content.decode()
    assert (answer.status_code, "&quot;score&quot;" in page) == (200, True)
    assert "/accounts/logout/" in page


@pytest.mark.parametrize(
    ("path", "title"),
    [("", "API"), ("sleep", "Sleep"), ("nights/2026-03-01", "Night"), ("days/never", "Day")],
)
def test_browsable_api_is_a_page_like_others(signed_in, path, title):
    page = signed_in.get(f"/api/v1/{path}", headers={"Accept": "text/html"}).content.decode()
    assert f"<title>{title} · myhealth API</title>" in page
    assert '<html lang="en">' in page
    assert '<a class="brand" href="/">' in page
    assert '<a href="/api/docs/">Documentation</a>' in page


def test_browsable_api_has_no_form_but_to_sign_out(signed_in):
    page = signed_in.get("/api/v1/sleep", headers={"Accept": "text/html"}).content.decode()
    assert re.findall(r"<form[^>]*>", page) == ['<form method="post" action="/accounts/logout/">']
    assert "<script" not in page


def test_browsable_api_offers_the_other_formats(signed_in):
    path = "/api/v1/sleep?start=2026-03-01&end=2026-03-02"
    page = signed_in.get(path, headers={"Accept": "text/html"}).content.decode()
    links = re.findall(r'<a href="/api/v1/sleep\?(.*?)">(.*?)</a>', page)
    query = "start=2026-03-01&amp;end=2026-03-02"
    assert [(set(link.split("&amp;")), name) for link, name in links] == [
        ({*query.split("&amp;"), f"format={name.lower()}"}, name) for name in ("JSON", "CSV")
    ]


def test_browsable_api_shows_markup_as_text(signed_in):
    path = "/api/v1/sleep?start=<b>x</b>"
    page = signed_in.get(path, headers={"Accept": "text/html"}).content.decode()
    assert "<b>x</b>" not in page


def test_documentation_has_a_language_and_leads_back(browser):
    page = browser.get("/api/docs/").content.decode()
    assert '<html lang="en">' in page
    assert '<a href="/">myhealth</a>' in page


def test_browsable_api_links_to_login(browser):
    answer = browser.get("/api/v1/sleep", headers={"Accept": "text/html"})
    assert answer.status_code == 401
    assert "/accounts/login/?next=/api/v1/sleep" in answer.content.decode()


@pytest.mark.parametrize(
    "path", ["/api/docs/", "/static/myhealth/style.css", "/favicon.ico", "/manifest.webmanifest"]
)
def test_page_exists(browser, path):
    answer = browser.get(path, follow=True)
    answer.close()
    assert answer.status_code == 200


@pytest.mark.parametrize("type_", ["sleep", "activity", "readiness"])
def test_metrics_are_read_only_in_admin(admin, ana, type_):
    source = {"daily": {"contributors": [7]}}
    store_days(ana, [days_ago(1)], type_, score=83, source=source)
    changelist = admin.get(f"/admin/ingest/{type_}metric/")
    assert changelist.status_code == 200
    row = changelist.context["cl"].result_list[0]
    detail = admin.get(f"/admin/ingest/{type_}metric/{row.pk}/change/")
    assert "&quot;daily&quot;: {" in detail.content.decode()
    assert admin.post(f"/admin/ingest/{type_}metric/{row.pk}/change/", {}).status_code == 403
    assert admin.get(f"/admin/ingest/{type_}metric/add/").status_code == 403
    assert admin.post(f"/admin/ingest/{type_}metric/{row.pk}/delete/").status_code == 403


def test_admin_finds_metrics_by_id_score_and_person(admin, ana, ben):
    for count, id, score in ((1, "a", 90), (2, "x", 50), (3, "c", None)):
        store_days(ana, [days_ago(count)], id=id, score=score)
    store_days(ben, [days_ago(1)], id="d", score=90)

    def search(query):
        page = admin.get(f"/admin/ingest/sleepmetric/?{query}")
        return {row.oura_id for row in page.context["cl"].result_list}

    assert search("q=x") == {"x"}
    assert search("q=ben") == {"d"}
    assert search("score=optimal") == {"a", "d"}
    assert search("score=none") == {"c"}
    assert search(f"user__id__exact={ana.pk}") == {"a", "x", "c"}


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/account", "/account/"),
        ("/trends?period=30d", "/trends/?period=30d"),
        ("/days/2026-03-01", "/days/2026-03-01/"),
        ("/account//", "/account/"),
        ("/robots.txt/", "/robots.txt"),
        ("/connect/oura/callback/", "/connect/oura/callback"),
        ("/accounts/login?next=/", "/accounts/login/?next=/"),
        ("/admin", "/admin/"),
        ("/api/docs", "/api/docs/"),
        ("/api/v1/sleep/?start=2026-01-01", "/api/v1/sleep?start=2026-01-01"),
    ],
)
@pytest.mark.parametrize("method", ["get", "head"])
def test_slash_too_few_or_too_many_is_mended(browser, path, address, method):
    answer = getattr(browser, method)(path)
    assert (answer.status_code, answer.headers["Location"]) == (301, address)


@pytest.mark.parametrize("path", ["/accounts/login", "/auth/login/", "/api/v1/sleep/"])
def test_form_is_never_redirected_to_another_slash(browser, path):
    assert browser.post(path).status_code == 404


@pytest.mark.parametrize("path", ["//account", "//account/", "/nothing", "/no/"])
def test_slash_leads_only_to_what_there_is(browser, path):
    assert browser.get("/", PATH_INFO=path).status_code == 404


@pytest.mark.parametrize("path", ["/robots.txt", "/manifest.webmanifest"])
@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_files_for_programs_are_only_read(browser, path, method):
    assert browser.head(path).status_code == 200
    answer = getattr(browser, method)(path)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_robots_are_told_to_stay_away(browser):
    answer = browser.get("/robots.txt")
    assert answer.headers["Content-Type"] == "text/plain"
    assert answer.content.decode() == "User-agent: *\nDisallow: /\n"


# Pages for people ---------------------------------------------------------------------------------

OF_DAYS = [
    "/",
    f"/days/{TODAY}/",
    f"/nights/{TODAY}/",
    "/trends/",
    "/calendar/",
    "/weeks/",
]


def main_of(browser, path):
    answer = browser.get(path)
    assert answer.status_code == 200
    return answer.content.decode().split("<main")[1].split("</main>")[0]


@pytest.mark.parametrize("path", OF_DAYS)
@pytest.mark.parametrize(
    ("application", "form"),
    [
        ("id", '<form method="post" action="/connect/oura/">'),
        ("", '<form action="/connect/oura/register">'),
    ],
)
def test_page_without_anything_is_one_card(signed_in, settings, path, application, form):
    settings.OURA_CLIENT_ID = application
    page = main_of(signed_in, path)
    assert page.count(form) == page.count("<section") == 1
    assert "not fetched yet" not in page.lower()
    assert "collector" not in page


def test_today_without_anything_has_one_button(signed_in, settings):
    settings.OURA_CLIENT_ID = "id"
    page = main_of(signed_in, "/")
    assert page.count("<button") == 1
    assert "<button>Connect your Oura ring</button>" in page
    assert "<a " not in page


@pytest.mark.parametrize("path", [*OF_DAYS, "/account/"])
def test_policy_lets_the_button_lead_to_oura(signed_in, settings, path):
    settings.OURA_CLIENT_ID, settings.OURA_AUTHORIZE_URL = "id", "https://consent.example.org/a"
    policy = signed_in.get(path).headers["Content-Security-Policy"]
    assert "form-action 'self' https://consent.example.org" in policy


@pytest.mark.parametrize("path", OF_DAYS)
def test_page_where_oura_has_nothing_says_so(signed_in, ana, path):
    fetch_completely(ana, days_ago(9), days_ago(0))
    assert main_of(signed_in, path).count("Oura has no data for you yet.") == 1


@pytest.mark.parametrize("path", OF_DAYS)
def test_first_steps_end_with_the_first_day(signed_in, ana, ben, path):
    store_days(ben, [days_ago(0)], score=80)
    assert "Nothing here yet" in main_of(signed_in, path)
    store_days(ana, [days_ago(20)], "activity", score=80)
    assert "Nothing here yet" not in main_of(signed_in, path)


@pytest.mark.parametrize("path", [*OF_DAYS, "/account/"])
@pytest.mark.parametrize(("origin", "count"), [("sandbox", 1), ("oura", 0), ("", 0)])
def test_sample_data_are_called_so_on_each_page(signed_in, ana, path, origin, count):
    Origin.objects.create(user=ana, name=origin)
    page = signed_in.get(path).content.decode()
    assert page.count(">Sample data. <a") == count


ABOUT_THE_ACCOUNT = [
    "/account/password/",
    "/account/tokens/",
    "/account/preferences/",
    "/account/delete/data/",
    "/account/delete/account/",
    "/connect/oura/register",
    "/connect/oura/callback?error=access_denied",
]


@pytest.mark.parametrize("path", ABOUT_THE_ACCOUNT)
def test_pages_about_the_account_are_marked_alike(signed_in, ana, path):
    Origin.objects.create(user=ana, name="sandbox")
    page = signed_in.get(path).content.decode()
    assert '<a href="/account/" aria-current="true">Account</a>' in page
    assert page.count(">Sample data. <a") == 1


@pytest.mark.parametrize("path", ["/trends/?period=all", "/calendar/", "/weeks/", "/nights/"])
def test_page_without_other_periods_has_no_navigation_to_them(signed_in, ana, path):
    store_days(ana, [ana.today()], score=70)
    page = signed_in.get(path, follow=True).content.decode()
    assert '<nav class="steps"' not in page


def test_data_without_origin_are_not_called_sample_data(signed_in, ben):
    Origin.objects.create(user=ben, name="sandbox")
    assert "Sample data" not in signed_in.get("/").content.decode()


@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/", "page"),
        (OF_DAYS[1], "true"),
        (OF_DAYS[2], "true"),
        ("/trends/", "page"),
        ("/calendar/", "page"),
        ("/weeks/", "page"),
    ],
)
def test_navigation_marks_the_page_itself(signed_in, path, current):
    page = signed_in.get(path).content.decode()
    assert page.split('<nav class="sections"')[1].split("</nav>")[0].count("aria-current") == 1
    assert f'aria-current="{current}"' in page
