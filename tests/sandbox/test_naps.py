"""Added naps, and periods that are marked as deleted."""

import datetime
from itertools import pairwise

import pytest

from sandbox.days import in_drawer
from sandbox.people import named_people
from sandbox.sleep import sleep_periods
from sandbox.store import documents_between, reset
from tests.sandbox.sandboxed import (
    SEED,
    TODAY,
    Oura,
    day_with,
    documents_on,
    recompute,
    reset_sandbox,
)
from tests.sandbox.test_documents import validate
from tests.scale import full_only

NAP_TYPES = ["rest", "sleep", "late_nap", "deleted"]
DELTAS = {"readiness_score_delta", "sleep_score_delta"}


@pytest.fixture(autouse=True)
def sandbox(settings):
    reset_sandbox(settings, days=60)


def post_control(demo, path, on, **more):
    answer = demo.control(path, name="demo", day=on, **more)
    assert answer.status_code == 200, answer.content
    return answer.json()


def add_nap(demo, on, kind="sleep"):
    """Add a nap to the day and return it."""
    before = {item["id"] for item in documents_on("sleep", on)}
    response = post_control(demo, "nap", on, type=kind)
    [new] = [item for item in documents_on("sleep", on) if item["id"] not in before]
    assert response == {"name": "demo", "type": "sleep", "day": on, "ids": response["ids"]}
    assert response["ids"] == [item["id"] for item in documents_on("sleep", on)]
    return new


def without(period, *names):
    return {name: value for name, value in period.items() if name not in names}


def day_without_ring(settings):
    """Return a day with the ring in the drawer, in a history that is long enough."""
    settings.SANDBOX_DAYS = 1500
    days = (TODAY - datetime.timedelta(days=n) for n in range(1500))
    return next(item.isoformat() for item in days if in_drawer(named_people(SEED)["demo"], item))


@pytest.mark.parametrize("kind", NAP_TYPES)
def test_nap_adds_a_period_and_keeps_the_others(demo, kind):
    on = day_with("sleep")
    before = documents_on("sleep", on)
    nap = add_nap(demo, on, kind)
    assert (nap["type"], nap["day"], nap["period"]) == (kind, on, len(before))
    assert [item for item in documents_on("sleep", on) if item != nap] == before


@full_only
@pytest.mark.parametrize("name", ["demo", "ben", "greta"])
def test_naps_are_valid_and_never_overlap(settings, name):
    settings.SANDBOX_TODAY += datetime.timedelta(days=1)
    for number in range(50):
        on = (TODAY - datetime.timedelta(days=number)).isoformat()
        body = {"name": name, "day": on, "type": NAP_TYPES[number % 4]}
        assert Oura(name).control("nap", **body).status_code == 200
    results = documents_between(name, "sleep", datetime.date(2026, 1, 1), settings.SANDBOX_TODAY)
    for period in results:
        check_period(period)
    times = [bedtimes(item) for item in results]
    assert all(end <= start for (_, end), (start, _) in pairwise(times))
    answer = Oura(name).get("sleep", start_date="2026-09-01", end_date="2026-11-22").json()
    validate(answer, "MultiDocumentResponse_PublicModifiedSleepModel_")
    assert len(answer["data"]) == len(results)


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


def test_periods_with_nap_are_numbered_by_time(demo):
    for number in range(60):
        on = (TODAY - datetime.timedelta(days=number)).isoformat()
        post_control(demo, "nap", on, type="rest")
        results = sorted(documents_on("sleep", on), key=lambda item: item["bedtime_start"])
        assert [item["period"] for item in results] == list(range(len(results)))


def test_second_nap_changes_only_type_and_deltas(demo):
    on = day_with("sleep")
    nap = add_nap(demo, on, "rest")
    for kind in ("sleep", "late_nap", "deleted", "rest"):
        post_control(demo, "nap", on, type=kind)
        again = documents_on("sleep", on)[-1]
        assert again["type"] == kind
        assert without(again, "type", *DELTAS) == without(nap, "type", *DELTAS)


@pytest.mark.parametrize("kind", NAP_TYPES)
def test_only_confirmed_naps_have_deltas(demo, kind):
    nap = add_nap(demo, day_with("sleep"), kind)
    assert [nap[delta] is not None for delta in DELTAS] == [kind in ("sleep", "late_nap")] * 2


