"""One account's collection, with stub servers in place of Oura and the processor."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from metrics import TYPES
from myhealth.days import Days
from oura.accounts import KeyAccount
from oura.client import OuraClient
from oura.collector import Collector, RangeResult
from oura.plan import CollectOptions
from oura.processor import Processor
from oura.provider import SCOPES
from oura.report import Problem, Report, Tally
from oura.retries import LONGEST_WAIT, RetryTime
from tests.oura.answering import Reply

TODAY = date(2026, 10, 27)
NAMES = list(TYPES)
DATES = ("start_date", "end_date")


def ledger_range(start, end, state, **changes):
    """A range as in the processor's ledger."""
    values = {"why": "", "asked_at": None, "next_at": None, "times": 0, **changes}
    return {"from": start, "to": end, "state": state, "reason": None, **values}


def ledger(*ranges):
    """The same for each type; without ranges, one that was never fetched."""
    return dict.fromkeys(NAMES, ranges or [ledger_range("2010-01-01", "2026-10-28", "not_asked")])


ALL_STORED = ledger(
    ledger_range("2010-01-01", "2026-10-28", "held", asked_at="2026-10-27T00:00:00Z")
)


def accept(request, days=None, owner=""):
    """Reply as a processor that has these days, or none, and stores everything."""
    if request.method == "GET":
        return Reply(days or ledger(), headers={"Owner": owner} if owner else {})
    if request.path != "/api/v1/ingest":
        return Reply({})
    body = {"created": len(request.json["data"]), "updated": 0, "unchanged": 0, "rejected": []}
    return Reply(body, 201)


def oura(**collections):
    """Reply as Oura with these documents of each collection; a Reply is sent unchanged."""

    def reply(request):
        name = request.path.rsplit("/", 1)[-1]
        if name == "personal_info":
            return collections.get(name, Reply({"id": "ana-at-oura"}))
        documents = collections.get(name, [])
        if isinstance(documents, Reply):
            return documents
        return Reply({"data": documents, "next_token": None})

    return reply


@dataclass(frozen=True)
class Account(KeyAccount):
    """Ana's account, at a stub server; `without` are scopes that she did not grant."""

    url: str
    without: tuple[str, ...] = ()

    def has_scope(self, scope):
        return scope not in self.without

    def client(self, retry_time):
        return OuraClient(self.url, self.key, retry_time=retry_time)


class Collection:
    """A collector between two stub servers."""

    def __init__(self, oura_server, processor_server, options, without):
        self.oura, self.processor, self.pauses = oura_server, processor_server, []
        self.retry_time = RetryTime(self.pauses.append)
        self.report = Report(dry_run=options.dry_run)
        self.client = Processor(
            processor_server.url,
            "token",
            user="ana",
            origin="oura",
            request_id="r",
            retry_time=self.retry_time,
        )
        self.collector = Collector(
            Account("ana", "token", oura_server.url, without),
            self.client,
            options,
            self.report,
            clock=lambda: datetime(2026, 10, 27, 12, tzinfo=UTC),
        )

    def run(self, *types):
        self.collector.collect(types or NAMES, self.retry_time)
        return self.report

    @property
    def sent(self):
        return [
            request.json for request in self.processor.requests if request.path == "/api/v1/ingest"
        ]

    @property
    def errors(self):
        return {(problem.type, problem.error) for problem in self.report.problems}


@pytest.fixture
def collection(serve):
    collections = []

    def make(reply, processor=accept, *, without=(), **options):
        collections.append(
            Collection(serve(reply), serve(processor), CollectOptions(**options), without)
        )
        return collections[-1]

    yield make
    for opened in collections:
        opened.client.session.close()


def document(day="2026-10-27", **values):
    return {"id": f"id-{day}", "day": day, **values}


# Deleted data -----------------------------------------------------------------------------------


def deleting(path, after=0):
    """Reply as a processor whose data are deleted after some requests for a path."""
    left = [after]

    def reply(request):
        if request.method == "GET":
            return Reply(ledger(), headers={"Data-Generation": "one"})
        left[0] -= request.path == path
        if left[0] < 0:
            return Reply({"detail": "They are deleted.", "code": "data_deleted"}, 409)
        return accept(request)

    return reply


