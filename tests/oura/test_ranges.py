"""Ranges that Oura does not answer for: asked for in pieces, in as few requests as can be."""

from datetime import date, timedelta
from urllib.parse import parse_qs

import pytest

from myhealth.days import Days
from oura.client import OuraClient
from oura.errors import (
    CollectionDown,
    KnownFailure,
    OuraDown,
    OuraForbidden,
    OuraNotFound,
    OuraRateLimited,
    OuraUnreachable,
)
from oura.ranges import PIECE_DAYS, BadDay, RangeFetcher
from oura.retries import MAX_ATTEMPTS, RetryTime
from tests.oura.answering import Reply

TODAY = date(2026, 10, 27)
TYPES = [("daily_sleep", "sleep"), ("daily_activity",)]
COLLECTIONS = ["sleep", "daily_sleep", "daily_activity"]
# Measured: the others include the last day.
EXCLUSIVE = ("sleep", "daily_activity")


def ago(number):
    return TODAY - timedelta(number)


def last(number):
    """The last days, today included."""
    return Days(ago(number - 1), TODAY)


class Oura:
    """Has a document for each day; answers as Oura has been seen to."""

    def __init__(self, *, longest=None, bad=(), broken=(), status=500, missing=()):
        self.longest, self.bad, self.broken, self.status = longest, bad, broken, status
        self.missing = missing

    def __call__(self, request):
        collection = request.path.rsplit("/", 1)[-1]
        query = parse_qs(request.query)
        start, end = (date.fromisoformat(query[name][0]) for name in ("start_date", "end_date"))
        if collection in self.broken or (self.longest and (end - start).days > self.longest):
            return Reply({"detail": "Time range is too large"}, self.status)
        if collection in EXCLUSIVE:
            end -= timedelta(1)
        days = list(Days(start, end)) if start <= end else []
        if any(day in self.bad for day in days):
            return Reply(b"Internal Server Error", self.status)
        documents = [
            {"id": f"{collection} {day}", "day": str(day)}
            for day in days
            if day not in self.missing
        ]
        return Reply({"data": documents, "next_token": None})


class Fetching:
    def __init__(self, server, types=TYPES):
        self.server, self.pauses = server, []
        client = OuraClient(server.url, "token", retry_time=RetryTime(self.pauses.append))
        self.fetcher = RangeFetcher(client, types, TODAY)

    def fetch(self, days, collection="sleep", bad=(), **options):
        known = [BadDay(day, day, KnownFailure("unavailable", 500)) for day in bad]
        return self.fetcher.fetch(collection, days, known, **options)

    @property
    def requests(self):
        return len(self.server.requests)

    def asked(self):
        """The ranges of all requests, in days."""
        queries = [parse_qs(request.query) for request in self.server.requests]
        ends = [[date.fromisoformat(each[0]) for each in query.values()] for query in queries]
        return [(end - start).days for start, end in ends]


@pytest.fixture
def fetching(serve):
    return lambda **oura: Fetching(serve(Oura(**oura)))


def days_of(answer):
    return sorted(document.day for document in answer.documents)


def test_range_that_is_answered_is_one_request(fetching):
    run = fetching()
    answer = run.fetch(last(120))
    assert (days_of(answer), answer.failures) == (list(last(120)), [])
    assert run.requests == 1


@pytest.mark.parametrize("status", [400, 413, 422, 500, 504])
def test_refused_range_is_fetched_in_pieces(fetching, status):
    run = fetching(longest=30, status=status)
    answer = run.fetch(last(130))
    assert (days_of(answer), answer.failures) == (list(last(130)), [])
    assert run.asked()[-5:] == [PIECE_DAYS + 3] * 5


def test_range_is_retried_before_it_is_divided(fetching):
    run = fetching(longest=30)
    run.fetch(last(130))
    assert run.asked()[:MAX_ATTEMPTS] == [133] * MAX_ATTEMPTS
    assert len(run.pauses) == MAX_ATTEMPTS - 1


def test_refused_range_is_not_repeated(fetching):
    run = fetching(longest=30, status=400)
    run.fetch(last(130))
    assert run.asked().count(133) == 1
    assert run.pauses == []


