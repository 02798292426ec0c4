"""The processor's answers to valid and invalid documents."""

import pytest

from ingest.models import METRIC_MODELS, MetricSource, SleepMetric, Stream
from myhealth.errors import Invalid
from tests.ingest.conftest import TOKEN
from tests.worlds import document, store_documents

pytestmark = pytest.mark.django_db


def test_new_document_is_created(processor, ana):
    answer = processor.post(
        {"type": "sleep", "user": "ana", "data": document(score=81, duration=27060)}
    )
    assert answer.status_code == 201
    assert answer.json() == {
        "status": "success",
        "created": 1,
        "updated": 0,
        "unchanged": 0,
        "rejected": [],
        "warnings": [],
    }
    assert processor.rows()["2026-03-01"]["duration"] == 27060


def test_same_document_twice_is_unchanged(processor, ana):
    processor.send(document(score=81, source={"daily_sleep": {"x": 1.5}}))
    before = SleepMetric.objects.get()
    answer = processor.send(document(score=81, source={"daily_sleep": {"x": 1.5}}))
    after = SleepMetric.objects.get()
    assert answer.json()["unchanged"] == 1
    assert (after.pk, after.updated_at) == (before.pk, before.updated_at)


@pytest.mark.parametrize(
    ("type", "columns", "content_hash"),
    [
        (
            "sleep",
            {"score": 80, "duration": 27000, "contributors": {"timing": 80}},
            "6ab5403a891bcb94c4cbb93b38529484",
        ),
        ("activity", {"steps": 9000}, "8ba9ff7414afc5fd31052fc09cdcc4ba"),
        ("readiness", {"score": 70}, "36fcb3afbcbf6c0a22d1cf5549f9b2cb"),
    ],
)
def test_document_of_first_version_keeps_its_hash(processor, ana, type, columns, content_hash):
    processor.send(document(**columns), type=type)
    assert METRIC_MODELS[type].objects.get().content_hash.hex() == content_hash
    assert processor.send(document(**columns), type=type).json()["unchanged"] == 1


@pytest.mark.parametrize(
    ("type", "column"), [("sleep", {"main_type": "rest"}), ("activity", {"non_wear_minutes": 0})]
)
def test_value_of_added_column_comes_and_goes(processor, ana, type, column):
    processor.send(document(), type=type)
    for columns in (column, {}):
        assert processor.send(document(**columns), type=type).json()["updated"] == 1
        row = processor.rows(type)["2026-03-01"]
        assert {name: row[name] for name in column} == {**dict.fromkeys(column), **columns}


def test_changed_document_updates_its_row(processor, ana):
    processor.send(document(score=81))
    pk = SleepMetric.objects.get().pk
    answer = processor.send(document(score=82))
    assert answer.json()["updated"] == 1
    assert (SleepMetric.objects.get().pk, SleepMetric.objects.get().score) == (pk, 82)


def test_change_of_source_alone_is_update(processor, ana):
    processor.send(document(source={"a": 1}))
    assert processor.send(document(source={"a": 2})).json()["updated"] == 1
    assert MetricSource.objects.get().documents == {"a": 2}


def test_columns_absent_from_document_become_null(processor, ana):
    processor.send(document(score=81, duration=27060, source={"a": 1}))
    processor.send(document(score=81))
    assert processor.rows()["2026-03-01"]["duration"] is None
    assert not MetricSource.objects.exists()


def test_day_with_new_id_keeps_its_row(processor, ana):
    processor.send(document(id="a", score=1))
    pk = SleepMetric.objects.get().pk
    processor.send(document(id="b", score=1))
    row = SleepMetric.objects.get()
    assert (row.pk, row.oura_id) == (pk, "b")


def test_row_moves_with_id_to_another_day(processor, ana):
    processor.send(document(day="2026-03-01", id="a", source={"a": 1}))
    processor.send(document(day="2026-03-02", id="a"))
    assert list(processor.rows()) == ["2026-03-02"]
    assert not MetricSource.objects.exists()


def test_two_days_can_swap_ids_in_one_request(processor, ana):
    processor.send(document(day="2026-03-01", id="a"), document(day="2026-03-02", id="b"))
    answer = processor.send(document(day="2026-03-02", id="a"), document(day="2026-03-01", id="b"))
    assert answer.json()["updated"] == 2
    assert {day: row["oura_id"] for day, row in processor.rows().items()} == {
        "2026-03-01": "b",
        "2026-03-02": "a",
    }


