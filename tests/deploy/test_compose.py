"""compose.yaml as Docker Compose reads it, and its commands run as real processes."""

import contextlib
import ipaddress
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest
import requests

from myhealth.local import embedded, places
from tests.processes import PATIENCE, ROOT, Service, free_port, wait_until
from tests.scale import full_only

BIN = Path(sys.executable).parent
WHOLE = {"start": "2010-01-01", "end": "2100-01-01"}
# Who may talk to whom: the arrows of the design.
ARROWS = {
    ("proxy", "api"),
    ("api", "db"),
    ("api", "processor"),
    ("processor", "db"),
    ("collector", "processor"),
    ("collector", "db"),
    ("backup", "db"),
    # These end before the processor starts.
    ("migrate", "db"),
    ("account", "db"),
    ("migrate", "processor"),
    ("account", "processor"),
    ("migrate", "account"),
}


def run(*command, **options):
    done = subprocess.run(command, check=False, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Folder:
    """A fresh checkout, as far as Compose is concerned."""

    def __init__(self, path):
        self.path = path
        shutil.copy(ROOT / "compose.yaml", path)
        secrets = shutil.ignore_patterns("secrets")
        shutil.copytree(ROOT / "deploy/compose", path / "deploy/compose", ignore=secrets)
        self.secrets = path / "deploy/compose/secrets"

    def prepare(self, *arguments, **settings):
        script = self.path / "deploy/compose/prepare"
        return run(script, *arguments, env={"PATH": os.environ["PATH"], **settings})

    def model(self):
        """What Docker Compose makes of the file."""
        settings = {"PATH": os.environ["PATH"], "HOME": str(self.path)}
        return json.loads(
            run(BIN / "docker-compose", "config", "--format=json", cwd=self.path, env=settings)
        )

    def secret(self, name):
        return (self.secrets / name).read_text()


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    made = Folder(tmp_path_factory.mktemp("model"))
    made.prepare()
    return made.model()


# The file ----------------------------------------------------------------------------------------


def test_only_the_arrows_of_the_design_are_networks(model):
    services = model["services"]
    found = {
        frozenset(pair)
        for pair in itertools.combinations(services, 2)
        if services[pair[0]]["networks"].keys() & services[pair[1]]["networks"].keys()
    }
    assert found == set(map(frozenset, ARROWS))


def test_only_the_proxy_and_who_asks_oura_reach_the_world(model):
    world = {name for name, network in model["networks"].items() if not network.get("internal")}
    services = model["services"].items()
    assert {name for name, each in services if world & each["networks"].keys()} == {
        "proxy",
        "api",
        "collector",
    }


def test_the_proxy_alone_is_published_and_on_this_machine_only(model):
    ports = {name: each["ports"] for name, each in model["services"].items() if "ports" in each}
    assert list(ports) == ["proxy"]
    assert [port["host_ip"] for port in ports["proxy"]] == ["127.0.0.1"]


def test_every_service_is_confined(model):
    for name, service in model["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "/tmp" in service["tmpfs"], name
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])


def test_service_gets_only_secrets_it_reads(model):
    for name, service in model["services"].items():
        handed = {f"/run/secrets/{secret['source']}" for secret in service.get("secrets", [])}
        texts = [*service.get("environment", {}).values(), *(service.get("command") or [])]
        known = {f"/run/secrets/{secret}" for secret in model["secrets"]}
        read = {path for path in known for text in texts if path in (text or "")}
        assert handed == read, name


def test_memory_of_all_that_runs_fits_into_two_gigabytes(model):
    services = model["services"]
    assert all(int(each["mem_limit"]) and each["pids_limit"] for each in services.values())
    # These have ended when the others run.
    lasting = services.keys() - {"migrate", "account"}
    assert sum(int(services[name]["mem_limit"]) for name in lasting) < 2_000_000_000


def test_api_trusts_network_of_proxy_alone(model):
    (pool,) = model["networks"]["entrance"]["ipam"]["config"]
    assert model["services"]["api"]["environment"]["TRUSTED_PROXIES"] == pool["subnet"]
    assert ipaddress.ip_network(pool["subnet"]).num_addresses <= 8
    attached = [name for name, each in model["services"].items() if "entrance" in each["networks"]]
    assert sorted(attached) == ["api", "proxy"]


