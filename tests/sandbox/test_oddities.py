"""Odd days: what Oura has been seen to answer, on demand."""

import datetime
import json
import re
from itertools import pairwise

import jsonschema
import orjson
import pytest

from sandbox import faults, oddities, store
from sandbox.store import documents_between, true_documents
from tests.processes import ROOT
from tests.sandbox.sandboxed import DATED, TODAY, Oura, day, documents_on, reset_sandbox
from tests.sandbox.test_documents import answer_schema, validate
from tests.scale import full_only, scaled

ONE_DAY = datetime.timedelta(days=1)
SUMMARIES = ("daily_activity", "daily_readiness", "daily_sleep")
# Each kind with each collection whose figures this project shows.
ALL = [
    (kind, collection)
    for kind, oddity in oddities.KINDS.items()
    for collection in oddity.collections or ("sleep", *SUMMARIES)
]
# The kinds that change documents; the others make requests fail.
CHANGING = [pair for pair in ALL if pair[0] not in ("poison", "nan")]
AGAINST_THE_SCHEMA = {("new_type", "sleep"), ("unknown", "sleep")}
AGAINST_THE_SCHEMA |= {("wrong_kind", collection) for collection in ("sleep", *SUMMARIES)}


@pytest.fixture(autouse=True)
def sandbox(settings):
    reset_sandbox(settings, days=60)


def a_day(collection):
    """Return a day with one document, as the days around it; for `sleep`, one long night."""
    documents = documents_between("demo", collection, datetime.date(2026, 1, 1), TODAY)
    days = [document["day"] for document in documents]
    nights = {d["day"] for d in documents if d.get("type", "long_sleep") == "long_sleep"}
    around = [day(text) for text in days if days.count(text) == 1 and text in nights]
    return next(on.isoformat() for on in around[9:] if {on - ONE_DAY, on + ONE_DAY} <= set(around))


def shifted(text, by):
    return (day(text) + by * ONE_DAY).isoformat()


def make_odd(collection, on, oddity):
    answer = Oura().control("oddities", name="demo", type=collection, day=on, oddity=oddity)
    assert answer.status_code == 200, answer.content
    return answer.json()


def shown(demo, collection, on):
    """Return the list of a day and the next one."""
    end = shifted(on, 2 if collection in ("sleep", "daily_activity") else 1)
    return demo.list(collection, start_date=on, end_date=end)


def stored(collection, on):
    return documents_on(collection, on) + documents_on(collection, shifted(on, 1))


def moment(text):
    return datetime.datetime.fromisoformat(text)


def overlap(one, other):
    return moment(one["bedtime_start"]) < moment(other["bedtime_end"]) and moment(
        other["bedtime_start"]
    ) < moment(one["bedtime_end"])


def total_time(document):
    kinds = ["high_activity", "medium_activity", "low_activity", "sedentary", "resting", "non_wear"]
    return sum(document[f"{kind}_time"] for kind in kinds)


# Corrupt records --------------------------------------------------------------------------------


@pytest.mark.parametrize("collection", ["sleep", "daily_activity", "daily_sleep", "workout"])
def test_range_with_a_poisoned_day_fails(demo, collection):
    make_odd(collection, "2026-11-10", "poison")
    answer = demo.get(collection, start_date="2026-11-01", end_date="2026-11-15")
    assert (answer.status_code, answer.content) == (500, b"Internal Server Error")


@pytest.mark.parametrize(
    ("collection", "last"), [("sleep", 0), ("daily_activity", 0), ("daily_sleep", -1)]
)
def test_poison_follows_the_end_rule_of_the_collection(demo, collection, last):
    on = a_day(collection)
    make_odd(collection, on, "poison")
    start, end = shifted(on, -5), shifted(on, last)
    assert demo.get(collection, start_date=start, end_date=end).status_code == 200
    assert demo.get(collection, start_date=start, end_date=shifted(end, 1)).status_code == 500


def test_range_after_a_poisoned_day_is_answered(demo):
    make_odd("sleep", "2026-11-10", "poison")
    answer = demo.get("sleep", start_date="2026-11-11", end_date="2026-11-15")
    assert answer.status_code == 200


