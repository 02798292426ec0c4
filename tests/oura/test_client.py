"""The client of Oura's API, against a real small server that misbehaves."""

import gzip
import json
import threading
from datetime import date
from typing import Any

import pytest
import requests

from myhealth.days import Days
from oura import exchange
from oura.client import OuraClient
from oura.errors import (
    OuraBadAnswer,
    OuraForbidden,
    OuraRateLimited,
    OuraUnauthorized,
    OuraUnavailable,
)
from oura.exchange import ask
from oura.retries import ATTEMPTS, Waiting
from tests.oura.answering import Reply

DAY = date(2026, 3, 1)
TOKEN = "a-secret-token"
EMPTY: dict[str, Any] = {"data": [], "next_token": None}


class Pauses(list[float]):
    """What was waited, and how to wait it."""

    @property
    def waiting(self):
        return Waiting(self.append)


@pytest.fixture
def pauses():
    return Pauses()


@pytest.fixture
def read(pauses):
    """Read the days start to end of a collection from a server."""

    def documents(server, start=DAY, end=DAY, timeout=5.0):
        with OuraClient(server.url, TOKEN, timeout=timeout, waiting=pauses.waiting) as client:
            return client.documents("daily_sleep", Days(start, end))

    return documents


def in_turn(*replies):
    """Each reply once, the last for ever."""
    left = list(replies)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]


def test_pages_are_followed_to_the_last(serve, read):
    first = Reply({"data": [{"id": "a", "day": "2026-03-01"}], "next_token": "more"})
    last = Reply({"data": [{"id": "b", "day": "2026-03-01"}], "next_token": None})
    server = serve(in_turn(first, last))
    assert [document["id"] for document in read(server)] == ["a", "b"]
    assert "next_token=more" in server.asked[1].query


def test_only_the_wanted_days_and_those_without_one_are_kept(serve, read):
    days = ["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03", None, "soon"]
    server = serve(Reply({"data": [{"day": day} for day in days], "next_token": None}))
    found = read(server, DAY, date(2026, 3, 2))
    assert [each["day"] for each in found] == ["2026-03-01", "2026-03-02", None, "soon"]


def test_a_page_that_repeats_is_an_error_and_no_endless_loop(serve, read):
    again = Reply({"data": [], "next_token": "again"})
    # It ends at last, so that this test would fail and not hang.
    server = serve(in_turn(*[again] * 9, Reply(EMPTY)))
    with pytest.raises(OuraBadAnswer, match="repeats a page"):
        read(server)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (401, OuraUnauthorized, "Make a new one"),
        (403, OuraForbidden, "membership"),
        (426, OuraForbidden, "Update the Oura app"),
        (400, OuraBadAnswer, "did not accept"),
        (302, OuraBadAnswer, "did not accept"),
    ],
)
def test_a_lasting_refusal_is_told_at_once(serve, read, status, error, sentence):
    server = serve(Reply({}, status, {"Location": "/elsewhere"}))
    with pytest.raises(error, match=sentence) as told:
        read(server)
    assert len(server.asked) == 1
    assert TOKEN not in str(told.value)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(serve, read, status):
    server = serve(in_turn(Reply({}, status), Reply(EMPTY)))
    assert read(server) == []
    assert len(server.asked) == 2


def test_a_rate_limits_wait_is_kept(serve, read, pauses):
    server = serve(in_turn(Reply({}, 429, {"Retry-After": "7"}), Reply(EMPTY)))
    read(server)
    assert pauses == [7.0]


def test_a_rate_limit_of_an_hour_is_told_at_once(serve, read, pauses):
    server = serve(Reply({}, 429, {"Retry-After": "3600"}))
    with pytest.raises(OuraRateLimited):
        read(server)
    assert (len(server.asked), pauses) == (1, [])


@pytest.mark.parametrize(
    "body", [b'{"data": [{"id": "', b"<html></html>", b"", b'{"data": [NaN], "next_token": null}']
)
def test_broken_json_is_never_taken_for_an_empty_page(serve, read, body):
    server = serve(Reply(body))
    with pytest.raises(OuraUnavailable, match="not valid JSON"):
        read(server)
    assert len(server.asked) == ATTEMPTS


@pytest.mark.parametrize(
    "body", [[], {}, {"data": None}, {"data": {}}, {"data": [], "next_token": 7}]
)
def test_an_answer_without_a_list_is_an_error(serve, read, body):
    with pytest.raises(OuraBadAnswer):
        read(serve(Reply(body)))


def test_a_body_that_breaks_off_is_never_taken_for_a_whole_one(serve, read):
    whole = json.dumps(EMPTY).encode()
    server = serve(Reply(whole, headers={"Content-Length": str(len(whole) + 10)}))
    with pytest.raises(OuraUnavailable, match="can't be reached"):
        read(server)


def test_a_compressed_body_is_read(serve, read):
    body = gzip.compress(json.dumps(EMPTY).encode())
    assert read(serve(Reply(body, headers={"Content-Encoding": "gzip"}))) == []


@pytest.mark.parametrize("compressed", [False, True])
def test_a_body_beyond_all_measure_is_not_read_to_its_end(serve, read, compressed):
    body = b" " * (exchange.MOST_BYTES + 1)
    encoding = {"Content-Encoding": "gzip"} if compressed else {}
    server = serve(Reply(gzip.compress(body, 1) if compressed else body, headers=encoding))
    with pytest.raises(OuraBadAnswer, match="larger than"):
        read(server)


def dripping(gone):
    """A byte now and then, for ever."""
    while not gone.wait(0.02):
        yield b" "


def test_a_body_that_drips_ends_at_the_deadline(serve):
    gone = threading.Event()
    server = serve(Reply(dripping(gone)))
    with requests.Session() as session, pytest.raises(requests.Timeout):
        ask(session, "GET", server.url, timeout=5, most_seconds=0.2)
    gone.set()


def test_a_server_that_does_not_answer_is_given_up(serve, read):
    gone = threading.Event()

    def hold(asked):
        gone.wait(5)
        return Reply(EMPTY)

    with pytest.raises(OuraUnavailable, match="in time"):
        read(serve(hold), timeout=0.05)
    gone.set()


def test_a_server_that_is_away_is_told(read, serve):
    server = serve(Reply(EMPTY))
    server.close()
    with pytest.raises(OuraUnavailable, match="can't be reached"):
        read(server)


def test_one_connection_serves_a_whole_range(serve, read):
    first = Reply({"data": [], "next_token": "more"})
    server = serve(in_turn(first, Reply(EMPTY)))
    read(server)
    assert len({asked.client for asked in server.asked}) == 1


def test_the_days_come_by_a_small_answer(serve, pauses):
    found = [{"day": "2026-02-27"}, {"day": "2026-03-01"}, {"day": "2026-03-03"}]
    server = serve(Reply({"data": found, "next_token": None}))
    with OuraClient(server.url, TOKEN, waiting=pauses.waiting) as client:
        assert client.days("sleep", Days(DAY, date(2026, 3, 2))) == ({DAY}, True)
    assert "fields=day" in server.asked[0].query


def test_a_list_with_an_entry_without_a_day_is_not_certain(serve, pauses):
    server = serve(Reply({"data": [{"day": "2026-03-01"}, {"day": None}], "next_token": None}))
    with OuraClient(server.url, TOKEN, waiting=pauses.waiting) as client:
        assert client.days("sleep", Days(DAY, date(2026, 3, 2))) == ({DAY}, False)
