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
    OuraError,
    OuraForbidden,
    OuraNotFound,
    OuraRateLimited,
    OuraUnauthorized,
    OuraUnavailable,
    OuraUnreachable,
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
    """Fetch a day of a collection from a server."""

    def documents(server, timeout=60.0, **options):
        with OuraClient(server.url, TOKEN, timeout=timeout, retry_time=pauses.retry_time) as client:
            return client.documents("daily_sleep", Days(DAY, DAY), **options)

    return documents


def in_turn(*replies):
    """Reply with each once, and then with the last one always."""
    remaining = list(replies)
    return lambda request: remaining.pop(0) if len(remaining) > 1 else remaining[0]


def test_pages_are_followed_to_the_last(serve, fetch):
    first = Reply({"data": [{"id": "a", "day": "2026-03-01"}], "next_token": "more"})
    last = Reply({"data": [{"id": "b", "day": "2026-03-01"}], "next_token": None})
    server = serve(in_turn(first, last))
    assert [document.id for document in fetch(server)] == ["a", "b"]
    assert "next_token=more" in server.requests[1].query


def test_documents_have_the_day_that_oura_names(serve, fetch):
    days = ["2026-02-28", None, "soon", 20260301]
    server = serve(Reply({"data": [{"day": day} for day in days], "next_token": None}))
    assert [each.day for each in fetch(server)] == [date(2026, 2, 28), None, None, None]


def test_entry_that_is_no_object_is_recognized(serve, fetch):
    server = serve(Reply({"data": [1, "x", None, [], {}], "next_token": None}))
    assert [each.is_object for each in fetch(server)] == [False, False, False, False, True]


def test_repeated_page_is_an_error(serve, fetch):
    repeated = Reply({"data": [], "next_token": "again"})
    # It ends at last, so that this test fails instead of hanging.
    server = serve(in_turn(*[repeated] * 9, Reply(EMPTY)))
    with pytest.raises(OuraBadAnswer, match="repeats a page"):
        fetch(server)
    assert len(server.requests) == 2


def test_pages_without_end_are_an_error(serve, fetch):
    tokens = iter(range(1000))
    server = serve(lambda request: Reply({"data": [], "next_token": str(next(tokens))}))
    with pytest.raises(OuraBadAnswer, match="keeps sending more pages"):
        fetch(server)
    assert len(server.requests) == 20


def test_check_asks_for_one_page(serve, pauses):
    server = serve(Reply({"data": [], "next_token": "more"}))
    with OuraClient(server.url, TOKEN, retry_time=pauses.retry_time) as client:
        client.check("sleep", Days(DAY, DAY))
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (401, OuraUnauthorized, "Create a new token"),
        (403, OuraForbidden, "membership"),
        (426, OuraForbidden, "Update the Oura app"),
        (400, OuraBadAnswer, "did not accept"),
        (302, OuraBadAnswer, "did not accept"),
        (404, OuraNotFound, "nothing at the address"),
        (413, OuraBadAnswer, "did not accept"),
        (422, OuraBadAnswer, "did not accept"),
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
    with pytest.raises(OuraUnavailable, match="broke off") as caught:
        fetch(server)
    assert caught.value.is_divisible


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
        gone.wait(60)
        return Reply(EMPTY)

    with pytest.raises(OuraUnavailable, match="in time"):
        fetch(serve(hold), timeout=0.05)
    gone.set()


def test_unreachable_server_is_an_error(serve, fetch):
    server = serve(Reply(EMPTY))
    server.close()
    with pytest.raises(OuraUnreachable, match="can't be reached"):
        fetch(server)


@pytest.mark.parametrize("status", [400, 500])
def test_part_of_a_range_is_asked_for_once(serve, fetch, status):
    server = serve(Reply({}, status))
    with pytest.raises(OuraError) as caught:
        fetch(server, is_part=True)
    assert (len(server.requests), caught.value.is_divisible) == (1, True)


def test_part_of_a_range_waits_for_the_rate_limit(serve, fetch):
    server = serve(in_turn(Reply({}, 429), Reply(EMPTY)))
    assert fetch(server, is_part=True) == []


# Whose account ------------------------------------------------------------------------------------


@pytest.fixture
def user_id(pauses):
    def ask(server):
        with OuraClient(server.url, TOKEN, retry_time=pauses.retry_time) as client:
            return client.user_id()

    return ask


def test_user_id_is_that_of_personal_info(serve, user_id):
    server = serve(Reply({"id": "8b97", "age": None}))
    assert user_id(server) == "8b97"
    assert server.paths() == ["/v2/usercollection/personal_info"]


@pytest.mark.parametrize("body", [{}, {"id": None}, {"id": ""}, {"id": True}, []])
def test_answer_without_user_id_is_an_error(serve, user_id, body):
    with pytest.raises(OuraBadAnswer, match="does not contain the account's id"):
        user_id(serve(Reply(body)))


@pytest.mark.parametrize("id", ["é", " a", "a ", "a\nb", "x" * 129])
def test_user_id_that_no_header_can_have_is_hashed(serve, user_id, id):
    found = user_id(serve(Reply({"id": id})))
    assert found.startswith("sha256:")
    assert found != user_id(serve(Reply({"id": f"{id}."})))


def test_user_id_is_asked_for_again_after_a_failure(serve, user_id):
    assert user_id(serve(in_turn(Reply({}, 503), Reply({"id": "a"})))) == "a"


def test_range_is_fetched_over_one_connection(serve, fetch):
    first = Reply({"data": [], "next_token": "more"})
    server = serve(in_turn(first, Reply(EMPTY)))
    fetch(server)
    assert len({request.client for request in server.requests}) == 1
