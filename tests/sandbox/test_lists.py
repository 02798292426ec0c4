"""Oura's routes: lists, ranges, pages, fields, single documents, errors."""

import datetime

import pytest
from django.test import Client

from sandbox.store import documents_between
from tests.sandbox.sandboxed import DAILY, DATED, LISTS, SERIES, TODAY, Oura, day, reset_sandbox

ONE_DAY = datetime.timedelta(days=1)
EXCLUSIVE = ["daily_activity", "sleep"]
INCLUSIVE = sorted(set(DAILY) - {"daily_activity"})


@pytest.fixture(autouse=True)
def sandbox(settings):
    reset_sandbox(settings)


def a_day(collection, name="demo"):
    """Return a day that has a document, like the days before and after it."""
    have = {
        item["day"]
        for item in documents_between(name, collection, datetime.date(2026, 9, 1), TODAY)
    }
    around = (-1, 0, 1)
    return next(item for item in sorted(have) if all(shifted(item, by) in have for by in around))


def shifted(text, by):
    return (day(text) + by * ONE_DAY).isoformat()


@pytest.mark.parametrize("collection", LISTS)
def test_list_has_data_and_next_token(demo, collection):
    assert set(demo.get(collection).json()) == {"data", "next_token"}


# Ends of ranges, as measured against the real API -----------------------------------------------


@pytest.mark.parametrize("collection", INCLUSIVE)
def test_one_day_range_of_summary_gives_that_day(demo, collection):
    on = a_day(collection)
    assert demo.days(collection, on, on) == [on]


@pytest.mark.parametrize("collection", EXCLUSIVE)
def test_one_day_range_of_activity_and_sleep_is_empty(demo, collection):
    on = a_day(collection)
    assert demo.days(collection, on, on) == []


@pytest.mark.parametrize("collection", EXCLUSIVE)
def test_end_date_of_activity_and_sleep_is_exclusive(demo, collection):
    on = a_day(collection)
    assert set(demo.days(collection, shifted(on, -1), shifted(on, 1))) == {shifted(on, -1), on}


@pytest.mark.parametrize("collection", EXCLUSIVE)
def test_end_late_in_day_includes_the_day(demo, collection):
    on = a_day(collection)
    assert set(demo.days(collection, on, f"{on}T23:59:59")) == {on}


def test_end_before_four_excludes_the_activity_day(demo):
    on = a_day("daily_activity")
    assert demo.days("daily_activity", on, f"{on}T03:59:59") == []


def test_workout_range_is_in_utc_though_days_are_local():
    far = Oura("emi")
    early = next(
        item
        for item in documents_between("emi", "workout", datetime.date(2026, 1, 1), TODAY)
        if "T07" <= item["start_datetime"][10:13] < "T09"
        and item["start_datetime"].endswith("+09:00")
    )
    on = early["day"]
    # Before 09:00 in Tokyo it is the day before in UTC.
    assert on in far.days("workout", shifted(on, -1), on)
    assert on not in far.days("workout", on, shifted(on, 1))


@pytest.mark.parametrize("collection", ["enhanced_tag", "rest_mode_period"])
def test_tags_and_rest_modes_belong_to_their_start_day(demo, collection):
    first = documents_between("demo", collection, datetime.date(2020, 1, 1), TODAY)[0]["start_day"]
    results = demo.list(collection, start_date=first, end_date=first)
    assert {item["start_day"] for item in results} == {first}


@pytest.mark.parametrize("collection", DATED)
def test_wide_range_gives_all_documents(demo, collection):
    results = demo.list(collection, start_date="2010-01-01", end_date="2030-01-01")
    assert results == documents_between("demo", collection, datetime.date(2010, 1, 1), TODAY)


def test_range_without_dates_is_last_two_days(demo):
    days = {item["day"] for item in demo.list("daily_stress")}
    assert days == {"2026-11-19", "2026-11-20"}


