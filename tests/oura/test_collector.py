"""What a collection decides, against small servers in place of Oura and the processor."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import parse_qs

import pytest

from metrics import TYPES
from myhealth.days import Days
from oura.accounts import KeyAccount
from oura.client import OuraClient
from oura.collector import Collector
from oura.plan import Wish
from oura.processor import Processor
from oura.provider import SCOPES
from oura.report import Problem, Report, Tally
from oura.retries import LONGEST_WAIT, Waiting
from tests.oura.answering import Reply

TODAY = date(2026, 10, 27)
NAMES = list(TYPES)


def stretch(start, end, state, **more):
    """A range as the processor's ledger tells it."""
    told = {"why": "", "asked_at": None, "next_at": None, "times": 0, **more}
    return {"from": start, "to": end, "state": state, "reason": None, **told}


def ledger(*ranges):
    """The same for each type; without ranges one of which nothing was ever asked."""
    return dict.fromkeys(NAMES, ranges or [stretch("2010-01-01", "2026-10-28", "not_asked")])


RECENT = ledger(stretch("2010-01-01", "2026-10-28", "held", asked_at="2026-10-27T00:00:00Z"))


def taken(asked, told=None):
    """What a processor without any days says, and one that stores everything."""
    if asked.method == "GET":
        return Reply(told or ledger())
    if asked.path != "/api/v1/ingest":
        return Reply({})
    body = {"created": len(asked.json["data"]), "updated": 0, "unchanged": 0, "rejected": []}
    return Reply(body, 201)


def oura(**collections):
    """Each collection's documents, or a Reply of its own."""

    def reply(asked):
        found = collections.get(asked.path.rsplit("/", 1)[-1], [])
        return found if isinstance(found, Reply) else Reply({"data": found, "next_token": None})

    return reply


@dataclass(frozen=True)
class Account(KeyAccount):
    """Ana's, at a small server in place of Oura; `without` are scopes that she did not grant."""

    url: str
    without: tuple[str, ...] = ()

    def covers(self, scope):
        return scope not in self.without

    def client(self, waiting):
        return OuraClient(self.url, self.key, waiting=waiting)


class Collection:
    """A collector between two small servers, and what they were asked."""

    def __init__(self, at_oura, at_processor, wish, without):
        self.oura, self.processor, self.pauses = at_oura, at_processor, []
        self.waiting = Waiting(self.pauses.append)
        self.report = Report(dry_run=wish.dry_run)
        self.sender = Processor(
            at_processor.url,
            "token",
            user="ana",
            origin="oura",
            request_id="r",
            waiting=self.waiting,
        )
        self.collector = Collector(
            Account("ana", "token", at_oura.url, without),
            self.sender,
            wish,
            self.report,
            clock=lambda: datetime(2026, 10, 27, 12, tzinfo=UTC),
        )

    def run(self, *types):
        self.collector.collect(types or NAMES, self.waiting)
        return self.report

    @property
    def sent(self):
        return [asked.json for asked in self.processor.asked if asked.path == "/api/v1/ingest"]

    @property
    def errors(self):
        return {(problem.type, problem.error) for problem in self.report.problems}


@pytest.fixture
def collection(serve):
    made = []

    def make(reply, processor=taken, *, without=(), **wish):
        made.append(Collection(serve(reply), serve(processor), Wish(**wish), without))
        return made[-1]

    yield make
    for each in made:
        each.sender.session.close()


def document(day="2026-10-27", **values):
    return {"id": f"id-{day}", "day": day, **values}


# What is asked, and what the processor is told ----------------------------------------------------


def recently(asked):
    """A processor that holds all, so that only the last 14 days are read."""
    return taken(asked, RECENT)


def test_at_first_the_whole_history_is_read_newest_first(collection):
    run = collection(oura(daily_activity=[document("2026-03-01"), document("2019-05-01")]))
    run.run("activity")
    days = [[each["day"] for each in sent["data"]] for sent in run.sent if sent["data"]]
    assert days == [["2026-03-01"], ["2019-05-01"]]


def test_days_that_ouras_list_has_not_are_told_as_read(collection):
    run = collection(oura(daily_activity=[document("2019-05-01")]))
    run.run("activity")
    empty = [sent["read"] for sent in run.sent if not sent["data"]]
    assert {"start": "2010-01-01", "end": "2019-04-30"} in empty