@pytest.mark.parametrize("after", [0, 1])
def test_run_ends_quietly_when_data_are_deleted(collection, after):
    run = collection(oura(daily_activity=[document()]), deleting("/api/v1/ingest", after))
    report = run.run()
    assert (report.problems, report.status, report.is_cut_short) == ([], "ok", True)
    assert run.processor.paths("POST") == ["/api/v1/ingest"] * (after + 1)


@pytest.mark.parametrize("status", [401, 500])
def test_failures_of_a_run_for_deleted_data_are_none(collection, status):
    answers = {name: Reply({}, status) for each in TYPES.values() for name in each.collections}
    run = collection(oura(**answers), deleting("/api/v1/reports"))
    report = run.run()
    assert (report.problems, report.status) == ([], "ok")
    assert run.processor.paths("POST") == ["/api/v1/reports"]


def test_end_of_a_run_for_deleted_data_is_no_problem(collection):
    run = collection(oura(), deleting("/api/v1/runs"))
    assert run.run().problems == []


@pytest.mark.parametrize("last", ["start_date=2026-10", "start_date=201"])
def test_nothing_is_sent_after_the_connection_was_deleted(collection, monkeypatch, last):
    run = collection(oura(daily_activity=[document()]))
    was_asked = lambda: any(last in request.query for request in run.oura.requests)  # noqa: E731
    monkeypatch.setattr(Account, "exists", lambda self: not was_asked())
    assert (run.run("activity").problems, run.report.is_cut_short) == ([], True)
    assert len(run.sent) == (last == "start_date=201")


@pytest.mark.parametrize("reply", [accept, lambda request: Reply({}, 400)])
def test_nothing_is_collected_for_a_deleted_connection(collection, monkeypatch, reply):
    monkeypatch.setattr(Account, "exists", lambda self: False)
    run = collection(oura(daily_activity=[document()]), reply, without=SCOPES)
    assert (run.run().problems, run.report.is_cut_short) == ([], True)
    assert (run.oura.requests, run.processor.paths("POST")) == ([], [])


# Requests to Oura and to the processor ------------------------------------------------------------


def accept_with_all_stored(request):
    """Reply as a processor that has all days, so that only the last 14 are fetched."""
    return accept(request, ALL_STORED)


def test_first_run_fetches_whole_history_newest_first(collection):
    run = collection(oura(daily_activity=[document("2026-03-01"), document("2019-05-01")]))
    run.run("activity")
    days = [[each["day"] for each in sent["data"]] for sent in run.sent if sent["data"]]
    assert days == [["2026-03-01"], ["2019-05-01"]]


def test_unlisted_days_are_reported_as_complete(collection):
    run = collection(oura(daily_activity=[document("2019-05-01")]))
    run.run("activity")
    empty = [sent["read"] for sent in run.sent if not sent["data"]]
    days = [date.fromisoformat(each[name]) for each in empty for name in ("start", "end")]
    assert date(2010, 1, 1) in days and date(2019, 4, 30) in days and date(2019, 5, 2) in days


def test_first_run_completes_every_day_to_tomorrow(collection):
    run = collection(oura(daily_activity=[document("2026-03-01"), document("2019-05-01")]))
    run.run("activity")
    completed = sorted((sent["read"]["start"], sent["read"]["end"]) for sent in run.sent)
    assert (completed[0][0], completed[-1][1]) == ("2010-01-01", "2026-10-28")
    following = [date.fromisoformat(end).toordinal() + 1 for _, end in completed[:-1]]
    assert [date.fromisoformat(start).toordinal() for start, _ in completed[1:]] == following


def asked(run, collection=None):
    """The paths of the requests for documents, or the queries of those of one collection."""
    prefix = "/v2/usercollection/"
    requests = [each for each in run.oura.requests if each.path != f"{prefix}personal_info"]
    if collection:
        return [parse_qs(each.query) for each in requests if each.path == f"{prefix}{collection}"]
    return [each.path.removeprefix(prefix) for each in requests]


