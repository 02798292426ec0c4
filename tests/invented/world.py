"""Real processes on a separate database, with or without the invented types."""

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import psycopg
import requests
from cryptography.fernet import Fernet

from myhealth.days import Days, utc_today
from tests.processes import ROOT, TOKEN, Service
from tests.sandbox.consent import agree

DISCOVERY = "oauth/v2/ext/oauth-anonymous/.well-known/openid-configuration"
PASSWORD = "a password of nobody"
# Of the sandbox. The other processes have no other day than the real one.
DAYS = Days(utc_today() - timedelta(days=59), utc_today())
SANDBOX = {"SANDBOX_DAYS": str(len(DAYS)), "SANDBOX_TODAY": str(DAYS.end), "LOCAL": "on"}


class World:
    """Sandbox, processor and API, which share the settings module `settings`."""

    def __init__(self, name, settings, database, stack):
        self.environment = {
            **os.environ,
            **database,
            "DB_NAME": name,
            "DJANGO_SETTINGS_MODULE": settings,
            "LOG_LEVEL": "error",
        }
        create_database(name, database, stack)
        self.manage("migrate", "--verbosity", "0")
        self.sandbox = self.start("sandbox", stack, **SANDBOX)
        self.processor = self.start("processor", stack)
        self.oura_settings = {
            "OURA_API_URL": self.sandbox.url,
            "OURA_OAUTH_DISCOVERY_URL": f"{self.sandbox.url}/{DISCOVERY}",
            "OURA_CLIENT_ID": "myhealth-sandbox",
            "OURA_CLIENT_SECRET": "myhealth-sandbox-secret",
            "TOKEN_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        }
        self.api = self.start("api", stack, **self.oura_settings)

    def start(self, name, stack, **settings):
        service = Service(name, {**self.environment, **settings})
        service.environment["PUBLIC_URL"] = service.url.replace("127.0.0.1", "localhost")
        stack.callback(service.start().stop)
        return service

    def manage(self, *arguments, **settings):
        result = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**self.environment, **settings},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert result.returncode in (0, 1), result.stderr
        return result

    def add_user(self, name):
        self.manage("ensure_user", name, PASSWORD=PASSWORD)
        return Person(self, name)


class Person:
    """One account, with a client for each way to reach it."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        credentials = {"username": name, "password": PASSWORD}
        self.access = world.api.post("/auth/login", **credentials)["access"]

    def collect(self, *arguments, of="demo"):
        """Fetch the data of a person of the sandbox into this account."""
        people = requests.get(f"{self.world.sandbox.url}/_sandbox/people").json()
        key = next(each["access_token"] for each in people if each["name"] == of)
        return self.world.manage(
            "collect_oura",
            "--output",
            "json",
            *arguments,
            OURA_API_KEY=key,
            OURA_API_URL=self.world.sandbox.url,
            OURA_USER=self.name,
            PROCESSOR_URL=self.world.processor.url,
        )

    def connect(self, granted):
        """Connect with the sandbox, and agree to these scopes."""
        session, url = self.browser()
        token = {"csrfmiddlewaretoken": session.cookies["csrftoken"]}
        answer = session.post(f"{url}/connect/oura/", data=token, allow_redirects=False)
        callback = agree(answer.headers["Location"], person=self.name, granted=granted)
        assert session.get(callback).ok

    def collect_connected(self):
        settings = {**self.world.oura_settings, "PROCESSOR_URL": self.world.processor.url}
        return self.world.manage("collect_oura", "--user", self.name, **settings)

    def post_to_processor(self, path, **body):
        """Return the processor's response to a program."""
        return requests.post(
            f"{self.world.processor.url}/api/v1/{path}",
            json={"user": self.name, **body},
            headers={"Authorization": f"Bearer {TOKEN}"},
        )

    def get_from_processor(self, path, **query):
        """Return what the processor answers about the person."""
        answer = requests.get(
            f"{self.world.processor.url}/api/v1/metrics/{path}",
            params={"user": self.name, **query},
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        assert answer.ok, answer.text
        return answer.json()

    def get(self, path, **query):
        answer = requests.get(
            f"{self.world.api.url}/api/v1/{path}",
            params=query,
            headers={"Authorization": f"Bearer {self.access}"},
        )
        assert answer.ok, answer.text
        return answer if query.get("format") == "csv" else answer.json()

    def browser(self):
        """Return a session that has signed in on the page, and the API's URL."""
        session = requests.Session()
        page = f"{self.world.api.url.replace('127.0.0.1', 'localhost')}/accounts/login/"
        session.get(page)
        credentials = {"username": self.name, "password": PASSWORD}
        token = {"csrfmiddlewaretoken": session.cookies["csrftoken"]}
        answer = session.post(page, data=credentials | token)
        assert answer.ok, answer.text
        return session, page.removesuffix("/accounts/login/")


def create_database(name, database, stack):
    """Create a database that is dropped when the stack ends."""
    parameters = {
        "host": database["DB_HOST"],
        "port": database["DB_PORT"],
        "user": database["DB_USER"],
        "password": database["DB_PASSWORD"],
        "dbname": "postgres",
        "autocommit": True,
    }

    def run(statement):
        with psycopg.connect(**parameters) as server:
            server.execute(statement)

    run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    run(f'CREATE DATABASE "{name}"')
    stack.callback(run, f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def world(name, settings, database):
    with ExitStack() as stack:
        yield World(f"{database['DB_NAME']}_{name}", settings, database, stack)
