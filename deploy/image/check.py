#!/usr/bin/env python3
"""Test the built image as Kubernetes would run it, with a real PostgreSQL.

`runc` runs each role on this machine's network, with a read-only root, /tmp in memory, the image's
user, no capabilities and no new privileges. The database and the sandbox come from the checkout.
Needs root on Linux, buildah and runc (`make image-check` installs them).
"""

import contextlib
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from metrics import TYPES  # noqa: E402
from myhealth.local import embedded  # noqa: E402
from myhealth.local.processes import wait_until  # noqa: E402

IMAGE, BASE = "localhost/myhealth", "docker.io/library/python:3.13-slim"
STORE = {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
MOUNTS = [
    ("/proc", "proc", "proc", []),
    ("/dev", "tmpfs", "tmpfs", ["nosuid", "mode=755"]),
    ("/tmp", "tmpfs", "tmpfs", ["nosuid", "nodev", "noexec", "mode=1777", "size=64m"]),
]


def print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def expect(condition: bool, sentence: str, actual: object = "") -> None:
    """Print the sentence if the condition is true, and exit otherwise."""
    if not condition:
        sys.exit(f"FAILED: {sentence}. {actual}")
    print_line(f"  {sentence}")


def await_condition(condition: Callable[[], object], sentence: str) -> None:
    if not wait_until(condition, 60):
        sys.exit(f"FAILED: waited a minute until {sentence}.")


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def buildah(*arguments: str) -> str:
    command = ["buildah", *arguments]
    return subprocess.check_output(command, env=os.environ | STORE, text=True).strip()


def inspect(image: str) -> dict[str, Any]:
    inspected: dict[str, Any] = json.loads(buildah("inspect", "--type", "image", image))
    return inspected


# Containers ------------------------------------------------------------------------------------


class Container:
    """One role of the image, run by runc."""

    def __init__(self, root: Path, secrets_: Path, *arguments: str, **settings: str) -> None:
        self.name = f"myhealth-{arguments[0]}-{os.getpid()}-{secrets.token_hex(2)}"
        self.config = inspect(IMAGE)["Docker"]["config"]
        self.bundle = Path(tempfile.mkdtemp(prefix="myhealth-"))
        spec = self.specification(root, secrets_, [*self.config["Entrypoint"], *arguments])
        spec["process"]["env"] += [f"{name}={value}" for name, value in settings.items()]
        (self.bundle / "config.json").write_text(json.dumps(spec))
        command = ["runc", "run", "--bundle", str(self.bundle), self.name]
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )

    def specification(self, root: Path, secrets_: Path, command: list[str]) -> dict[str, Any]:
        uid, gid = map(int, self.config["User"].split(":"))
        no_capabilities: list[str] = []
        kinds = ("bounding", "effective", "inheritable", "permitted", "ambient")
        mounts: list[dict[str, Any]] = [
            {"destination": where, "type": kind, "source": source, "options": options}
            for where, kind, source, options in MOUNTS
        ]
        secrets_mount = {"type": "bind", "source": str(secrets_), "options": ["bind", "ro"]}
        mounts.append({"destination": "/run", **secrets_mount})
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": uid, "gid": gid},
                "args": command,
                "env": list(self.config["Env"]),
                "cwd": self.config["WorkingDir"],
                "capabilities": dict.fromkeys(kinds, no_capabilities),
                "noNewPrivileges": True,
            },
            "root": {"path": str(root), "readonly": True},
            "mounts": mounts,
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")]},
        }

    def run_inside(self, *command: str) -> int:
        return subprocess.run(["runc", "exec", self.name, *command], capture_output=True).returncode

    def output(self) -> str:
        """Return what the container has printed when it ends. Exits if it fails."""
        printed, _ = self.process.communicate(timeout=300)
        if self.process.returncode:
            sys.exit(f"FAILED: {self.name} ended with {self.process.returncode}: {printed}")
        return printed

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)

    def remove(self) -> None:
        subprocess.run(["runc", "delete", "--force", self.name], capture_output=True)
        self.process.wait()


