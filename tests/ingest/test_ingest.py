"""What the processor answers to good and bad documents."""

import orjson
import pytest
from django.utils import timezone

from ingest.models import METRIC_MODELS, MetricSource, SleepMetric, Stream
from ingest.upsert import store
from myhealth.errors import Invalid
from tests.ingest.conftest import night

pytestmark = pytest.mark.django_db


def test_a_new_document_is_created(processor, ana):
    answer = processor.post(
        {"type": "sleep", "user": "ana", "data": night(score=81, duration=27060)}
    )
    assert answer.status_code == 201
    assert answer.json() == {
        "status": "success",
        "created": 1,
        "updated": 0,
        "unchanged": 0,
        "rejected": [],
    }
    assert processor.rows()["2026-03-01"]["duration"] == 27060


def test_the_same_document_twice_is_unchanged(processor, ana):
    processor.send(night(score=81, source={"daily_sleep": {"x": 1.5}}))
    before = SleepMetric.objects.get()
    answer = processor.send(night(score=81, source={"daily_sleep": {"x": 1.5}}))
    after = SleepMetric.objects.get()
    assert answer.json()["unchanged"] == 1
    assert (after.pk, after.updated_at) == (before.pk, before.updated_at)


def test_a_changed_document_updates_its_row(processor, ana):
    processor.send(night(score=81))
    pk = SleepMetric.objects.get().pk
    answer = processor.send(night(score=82))
    assert answer.json()["updated"] == 1
    assert (SleepMetric.objects.get().pk, SleepMetric.objects.get().score) == (pk, 82)


def test_a_change_of_the_source_alone_is_an_update(processor, ana):
    processor.send(night(source={"a": 1}))
    assert processor.send(night(source={"a": 2})).json()["updated"] == 1
    assert MetricSource.objects.get().documents == {"a": 2}


def test_what_a_document_leaves_out_becomes_null(processor, ana):
    processor.send(night(score=81, duration=27060, source={"a": 1}))
    processor.send(night(score=81))
    assert processor.rows()["2026-03-01"]["duration"] is None
    assert not MetricSource.objects.exists()


def test_a_day_under_a_new_id_keeps_its_row(processor, ana):
    processor.send(night(id="a", score=1))
    pk = SleepMetric.objects.get().pk
    processor.send(night(id="b", score=1))
    row = SleepMetric.objects.get()
    assert (row.pk, row.oura_id) == (pk, "b")


def test_an_id_under_another_day_moves(processor, ana):
    processor.send(night(day="2026-03-01", id="a", source={"a": 1}))
    processor.send(night(day="2026-03-02", id="a"))
    assert list(processor.rows()) == ["2026-03-02"]
    assert not MetricSource.objects.exists()


def test_two_days_can_swap_their_ids_in_one_request(processor, ana):
    processor.send(night(day="2026-03-01", id="a"), night(day="2026-03-02", id="b"))
    answer = processor.send(night(day="2026-03-02", id="a"), night(day="2026-03-01", id="b"))
    assert answer.json()["updated"] == 2
    assert {day: row["oura_id"] for day, row in processor.rows().items()} == {
        "2026-03-01": "b",
        "2026-03-02": "a",
    }


def test_within_a_request_the_last_document_of_a_day_wins(processor, ana):
    processor.send(night(id="a", score=1), night(id="b", score=2))
    assert processor.rows()["2026-03-01"]["score"] == 2


def test_within_a_request_the_last_document_of_an_id_wins(processor, ana):
    processor.send(night(day="2026-03-01"), night(day="2026-03-02"))
    assert list(processor.rows()) == ["2026-03-02"]


def test_an_older_reading_never_overwrites_a_newer_one(processor, ana):
    processor.send(night(score=2), fetched_at="2026-03-02T12:00:00+00:00")
    answer = processor.send(night(score=1), fetched_at="2026-03-02T11:00:00+00:00")
    assert answer.json()["unchanged"] == 1
    assert processor.rows()["2026-03-01"]["score"] == 2


def test_a_newer_reading_of_the_same_content_keeps_older_readings_out(processor, ana):
    processor.send(night(score=1), fetched_at="2026-03-02T10:00:00+00:00")
    processor.send(night(score=1), fetched_at="2026-03-02T12:00:00+00:00")
    processor.send(night(score=2), fetched_at="2026-03-02T11:00:00+00:00")
    assert processor.rows()["2026-03-01"]["score"] == 1