def test_document_of_a_poisoned_day_fails(demo):
    on = a_day("sleep")
    make_odd("sleep", on, "poison")
    assert demo.get(f"sleep/{documents_on('sleep', on)[0]['id']}").status_code == 500


def test_nan_day_makes_the_body_invalid_json(demo):
    on = a_day("sleep")
    make_odd("sleep", on, "nan")
    answer = demo.get("sleep", start_date=on, end_date=shifted(on, 1))
    assert answer.status_code == 200
    assert b"NaN" in answer.content
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(answer.content)


def test_document_of_a_nan_day_is_invalid_json(demo):
    on = a_day("sleep")
    make_odd("sleep", on, "nan")
    answer = demo.get(f"sleep/{documents_on('sleep', on)[0]['id']}")
    assert b"NaN" in answer.content
    assert json.loads(answer.content)["day"] == on


def test_poison_spares_other_collections_and_people(demo):
    make_odd("sleep", "2026-11-10", "poison")
    span = {"start_date": "2026-11-01", "end_date": "2026-11-15"}
    assert demo.get("daily_sleep", **span).status_code == 200
    assert Oura("ana").get("sleep", **span).status_code == 200


# All kinds --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "collection"), CHANGING[:: scaled(3, 1)])
def test_list_shows_the_oddity(demo, kind, collection):
    on = a_day(collection)
    before = shown(demo, collection, on)
    make_odd(collection, on, kind)
    # As text, since 45 equals 45.0.
    assert json.dumps(shown(demo, collection, on)) != json.dumps(before)


@pytest.mark.parametrize(("kind", "collection"), CHANGING[:: scaled(3, 1)])
def test_list_and_stored_documents_agree(demo, kind, collection):
    on = a_day(collection)
    make_odd(collection, on, kind)
    assert shown(demo, collection, on) == stored(collection, on)


@pytest.mark.parametrize(("kind", "collection"), CHANGING[:: scaled(3, 1)])
def test_single_document_is_the_last_with_its_id(demo, kind, collection):
    on = a_day(collection)
    make_odd(collection, on, kind)
    for name, document in {item["id"]: item for item in stored(collection, on)}.items():
        assert demo.get(f"{collection}/{name}").json() == document


@pytest.mark.parametrize(("kind", "collection"), ALL[:: scaled(3, 1)])
def test_null_undoes_the_oddity(demo, kind, collection):
    on = a_day(collection)
    before = shown(demo, collection, on)
    make_odd(collection, on, kind)
    make_odd(collection, on, None)
    assert shown(demo, collection, on) == before


def test_reset_undoes_all_oddities(demo):
    days = {collection: a_day(collection) for collection in ("sleep", *SUMMARIES)}
    before = [shown(demo, collection, on) for collection, on in days.items()]
    for collection, on in days.items():
        make_odd(collection, on, "poison")
        make_odd(collection, shifted(on, 1), "repeated")
    store.reset()
    assert [shown(demo, collection, on) for collection, on in days.items()] == before


@pytest.mark.parametrize(("kind", "collection"), ALL[:: scaled(3, 1)])
def test_true_documents_are_those_without_the_oddity(kind, collection):
    on = a_day(collection)
    right = documents_on(collection, on)
    make_odd(collection, on, kind)
    assert true_documents("demo", collection, day(on)) == right


@pytest.mark.parametrize(("kind", "collection"), CHANGING[:: scaled(3, 1)])
def test_odd_list_validates_where_ouras_schema_allows_it(demo, kind, collection):
    on = a_day(collection)
    make_odd(collection, on, kind)
    answer = {"data": shown(demo, collection, on), "next_token": None}
    if (kind, collection) in AGAINST_THE_SCHEMA:
        with pytest.raises(jsonschema.ValidationError):
            validate(answer, answer_schema(f"/v2/usercollection/{collection}"))
    else:
        validate(answer, answer_schema(f"/v2/usercollection/{collection}"))


@pytest.mark.parametrize(("kind", "collection"), CHANGING[:: scaled(3, 1)])
def test_oddity_is_the_same_each_time(kind, collection):
    on = a_day(collection)
    make_odd(collection, on, kind)
    first = stored(collection, on)
    store.reset()
    make_odd(collection, on, kind)
    assert stored(collection, on) == first


