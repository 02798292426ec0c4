"""What a collection decides, against small servers in place of Oura and the processor."""

from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from oura.client import OuraClient
from oura.collector import Collector, Problem, Report, Tally, Wish, windows
from oura.processor import Coverage, Processor
from oura.retries import LONGEST_WAIT, Waiting
from tests.oura.answering import Reply

TODAY = date(2026, 10, 27)
NOTHING = Coverage(None, None, [])
TYPES = ["sleep", "activity", "readiness"]


def taken(asked):
    """What a processor without any days says, and one that stores everything."""
    if asked.method == "GET":
        return Reply({})
    body = {"created": len(asked.json["data"]), "updated": 0, "unchanged": 0, "rejected": []}
    return Reply(body, 201)


def oura(**collections):
    """Each collection's documents, or a Reply of its own."""

    def reply(asked):
        found = collections.get(asked.path.rsplit("/", 1)[-1], [])
        return found if isinstance(found, Reply) else Reply({"data": found, "next_token": None})

    return reply


class Collection:
    """A collector between two small servers, and what they were asked."""

    def __init__(self, at_oura, at_processor, wish):
        self.oura, self.processor, self.pauses = at_oura, at_processor, []
        waiting = Waiting(self.pauses.append)
        self.report = Report(dry_run=wish.dry_run)
        self.client = OuraClient(at_oura.url, "token", waiting=waiting)
        self.sender = Processor(
            at_processor.url, "token", user="ana", origin="oura", request_id="r", waiting=waiting
        )
        self.collector = Collector(
            self.client,
            self.sender,
            wish,
            self.report,
            user="ana",
            clock=lambda: datetime(2026, 10, 27, 12, tzinfo=UTC),
        )

    def run(self, *types):
        self.collector.collect(types or TYPES)
        return self.report

    @property
    def sent(self):
        return [asked.json for asked in self.processor.asked if asked.method == "POST"]

    @property
    def errors(self):
        return {(problem.type, problem.error) for problem in self.report.problems}


@pytest.fixture
def collection(serve):
    made = []

    def make(reply, processor=taken, **wish):
        made.append(Collection(serve(reply), serve(processor), Wish(**wish)))
        return made[-1]

    yield make
    for each in made:
        each.client.session.close()
        each.sender.session.close()


@pytest.fixture
def ranges(collection):
    """The ranges that are read of a type's days at Oura, given what is held."""

    def of(held, *days, reply=None, **wish):
        at_oura = oura(daily_activity=reply or [{"day": str(day)} for day in days])
        return collection(at_oura, **wish).collector.ranges("activity", held)

    return of


def document(day="2026-10-27", **values):
    return {"id": f"id-{day}", "day": day, **values}


# What is read -------------------------------------------------------------------------------------


def test_at_first_the_whole_history_is_read(ranges):
    first = date(2019, 5, 1)
    [span, *_, last] = ranges(NOTHING, *(first + timedelta(days=n) for n in range(2737)))
    assert (span[0], last[1]) == (first, TODAY + timedelta(days=1))


def test_the_last_fourteen_days_are_read_again(ranges):
    held = Coverage(date(2026, 1, 1), TODAY, [])
    assert ranges(held, TODAY) == [(date(2026, 10, 14), date(2026, 10, 28))]


def test_after_a_pause_the_days_before_it_are_read_again(ranges):
    held = Coverage(date(2026, 1, 1), date(2026, 9, 20), [])
    assert ranges(held, TODAY) == [(date(2026, 9, 7), date(2026, 10, 28))]


def test_after_a_pause_they_are_read_again_also_without_ouras_list_of_days(ranges):
    held = Coverage(date(2026, 1, 1), date(2026, 9, 20), [])
    away = Reply({}, 500)
    assert ranges(held, reply=away) == [(date(2026, 9, 7), date(2026, 10, 28))]


def test_a_day_held_of_tomorrow_moves_nothing(ranges):
    held = Coverage(date(2026, 1, 1), date(2026, 10, 28), [])
    assert ranges(held) == [(date(2026, 10, 14), date(2026, 10, 28))]