def test_an_id_of_another_person_is_refused_without_a_name(processor, ana, ben):
    processor.send(night(id="a", score=1), user="ben")
    answer = processor.send(night(id="a", score=2), user="ana")
    assert answer.status_code == 400
    assert answer.json()["rejected"][0]["errors"] == {"id": ["It belongs to another account."]}
    assert "ben" not in answer.content.decode()
    assert processor.rows(user="ben")["2026-03-01"]["score"] == 1


def test_good_documents_beside_bad_ones_are_stored(processor, ana):
    answer = processor.send(night(), night(id="b", day="2026-03-02", score=101), 5)
    assert answer.status_code == 201
    body = answer.json()
    assert (body["status"], body["created"]) == ("partial", 1)
    assert [(each["index"], each["id"]) for each in body["rejected"]] == [(1, "b"), (2, None)]
    assert "101 is not valid" in body["rejected"][0]["errors"]["score"][0]


def test_when_nothing_can_be_stored_the_answer_is_400_failed(processor, ana):
    body = processor.send(night(score="high")).json()
    assert (body["status"], body["code"]) == ("failed", "invalid")


def test_every_error_of_a_document_is_named(processor, ana):
    errors = processor.send(
        {"id": "", "day": "2026-02-30", "score": -1, "bogus": 1, "contributors": {"timing": 101}}
    ).json()["rejected"][0]["errors"]
    assert set(errors) == {"id", "day", "score", "bogus", "contributors.timing"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("score", True),
        ("score", 1.5),
        ("score", "80"),
        ("duration", -1),
        ("duration", 2**31),
        ("duration", 10**19),
        ("efficiency", 101),
        ("average_heart_rate", "fast"),
        ("bedtime_start", "2026-03-01"),
        ("bedtime_start", "2026-03-01T22:00:00"),
        ("contributors", []),
        ("source", "text"),
        ("day", "2009-12-31"),
        ("day", "2999-01-01"),
        ("day", "2026-3-1"),
        ("day", 20260301),
        ("id", "x" * 256),
        ("id", None),
        ("id", "nul\x00"),
        ("source", {"a": ["\x00"]}),
    ],
)
def test_a_bad_value_is_named_and_not_stored(processor, ana, field, value):
    answer = processor.send({**night(), field: value})
    assert answer.status_code == 400
    assert field in answer.json()["rejected"][0]["errors"]
    assert not SleepMetric.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"NaN",
        b'{"type": "sleep", "data": NaN}',
        b"\xff\xfe",
        b'{"type": "sleep", "user": "ana", "data": [' + b"[" * 5000,
        b'{"type": "sleep", "user": "ana"}',
        b'{"type": "sleep", "user": "ana", "data": 5}',
        b'{"type": "sleep", "user": "ana", "data": [], "more": 1}',
        b'{"type": "mood", "user": "ana", "data": []}',
        b'{"type": ["sleep"], "user": "ana", "data": []}',
        b'{"type": "sleep", "user": "nobody", "data": []}',
        b'{"type": "sleep", "user": {}, "data": []}',
        b'{"type": "sleep", "user": "a\\u0000", "data": []}',
        b'{"type": "sleep", "user": "ana", "data": [], "fetched_at": "yesterday"}',
        b'{"type": "sleep", "user": "ana", "data": [], "fetched_at": "2999-01-01T00:00:00Z"}',
        b'{"type": "sleep", "user": "ana", "data": [], "read": {"start": "2026-01-02"}}',
        b'{"type": "sleep", "user": "ana", "data": [], '
        b'"read": {"start": "2026-01-02", "end": "2026-01-01"}}',
    ],
)
def test_a_bad_body_gets_a_sentence_and_a_code(processor, ana, body):
    answer = processor.post(body)
    assert answer.status_code == 400
    assert answer.json()["detail"]
    assert answer.json()["code"]


def test_a_body_without_a_length_is_411(processor, ana):
    answer = processor.client.generic(
        "POST",
        "/api/v1/ingest",
        headers={"Authorization": "Bearer ingest-token-for-tests"},
        CONTENT_LENGTH="",
    )
    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")


def test_a_body_that_is_not_json_is_415(processor, ana):
    assert processor.post(b"type=sleep", content_type="text/plain").status_code == 415


def test_eleven_mebibytes_are_413(processor, ana):
    big = b'{"type": "sleep", "user": "ana", "data": "' + b"x" * 11 * 1024 * 1024 + b'"}'
    assert processor.post(big).status_code == 413


