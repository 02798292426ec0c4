"""The pages on a phone: docs/phone.md, with a real Caddy and with what `tailscale serve` sends."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from requests.adapters import HTTPAdapter

from myhealth.limits import BodyTooLarge, LengthRequired
from myhealth.local import probes
from tests.processes import ROOT, Service, database_environment, free_port, wait_until
from tests.scale import full_only
from tests.worlds import PASSWORDS

PAGE = (ROOT / "docs/phone.md").read_text()
TAILNET = "https://laptop.example.ts.net"
# As its serve.go sets them, of a device of ana's.
TAILSCALE = {
    "Host": "laptop.example.ts.net",
    "X-Forwarded-Host": "laptop.example.ts.net",
    "X-Forwarded-Proto": "https",
    "Tailscale-User-Login": "ana@example.org",
    "Tailscale-User-Name": "ana",
}


def settings_of(heading):
    """Return the lines for `.env` under a heading, as a person pastes them."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^    ([A-Z_]+)=(\S+)$", section, re.MULTILINE))


@pytest.fixture(scope="module")
def database_settings(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        return database_environment()


def api_of_laptop(database_settings, **settings):
    return Service("api", {**database_settings, "LOCAL": "on", **settings}).start()


# The home network ---------------------------------------------------------------------------------


class Home:
    """A laptop with Caddy, and phones with addresses of their own."""

    def __init__(self, folder, api, url):
        self.api, self.url, self.folder = api, url, folder
        command = next(re.finditer(r"^    caddy (run .*)$", PAGE, re.MULTILINE))[1].split()
        port = {"API_PORT": str(api.port), "VAR_DIR": str(folder), "HOME": str(folder)}
        (folder / ".env").write_text(f"PUBLIC_URL={url}\n")
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [Path(sys.executable).with_name("caddy"), *command[:-1], folder / ".env"],
                cwd=ROOT,
                env={**os.environ, **port},
                stderr=log,
            )
        self.authority = folder / "caddy/pki/authorities/local/root.crt"
        wait_until(lambda: self.authority.exists() and Phone(self).get("/health").ok)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Phone(requests.Session):
    def __init__(self, home, address="127.0.0.1"):
        super().__init__()
        self.home, self.trust_env, self.verify = home, False, str(home.authority)
        adapter = HTTPAdapter()
        adapter.init_poolmanager(1, 1, source_address=(address, 0))
        self.mount("https://", adapter)

    def get(self, path, **options):
        return super().get(f"{self.home.url}{path}", **options)

    def sign_in(self, password=PASSWORDS["ana"], **headers):
        page = self.get("/accounts/login/")
        token = self.cookies.get("__Host-csrftoken")
        form = {"username": "ana", "password": password, "csrfmiddlewaretoken": token}
        headers |= {"Origin": self.home.url, "Referer": page.url}
        return self.post(page.url, form, headers=headers)


@pytest.fixture(scope="module")
def home(database_settings, tmp_path_factory):
    url = f"https://localhost:{free_port()}"
    settings = settings_of("Home network") | {"PUBLIC_URL": url}
    api = api_of_laptop(database_settings, **settings)
    made = Home(tmp_path_factory.mktemp("home"), api, url)
    yield made
    made.stop()
    api.stop()


@pytest.fixture
def people(transactional_db, ana):
    return ana


def test_phone_signs_in_by_caddy_with_secure_cookies(home, people):
    phone = Phone(home)
    answer = phone.sign_in()
    assert (answer.status_code, answer.url) == (200, f"{home.url}/")
    assert {cookie.name for cookie in phone.cookies} >= {"__Host-sessionid", "__Host-csrftoken"}
    assert all(cookie.secure for cookie in phone.cookies)


