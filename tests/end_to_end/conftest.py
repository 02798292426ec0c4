import contextlib
import logging
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.servers.basehttp import WSGIRequestHandler
from playwright.sync_api import expect, sync_playwright

from tests.end_to_end.club import Club
from tests.end_to_end.life import Life
from tests.end_to_end.machines import Machine
from tests.end_to_end.strange import Strange
from tests.myhealth.local.database_users import copy_database
from tests.processes import PATIENCE, Pipeline, Service, database_environment

BROWSERS = (
    "chromium",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Chromium's own sandbox refuses root.
    *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
]


@pytest.fixture(scope="session")
def chromium():
    expect.set_options(timeout=1000 * PATIENCE)
    path = next(found for name in BROWSERS if (found := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sandbox():
    # Fixed, so that no test sees another history when midnight falls into it.
    today = datetime.now(UTC).date().isoformat()
    service = Service("sandbox", {"SANDBOX_DAYS": "200", "SANDBOX_TODAY": today}).start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def database_settings(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return database_environment()


@pytest.fixture(scope="session")
def processor_process(database_settings):
    service = Service("processor", database_settings).start()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def api_process(database_settings):
    service = Service("api", dict(database_settings))
    service.environment["PUBLIC_URL"] = service.url.replace("127.0.0.1", "localhost")
    service.start()
    yield service
    service.stop()


@pytest.fixture
def service(transactional_db, database_settings, tmp_path):
    """Makes a service of the tests' own; whatever still runs is killed afterwards."""
    made = []

    def start(name, workers=1, **settings):
        log = tmp_path / f"{name}.log"
        # What the tests stop has all the time that a busy machine may need.
        environment = {**database_settings, **settings}
        made.append(Service(name, environment, workers, log, patience=120).start())
        return made[-1]

    yield start
    for each in made:
        if each.process.poll() is None:
            each.kill()


@pytest.fixture
def pipeline(transactional_db, ana, sandbox, processor_process):
    made = Pipeline(sandbox, processor_process)
    made.clear_faults()
    yield made
    made.clear_faults()


@pytest.fixture
def club(at_oura, processor_process, settings, database_settings):
    return Club(at_oura, processor_process, settings, database_settings)


@pytest.fixture
def strange(pipeline, api_process):
    """The pipeline with an Oura that can be made odd."""
    made = Strange(pipeline.sandbox, pipeline.processor, api_process)
    yield made
    made.undo()


@contextlib.contextmanager
def temporary_machine():
    with tempfile.TemporaryDirectory(prefix="myhealth-") as folder:
        Path(folder).chmod(0o755)
        made = Machine(Path(folder) / "var")
        try:
            yield made
        finally:
            made.clean_up()


@pytest.fixture
def new_machine():
    """A laptop on which nothing has run."""
    with temporary_machine() as made:
        yield made


@pytest.fixture
def machine(new_machine, migrated_var):
    """A laptop that has its database."""
    copy_database(migrated_var, new_machine.var)
    return new_machine


@pytest.fixture(scope="session")
def running_machine(migrated_var):
    """A laptop that runs `make run`, for tests that leave it running."""
    with temporary_machine() as made:
        copy_database(migrated_var, made.var)
        made.start().await_ready()
        yield made


@pytest.fixture
def life(live_server, settings, transactional_db, ana):
    settings.ROOT_URLCONF = "tests.end_to_end.both"
    with pytest.MonkeyPatch.context() as patch:
        # Else each answer would wait for the client to acknowledge its headers.
        patch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)
        # A line for each of thousands of requests tells nobody anything.
        logging.disable(logging.CRITICAL)
        yield Life(live_server.url, settings, ana)
        logging.disable(logging.NOTSET)
