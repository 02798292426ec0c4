"""Signing in through real proxies with TLS, set up as people do it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.processes import Service, free_port, wait_until
from tests.scale import full_only
from tests.worlds import PASSWORDS

CADDYFILE = """
{{
    admin off
    persist_config off
    skip_install_trust
    auto_https disable_redirects
}}
{site} {{
    tls internal
    reverse_proxy 127.0.0.1:{port} {{
        {options}
    }}
}}
"""
# What some proxies send by default: the name without its port, or that of the server behind them.
WITHOUT_PORT = "header_up Host localhost"
OWN_NAME = "header_up Host {upstream_hostport}"
SILENT = "header_up -X-Forwarded-Proto"


class Proxy:
    """Caddy with a certificate of its own, in front of an API that runs on the same machine."""

    def __init__(self, folder, database_settings, options, **settings):
        self.url = f"https://localhost:{free_port()}"
        self.api = Service("api", {**database_settings, "PUBLIC_URL": self.url, **settings})
        self.api.start()
        file, self.folder = folder / "Caddyfile", folder
        text = CADDYFILE.format(site=self.url, port=self.api.port, options=options)
        file.write_text(text)
        command = [Path(sys.executable).with_name("caddy"), "run", "--adapter", "caddyfile"]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, "--config", file],
                env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)},
                stderr=log,
            )
        root = folder / "caddy/pki/authorities/local/root.crt"
        self.person = requests.Session()
        self.person.trust_env, self.person.verify = False, str(root)
        wait_until(lambda: root.exists() and self.get("/health").ok)

    def get(self, path, **headers):
        return self.person.get(f"{self.url}{path}", headers=headers)

    def sign_in(self):
        page = self.get("/accounts/login/")
        token = self.person.cookies.get("__Host-csrftoken")
        form = {"username": "ana", "password": PASSWORDS["ana"], "csrfmiddlewaretoken": token}
        headers = {"Origin": self.url, "Referer": page.url}
        return self.person.post(page.url, form, headers=headers)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.api.stop()


@pytest.fixture
def proxy(transactional_db, ana, database_settings, tmp_path):
    started = []

    def start(options="", **settings):
        started.append(Proxy(tmp_path, database_settings, options, **settings))
        return started[0]

    yield start
    for each in started:
        each.stop()


@full_only
@pytest.mark.parametrize("options", ["", WITHOUT_PORT, OWN_NAME])
def test_people_sign_in_through_tunnel_of_this_machine(proxy, options):
    tunnel = proxy(options)
    answer = tunnel.sign_in()
    assert (answer.status_code, answer.url) == (200, f"{tunnel.url}/")


@full_only
@pytest.mark.parametrize("options", ["", WITHOUT_PORT])
def test_people_sign_in_through_named_proxy(proxy, options):
    server = proxy(options, LOCAL="off", ALLOWED_HOSTS="", TRUSTED_PROXIES="127.0.0.1")
    assert server.sign_in().url == f"{server.url}/"


@full_only
@pytest.mark.parametrize("options", [SILENT, f"{SILENT}\n{OWN_NAME}"])
def test_proxy_without_scheme_is_told_instead_of_redirected(proxy, options):
    answer = proxy(options, TRUSTED_PROXIES="127.0.0.1").get("/", Accept="text/html")
    assert (answer.status_code, answer.history) == (421, [])
    assert "must send the header X-Forwarded-Proto" in answer.text
