"""The sandbox's documents: valid by Oura's OpenAPI, like recorded answers, and coherent."""

import datetime
import json
import os
import statistics
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest

from sandbox import store
from sandbox.people import named_people
from sandbox.store import NotFound, documents_between
from tests.sandbox.sandboxed import DAILY, DATED, LISTS, SEED, TODAY, Oura, day, reset_sandbox
from tests.scale import scaled

OPENAPI = json.loads((Path(__file__).parent / "openapi-structure.json").read_text())
SCHEMAS = OPENAPI["components"]["schemas"]
LONG_AGO = datetime.date(2000, 1, 1)
STAMPS = {"timestamp", "bedtime_start", "bedtime_end", "start_datetime", "end_datetime"}
STAMPS |= {"start_time", "end_time", "set_up_at"}
DAYS = {"day", "start_day", "end_day"}


@pytest.fixture(autouse=True)
def sandbox(settings):
    reset_sandbox(settings)


def everything(collection, name="demo"):
    return documents_between(name, collection, LONG_AGO, TODAY)


def by_day(collection, name="demo"):
    return {item["day"]: item for item in everything(collection, name)}


def answer_schema(path):
    answer = OPENAPI["paths"][path]["get"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    # The second alternative of a list accepts any object.
    return schema.get("anyOf", [schema])[0]["$ref"].rsplit("/", 1)[1]


def validate(instance, name):
    schema = {"$ref": f"#/components/schemas/{name}", "components": OPENAPI["components"]}
    checker = jsonschema.FormatChecker()
    jsonschema.Draft202012Validator(schema, format_checker=checker).validate(instance)


def document_properties(name):
    return set(SCHEMAS[SCHEMAS[name]["properties"]["data"]["items"]["$ref"][21:]]["properties"])


def check_times(value):
    """Check at any depth that days are dates and instants have an offset."""
    if isinstance(value, list):
        for item in value:
            check_times(item)
    if isinstance(value, dict):
        for key, item in value.items():
            if key in DAYS and item is not None:
                assert day(item).isoformat() == item
            elif key in STAMPS and item is not None:
                assert datetime.datetime.fromisoformat(item).tzinfo
            else:
                check_times(item)


@pytest.mark.parametrize("name", ["demo", "ben", "greta"])
@pytest.mark.parametrize("collection", LISTS)
def test_lists_validate_against_openapi(collection, name):
    span = {"start_date": scaled("2026-10-01", "2026-07-01"), "end_date": "2026-11-20"}
    if collection in ("heartrate", "ring_battery_level"):
        span = {"start_datetime": "2026-11-10T00:00:00Z", "end_datetime": "2026-11-12T00:00:00Z"}
    answer = Oura(name).get(collection, **span).json()
    schema = answer_schema(f"/v2/usercollection/{collection}")
    validate(answer, schema)
    check_times(answer)
    assert all(document_properties(schema) == set(item) for item in answer["data"])


def test_personal_info_validates_against_openapi():
    validate(Oura().get("personal_info").json(), "PersonalInfoResponse")


@pytest.mark.parametrize("collection", [*DATED, "ring_configuration"])
def test_collections_have_documents(collection):
    assert everything(collection)


@pytest.mark.parametrize("collection", DATED)
def test_single_document_equals_that_of_the_list(collection):
    document = everything(collection)[-1]
    assert Oura().get(f"{collection}/{document['id']}").json() == document


def test_every_openapi_path_is_served():
    for path in OPENAPI["paths"]:
        if path.startswith("/v2/usercollection/") and "{" not in path:
            assert Oura().get(path.removeprefix("/v2/usercollection/")).status_code == 200


# Invariants of recorded answers -----------------------------------------------------------------


@pytest.mark.parametrize("name", list(named_people(SEED)))
def test_durations_of_period_add_up(name):
    for period in everything("sleep", name):
        start, end = (
            datetime.datetime.fromisoformat(period[f"bedtime_{edge}"]) for edge in ("start", "end")
        )
        stages = [period[f"{stage}_sleep_duration"] for stage in ("deep", "light", "rem")]
        in_bed, total = period["time_in_bed"], period["total_sleep_duration"]
        assert in_bed == (end - start).total_seconds() > 0
        assert total == sum(stages)
        assert total + period["awake_time"] == in_bed
        assert period["efficiency"] == round(100 * total / in_bed)


def test_strings_of_period_have_a_character_per_interval():
    for period in everything("sleep"):
        seconds = period["time_in_bed"]
        assert len(period["movement_30_sec"]) == len(period["sleep_phase_30_sec"]) == seconds / 30
        assert len(period["sleep_phase_5_min"]) == -(-seconds // 300)
        assert set(period["movement_30_sec"] + period["sleep_phase_30_sec"]) <= set("1234")


def test_vital_signs_of_period_match_its_samples():
    for period in everything("sleep"):
        if period["heart_rate"] is None:
            assert period["lowest_heart_rate"] == 255
            continue
        known = [rate for rate in period["heart_rate"]["items"] if rate is not None]
        assert period["lowest_heart_rate"] == min(known)
        assert period["average_heart_rate"] == pytest.approx(statistics.mean(known), abs=0.001)
        assert len(period["heart_rate"]["items"]) == -(-period["time_in_bed"] // 300)
        assert ".000" in period["heart_rate"]["timestamp"]


@pytest.mark.parametrize("name", list(named_people(SEED)))
def test_night_ending_after_18_belongs_to_next_day(name):
    for period in everything("sleep", name):
        end = datetime.datetime.fromisoformat(period["bedtime_end"])
        assert end.date() + datetime.timedelta(days=end.hour >= 18) == day(period["day"])


@pytest.mark.parametrize("name", list(named_people(SEED)))
def test_periods_count_from_zero_and_do_not_overlap(name):
    by = {}
    for period in everything("sleep", name):
        by.setdefault(period["day"], []).append(period)
    for periods in by.values():
        assert [item["period"] for item in periods] == list(range(len(periods)))
        for earlier, later in pairwise(periods):
            assert earlier["bedtime_end"] <= later["bedtime_start"]


def test_activity_times_add_up_to_a_day():
    names = ("high_activity", "medium_activity", "low_activity", "sedentary", "resting", "non_wear")
    for activity in everything("daily_activity"):
        assert sum(activity[f"{name}_time"] for name in names) == 86_400


def test_activity_day_starts_at_four_with_all_intervals():
    for activity in everything("daily_activity"):
        assert activity["timestamp"].startswith(f"{activity['day']}T04:00:00")
        assert activity["met"]["timestamp"].startswith(f"{activity['day']}T04:00:00.000")
        assert len(activity["class_5_min"]) == 288
        assert (len(activity["met"]["items"]), activity["met"]["interval"]) == (1440, 60.0)


@pytest.mark.parametrize("collection", DATED)
def test_ids_are_unique_and_days_ascend(collection):
    results = everything(collection)
    days = [item.get("day") or item["start_day"] for item in results]
    assert len({item["id"] for item in results}) == len(results)
    assert days == sorted(days)


@pytest.mark.parametrize("collection", DAILY)
def test_day_has_at_most_one_summary(collection):
    days = [item["day"] for item in everything(collection)]
    assert len(set(days)) == len(days)


# Determinism ------------------------------------------------------------------------------------


@pytest.mark.parametrize("collection", [*DATED, "heartrate", "ring_battery_level"])
def test_documents_depend_neither_on_today_nor_history_length(collection, settings):
    span = (datetime.date(2026, 5, 1), datetime.date(2026, 9, 30))
    before = documents_between("demo", collection, *span)
    settings.SANDBOX_DAYS = 4000
    settings.SANDBOX_TODAY = datetime.date(2027, 3, 3)
    assert documents_between("demo", collection, *span) == before != []


def test_first_day_stays_at_midnight(settings, monkeypatch):
    settings.SANDBOX_TODAY, settings.SANDBOX_DAYS = None, 10
    monkeypatch.setattr(store, "STARTED", datetime.date(2026, 11, 20))
    assert store.first_day() == datetime.date(2026, 11, 11)


def test_another_process_generates_the_same_documents():
    code = (
        "import django; django.setup()\n"
        "import datetime, sys\n"
        "from sandbox.store import documents_between\n"
        "day = datetime.date(2026, 5, 5)\n"
        "sys.stdout.write(repr(documents_between('ana', 'sleep', day, day)))"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "myhealth.settings",
        "PYTHONHASHSEED": "77",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    output = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    start = datetime.date(2026, 5, 5)
    assert output == repr(documents_between("ana", "sleep", start, start))


def test_another_seed_gives_other_ids(settings):
    before = everything("daily_readiness")
    settings.SANDBOX_SEED = "another"
    assert not {item["id"] for item in everything("daily_readiness")} & {e["id"] for e in before}


def test_history_ends_today_and_has_its_length(settings):
    settings.SANDBOX_DAYS = 7
    days = {item["day"] for item in everything("daily_stress")}
    assert min(days) == "2026-11-14"
    assert max(days) == "2026-11-20"


def test_people_have_different_documents():
    assert by_day("daily_activity", "ana") != by_day("daily_activity", "ben")


@pytest.mark.parametrize("arguments", [("nobody", "sleep"), ("demo", "mood")])
def test_error_names_unknown_person_or_collection(arguments):
    with pytest.raises(NotFound, match=f"'{'nobody' if 'nobody' in arguments else 'mood'}'"):
        documents_between(*arguments, LONG_AGO, TODAY)


# Coherence --------------------------------------------------------------------------------------


@pytest.fixture
def years(settings):
    settings.SANDBOX_DAYS = 1500


def asleep(name="demo"):
    total = {}
    for period in everything("sleep", name):
        if period["type"] == "long_sleep":
            total[period["day"]] = total.get(period["day"], 0) + period["total_sleep_duration"]
    return total


def test_readiness_is_lower_after_a_short_night(years):
    scores = {key: item["score"] for key, item in by_day("daily_readiness").items()}
    slept = {key: value for key, value in asleep().items() if scores.get(key) is not None}
    short = [scores[key] for key, seconds in slept.items() if seconds < 6 * 3600]
    enough = [scores[key] for key, seconds in slept.items() if seconds > 7.5 * 3600]
    assert len(short) > 30
    assert statistics.mean(short) < statistics.mean(enough) - 8


def test_sleep_score_correlates_with_time_asleep(years):
    slept, days = asleep(), by_day("daily_sleep")
    pairs = [(slept[key], days[key]["score"]) for key in slept.keys() & days.keys()]
    known = [pair for pair in pairs if pair[1] is not None]
    assert statistics.correlation(*zip(*known, strict=True)) > 0.6


def test_fever_raises_heart_rate_and_lowers_readiness_for_days(years):
    readiness = by_day("daily_readiness")
    ill = {k for k, item in readiness.items() if (item["temperature_deviation"] or 0) > 0.8}
    rates = {p["day"]: p["average_heart_rate"] for p in everything("sleep") if p["period"] == 0}
    rates = {key: rate for key, rate in rates.items() if rate}
    assert len(ill) > 20
    assert statistics.mean(rates[key] for key in ill & rates.keys()) > 4 + statistics.mean(
        rates.values()
    )
    scores = {key: item["score"] for key, item in readiness.items() if item["score"]}
    assert statistics.mean(scores[key] for key in ill & scores.keys()) < 72
    following = {(day(key) + datetime.timedelta(days=1)).isoformat() for key in ill}
    assert len(ill & following) > len(ill) / 3


def test_weekend_nights_are_longer(years):
    nights = asleep()
    free = [seconds for key, seconds in nights.items() if day(key).weekday() > 4]
    working = [seconds for key, seconds in nights.items() if day(key).weekday() < 5]
    assert statistics.mean(free) > statistics.mean(working) + 900


def test_ring_in_drawer_leaves_days_without_documents(years):
    days = {item["day"] for name in DAILY for item in everything(name)}
    days |= {item["day"] for item in everything("sleep")}
    have = sorted(map(day, days))
    gaps = [(later - earlier).days - 1 for earlier, later in pairwise(have)]
    assert max(gaps) >= 3


def test_some_days_lack_only_the_night(years):
    nights, activities = by_day("daily_sleep"), by_day("daily_activity")
    missing = activities.keys() - nights.keys() - {p["day"] for p in everything("sleep")}
    assert 0 < len(missing) < 0.1 * len(activities)


def test_some_days_lack_either_summary_or_periods(years):
    summaries, periods = by_day("daily_sleep").keys(), asleep().keys()
    assert 0 < len(summaries - periods) < 40
    assert 0 < len(periods - summaries) < 40


def test_travel_changes_the_offset_for_days(years):
    offsets = [item["timestamp"][19:] for item in everything("daily_activity")]
    assert len(set(offsets)) > 3
    assert sum(earlier != later for earlier, later in pairwise(offsets)) < len(offsets) / 10


def test_summary_timestamp_may_have_another_date(settings):
    settings.SANDBOX_DAYS = 4000
    results = everything("daily_sleep", "greta")
    assert any(item["timestamp"][:10] != item["day"] for item in results)


@pytest.mark.parametrize("kind", ["long_sleep", "sleep", "late_nap", "rest", "deleted"])
def test_every_period_type_occurs(years, kind):
    assert any(period["type"] == kind for period in everything("sleep"))


def test_some_nights_are_split_in_two(years):
    nights = [p["day"] for p in everything("sleep") if p["type"] == "long_sleep"]
    assert 0 < len(nights) - len(set(nights)) < 0.1 * len(nights)


def test_tiny_fragments_do_not_change_the_score(years):
    tiny = [p for p in everything("sleep") if p["type"] == "sleep" and p["time_in_bed"] < 900]
    assert tiny
    assert all(period["sleep_score_delta"] is None for period in tiny)


def test_missing_measurements_have_sentinels(years):
    blind = [item for item in everything("sleep") if item["lowest_heart_rate"] == 255]
    assert blind
    assert all(item["heart_rate"] is None for item in blind)
    zeros = [e for e in everything("daily_readiness") if 0 in e["contributors"].values()]
    assert 0 < len(zeros) < 40


@pytest.mark.parametrize("collection", ["daily_sleep", "daily_activity", "daily_readiness"])
def test_scores_are_in_range_and_some_are_null(years, collection):
    scores = [item["score"] for item in everything(collection)]
    known = [score for score in scores if score is not None]
    assert 0 < scores.count(None) < 0.03 * len(scores)
    assert 1 <= min(known) < 60 < 85 < max(known) <= 100
    assert 70 < statistics.mean(known) < 85


def test_contributors_are_in_range(years):
    for collection in ("daily_sleep", "daily_activity", "daily_readiness"):
        for item in everything(collection):
            assert all(v is None or 0 <= v <= 100 for v in item["contributors"].values())


def test_workout_shows_in_activity_and_heart_rate():
    workout = next(item for item in everything("workout") if item["intensity"] == "hard")
    on = day(workout["day"])
    activity = by_day("daily_activity")[workout["day"]]
    rows = documents_between("demo", "heartrate", on, on)
    assert activity["high_activity_time"] > 300
    assert any(item["source"] == "workout" and item["bpm"] > 110 for item in rows)


def test_heart_rate_ascends_and_has_equal_instants(years):
    rows = documents_between("demo", "heartrate", datetime.date(2026, 9, 1), TODAY)
    instants = [item["timestamp_unix"] for item in rows]
    assert instants == sorted(instants)
    assert len(set(instants)) < len(instants)