def test_last_document_of_day_in_request_is_stored(processor, ana):
    processor.send(document(id="a", score=1), document(id="b", score=2))
    assert processor.rows()["2026-03-01"]["score"] == 2


def test_last_document_of_id_in_request_is_stored(processor, ana):
    processor.send(document(day="2026-03-01"), document(day="2026-03-02"))
    assert list(processor.rows()) == ["2026-03-02"]


def test_older_document_never_overwrites_newer_one(processor, ana):
    processor.send(document(score=2), fetched_at="2026-03-02T12:00:00+00:00")
    answer = processor.send(document(score=1), fetched_at="2026-03-02T11:00:00+00:00")
    assert answer.json()["unchanged"] == 1
    assert processor.rows()["2026-03-01"]["score"] == 2


def test_newer_fetch_of_same_content_prevents_older_update(processor, ana):
    processor.send(document(score=1), fetched_at="2026-03-02T10:00:00+00:00")
    processor.send(document(score=1), fetched_at="2026-03-02T12:00:00+00:00")
    processor.send(document(score=2), fetched_at="2026-03-02T11:00:00+00:00")
    assert processor.rows()["2026-03-01"]["score"] == 1


def test_id_of_another_account_is_rejected_without_its_name(processor, ana, ben):
    processor.send(document(id="a", score=1), user="ben")
    answer = processor.send(document(id="a", score=2), user="ana")
    assert answer.status_code == 400
    assert answer.json()["rejected"][0]["errors"] == {"id": ["It belongs to another account."]}
    assert "ben" not in answer.content.decode()
    assert processor.rows(user="ben")["2026-03-01"]["score"] == 1


def test_valid_documents_among_invalid_ones_are_stored(processor, ana):
    answer = processor.send(document(), document(id="b", day="2026-03-02", score=101), 5)
    assert answer.status_code == 201
    body = answer.json()
    assert (body["status"], body["created"]) == ("partial", 1)
    assert [(each["index"], each["id"]) for each in body["rejected"]] == [(1, "b"), (2, None)]
    assert "101 is not valid" in body["rejected"][0]["errors"]["score"][0]


def test_only_invalid_documents_is_400_failed(processor, ana):
    body = processor.send(document(score="high")).json()
    assert (body["status"], body["code"]) == ("failed", "invalid")


def test_every_invalid_field_of_document_is_named(processor, ana):
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
    ],
)
def test_invalid_value_is_named_and_not_stored(processor, ana, field, value):
    answer = processor.send({**document(), field: value})
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
def test_invalid_body_has_detail_and_code(processor, ana, body):
    answer = processor.post(body)
    assert answer.status_code == 400
    assert answer.json()["detail"]
    assert answer.json()["code"]


def test_body_without_length_is_411(processor, ana):
    answer = processor.client.generic(
        "POST",
        "/api/v1/ingest",
        headers={"Authorization": f"Bearer {TOKEN}"},
        CONTENT_LENGTH="",
    )
    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")


def test_body_of_other_content_type_is_415(processor, ana):
    assert processor.post(b"type=sleep", content_type="text/plain").status_code == 415


def test_eleven_mebibytes_are_413(processor, ana):
    big = b'{"type": "sleep", "user": "ana", "data": "' + b"x" * 11 * 1024 * 1024 + b'"}'
    assert processor.post(big).status_code == 413


def test_5001_documents_are_an_error(processor, ana):
    answer = processor.send(*[document()] * 5001)
    assert answer.status_code == 400
    assert "more than 5000" in answer.json()["errors"]["data"][0]


