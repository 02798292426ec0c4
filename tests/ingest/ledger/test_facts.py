"""The ledger of what is stored: the facts are read by one statement, from indexes."""

from datetime import date

import pytest
from django.db import connection

from ingest.coverage import is_missing, merge_alike
from ingest.facts import facts_parameters, facts_query, read_facts
from ingest.ledger import Range, ledger, outline
from ingest.models import METRIC_MODELS, RejectedDocument, Stream
from metrics import TYPES
from myhealth.days import ONE_DAY, Days, over_at
from myhealth.postgresql.prepared import fetch_all
from myhealth.states import Failure, FailureKind, State, Verdict
from tests.ingest.ledger.facts import DAY, FIRST, HOUR, day
from tests.ingest.ledger.stored import (
    AFTER,
    GAP,
    TODAY,
    fail_numbers,
    reject_number,
    store_numbers,
)
from tests.worlds import document, person


def verdicts(user, start=0, end=40, type="sleep"):
    """Return the verdicts by day, counted from FIRST."""
    ranges = ledger(user.pk, day(start), day(end), today=TODAY)[type]
    return {(one - FIRST).days: each.verdict for each in ranges for one in each}


def state_of(user, number=10, type="sleep"):
    verdict = verdicts(user, type=type)[number]
    cause = verdict.cause or verdict.missing_collection
    return (verdict.state, cause) if cause else verdict.state


@pytest.mark.django_db
def test_rows_and_gaps_are_ranges(ana):
    store_numbers(ana, GAP)
    found = ledger(ana.pk, day(0), TODAY, today=TODAY)["sleep"]
    assert [(each.start, each.end, each.state) for each in found] == [
        (day(0), day(9), "held"),
        (day(10), day(10), "none"),
        (day(11), day(40), "held"),
    ]


@pytest.mark.django_db
def test_row_with_missing_collection_is_partial(ana):
    store_numbers(ana, GAP)
    store_numbers(ana, [10], fetched=(10, 10), source={"daily_sleep": {"score": 80}, "sleep": []})
    assert [state_of(ana, n) for n in (9, 10, 11)] == ["held", ("partial", "sleep"), "held"]


@pytest.mark.django_db
def test_rejected_document_has_its_primary_key(ana):
    store_numbers(ana, GAP)
    reject_number(ana, 10)
    found = verdicts(ana)[10]
    assert (found.state, found.rejected) == ("rejected", RejectedDocument.objects.get().pk)


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["", "soon", "2026-02-30", "20260311"])
def test_rejected_document_without_day_changes_nothing(ana, text):
    store_numbers(ana, GAP)
    RejectedDocument.objects.create(user=ana, type="sleep", key="x", day=text, errors={})
    assert state_of(ana) == "none"


@pytest.mark.django_db
def test_minutes_of_both_days_mean_ring_off(ana):
    store_numbers(ana, GAP)
    store_numbers(ana, range(41), "activity", non_wear_minutes=180)
    found = verdicts(ana)[10]
    assert (found.state, found.off) == ("not_worn", (360, "both_days"))


@pytest.mark.django_db
def test_minutes_of_unfinished_day_explain_nothing(ana):
    store_numbers(ana, GAP)
    store_numbers(ana, range(11), "activity", at=over_at(DAY) - HOUR, non_wear_minutes=400)
    assert state_of(ana) == "none"


@pytest.mark.django_db
def test_charging_is_not_ring_off(ana):
    store_numbers(ana, GAP)
    store_numbers(ana, range(11), "activity", non_wear_minutes=99)
    store_numbers(ana, [10], "activity", fetched=(10, 10), non_wear_minutes=700)
    assert state_of(ana) == "none"


@pytest.mark.django_db
def test_day_without_activity_is_not_ring_off(ana):
    store_numbers(ana, GAP)
    store_numbers(ana, [n for n in range(41) if n != 9], "activity", non_wear_minutes=700)
    assert state_of(ana) == "none"


@pytest.mark.django_db
def test_activity_without_minutes_explains_nothing(ana):
    store_numbers(ana, GAP)
    store_numbers(ana, range(41), "activity")
    assert state_of(ana) == "none"


def store_wear(user, classes_by_number, **columns):
    """Store activity days, these with Oura's classes of five minutes."""
    store_numbers(user, range(41), "activity", **columns)
    for number, classes in classes_by_number.items():
        activity = {"class_5_min": classes, "timestamp": f"{day(number)}T04:00:00+01:00"}
        source = {"daily_activity": activity}
        fetched = (number, number)
        store_numbers(user, [number], "activity", fetched=fetched, source=source, **columns)


# Off from 22:00 to 05:30.
OFF_AT_NIGHT = {9: "2" * 216 + "0" * 72, 10: "0" * 18 + "2" * 270}


