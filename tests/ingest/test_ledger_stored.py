"""One state and a reason for each day, from what is stored; coverage, and what is missing."""

from dataclasses import replace
from datetime import UTC, date, datetime

import orjson
import pytest
from django.db import connection

from ingest import ledger as module
from ingest.ledger import (
    Failure,
    Range,
    coverage,
    first_days,
    ledger,
    missing,
)
from ingest.models import METRIC_MODELS, Reading, RejectedDocument, Stream
from ingest.readings import over_at
from ingest.upsert import Whole, store
from myhealth.days import FIRST_DAY, ONE_DAY
from tests.conftest import person
from tests.ingest.conftest import night
from tests.ingest.facts import (
    DAY,
    FIRST,
    HOUR,
    day,
)

TODAY = day(40)
AFTER = over_at(day(41))


def write(user, numbers, type="sleep", *, at=AFTER, span=(0, 40), **values):
    """Documents of these days, as all that Oura has of the span."""
    documents = [
        orjson.dumps(night(day(n).isoformat(), f"{user.username} {type} {n}", **values))
        for n in numbers
    ]
    whole = Whole(day(span[0]), day(span[1]), "a run")
    return store(METRIC_MODELS[type], user.pk, documents, fetched_at=at, now=at, whole=whole)


def fail(user, start, end, at=AFTER):
    Reading.objects.create(
        user=user,
        type="sleep",
        start=day(start),
        end=day(end),
        complete=False,
        asked_at=at,
        kind="unavailable",
        status=503,
        collection="sleep",
        page=2,
        attempts=4,
    )


def states(user, start=0, end=40, type="sleep"):
    """By day, counted from FIRST."""
    found = ledger(user.pk, day(start), day(end), today=TODAY)[type]
    return {(one - FIRST).days: each for each in found for one in each}


def told_of(user, number=10, type="sleep"):
    found = states(user, type=type)[number]
    return (found.state, found.why) if found.why else found.state


GAP = [n for n in range(41) if n != 10]


@pytest.mark.django_db
def test_rows_and_the_gap_between_them_are_told(ana):
    write(ana, GAP)
    found = ledger(ana.pk, day(0), TODAY, today=TODAY)["sleep"]
    assert [(each.start, each.end, each.state) for each in found] == [
        (day(0), day(9), "held"),
        (day(10), day(10), "none"),
        (day(11), day(40), "held"),
    ]


@pytest.mark.django_db
def test_a_row_that_lacks_its_periods_is_partial(ana):
    write(ana, GAP)
    write(ana, [10], span=(10, 10), source={"daily_sleep": {"score": 80}, "sleep": []})
    assert [told_of(ana, n) for n in (9, 10, 11)] == ["held", ("partial", "sleep"), "held"]


@pytest.mark.django_db
def test_a_rejected_document_is_told_by_its_key(ana):
    write(ana, GAP)
    write(ana, [10], span=(10, 10), score=101)
    found = states(ana)[10]
    assert (found.state, found.rejected) == ("rejected", RejectedDocument.objects.get().pk)


@pytest.mark.django_db
@pytest.mark.parametrize("told", ["", "soon", "2026-02-30", "20260311"])
def test_a_rejected_document_without_a_day_says_nothing_of_any(ana, told):
    write(ana, GAP)
    RejectedDocument.objects.create(user=ana, type="sleep", key="x", day=told, errors={})
    assert told_of(ana) == "none"


def at_rest(off):
    """An activity day's minutes, all but those without the ring."""
    minutes = ("high", "medium", "low")
    active = {f"{name}_activity_minutes": 10 for name in minutes}
    return active | {"sedentary_minutes": 400, "resting_minutes": 1440 - 430 - off}


@pytest.mark.django_db
def test_minutes_that_no_class_of_activity_has_tell_that_the_ring_was_off(ana):
    write(ana, GAP)
    write(ana, range(41), "activity", **at_rest(off=180))
    found = states(ana)[10]
    assert (found.state, found.minutes) == ("not_worn", 360)


@pytest.mark.django_db
def test_the_minutes_of_a_day_read_before_it_was_over_tell_nothing(ana):
    write(ana, GAP)
    write(ana, range(11), "activity", at=over_at(DAY) - HOUR, **at_rest(off=400))
    assert told_of(ana) == "none"