def fewest(days, longest):
    return -(-days // longest)


@pytest.mark.parametrize(("longest", "factor"), [(30, 1.3), (31, 1.3), (14, 2)])
def test_requests_are_few_though_ranges_are_limited(fetching, longest, factor):
    run = fetching(longest=longest, status=400)
    for number in range(0, 1300, 130):
        window = Days(ago(number + 129), ago(number))
        assert days_of(run.fetch(window)) == list(window)
    assert run.requests <= factor * fewest(1300, longest) + (10 if longest >= 30 else 0)


def test_width_is_learned_for_the_next_range(fetching):
    run = fetching(longest=30, status=400)
    run.fetch(last(130))
    before = run.requests
    run.fetch(Days(ago(259), ago(130)))
    assert run.requests - before == 5


@pytest.mark.parametrize("days", [28, 46, 51])
def test_range_of_less_than_two_pieces_teaches_width(fetching, days):
    run = fetching(longest=30, status=400)
    run.fetch(last(days))
    run.fetch(Days(ago(days + 129), ago(days)))
    assert run.asked()[-5:] == [PIECE_DAYS + 3] * 5
    # A refusal, a look whether Oura answers at all, and the pieces.
    assert run.requests == 1 + 1 + 2 + 5


def test_width_is_learned_for_its_collection_alone(fetching):
    run = fetching(longest=30, status=400)
    run.fetch(last(130))
    run.fetch(last(130), "daily_sleep")
    assert run.asked().count(133) == 2


@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("bad", [0, 1, 2, 13, 14, 64, 128, 129])
def test_bad_day_costs_one_day(fetching, collection, bad):
    answer = fetching(bad=[ago(bad)]).fetch(last(130), collection)
    assert answer.failed_days == [Days(ago(bad), ago(bad))]
    assert days_of(answer) == [day for day in last(130) if day != ago(bad)]


@pytest.mark.parametrize("bad", [[3, 4], [3, 5], [0, 1, 2], [60, 90]])
def test_bad_days_cost_themselves(fetching, bad):
    answer = fetching(bad=[ago(number) for number in bad]).fetch(last(130))
    failed = [day for days in answer.failed_days for day in days]
    assert failed == sorted(ago(number) for number in bad)


def test_bad_day_teaches_no_width(fetching):
    run = fetching(bad=[ago(64)], status=400)
    run.fetch(last(130))
    before = run.requests
    run.fetch(Days(ago(259), ago(140)))
    assert run.requests - before == 1


def test_bad_day_beside_a_limit_costs_one_day(fetching):
    answer = fetching(bad=[ago(64)], longest=30).fetch(last(130))
    assert answer.failed_days == [Days(ago(64), ago(64))]


def test_failure_has_the_error_of_its_day(fetching):
    [(_, error)] = fetching(bad=[ago(64)]).fetch(last(130)).failures
    assert (error.status, error.collection) == (500, "sleep")


def test_empty_answer_without_full_padding_proves_nothing(fetching):
    answer = fetching(bad=[ago(64)], missing=[ago(63)]).fetch(last(130), "daily_sleep")
    assert answer.failed_days == [Days(ago(64), ago(63))]


def test_empty_answer_with_full_padding_is_proof(fetching):
    answer = fetching(bad=[ago(64)], missing=[ago(30)]).fetch(last(130))
    assert answer.failed_days == [Days(ago(64), ago(64))]


# A server that is down ----------------------------------------------------------------------------


def test_server_that_answers_nothing_is_down(fetching):
    run = fetching(broken=COLLECTIONS)
    with pytest.raises(OuraDown):
        run.fetch(last(15))
    assert run.requests <= 12


@pytest.mark.parametrize("broken", [["sleep"], ["sleep", "daily_sleep"]])
def test_collection_that_answers_nothing_is_given_up(fetching, broken):
    run = fetching(broken=broken)
    with pytest.raises(CollectionDown) as caught:
        run.fetch(last(15))
    assert not isinstance(caught.value, OuraDown)
    assert run.requests <= 12


def test_collection_that_fails_wherever_it_has_documents_is_given_up(fetching):
    run = fetching(bad=list(last(400)))
    with pytest.raises(CollectionDown):
        run.fetch(last(40))
    assert run.requests <= 12


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_bad_newest_day_is_one_failed_day(fetching, collection):
    to_tomorrow = Days(ago(13), TODAY + timedelta(1))
    answer = fetching(bad=[TODAY], missing=[TODAY + timedelta(1)]).fetch(to_tomorrow, collection)
    assert answer.failed_days == [Days(TODAY, TODAY)]


def test_list_of_a_server_that_is_down_ends_the_run(fetching):
    run = fetching(broken=COLLECTIONS)
    with pytest.raises(OuraDown):
        run.fetcher.days("sleep", last(700))
    assert run.requests <= 12


def test_server_that_goes_down_is_noticed(serve):
    answers = iter(range(4))

    def reply(request):
        return Oura(longest=30)(request) if next(answers, None) is not None else Reply({}, 500)

    run = Fetching(serve(reply))
    with pytest.raises(OuraDown):
        run.fetch(last(130))
    assert run.requests <= 4 + 12


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, OuraForbidden), (404, OuraNotFound), (429, OuraRateLimited)],
)
def test_refusals_are_not_divided(fetching, status, error):
    run = fetching(broken=COLLECTIONS, status=status)
    with pytest.raises(error):
        run.fetch(last(130))
    assert set(run.asked()) == {133}


def test_unreachable_server_is_not_asked_in_pieces(fetching):
    run = fetching()
    run.server.close()
    with pytest.raises(OuraUnreachable):
        run.fetch(last(130))
    assert len(run.pauses) == MAX_ATTEMPTS - 1