class Containers:
    """Containers of one image with the same settings, and secrets as files."""

    def __init__(self, root: Path, folder: Path, **settings: str) -> None:
        self.root, self.folder, self.settings = root, folder, settings
        self.all: list[Container] = []

    def secret(self, name: str, value: str) -> None:
        (self.folder / name).write_text(f"{value}\n")
        self.settings[f"{name}_FILE"] = f"/run/{name}"

    def run(self, *arguments: str, **settings: str) -> Container:
        settings = self.settings | settings
        self.all.append(Container(self.root, self.folder, *arguments, **settings))
        return self.all[-1]


@contextlib.contextmanager
def root_folder() -> Iterator[Path]:
    container = buildah("from", "--pull=never", IMAGE)
    try:
        yield Path(buildah("mount", container))
    finally:
        buildah("rm", container)


def start_sandbox() -> tuple[subprocess.Popen[bytes], str]:
    port = free_port()
    settings = {"SERVICE": "sandbox", "LOCAL": "on", "SANDBOX_DAYS": "120", "LOG_LEVEL": "warn"}
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", port]
    process = subprocess.Popen(
        [*command, "--no-ws", "--log-level", "error", "myhealth.wsgi:application"],
        cwd=ROOT,
        env=os.environ | settings,
    )
    return process, f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def environment() -> Iterator[tuple[Containers, str]]:
    """Yield the containers, with a new database, and the address of the sandbox."""
    var = Path(tempfile.mkdtemp(prefix="myhealth-", dir="/var/tmp"))
    var.chmod(0o755)
    (var / "secrets").mkdir()
    with root_folder() as root:
        database = embedded.join(var)
        sandbox, url = start_sandbox()
        containers = Containers(
            root,
            var / "secrets",
            DB_HOST=database.host,
            DB_PORT=str(database.port),
            DB_USER=database.user,
            DB_NAME=database.name,
            ALLOWED_HOSTS="localhost,127.0.0.1",
            LOG_LEVEL="warn",
        )
        containers.secret("DB_PASSWORD", database.password)
        try:
            await_condition(lambda: answers(f"{url}/health"), "the sandbox answers")
            yield containers, url
        finally:
            for container in containers.all:
                container.remove()
            sandbox.terminate()
            sandbox.wait()
            embedded.leave(var)
            subprocess.run(["rm", "-rf", str(var)], check=True)


# Checks ----------------------------------------------------------------------------------------


def check_size() -> None:
    size, base_size = (
        sum(layer["size"] for layer in json.loads(inspect(image)["Manifest"])["layers"])
        for image in (IMAGE, BASE)
    )
    megabytes = (size - base_size) // 1_000_000
    expect(megabytes < 180, f"the image adds {megabytes} MB to its base")


def check_restrictions(container: Container) -> None:
    read_only = ("grep", "-qE", "^[^ ]+ / [^ ]+ ro[ ,]", "/proc/1/mounts")
    expect(container.run_inside(*read_only) == 0, "its root is read-only")
    write = ("python", "-c", "import sys; open(sys.argv[1] + '/x', 'w')")
    expect(container.run_inside(*write, "/app") != 0, "the application's folder can't be written")
    expect(container.run_inside(*write, "/tmp") == 0, "/tmp can be written")
    for python in ("/opt/venv/bin/python", "/usr/local/bin/python"):
        for name in ("pip", "setuptools", "ensurepip"):
            missing = container.run_inside(python, "-c", f"import {name}") != 0
            expect(missing, f"{python} has no {name}")
    bounding = ("grep", "-q", "^CapBnd:.0000000000000000$", "/proc/1/status")
    expect(container.run_inside(*bounding) == 0, "it has no capabilities")
    probe = "import os; assert (os.getuid(), os.getgid()) == (10001, 10001)"
    expect(container.run_inside("python", "-c", probe) == 0, "it runs as 10001:10001")


def check_pages(service: str, port: str) -> None:
    url = f"http://127.0.0.1:{port}"
    await_condition(lambda: answers(f"{url}/health/ready"), f"{service} is ready")
    expect(requests.get(f"{url}/health", timeout=5).ok, f"{service}: /health and /health/ready")
    page = requests.get(f"{url}/metrics", timeout=5).text
    expect(f'service="{service}"' in page, f"{service}: /metrics")