@pytest.mark.django_db
def test_an_hour_or_so_of_charging_is_no_time_without_the_ring(ana):
    write(ana, GAP)
    write(ana, range(11), "activity", **at_rest(off=99))
    write(ana, [10], "activity", span=(10, 10), **at_rest(off=700))
    assert told_of(ana) == "none"


@pytest.mark.django_db
def test_a_day_without_activity_is_no_time_without_the_ring(ana):
    write(ana, GAP)
    write(ana, [n for n in range(41) if n != 9], "activity", **at_rest(off=700))
    assert told_of(ana) == "none"


@pytest.mark.django_db
def test_activity_without_minutes_tells_nothing(ana):
    write(ana, GAP)
    write(ana, range(41), "activity")
    assert told_of(ana) == "none"


@pytest.mark.django_db
def test_a_failure_is_told_with_all_that_is_stored_of_it(ana):
    fail(ana, 10, 12)
    found = states(ana)[10]
    assert found.state == "failed"
    assert found.failure == Failure("unavailable", 503, "sleep", 2, 4, AFTER)


@pytest.mark.django_db
def test_days_after_tomorrow_lie_in_the_future(ana):
    found = states(ana, 40, 50)
    assert [found[n].why for n in (41, 42, 50)] == ["", "future", "future"]
    assert found[42].reason == "It lies in the future."


@pytest.mark.django_db
def test_days_before_2010_lie_before_there_was_any_ring(ana):
    found = ledger(ana.pk, date(2009, 12, 30), date(2010, 1, 1), today=TODAY)["sleep"]
    assert [(len(each), each.state, each.why) for each in found] == [
        (2, "not_asked", "ancient"),
        (1, "not_asked", ""),
    ]
    assert found[0].reason == "It lies before there was any ring."


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("start", "end"),
    [
        (date(1990, 1, 1), date(1990, 1, 9)),
        (date(2030, 1, 1), date(2030, 1, 9)),
        (date(1990, 1, 1), date(2030, 1, 9)),
        (date.min, date.max),
        (DAY, DAY),
    ],
)
def test_whatever_is_asked_for_each_day_is_told_once(ana, start, end):
    write(ana, GAP)
    for found in ledger(ana.pk, start, end, today=TODAY).values():
        assert (found[0].start, found[-1].end) == (start, end)
        for one, other in zip(found, found[1:], strict=False):
            assert one.end + ONE_DAY == other.start


@pytest.fixture
def eventful(ana):
    """Ana's days are in many states."""
    write(ana, [n for n in range(3, 36) if n not in (10, 15, 16, 20)], span=(0, 38))
    write(ana, [20], span=(20, 20), score=101)
    write(ana, [25], span=(25, 25), source={"daily_sleep": None, "sleep": []})
    write(ana, [n for n in range(41) if n != 16], "activity", **at_rest(off=180))
    write(ana, range(5, 9), "readiness", at=over_at(day(30)), span=(0, 20))
    fail(ana, 37, 40, at=AFTER + HOUR)
    return ana


@pytest.mark.django_db
def test_part_of_the_days_are_told_what_they_are_told_among_all(eventful):
    whole = ledger(eventful.pk, day(-5), day(45), today=TODAY)
    assert len({each.state for found in whole.values() for each in found}) >= 6
    for start in range(-5, 43):
        for type_ in METRIC_MODELS:
            part = states(eventful, start, start + 3, type_)
            among = {(one - FIRST).days: each for each in whole[type_] for one in each}
            for number, each in part.items():
                assert replace(each, start=FIRST, end=FIRST) == replace(
                    among[number], start=FIRST, end=FIRST
                )


@pytest.mark.django_db
def test_another_persons_facts_never_show(eventful, ben):
    for found in ledger(ben.pk, day(-5), day(41), today=TODAY).values():
        assert found == [Range(day(-5), day(41), found[0].type, "not_asked")]


@pytest.mark.django_db
def test_another_persons_facts_change_nothing(ana, ben):
    write(ana, GAP[3:])
    before = ledger(ana.pk, day(-5), day(41), today=TODAY)
    write(ben, range(-3, 41), span=(-5, 40))
    write(ben, range(41), "activity", **at_rest(off=700))
    fail(ben, 10, 40, at=AFTER + HOUR)
    write(ben, [10], span=(10, 10), score=101)
    assert ledger(ana.pk, day(-5), day(41), today=TODAY) == before