def test_range_without_start_begins_day_before_end(demo):
    on = a_day("daily_sleep")
    results = demo.list("daily_sleep", end_date=on)
    assert [item["day"] for item in results] == [shifted(on, -1), on]


@pytest.mark.parametrize("start", ["2026-09-01T00:00:00", "2026-09-01T00:00:00+02:00"])
def test_instants_count_as_dates(demo, start):
    by_date = demo.days("daily_readiness", "2026-09-01", "2026-09-05")
    assert demo.days("daily_readiness", start, "2026-09-05T12:00:00+02:00") == by_date != []


def test_space_between_date_and_time_is_accepted(demo):
    assert demo.list("daily_readiness", start_date="2026-09-01 00:00:00+00:00", end_date=TODAY)


def test_ancient_start_gives_the_whole_history(demo):
    results = demo.days("daily_sleep", "0024-11-11", "2026-11-20")
    assert len(results) > 300


def test_small_numbers_are_seconds_since_1970(demo):
    assert demo.days("daily_sleep", "1", "2") == []


def test_sleep_is_in_period_order_within_a_day(demo):
    results = demo.list("sleep", start_date="2025-01-01", end_date="2026-12-01")
    assert [(p["day"], p["period"]) for p in results] == sorted(
        (p["day"], p["period"]) for p in results
    )


# Pages ------------------------------------------------------------------------------------------


def walk(demo, collection, size, settings, repeat, **query):
    settings.SANDBOX_PAGE_SIZE = size
    answer, pages = demo.get(collection, **query).json(), []
    while True:
        pages.append(answer["data"])
        token = answer["next_token"]
        if token is None:
            return pages
        again = {**query, "next_token": token} if repeat else {"next_token": token}
        answer = demo.get(collection, **again).json()


@pytest.mark.parametrize("repeat", [True, False], ids=["dates repeated", "token alone"])
@pytest.mark.parametrize("collection", ["daily_sleep", "sleep", "workout", "daily_activity"])
@pytest.mark.parametrize("size", [1, 7])
def test_pages_add_up_to_the_list(demo, collection, repeat, size, settings):
    span = {"start_date": "2026-09-01", "end_date": "2026-10-10"}
    complete = demo.list(collection, **span)
    pages = walk(demo, collection, size, settings, repeat, **span)
    assert [item for page in pages for item in page] == complete
    assert all(len(page) == size for page in pages[:-1])
    assert 0 < len(pages[-1]) <= size


@pytest.mark.parametrize("repeat", [True, False], ids=["dates repeated", "token alone"])
def test_pages_add_up_to_the_time_series(demo, settings, repeat):
    span = {"start_datetime": "2026-11-01T00:00:00Z", "end_datetime": "2026-11-03T00:00:00Z"}
    complete = demo.list("heartrate", **span)
    pages = walk(demo, "heartrate", 100, settings, repeat, **span)
    assert [item for page in pages for item in page] == complete
    assert len(pages) > 4


def test_full_last_page_has_no_next_token(demo, settings):
    settings.SANDBOX_PAGE_SIZE = 2
    on = a_day("daily_sleep")
    answer = demo.get("daily_sleep", start_date=shifted(on, -1), end_date=on).json()
    assert (len(answer["data"]), answer["next_token"]) == (2, None)


def test_empty_token_gives_the_first_page(demo):
    span = {"start_date": "2026-10-01", "end_date": "2026-10-05"}
    assert demo.list("daily_sleep", **span, next_token="") == demo.list("daily_sleep", **span)


@pytest.fixture
def token(demo, settings):
    settings.SANDBOX_PAGE_SIZE = 2
    span = {"start_date": "2026-10-01", "end_date": "2026-11-01"}
    return demo.get("daily_sleep", **span).json()["next_token"]


