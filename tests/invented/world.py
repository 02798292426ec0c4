"""Real processes on a database of their own, with the invented types or without them."""

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager

import psycopg
import requests
from cryptography.fernet import Fernet

from tests.processes import ROOT, TOKEN, Service
from tests.sandbox.consent import agree

DISCOVERY = "oauth/v2/ext/oauth-anonymous/.well-known/openid-configuration"
PASSWORD = "a password of nobody"
SANDBOX = {"SANDBOX_DAYS": "60", "SANDBOX_TODAY": "2026-11-20", "LOCAL": "on"}


class World:
    """Sandbox, processor and API; `settings` is the module that all of them read."""

    def __init__(self, name, settings, database, stack):
        self.environment = {
            **os.environ,
            **database,
            "DB_NAME": name,
            "DJANGO_SETTINGS_MODULE": settings,
            "LOG_LEVEL": "error",
        }
        created(name, database, stack)
        self.manage("migrate", "--verbosity", "0")
        self.sandbox = self.start("sandbox", stack, **SANDBOX)
        self.processor = self.start("processor", stack)
        self.connecting = {
            "OURA_API_URL": self.sandbox.url,
            "OURA_OAUTH_DISCOVERY_URL": f"{self.sandbox.url}/{DISCOVERY}",
            "OURA_CLIENT_ID": "myhealth-sandbox",
            "OURA_CLIENT_SECRET": "myhealth-sandbox-secret",
            "TOKEN_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        }
        self.api = self.start("api", stack, **self.connecting)

    def start(self, name, stack, **more):
        service = Service(name, {**self.environment, **more})
        service.environment["PUBLIC_URL"] = service.url.replace("127.0.0.1", "localhost")
        stack.callback(service.start().stop)
        return service

    def manage(self, *arguments, **changed):
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**self.environment, **changed},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode in (0, 1), done.stderr
        return done

    def add_user(self, name):
        self.manage("ensure_user", name, PASSWORD=PASSWORD)
        return Person(self, name)


class Person:
    """One account, by each of its ways in."""

    def __init__(self, world, name):
        self.world, self.name = world, name
        credentials = {"username": name, "password": PASSWORD}
        self.access = world.api.post("/auth/login", **credentials)["access"]

    def collect(self, *arguments, of="demo"):
        """Collect a person of the sandbox into this account."""
        people = requests.get(f"{self.world.sandbox.url}/_sandbox/people", timeout=5).json()
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
        """Agree at the sandbox's consent page to some of the scopes."""
        session, url = self.browser()
        token = {"csrfmiddlewaretoken": session.cookies["csrftoken"]}
        asked = session.post(f"{url}/connect/oura/", data=token, allow_redirects=False, timeout=10)
        back = agree(asked.headers["Location"], person=self.name, granted=granted)
        assert session.get(back, timeout=10).ok

    def collect_connected(self):
        connecting = {**self.world.connecting, "PROCESSOR_URL": self.world.processor.url}
        return self.world.manage("collect_oura", "--user", self.name, **connecting)

    def send(self, path, **body):
        """A program's request to the processor."""
        return requests.post(
            f"{self.world.processor.url}/api/v1/{path}",
            json={"user": self.name, **body},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
        )

    def held(self, path, **query):
        """What the processor answers of the person."""
        answer = requests.get(
            f"{self.world.processor.url}/api/v1/metrics/{path}",
            params={"user": self.name, **query},
            headers={"Authorization": f"Bearer {TOKEN}"},
            timeout=30,
        )
        assert answer.ok, answer.text
        return answer.json()

    def get(self, path, **query):
        answer = requests.get(
            f"{self.world.api.url}/api/v1/{path}",
            params=query,
            headers={"Authorization": f"Bearer {self.access}"},
            timeout=30,
        )
        assert answer.ok, answer.text
        return answer if query.get("format") == "csv" else answer.json()

    def browser(self):
        """A session that has signed in on the page."""
        session = requests.Session()
        page = f"{self.world.api.url.replace('127.0.0.1', 'localhost')}/accounts/login/"
        session.get(page, timeout=10)
        credentials = {"username": self.name, "password": PASSWORD}
        token = {"csrfmiddlewaretoken": session.cookies["csrftoken"]}
        answer = session.post(page, data=credentials | token, timeout=10)
        assert answer.ok, answer.text
        return session, page.removesuffix("/accounts/login/")


def created(name, database, stack):
    """A new database, until the stack ends."""
    held = {
        "host": database["DB_HOST"],
        "port": database["DB_PORT"],
        "user": database["DB_USER"],
        "password": database["DB_PASSWORD"],
        "dbname": "postgres",
        "autocommit": True,
    }

    def run(statement):
        with psycopg.connect(**held) as server:
            server.execute(statement)

    run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    run(f'CREATE DATABASE "{name}"')
    stack.callback(run, f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def world(name, settings, database):
    with ExitStack() as stack:
        yield World(f"{database['DB_NAME']}_{name}", settings, database, stack)
