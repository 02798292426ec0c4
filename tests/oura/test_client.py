"""The client of Oura's API, against a stub server that misbehaves."""

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
from oura.exchange import send_request
from oura.retries import MAX_ATTEMPTS, RetryTime
from tests.oura.answering import Reply

DAY = date(2026, 3, 1)
TOKEN = "a-secret-token"
EMPTY: dict[str, Any] = {"data": [], "next_token": None}


class Pauses(list[float]):
    """The seconds of each pause; `retry_time` adds to them instead of retry_time."""

    @property
    def retry_time(self):
        return RetryTime(self.append)


@pytest.fixture
def pauses():
    return Pauses()


@pytest.fixture
def fetch(pauses):
    """Fetch the days start to end of a collection from a server."""

    def documents(server, start=DAY, end=DAY, timeout=5.0):
        with OuraClient(server.url, TOKEN, timeout=timeout, retry_time=pauses.retry_time) as client:
            return client.documents("daily_sleep", Days(start, end))

    return documents


def in_turn(*replies):
    """Reply with each once, and then with the last one always."""
    remaining = list(replies)
    return lambda request: remaining.pop(0) if len(remaining) > 1 else remaining[0]


def test_pages_are_followed_to_the_last(serve, fetch):
    first = Reply({"data": [{"id": "a", "day": "2026-03-01"}], "next_token": "more"})
    last = Reply({"data": [{"id": "b", "day": "2026-03-01"}], "next_token": None})
    server = serve(in_turn(first, last))
    assert [document["id"] for document in fetch(server)] == ["a", "b"]
    assert "next_token=more" in server.requests[1].query


def test_only_wanted_days_and_undated_documents_are_returned(serve, fetch):
    days = ["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03", None, "soon"]
    server = serve(Reply({"data": [{"day": day} for day in days], "next_token": None}))
    documents = fetch(server, DAY, date(2026, 3, 2))
    assert [each["day"] for each in documents] == ["2026-03-01", "2026-03-02", None, "soon"]


def test_repeated_page_is_an_error(serve, fetch):
    repeated = Reply({"data": [], "next_token": "again"})
    # It ends at last, so that this test fails instead of hanging.
    server = serve(in_turn(*[repeated] * 9, Reply(EMPTY)))
    with pytest.raises(OuraBadAnswer, match="repeats a page"):
        fetch(server)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (401, OuraUnauthorized, "Create a new token"),
        (403, OuraForbidden, "membership"),
        (426, OuraForbidden, "Update the Oura app"),
        (400, OuraBadAnswer, "did not accept"),
        (302, OuraBadAnswer, "did not accept"),
    ],
)
def test_permanent_error_is_raised_at_once(serve, fetch, status, error, sentence):
    server = serve(Reply({}, status, {"Location": "/elsewhere"}))
    with pytest.raises(error, match=sentence) as caught:
        fetch(server)
    assert len(server.requests) == 1
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_temporary_failure_is_retried(serve, fetch, status):
    server = serve(in_turn(Reply({}, status), Reply(EMPTY)))
    assert fetch(server) == []
    assert len(server.requests) == 2


def test_retry_after_is_respected(serve, fetch, pauses):
    server = serve(in_turn(Reply({}, 429, {"Retry-After": "7"}), Reply(EMPTY)))
    fetch(server)
    assert pauses == [7.0]


def test_rate_limit_of_an_hour_is_raised_at_once(serve, fetch, pauses):
    server = serve(Reply({}, 429, {"Retry-After": "3600"}))
    with pytest.raises(OuraRateLimited):
        fetch(server)
    assert (len(server.requests), pauses) == (1, [])


@pytest.mark.parametrize(
    "body", [b'{"data": [{"id": "', b"<html></html>", b"", b'{"data": [NaN], "next_token": null}']
)
def test_invalid_json_is_not_an_empty_page(serve, fetch, body):
    server = serve(Reply(body))
    with pytest.raises(OuraUnavailable, match="not valid JSON"):
        fetch(server)
    assert len(server.requests) == MAX_ATTEMPTS


@pytest.mark.parametrize(
    "body", [[], {}, {"data": None}, {"data": {}}, {"data": [], "next_token": 7}]
)
def test_answer_without_a_list_is_an_error(serve, fetch, body):
    with pytest.raises(OuraBadAnswer):
        fetch(serve(Reply(body)))


def test_truncated_body_is_an_error(serve, fetch):
    body = json.dumps(EMPTY).encode()
    server = serve(Reply(body, headers={"Content-Length": str(len(body) + 10)}))
    with pytest.raises(OuraUnavailable, match="can't be reached"):
        fetch(server)


def test_compressed_body_is_decoded(serve, fetch):
    body = gzip.compress(json.dumps(EMPTY).encode())
    assert fetch(serve(Reply(body, headers={"Content-Encoding": "gzip"}))) == []


@pytest.mark.parametrize("compressed", [False, True])
def test_body_above_the_limit_is_an_error(serve, fetch, compressed):
    body = b" " * (exchange.MAX_RESPONSE_BYTES + 1)
    encoding = {"Content-Encoding": "gzip"} if compressed else {}
    server = serve(Reply(gzip.compress(body, 1) if compressed else body, headers=encoding))
    with pytest.raises(OuraBadAnswer, match="larger than"):
        fetch(server)


def slow_body(gone):
    """Yield a byte now and then, until the event is set."""
    while not gone.wait(0.02):
        yield b" "


def test_slow_body_ends_at_the_deadline(serve):
    gone = threading.Event()
    server = serve(Reply(slow_body(gone)))
    with requests.Session() as session, pytest.raises(requests.Timeout):
        send_request(session, "GET", server.url, timeout=5, max_seconds=0.2)
    gone.set()


def test_server_that_does_not_answer_times_out(serve, fetch):
    gone = threading.Event()

    def hold(request):
        gone.wait(5)
        return Reply(EMPTY)

    with pytest.raises(OuraUnavailable, match="in time"):
        fetch(serve(hold), timeout=0.05)
    gone.set()


def test_unreachable_server_is_an_error(serve, fetch):
    server = serve(Reply(EMPTY))
    server.close()
    with pytest.raises(OuraUnavailable, match="can't be reached"):
        fetch(server)


def test_range_is_fetched_over_one_connection(serve, fetch):
    first = Reply({"data": [], "next_token": "more"})
    server = serve(in_turn(first, Reply(EMPTY)))
    fetch(server)
    assert len({request.client for request in server.requests}) == 1


def test_days_asks_for_one_field(serve, pauses):
    entries = [{"day": "2026-02-27"}, {"day": "2026-03-01"}, {"day": "2026-03-03"}]
    server = serve(Reply({"data": entries, "next_token": None}))
    with OuraClient(server.url, TOKEN, retry_time=pauses.retry_time) as client:
        assert client.days("sleep", Days(DAY, date(2026, 3, 2))) == ({DAY}, True)
    assert "fields=day" in server.requests[0].query


def test_days_with_undated_entry_is_not_certain(serve, pauses):
    server = serve(Reply({"data": [{"day": "2026-03-01"}, {"day": None}], "next_token": None}))
    with OuraClient(server.url, TOKEN, retry_time=pauses.retry_time) as client:
        assert client.days("sleep", Days(DAY, date(2026, 3, 2))) == ({DAY}, False)