def test_every_day_to_tomorrow_is_told_as_read_once_the_first_run_is_over(collection):
    run = collection(oura(daily_activity=[document("2026-03-01"), document("2019-05-01")]))
    run.run("activity")
    told = sorted((sent["read"]["start"], sent["read"]["end"]) for sent in run.sent)
    assert (told[0][0], told[-1][1]) == ("2010-01-01", "2026-10-28")
    following = [date.fromisoformat(end).toordinal() + 1 for _, end in told[:-1]]
    assert [date.fromisoformat(start).toordinal() for start, _ in told[1:]] == following


def test_a_day_with_all_held_costs_one_request_a_collection(collection):
    run = collection(oura(), recently)
    run.run()
    assert len(run.oura.asked) == sum(len(each.collections) for each in TYPES.values())


def test_a_range_is_told_with_its_pages_and_documents(collection):
    run = collection(oura(daily_activity=[document()]), recently)
    run.run("activity")
    assert run.sent[0]["read"] == {
        "start": "2026-10-14",
        "end": "2026-10-28",
        "pages": 1,
        "documents": 1,
    }


def reports(run):
    paths = [(asked.path, asked.json) for asked in run.processor.asked if asked.method == "POST"]
    return [body for path, body in paths if path == "/api/v1/reports"]


def test_a_range_that_fails_is_reported_with_status_collection_and_page(collection):
    def reply(asked):
        if "next_token" in asked.query:
            return Reply({}, 404)
        return Reply({"data": [document()], "next_token": "more"})

    run = collection(reply, recently)
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


def test_a_refusal_is_reported_for_all_that_would_have_been_asked(collection):
    run = collection(oura(daily_activity=Reply({}, 403)))
    run.run("activity")
    [report] = reports(run)
    told = [(each["start"], each["end"]) for each in report["ranges"]]
    assert (report["kind"], report["status"]) == ("forbidden", 403)
    assert told == [("2010-01-01", "2026-10-28")]


def test_a_list_of_days_that_is_refused_tells_nothing_to_be_empty(collection):
    def reply(asked):
        if "fields=day" in asked.query:
            return Reply({}, 403)
        return Reply({"data": [document()], "next_token": None})

    run = collection(reply)
    report = run.run("activity")
    assert (run.sent, report.status) == ([], "failed")


def test_a_list_of_days_with_an_undated_entry_tells_nothing_to_be_empty(collection):
    run = collection(oura(daily_activity=[{"id": "a"}, document("2026-10-20")]))
    run.run("activity")
    assert {sent["read"] and sent["read"]["start"] for sent in run.sent} == {None}
    assert reports(run)[0]["ranges"] == [{"start": "2010-01-01", "end": "2026-10-13"}]


def test_of_ouras_list_only_the_days_that_were_looked_for_are_read(collection):
    gap = stretch("2024-03-01", "2024-03-02", "none", asked_at="2024-06-01T00:00:00Z", times=2)
    whole = ledger(
        stretch("2010-01-01", "2024-02-29", "held", asked_at="2026-10-27T00:00:00Z"),
        gap,
        stretch("2024-03-03", "2026-10-28", "held", asked_at="2026-10-27T00:00:00Z"),
    )
    days = [document(str(date(2024, 2, 27 + n % 3))) for n in range(3)]
    at_oura = oura(daily_activity=[*days, document("2024-03-02"), document("2025-01-01")])
    run = collection(at_oura, lambda asked: taken(asked, whole))
    run.run("activity")
    told = {(sent["read"]["start"], sent["read"]["end"]) for sent in run.sent}
    assert told == {
        ("2024-03-01", "2024-03-01"),
        ("2024-03-02", "2024-03-02"),
        ("2026-10-14", "2026-10-28"),
    }


def test_a_refusal_of_a_range_is_reported_for_those_before_it(collection):
    days = [document("2019-05-01"), document("2026-10-20")]

    def reply(asked):
        if "fields=day" in asked.query:
            return Reply({"data": days, "next_token": None})
        return Reply({}, 403)

    run = collection(reply)
    run.run("activity")
    told = [(each["start"], each["end"]) for each in reports(run)[0]["ranges"]]
    assert told == [("2019-05-01", "2019-05-01"), ("2026-10-14", "2026-10-28")]


def test_ungranted_scope_is_reported_without_a_request(collection):
    run = collection(oura(), recently, without=SCOPES)
    run.run()
    assert [(each["type"], each["kind"]) for each in reports(run)] == [
        (type_, "forbidden") for type_ in TYPES
    ]
    assert run.oura.asked == []
    assert run.report.status == "failed"


