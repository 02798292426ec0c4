"""The client of the processor's API, against a stub server."""

from datetime import UTC, date, datetime

import pytest

from metrics import TYPES
from myhealth.days import Days
from oura import processor
from oura.errors import OuraForbidden, ProcessorError, ProcessorUnavailable, RunEnded
from oura.processor import Processor, batches
from oura.retries import MAX_ATTEMPTS, RetryTime
from tests.oura.answering import Reply

TOKEN = "an-ingest-token"
NOW = datetime(2026, 3, 9, tzinfo=UTC)
SPAN = Days(date(2026, 3, 1), date(2026, 3, 9))
STORED = {"status": "success", "created": 1, "updated": 0, "unchanged": 0, "rejected": []}
REJECTED = {"index": 0, "id": "a", "errors": {"score": ["Too much.", "Really."], "day": ["No."]}}
REFUSED = {"status": "failed", "created": 0, "updated": 0, "unchanged": 0, "rejected": [REJECTED]}


@pytest.fixture
def client_of():
    opened = []

    def client(server, sleep=lambda _: None):
        processor_client = Processor(
            server.url,
            TOKEN,
            user="ana",
            origin="oura",
            request_id="r",
            timeout=60,
            retry_time=RetryTime(sleep),
        )
        opened.append(processor_client)
        return processor_client

    yield client
    for each in opened:
        each.session.close()


def ingest(client, *documents, complete=SPAN):
    return list(
        client.ingest(
            "sleep", documents, fetched_at=datetime(2026, 3, 9, tzinfo=UTC), complete=complete
        )
    )


# The ledger ---------------------------------------------------------------------------------------

RANGE = {
    "from": "2010-01-01",
    "to": "2026-03-01",
    "state": "failed",
    "why": "",
    "reason": "It failed.",
    "asked_at": None,
    "next_at": "2026-03-01T12:00:00+00:00",
    "times": 2,
}


def each_type(ranges):
    return dict.fromkeys(TYPES, ranges)


def test_ledger_has_the_state_of_every_day(serve, client_of):
    server = serve(Reply(each_type([RANGE])))
    [entry] = client_of(server).ledger()["sleep"]
    assert (entry.start, entry.end) == (date(2010, 1, 1), date(2026, 3, 1))
    assert (entry.state, entry.asked_at, entry.times) == ("failed", None, 2)
    assert entry.next_at == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert server.requests[0].query == "user=ana"


def test_states_of_newer_processor_are_left_out(serve, client_of):
    server = serve(Reply(each_type([RANGE | {"state": "lost"}, RANGE])))
    assert [entry.state for entry in client_of(server).ledger()["sleep"]] == ["failed"]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Sign in</html>",
        [],
        {"sleep": []},
        each_type({}),
        each_type([{}]),
        each_type([{**RANGE, "from": "soon"}]),
        each_type([{**RANGE, "next_at": 7}]),
    ],
)
def test_malformed_ledger_is_an_error(serve, client_of, body):
    with pytest.raises(ProcessorError, match="PROCESSOR_URL"):
        client_of(serve(Reply(body))).ledger()


def test_failure_is_reported_with_all_details(serve, client_of):
    server = serve(Reply({}, 204))
    error = OuraForbidden("No.")
    error.status, error.collection, error.page = 403, "sleep", 2
    moment = datetime(2026, 3, 9, tzinfo=UTC)
    client_of(server).report_failure("sleep", [SPAN], error, asked_at=moment)
    assert server.requests[0].json == {
        "type": "sleep",
        "user": "ana",
        "asked_at": "2026-03-09T00:00:00+00:00",
        "ranges": [{"start": "2026-03-01", "end": "2026-03-09"}],
        "kind": "forbidden",
        "status": 403,
        "collection": "sleep",
        "page": 2,
    }


def test_redirect_is_an_error_and_gets_no_token(serve, client_of):
    elsewhere = serve(Reply({}))
    server = serve(Reply({}, 301, {"Location": elsewhere.url}))
    with pytest.raises(ProcessorError, match="301.*PROCESSOR_URL"):
        client_of(server).ledger()
    assert elsewhere.requests == []


# Deleted data -----------------------------------------------------------------------------------


def with_generation(reply):
    """Reply to all but the ledger; the ledger has a generation."""
    return lambda request: (
        Reply(each_type([]), headers={"Data-Generation": "one"})
        if request.method == "GET"
        else reply
    )


SENDING = {
    "documents": ingest,
    "failure": lambda client: client.report_failure("sleep", [SPAN], OuraForbidden(), asked_at=NOW),
    "end": lambda client: client.finish_run(),
}
each_sending = pytest.mark.parametrize("what", SENDING)


@each_sending
def test_generation_of_the_ledger_is_sent_back(serve, client_of, what):
    server = serve(with_generation(Reply(STORED, 201)))
    client = client_of(server)
    client.ledger()
    SENDING[what](client)
    assert server.requests[1].headers["Data-Generation"] == "one"


@each_sending
def test_processor_without_generations_gets_none(serve, client_of, what):
    server = serve(lambda request: Reply(each_type([]) if request.method == "GET" else STORED))
    client = client_of(server)
    client.ledger()
    SENDING[what](client)
    assert "Data-Generation" not in server.requests[1].headers


@each_sending
@pytest.mark.parametrize(("status", "code"), [(409, "data_deleted"), (400, "unknown_user")])
def test_deletion_ends_the_run(serve, client_of, what, status, code):
    server = serve(with_generation(Reply({"detail": "No.", "code": code}, status)))
    client = client_of(server)
    client.ledger()
    with pytest.raises(RunEnded):
        SENDING[what](client)
    assert len(server.requests) == 2