@pytest.mark.parametrize("recomputed", [False, True])
def test_single_documents_equal_the_list_beside_a_nap(demo, recomputed):
    on = day_with("sleep")
    post_control(demo, "nap", on, type="rest")
    if recomputed:
        recompute(demo, "sleep", on, new_id=True)
    results = documents_on("sleep", on)
    assert demo.between("sleep", on, on) == results
    assert [demo.get(f"sleep/{item['id']}").json() for item in results] == results


def test_nap_can_be_the_only_period(demo, settings):
    on = day_without_ring(settings)
    assert documents_on("sleep", on) == []
    nap = add_nap(demo, on)
    assert (nap["period"], documents_on("sleep", on)) == (0, [nap])
    assert demo.get(f"sleep/{nap['id']}").json() == nap


def test_recomputing_moves_nap_without_night(demo, settings):
    on = day_without_ring(settings)
    seen = [add_nap(demo, on)]
    for _ in range(5):
        recompute(demo, "sleep", on)
        seen += documents_on("sleep", on)
        check_period(seen[-1])
    assert len({item["bedtime_start"] for item in seen}) == 6
    assert len({item["id"] for item in seen}) == 1


def test_nap_without_night_can_be_removed_and_restored(demo, settings):
    on = day_without_ring(settings)
    nap, body = add_nap(demo, on), {"name": "demo", "type": "sleep", "day": on}
    assert demo.control("remove", **body).json()["removed"]
    assert documents_on("sleep", on) == []
    assert demo.control("restore", **body).json()["restored"]
    assert documents_on("sleep", on) == [nap]


def test_recomputed_night_keeps_its_nap(demo):
    on = day_with("sleep")
    nap = add_nap(demo, on)
    response = recompute(demo, "sleep", on)
    assert documents_on("sleep", on)[-1] == nap
    assert response["ids"][-1] == nap["id"]


def test_nap_keeps_id_if_night_absorbs_an_earlier_period(demo):
    person = named_people(SEED)["demo"]
    days = (TODAY - datetime.timedelta(days=n) for n in range(60))
    on = next(
        d.isoformat()
        for d in days
        if len(sleep_periods(person, d, 9)) < len(sleep_periods(person, d))
    )
    nap = add_nap(demo, on)
    for _ in range(9):
        recompute(demo, "sleep", on)
    assert documents_on("sleep", on)[-1] == {**nap, "period": nap["period"] - 1}


def test_new_id_applies_to_naps(demo):
    on = day_with("sleep")
    nap = add_nap(demo, on)
    recompute(demo, "sleep", on, new_id=True)
    assert without(documents_on("sleep", on)[-1], "id") == without(nap, "id")
    assert demo.get(f"sleep/{nap['id']}").status_code == 404


def test_deleting_changes_only_type_and_deltas(demo):
    on = day_with("sleep")
    before = [*documents_on("sleep", on), add_nap(demo, on)]
    response = post_control(demo, "periods", on, deleted=True)
    after = documents_on("sleep", on)
    expected = {"name": "demo", "type": "sleep", "day": on, "ids": [e["id"] for e in before]}
    assert response == expected
    assert [item["type"] for item in after] == ["deleted"] * len(before)
    assert {item[delta] for item in after for delta in DELTAS} == {None}
    kept = [[without(item, "type", *DELTAS) for item in results] for results in (before, after)]
    assert kept[0] == kept[1]


def test_undoing_deletion_restores_types(demo):
    on = day_with("sleep")
    post_control(demo, "nap", on, type="late_nap")
    before = documents_on("sleep", on)
    post_control(demo, "periods", on, deleted=True)
    response = post_control(demo, "periods", on, deleted=False)
    assert documents_on("sleep", on) == before
    assert response["ids"] == [item["id"] for item in before]


def test_deleting_spares_rests(demo):
    on = day_with("sleep")
    nap = add_nap(demo, on, "rest")
    post_control(demo, "periods", on, deleted=True)
    assert documents_on("sleep", on)[-1] == nap