def check_health_command(containers: Containers, container: Container) -> None:
    command = container.config["Healthcheck"]["Test"][1:]
    expect(container.run_inside(*command) == 0, "the health check finds it healthy")
    script = "import time; open('/tmp/port', 'w').write('9'); time.sleep(60)"
    dead = containers.run("shell", "-c", script)
    await_condition(
        lambda: dead.run_inside("test", "-s", "/tmp/port") == 0,
        "a container without a service has started",
    )
    expect(dead.run_inside(*command) != 0, "and a service that does not answer unhealthy")


def collect(containers: Containers, **settings: str) -> dict[str, dict[str, int]]:
    printed = containers.run("collect", "--output", "json", **settings).output()
    types: dict[str, dict[str, int]] = json.loads(printed.splitlines()[-1])["types"]
    return types


def rows(url: str, headers: dict[str, str], type_: str) -> int:
    params = {"start": "2010-01-01", "end": "2100-01-01"}
    answer = requests.get(f"{url}/api/v1/{type_}", params=params, headers=headers, timeout=30)
    answer.raise_for_status()
    return len(answer.json())


def check_collections(containers: Containers, api: str, password: str, **settings: str) -> None:
    login = {"username": "ana", "password": password}
    token = requests.post(f"{api}/auth/login", json=login, timeout=10).json()["access"]
    first = collect(containers, **settings)
    created = {type_: tally["created"] for type_, tally in first.items()}
    expect(all(created.values()) and sum(created.values()) > 300, f"days are stored: {created}")
    headers = {"Authorization": f"Bearer {token}"}
    shown = {type_: rows(api, headers, type_) for type_ in TYPES}
    expect(shown == created, "the API shows as many rows", shown)
    second = collect(containers, **settings).values()
    changed = sum(tally["created"] + tally["updated"] + tally["rejected"] for tally in second)
    unchanged = sum(tally["unchanged"] for tally in second)
    expect(
        changed == 0 and unchanged > 0,
        f"in a second collection, all {unchanged} are unchanged",
        second,
    )


def check_page(api: str) -> None:
    page = requests.get(f"{api}/accounts/login/", timeout=10)
    expect(page.ok and "csrfmiddlewaretoken" in page.text, "the sign-in page is shown")
    path = re.search(r'"stylesheet" href="([^"]+)"', page.text)
    style = requests.get(f"{api}{path and path[1]}", timeout=10)
    expect(style.ok and bool(style.text), "and its style sheet")
    kept = "immutable" in style.headers["Cache-Control"]
    is_compressed = style.headers.get("Content-Encoding") == "gzip"
    expect(kept and is_compressed, "which is compressed, and kept by browsers")


def main() -> None:
    check_size()
    with environment() as (containers, sandbox):
        ports = {name: free_port() for name in ("api", "processor")}
        api = f"http://127.0.0.1:{ports['api']}"
        for name in ("SECRET_KEY", "JWT_SECRET", "INGEST_TOKENS", "CONTROL_TOKENS"):
            containers.secret(name, secrets.token_urlsafe(40))
        containers.run("migrate").output()
        print_line("  migrate succeeds")
        password = secrets.token_urlsafe(12)
        containers.run("ensure_user", "ana", PASSWORD=password).output()
        # LOCAL, because there is no ingress with TLS in front of the API.
        services = {
            "processor": containers.run("processor", PORT=ports["processor"], WORKERS="2"),
            "api": containers.run("api", PORT=ports["api"], LOCAL="on"),
        }
        for name, port in ports.items():
            check_pages(name, port)
        check_restrictions(services["api"])
        check_health_command(containers, services["api"])
        check_page(api)
        people = requests.get(f"{sandbox}/_sandbox/people", timeout=10).json()
        key = next(person["access_token"] for person in people if person["name"] == "demo")
        containers.secret("OURA_API_KEY", key)
        check_collections(
            containers,
            api,
            password,
            OURA_API_URL=sandbox,
            OURA_USER="ana",
            PROCESSOR_URL=f"http://127.0.0.1:{ports['processor']}",
            # The collector needs no database.
            DB_HOST="nowhere.invalid",
        )
        for name, container in services.items():
            code = container.stop()
            expect(code == 0, f"{name}: SIGTERM ends it with exit code 0", code)
    print_line("The image works.")


if __name__ == "__main__":
    main()