def test_run_with_all_stored_needs_one_request_per_collection(collection):
    run = collection(oura(), accept_with_all_stored)
    run.run()
    assert asked(run) == [name for each in TYPES.values() for name in each.collections]


def test_range_is_sent_with_its_pages_and_documents(collection):
    run = collection(oura(daily_activity=[document()]), accept_with_all_stored)
    run.run("activity")
    assert run.sent[0]["read"] == {
        "start": "2026-10-14",
        "end": "2026-10-28",
        "pages": 1,
        "documents": 1,
    }


def reports(run):
    paths = [
        (request.path, request.json)
        for request in run.processor.requests
        if request.method == "POST"
    ]
    return [body for path, body in paths if path == "/api/v1/reports"]


def test_failed_range_is_reported_with_status_collection_and_page(collection):
    def reply(request):
        if "next_token" in request.query:
            return Reply({}, 404)
        return Reply({"data": [document()], "next_token": "more", "id": "ana-at-oura"})

    run = collection(reply, accept_with_all_stored)
    run.run("activity")
    assert reports(run) == [
        {
            "type": "activity",
            "user": "ana",
            "asked_at": "2026-10-27T12:00:00+00:00",
            "ranges": [{"start": "2026-10-14", "end": "2026-10-28"}],
            "kind": "bad_answer",
            "status": 404,
            "collection": "daily_activity",
            "page": 2,
        }
    ]


def test_refusal_is_reported_for_all_planned_days(collection):
    run = collection(oura(daily_activity=Reply({}, 403)))
    run.run("activity")
    [report] = reports(run)
    ranges = [(days["start"], days["end"]) for days in report["ranges"]]
    assert (report["kind"], report["status"]) == ("forbidden", 403)
    assert ranges == [("2010-01-01", "2026-10-28")]


def test_refused_list_reports_no_day_as_empty(collection):
    def reply(request):
        if "fields=day" in request.query:
            return Reply({}, 403)
        return Reply({"data": [document()], "next_token": None, "id": "ana-at-oura"})

    run = collection(reply)
    run.run("activity")
    assert [sent["read"]["start"] for sent in run.sent] == ["2026-10-14"]


def test_list_with_undated_entry_reports_no_day_as_empty(collection):
    run = collection(oura(daily_activity=[{"id": "a"}, document("2026-10-20")]))
    run.run("activity")
    assert {sent["read"] and sent["read"]["start"] for sent in run.sent} == {None, "2026-10-20"}
    failed = [each for report in reports(run) for each in report["ranges"]]
    assert min(each["start"] for each in failed) == "2010-01-01"


def test_no_list_of_days_is_asked_for_over_two_years(collection):
    """Where Oura ignores that one field is wanted, a list is as large as all of its documents."""
    run = collection(oura())
    run.run("activity")
    queries = [parse_qs(each.query) for each in run.oura.requests if "fields=" in each.query]
    asked = [[date.fromisoformat(each[name][0]) for name in DATES] for each in queries]
    assert min(start for start, _ in asked) <= date(2010, 1, 1)
    assert max(end - start for start, end in asked) <= timedelta(2 * 366)


def test_only_searched_days_of_the_list_are_fetched(collection):
    gap = ledger_range("2024-03-01", "2024-03-02", "none", asked_at="2024-06-01T00:00:00Z", times=2)
    with_gap = ledger(
        ledger_range("2010-01-01", "2024-02-29", "held", asked_at="2026-10-27T00:00:00Z"),
        gap,
        ledger_range("2024-03-03", "2026-10-28", "held", asked_at="2026-10-27T00:00:00Z"),
    )
    days = [document(str(date(2024, 2, 27 + n % 3))) for n in range(3)]
    at_oura = oura(daily_activity=[*days, document("2024-03-02"), document("2025-01-01")])
    run = collection(at_oura, lambda request: accept(request, with_gap))
    run.run("activity")
    completed = {(sent["read"]["start"], sent["read"]["end"]) for sent in run.sent}
    assert completed == {
        ("2024-03-01", "2024-03-01"),
        ("2024-03-02", "2024-03-02"),
        ("2026-10-14", "2026-10-28"),
    }


