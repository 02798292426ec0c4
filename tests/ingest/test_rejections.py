from datetime import UTC, datetime, timedelta

import orjson
import pytest

from ingest import rejections
from ingest.models import RejectedDocument, SleepMetric
from tests.ingest.conftest import CONTROL
from tests.worlds import document

pytestmark = pytest.mark.django_db


def retry(processor, entry):
    return processor.post(b"{}", token=CONTROL, path=f"/api/v1/rejected/{entry.pk}/retry")


def test_rejected_document_is_kept_with_its_errors(processor, ana):
    processor.send(document(score=101))
    entry = RejectedDocument.objects.get()
    assert (entry.user, entry.oura_id, orjson.loads(entry.content)["score"]) == (ana, "a", 101)
    assert list(entry.errors) == ["score"]


def test_repeated_rejection_is_counted_and_kept_once(processor, ana):
    first = processor.send(document(score=101))
    second = processor.send(document(score=101))
    assert RejectedDocument.objects.count() == 1
    assert (first.headers["Rejected-Again"], second.headers["Rejected-Again"]) == ("0", "1")


def test_later_valid_version_deletes_entry(processor, ana):
    processor.send(document(score=101))
    processor.send(document(score=100))
    assert not RejectedDocument.objects.exists()


def test_entry_with_id_of_another_account_lacks_content(processor, ana, ben):
    processor.send(document(id="a"), user="ben")
    processor.send(document(id="a", score=5), user="ana")
    entry = RejectedDocument.objects.get()
    assert (entry.user, entry.day, entry.oura_id, entry.content) == (ana, "2026-03-01", "", "")


def test_document_with_nul_is_kept_unchanged_and_rejected_on_retry(processor, ana):
    processor.send({**document(), "id": "a\x00b"})
    entry = RejectedDocument.objects.get()
    assert orjson.loads(entry.content)["id"] == "a\x00b"
    assert retry(processor, entry).status_code == 400
    assert not SleepMetric.objects.exists()


@pytest.mark.parametrize("sent", [[], [document(id="other")], [document(id="x", score=101)]])
def test_only_entries_that_may_change_are_read(processor, ana, monkeypatch, sent):
    processor.send(*[document(f"2026-03-{n:02}", f"bad {n}", score=101) for n in range(1, 29)])
    read, decide = [], rejections.decide

    def noted(entries, *rest):
        read.extend(entries)
        return decide(entries, *rest)

    monkeypatch.setattr(rejections, "decide", noted)
    processor.send(*sent)
    assert read == []
    processor.send(document(id="bad 1"), document("2026-03-02", "bad 2", score=101))
    assert sorted(key for key, *_ in read) == ["bad 1", "bad 2"]


def test_invalid_document_before_valid_one_is_not_kept(processor, ana):
    answer = processor.send(document(score=101), document(score=81))
    assert len(answer.json()["rejected"]) == 1
    assert not RejectedDocument.objects.exists()


def test_invalid_document_after_valid_one_is_kept(processor, ana):
    processor.send(document(score=81), document(score=101))
    assert RejectedDocument.objects.get().errors.keys() == {"score"}


@pytest.mark.parametrize("content", [None, "text", 7, ["a"]])
def test_document_other_than_object_is_kept_and_rejected_on_retry(processor, ana, content):
    processor.send(content)
    entry = RejectedDocument.objects.get()
    assert orjson.loads(entry.content) == content
    assert "expected an object" in str(retry(processor, entry).json()["errors"])


def test_at_most_thousand_entries_per_person_are_kept(processor, ana):
    processor.send(*[document(id=str(n), score=101) for n in range(600)])
    processor.send(*[document(id=str(n), score=101) for n in range(600, 1200)])
    assert RejectedDocument.objects.count() == rejections.MAX_REJECTED_PER_PERSON
    assert RejectedDocument.objects.filter(oura_id="1199").exists()


def test_entries_are_deleted_after_ninety_days(processor, ana):
    old = datetime.now(UTC) - timedelta(days=91)
    processor.send(document(score=101))
    RejectedDocument.objects.update(last_seen=old)
    processor.send(document(id="b"))
    assert not RejectedDocument.objects.exists()


@pytest.mark.parametrize(("age", "repeats"), [(89, 1), (91, 0)])
def test_entry_rejected_again_after_ninety_days_is_new(processor, ana, age, repeats):
    processor.send(document(score=101))
    seen = datetime.now(UTC) - timedelta(days=age)
    RejectedDocument.objects.update(first_seen=seen, last_seen=seen)
    answer = processor.send(document(score=101))
    assert answer.headers["Rejected-Again"] == str(repeats)
    assert (RejectedDocument.objects.get().first_seen == seen) == bool(repeats)


def test_old_entries_are_deleted_at_requests_of_other_people(processor, ana, ben):
    processor.send(document(score=101))
    RejectedDocument.objects.update(last_seen=datetime.now(UTC) - timedelta(days=91))
    processor.send(document(id="b"), user="ben")
    assert not RejectedDocument.objects.exists()


def test_entries_are_deleted_with_account(processor, ana):
    processor.send(document(score=101))
    ana.delete()
    assert not RejectedDocument.objects.exists()


def test_unknown_user_has_no_entries(processor, ana):
    processor.send(document(score=101), user="nobody")
    assert not RejectedDocument.objects.exists()


def test_failed_retry_keeps_entry(processor, ana):
    processor.send(document(score=101))
    answer = retry(processor, RejectedDocument.objects.get())
    assert answer.status_code == 400
    assert RejectedDocument.objects.count() == 1


def test_successful_retry_stores_document_and_deletes_entry(processor, ana):
    processor.send(document(score=101))
    # As if the document had become valid by a changed rule.
    RejectedDocument.objects.update(content=orjson.dumps(document(score=100)).decode())
    answer = retry(processor, RejectedDocument.objects.get())
    assert answer.status_code == 201
    assert SleepMetric.objects.get().score == 100
    assert not RejectedDocument.objects.exists()


def test_retry_requires_control_token(processor, ana):
    processor.send(document(score=101))
    entry = RejectedDocument.objects.get()
    assert processor.post(b"{}", path=f"/api/v1/rejected/{entry.pk}/retry").status_code == 401
