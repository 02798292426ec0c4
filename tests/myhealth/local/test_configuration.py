"""What `make run` does by its environment."""

import pytest

from myhealth.local import configuration


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