def test_images_of_others_are_pinned_by_digest(model):
    for name in ("db", "backup", "proxy"):
        assert re.search(r":\d+\.\d+\S*@sha256:[0-9a-f]{64}$", model["services"][name]["image"]), (
            name
        )


# prepare -----------------------------------------------------------------------------------------


def test_prepare_makes_every_secret_that_compose_names(folder):
    folder.prepare(OURA_API_KEY="a-token", OURA_CLIENT_ID="an-id", OURA_CLIENT_SECRET="a-word")
    names = {Path(secret["file"]).name for secret in folder.model()["secrets"].values()}
    assert names == {path.name for path in folder.secrets.iterdir()}
    assert folder.secret("oura_api_key") == "a-token"
    assert len({folder.secret(name) for name in names}) == len(names)


def test_prepare_run_again_changes_nothing(folder):
    folder.prepare()
    before = {path.name: path.read_text() for path in folder.secrets.iterdir()}
    folder.prepare()
    assert {path.name: path.read_text() for path in folder.secrets.iterdir()} == before


def test_only_containers_can_read_secrets(folder):
    folder.prepare()
    assert folder.secrets.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.secrets.iterdir()} == {0o444}


def test_prepare_says_no_secret(folder):
    said = folder.prepare()
    assert not any(folder.secret("account_password") in line for line in said.splitlines())


def test_domain_name_turns_tls_on_and_keeps_env_file(folder):
    (folder.path / ".env").write_text("DOMAIN=old.example.org\nTIME_ZONE=Europe/Berlin")
    folder.prepare("health.example.org")
    services = folder.model()["services"]
    assert services["api"]["environment"]["PUBLIC_URL"] == "https://health.example.org"
    assert services["api"]["environment"]["LOCAL"] == "off"
    assert services["proxy"]["environment"]["SITE"] == "health.example.org"
    assert {port["published"] for port in services["proxy"]["ports"]} == {"80", "443"}
    assert "TIME_ZONE=Europe/Berlin\n" in (folder.path / ".env").read_text()


def test_name_of_tailnet_leaves_tls_to_tailscale(folder):
    folder.prepare("laptop.example.ts.net")
    services = folder.model()["services"]
    assert services["api"]["environment"]["PUBLIC_URL"] == "https://laptop.example.ts.net"
    # Anyone who reaches the port could name any client.
    assert [port["host_ip"] for port in services["proxy"]["ports"]] == ["127.0.0.1"]
    assert "::1" in services["proxy"]["environment"]["FRONT_PROXIES"].split()


@pytest.mark.parametrize("line", ["export DOMAIN=old.example", "  DOMAIN = old.example"])
def test_former_domain_name_is_replaced_however_it_was_written(folder, line):
    (folder.path / ".env").write_bytes(f"{line}\r\n".encode())
    folder.prepare("https://health.example.org/")
    assert (folder.path / ".env").read_text().count("DOMAIN") == 1
    proxy = folder.model()["services"]["proxy"]
    assert proxy["environment"]["SITE"] == "health.example.org"


