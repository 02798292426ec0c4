"""What the collections of `make run` are while there is a demo, and afterwards."""

import pytest

from accounts.models import User
from myhealth.local.collecting import settings_of_runs
from tests.processes import TOKEN
from tests.worlds import person

CLIENT = {"OURA_CLIENT_ID": "id"}


@pytest.fixture
def runs(transactional_db, monkeypatch, processor_process, sandbox):
    for name in ("OURA_API_KEY", "OURA_CLIENT_ID", "OURA_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("INGEST_TOKENS", TOKEN)
    for name, service in (("PROCESSOR", processor_process), ("SANDBOX", sandbox)):
        monkeypatch.setenv(f"{name}_PORT", service.url.rpartition(":")[2])
    person("demo", "ben")
    person("ana")

    def runs(**settings):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        return [(each["OURA_USER"], bool(each.get("OURA_API_KEY"))) for each in settings_of_runs()]

    return runs


@pytest.mark.parametrize(
    ("settings", "with_demo", "without"),
    [
        ({}, [("demo", True)], [("demo", False)]),
        (CLIENT, [("demo", True), ("", False)], [("", False)]),
    ],
)
def test_removed_demo_is_not_collected(runs, settings, with_demo, without):
    assert runs(**settings) == with_demo
    User.objects.filter(username="demo").delete()
    assert runs(**settings) == without
