"""The generated secrets for local use."""

import stat

import pytest

from myhealth import env_file
from myhealth.local import local_env


def test_secrets_are_generated_once(tmp_path):
    local_env.ensure(tmp_path)
    file = tmp_path / "local.env"
    before = file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    local_env.ensure(tmp_path)
    assert file.read_text() == before
    assert "LOCAL=on\n" in before


def test_missing_secrets_are_added_and_others_kept(tmp_path):
    (tmp_path / "local.env").write_text("DEMO_PASSWORD=mine")
    local_env.ensure(tmp_path)
    lines = (tmp_path / "local.env").read_text().splitlines()
    assert lines[0] == "DEMO_PASSWORD=mine"
    assert {line.partition("=")[0] for line in lines} == set(local_env.GENERATED)
    assert len(lines) == len(local_env.GENERATED)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_own_secret_is_kept_however_it_is_written(tmp_path, encoding):
    (tmp_path / "local.env").write_bytes("export DEMO_PASSWORD = 'mine'\r\n".encode(encoding))
    local_env.ensure(tmp_path)
    values, problems = env_file.read(tmp_path / "local.env")
    assert (values["DEMO_PASSWORD"], problems) == ("mine", [])
    assert set(values) == set(local_env.GENERATED)


def test_settings_without_value_are_generated_again(tmp_path):
    (tmp_path / "local.env").write_text("SECRET_KEY=\nOWN=\n")
    local_env.ensure(tmp_path)
    lines = (tmp_path / "local.env").read_text().splitlines()
    assert "OWN=" in lines
    assert [line for line in lines if line.startswith("SECRET_KEY=")] != ["SECRET_KEY="]
    assert len(lines) == len(local_env.GENERATED) + 1


def test_file_that_is_no_text_stays_as_it_is(tmp_path):
    (tmp_path / "local.env").write_bytes(b"OURA_USER=jos\xe9\n")
    local_env.ensure(tmp_path)
    assert (tmp_path / "local.env").read_bytes() == b"OURA_USER=jos\xe9\n"
