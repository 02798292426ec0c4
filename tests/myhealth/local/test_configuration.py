"""What `make run` does by its environment."""

import pytest
from honcho.printer import Printer

from myhealth.local import configuration
from myhealth.local.services import Services


@pytest.mark.parametrize("name", ["OURA_API_KEY", "OURA_API_KEY_FILE"])
def test_key_or_its_file_replaces_the_demo(monkeypatch, name):
    monkeypatch.setenv(name, "something")
    assert not configuration.uses_demo()


@pytest.mark.parametrize(
    ("public", "expected"),
    [("", "http://localhost:8123/"), (" https://nas.example.org/ ", "https://nas.example.org/")],
)
def test_address_is_the_public_one_if_there_is_one(monkeypatch, public, expected):
    monkeypatch.setenv("PUBLIC_URL", public)
    monkeypatch.setenv("API_PORT", "8123")
    assert configuration.address() == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({"OURA_USER": "ana"}, ""), ({"OURA_API_KEY": "a key"}, "me")],
)
def test_api_knows_whose_data_come_with_the_key(monkeypatch, tmp_path, settings, expected):
    given = {}
    for name in ("OURA_API_KEY", "OURA_USER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"VAR_DIR": str(tmp_path), **settings}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Services, "add_process", lambda *_, env, cwd: given.update(env))
    Services(Printer()).serve("api", 1)
    assert given["OURA_USER"] == expected
