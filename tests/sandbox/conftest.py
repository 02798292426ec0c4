import pytest

from sandbox import grants
from tests.oura.conftest import at_oura
from tests.sandbox.applications import Application
from tests.sandbox.sandboxed import Oura, start_afresh

__all__ = ["at_oura"]


@pytest.fixture
def demo():
    return Oura("demo")


@pytest.fixture
def afresh(settings):
    """A short history, and nobody who has granted anything."""
    start_afresh(settings, days=20)
    grants.state.clear()


@pytest.fixture
def application(afresh):
    return Application()


@pytest.fixture
def control(afresh):
    def ask(path, /, **body):
        answer = Oura().control(path, **body)
        assert answer.status_code == 200, answer.content
        return answer.json()

    return ask


@pytest.fixture
def old(control):
    """An application of the old portal's."""
    credentials = {"client_id": "elder", "client_secret": "elder-secret"}
    uri = "https://elder.example/back"
    control("clients", **credentials, redirect_uris=[uri], portal="old")
    return Application("old", credentials, uri)