def test_5001_documents_are_refused(processor, ana):
    answer = processor.send(*[night()] * 5001)
    assert answer.status_code == 400
    assert "5001" in answer.json()["errors"]["data"][0]


@pytest.mark.parametrize("token", ["", "wrong", "control-token-for-tests", "ingest-token-for-test"])
def test_a_wrong_token_is_401(processor, ana, token):
    answer = processor.post({"type": "sleep", "user": "ana", "data": []}, token=token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_older_of_two_tokens_still_works(processor, ana):
    body = {"type": "sleep", "user": "ana", "data": []}
    assert processor.post(body, token="older-ingest-token").status_code == 201


def test_user_names_are_matched_without_case(processor, ana):
    assert processor.send(night(), user="ANA").status_code == 201


def test_the_only_account_needs_no_name(processor, ana):
    assert processor.post({"type": "sleep", "data": night()}).status_code == 201


def test_with_two_accounts_a_name_is_needed(processor, ana, ben):
    answer = processor.post({"type": "sleep", "data": night()})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_user")


def test_oura_user_is_the_account_of_nameless_documents(processor, ana, ben, settings):
    settings.OURA_USER = "ben"
    processor.post({"type": "sleep", "data": night()})
    assert list(processor.rows(user="ben")) == ["2026-03-01"]


def test_an_account_never_mixes_origins(processor, ana):
    processor.send(night(), origin="sandbox")
    answer = processor.send(night(day="2026-03-02", id="b"), origin="oura")
    assert (answer.status_code, answer.json()["code"]) == (400, "other_origin")
    assert list(processor.rows()) == ["2026-03-01"]


def test_the_counter_for_etags_rises_only_with_a_change(processor, ana):
    processor.send(night(score=1))
    first = Stream.objects.get(type="sleep").version
    processor.send(night(score=1))
    assert Stream.objects.get(type="sleep").version == first
    processor.send(night(score=2))
    assert Stream.objects.get(type="sleep").version > first


@pytest.mark.parametrize("documents", [1, 400])
def test_the_number_of_statements_is_the_same_for_any_number_of_documents(
    processor, ana, documents, django_assert_max_num_queries
):
    # savepoint, lock, existing, upsert, sources (2), touch, version, rejections, user, release
    with django_assert_max_num_queries(13):
        processor.send(
            *[
                night(day=f"20{10 + n // 28}-02-{n % 28 + 1:02}", id=str(n), source={"n": n})
                for n in range(documents)
            ]
        )


def test_an_empty_list_is_fine(processor, ana):
    assert processor.send().json()["status"] == "success"


@pytest.mark.parametrize("field", ["source", "score", "contributors", "mood"])
def test_a_field_nested_too_deeply_is_named_and_its_neighbours_are_stored(processor, ana, field):
    body = b'{"type":"sleep","user":"ana","data":[{"id":"a","day":"2026-03-01"},{"id":"b",'
    body += b'"day":"2026-03-02","%s":%s}]}' % (field.encode(), b"[" * 300 + b"]" * 300)
    answer = processor.post(body)
    assert (answer.status_code, answer.json()["created"]) == (201, 1)
    [refused] = answer.json()["rejected"]
    assert (refused["id"], list(refused["errors"])) == ("b", [field])


@pytest.mark.parametrize("number", [b"1e999", b"9" * 5000])
def test_a_number_beyond_all_bounds_is_named_by_its_field(processor, ana, number):
    body = b'{"type":"sleep","user":"ana","data":[{"id":"b","day":"2026-03-02","score":%s}]}'
    [refused] = processor.post(body % number).json()["rejected"]
    assert (refused["id"], list(refused["errors"])) == ("b", ["score"])


def test_what_stores_nothing_fixes_no_origin(processor, ana):
    processor.send(origin="sandbox")
    processor.send(night(score=101), origin="sandbox")
    assert processor.send(night(), origin="oura").status_code == 201


@pytest.mark.django_db(transaction=True)
def test_an_account_deleted_meanwhile_is_an_error_that_says_so(ana):
    pk = ana.pk
    ana.delete()
    raw, now = [orjson.dumps(night())], timezone.now()
    with pytest.raises(Invalid) as caught:
        store(METRIC_MODELS["sleep"], pk, raw, fetched_at=now, now=now)
    assert caught.value.code == "unknown_user"