def test_scope_left_out_beside_others_fails_no_run(collection, monkeypatch):
    monkeypatch.setattr(TYPES["sleep"], "scope", "another")
    run = collection(oura(daily_activity=[document()]), recently, without=["another"])
    report = run.run("sleep", "activity")
    assert [(each.type, each.known) for each in report.problems] == [("sleep", True)]
    assert report.status == "ok"


def test_run_of_nothing_but_ungranted_types_fails(collection, monkeypatch):
    monkeypatch.setattr(TYPES["sleep"], "scope", "another")
    run = collection(oura(), recently, without=["another"])
    assert run.run("sleep").status == "failed"


def test_ended_connection_is_named_without_the_processor(collection, monkeypatch):
    monkeypatch.setattr(Account, "ended", "It is over.")
    run = collection(oura(), lambda asked: Reply({}, 401))
    report = run.run()
    assert [(each.type, each.known) for each in report.problems] == [("all", True)]
    assert report.tallies == {}


def test_plan_without_the_processor_is_one_problem(collection):
    run = collection(oura(), lambda asked: Reply({}, 401), plan_only=True)
    [problem] = run.run().problems
    assert (problem.type, run.report.plans) == ("all", [])


def test_plan_reads_nothing(collection):
    run = collection(oura(), recently, plan_only=True)
    [(user, plans)] = run.run("sleep").plans
    assert (user, list(plans), run.oura.asked) == ("ana", ["sleep"], [])
    assert [asked.method for asked in run.processor.asked] == ["GET"]


def test_a_range_with_an_undated_document_is_not_told_as_read(collection):
    run = collection(oura(daily_activity=[{"id": "a"}, document()]), recently)
    run.run("activity")
    assert [sent["read"] for sent in run.sent] == [None, None]
    assert reports(run)[0]["kind"] == "bad_answer"


def test_a_run_ends_by_telling_the_processor(collection):
    run = collection(oura(), recently)
    run.run()
    assert run.processor.asked[-1].path == "/api/v1/runs"


def test_a_dry_run_tells_the_processor_nothing(collection):
    run = collection(oura(daily_activity=Reply({}, 403)), dry_run=True)
    run.run()
    assert [asked.method for asked in run.processor.asked] == ["GET"]


# Failures -----------------------------------------------------------------------------------------


def test_a_rate_limit_ends_the_run_and_every_type_is_told(collection):
    limited = Reply({}, 429, {"Retry-After": "3600"})
    run = collection(oura(daily_activity=limited))
    run.run()
    assert len(run.oura.asked) == run.oura.paths().index("/v2/usercollection/daily_activity") + 1
    told = NAMES[NAMES.index("activity") :]
    assert {problem.type: problem.kind for problem in run.report.problems} == dict.fromkeys(
        told, "rate_limited"
    )
    assert {name: tally.failed for name, tally in run.report.tallies.items()} == {
        name: int(name in told) for name in NAMES
    }


def test_a_rate_limit_while_documents_are_read_ends_the_run_too(collection):
    def reply(asked):
        if "fields=day" in asked.query:
            return Reply({"data": [], "next_token": None})
        return Reply({}, 429, {"Retry-After": "3600"})

    run = collection(reply)
    run.run()
    assert [tally.failed for tally in run.report.tallies.values()] == [1] * len(TYPES)
    assert len(run.oura.asked) == len(TYPES[NAMES[0]].collections) + 1


def test_a_rate_limit_that_lasts_holds_a_run_for_minutes_only(collection):
    run = collection(oura(daily_sleep=Reply({}, 429, {"Retry-After": "300"})))
    run.run()
    assert run.pauses == [300.0]
    assert sum(run.pauses) <= LONGEST_WAIT


def test_waits_for_the_processor_count_as_well(collection):
    run = collection(oura(), Reply({}, 503, {"Retry-After": "300"}))
    run.run()
    assert run.pauses == [300.0]


def test_a_failure_of_one_type_leaves_the_others_alone(collection):
    run = collection(oura(daily_activity=Reply({}, 403), daily_readiness=[document()]))
    run.run()
    assert run.report.tallies["activity"].failed == 1
    assert run.report.tallies["readiness"].created == 1