@pytest.mark.django_db
def test_classes_of_both_days_mean_ring_off_at_night(ana):
    store_numbers(ana, GAP)
    store_wear(ana, OFF_AT_NIGHT)
    found = verdicts(ana)[10]
    assert (found.state, found.off) == ("not_worn", (450, "night"))


@pytest.mark.django_db
def test_classes_with_ring_on_at_night_outweigh_minutes(ana):
    store_numbers(ana, GAP)
    store_wear(ana, dict.fromkeys((9, 10), "2" * 288), non_wear_minutes=700)
    assert state_of(ana) == "none"


@pytest.mark.django_db
def test_readiness_outweighs_classes_with_ring_off(ana):
    store_numbers(ana, GAP)
    store_wear(ana, OFF_AT_NIGHT)
    store_numbers(ana, [10], "readiness")
    assert state_of(ana) == "none"


@pytest.mark.django_db
@pytest.mark.parametrize("short", [9, 10])
def test_classes_of_day_under_way_explain_nothing(ana, short):
    store_numbers(ana, GAP)
    store_wear(ana, OFF_AT_NIGHT | {short: OFF_AT_NIGHT[short][:60]})
    assert state_of(ana) == "none"


@pytest.mark.django_db
def test_part_of_ledger_knows_the_night_before_its_first_day(ana):
    store_numbers(ana, GAP)
    store_wear(ana, OFF_AT_NIGHT)
    assert verdicts(ana, 10, 10)[10].off == (450, "night")


@pytest.mark.django_db
def test_nights_that_are_stored_are_not_read(ana):
    store_numbers(ana, range(41))
    store_wear(ana, OFF_AT_NIGHT)
    assert read_facts(ana.pk, day(0), "default").nights_off == {}


@pytest.mark.django_db
@pytest.mark.parametrize(("minutes", "off"), [(1199, None), (1200, (1200, "day"))])
def test_ring_off_for_twenty_hours_was_off_all_day(ana, minutes, off):
    store_numbers(ana, range(41), "activity", non_wear_minutes=50)
    store_numbers(ana, [10], "activity", fetched=(10, 10), non_wear_minutes=minutes)
    found = verdicts(ana, type="activity")
    assert (found[10].state, found[10].off) == ("held", off)
    assert (found[9].off, found[11].off) == (None, None)


@pytest.mark.django_db
def test_short_day_of_travel_is_not_ring_off(ana):
    store_numbers(ana, GAP)
    store_numbers(ana, range(41), "activity", sedentary_minutes=900, non_wear_minutes=0)
    assert state_of(ana) == "none"


@pytest.mark.django_db
def test_failure_has_all_stored_details(ana):
    fail_numbers(ana, 10, 12)
    found = verdicts(ana)[10]
    assert found.state == "failed"
    details = (FailureKind.UNAVAILABLE, 503, "sleep", 2, 4, AFTER)
    assert found.failure == Failure(*details, alike=1, since=AFTER)


@pytest.mark.django_db
def test_days_after_tomorrow_are_future(ana):
    found = verdicts(ana, 40, 50)
    assert [found[n].cause for n in (41, 42, 50)] == [None, "future", "future"]
    assert found[42].reason == "The future has no data yet."


@pytest.mark.django_db
def test_days_before_2010_are_before_any_ring(ana):
    found = ledger(ana.pk, date(2009, 12, 30), date(2010, 1, 1), today=TODAY)["sleep"]
    assert [(len(each), each.state, each.verdict.cause) for each in found] == [
        (2, "not_asked", "ancient"),
        (1, "not_asked", None),
    ]
    assert found[0].reason == "There were no Oura rings yet."


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
def test_each_requested_day_is_in_one_range(ana, start, end):
    store_numbers(ana, GAP)
    for found in ledger(ana.pk, start, end, today=TODAY).values():
        assert (found[0].start, found[-1].end) == (start, end)
        for one, other in zip(found, found[1:], strict=False):
            assert one.end + ONE_DAY == other.start


@pytest.mark.django_db
def test_part_of_ledger_equals_part_of_full_ledger(eventful):
    whole = ledger(eventful.pk, day(-5), day(45), today=TODAY)
    assert len({each.state for found in whole.values() for each in found}) >= 6
    for start in range(-5, 43):
        for type_ in METRIC_MODELS:
            part = verdicts(eventful, start, start + 3, type_)
            full = {(one - FIRST).days: each.verdict for each in whole[type_] for one in each}
            assert all(full[number] == verdict for number, verdict in part.items())


@pytest.mark.django_db
@pytest.mark.parametrize("type_", TYPES)
def test_outline_has_same_days_missing_as_ledger(eventful, type_):
    def states(ranges):
        return {
            each: days.state if days.state.has_row else is_missing(days)
            for days in ranges
            for each in days
        }

    days = Days(day(0), day(45))
    whole = ledger(eventful.pk, days.start, days.end, today=TODAY)[type_]
    assert states(outline(eventful.pk, type_, days, today=TODAY)) == states(whole)