@pytest.mark.django_db
def test_one_query_tells_all(eventful, django_assert_num_queries):
    with django_assert_num_queries(1):
        ledger(eventful.pk, day(0), TODAY, today=TODAY)


OTHERS_DAYS = 100


def many_others(count=100):
    """Some ten thousand rows of other people in each table that the query reads."""
    users = [person(f"other {n}", "ben").pk for n in range(count)]
    some = "FROM unnest(%s::bigint[]) AS u, generate_series(0, %s) AS n"
    metric = """
        INSERT INTO {} (user_id, oura_id, day, content_hash, created_at, updated_at, fetched_at{})
        SELECT u, u || ' ' || n, date '2026-01-01' + n, ''::bytea, now(), now(), now(){}"""
    reading = """
        INSERT INTO readings (user_id, type, start, "end", complete, asked_at, run, attempts, kind,
            collection)
        SELECT u, 'sleep', date '2026-01-01' + n, date '2026-01-01' + n, true, now(), n, 1, '',
            ''"""
    rejected = """
        INSERT INTO rejected_documents (user_id, type, key, oura_id, day, content, errors,
            fetched_at, first_seen, last_seen)
        SELECT u, 'sleep', n, n, date '2026-01-01' + n, '', '{}', now(), now(), now()"""
    inserts = [
        metric.format(
            module.table(model),
            *((", contributors", ", '{}'") if model.metric_type.contributors else ("", "")),
        )
        for model in METRIC_MODELS.values()
    ]
    with connection.cursor() as cursor:
        for insert in (*inserts, reading, rejected):
            cursor.execute(f"{insert} {some}", [users, OTHERS_DAYS - 1])
        cursor.execute("ANALYZE")


def nodes(plan):
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


@pytest.mark.django_db
def test_among_many_people_every_table_is_read_by_person(eventful):
    many_others()
    with connection.cursor() as cursor:
        cursor.execute(
            f"EXPLAIN (FORMAT JSON) {module.statement()}",
            {"user": eventful.pk, "since": day(-5), "off": module.OFF_AT_LEAST},
        )
        [[[explained]]] = cursor.fetchall()
    found = list(nodes(explained["Plan"]))
    assert [each["Relation Name"] for each in found if each["Node Type"] == "Seq Scan"] == []
    by_index = [each for each in found if "Index Name" in each]
    assert len(by_index) >= 2 * len(METRIC_MODELS) + 3
    assert [each for each in by_index if "user_id" not in each.get("Index Cond", "")] == []


def ledger_version(user):
    return Stream.objects.get(user=user, type="sleep").ledger_version


@pytest.mark.django_db
@pytest.mark.parametrize("scores", [(80, 101), (101, 80)], ids=["comes", "is cleared"])
def test_the_ledgers_readers_learn_of_a_rejected_document_that(processor, ana, scores):
    processor.send(night(score=80))
    processor.send(night(score=scores[0]))
    before = ledger_version(ana)
    processor.send(night(score=scores[1]))
    assert ledger_version(ana) > before


# Coverage, and what is missing --------------------------------------------------------------------


@pytest.mark.django_db
def test_coverage_tells_first_last_days_and_the_gaps_between(ana):
    write(ana, [3, 4, 8, 9, 12], span=(0, 20))
    assert coverage(ana.pk, now=AFTER)["sleep"] == {
        "first": day(3),
        "last": day(12),
        "days": 5,
        "missing": [[day(5), day(7)], [day(10), day(11)]],
    }


@pytest.mark.django_db
def test_of_a_type_without_a_row_coverage_tells_nothing(ana):
    write(ana, [3])
    assert coverage(ana.pk, now=AFTER)["activity"] == {
        "first": None,
        "last": None,
        "days": 0,
        "missing": [],
    }


@pytest.mark.django_db
def test_a_gap_of_several_states_is_one_gap_of_coverage(ana):
    write(ana, [3, 9], span=(0, 12))
    write(ana, [5], span=(5, 5), score=101)
    assert coverage(ana.pk, now=AFTER)["sleep"]["missing"] == [[day(4), day(8)]]