def test_tampered_token_is_400(demo, token):
    changed = token[:30] + ("A" if token[30] != "A" else "B") + token[31:]
    for bad in (changed, token[:-4], "nonsense", "ü", token + "!"):
        answer = demo.get("daily_sleep", next_token=bad)
        assert (answer.status_code, set(answer.json())) == (400, {"detail"})


def test_token_of_another_collection_is_400(demo, token):
    assert demo.get("daily_readiness", next_token=token).status_code == 400


def test_token_of_another_person_is_400(token):
    assert Oura("ana").get("daily_sleep", next_token=token).status_code == 400


def test_same_token_gives_the_same_page(demo, token):
    pages = [demo.get("daily_sleep", next_token=token).json() for _ in range(2)]
    assert pages[0] == pages[1]


# Fields -----------------------------------------------------------------------------------------


def fields_of(demo, fields):
    return set(demo.list("daily_sleep", fields=fields, start_date="2026-11-01")[0])


def test_fields_are_selected_besides_id_and_day(demo):
    assert fields_of(demo, "score") == {"id", "day", "score"}


def test_unknown_fields_are_ignored_beside_known_ones(demo):
    assert fields_of(demo, "score,mood") == {"id", "day", "score"}


def test_only_unknown_fields_give_complete_records(demo):
    assert fields_of(demo, "mood") == {"id", "day", "score", "contributors", "timestamp"}


def test_latest_is_ignored_for_documents(demo):
    assert demo.list("daily_stress", latest="true") == demo.list("daily_stress")


# Single documents -------------------------------------------------------------------------------


@pytest.mark.parametrize("collection", [*DATED, "ring_configuration"])
def test_unknown_document_is_404(demo, collection):
    answer = demo.get(f"{collection}/12345678-aaaa-4bbb-8ccc-1234567890ab")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Document not found."})


def test_every_period_can_be_read_by_id(demo):
    for period in demo.list("sleep", start_date="2026-10-01", end_date="2026-10-20"):
        assert demo.get(f"sleep/{period['id']}").json() == period


def test_document_of_another_person_is_404(demo):
    theirs = Oura("ana").list("daily_stress")[0]["id"]
    assert demo.get(f"daily_stress/{theirs}").status_code == 404


def test_document_of_another_collection_is_404(demo):
    other = demo.list("daily_stress")[0]["id"]
    assert demo.get(f"daily_sleep/{other}").status_code == 404


# Time series ------------------------------------------------------------------------------------


@pytest.mark.parametrize("collection", SERIES)
def test_series_without_parameters_is_last_24_hours(demo, collection):
    stamps = [item["timestamp"] for item in demo.list(collection)]
    assert stamps
    assert min(stamps) >= "2026-11-19T23:59:59"
    assert stamps == sorted(stamps)


@pytest.mark.parametrize("collection", SERIES)
def test_latest_gives_only_the_newest_row(demo, collection):
    assert demo.list(collection, latest="true") == demo.list(collection)[-1:]


def test_time_series_is_limited_by_instants(demo):
    span = {"start_datetime": "2026-11-18T12:00:00Z", "end_datetime": "2026-11-18T13:00:00+00:00"}
    stamps = [item["timestamp"] for item in demo.list("heartrate", **span)]
    assert "2026-11-18T12:00:00" <= min(stamps) <= max(stamps) <= "2026-11-18T13:00:01"


def test_time_series_ends_now(demo, settings):
    settings.SANDBOX_TODAY = None
    span = {"start_datetime": "2020-01-01T00:00:00Z", "latest": "true"}
    [newest] = demo.list("heartrate", **span)
    now = datetime.datetime.now(datetime.UTC)
    assert newest["timestamp_unix"] <= now.timestamp() * 1000


def test_time_series_have_no_single_documents(demo):
    assert demo.get("heartrate/1").status_code == 404


def test_long_range_of_heart_rate_has_pages(demo):
    answer = demo.get("heartrate", start_datetime="2026-01-01T00:00:00Z").json()
    assert len(answer["data"]) == 1000
    assert answer["next_token"]


# Errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic ZGVtbzpkZW1v", "Bearer ü"],
)
def test_missing_or_invalid_token_is_401(authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = Client().get("/v2/usercollection/daily_sleep", headers=headers)
    assert (answer.status_code, set(answer.json())) == (401, {"detail"})


def test_people_have_no_documents_in_common():
    mine, theirs = (Oura(name).list("daily_stress") for name in ("demo", "ana"))
    assert not {item["id"] for item in mine} & {item["id"] for item in theirs}


def test_start_after_end_is_400(demo):
    answer = demo.get("sleep", start_date="2026-02-02", end_date="2026-02-01")
    assert answer.status_code == 400
    assert answer.json() == {"detail": "Start time is greater than end time"}


def test_start_after_end_is_400_for_time_series(demo):
    span = {"start_datetime": "2026-02-02T00:00:00Z", "end_datetime": "2026-02-01T00:00:00Z"}
    assert demo.get("heartrate", **span).status_code == 400


@pytest.mark.parametrize("text", ["ayer", "", "2026-13-01", "2026-02-30", "2026-2-1", "0000-01-01"])
@pytest.mark.parametrize("name", ["start_date", "end_date"])
def test_invalid_date_is_422_like_fastapi(demo, text, name):
    answer = demo.get("daily_sleep", **{name: text})
    assert answer.status_code == 422
    first = answer.json()["detail"][0]
    assert first["type"] == "datetime_from_date_parsing"
    assert first["loc"] == ["query", name, "datetime"]
    assert first["msg"].startswith("Input should be a valid datetime or date")
    assert first["input"] == text


def test_invalid_flag_is_422(demo):
    answer = demo.get("heartrate", latest="perhaps")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "latest"]


@pytest.mark.parametrize("span", [("0001-01-01", "9999-12-31"), ("9999-12-31", "9999-12-31")])
@pytest.mark.parametrize("collection", ["daily_activity", "daily_sleep", "workout"])
def test_range_may_span_the_whole_calendar(demo, collection, span):
    answer = demo.get(collection, start_date=span[0], end_date=span[1])
    assert answer.status_code == 200


def test_time_series_range_may_span_the_whole_calendar(demo):
    edges = {"start_datetime": "0001-01-01T00:00:00", "end_datetime": "9999-12-31T23:59:59"}
    assert demo.get("heartrate", **edges).status_code == 200


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_only_get_is_allowed(demo, method):
    answer = getattr(demo.http, method)("/v2/usercollection/sleep", headers=demo.authorization)
    assert (answer.status_code, answer.json()) == (405, {"detail": "Method Not Allowed"})
    assert answer["Allow"] == "GET"


@pytest.mark.parametrize("path", ["mood", "daily_sleep/a/b", "Sleep", "vo2_max"])
def test_unknown_route_is_404(demo, path):
    answer = demo.get(path)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


# Oura's own sandbox -----------------------------------------------------------------------------


def sandbox_get(path, **headers):
    return Client().get(f"/v2/sandbox/usercollection/{path}", headers=headers)


@pytest.mark.parametrize("collection", LISTS)
def test_ouras_sandbox_accepts_any_authorization(collection):
    answer = sandbox_get(collection, Authorization="anything")
    assert (answer.status_code, set(answer.json())) == (200, {"data", "next_token"})


def test_ouras_sandbox_requires_some_authorization():
    answer = sandbox_get("sleep")
    assert answer.status_code == 400
    assert answer.json() == {
        "detail": "Missing auth token. Include any string in 'Authorization' header."
    }


def test_ouras_sandbox_has_single_documents():
    document = sandbox_get("daily_stress", Authorization="x").json()["data"][0]
    assert sandbox_get(f"daily_stress/{document['id']}", Authorization="x").json() == document


def test_ouras_sandbox_has_no_personal_info():
    assert sandbox_get("personal_info", Authorization="x").status_code == 404