def test_nap_after_deletion_has_the_requested_type(demo):
    on = day_with("sleep")
    post_control(demo, "periods", on, deleted=True)
    post_control(demo, "nap", on, type="sleep")
    kinds = [item["type"] for item in documents_on("sleep", on)]
    assert (set(kinds[:-1]), kinds[-1]) == ({"deleted"}, "sleep")


def test_recomputed_day_stays_deleted(demo):
    on = day_with("sleep")
    post_control(demo, "periods", on, deleted=True)
    before = documents_on("sleep", on)
    recompute(demo, "sleep", on, new_id=True)
    after = documents_on("sleep", on)
    assert {item["type"] for item in after} == {"deleted"}
    assert before[0]["bedtime_start"] != after[0]["bedtime_start"]


def test_removed_day_keeps_nap_and_deletion(demo):
    on = day_with("sleep")
    post_control(demo, "nap", on, type="rest")
    post_control(demo, "periods", on, deleted=True)
    before = documents_on("sleep", on)
    demo.control("remove", name="demo", type="sleep", day=on)
    assert documents_on("sleep", on) == []
    demo.control("restore", name="demo", type="sleep", day=on)
    assert documents_on("sleep", on) == before


@pytest.mark.parametrize(
    ("path", "more"), [("nap", {"type": "rest"}), ("periods", {"deleted": True})]
)
def test_types_of_removed_day_cannot_change(demo, path, more):
    on = day_with("sleep")
    demo.control("remove", name="demo", type="sleep", day=on)
    answer = demo.control(path, name="demo", day=on, **more)
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"demo's sleep of {on} was removed. Restore it first."


def test_reset_undoes_naps_and_deletions(demo):
    on = day_with("sleep")
    before = documents_on("sleep", on)
    post_control(demo, "nap", on, type="sleep")
    post_control(demo, "periods", on, deleted=True)
    assert documents_on("sleep", on) != before
    reset()
    assert documents_on("sleep", on) == before


def test_deleting_periods_of_empty_day_is_404(demo, settings):
    on = day_without_ring(settings)
    answer = demo.control("periods", name="demo", day=on, deleted=True)
    assert (answer.status_code, answer.json()["detail"]) == (404, f"demo has no sleep on {on}.")


def test_nap_spares_other_people_and_days(demo):
    on, ana = day_with("sleep"), Oura("ana")
    span = {"start_date": "2026-09-01", "end_date": "2026-11-22"}
    before, others = demo.list("sleep", **span), ana.list("sleep", **span)
    nap = add_nap(demo, on)
    assert [item for item in demo.list("sleep", **span) if item != nap] == before
    assert ana.list("sleep", **span) == others


@pytest.mark.parametrize(
    ("path", "changed", "status", "expected"),
    [
        ("nap", {"name": "nobody"}, 404, "There is no person 'nobody'"),
        ("nap", {"name": 7}, 400, "name must be a string."),
        ("nap", {"day": "2020-01-01"}, 404, "2020-01-01 is outside the history"),
        ("nap", {"day": "2026-11-21"}, 404, "2026-11-21 is outside the history"),
        ("nap", {"day": "noon"}, 400, "day must be a date as YYYY-MM-DD, not 'noon'."),
        (
            "nap",
            {"type": "long_sleep"},
            400,
            "type must be one of: rest, sleep, late_nap, deleted.",
        ),
        ("nap", {"type": None}, 400, "type must be a string."),
        ("nap", {"deleted": True}, 400, "Unknown fields: deleted. Use only name, day, type."),
        ("periods", {"name": "nobody"}, 404, "There is no person 'nobody'"),
        ("periods", {"day": "2020-01-01"}, 404, "2020-01-01 is outside the history"),
        ("periods", {"day": 20261101}, 400, "day must be a string."),
        ("periods", {"deleted": "yes"}, 400, "deleted must be true or false."),
        ("periods", {"deleted": None}, 400, "deleted must be true or false."),
        ("periods", {"type": "sleep"}, 400, "Unknown fields: type. Use only name, day, deleted."),
    ],
)
def test_invalid_nap_or_deletion_is_rejected_with_reason(demo, path, changed, status, expected):
    own = {"type": "rest"} if path == "nap" else {"deleted": True}
    answer = demo.control(path, **{"name": "demo", "day": "2026-11-01", **own, **changed})
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(expected)