@full_only
@pytest.mark.parametrize("collection", DATED)
def test_general_kinds_suit_every_collection_with_figures(settings, collection):
    settings.SANDBOX_DAYS = 400
    on = documents_between("demo", collection, datetime.date(2025, 1, 1), TODAY)
    on = on[0].get("day") or on[0]["start_day"]
    for kind, oddity in oddities.KINDS.items():
        if not oddity.collections:
            answer = Oura().control("oddities", name="demo", type=collection, day=on, oddity=kind)
            assert answer.status_code == 200 or "has no figure" in answer.json()["detail"]


def test_removed_odd_day_is_gone(demo):
    on = a_day("sleep")
    make_odd("sleep", on, "twin")
    demo.control("remove", name="demo", type="sleep", day=on)
    assert documents_on("sleep", on) == []


def test_odd_day_can_be_recomputed(demo):
    on = a_day("daily_sleep")
    make_odd("daily_sleep", on, "repeated")
    before = documents_on("daily_sleep", on)
    demo.control("recompute", name="demo", type="daily_sleep", day=on)
    first, second = documents_on("daily_sleep", on)
    assert first == second
    assert first["score"] != before[0]["score"]


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"oddity": "strange"}, 400, "oddity must be null or one of: poison, nan"),
        ({"oddity": "twin", "type": "daily_sleep"}, 400, "twin suits only sleep."),
        ({"oddity": "twin", "name": "nobody"}, 404, "There is no person 'nobody'"),
        ({"oddity": "twin", "day": "2020-01-01"}, 404, "2020-01-01 is outside the history"),
    ],
)
def test_invalid_oddity_is_rejected_with_reason(demo, body, status, expected):
    body = {"name": "demo", "type": "sleep", "day": "2026-11-10", **body}
    answer = demo.control("oddities", **body)
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(expected)


def test_documentation_lists_every_oddity_and_fault():
    text = (ROOT / "docs" / "sandbox.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", text.partition("## Odd days")[2], re.MULTILINE)
    assert sorted(listed) == sorted(oddities.KINDS)
    assert [kind for kind in faults.KINDS if f"`{kind}`" not in text] == []


# The same thing twice ---------------------------------------------------------------------------


def test_repeated_document_comes_twice():
    on = a_day("sleep")
    [right] = documents_on("sleep", on)
    make_odd("sleep", on, "repeated")
    assert documents_on("sleep", on) == [right, right]


@pytest.mark.parametrize("collection", ["sleep", "daily_activity", "daily_stress"])
def test_repeated_changed_document_is_true_the_second_time(collection):
    on = a_day(collection)
    [right] = documents_on(collection, on)
    make_odd(collection, on, "repeated_changed")
    other, last = documents_on(collection, on)
    assert last == right
    assert other["id"] == right["id"]
    assert other != right


@pytest.mark.parametrize("collection", ["daily_activity", "daily_readiness", "daily_sleep"])
def test_second_daily_document_is_older_and_differs(collection):
    on = a_day(collection)
    [right] = documents_on(collection, on)
    make_odd(collection, on, "two_documents")
    first, second = documents_on(collection, on)
    assert first == right
    assert moment(second["timestamp"]) < moment(first["timestamp"])
    assert second["id"] != first["id"]
    assert second["score"] != first["score"]


def test_twin_has_slightly_less_sleep_and_adds_up():
    on = a_day("sleep")
    make_odd("sleep", on, "twin")
    night, twin = documents_on("sleep", on)
    assert twin["id"] != night["id"]
    assert twin["bedtime_start"] == night["bedtime_start"]
    assert night["total_sleep_duration"] - twin["total_sleep_duration"] == 90
    assert twin["total_sleep_duration"] + twin["awake_time"] == twin["time_in_bed"]
    assert twin["light_sleep_duration"] == 30 * twin["sleep_phase_30_sec"].count("2")
    assert (twin["lowest_heart_rate"], twin["average_hrv"]) == (255, None)


