"""Settings are refused all at once, with the remedy; asked of a real process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOOD = {
    "SERVICE": "api",
    "DB_HOST": "db.example",
    "SECRET_KEY": "k" * 50,
    "JWT_SECRET": "j" * 40,
    "ALLOWED_HOSTS": "health.example",
    "PUBLIC_URL": "https://health.example",
    "INGEST_TOKENS": "i" * 20,
    "CONTROL_TOKENS": "c" * 20,
}


def start(tmp_path, **changed):
    """Load the settings in a process of their own; its standard error, empty when they load."""
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), **GOOD, **changed}
    done = subprocess.run(
        [sys.executable, "-c", "import myhealth.wsgi"],
        env={name: value for name, value in environment.items() if value is not None},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return done.stderr


def test_good_settings_start(tmp_path):
    assert start(tmp_path) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("JWT_SECRET", ""),
        ("JWT_SECRET", "j" * 40 + ",short"),
        ("ALLOWED_HOSTS", ""),
        ("ALLOWED_HOSTS", "*"),
        ("DEBUG", "on"),
        ("DB_HOST", ""),
        ("DB_PORT", "many"),
        ("DB_PORT", "70000"),
        ("DB_SSLMODE", "maybe"),
        ("PUBLIC_URL", ""),
        ("PUBLIC_URL", "http://health.example"),
        ("LOG_LEVEL", "loud"),
        ("TRUSTED_PROXIES", "here"),
        ("OURA_API_URL", "ouraring.com"),
        ("INGEST_TOKENS", "short"),
        ("CONTROL_TOKENS", "i" * 20),
        ("SERVICE", ""),
        ("SERVICE", "everything"),
    ],
)
def test_a_missing_or_unsafe_setting_stops_the_start_by_name(tmp_path, name, value):
    assert name in start(tmp_path, **{name: value})


def test_all_problems_are_told_at_once(tmp_path):
    told = start(tmp_path, SECRET_KEY="", JWT_SECRET="", ALLOWED_HOSTS="")
    assert all(name in told for name in ("SECRET_KEY", "JWT_SECRET", "ALLOWED_HOSTS"))


def test_no_secret_is_printed(tmp_path):
    told = start(tmp_path, JWT_SECRET="hush-hush", SECRET_KEY="hush-hush", DEBUG="on")
    assert told
    assert "hush" not in told


def test_the_processor_needs_ingest_tokens(tmp_path):
    assert "INGEST_TOKENS" in start(tmp_path, SERVICE="processor", INGEST_TOKENS="")


def test_the_sandbox_refuses_production(tmp_path):
    assert "sandbox" in start(tmp_path, SERVICE="sandbox")


def test_local_env_is_read_while_the_database_is_embedded(tmp_path):
    (tmp_path / "local.env").write_text("LOCAL=on\nPUBLIC_URL=http://localhost:8000\n")
    assert start(tmp_path, DB_HOST=None, PUBLIC_URL=None) == ""


def test_local_env_is_not_read_beside_a_database_server(tmp_path):
    (tmp_path / "local.env").write_text("JWT_SECRET=" + "x" * 40 + "\n")
    assert "JWT_SECRET" in start(tmp_path, JWT_SECRET=None)
