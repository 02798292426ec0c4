"""The generated secrets for local use."""

import stat

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