@full_only
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("health.example.org/path", b""),
        ("health.example.org:8443", b""),
        ("health.example.org", "OURA_USER=ana".encode("utf-16")),
        ("health.example.org", None),
    ],
)
def test_prepare_refuses_what_compose_cannot_use(folder, name, content):
    file = folder.path / ".env"
    file.mkdir() if content is None else file.write_bytes(content)
    script = folder.path / "deploy/compose/prepare"
    done = subprocess.run([script, name], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert content is None or file.read_bytes() == content


def test_env_file_is_for_its_owner(folder):
    folder.prepare("health.example.org")
    assert (folder.path / ".env").stat().st_mode & 0o777 == 0o600


def test_network_of_proxy_can_be_changed(folder):
    folder.prepare()
    (folder.path / ".env").write_text("PROXY_NETWORK=10.9.8.0/29\n")
    model = folder.model()
    assert model["services"]["api"]["environment"]["TRUSTED_PROXIES"] == "10.9.8.0/29"
    assert model["networks"]["entrance"]["ipam"]["config"] == [{"subnet": "10.9.8.0/29"}]


def test_hsts_is_passed_on(folder):
    folder.prepare("health.example.org")
    with (folder.path / ".env").open("a") as file:
        file.write("HSTS_SECONDS=31536000\n")
    environment = folder.model()["services"]["api"]["environment"]
    assert (environment["HSTS_SECONDS"], environment["HSTS_SUBDOMAINS"]) == ("31536000", "")


# The commands ------------------------------------------------------------------------------------


class Composed:
    """The services' commands as processes, with this machine's places for the containers'."""

    def __init__(self, folder, database, ports):
        self.folder, self.database, self.ports = folder, database, ports
        self.services = folder.model()["services"]
        self.places = {
            "/run/secrets/": f"{folder.secrets}/",
            "/app/deploy/entrypoint": str(ROOT / "deploy/entrypoint"),
            "/var/lib/postgresql": str(folder.path / "database-home"),
            "http://processor:8001": f"http://127.0.0.1:{ports['processor']}",
        }
        self.running = {}

    def here(self, text, service):
        mounted = {each["target"]: each["source"] for each in service.get("volumes", [])}
        if text in mounted:
            return mounted[text]
        for old, new in self.places.items():
            text = text.replace(old, new)
        return text

    def environment(self, name, **more):
        service = self.services[name]
        temporary = self.folder.path / "tmp" / name
        temporary.mkdir(parents=True, exist_ok=True)
        hosts = dict.fromkeys(("db", "processor"), "127.0.0.1")
        given = service.get("environment", {}).items()
        return {
            "PATH": f"{BIN}:{places.find_binaries()}:{os.environ['PATH']}",
            "TMPDIR": str(temporary),
            "VAR_DIR": str(temporary),
            "PORT": str(self.ports.get(name, "")),
            "DB_PORT": str(self.database.port),
            "PGPORT": str(self.database.port),
            **{setting: self.here(hosts.get(value, value), service) for setting, value in given},
            **more,
        }

    def command(self, name):
        service = self.services[name]
        entrypoint = service.get("entrypoint") or ["/app/deploy/entrypoint"]
        # As Compose hands it on, $$ being its way to write $.
        words = [word.replace("$$", "$") for word in [*entrypoint, *service["command"]]]
        return [self.here(word, service) for word in words]

    def start(self, name, known_as=None, **more):
        known_as = known_as or name
        assert known_as not in self.running
        self.running[known_as] = subprocess.Popen(
            self.command(name), env=self.environment(name, **more), cwd=self.folder.path
        )
        return self.running[known_as]

    def finish(self, name, **more):
        run(*self.command(name), env=self.environment(name, **more), cwd=self.folder.path)

    def backup(self, *arguments, **more):
        script = self.folder.path / "deploy/compose/backup"
        return run(script, *arguments, env=self.environment("backup", **more))

    def serve(self, name, **more):
        self.start(name, **more)
        url = f"http://127.0.0.1:{self.ports[name]}/health"
        wait_until(lambda: requests.get(url, timeout=1).ok)

    def proxy(self, site, api="api", **more):
        """Caddy with our Caddyfile, before the API that listens on `api`'s port."""
        config = self.folder.path / f"Caddyfile-{api}"
        text = (self.folder.path / "deploy/compose/Caddyfile").read_text()
        assert "api:8000" in text
        text = text.replace("api:8000", f"127.0.0.1:{self.ports[api]}")
        # Port 80 may be somebody's here.
        self.plain_port = free_port()
        config.write_text(text.replace("{\n", f"{{\n\thttp_port {self.plain_port}\n", 1))
        self.running[f"proxy-{api}"] = subprocess.Popen(
            [BIN / "caddy", "run", "--config", config, "--adapter", "caddyfile"],
            env={
                "SITE": site,
                "XDG_DATA_HOME": str(self.folder.path),
                "HOME": "/nonexistent",
                **more,
            },
            stderr=subprocess.DEVNULL,
        )

    def stop(self, *names):
        """End processes as Compose does; their exit codes."""
        stopped = {name: self.running.pop(name) for name in names or list(self.running)}
        for process in stopped.values():
            process.terminate()
        return {name: process.wait(PATIENCE) for name, process in stopped.items()}

    def sql(self, statement):
        where = self.database
        with psycopg.connect(
            host=where.host,
            port=where.port,
            user="myhealth",
            password=self.folder.secret("db_password"),
            dbname="myhealth",
        ) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchone()[0] if cursor.description else None


@pytest.fixture(scope="module")
def database():
    """A PostgreSQL of its own, as new as the one in a fresh volume."""
    var = Path(tempfile.mkdtemp(prefix="myhealth-"))
    var.chmod(0o755)
    yield embedded.join(var)
    embedded.leave(var)
    shutil.rmtree(var)


@pytest.fixture(scope="module")
def sandbox():
    service = Service("sandbox", {"SANDBOX_DAYS": "60", "SANDBOX_TODAY": ""}).start()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def composed(tmp_path_factory, database, sandbox):
    """All services but the collector, up; the collector's token is the sandbox's."""
    folder = Folder(tmp_path_factory.mktemp("compose"))
    people = requests.get(f"{sandbox.url}/_sandbox/people").json()
    key = next(each["access_token"] for each in people if each["name"] == "demo")
    folder.prepare(OURA_API_KEY=key)
    made = Composed(folder, database, {name: free_port() for name in ("api", "processor", "site")})
    try:
        run(
            folder.path / "deploy/compose/initdb.sh",
            env={
                **made.environment("db"),
                "PGHOST": database.host,
                "PGPASSWORD": database.password,
            },
        )
        for name in ("migrate", "account"):
            made.finish(name)
        for name in ("processor", "api"):
            made.serve(name)
        made.proxy(f"http://127.0.0.1:{made.ports['site']}")
        yield made
    finally:
        codes = made.stop()
    assert set(codes.values()) == {0}


@pytest.fixture(scope="module")
def site(composed):
    """What a person reaches: the proxy."""
    url = f"http://127.0.0.1:{composed.ports['site']}"
    wait_until(lambda: requests.get(f"{url}/health", timeout=1).ok)
    return url


def log_in(url, password):
    answer = requests.post(f"{url}/auth/login", json={"username": "me", "password": password})
    assert answer.ok, answer.text
    return {"Authorization": f"Bearer {answer.json()['access']}"}


@pytest.fixture(scope="module")
def collected(composed, site, sandbox):
    """The collector's first scheduled run, seen by the account's owner; the headers to ask with."""
    headers = log_in(site, composed.folder.secret("account_password"))
    collector = composed.start("collector", OURA_API_URL=sandbox.url)

    wait_until(lambda: composed.sql("SELECT count(finished_at) FROM collection_runs") == 1)
    assert collector.poll() is None
    # At seven minutes past the hour, it would change what the tests look at.
    composed.stop("collector")
    return headers


def test_what_the_collector_collects_is_read_through_the_proxy(composed, site, collected):
    for type_ in ("sleep", "activity", "readiness"):
        answer = requests.get(f"{site}/api/v1/{type_}", WHOLE, headers=collected)
        assert len(answer.json()) == composed.sql(f"SELECT count(*) FROM {type_}_metrics") > 50


@full_only
def test_a_compressed_answer_keeps_its_etag(site, collected):
    url = f"{site}/api/v1/sleep"
    first = requests.get(url, WHOLE, headers=collected)
    assert first.headers["Content-Encoding"] in ("gzip", "zstd")
    headers = {**collected, "If-None-Match": first.headers["ETag"]}
    assert requests.get(url, WHOLE, headers=headers).status_code == 304


@full_only
@pytest.mark.parametrize("name", ["api", "processor"])
def test_metrics_require_their_token(composed, site, name):
    url = f"http://127.0.0.1:{composed.ports[name]}/metrics"
    assert requests.get(url).status_code == 401
    headers = {"Authorization": f"Bearer {composed.folder.secret('metrics_token')}"}
    assert requests.get(url, headers=headers).ok


def test_proxy_refuses_bodies_larger_than_any_route_takes(site):
    body = b"x" * (16 * 1024 + 1)
    assert requests.post(f"{site}/auth/login", body).status_code == 413


@pytest.mark.parametrize("path", ["/metrics", "/health/ready"])
def test_the_proxy_keeps_what_is_for_operators(site, path):
    assert requests.get(f"{site}{path}").status_code == 404


def test_the_services_are_no_superusers_of_their_database(composed):
    assert composed.sql("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False


@full_only
def test_a_password_that_its_owner_changed_stays(composed):
    composed.finish("account", NAME="ben")
    where = "WHERE username = 'ben'"
    composed.sql(f"UPDATE accounts_user SET password = 'changed' {where} RETURNING 1")
    composed.finish("account", NAME="ben")
    assert composed.sql(f"SELECT password FROM accounts_user {where}") == "changed"


@full_only
def test_a_backup_brings_back_what_was_lost(composed, collected):
    held = composed.sql("SELECT count(*) FROM sleep_metrics")
    said = composed.backup()
    composed.sql("WITH gone AS (DELETE FROM sleep_metrics RETURNING 1) SELECT count(*) FROM gone")
    composed.backup("restore", Path(said.split()[-1]).name)
    assert composed.sql("SELECT count(*) FROM sleep_metrics") == held > 0


def refused_restore(composed, content):
    """What a restore of a file says, which leaves the database as it was."""
    held = composed.sql("SELECT count(*) FROM sleep_metrics")
    newest = Path(composed.backup().split()[-1])
    file = newest.with_name("other.dump")
    file.write_bytes(content(newest.read_bytes()))
    with pytest.raises(AssertionError) as failed:
        composed.backup("restore", file.name)
    assert composed.sql("SELECT count(*) FROM sleep_metrics") == held > 0
    return str(failed.value)


def test_file_that_is_cut_off_is_not_restored(composed, collected):
    assert "pg_restore: error" in refused_restore(composed, lambda whole: whole[:-2_000])


def test_file_that_is_no_backup_is_not_restored(composed, collected):
    assert "pg_restore: error" in refused_restore(composed, lambda whole: b"something else")


@full_only
def test_backup_of_earlier_version_is_migrated_after_restore(composed, collected):
    """Tables that came later go as well, also those that refer to others."""
    name = Path(composed.backup().split()[-1]).name
    composed.sql("CREATE TABLE later (id int REFERENCES accounts_user)")
    said = composed.backup("restore", name)
    assert composed.sql("SELECT to_regclass('later')") is None
    composed.finish("migrate")
    assert composed.sql("SELECT count(*) FROM sleep_metrics") > 0
    assert Path(re.search(r"is kept in (\S+)", said)[1]).exists()


def test_backups_are_kept_for_as_many_days_as_asked(composed):
    newest = Path(composed.backup().split()[-1])
    old, recent = newest.with_name("myhealth-old.dump"), newest.with_name("myhealth-recent.dump")
    for path, days in ((old, 16), (recent, 13)):
        path.touch()
        then = newest.stat().st_mtime - days * 86_400
        os.utime(path, (then, then))
    composed.backup()
    assert (old.exists(), recent.exists(), newest.exists()) == (False, True, True)


def log_in_behind_tailscale(url, device, password):
    headers = {
        "Host": "laptop.example.ts.net",
        "X-Forwarded-Host": "laptop.example.ts.net",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-For": device,
    }
    body = {"username": "me", "password": password}
    return requests.post(f"{url}/auth/login", json=body, headers=headers).status_code


@pytest.fixture
def behind_tailscale(composed):
    composed.ports |= {"tail-api": free_port(), "tail": free_port()}
    composed.start(
        "api",
        "tail-api",
        PORT=str(composed.ports["tail-api"]),
        TMPDIR=str(composed.folder.path),
        PUBLIC_URL="https://laptop.example.ts.net",
        TRUSTED_PROXIES="127.0.0.1/32",
    )
    url = f"http://127.0.0.1:{composed.ports['tail']}"
    overlay = (composed.folder.path / "deploy/compose/tailscale.yaml").read_text()
    front = re.search(r"FRONT_PROXIES: (.*)", overlay)[1]
    composed.proxy(f"http://:{composed.ports['tail']}", "tail-api", FRONT_PROXIES=front)
    wait_until(lambda: requests.get(f"{url}/health", timeout=1).ok)
    yield url
    composed.stop("proxy-tail-api", "tail-api")


@full_only
@pytest.mark.parametrize(
    ("device", "other"),
    [("100.64.0.8", "100.64.0.9"), ("fd7a:115c:a1e0::8", "fd7a:115c:a1e0::9")],
)
def test_guesses_behind_tailscale_count_by_device(composed, behind_tailscale, device, other):
    wrong = [log_in_behind_tailscale(behind_tailscale, device, "wrong") for _ in range(6)]
    assert wrong == [401] * 5 + [429]
    password = composed.folder.secret("account_password")
    assert log_in_behind_tailscale(behind_tailscale, other, password) == 200


@full_only
def test_clients_word_about_its_address_ends_at_proxy(composed, site):
    statuses = [
        requests.post(
            f"{site}/auth/login",
            json={"username": "nobody", "password": "wrong"},
            headers={"X-Forwarded-For": f"192.168.1.{number}"},
        ).status_code
        for number in range(6)
    ]
    assert statuses == [401] * 5 + [429]


@full_only
def test_under_a_domain_name_people_log_in_by_tls(composed, site):
    """The overlay's settings, a real handshake, and a cookie that only TLS carries."""
    composed.ports |= {"tls-api": free_port(), "tls": free_port()}
    url = f"https://localhost:{composed.ports['tls']}"
    composed.start(
        "api",
        "tls-api",
        PORT=str(composed.ports["tls-api"]),
        TMPDIR=str(composed.folder.path),
        LOCAL="off",
        PUBLIC_URL=url,
        ALLOWED_HOSTS="localhost",
        TRUSTED_PROXIES="127.0.0.1/32",
    )
    composed.proxy(url, api="tls-api")
    root = composed.folder.path / "caddy/pki/authorities/local/root.crt"
    with requests.Session() as person:
        # This machine's own idea of whom to trust would win over ours.
        person.trust_env, person.verify = False, str(root)
        wait_until(lambda: root.exists() and person.get(f"{url}/health", timeout=2).ok)
        page = person.get(f"{url}/accounts/login/")
        form = {
            "username": "me",
            "password": composed.folder.secret("account_password"),
            "csrfmiddlewaretoken": person.cookies["__Host-csrftoken"],
        }
        answer = person.post(page.url, form, headers={"Referer": page.url})
        assert answer.ok
        assert answer.url == f"{url}/"
        plain = f"http://localhost:{composed.plain_port}"
        for path in ("/auth/login", "/api/v1/sleep"):
            refused = person.post(f"{plain}{path}", allow_redirects=False)
            assert (refused.status_code, refused.json()["code"]) == (403, "https_required")
        page = person.get(f"{plain}/account/?x=1", allow_redirects=False)
        assert (page.status_code, page.headers["Location"]) == (
            301,
            "https://localhost/account/?x=1",
        )
        assert {cookie.secure for cookie in person.cookies} == {True}


# The schedule ------------------------------------------------------------------------------------


@pytest.fixture
def scheduled(tmp_path):
    """Starts a command every second, in a shell that knows $LOG; what still runs is stopped."""
    started = []

    def start(script, period="1", **more):
        command = [ROOT / "deploy/compose/schedule", period, "0", "sh", "-c", script, "sh"]
        settings = {"PATH": os.environ["PATH"], "LOG": str(tmp_path / "log"), **more}
        started.append(
            subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, process_group=0)
        )
        return started[-1], tmp_path / "log"

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_a_run_that_fails_is_told_and_tried_again(scheduled):
    schedule, log = scheduled('echo x >>"$LOG"; exit 3')
    wait_until(lambda: log.exists() and len(log.read_text().split()) >= 3)
    schedule.terminate()
    _, said = schedule.communicate(timeout=PATIENCE)
    assert b"failed with exit code 3" in said
    assert schedule.returncode == 0


def test_sigterm_reaches_the_command_under_way(scheduled):
    schedule, log = scheduled(
        'trap "echo stopped >>$LOG; exit" TERM; echo x >>$LOG; sleep 60 & wait'
    )
    wait_until(log.exists)
    schedule.terminate()
    assert schedule.wait(PATIENCE) == 0
    assert log.read_text().split() == ["x", "stopped"]


def test_run_that_somebody_asks_for_comes_between(scheduled, tmp_path):
    waiting = tmp_path / "waiting"
    # Gets the seconds until the next regular run.
    waiting.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/waited\nexec sleep 0.2\n')
    waiting.chmod(0o755)
    schedule, log = scheduled('echo "run $*" >>"$LOG"', "100000", AWAIT=f"{waiting} --seconds")
    wait_until(lambda: log.exists() and len(log.read_text().splitlines()) >= 3)
    schedule.terminate()
    assert schedule.wait(PATIENCE) == 0
    assert log.read_text().splitlines()[:3] == ["run ", "run --wanted", "run --wanted"]
    assert re.fullmatch(r"--seconds \d+", (tmp_path / "waited").read_text().splitlines()[0])


def test_sigterm_ends_the_wait_for_who_asks(scheduled, tmp_path):
    schedule, log = scheduled('echo x >>"$LOG"', "100000", AWAIT="sleep")
    wait_until(log.exists)
    schedule.terminate()
    assert schedule.wait(PATIENCE) == 0
    assert log.read_text() == "x\n"


def test_collector_waits_for_who_asks_between_its_runs(composed):
    environment = composed.services["collector"]["environment"]
    assert environment["AWAIT"] == "/app/deploy/entrypoint await_connection --seconds"