def test_refused_range_is_reported_with_all_earlier_ones(collection):
    run = collection(oura(daily_activity=Reply({}, 403)))
    run.run("activity")
    ranges = [(days["start"], days["end"]) for days in reports(run)[0]["ranges"]]
    assert ranges == [("2010-01-01", "2026-10-28")]


def test_ungranted_scope_is_reported_without_a_request(collection):
    run = collection(oura(), accept_with_all_stored, without=SCOPES)
    run.run()
    assert [(each["type"], each["kind"]) for each in reports(run)] == [
        (type_, "forbidden") for type_ in TYPES
    ]
    assert run.oura.requests == []
    assert run.report.status == "failed"


def test_missing_scope_beside_others_fails_no_run(collection, monkeypatch):
    monkeypatch.setattr(TYPES["sleep"], "scope", "another")
    run = collection(oura(daily_activity=[document()]), accept_with_all_stored, without=["another"])
    report = run.run("sleep", "activity")
    assert [(each.type, each.is_repeat) for each in report.problems] == [("sleep", True)]
    assert report.status == "ok"


def test_run_with_only_ungranted_types_fails(collection, monkeypatch):
    monkeypatch.setattr(TYPES["sleep"], "scope", "another")
    run = collection(oura(), accept_with_all_stored, without=["another"])
    assert run.run("sleep").status == "failed"


def test_ended_connection_is_reported_though_processor_refuses(collection, monkeypatch):
    monkeypatch.setattr(Account, "ended", "It is over.")
    run = collection(oura(), lambda request: Reply({}, 401))
    report = run.run()
    assert [(each.type, each.is_repeat) for each in report.problems] == [("all", True)]
    assert report.tallies == {}


def test_plan_without_the_processor_is_one_problem(collection):
    run = collection(oura(), lambda request: Reply({}, 401), plan_only=True)
    [problem] = run.run().problems
    assert (problem.type, run.report.plans) == ("all", [])


def test_plan_fetches_nothing(collection):
    run = collection(oura(), accept_with_all_stored, plan_only=True)
    [(user, plans)] = run.run("sleep").plans
    assert (user, list(plans), run.oura.requests) == ("ana", ["sleep"], [])
    assert [request.method for request in run.processor.requests] == ["GET"]


def test_range_with_undated_document_is_not_complete(collection):
    run = collection(oura(daily_activity=[{"id": "a"}, document()]), accept_with_all_stored)
    run.run("activity")
    [dated, undated] = [sent["read"] for sent in run.sent]
    assert (dated["start"], dated["end"], undated) == ("2026-10-27", "2026-10-27", None)
    [report] = reports(run)
    assert (report["kind"], report["ranges"]) == (
        "bad_answer",
        [{"start": "2026-10-14", "end": "2026-10-26"}],
    )


def test_end_of_run_is_reported_to_the_processor(collection):
    run = collection(oura(), accept_with_all_stored)
    run.run()
    assert run.processor.requests[-1].path == "/api/v1/runs"


def test_dry_run_sends_nothing_to_the_processor(collection):
    run = collection(oura(daily_activity=Reply({}, 403)), dry_run=True)
    run.run()
    assert [request.method for request in run.processor.requests] == ["GET"]


# Failures -----------------------------------------------------------------------------------------


def test_rate_limit_ends_run_and_fails_all_remaining_types(collection):
    limited = Reply({}, 429, {"Retry-After": "3600"})
    run = collection(oura(daily_activity=limited))
    run.run()
    assert asked(run)[-1] == "daily_activity"
    assert asked(run).count("daily_activity") == 1
    remaining = NAMES[NAMES.index("activity") :]
    assert {problem.type: problem.kind for problem in run.report.problems} == dict.fromkeys(
        remaining, "rate_limited"
    )
    assert {name: tally.failed for name, tally in run.report.tallies.items()} == {
        name: int(name in remaining) for name in NAMES
    }


def test_rate_limit_of_documents_ends_the_run(collection):
    run = collection(oura(daily_sleep=Reply({}, 429, {"Retry-After": "3600"})))
    run.run()
    assert [tally.failed for tally in run.report.tallies.values()] == [1] * len(TYPES)
    assert asked(run) == ["daily_sleep"]


