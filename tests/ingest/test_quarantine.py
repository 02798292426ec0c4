from datetime import UTC, datetime, timedelta

import orjson
import pytest

from ingest import rejections
from ingest.models import RejectedDocument, SleepMetric
from tests.ingest.conftest import CONTROL, night

pytestmark = pytest.mark.django_db


def retry(processor, entry):
    return processor.post(b"{}", token=CONTROL, path=f"/api/v1/rejected/{entry.pk}/retry")


def test_a_rejected_document_is_kept_with_its_errors(processor, ana):
    processor.send(night(score=101))
    entry = RejectedDocument.objects.get()
    assert (entry.user, entry.oura_id, orjson.loads(entry.content)["score"]) == (ana, "a", 101)
    assert list(entry.errors) == ["score"]


def test_the_same_rejection_again_keeps_one_entry_and_says_so(processor, ana):
    first = processor.send(night(score=101))
    second = processor.send(night(score=101))
    assert RejectedDocument.objects.count() == 1
    assert (first.headers["Rejected-Again"], second.headers["Rejected-Again"]) == ("0", "1")


def test_a_later_good_version_clears_the_entry(processor, ana):
    processor.send(night(score=101))
    processor.send(night(score=100))
    assert not RejectedDocument.objects.exists()


def test_of_anothers_document_only_type_day_and_reason_are_kept(processor, ana, ben):
    processor.send(night(id="a"), user="ben")
    processor.send(night(id="a", score=5), user="ana")
    entry = RejectedDocument.objects.get()
    assert (entry.user, entry.day, entry.oura_id, entry.content) == (ana, "2026-03-01", "", "")


def test_a_document_with_nul_is_kept_as_it_came_and_a_retry_stores_nothing_else(processor, ana):
    processor.send({**night(), "id": "a\x00b"})
    entry = RejectedDocument.objects.get()
    assert orjson.loads(entry.content)["id"] == "a\x00b"
    assert retry(processor, entry).status_code == 400
    assert not SleepMetric.objects.exists()


def test_a_document_that_a_later_one_of_the_request_makes_good_is_not_kept(processor, ana):
    answer = processor.send(night(score=101), night(score=81))
    assert len(answer.json()["rejected"]) == 1
    assert not RejectedDocument.objects.exists()


def test_a_document_that_is_bad_after_a_good_one_is_kept(processor, ana):
    processor.send(night(score=81), night(score=101))
    assert RejectedDocument.objects.get().errors.keys() == {"score"}


@pytest.mark.parametrize("document", [None, "text", 7, ["a"]])
def test_what_is_no_object_is_kept_and_refused_again(processor, ana, document):
    processor.send(document)
    entry = RejectedDocument.objects.get()
    assert orjson.loads(entry.content) == document
    assert "expected an object" in str(retry(processor, entry).json()["errors"])


def test_at_most_a_thousand_entries_a_person_are_kept(processor, ana):
    processor.send(*[night(id=str(n), score=101) for n in range(600)])
    processor.send(*[night(id=str(n), score=101) for n in range(600, 1200)])
    assert RejectedDocument.objects.count() == rejections.MAX_REJECTED_PER_PERSON
    assert RejectedDocument.objects.filter(oura_id="1199").exists()


def test_entries_go_after_ninety_days(processor, ana):
    old = datetime.now(UTC) - timedelta(days=91)
    processor.send(night(score=101))
    RejectedDocument.objects.update(last_seen=old)
    processor.send(night(id="b"))
    assert not RejectedDocument.objects.exists()


def test_old_entries_go_with_anybodys_request(processor, ana, ben):
    processor.send(night(score=101))
    RejectedDocument.objects.update(last_seen=datetime.now(UTC) - timedelta(days=91))
    processor.send(night(id="b"), user="ben")
    assert not RejectedDocument.objects.exists()


def test_entries_go_with_their_person(processor, ana):
    processor.send(night(score=101))
    ana.delete()
    assert not RejectedDocument.objects.exists()


def test_an_unknown_user_leaves_nothing(processor, ana):
    processor.send(night(score=101), user="nobody")
    assert not RejectedDocument.objects.exists()


def test_a_retry_that_fails_again_keeps_the_entry(processor, ana):
    processor.send(night(score=101))
    answer = retry(processor, RejectedDocument.objects.get())
    assert answer.status_code == 400
    assert RejectedDocument.objects.count() == 1


def test_a_retry_that_succeeds_stores_the_document_and_clears_the_entry(processor, ana):
    processor.send(night(score=101))
    # As if the rule that refused it had been mended.
    RejectedDocument.objects.update(content=orjson.dumps(night(score=100)).decode())
    answer = retry(processor, RejectedDocument.objects.get())
    assert answer.status_code == 201
    assert SleepMetric.objects.get().score == 100
    assert not RejectedDocument.objects.exists()


def test_a_retry_needs_the_control_token(processor, ana):
    processor.send(night(score=101))
    entry = RejectedDocument.objects.get()
    assert processor.post(b"{}", path=f"/api/v1/rejected/{entry.pk}/retry").status_code == 401