@each_sending
def test_other_conflict_is_an_error(serve, client_of, what):
    client = client_of(serve(with_generation(Reply({"detail": "No.", "code": "other"}, 409))))
    client.ledger()
    with pytest.raises(ProcessorError, match="No"):
        SENDING[what](client)


def test_account_unknown_from_the_start_is_an_error(serve, client_of):
    server = serve(Reply({"detail": "No such account.", "code": "unknown_user"}, 400))
    with pytest.raises(ProcessorError, match="No such account"):
        client_of(server).ledger()


# Ingest -------------------------------------------------------------------------------------------


def test_documents_are_sent_with_user_origin_time_and_range(serve, client_of):
    server = serve(Reply(STORED, 201))
    [receipt] = ingest(client_of(server), {"id": "a", "day": "2026-03-02"})
    assert server.requests[0].json == {
        "type": "sleep",
        "user": "ana",
        "origin": "oura",
        "owner": None,
        "fetched_at": "2026-03-09T00:00:00+00:00",
        "read": {"start": "2026-03-01", "end": "2026-03-09"},
        "data": [{"id": "a", "day": "2026-03-02"}],
    }
    assert server.requests[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert (receipt.created, receipt.rejected) == (1, ())


def test_documents_without_range_are_sent_without_read(serve, client_of):
    server = serve(Reply(STORED, 201))
    ingest(client_of(server), {"id": "a", "day": None}, complete=None)
    assert server.requests[0].json["read"] is None


def test_nothing_without_range_is_no_request(serve, client_of):
    server = serve(Reply(STORED, 201))
    assert ingest(client_of(server), complete=None) == []
    assert server.requests == []


def test_rejection_of_every_document_is_a_receipt(serve, client_of):
    server = serve(Reply(REFUSED, 400, {"Rejected-Again": "1"}))
    [receipt] = ingest(client_of(server), {"id": "a", "day": "2026-03-02"})
    assert receipt.rejected == (
        "The processor rejected document a: score: Too much. Really.; day: No.",
    )
    assert receipt.rejected_again == 1


@pytest.mark.parametrize(
    "body",
    [
        b"<html></html>",
        [],
        {},
        {**STORED, "created": None},
        {**STORED, "rejected": 7},
        {**STORED, "rejected": [7]},
        {**STORED, "rejected": [{"id": "a", "errors": []}]},
    ],
)
def test_malformed_receipt_is_an_error(serve, client_of, body):
    with pytest.raises(ProcessorError, match="can't understand the processor's answer"):
        ingest(client_of(serve(Reply(body, 201))))


def test_temporary_failure_is_retried_after_the_requested_wait(serve, client_of):
    replies = [Reply({}, 503, {"Retry-After": "3"}), Reply(STORED, 201)]
    pauses = []
    server = serve(lambda request: replies.pop(0))
    assert len(ingest(client_of(server, pauses.append))) == 1
    assert pauses == [3.0]


def test_lasting_failure_is_raised_after_all_attempts(serve, client_of):
    server = serve(Reply({}, 500))
    with pytest.raises(ProcessorUnavailable, match="500"):
        ingest(client_of(server))
    assert len(server.requests) == MAX_ATTEMPTS


def test_reason_of_lasting_failure_is_told(serve, client_of):
    server = serve(Reply({"detail": "Run `manage.py migrate`."}, 503))
    with pytest.raises(ProcessorUnavailable, match=r"failed \(503\)\. Run `manage.py migrate`\."):
        ingest(client_of(server))


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(401, "INGEST_TOKENS"), (400, "rejected the request: No such account.")],
)
def test_refusal_is_raised_at_once(serve, client_of, status, sentence):
    server = serve(Reply({"detail": "No such account."}, status))
    with pytest.raises(ProcessorError, match=sentence):
        ingest(client_of(server))
    assert len(server.requests) == 1


# Batches ------------------------------------------------------------------------------------------


def daily(*days, size=0):
    return [{"id": day, "day": f"2026-03-0{day}", "source": "x" * size} for day in days]


def split(documents, complete=SPAN):
    return [
        (len(texts), part and (part.start.day, part.end.day))
        for texts, part in batches(documents, complete)
    ]


def test_range_without_documents_is_one_batch():
    assert split([]) == [(0, (1, 9))]


def test_many_documents_are_split_with_their_range(monkeypatch):
    monkeypatch.setattr(processor, "MAX_BATCH_DOCUMENTS", 2)
    assert split(daily(2, 3, 5, 7, 8)) == [(2, (1, 3)), (2, (4, 7)), (1, (8, 9))]


def test_large_documents_are_split_with_their_range():
    large = processor.MAX_BATCH_BYTES // 2
    assert split(daily(2, 4, 6, size=large)) == [(1, (1, 2)), (1, (3, 4)), (1, (5, 9))]


def test_every_batch_is_of_bounded_size():
    documents = daily(*range(1, 10), size=processor.MAX_BATCH_BYTES // 3)
    sizes = [sum(map(len, texts)) for texts, _ in batches(documents, SPAN)]
    assert max(sizes) <= processor.MAX_BATCH_BYTES
    assert len(sizes) < len(documents)


def test_documents_without_range_are_split_too(monkeypatch):
    monkeypatch.setattr(processor, "MAX_BATCH_DOCUMENTS", 2)
    assert split([{"id": "a"}] * 3, complete=None) == [(2, None), (1, None)]
