"""A service with collected static files, as `make run` and an image have them, in Chromium."""

import os
import subprocess
import sys

import pytest

from tests.end_to_end.test_browser import sign_in
from tests.processes import ROOT, Service
from tests.scale import full_only

PAGES = ("/", "/nothing/", "/api/docs/", "/api/v1/sleep", "/admin/", "/admin/accounts/user/")


@pytest.fixture
def site(database_settings, tmp_path):
    """The address of a service that has its static files in a folder."""
    static = {"STATIC_ROOT": str(tmp_path)}
    collect = [sys.executable, "-m", "myhealth.local.install", "static"]
    subprocess.run(collect, cwd=ROOT, env={**os.environ, **static}, check=True)
    service = Service("api", {**database_settings, **static})
    service.environment["PUBLIC_URL"] = service.url.replace("127.0.0.1", "localhost")
    yield service.start().environment["PUBLIC_URL"]
    service.stop()


@full_only
def test_every_page_loads_all_of_its_files(chromium, site, transactional_db, ana):
    ana.is_staff = ana.is_superuser = True
    ana.save()
    context = chromium.new_context(base_url=site)
    page = context.new_page()
    loaded, problems = set(), []
    page.on("response", lambda each: loaded.add((each.url.removeprefix(site), each.status)))
    # A page that is left may still be loading something.
    page.on(
        "requestfailed",
        lambda each: each.failure == "net::ERR_ABORTED" or problems.append(each.url),
    )
    page.on("pageerror", lambda error: problems.append(str(error)))
    sign_in(page)
    for path in PAGES:
        page.goto(path, wait_until="networkidle")
    context.close()
    files = {(path, status) for path, status in loaded if path.startswith("/static/")}
    assert len(files) > 20
    assert {status for _, status in files} == {200}
    assert problems == []
