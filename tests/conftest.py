import gc
import tempfile
from pathlib import Path

import orjson
import pytest
import requests
import time_machine
from cryptography.fernet import Fernet
from django.db import connection
from django.test import Client, override_settings

from accounts.passwords import PasswordHasher
from myhealth.local import embedded
from tests import scheduling
from tests.end_to_end.machines import Machine
from tests.oura.provided import Provider
from tests.processes import Service, wait_until
from tests.worlds import NOW, PASSWORDS, person


def pytest_collection_modifyitems(items):
    scheduling.order(items)


def pytest_xdist_make_scheduler(config, log):
    return scheduling.make(config, log)


def pytest_collection_finish():
    # Python's garbage collector should not look at all of the tests again and again.
    gc.collect()
    gc.freeze()


class QuickHasher(PasswordHasher):
    """Our own, without the repetitions that make it slow on purpose."""

    iterations = 10


@pytest.fixture(scope="session", autouse=True)
def quick_hashing():
    with override_settings(PASSWORD_HASHERS=["tests.conftest.QuickHasher"]):
        yield


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    # Nothing here needs to outlive a crash of the machine.
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        cursor.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    yield
    # A live server's thread keeps its connection as long as its client does,
    # and PostgreSQL drops no database that somebody is connected to.
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture
def fixed_time():
    """Make it the same day and hour whenever a test runs."""
    with time_machine.travel(NOW):
        yield


@pytest.fixture
def ana(db):
    return person("ana")


@pytest.fixture
def ben(db):
    return person("ben")


class Api:
    """One program's view of the API."""

    def __init__(self, address="198.51.100.7"):
        self.client = Client(raise_request_exception=False, REMOTE_ADDR=address)
        self.access = self.refresh = ""

    def post(self, path, body, **headers):
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        return self.client.post(path, raw, content_type="application/json", headers=headers)

    def log_in(self, name="ana", password=None):
        password = PASSWORDS[name] if password is None else password
        answer = self.post("/auth/login", {"username": name, "password": password})
        if answer.status_code == 200:
            self.access, self.refresh = answer.json()["access"], answer.json()["refresh"]
        return answer

    def renew(self, refresh=None):
        return self.post("/auth/refresh", {"refresh": refresh or self.refresh})

    def get(self, path, headers=None, **query):
        headers = {"Authorization": f"Bearer {self.access}", **(headers or {})}
        return self.client.get(f"/api/v1/{path}", query, headers=headers)


@pytest.fixture
def api(ana):
    made = Api()
    made.log_in()
    return made


@pytest.fixture
def signed_in(ana):
    """A browser in which ana is signed in."""
    browser = Client(REMOTE_ADDR="198.51.100.7")
    browser.force_login(ana)
    return browser


@pytest.fixture
def admin(signed_in, ana):
    ana.is_staff = ana.is_superuser = True
    ana.save()
    return signed_in


@pytest.fixture(scope="session")
def migrated_var():
    """A folder of local state in which the database has its tables, and is stopped."""
    with tempfile.TemporaryDirectory(prefix="myhealth-") as folder:
        Path(folder).chmod(0o755)
        var = Path(folder) / "var"
        done = Machine(var).command("manage.py", "migrate", "--noinput", "--verbosity", "0")
        assert done.returncode == 0, done.stderr
        wait_until(lambda: not embedded.is_running(var))
        yield var


@pytest.fixture(scope="session")
def oura_process():
    service = Service(
        "sandbox", {"SANDBOX_DAYS": "20"}, application="tests.sandbox.resettable:application"
    )
    yield service.start()
    service.stop()


@pytest.fixture
def at_oura(settings, oura_process):
    """A provider without any requests yet, which the settings of this process name."""
    assert requests.get(f"{oura_process.url}/_tests/reset").ok
    made = Provider(oura_process)
    for name, value in made.settings().items():
        setattr(settings, name, value)
    settings.OURA_AUTHORIZE_URL = settings.OURA_TOKEN_URL = settings.OURA_REVOKE_URL = ""
    settings.PUBLIC_URL = "http://localhost:8000"
    settings.TOKEN_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    return made