@full_only
@pytest.mark.skipif(sys.platform != "linux", reason="needs several loopback addresses")
def test_guesses_count_by_phone_whatever_it_says(home, people):
    guessing, other = Phone(home, "127.0.0.2"), Phone(home, "127.0.0.3")
    statuses = [
        guessing.sign_in("wrong", **{"X-Forwarded-For": f"192.168.1.{number}"}).status_code
        for number in range(6)
    ]
    assert statuses == [200] * 5 + [429]
    assert guessing.sign_in().status_code == 429
    assert other.sign_in().url == f"{home.url}/"


@pytest.mark.parametrize("path", ["/metrics", "/health/ready"])
def test_phone_reads_nothing_for_operators(home, path):
    assert Phone(home).get(path).status_code == 404


@pytest.mark.parametrize(
    ("body", "refusal"),
    [(b"x" * 20_000, BodyTooLarge(16 * 1024)), (iter([b"x" * 10_000] * 2), LengthRequired())],
    ids=["large", "chunked"],
)
def test_body_that_the_api_refuses_ends_at_caddy(home, body, refusal):
    answer = Phone(home).post(f"{home.url}/auth/login", data=body)
    assert (answer.status_code, answer.headers["Server"]) == (refusal.status_code, "Caddy")
    refused = {"detail": refusal.detail, "code": refusal.default_code, "errors": {}}
    assert answer.json() == refused


def test_keys_of_authority_are_private(home):
    keys = list(home.folder.rglob("*.key"))
    assert len(keys) == 3
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert home.authority.relative_to(home.folder).as_posix() in PAGE


def test_http_at_address_of_caddy_says_so(home):
    answer = requests.get(home.url.replace("https:", "http:"))
    assert answer.status_code == 400
    assert answer.text.strip().rstrip(".") in PAGE


def test_certificate_of_own_authority_is_no_problem_at_start(home):
    assert probes.why_not_reached(f"{home.url}/", 8000) == ""


def test_computers_own_pages_lead_to_public_url(home):
    page = requests.get(home.api.url, headers={"Accept": "text/html"})
    assert (page.status_code, page.text.partition(" instead.")[0]) == (421, f"Open {home.url}")


# Tailscale ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tailnet(database_settings):
    settings = settings_of("Tailscale")
    assert settings["PUBLIC_URL"] == TAILNET
    api = api_of_laptop(database_settings, **settings)
    yield api
    api.stop()


def ask(tailnet, method, path, *, address="100.64.0.7", cookies="", **more):
    headers = {**TAILSCALE, "X-Forwarded-For": address, "Cookie": cookies}
    url = f"{tailnet.url}{path}"
    headers |= {"Origin": TAILNET, "Referer": f"{TAILNET}/"}
    return requests.request(method, url, headers=headers, allow_redirects=False, **more)


def sign_in(tailnet, address, password=PASSWORDS["ana"]):
    page = ask(tailnet, "GET", "/accounts/login/", address=address)
    token = page.cookies["__Host-csrftoken"]
    form = {"username": "ana", "password": password, "csrfmiddlewaretoken": token}
    cookies = f"__Host-csrftoken={token}"
    path = "/accounts/login/"
    return ask(tailnet, "POST", path, address=address, cookies=cookies, data=form)


@full_only
def test_phone_signs_in_by_tailscale(tailnet, people):
    answer = sign_in(tailnet, "100.64.0.7")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert "__Host-sessionid" in answer.cookies


def test_headers_with_identity_sign_nobody_in(tailnet, people):
    answer = ask(tailnet, "GET", "/account/")
    assert answer.headers["Location"].startswith("/accounts/login/")


@full_only
def test_guesses_count_by_device_of_tailnet(tailnet, people):
    statuses = [sign_in(tailnet, "100.64.0.8", "wrong").status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
    assert sign_in(tailnet, "100.64.0.9").status_code == 302


def test_redirect_uri_is_at_public_url(tailnet, people):
    session = sign_in(tailnet, "100.64.0.7").cookies["__Host-sessionid"]
    page = ask(tailnet, "GET", "/connect/oura/register", cookies=f"__Host-sessionid={session}")
    assert f"{TAILNET}/connect/oura/callback" in page.text