def test_the_overlap_ends_where_history_does(ranges):
    held = Coverage(date(2010, 1, 1), date(2010, 1, 5), [])
    assert ranges(held)[0][0] == date(2010, 1, 1)


def test_every_gap_that_oura_can_fill_is_read(ranges):
    gap = (date(2026, 2, 1), date(2026, 2, 9))
    held = Coverage(date(2026, 1, 1), TODAY, [gap])
    [first, _] = ranges(held, date(2026, 1, 31), date(2026, 2, 3), date(2026, 2, 5), TODAY)
    assert first == (date(2026, 2, 3), date(2026, 2, 5))


def test_without_ouras_list_of_days_every_gap_is_read(ranges):
    gap = (date(2026, 2, 1), date(2026, 2, 9))
    [first, _] = ranges(Coverage(date(2026, 1, 1), TODAY, [gap]), reply=Reply({}, 500))
    assert first == gap


def test_all_is_read_again_when_that_is_wished(ranges):
    held = Coverage(date(2026, 6, 1), TODAY, [])
    [span, *_] = ranges(held, date(2026, 6, 1), TODAY, everything=True)
    assert span[0] == date(2026, 6, 1)


def test_windows_hold_every_day_and_none_is_long():
    days = [date(2026, 1, 1) + timedelta(days=n) for n in (0, 1, 119, 120, 400)]
    assert windows(days) == [(days[0], days[2]), (days[3], days[3]), (days[4], days[4])]


# Failures -----------------------------------------------------------------------------------------


def test_a_rate_limit_ends_the_run_and_every_type_is_told(collection):
    limited = Reply({}, 429, {"Retry-After": "3600"})
    run = collection(oura(daily_activity=limited))
    run.run()
    assert len(run.oura.asked) == run.oura.paths().index("/v2/usercollection/daily_activity") + 1
    assert {problem.type: problem.kind for problem in run.report.problems} == {
        "activity": "rate_limited",
        "readiness": "rate_limited",
    }
    assert [tally.failed for tally in run.report.tallies.values()] == [0, 1, 1]


def test_a_rate_limit_while_documents_are_read_ends_the_run_too(collection):
    def reply(asked):
        if "fields=day" in asked.query:
            return Reply({"data": [], "next_token": None})
        return Reply({}, 429, {"Retry-After": "3600"})

    run = collection(reply)
    run.run()
    assert [tally.failed for tally in run.report.tallies.values()] == [1, 1, 1]
    assert len(run.oura.asked) == 3


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
    monkeypatch.setattr("oura.mapping.activity", lambda day, documents: 1 // 0)
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
    assert run.sent[0]["data"][0]["high_activity_minutes"] == 1e300


# Documents that no row can be made from -----------------------------------------------------------


@pytest.mark.parametrize("day", [None, "soon", 20261027, "2026-13-01", ["2026-10-27"]])
def test_a_document_without_a_day_goes_to_the_processor_as_it_is(collection, day):
    undated = {"id": "a", "day": day, "score": 81}
    run = collection(oura(daily_sleep=[undated, document()]))
    run.run("sleep")
    [dated, alone] = run.sent
    assert [each["id"] for each in dated["data"]] == ["id-2026-10-27"]
    assert alone["data"] == [{"id": "a", "day": day, "source": {"daily_sleep": [undated]}}]
    assert alone["read"] is None
    assert run.report.tallies["sleep"].fetched == 2


def test_entries_that_are_no_documents_are_counted_once_a_range(collection):
    run = collection(oura(daily_activity=[1, "x", None, [], document()]))
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
        return Reply(refused, 400, {"Rejected-Again": "1"}) if asked.method == "POST" else Reply({})

    run = collection(oura(daily_activity=[document()]), refusing)
    report = run.run("activity")
    assert [problem.known for problem in report.problems] == [True]
    assert (report.new_problems, report.tallies["activity"].rejected) == ([], 1)


def test_requests_ask_for_days_around_the_range_too(collection):
    run = collection(oura(), days=(TODAY, TODAY))
    run.run("activity")
    assert parse_qs(run.oura.asked[0].query) == {
        "start_date": ["2026-10-25"],
        "end_date": ["2026-10-29"],
    }