def test_lasting_rate_limit_delays_run_for_minutes_only(collection):
    run = collection(oura(daily_sleep=Reply({}, 429, {"Retry-After": "300"})))
    run.run()
    assert run.pauses == [300.0]
    assert sum(run.pauses) <= LONGEST_WAIT


def test_waits_for_the_processor_are_limited_too(collection):
    run = collection(oura(), Reply({}, 503, {"Retry-After": "300"}))
    run.run()
    assert run.pauses == [300.0]


def test_failure_of_one_type_does_not_stop_others(collection):
    run = collection(oura(daily_activity=Reply({}, 403), daily_readiness=[document()]))
    run.run()
    assert run.report.tallies["activity"].failed == 1
    assert run.report.tallies["readiness"].created == 1


def test_unexpected_error_of_one_type_does_not_stop_others(collection, monkeypatch):
    # Stands for a bug in myhealth.
    monkeypatch.setattr(TYPES["activity"], "map", lambda day, documents: 1 // 0)
    run = collection(oura(daily_activity=[document()], daily_readiness=[document()]))
    run.run()
    [problem] = run.report.problems
    assert (problem.type, run.report.tallies["activity"].failed) == ("activity", 1)
    assert "Unexpected ZeroDivisionError" in problem.error
    assert run.report.tallies["readiness"].created == 1


def test_huge_number_is_left_to_the_processor(collection):
    run = collection(oura(daily_activity=[document(high_activity_time=1e300)]))
    run.run("activity")
    assert run.report.problems == []
    [sent] = [sent for sent in run.sent if sent["data"]]
    assert sent["data"][0]["high_activity_minutes"] == 1e300


def test_documents_are_sent_as_oura_wrote_them(collection):
    texts = [b'{"id": "a", "day":"2026-10-27", "score": 8e1, "met": [1.0, 1.50]}', b'{"day":"x"}']
    answer = b'{"data": [' + b",".join(texts) + b'], "next_token": null}'
    run = collection(oura(daily_activity=Reply(answer)), accept_with_all_stored)
    run.run("activity")
    [body] = [each.body for each in run.processor.requests if b"1.50" in each.body]
    assert b'"score":80.0' in body
    assert b'"source":{"daily_activity":' + texts[0] + b"}" in body


@pytest.mark.parametrize(("depth", "is_sent"), [(150, True), (240, True), (260, False)])
def test_document_nested_too_deeply_is_named_only(collection, depth, is_sent):
    deep = []
    for _ in range(depth - 2):
        deep = [deep]
    run = collection(oura(daily_activity=[document(deep=deep)]), accept_with_all_stored)
    run.run("activity")
    [sent] = [sent for sent in run.sent if sent["data"]]
    [row] = sent["data"]
    assert (row["id"], row["day"]) == ("id-2026-10-27", "2026-10-27")
    assert (row["source"] != "nested too deeply") == is_sent


# Documents that no row can be made from -----------------------------------------------------------


@pytest.mark.parametrize("day", [None, "soon", 20261027, "2026-13-01", ["2026-10-27"]])
def test_undated_document_is_sent_unchanged(collection, day):
    undated = {"id": "a", "day": day, "score": 81}
    run = collection(oura(daily_sleep=[undated, document()]), accept_with_all_stored)
    run.run("sleep")
    [dated, alone] = run.sent
    assert [each["id"] for each in dated["data"]] == ["id-2026-10-27"]
    assert alone["data"] == [{"id": "a", "day": day, "source": {"daily_sleep": [undated]}}]
    assert (dated["read"]["start"], alone["read"]) == ("2026-10-27", None)
    assert run.report.tallies["sleep"].fetched == 2


def test_single_odd_entries_are_said_of_one():
    read = RangeResult("sleep")
    read.malformed["daily_sleep"] = 1
    read.undated["sleep"].append({})
    assert read.why_unsure == (
        "Oura's daily_sleep has 1 malformed entry. Oura's sleep has 1 document without a day."
    )


def test_malformed_entries_are_counted_once_per_range(collection):
    run = collection(oura(daily_activity=[1, "x", None, [], document()]), accept_with_all_stored)
    run.run("activity")
    assert run.errors == {
        ("activity", "2026-10-14 to 2026-10-28: Oura's daily_activity has 4 malformed entries.")
    }
    assert run.report.tallies["activity"].failed == 1
    assert run.report.tallies["activity"].created == 1


# The report ---------------------------------------------------------------------------------------


def problem(is_repeat=False):
    return Problem("ana", "sleep", "It is bad.", "rejected", is_repeat)


@pytest.mark.parametrize(
    ("tally", "problems", "status"),
    [
        (Tally(created=1), [], "ok"),
        (Tally(), [], "ok"),
        (Tally(rejected=1), [problem(is_repeat=True)], "ok"),
        (Tally(unchanged=9, rejected=1), [problem(is_repeat=True)], "ok"),
        (Tally(unchanged=9, rejected=2), [problem(is_repeat=True), problem()], "partial"),
        (Tally(fetched=9, failed=1), [problem()], "failed"),
    ],
)
def test_status_ignores_repeated_problems(tally, problems, status):
    assert Report(tallies={"sleep": tally}, problems=problems).status == status


def test_dry_run_with_one_failed_type_is_partial(collection):
    at_oura = oura(daily_activity=Reply({}, 403), daily_readiness=[document()])
    run = collection(at_oura, dry_run=True)
    assert run.run().status == "partial"
    assert run.sent == []


def test_dry_run_that_fetched_nothing_failed(collection):
    assert collection(oura(daily_activity=Reply({}, 403)), dry_run=True).run().status == "failed"


def test_repeated_rejection_is_marked_as_repeat(collection):
    rejected = [{"index": 0, "id": "a", "errors": {"day": ["It is missing."]}}]
    refused = {"status": "failed", "created": 0, "updated": 0, "unchanged": 0, "rejected": rejected}

    def reject(request):
        if request.path == "/api/v1/ingest":
            return Reply(refused, 400, {"Rejected-Again": "1"})
        return accept_with_all_stored(request)

    run = collection(oura(daily_activity=[document()]), reject)
    report = run.run("activity")
    assert [problem.is_repeat for problem in report.problems] == [True]
    assert (report.new_problems, report.tallies["activity"].rejected) == ([], 1)


def test_requests_include_days_around_the_range(collection):
    run = collection(oura(), days=Days(TODAY, TODAY))
    run.run("activity")
    assert asked(run, "daily_activity") == [
        {"start_date": ["2026-10-25"], "end_date": ["2026-10-29"]}
    ]


# A day whose one collection failed ----------------------------------------------------------------


def failing_for(day, status=500):
    """Reply as Oura does if one day's document is corrupt: each request that has it fails."""

    def reply(request):
        query = parse_qs(request.query)
        if query["start_date"][0] <= day <= query["end_date"][0]:
            return Reply({}, status)
        return Reply({"data": [], "next_token": None})

    return reply


def test_day_whose_one_collection_failed_is_not_sent(collection):
    days = [document(f"2026-10-{number}") for number in range(14, 28)]
    periods = failing_for("2026-10-20", 400)

    def reply(request):
        if request.path.endswith("/sleep"):
            return periods(request)
        return oura(daily_sleep=days)(request)

    run = collection(reply, accept_with_all_stored)
    run.run("sleep")
    sent = {each["day"] for sent in run.sent for each in sent["data"]}
    assert {each["day"] for each in days} - sent >= {"2026-10-20"}
    completed = {(sent["read"]["start"], sent["read"]["end"]) for sent in run.sent}
    assert all(not start <= "2026-10-20" <= end for start, end in completed)


def test_day_fails_once_though_both_collections_fail(collection):
    periods = failing_for("2026-10-20", 400)

    def reply(request):
        return oura()(request) if request.path.endswith("personal_info") else periods(request)

    run = collection(reply, accept_with_all_stored)
    run.run("sleep")
    failed = [(report["ranges"], report["collection"]) for report in reports(run)]
    days = [each["start"] for ranges, _ in failed for each in ranges]
    assert len(days) == len(set(days))
    assert ([{"start": "2026-10-20", "end": "2026-10-20"}], "daily_sleep") in failed


def test_failed_day_is_reported_with_its_collection(collection):
    run = collection(oura(sleep=Reply({}, 500)), accept_with_all_stored)
    run.run("sleep")
    [report] = reports(run)
    assert (report["collection"], report["ranges"]) == (
        "sleep",
        [{"start": "2026-10-14", "end": "2026-10-28"}],
    )


def listing_without_day(collection, day):
    """Reply as Oura with 14 nights, of which one document of a collection has no day."""
    days = [document(f"2026-10-{number}") for number in range(14, 28)]
    undated = [{**each, "day": None if each["day"] == day else each["day"]} for each in days]
    return oura(**{"daily_sleep": days, "sleep": days, collection: undated})


def test_night_whose_period_has_no_day_is_left_as_stored(collection):
    run = collection(listing_without_day("sleep", "2026-10-20"), accept_with_all_stored)
    run.run("sleep")
    [completed] = [
        (sent["read"]["start"], sent["read"]["end"])
        for sent in run.sent
        if sent["read"] and sent["read"]["start"] > "2026-10-14"
    ]
    assert completed == ("2026-10-21", "2026-10-27")


def test_days_that_an_undated_document_leaves_open_fail_the_run(collection):
    run = collection(listing_without_day("sleep", "2026-10-20"), accept_with_all_stored)
    run.run("sleep")
    assert [problem.is_repeat for problem in run.report.problems] == [False]
    assert {"start": "2026-10-20", "end": "2026-10-20"} in reports(run)[0]["ranges"]


# A day that is known to be bad --------------------------------------------------------------------


def with_bad_day(request):
    at = "2026-10-27T00:00:00Z"
    day = ledger_range(
        "2026-10-20",
        "2026-10-20",
        "failed",
        next_at="2026-10-28T00:00:00Z",
        failing=failing(collection="sleep"),
    )
    ranges = ledger(
        ledger_range("2010-01-01", "2026-10-19", "held", asked_at=at),
        {**day, "reason": "Fetching failed."},
        ledger_range("2026-10-21", "2026-10-28", "held", asked_at=at),
    )
    return accept(request, ranges)


def test_bad_day_is_not_sent_before_it_is_due(collection):
    days = [document(f"2026-10-{number}") for number in range(14, 28)]
    run = collection(oura(daily_sleep=days, sleep=days), with_bad_day)
    run.run("sleep")
    sent = [each["day"] for sent in run.sent for each in sent["data"]]
    assert "2026-10-20" not in sent
    assert {"2026-10-18", "2026-10-19", "2026-10-22", "2026-10-23"} <= set(sent)


def test_bad_day_is_listed_before_it_is_due(collection):
    days = [document(f"2026-10-{number}") for number in range(14, 28)]
    run = collection(oura(daily_sleep=days, sleep=days), with_bad_day)
    run.run("sleep")
    assert run.errors == {("sleep", "2026-10-20: Fetching failed.")}
    assert reports(run) == []


def failing_beside(day):
    """Reply as Oura with 14 nights, failing for each range that has this day."""
    days = [document(f"2026-10-{number}") for number in range(14, 28)]

    def reply(request):
        query = parse_qs(request.query)
        if not query:
            return oura()(request)
        start, end = query["start_date"][0], query["end_date"][0]
        if start <= day < end:
            return Reply({}, 500)
        found = [each for each in days if start <= each["day"] <= end]
        return Reply({"data": found, "next_token": None})

    return reply


def test_bad_day_is_left_out_of_all_collections(collection):
    run = collection(failing_beside("2026-10-20"), with_bad_day)
    run.run("sleep")
    assert run.pauses == []
    assert reports(run) == []


def test_stored_day_is_kept_if_answer_may_lack_its_night(collection):
    run = collection(failing_beside("2026-10-20"), with_bad_day)
    run.run("sleep")
    sent = {each["day"] for sent in run.sent for each in sent["data"]}
    assert sent == {
        f"2026-10-{number}" for number in (14, 15, 16, 17, 18, 19, 22, 23, 24, 25, 26, 27)
    }


def test_empty_day_next_to_a_bad_one_has_failed(collection):
    days = [document(f"2026-10-{number}") for number in range(14, 28) if number != 19]
    run = collection(oura(daily_sleep=days, sleep=days), with_bad_day)
    run.run("sleep")
    [report] = reports(run)
    assert (report["collection"], report["ranges"]) == (
        "",
        [{"start": "2026-10-19", "end": "2026-10-19"}],
    )


# Whose account ------------------------------------------------------------------------------------


def owned(request):
    return accept(request, ALL_STORED, owner="ana-at-oura")


def test_owner_is_sent_with_documents(collection):
    run = collection(oura(), accept_with_all_stored)
    run.run("activity")
    assert [sent["owner"] for sent in run.sent] == ["ana-at-oura"]


def test_account_of_another_owner_is_not_collected(collection):
    run = collection(oura(personal_info=Reply({"id": "ben-at-oura"})), owned)
    report = run.run()
    assert {problem.type for problem in report.problems} == set(TYPES)
    assert "delete_person USER --data-only" in report.problems[0].error
    assert (asked(run), run.sent, reports(run)) == ([], [], [])


@pytest.mark.parametrize(
    "answer",
    [
        Reply({}, 401),
        Reply({}, 403),
        Reply({}, 404),
        Reply({}, 400),
        Reply({}),
        Reply({"id": None}),
    ],
)
def test_refused_identity_is_said_in_one_sentence(collection, answer):
    run = collection(oura(personal_info=answer), accept_with_all_stored)
    report = run.run("activity")
    [problem] = report.problems
    assert (problem.is_repeat, report.status) == (True, "ok")
    assert "scope `personal`" in problem.error
    assert [sent["owner"] for sent in run.sent] == [None]


@pytest.mark.parametrize("status", [401, 403])
def test_refused_identity_of_an_owned_account_stores_nothing(collection, status):
    run = collection(oura(personal_info=Reply({}, status)), owned)
    report = run.run("activity")
    assert (report.status, run.sent, asked(run)) == ("failed", [], [])
    assert "`personal`" in report.problems[0].error
    assert reports(run)[0]["collection"] == "personal_info"


@pytest.mark.parametrize("processor", [accept_with_all_stored, owned])
def test_temporary_failure_to_identify_is_no_refusal(collection, processor):
    run = collection(oura(personal_info=Reply({}, 503)), processor)
    run.run("activity")
    assert (run.sent, asked(run)) == ([], [])
    assert reports(run)[0]["kind"] == "unavailable"


def test_owned_account_without_an_answers_id_has_failed(collection):
    run = collection(oura(personal_info=Reply({})), owned)
    run.run("activity")
    assert (reports(run)[0]["kind"], asked(run)) == ("bad_answer", [])


# Failures of earlier runs -------------------------------------------------------------------------


def failing(**changes):
    values = {"kind": "unavailable", "status": 500, "collection": "daily_activity"}
    return {**values, "lasting": False, **changes}


def with_failed_day(**changes):
    """A processor for which one older day has failed, and is not due."""
    at = "2026-10-27T00:00:00Z"
    day = ledger_range(
        "2026-05-01",
        "2026-05-01",
        "failed",
        next_at="2026-10-28T00:00:00Z",
        failing=failing(**changes),
    )
    ranges = ledger(
        ledger_range("2010-01-01", "2026-04-30", "held", asked_at=at),
        {**day, "reason": "Fetching failed."},
        ledger_range("2026-05-02", "2026-10-28", "held", asked_at=at),
    )
    return lambda request: accept(request, ranges)


def test_day_that_stands_as_failed_fails_the_run(collection):
    run = collection(oura(daily_activity=[document()]), with_failed_day())
    report = run.run("activity")
    assert run.errors == {("activity", "2026-05-01: Fetching failed.")}
    assert report.status == "partial"


@pytest.mark.parametrize("known", [{"lasting": True}, {"kind": "rejected"}])
def test_known_failure_is_listed_and_fails_no_run(collection, known):
    run = collection(oura(daily_activity=[document()]), with_failed_day(**known))
    report = run.run("activity")
    assert [problem.is_repeat for problem in report.problems] == [True]
    assert report.status == "ok"
