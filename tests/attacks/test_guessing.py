"""Guessing passwords: from many connections, of many names, from many addresses."""

import itertools
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import requests

from tests.attacks.attacking import HOST, Browser, at_once
from tests.processes import ROOT, free_port, wait_until
from tests.scale import scaled
from tests.worlds import PASSWORDS

CONNECTIONS = 32
# Seconds of an attack: enough for some of its tries, or for all that a network has.
SECONDS = scaled(1, 5)
CHECKED = 401


def try_login(api, name, address="198.51.100.9", password="a wrong guess"):
    credentials = {"username": name, "password": password}
    return api.ask("POST", "/auth/login", credentials, timeout=30, X_Forwarded_For=address)


def all_checked(answers):
    """Return how many passwords were looked at; those refused were told when to come back."""
    refused = [answer for answer in answers if answer.status != CHECKED]
    assert {answer.status for answer in refused} <= {429, 503}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    return len(answers) - len(refused)


class PageTries:
    """Tries on a page with a form, each connection with a cookie and a token of its own."""

    def __init__(self, api, path):
        self.path = path
        self.browsers = [Browser(api, "198.51.100.9") for _ in range(CONNECTIONS)]
        self.tokens = [browser.csrf_token(path) for browser in self.browsers]

    def __call__(self, number, name):
        form = {
            "csrfmiddlewaretoken": self.tokens[number],
            "username": name,
            "password": "a wrong guess",
        }
        answer = self.browsers[number].ask("POST", self.path, form)
        # The page says in words that the password was wrong.
        answer.status = CHECKED if answer.status == 200 else answer.status
        return answer


def attack(tries):
    """Try new names on all connections until the time is over; return the answers."""
    over = time.monotonic() + SECONDS
    names, lock, answers = itertools.count(), threading.Lock(), []

    def connection(number):
        while time.monotonic() < over:
            answer = tries(number, f"stranger {next(names)}")
            with lock:
                answers.append(answer)

    at_once(CONNECTIONS, connection)
    return answers


@pytest.mark.parametrize(
    "path", ["/auth/login", *scaled([], ["/admin/login/", "/accounts/login/"])]
)
def test_new_names_from_one_network_stop_nobody(path, api, watch):
    if path == "/auth/login":
        tries = lambda number, name: try_login(api, name)  # noqa: E731
    else:
        tries = PageTries(api, path)
    with watch:
        answers = attack(tries)
    assert all_checked(answers) <= 50
    watch.assert_held()


def test_many_hashes_at_once_are_refused(api, watch):
    with watch:
        answers = at_once(
            CONNECTIONS, lambda number: try_login(api, f"busy {number}", f"203.0.113.{number}")
        )
        watch.wait_for_samples(8)
    # Two hashes and four who wait, in each of two workers; one that ends makes room for another.
    assert 2 <= all_checked(answers) < CONNECTIONS - 4
    watch.assert_held()


def test_forty_tries_at_once_are_five_guesses(api, ana):
    answers = at_once(40, lambda _: try_login(api, "ana"))
    # Those that found hashing busy were no guesses either.
    assert 1 <= all_checked(answers) <= 5


def test_addresses_of_one_home_are_one_network(api, ana):
    addresses = [f"2001:db8:1:2::{number:x}" for number in range(1, scaled(30, 110) + 1)]
    answers = [try_login(api, "ana", address) for address in addresses]
    assert all_checked(answers) == 5
    right = try_login(api, "ana", "2001:db8:1:2:ffff::1", PASSWORDS["ana"])
    assert right.status == 429
    assert try_login(api, "ana", "192.0.2.77", PASSWORDS["ana"]).status == 200


def test_four_pairs_of_spellings_are_one_name(api, ana):
    names = ["ana", "ANA", "Ana", "aNa"] * scaled(4, 10)
    assert all_checked([try_login(api, name) for name in names]) == 5


def test_unknown_names_are_limited_like_known_ones(api, ana):
    answers = [try_login(api, "nobody of that name") for _ in range(7)]
    assert all_checked(answers) == 5


@pytest.fixture
def proxy(api, tmp_path):
    """The port of the proxy of compose.yaml, in front of the API."""
    port = free_port()
    text = (ROOT / "deploy" / "compose" / "Caddyfile").read_text().partition("\nhttp:// {")[0]
    # As if the browser spoke https to it.
    upstream = f"reverse_proxy 127.0.0.1:{api.port} {{\nheader_up X-Forwarded-Proto https"
    file = tmp_path / "Caddyfile"
    file.write_text(text.replace("reverse_proxy api:8000 {", upstream))
    environment = {**os.environ, "SITE": f"http://:{port}", "HOME": str(tmp_path)}
    command = [Path(sys.executable).with_name("caddy"), "run", "--config", file]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [*command, "--adapter", "caddyfile"], env=environment, stderr=log
        ) as process,
    ):
        try:
            wait_until(lambda: requests.get(f"http://127.0.0.1:{port}/health", timeout=1).ok)
            yield port
        finally:
            process.terminate()


@pytest.mark.parametrize(
    "name", scaled(["X_Forwarded_For"], ["X_Forwarded_For", "X-Forwarded_For", "X-Forwarded-For"])
)
def test_clients_word_about_its_address_counts_nothing(name, api, ana, proxy):
    credentials = {"username": "ana", "password": "a wrong guess"}
    statuses = [
        requests.post(
            f"http://127.0.0.1:{proxy}/auth/login",
            json=credentials,
            headers={"Host": HOST, name: f"192.0.2.{number}"},
        ).status_code
        for number in range(7)
    ]
    assert statuses == [CHECKED] * 5 + [429] * 2


def test_wrong_guesses_leave_no_name_in_log(api, ana):
    before = api.log.stat().st_size
    for number in range(2):
        try_login(api, f"typedapasswordhere{number}")
    assert "/auth/login" in api.said(before)
    assert "typedapasswordhere" not in api.said(before)