def test_nested_session_is_inside_the_night():
    on = a_day("sleep")
    make_odd("sleep", on, "nested")
    night, session = documents_on("sleep", on)
    assert session["type"] == "sleep"
    assert moment(night["bedtime_start"]) < moment(session["bedtime_start"])
    assert moment(session["bedtime_end"]) < moment(night["bedtime_end"])


def test_nine_overlapping_sessions_are_shorter_than_the_night():
    on = a_day("sleep")
    [night] = documents_on("sleep", on)
    make_odd("sleep", on, "overlapping")
    sessions = [item for item in documents_on("sleep", on) if item["id"] != night["id"]]
    assert len(sessions) == 9
    assert all(item["time_in_bed"] < night["time_in_bed"] for item in sessions)
    assert all(overlap(item, night) for item in sessions)
    assert all(overlap(*pair) for pair in pairwise(sessions))


def test_overlapping_sessions_add_no_sleep_outside_the_night():
    on = a_day("sleep")
    [night] = documents_on("sleep", on)
    make_odd("sleep", on, "overlapping")
    first, last = documents_on("sleep", on)[0], documents_on("sleep", on)[-1]
    before = moment(night["bedtime_start"]) - moment(first["bedtime_start"])
    after = moment(last["bedtime_end"]) - moment(night["bedtime_end"])
    for phases, span in (
        (first["sleep_phase_30_sec"], before),
        (last["sleep_phase_30_sec"][::-1], after),
    ):
        assert span.total_seconds() > 0
        assert set(phases[: round(span.total_seconds() / 30)]) == {"4"}


def test_deleted_copy_has_the_id_of_the_night():
    on = a_day("sleep")
    make_odd("sleep", on, "as_deleted_copy")
    night, copy = documents_on("sleep", on)
    assert copy["id"] == night["id"]
    assert (night["type"], copy["type"]) == ("long_sleep", "deleted")


def test_night_under_two_days_has_another_id_on_the_second():
    on = a_day("sleep")
    [night] = documents_on("sleep", on)
    [right] = documents_on("sleep", shifted(on, 1))
    make_odd("sleep", on, "under_two_days")
    copy, own = documents_on("sleep", shifted(on, 1))
    assert documents_on("sleep", on) == [night]
    assert own == right
    assert copy["id"] != night["id"]
    assert copy == night | {"id": copy["id"], "day": shifted(on, 1)}


# Missing or new ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "right"),
    [
        ("null_type", None),
        ("new_type", "segmented_sleep"),
        ("all_rest", "rest"),
        ("all_deleted", "deleted"),
    ],
)
def test_type_of_the_night_changes(kind, right):
    on = a_day("sleep")
    make_odd("sleep", on, kind)
    assert [item["type"] for item in documents_on("sleep", on)] == [right]


def test_absent_type_is_left_out():
    on = a_day("sleep")
    make_odd("sleep", on, "absent_type")
    assert "type" not in documents_on("sleep", on)[0]


def test_unknown_fields_and_words_are_added():
    on = a_day("sleep")
    make_odd("sleep", on, "unknown")
    [night] = documents_on("sleep", on)
    assert night["new_figure"] == 7
    assert night["sleep_analysis_reason"] == "new_word"


# Numbers and moments ----------------------------------------------------------------------------


def test_whole_numbers_are_floats(demo):
    on = a_day("daily_activity")
    make_odd("daily_activity", on, "float")
    answer = demo.get("daily_activity", start_date=on, end_date=shifted(on, 1))
    steps = answer.json()["data"][0]["steps"]
    assert b'"steps":%d.0' % steps in answer.content


@pytest.mark.parametrize("fields", ["", "average_hrv,new_counter"])
def test_integer_beyond_64_bit_is_written_exactly(demo, fields):
    on = a_day("sleep")
    make_odd("sleep", on, "beyond_64_bit")
    [night] = demo.list("sleep", start_date=on, end_date=shifted(on, 1), fields=fields)
    assert night["average_hrv"] == night["new_counter"] == 2**70


@pytest.mark.parametrize(
    ("collection", "right"), [("sleep", 101), ("daily_activity", -1), ("daily_sleep", 999)]
)
def test_out_of_range_value_is_one_figure(collection, right):
    on = a_day(collection)
    make_odd(collection, on, "out_of_range")
    [document] = documents_on(collection, on)
    contributors = document.get("contributors", {})
    figures = {"sleep": "efficiency", "daily_activity": "steps"}
    name = figures.get(collection)
    assert (document[name] if name else contributors["deep_sleep"]) == right


