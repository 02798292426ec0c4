"""Naps that Oura detects in the sandbox, and periods that count as deleted."""

import datetime
from itertools import pairwise

import pytest

from sandbox.days import in_drawer
from sandbox.people import people
from sandbox.sleep import beds
from sandbox.store import documents, forget
from tests.sandbox.sandboxed import SEED, TODAY, Oura, day_with, held, recompute, start_afresh
from tests.sandbox.test_documents import validate

NAP_TYPES = ["rest", "sleep", "late_nap", "deleted"]
DELTAS = {"readiness_score_delta", "sleep_score_delta"}


@pytest.fixture(autouse=True)
def sandbox(settings):
    start_afresh(settings, days=60)


def asked(demo, path, on, **more):
    answer = demo.control(path, name="demo", day=on, **more)
    assert answer.status_code == 200, answer.content
    return answer.json()


def nap_of(demo, on, kind="sleep"):
    """The day's one more period after a nap was asked."""
    before = {each["id"] for each in held("sleep", on)}
    told = asked(demo, "nap", on, type=kind)
    [new] = [each for each in held("sleep", on) if each["id"] not in before]
    assert told == {"name": "demo", "type": "sleep", "day": on, "ids": told["ids"]}
    assert told["ids"] == [each["id"] for each in held("sleep", on)]
    return new


def without(period, *names):
    return {name: value for name, value in period.items() if name not in names}


def ringless(settings):
    """A day in the drawer, with the history long enough to have it."""
    settings.SANDBOX_DAYS = 1500
    days = (TODAY - datetime.timedelta(days=n) for n in range(1500))
    return next(each.isoformat() for each in days if in_drawer(people(SEED)["demo"], each))


@pytest.mark.parametrize("kind", NAP_TYPES)
def test_a_nap_is_one_more_period_and_leaves_the_others_as_they_were(demo, kind):
    on = day_with("sleep")
    before = held("sleep", on)
    nap = nap_of(demo, on, kind)
    assert (nap["type"], nap["day"], nap["period"]) == (kind, on, len(before))
    assert [each for each in held("sleep", on) if each != nap] == before


@pytest.mark.parametrize("name", ["demo", "ben", "greta"])
def test_naps_of_every_day_add_up_and_validate_and_overlap_nothing(settings, name):
    settings.SANDBOX_TODAY += datetime.timedelta(days=1)
    for number in range(50):
        on = (TODAY - datetime.timedelta(days=number)).isoformat()
        body = {"name": name, "day": on, "type": NAP_TYPES[number % 4]}
        assert Oura(name).control("nap", **body).status_code == 200
    found = documents(name, "sleep", datetime.date(2026, 1, 1), settings.SANDBOX_TODAY)
    for period in found:
        check_period(period)
    times = [bedtimes(each) for each in found]
    assert all(end <= start for (_, end), (start, _) in pairwise(times))
    answer = Oura(name).get("sleep", start_date="2026-09-01", end_date="2026-11-22").json()
    validate(answer, "MultiDocumentResponse_PublicModifiedSleepModel_")
    assert len(answer["data"]) == len(found)


def bedtimes(period):
    edges = (period["bedtime_start"], period["bedtime_end"])
    return tuple(map(datetime.datetime.fromisoformat, edges))