@pytest.mark.parametrize("token", ["", "wrong", "control-token-for-tests", "ingest-token-for-test"])
def test_invalid_token_is_401(processor, ana, token):
    answer = processor.post({"type": "sleep", "user": "ana", "data": []}, token=token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_older_of_two_tokens_is_valid(processor, ana):
    body = {"type": "sleep", "user": "ana", "data": []}
    assert processor.post(body, token="older-ingest-token").status_code == 201


def test_user_name_is_case_insensitive(processor, ana):
    assert processor.send(document(), user="ANA").status_code == 201


def test_user_is_optional_with_one_account(processor, ana):
    assert processor.post({"type": "sleep", "data": document()}).status_code == 201


def test_user_is_required_with_two_accounts(processor, ana, ben):
    answer = processor.post({"type": "sleep", "data": document()})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_user")


@pytest.mark.parametrize("other", [{"origin": "x"}, {"fetched_at": "x"}, {"read": "x"}])
def test_unknown_user_is_named_before_other_mistakes(processor, ana, other):
    answer = processor.send(document(), user="nobody", **other)
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_user")


@pytest.mark.parametrize("other", [{"type": "x"}, {"data": 5}])
def test_wrong_type_and_data_are_named_before_unknown_user(processor, ana, other):
    answer = processor.post({"type": "sleep", "data": [], "user": "nobody", **other})
    assert list(answer.json()["errors"]) == list(other)


def test_oura_user_is_default_user(processor, ana, ben, settings):
    settings.OURA_USER = "ben"
    processor.post({"type": "sleep", "data": document()})
    assert list(processor.rows(user="ben")) == ["2026-03-01"]


def test_account_never_mixes_origins(processor, ana):
    processor.send(document(), origin="sandbox")
    answer = processor.send(document(day="2026-03-02", id="b"), origin="oura")
    assert (answer.status_code, answer.json()["code"]) == (400, "other_origin")
    assert list(processor.rows()) == ["2026-03-01"]


def test_version_for_etags_rises_only_with_change(processor, ana):
    processor.send(document(score=1))
    first = Stream.objects.get(type="sleep").version
    processor.send(document(score=1))
    assert Stream.objects.get(type="sleep").version == first
    processor.send(document(score=2))
    assert Stream.objects.get(type="sleep").version > first


@pytest.mark.parametrize("documents", [1, 400])
def test_number_of_queries_does_not_grow_with_documents(
    processor, ana, documents, django_assert_max_num_queries
):
    # savepoint, lock, existing, upsert, sources (2), touch, version, rejections, warnings (2),
    # user, release
    with django_assert_max_num_queries(15):
        processor.send(
            *[
                document(day=f"20{10 + n // 28}-02-{n % 28 + 1:02}", id=str(n), source={"n": n})
                for n in range(documents)
            ]
        )


def test_empty_list_is_valid(processor, ana):
    assert processor.send().json()["status"] == "success"


@pytest.mark.parametrize("field", ["source", "score", "contributors", "mood"])
def test_only_document_with_too_deep_field_is_rejected(processor, ana, field):
    body = b'{"type":"sleep","user":"ana","data":[{"id":"a","day":"2026-03-01"},{"id":"b",'
    body += b'"day":"2026-03-02","%s":%s}]}' % (field.encode(), b"[" * 300 + b"]" * 300)
    answer = processor.post(body)
    assert (answer.status_code, answer.json()["created"]) == (201, 1)
    [rejected] = answer.json()["rejected"]
    assert (rejected["id"], list(rejected["errors"])) == ("b", [field])


@pytest.mark.parametrize("number", [b"1e999", b"9" * 5000])
def test_field_with_huge_number_is_named(processor, ana, number):
    body = b'{"type":"sleep","user":"ana","data":[{"id":"b","day":"2026-03-02","score":%s}]}'
    [rejected] = processor.post(body % number).json()["rejected"]
    assert (rejected["id"], list(rejected["errors"])) == ("b", ["score"])


def test_request_that_stores_nothing_sets_no_origin(processor, ana):
    processor.send(origin="sandbox")
    processor.send(document(score=101), origin="sandbox")
    assert processor.send(document(), origin="oura").status_code == 201


@pytest.mark.django_db(transaction=True)
def test_account_deleted_meanwhile_is_unknown_user(ana):
    type(ana).objects.all().delete()
    with pytest.raises(Invalid) as caught:
        store_documents(ana, [document()])
    assert caught.value.code == "unknown_user"


def test_missing_collection_of_unchanged_row_is_updated(processor, ana):
    source = {"daily_sleep": {"id": "a", "day": "2026-03-01"}, "sleep": []}
    processor.send(document(source=source))
    SleepMetric.objects.update(missing_collection="")
    answer = processor.send(document(source=source))
    assert answer.json()["unchanged"] == 1
    assert SleepMetric.objects.get().missing_collection == "sleep"
