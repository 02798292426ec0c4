"""Every page in a real Chromium that reports what the Content-Security-Policy forbids."""

import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from cryptography.fernet import Fernet
from django.urls import get_resolver
from playwright.sync_api import expect

from oura.models import Connection
from tests.end_to_end.test_browser import sign_in
from tests.ingest.admin.pages import failed, ran, revised
from tests.oura.provided import Provider
from tests.processes import Service
from tests.scale import full_only
from tests.worlds import days_ago, reject_document, store_days

DAY = f"/api/v1/days/{days_ago(0)}"
# Downloads, scripts, images, and routes that take only POST.
NO_PAGES = {"/api/schema/", "/admin/jsi18n/", "/favicon.ico", "/connect/oura/", "/disconnect/oura/"}
# It is a file.
NO_PAGES.add("/api/v1/export")
PAGES = [f"/days/{days_ago(0)}/", f"/nights/{days_ago(0)}/"]
OF_A_DAY = re.compile(r"/\d{4}-\d\d-\d\d/$")
REPORT = """addEventListener('securitypolicyviolation', violation => console.error(
    `forbidden: ${violation.effectiveDirective} ${violation.blockedURI}`))"""


@pytest.fixture
def superuser(transactional_db, ana):
    """Ana, who may see everything, with a row in each table that the admin shows."""
    ana.is_staff = ana.is_superuser = True
    ana.save()
    for type_ in ("sleep", "activity", "readiness"):
        store_days(ana, [days_ago(0), days_ago(400)], type_, score=90)
    ran(ana, missing={"sleep": {"failed": 3}})
    failed(ana)
    revised(ana)
    reject_document(ana, days_ago(2))
    now = datetime.now(UTC)
    Connection.objects.create(
        user=ana,
        oura_user_id="an id",
        origin="sandbox",
        access_token=b"sealed",
        refresh_token=b"sealed",
        expires_at=now,
        connected_at=now,
        scopes=["personal"],
    )
    return ana


@pytest.fixture(scope="session")
def site(database_settings, oura_process):
    """The API's address, with the sandbox in Oura's place."""
    service = Service("api", {**database_settings, **Provider(oura_process).settings()})
    service.environment["PUBLIC_URL"] = service.url.replace("127.0.0.1", "localhost")
    service.environment["TOKEN_ENCRYPTION_KEYS"] = Fernet.generate_key().decode()
    service.start()
    yield service.environment["PUBLIC_URL"]
    service.stop()


@pytest.fixture
def page(chromium, site, superuser):
    context = chromium.new_context(base_url=site)
    context.add_init_script(REPORT)
    page = context.new_page()
    page.problems = []
    sign_in(page)

    def note(line):
        # A page with an error status is no problem.
        if line.type in ("error", "warning") and "Failed to load resource" not in line.text:
            page.problems.append((page.url, line.text))

    page.on("console", note)
    page.on("pageerror", lambda error: page.problems.append((page.url, str(error))))
    yield page
    context.close()


def paths_on(page):
    """Return the paths of this site that the page links to, of one day alone: all are alike."""
    links = page.locator("a[href]").evaluate_all(
        # Links in SVG have another kind of `href`.
        "all => all.map(each => new URL(each.getAttribute('href'), document.baseURI).href)"
    )
    here = urlsplit(page.url)
    paths = {each.path for each in map(urlsplit, links) if each.netloc == here.netloc}
    return {path for path in paths if not OF_A_DAY.search(path)}


def routes():
    """Return the paths without parameters that the API process has."""
    included = [each.url_patterns for each in get_resolver().url_patterns]
    patterns = [str(each.pattern) for urls in included for each in urls]
    return {f"/{pattern}" for pattern in patterns if "<" not in pattern}


@full_only
def test_no_page_runs_or_loads_what_is_forbidden(page):
    waiting, seen = routes() | {DAY, "/nothing", "/admin/nothing/", *PAGES}, set(NO_PAGES)
    while paths := waiting - seen:
        for path in paths:
            page.goto(path)
            waiting |= paths_on(page)
        seen |= paths
    assert {"/admin/coverage/", "/admin/ingest/sleepmetric/", "/connect/oura/callback"} <= seen
    assert any(path.startswith("/admin/accounts/user/") and "change" in path for path in seen)
    assert page.problems == []


@full_only
def test_documentation_sends_requests(page):
    page.goto("/api/docs/")
    route = page.locator("#operations-Summaries-dashboard")
    route.get_by_role("button", name="GET").first.click()
    route.get_by_role("button", name="Try it out").click()
    route.get_by_role("button", name="Execute").click()
    expect(route.locator(".live-responses-table")).to_contain_text('"latest_sleep"')
    login = page.locator("#operations-Tokens-login")
    login.get_by_role("button", name="POST").first.click()
    login.get_by_role("button", name="Try it out").click()
    login.get_by_role("button", name="Execute").click()
    expect(login.locator(".live-responses-table")).to_contain_text("Wrong user name or password")
    assert page.problems == []


@full_only
def test_browsable_api_leads_to_its_formats(page):
    page.goto("/api/v1/sleep")
    page.get_by_role("link", name="JSON").click()
    expect(page.locator("body")).to_contain_text('"score":90')
    page.goto("/api/v1/sleep")
    page.get_by_role("button", name="Sign out").click()
    page.goto("/api/v1/sleep")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    assert page.problems == []


@full_only
def test_admin_chooses_permissions_and_filters(page, superuser):
    page.goto(f"/admin/accounts/user/{superuser.pk}/change/")
    page.get_by_text("Permissions", exact=True).click()
    chosen = page.locator("#id_user_permissions_to option")
    page.locator("#id_user_permissions_from option").first.dblclick()
    expect(chosen).to_have_count(1)
    page.goto("/admin/ingest/sleepmetric/")
    page.locator(".toplinks a").first.click()
    page.locator("#changelist-filter a", has_text="optimal").first.click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    assert page.problems == []


@full_only
def test_connect_button_leads_to_oura(page, oura_process):
    page.goto("/account/")
    page.get_by_role("button", name="Reconnect Oura").click()
    expect(page.get_by_role("button", name="Allow")).to_be_visible()
    assert page.url.startswith(oura_process.url)
    assert page.problems == []


@full_only
def test_page_of_form_without_cookie_breaks_no_rule(page):
    page.goto("/account/preferences/")
    page.context.clear_cookies(name="csrftoken")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="Your browser sent no cookie")).to_be_visible()
    assert page.problems == []
