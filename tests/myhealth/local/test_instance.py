"""One `make run` at a time on one folder."""

import fcntl
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from myhealth.local import instance
from myhealth.local.files import lock_file
from myhealth.local.server import EmbeddedError
from myhealth.running import fill_environment, read_running
from tests.processes import ROOT

PORTS = {"API_PORT": 8123, "PROCESSOR_PORT": 8124}


def test_second_one_is_told_where_the_first_is(tmp_path):
    with (
        instance.claim(tmp_path, address="http://localhost:8123/"),
        pytest.raises(instance.AlreadyRunning, match="already running: http://localhost:8123/"),
        instance.claim(tmp_path, ports={}),
    ):
        pass


def test_command_that_looks_is_not_taken_for_one(tmp_path):
    lock = lock_file(tmp_path / "run.lock", fcntl.LOCK_SH)
    threading.Timer(0.2, os.close, [lock]).start()
    with instance.claim(tmp_path, ports=PORTS):
        assert read_running(tmp_path)["ports"] == PORTS


def test_nothing_is_running_after_the_end(tmp_path):
    with instance.claim(tmp_path, ports=PORTS) as was_killed:
        assert not was_killed
        assert read_running(tmp_path)["ports"] == PORTS
    assert read_running(tmp_path) is None
    assert not (tmp_path / "run.json").exists()


def test_nothing_is_running_after_a_kill(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from myhealth.local import instance\n"
        "with instance.claim(Path(sys.argv[1]), ports={}): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT)
    assert (tmp_path / "run.json").exists()
    assert read_running(tmp_path) is None
    with instance.claim(tmp_path, ports=PORTS) as was_killed:
        assert was_killed


def test_folder_that_is_none_gets_a_sentence(tmp_path):
    (tmp_path / "var").write_text("")
    with pytest.raises(EmbeddedError, match="is not a folder"), instance.claim(tmp_path / "var"):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_another_user_is_told_that_it_runs():
    with tempfile.TemporaryDirectory() as folder, instance.claim(Path(folder), ports=PORTS):
        Path(folder).chmod(0o755)
        os.seteuid(65534)
        try:
            with (
                pytest.raises(instance.AlreadyRunning, match="myhealth is already running"),
                instance.claim(Path(folder)),
            ):
                pass
            assert read_running(Path(folder)) == {}
        finally:
            os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_folder_of_another_user_gets_a_sentence():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        os.seteuid(65534)
        try:
            with pytest.raises(EmbeddedError, match="no access"), instance.claim(Path(folder)):
                pass
        finally:
            os.seteuid(0)


def test_damaged_file_is_no_obstacle(tmp_path):
    with instance.claim(tmp_path, ports=PORTS):
        (tmp_path / "run.json").write_text("[")
        assert read_running(tmp_path) == {}
        fill_environment(tmp_path, frozenset())


@pytest.fixture
def run(tmp_path):
    with instance.claim(tmp_path, ports=PORTS):
        sandbox = {"OURA_API_KEY": "k", "OURA_CLIENT_ID": "sandbox's", "OURA_USER": "demo"}
        instance.add_settings(tmp_path, sandbox)
        yield tmp_path


@pytest.fixture
def environment(monkeypatch):
    for name in (*PORTS, "OURA_API_KEY", "OURA_CLIENT_ID", "OURA_USER"):
        # Set first, so that the name is unset again at the end.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


def test_commands_get_the_settings_of_the_running_one(run, environment):
    fill_environment(run, frozenset())
    assert os.environ["API_PORT"] == "8123"
    assert os.environ["OURA_CLIENT_ID"] == "sandbox's"


def test_ports_typed_with_a_command_stay(run, environment):
    environment.setenv("API_PORT", "9000")
    fill_environment(run, {"API_PORT"})
    assert os.environ["API_PORT"] == "9000"


def test_ports_of_a_file_give_way(run, environment):
    environment.setenv("API_PORT", "9000")
    fill_environment(run, frozenset())
    assert os.environ["API_PORT"] == "8123"


def test_own_credentials_never_go_to_the_sandbox(run, environment):
    environment.setenv("OURA_CLIENT_ID", "mine")
    fill_environment(run, frozenset())
    assert os.environ["OURA_CLIENT_ID"] == "mine"
    assert "OURA_API_KEY" not in os.environ