def check_period(period):
    begin, end = bedtimes(period)
    in_bed, total = period["time_in_bed"], period["total_sleep_duration"]
    stages = [period[f"{stage}_sleep_duration"] for stage in ("deep", "light", "rem")]
    assert total == sum(stages)
    assert total + period["awake_time"] == in_bed == (end - begin).total_seconds()
    assert period["efficiency"] == round(100 * total / in_bed)
    assert len(period["movement_30_sec"]) == len(period["sleep_phase_30_sec"]) == in_bed / 30
    assert len(period["sleep_phase_5_min"]) == -(-in_bed // 300)


def test_periods_count_in_the_order_of_time_beside_a_nap(demo):
    for number in range(60):
        on = (TODAY - datetime.timedelta(days=number)).isoformat()
        asked(demo, "nap", on, type="rest")
        found = sorted(held("sleep", on), key=lambda each: each["bedtime_start"])
        assert [each["period"] for each in found] == list(range(len(found)))


def test_a_nap_asked_again_changes_its_type_and_deltas_alone(demo):
    on = day_with("sleep")
    nap = nap_of(demo, on, "rest")
    for kind in ("sleep", "late_nap", "deleted", "rest"):
        asked(demo, "nap", on, type=kind)
        again = held("sleep", on)[-1]
        assert again["type"] == kind
        assert without(again, "type", *DELTAS) == without(nap, "type", *DELTAS)


@pytest.mark.parametrize("kind", NAP_TYPES)
def test_only_a_confirmed_nap_has_moved_scores(demo, kind):
    nap = nap_of(demo, day_with("sleep"), kind)
    assert [nap[delta] is not None for delta in DELTAS] == [kind in ("sleep", "late_nap")] * 2


@pytest.mark.parametrize("recomputed", [False, True])
def test_single_documents_beside_a_nap_equal_those_of_the_list(demo, recomputed):
    on = day_with("sleep")
    asked(demo, "nap", on, type="rest")
    if recomputed:
        recompute(demo, "sleep", on, new_id=True)
    found = held("sleep", on)
    assert demo.between("sleep", on, on) == found
    assert [demo.get(f"sleep/{each['id']}").json() for each in found] == found


def test_a_nap_is_all_that_a_day_without_the_ring_has(demo, settings):
    on = ringless(settings)
    assert held("sleep", on) == []
    nap = nap_of(demo, on)
    assert (nap["period"], held("sleep", on)) == (0, [nap])
    assert demo.get(f"sleep/{nap['id']}").json() == nap


def test_a_nap_without_a_night_moves_when_it_is_recomputed(demo, settings):
    on = ringless(settings)
    seen = [nap_of(demo, on)]
    for _ in range(5):
        recompute(demo, "sleep", on)
        seen += held("sleep", on)
        check_period(seen[-1])
    assert len({each["bedtime_start"] for each in seen}) == 6
    assert len({each["id"] for each in seen}) == 1


def test_a_nap_without_a_night_can_be_removed_and_restored(demo, settings):
    on = ringless(settings)
    nap, body = nap_of(demo, on), {"name": "demo", "type": "sleep", "day": on}
    assert demo.control("remove", **body).json()["removed"]
    assert held("sleep", on) == []
    assert demo.control("restore", **body).json()["restored"]
    assert held("sleep", on) == [nap]


def test_a_recomputed_night_keeps_its_nap(demo):
    on = day_with("sleep")
    nap = nap_of(demo, on)
    told = recompute(demo, "sleep", on)
    assert held("sleep", on)[-1] == nap
    assert told["ids"][-1] == nap["id"]


def test_a_nap_keeps_its_id_when_the_night_swallows_an_earlier_period(demo):
    person = people(SEED)["demo"]
    days = (TODAY - datetime.timedelta(days=n) for n in range(60))
    on = next(d.isoformat() for d in days if len(beds(person, d, 9)) < len(beds(person, d)))
    nap = nap_of(demo, on)
    for _ in range(9):
        recompute(demo, "sleep", on)
    assert held("sleep", on)[-1] == {**nap, "period": nap["period"] - 1}


def test_new_ids_are_a_naps_too(demo):
    on = day_with("sleep")
    nap = nap_of(demo, on)
    recompute(demo, "sleep", on, new_id=True)
    assert without(held("sleep", on)[-1], "id") == without(nap, "id")
    assert demo.get(f"sleep/{nap['id']}").status_code == 404


def test_deleted_periods_keep_all_but_their_type_and_deltas(demo):
    on = day_with("sleep")
    before = [*held("sleep", on), nap_of(demo, on)]
    told = asked(demo, "periods", on, deleted=True)
    after = held("sleep", on)
    expected = {"name": "demo", "type": "sleep", "day": on, "ids": [e["id"] for e in before]}
    assert told == expected
    assert [each["type"] for each in after] == ["deleted"] * len(before)
    assert {each[delta] for each in after for delta in DELTAS} == {None}
    kept = [[without(each, "type", *DELTAS) for each in found] for found in (before, after)]
    assert kept[0] == kept[1]


def test_deleted_periods_get_their_own_types_again(demo):
    on = day_with("sleep")
    asked(demo, "nap", on, type="late_nap")
    before = held("sleep", on)
    asked(demo, "periods", on, deleted=True)
    told = asked(demo, "periods", on, deleted=False)
    assert held("sleep", on) == before
    assert told["ids"] == [each["id"] for each in before]


def test_a_rest_does_not_count_and_is_not_deleted(demo):
    on = day_with("sleep")
    nap = nap_of(demo, on, "rest")
    asked(demo, "periods", on, deleted=True)
    assert held("sleep", on)[-1] == nap


def test_a_nap_asked_after_a_deletion_has_the_type_that_was_asked(demo):
    on = day_with("sleep")
    asked(demo, "periods", on, deleted=True)
    asked(demo, "nap", on, type="sleep")
    kinds = [each["type"] for each in held("sleep", on)]
    assert (set(kinds[:-1]), kinds[-1]) == ({"deleted"}, "sleep")


def test_a_recomputed_day_stays_deleted(demo):
    on = day_with("sleep")
    asked(demo, "periods", on, deleted=True)
    before = held("sleep", on)
    recompute(demo, "sleep", on, new_id=True)
    after = held("sleep", on)
    assert {each["type"] for each in after} == {"deleted"}
    assert before[0]["bedtime_start"] != after[0]["bedtime_start"]


def test_a_removed_day_keeps_its_nap_and_its_deletion(demo):
    on = day_with("sleep")
    asked(demo, "nap", on, type="rest")
    asked(demo, "periods", on, deleted=True)
    before = held("sleep", on)
    demo.control("remove", name="demo", type="sleep", day=on)
    assert held("sleep", on) == []
    demo.control("restore", name="demo", type="sleep", day=on)
    assert held("sleep", on) == before


@pytest.mark.parametrize(
    ("path", "more"), [("nap", {"type": "rest"}), ("periods", {"deleted": True})]
)
def test_a_removed_day_can_be_given_no_other_types(demo, path, more):
    on = day_with("sleep")
    demo.control("remove", name="demo", type="sleep", day=on)
    answer = demo.control(path, name="demo", day=on, **more)
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"demo's sleep of {on} is removed; restore it first."


def test_forgetting_undoes_naps_and_deletions(demo):
    on = day_with("sleep")
    before = held("sleep", on)
    asked(demo, "nap", on, type="sleep")
    asked(demo, "periods", on, deleted=True)
    assert held("sleep", on) != before
    forget()
    assert held("sleep", on) == before


def test_deleting_the_periods_of_a_day_without_any_is_404(demo, settings):
    on = ringless(settings)
    answer = demo.control("periods", name="demo", day=on, deleted=True)
    assert (answer.status_code, answer.json()["detail"]) == (404, f"demo has no sleep on {on}.")


def test_another_person_and_another_day_have_no_nap(demo):
    on, ana = day_with("sleep"), Oura("ana")
    span = {"start_date": "2026-09-01", "end_date": "2026-11-22"}
    before, others = demo.list("sleep", **span), ana.list("sleep", **span)
    nap = nap_of(demo, on)
    assert [each for each in demo.list("sleep", **span) if each != nap] == before
    assert ana.list("sleep", **span) == others


@pytest.mark.parametrize(
    ("path", "changed", "status", "expected"),
    [
        ("nap", {"name": "nobody"}, 404, "There is no person 'nobody'"),
        ("nap", {"name": 7}, 400, "name must be a text."),
        ("nap", {"day": "2020-01-01"}, 404, "2020-01-01 lies outside the history"),
        ("nap", {"day": "2026-11-21"}, 404, "2026-11-21 lies outside the history"),
        ("nap", {"day": "noon"}, 400, "day: 'noon' is not a date; expected YYYY-MM-DD."),
        (
            "nap",
            {"type": "long_sleep"},
            400,
            "type must be one of: rest, sleep, late_nap, deleted.",
        ),
        ("nap", {"type": None}, 400, "type must be a text."),
        ("nap", {"deleted": True}, 400, "Unknown: deleted; expected name, day, type."),
        ("periods", {"name": "nobody"}, 404, "There is no person 'nobody'"),
        ("periods", {"day": "2020-01-01"}, 404, "2020-01-01 lies outside the history"),
        ("periods", {"day": 20261101}, 400, "day must be a text."),
        ("periods", {"deleted": "yes"}, 400, "deleted must be true or false."),
        ("periods", {"deleted": None}, 400, "deleted must be true or false."),
        ("periods", {"type": "sleep"}, 400, "Unknown: type; expected name, day, deleted."),
    ],
)
def test_a_bad_nap_or_deletion_is_told_in_a_sentence(demo, path, changed, status, expected):
    own = {"type": "rest"} if path == "nap" else {"deleted": True}
    answer = demo.control(path, **{"name": "demo", "day": "2026-11-01", **own, **changed})
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(expected)