@pytest.mark.django_db
def test_a_partial_day_counts_as_held_in_coverage(ana):
    write(ana, [3, 4, 5], source={"daily_sleep": {"score": 80}, "sleep": []})
    found = coverage(ana.pk, now=AFTER)["sleep"]
    assert (found["days"], found["missing"]) == (3, [])


@pytest.mark.django_db
def test_days_missing_are_counted_from_the_first_held_to_today(ana):
    write(ana, [0, 1, 3], span=(0, 3))
    write(ana, [2], "activity", span=(0, 3))
    assert missing(ana.pk, over_at(day(3))) == {
        **dict.fromkeys(METRIC_MODELS, {"not_asked": 5}),
        "sleep": {"none": 1, "not_asked": 1},
        "activity": {"not_synced": 1, "not_asked": 1},
    }


@pytest.mark.django_db
def test_of_somebody_without_any_row_nothing_is_missing(ana):
    fail(ana, 0, 9)
    assert missing(ana.pk, AFTER) == {}


@pytest.mark.django_db
def test_a_type_that_is_wholly_held_is_not_among_the_missing(ana):
    for type_ in METRIC_MODELS:
        write(ana, range(3), type_, span=(0, 2))
    assert missing(ana.pk, datetime(2026, 3, 3, 12, tzinfo=UTC)) == {}


@pytest.mark.django_db
def test_each_types_first_day_is_that_persons(ana, ben):
    write(ana, [7], span=(0, 9))
    write(ana, [5], "readiness", span=(0, 9))
    write(ben, [1], span=(0, 9))
    assert first_days(ana.pk) == {"sleep": day(7), "readiness": day(5)}


@pytest.mark.django_db
def test_of_somebody_without_any_row_there_is_no_first_day(ana):
    assert first_days(ana.pk) == {}


# Asked by programs --------------------------------------------------------------------------------

LEDGER, COVERAGE = "/api/v1/metrics/ledger", "/api/v1/metrics/coverage"


@pytest.mark.django_db
def test_programs_get_each_day_from_the_first_ring_to_tomorrow_of_every_type(processor, eventful):
    told = processor.get(LEDGER, user="ana").json()
    assert told.keys() == METRIC_MODELS.keys()
    for found in told.values():
        spans = [
            (date.fromisoformat(each["from"]), date.fromisoformat(each["to"])) for each in found
        ]
        assert spans[0][0] == FIRST_DAY
        assert spans[-1][1] == datetime.now(UTC).date() + ONE_DAY
        for one, other in zip(spans, spans[1:], strict=False):
            assert one[1] + ONE_DAY == other[0]


@pytest.mark.django_db
def test_programs_get_a_failure_with_its_reason_and_next_attempt(processor, ana):
    fail(ana, 10, 12)
    [found] = [each for each in processor.get(LEDGER).json()["sleep"] if each["state"] == "failed"]
    assert (found["from"], found["to"]) == ("2026-03-11", "2026-03-13")
    assert found["reason"].startswith("Reading sleep failed on page 2 with status 503")
    assert datetime.fromisoformat(found["next_at"]) > AFTER


@pytest.mark.django_db
def test_programs_get_coverage_with_the_four_fields_of_the_contract(processor, ana):
    write(ana, [3, 4, 8], span=(0, 20))
    told = processor.get(COVERAGE, user="ana").json()
    assert told["sleep"] == {
        "first": "2026-03-04",
        "last": "2026-03-09",
        "days": 3,
        "missing": [["2026-03-06", "2026-03-08"]],
    }
    assert all(each.keys() == told["sleep"].keys() for each in told.values())


@pytest.mark.django_db
@pytest.mark.parametrize("path", [LEDGER, COVERAGE])
def test_without_a_token_nothing_is_told(processor, ana, path):
    assert processor.get(path, token="wrong", user="ana").status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("path", [LEDGER, COVERAGE])
@pytest.mark.parametrize("query", [{"user": "nobody"}, {"user": "ana", "start": "2026-03-01"}])
def test_an_unknown_user_or_parameter_is_400(processor, ana, path, query):
    assert processor.get(path, **query).status_code == 400