def test_figure_of_the_wrong_kind_is_a_string():
    on = a_day("daily_activity")
    make_odd("daily_activity", on, "wrong_kind")
    assert documents_on("daily_activity", on)[0]["steps"] == "high"


def test_zeros_stand_for_what_was_not_measured():
    on = a_day("sleep")
    make_odd("sleep", on, "zeros")
    [night] = documents_on("sleep", on)
    assert night["average_heart_rate"] == night["average_hrv"] == night["average_breath"] == 0


def test_zeros_of_a_summary_are_its_contributors():
    on = a_day("daily_readiness")
    make_odd("daily_readiness", on, "zeros")
    assert set(documents_on("daily_readiness", on)[0]["contributors"].values()) == {0}


@pytest.mark.parametrize(
    ("kind", "start"),
    [
        ("offsetless", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"),
        ("short_offset", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+\d{4}"),
        ("blank", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+\d\d:\d\d"),
        ("nine_digits", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.123456789\+\d\d:\d\d"),
    ],
)
def test_moment_has_another_form(kind, start):
    on = a_day("sleep")
    make_odd("sleep", on, kind)
    assert re.fullmatch(start, documents_on("sleep", on)[0]["bedtime_start"])


def test_only_the_start_has_no_offset():
    on = a_day("sleep")
    [right] = documents_on("sleep", on)
    make_odd("sleep", on, "offsetless")
    assert documents_on("sleep", on)[0]["bedtime_end"] == right["bedtime_end"]


# Rings ------------------------------------------------------------------------------------------


def test_fragment_of_ten_minutes_is_all_of_the_day():
    on = a_day("sleep")
    make_odd("sleep", on, "fragment")
    [fragment] = documents_on("sleep", on)
    assert (fragment["time_in_bed"], fragment["type"]) == (600, "sleep")
    assert fragment["total_sleep_duration"] > 0


def test_other_ring_is_one_of_the_person(demo):
    on = a_day("sleep")
    [right] = documents_on("sleep", on)
    make_odd("sleep", on, "other_ring")
    other = documents_on("sleep", on)[0]["ring_id"]
    assert other != right["ring_id"]
    assert other in {ring["id"] for ring in demo.list("ring_configuration")}


# Ring off ---------------------------------------------------------------------------------------


def test_day_without_the_ring_has_no_steps_and_no_score():
    on = a_day("daily_activity")
    make_odd("daily_activity", on, "off_all_day")
    [document] = documents_on("daily_activity", on)
    assert (document["steps"], document["score"], document["non_wear_time"]) == (0, None, 86400)
    assert document["class_5_min"] == "0" * 288
    assert total_time(document) == 86400


@pytest.mark.parametrize(
    ("kind", "off", "least"),
    [("off_in_night", slice(216, 288), 21600), ("off_in_morning", slice(0, 18), 5400)],
)
def test_ring_is_off_for_a_part_of_the_day(kind, off, least):
    on = a_day("daily_activity")
    [right] = documents_on("daily_activity", on)
    make_odd("daily_activity", on, kind)
    [document] = documents_on("daily_activity", on)
    assert set(document["class_5_min"][off]) == {"0"}
    assert document["non_wear_time"] >= least
    assert total_time(document) == total_time(right) == 86400
    assert (len(document["class_5_min"]), len(document["met"]["items"])) == (288, 1440)


def test_short_day_has_seventeen_hours():
    on = a_day("daily_activity")
    make_odd("daily_activity", on, "short_day")
    [document] = documents_on("daily_activity", on)
    assert (len(document["class_5_min"]), len(document["met"]["items"])) == (204, 1020)
    assert total_time(document) == 17 * 3600


def test_day_without_classes_keeps_its_times():
    on = a_day("daily_activity")
    make_odd("daily_activity", on, "no_classes")
    [document] = documents_on("daily_activity", on)
    assert document["class_5_min"] is None
    assert total_time(document) == 86400