# A day that is known to be bad --------------------------------------------------------------------


@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("bad", [[2], [5], [13], [5, 6], [5, 8]])
def test_known_bad_day_costs_few_requests(fetching, collection, bad):
    days = [ago(number) for number in bad]
    run = fetching(bad=days)
    answer = run.fetch(last(15), collection, bad=days)
    assert days_of(answer) == [day for day in last(15) if day not in days]
    assert (answer.failures, [day for part in answer.skipped for day in part]) == ([], sorted(days))
    assert run.requests <= 2 + 10 * len(bad)
    assert run.pauses == []


def test_known_bad_day_in_the_padding_costs_few_requests(fetching):
    run = fetching(bad=[ago(16)])
    answer = run.fetch(last(15), bad=[ago(16)])
    assert (days_of(answer), answer.failures, answer.skipped) == (list(last(15)), [], [])
    assert (run.requests <= 4, run.pauses) == (True, [])


def test_known_bad_day_under_a_limit_costs_itself(fetching):
    run = fetching(bad=[ago(60)], longest=30, status=400)
    answer = run.fetch(last(130), bad=[ago(60)])
    assert days_of(answer) == [day for day in last(130) if day != ago(60)]
    assert (answer.failures, answer.skipped) == ([], [Days(ago(60), ago(60))])


def test_known_bad_day_is_asked_for_apart(fetching):
    run = fetching(bad=[ago(5)])
    answer = run.fetch(Days(ago(5), ago(5)), bad=[ago(5)], is_bad=True)
    assert answer.failed_days == [Days(ago(5), ago(5))]
    assert (run.requests, run.pauses) == (4, [])


def test_bad_day_that_is_mended_is_fetched(fetching):
    answer = fetching().fetch(Days(ago(5), ago(5)), bad=[ago(5)], is_bad=True)
    assert (days_of(answer), answer.failures) == ([ago(5)], [])


# Documents that come twice ------------------------------------------------------------------------


def listing(serve, *documents):
    return Fetching(serve(Reply({"data": list(documents), "next_token": None}))).fetch(last(3))


def document(day=TODAY, **values):
    return {"id": "a", "day": str(day), **values}


def test_last_copy_of_an_id_counts(serve):
    [found] = listing(serve, document(score=1), document(score=2)).documents
    assert b'"score": 2' in bytes(found.raw)


def test_document_under_two_days_is_of_the_last(serve):
    answer = listing(serve, document(TODAY), document(ago(1)))
    assert days_of(answer) == [ago(1)]


def test_last_copy_is_the_same_however_the_range_is_cut(serve):
    documents = [{"id": "a", "day": str(ago(40))}, {"id": "a", "day": str(ago(2))}]

    def reply(longest):
        def answer(request):
            query = parse_qs(request.query)
            start, end = (date.fromisoformat(query[name][0]) for name in query)
            if (end - start).days > longest:
                return Reply({}, 400)
            found = [each for each in documents if str(start) <= each["day"] <= str(end)]
            return Reply({"data": found, "next_token": None})

        return answer

    answers = [Fetching(serve(reply(longest))).fetch(last(60)) for longest in (30, 100)]
    assert [days_of(answer) for answer in answers] == [[ago(2)], [ago(2)]]


def test_last_copy_counts_though_its_day_is_not_wanted(serve):
    assert listing(serve, document(TODAY), document(ago(5))).documents == []


def test_documents_without_id_are_kept_apart(serve):
    answer = listing(serve, document(id=None, score=1), document(id=None, score=2))
    assert len(answer.documents) == 2


def test_pages_that_overlap_list_each_document_once(serve):
    def reply(request):
        page = 1 if "next_token" in request.query else 0
        names = ["ab", "bc"][page]
        found = [{"id": name, "day": str(TODAY)} for name in names]
        return Reply({"data": found, "next_token": None if page else "more"})

    answer = Fetching(serve(reply)).fetch(last(3))
    assert [each.id for each in answer.documents] == ["a", "b", "c"]


# The list of days ---------------------------------------------------------------------------------


def test_list_asks_for_one_field(serve):
    server = serve(Oura(missing=[ago(1)]))
    assert Fetching(server).fetcher.days("sleep", last(3)) == ({ago(2), TODAY}, True)
    assert "fields=day" in server.requests[0].query


def test_list_with_undated_entry_is_not_certain(serve):
    server = serve(Reply({"data": [{"day": str(TODAY)}, {"day": None}], "next_token": None}))
    assert Fetching(server).fetcher.days("sleep", last(3)) == ({TODAY}, False)


def test_list_is_not_asked_for_more_days_than_are_answered(fetching):
    run = fetching(longest=30, status=400)
    assert run.fetcher.takes("sleep", last(731))
    run.fetch(last(130))
    assert not run.fetcher.takes("sleep", last(731))