@pytest.mark.django_db
def test_ledger_without_all_fetches_shows_same_states(eventful):
    store_numbers(eventful, [], "readiness", at=over_at(day(12)), fetched=(6, 12))
    for start in range(-5, 43):
        days = {"start": day(start), "end": day(start + 5), "today": TODAY}
        some = ledger(eventful.pk, **days)
        every = ledger(eventful.pk, **days, all_fetches=True)
        for type_ in METRIC_MODELS:
            assert [shown(each) for each in merge_alike(some[type_])] == [
                shown(each) for each in merge_alike(every[type_])
            ]


def shown(each):
    return each.start, each.end, each.state, each.reason, each.verdict.rejected


@pytest.mark.django_db
def test_another_persons_facts_never_show(eventful, ben):
    for found in ledger(ben.pk, day(-5), day(41), today=TODAY).values():
        assert found == [Range(day(-5), day(41), found[0].type, Verdict(State.NOT_ASKED))]


@pytest.mark.django_db
def test_another_persons_facts_change_nothing(ana, ben):
    store_numbers(ana, GAP[3:])
    before = ledger(ana.pk, day(-5), day(41), today=TODAY)
    store_numbers(ben, range(-3, 41), fetched=(-5, 40))
    store_numbers(ben, range(41), "activity", non_wear_minutes=700)
    fail_numbers(ben, 10, 40, at=AFTER + HOUR)
    reject_number(ben, 10)
    assert ledger(ana.pk, day(-5), day(41), today=TODAY) == before


@pytest.mark.django_db
def test_ledger_takes_one_query(ana, django_assert_num_queries):
    store_numbers(ana, GAP[3:])
    fail_numbers(ana, 20, 30)
    reject_number(ana, 2)
    with django_assert_num_queries(1):
        ledger(ana.pk, day(0), TODAY, today=TODAY)


@pytest.mark.django_db
def test_nights_with_ring_off_take_another_query(eventful, django_assert_num_queries):
    with django_assert_num_queries(2):
        ledger(eventful.pk, day(0), TODAY, today=TODAY)


OTHERS_DAYS = 100


def many_others(count=100):
    """Some ten thousand rows of other people in each table that the query reads."""
    users = [person(f"other {n}", "ben").pk for n in range(count)]
    some = "FROM unnest(%s::bigint[]) AS u, generate_series(0, %s) AS n"
    metric = """
        INSERT INTO {} (user_id, oura_id, day, content_hash, created_at, updated_at, fetched_at{})
        SELECT u, u || ' ' || n, date '2026-01-01' + n, ''::bytea, now(), now(), now(){}"""
    fetch = """
        INSERT INTO fetches (user_id, type, start, "end", complete, asked_at, run, attempts, kind,
            collection)
        SELECT u, 'sleep', date '2026-01-01' + n, date '2026-01-01' + n, true, now(), n, 1, '',
            ''"""
    rejected = """
        INSERT INTO rejected_documents (user_id, type, key, oura_id, day, content, errors,
            fetched_at, first_seen, last_seen)
        SELECT u, 'sleep', n, n, date '2026-01-01' + n, '', '{}', now(), now(), now()"""
    inserts = [
        metric.format(
            model._meta.db_table,
            *((", contributors", ", '{}'") if model.metric_type.contributors else ("", "")),
        )
        for model in METRIC_MODELS.values()
    ]
    with connection.cursor() as cursor:
        for insert in (*inserts, fetch, rejected):
            cursor.execute(f"{insert} {some}", [users, OTHERS_DAYS - 1])
        cursor.execute("ANALYZE")


def nodes(plan):
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


@pytest.mark.django_db
def test_every_table_is_read_by_person_index(eventful):
    many_others()
    with connection.cursor() as cursor:
        # Of sources there are too few here to be worth an index, and rows that are rolled back
        # would still spoil what PostgreSQL plans in other tests.
        cursor.execute("SET LOCAL enable_seqscan = off")
    [[explained]] = fetch_all(
        f"EXPLAIN (FORMAT JSON) {facts_query()}",
        facts_parameters(eventful.pk, day(-5)),
    )
    found = list(nodes(explained[0]["Plan"]))
    assert [each["Relation Name"] for each in found if each["Node Type"] == "Seq Scan"] == []
    by_index = [each for each in found if "Index Name" in each]
    assert len(by_index) >= 2 * len(METRIC_MODELS) + 3
    assert [each for each in by_index if "user_id" not in each.get("Index Cond", "")] == []


def ledger_version(user):
    return Stream.objects.get(user=user, type="sleep").ledger_version


@pytest.mark.django_db
@pytest.mark.parametrize("scores", [(80, 101), (101, 80)], ids=["comes", "is cleared"])
def test_rejected_document_raises_ledger_version_when_it(processor, ana, scores):
    processor.send(document(score=80))
    processor.send(document(score=scores[0]))
    before = ledger_version(ana)
    processor.send(document(score=scores[1]))
    assert ledger_version(ana) > before
