import pytest

from sandbox import grants
from tests.sandbox.applications import Application
from tests.sandbox.sandboxed import Oura, reset_sandbox


@pytest.fixture
def demo():
    return Oura("demo")


@pytest.fixture
def fresh_sandbox(settings):
    """A short history without any grants."""
    reset_sandbox(settings, days=20)
    grants.state.clear()


@pytest.fixture
def application(fresh_sandbox):
    return Application()


@pytest.fixture
def control(fresh_sandbox):
    def ask(path, /, **body):
        answer = Oura().control(path, **body)
        assert answer.status_code == 200, answer.content
        return answer.json()

    return ask


@pytest.fixture
def old(control):
    """An application of the old portal."""
    credentials = {"client_id": "elder", "client_secret": "elder-secret"}
    uri = "https://elder.example/back"
    control("clients", **credentials, redirect_uris=[uri], portal="old")
    return Application("old", credentials, uri)
