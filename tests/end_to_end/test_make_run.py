"""`make run` as a newcomer meets it: real processes, from the first line to the last."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest
import requests

from myhealth.local import embedded
from tests.processes import PATIENCE, ROOT, Service, free_port, wait_until
from tests.scale import full_only


def living(processes):
    alive = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                alive.append(process)
    return alive


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return True
    return False


def test_it_collects_stops_and_starts_again_with_the_same_data(new_machine):
    first = new_machine.start().await_ready()
    assert (first.user, first.url) == ("demo", f"http://localhost:{new_machine.ports['API_PORT']}/")
    days = first.days()
    assert len(days) >= 15
    started = first.started()
    assert len(started) >= 8
    assert first.stop() == 0
    assert living(started) == []
    assert all(map(is_free, new_machine.ports.values()))

    second = new_machine.start().await_ready()
    assert second.password == first.password
    assert set(days) <= set(second.days())
    assert second.stop() == 0


@full_only
def test_ctrl_c_stops_everything(machine):
    run = machine.start().await_ready()
    started = run.started()
    # A terminal sends it to the whole process group.
    assert run.stop(signal.SIGINT, group=True) == 0
    assert living(started) == []
    run.reader.join()
    assert "Traceback" not in run.said()


@full_only
def test_a_hung_request_does_not_hold_up_the_stop(machine):
    run = machine.start().await_ready()
    started = run.started()
    sandbox = f"http://127.0.0.1:{machine.ports['SANDBOX_PORT']}"
    fault = {"fault": "timeout", "times": 1}
    assert requests.post(f"{sandbox}/_sandbox/faults", json=fault).ok
    # It never gets an answer: only that the server works on it matters.
    with socket.create_connection(("127.0.0.1", machine.ports["SANDBOX_PORT"])) as hung:
        token = requests.get(f"{sandbox}/_sandbox/people").json()[0]["access_token"]
        hung.sendall(
            b"GET /v2/usercollection/daily_sleep?start_date=2026-01-01&end_date=2026-01-02 "
            b"HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %b\r\n\r\n" % token.encode()
        )
        wait_until(lambda: requests.get(f"{sandbox}/_sandbox/faults").json()[0]["hits"] == 1)
        assert run.stop() == 0
        # It was cut off.
        with contextlib.suppress(ConnectionError):
            assert hung.recv(1) == b""
    assert living(started) == []


@full_only
@pytest.mark.parametrize(
    "line", ["Starting the embedded", "Applying database", "Starting the services"]
)
def test_it_can_be_stopped_while_it_starts(new_machine, line):
    run = new_machine.start()
    wait_until(lambda: line in run.said())
    assert run.stop() == 0
    run.reader.join()
    assert "Traceback" not in run.said()
    wait_until(lambda: not embedded.is_running(new_machine.var))


@full_only
@pytest.mark.skipif(sys.platform != "linux", reason="needs a parent-death signal")
def test_nothing_outlives_a_killed_runner(machine):
    run = machine.start().await_ready()
    started = run.started()
    run.process.kill()
    wait_until(lambda: not living(started))


@full_only
@pytest.mark.skipif(sys.platform != "linux", reason="needs a parent-death signal")
def test_it_starts_at_once_after_a_kill(machine):
    run = machine.start().await_ready()
    run.process.kill()
    assert machine.start().await_ready().days()


@full_only
@pytest.mark.parametrize(
    ("number", "line"),
    [
        (signal.SIGINT, "Applying database"),
        (signal.SIGTERM, "Starting the services"),
        (signal.SIGHUP, "is ready"),
    ],
)
def test_a_stop_says_one_line(machine, number, line):
    run = machine.start()
    wait_until(lambda: line in run.said())
    before = len(run.lines)
    assert run.stop(number, group=True) == 0
    run.reader.join()
    said = [each for each in run.lines[before:] if "Collect" not in each and "ready" not in each]
    assert said == ["Stopping myhealth."]


@full_only
def test_proxies_of_the_shell_never_get_loopback(machine):
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.1)
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        assert machine.start(**dict.fromkeys(names, address)).await_ready().days()
        assert machine.run("collect", **dict.fromkeys(names, address)).returncode == 0
        with pytest.raises(TimeoutError):
            proxy.accept()


@full_only
def test_it_runs_in_locales_that_are_not_utf_8(machine):
    odd = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    run = machine.start(**odd, PYTHONIOENCODING="ascii").await_ready()
    for command in (["collect", "--days", "2"], ["backup"], ["restore"], ["password"], ["open"]):
        done = machine.run(*command, **odd, PYTHONIOENCODING="iso8859-9")
        assert done.returncode == 0, done.stderr
    assert run.stop() == 0
    run.reader.join()
    assert "Traceback" not in run.said()


@full_only
def test_own_account_is_named_last_and_the_demo_before(machine):
    client = {"OURA_CLIENT_ID": "an id", "OURA_CLIENT_SECRET": "a secret"}
    run = machine.start(**client).await_ready()
    assert run.user == "me"
    assert run.log_in()
    found = re.fullmatch(r"Sample data: \S+ \(user demo, password (\S+)\)", run.lines[-2])
    demo = {"username": "demo", "password": found[1]}
    with requests.Session() as browser:
        page = browser.get(f"{run.url}admin/login/")
        form = demo | {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        answer = browser.post(page.url, form, headers={"Referer": page.url})
        assert "/admin/login/" in answer.url


@full_only
def test_public_url_that_nothing_serves_is_told_before_ready(machine):
    url = f"https://localhost:{free_port()}"
    run = machine.start(PUBLIC_URL=url).await_ready()
    assert run.url == f"{url}/"
    assert run.lines[-3].startswith(f"Nothing answers at {url}/ on this computer.")
    assert "TRUSTED_PROXIES=127.0.0.1,::1" in run.lines[-2]


@full_only
def test_removed_demo_is_neither_collected_nor_made_again(machine):
    client = {"OURA_CLIENT_ID": "an id", "OURA_CLIENT_SECRET": "a secret"}
    run = machine.start(**client).await_ready()
    code = (
        "from accounts.models import Origin, User; "
        "Origin.objects.create(user=User.objects.get(username='me'), name='oura')"
    )
    assert machine.command("manage.py", "shell", "--no-imports", "-c", code).returncode == 0
    assert machine.command("manage.py", "delete_person", "demo", "--yes").returncode == 0
    done = machine.run("collect", **client)
    assert done.returncode == 0, done.stderr
    assert run.stop() == 0

    again = machine.start(**client).await_ready()
    assert again.user == "me"
    assert "Sample data" not in again.said()
    assert "exit code" not in again.said()
    assert machine.command("manage.py", "delete_person", "demo", "--yes").returncode == 2


@full_only
def test_a_service_that_ends_stops_the_others(machine):
    run = machine.start().await_ready()
    started = run.started()
    port = str(machine.ports["PROCESSOR_PORT"])
    # The server's own process stands before its workers.
    next(process for process in started if port in process.cmdline()).kill()
    assert run.process.wait(PATIENCE) == 1
    assert living(started) == []
    run.reader.join()
    assert "The processor stopped unexpectedly" in run.said()


@pytest.mark.parametrize("name", ["API_PORT", "PROCESSOR_PORT", "SANDBOX_PORT"])
def test_a_busy_port_gets_a_sentence(new_machine, name):
    with socket.create_server(("127.0.0.1", new_machine.ports[name])):
        done = new_machine.run()
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"Port {new_machine.ports[name]} is in use" in done.stderr
    assert f"{name}=" in done.stderr
    assert not (new_machine.var / "postgres").exists()


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_a_port_that_is_none_gets_a_sentence(new_machine, port):
    done = new_machine.run(API_PORT=port)
    assert done.returncode == 1
    expected = f"API_PORT must be a whole number from 1 to 65535, not '{port}'.\n"
    assert done.stderr == expected


def test_the_same_port_twice_gets_a_sentence(new_machine):
    done = new_machine.run(API_PORT="8123", PROCESSOR_PORT="8123")
    assert done.returncode == 1
    assert "must be different" in done.stderr


@full_only
@pytest.mark.parametrize(
    "settings",
    [
        {"DEMO_PASSWORD": "eleven-char"},
        {"DEMO_PASSWORD": "123456789012"},
        {"OURA_USER_PASSWORD": "too short", "OURA_API_KEY": "a key"},
        {"OURA_USER_PASSWORD": "too short", "OURA_CLIENT_ID": "a", "OURA_CLIENT_SECRET": "b"},
    ],
    ids=str,
)
def test_a_weak_password_gets_a_sentence_and_starts_nothing(new_machine, settings):
    done = new_machine.run(**settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{next(iter(settings))} must have at least 12 characters")
    assert done.stderr.count("\n") == 1
    assert not embedded.is_running(new_machine.var)


@full_only
def test_demo_password_is_the_password(machine):
    run = machine.start(DEMO_PASSWORD="chosen-by-me").await_ready()
    assert run.password == "chosen-by-me"
    assert run.log_in()


@full_only
def test_password_changed_by_its_owner_survives_a_restart(machine):
    run = machine.start().await_ready()
    chosen = "chosen-on-the-page"
    machine.command("manage.py", "ensure_user", "demo", "--reset", PASSWORD=chosen)
    run.stop()
    again = machine.start().await_ready()
    assert again.password == "as set before"
    again.password = chosen
    assert again.log_in()


@full_only
def test_commands_typed_by_hand_find_the_same_data(machine):
    run = machine.start().await_ready()
    count = "from ingest.models import SleepMetric; print(SleepMetric.objects.count())"
    typed = {"VAR_DIR": str(machine.var)}
    environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ} | typed
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", count]
    while_running = subprocess.check_output(command, cwd=ROOT, env=environment, text=True)
    run.stop()
    afterwards = subprocess.check_output(command, cwd=ROOT, env=environment, text=True)
    assert int(while_running) == int(afterwards) >= 15
    wait_until(lambda: not embedded.is_running(machine.var))


@pytest.mark.parametrize("command", ["collect", "password", "open"])
def test_a_command_beside_nothing_gets_a_sentence(new_machine, command):
    done = new_machine.run(command)
    assert done.returncode == 1
    assert done.stderr == "myhealth is not running: start it with `make run`.\n"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_all_busy_ports_are_named_in_one_sentence(new_machine, host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    api, processor = new_machine.ports["API_PORT"], new_machine.ports["PROCESSOR_PORT"]
    with (
        socket.create_server((host, api), family=family),
        socket.create_server((host, processor), family=family),
    ):
        done = new_machine.run()
    assert done.returncode == 1
    assert done.stderr.startswith(f"Ports {api} and {processor} are in use")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def oura():
    """Stands in for the real Oura API, at an address of its own."""
    service = Service("sandbox", {"SANDBOX_DAYS": "20", "SANDBOX_TODAY": ""}).start()
    yield service
    service.stop()


@full_only
def test_credentials_collect_from_oura_without_a_sandbox(machine, oura):
    people = requests.get(f"{oura.url}/_sandbox/people").json()
    settings = {"OURA_API_KEY": people[0]["access_token"], "OURA_API_URL": oura.url}
    run = machine.start(**settings).await_ready()
    assert run.user == "me"
    assert run.days()
    assert is_free(machine.ports["SANDBOX_PORT"])


@full_only
def test_a_first_collection_that_fails_is_told_and_ends_nothing(machine, oura):
    settings = {"OURA_API_KEY": "wrong", "OURA_API_URL": oura.url, "OURA_USER": "ana"}
    run = machine.start(**settings).await_ready()
    assert "The collection ended with exit code 1" in run.said()
    problems = [line for line in run.lines if "Oura rejected the access token" in line]
    assert len(problems) == len(set(problems)) >= 1
    assert run.user == "ana"
    assert run.days() == []


@full_only
def test_an_external_database_is_used_when_set(new_machine):
    with tempfile.TemporaryDirectory(prefix="myhealth-") as folder:
        Path(folder).chmod(0o755)
        external = embedded.join(Path(folder) / "var")
        try:
            run = new_machine.start(
                DB_HOST=external.host,
                DB_PORT=str(external.port),
                DB_USER=external.user,
                DB_PASSWORD=external.password,
            ).await_ready()
            assert run.days()
            assert not (new_machine.var / "postgres").exists()
            assert run.stop() == 0
        finally:
            embedded.leave(Path(folder) / "var")


@pytest.mark.parametrize("what", ["backup", "restore"])
def test_backup_and_restore_leave_an_external_database_alone(new_machine, what):
    done = new_machine.run(what, DB_HOST="db.example.org")
    assert done.returncode == 1
    assert done.stderr.startswith("DB_HOST is set")


def test_make_lists_its_commands():
    said = subprocess.check_output(["make", "help"], cwd=ROOT, text=True)
    for command in ("run", "test", "check", "bench", "backup", "restore"):
        assert f"make {command} " in said


@pytest.mark.parametrize(("typed", "name"), [([], ""), (["USER=me"], "me")])
def test_password_is_that_of_the_user_who_is_typed(typed, name):
    environment = {**os.environ, "USER": "of-this-machine"}
    command = ["make", "-n", "password", *typed]
    said = subprocess.check_output(command, cwd=ROOT, env=environment, text=True)
    assert f'password "{name}"' in said


def make_with_python(tmp_path, script):
    """`make run` in a fresh checkout whose Python is the given shell script."""
    for name in ("Makefile", "requirements-local.txt"):
        shutil.copy(ROOT / name, tmp_path)
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return subprocess.run(
        ["make", "run", f"PYTHON={python if script else ''}"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("", "myhealth needs Python 3.11 or newer"),
        ("exit 1", "is too old: myhealth needs Python 3.11 or newer"),
        ('case "$2" in *venv*) exit 1;; esac', "has no venv module: install it"),
    ],
)
def test_a_python_that_will_not_do_gets_a_sentence(tmp_path, script, sentence):
    done = make_with_python(tmp_path, script)
    assert done.returncode
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