def test_the_unexpected_of_one_type_leaves_the_others_alone(collection, monkeypatch):
    # A mistake of ours, of which there is none to be found at the moment.
    monkeypatch.setattr(TYPES["activity"], "map", lambda day, documents: 1 // 0)
    run = collection(oura(daily_activity=[document()], daily_readiness=[document()]))
    run.run()
    [problem] = run.report.problems
    assert (problem.type, run.report.tallies["activity"].failed) == ("activity", 1)
    assert "Unexpected ZeroDivisionError" in problem.error
    assert run.report.tallies["readiness"].created == 1


def test_a_server_that_fails_range_after_range_is_left_in_peace(collection):
    def reply(asked):
        if "fields=day" in asked.query:
            days = [document(f"{year}-01-01") for year in range(2016, 2026)]
            return Reply({"data": days, "next_token": None})
        return Reply({}, 400)

    run = collection(reply)
    run.run("activity")
    assert run.report.tallies["activity"].failed == 3


def test_a_number_too_large_to_reckon_with_is_left_to_the_processor(collection):
    run = collection(oura(daily_activity=[document(high_activity_time=1e300)]))
    run.run("activity")
    assert run.report.problems == []
    [sent] = [sent for sent in run.sent if sent["data"]]
    assert sent["data"][0]["high_activity_minutes"] == 1e300


# Documents that no row can be made from -----------------------------------------------------------


@pytest.mark.parametrize("day", [None, "soon", 20261027, "2026-13-01", ["2026-10-27"]])
def test_a_document_without_a_day_goes_to_the_processor_as_it_is(collection, day):
    undated = {"id": "a", "day": day, "score": 81}
    run = collection(oura(daily_sleep=[undated, document()]), recently)
    run.run("sleep")
    [dated, alone] = run.sent
    assert [each["id"] for each in dated["data"]] == ["id-2026-10-27"]
    assert alone["data"] == [{"id": "a", "day": day, "source": {"daily_sleep": [undated]}}]
    assert alone["read"] is None
    assert run.report.tallies["sleep"].fetched == 2


def test_entries_that_are_no_documents_are_counted_once_a_range(collection):
    run = collection(oura(daily_activity=[1, "x", None, [], document()]), recently)
    run.run("activity")
    assert run.errors == {
        ("activity", "2026-10-14 to 2026-10-28: Oura's daily_activity has 4 entries that are none.")
    }
    assert run.report.tallies["activity"].failed == 1
    assert run.report.tallies["activity"].created == 1


# The report ---------------------------------------------------------------------------------------


def problem(known=False):
    return Problem("ana", "sleep", "It is bad.", "rejected", known)


@pytest.mark.parametrize(
    ("tally", "problems", "status"),
    [
        (Tally(created=1), [], "ok"),
        (Tally(), [], "ok"),
        (Tally(rejected=1), [problem(known=True)], "ok"),
        (Tally(unchanged=9, rejected=1), [problem(known=True)], "ok"),
        (Tally(unchanged=9, rejected=2), [problem(known=True), problem()], "partial"),
        (Tally(fetched=9, failed=1), [problem()], "failed"),
    ],
)
def test_the_status_tells_what_is_new(tally, problems, status):
    assert Report(tallies={"sleep": tally}, problems=problems).status == status


def test_a_dry_run_that_read_some_types_is_partial(collection):
    at_oura = oura(daily_activity=Reply({}, 403), daily_readiness=[document()])
    run = collection(at_oura, dry_run=True)
    assert run.run().status == "partial"
    assert run.sent == []


def test_a_dry_run_that_read_nothing_has_failed(collection):
    assert collection(oura(daily_activity=Reply({}, 403)), dry_run=True).run().status == "failed"


def test_a_rejection_that_was_known_is_told_as_known(collection):
    rejected = [{"index": 0, "id": "a", "errors": {"day": ["It is missing."]}}]
    refused = {"status": "failed", "created": 0, "updated": 0, "unchanged": 0, "rejected": rejected}

    def refusing(asked):
        if asked.path == "/api/v1/ingest":
            return Reply(refused, 400, {"Rejected-Again": "1"})
        return recently(asked)

    run = collection(oura(daily_activity=[document()]), refusing)
    report = run.run("activity")
    assert [problem.known for problem in report.problems] == [True]
    assert (report.new_problems, report.tallies["activity"].rejected) == ([], 1)


def test_requests_ask_for_days_around_the_range_too(collection):
    run = collection(oura(), days=Days(TODAY, TODAY))
    run.run("activity")
    assert parse_qs(run.oura.asked[0].query) == {
        "start_date": ["2026-10-25"],
        "end_date": ["2026-10-29"],
    }
