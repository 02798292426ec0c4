"""Values that a column can't hold, in documents that bring their source: warnings."""

from datetime import date, timedelta

import orjson
import pytest

from ingest.models import MetricSource, RejectedDocument, SleepMetric, Stream
from metrics import SLEEP
from tests.worlds import document

pytestmark = pytest.mark.django_db

SOURCE = {"daily_sleep": {"id": "a"}, "sleep": [{"id": "p", "type": "long_sleep"}]}


def with_source(**columns):
    return document(**{"source": SOURCE, **columns})


def errors_of(answer):
    assert (answer.status_code, answer.json()["rejected"]) == (201, [])
    return [each["errors"] for each in answer.json()["warnings"]]


BAD_VALUES = [
    ("score", 101),
    ("score", "80"),
    ("score", True),
    ("score", 80.5),
    ("duration", -1),
    ("duration", 2**31),
    ("efficiency", [93]),
    ("average_heart_rate", "fast"),
    ("bedtime_start", "2026-03-01T22:00:00"),
    ("bedtime_start", 5),
    ("main_type", 5),
    ("main_type", "nul\x00"),
    ("main_type", "x" * 65),
]


@pytest.mark.parametrize(("column", "value"), BAD_VALUES)
def test_bad_value_alone_becomes_null_with_warning(processor, ana, column, value):
    answer = processor.send(with_source(**{"latency": 7, column: value}))
    assert [list(errors) for errors in errors_of(answer)] == [[column]]
    row = processor.rows()["2026-03-01"]
    assert (row[column], row["latency"]) == (None, 7)
    assert MetricSource.objects.get().warnings == errors_of(answer)[0]


@pytest.mark.parametrize(("column", "value"), BAD_VALUES)
def test_bad_value_without_source_rejects_document(processor, ana, column, value):
    for nothing in ({}, {"source": None}):
        answer = processor.send(document(**{column: value}, **nothing))
        assert (answer.status_code, answer.json()["warnings"]) == (400, [])
        assert list(answer.json()["rejected"][0]["errors"]) == [column]


def test_warning_names_index_id_and_value(processor, ana):
    good = document(day="2026-03-02", id="b")
    answer = processor.send(good, with_source(efficiency=101))
    assert answer.json()["status"] == "success"
    assert answer.json()["warnings"] == [
        {
            "index": 1,
            "id": "a",
            "errors": {
                "efficiency": ["101 is not valid; expected a whole number from 0 to 100 or null."]
            },
        }
    ]


@pytest.mark.parametrize("number", [b"9" * 19, b"9" * 30, b"-" + b"9" * 30, b"9" * 5000, b"1e999"])
def test_number_beyond_64_bits_costs_its_column_alone(processor, ana, number):
    body = b'{"type":"sleep","user":"ana","data":[%s,%s]}' % (
        orjson.dumps(with_source()).replace(b'"day"', b'"duration":%s,"day"' % number, 1),
        orjson.dumps(document("2026-03-02", "b", duration=5)),
    )
    assert [list(each) for each in errors_of(processor.post(body))] == [["duration"]]
    assert processor.rows()["2026-03-02"]["duration"] == 5


@pytest.mark.parametrize(
    ("number", "stored"),
    [
        (b"9007199254740993", 9007199254740993),
        (b"18446744073709551615", 2**64 - 1),
        (b"100000000000000000000", 1e20),
        (b"1e999", "1e999"),
        (b"9" * 400, "9" * 400),
    ],
)
def test_large_number_deep_in_source_is_kept(processor, ana, number, stored):
    sent = with_source(source={"daily_sleep": {"deep": [{"n": "N"}]}}, score=80)
    body = orjson.dumps({"type": "sleep", "user": "ana", "data": [sent]}).replace(b'"N"', number)
    assert errors_of(processor.post(body)) == []
    assert MetricSource.objects.get().documents == {"daily_sleep": {"deep": [{"n": stored}]}}
    assert processor.post(body).json()["unchanged"] == 1


def test_nul_in_source_is_kept(processor, ana):
    source = {"daily_sleep": {"a\x00": ["\x00"]}, "sleep": [{"ring_id": "r\x00", "type": None}]}
    assert errors_of(processor.send(with_source(source=source, score=80))) == []
    stored = MetricSource.objects.get()
    assert (stored.documents, stored.provenance) == (source, {})


@pytest.mark.parametrize("value", [[], "x", 5])
def test_contributors_that_are_none_become_empty(processor, ana, value):
    errors = errors_of(processor.send(with_source(contributors=value)))
    assert [list(each) for each in errors] == [["contributors"]]
    assert processor.rows()["2026-03-01"]["contributors"] == {}


def test_message_about_contributors_names_null_once(processor, ana):
    [errors] = errors_of(processor.send(with_source(contributors=5)))
    text = "5 is not valid; expected an object of whole numbers from 0 to 100 or null."
    assert errors == {"contributors": [text]}


def test_names_that_are_none_do_not_cost_other_contributors(processor, ana):
    good = {f"c{n}": n for n in range(60)}
    bad = {f"{n}" * 65: 1 for n in range(5)}
    [errors] = errors_of(processor.send(with_source(contributors={**bad, **good})))
    assert (len(errors), processor.rows()["2026-03-01"]["contributors"]) == (5, good)


def test_known_contributors_come_first_of_too_many(processor, ana):
    sent = {**{f"a{n:03}": 1 for n in range(99)}, "timing": 80}
    [errors] = errors_of(processor.send(with_source(contributors=sent)))
    assert errors == {"contributors": ["It has 100 contributors; only 64 of them were read."]}
    stored = {"timing": 80, **{f"a{n:03}": 1 for n in range(63)}}
    assert processor.rows()["2026-03-01"]["contributors"] == stored


def test_messages_about_contributors_are_limited(processor, ana):
    sent = {f"a{n:03}": "x" for n in range(999)} | {"timing": 80}
    [errors] = errors_of(processor.send(with_source(contributors=sent)))
    assert (len(errors), processor.rows()["2026-03-01"]["contributors"]["timing"]) == (64, 80)


def post_text(processor, text, **columns):
    """Send a document in which this text is the value that is written as "TEXT"."""
    body = orjson.dumps({"type": "sleep", "user": "ana", "data": [with_source(**columns)]})
    return processor.post(body.replace(b'"TEXT"', text))


@pytest.mark.parametrize("text", [b"1e400", b"[" * 300 + b"]" * 300])
def test_unreadable_contributor_costs_itself_alone(processor, ana, text):
    answer = post_text(processor, text, contributors={"timing": "TEXT", "latency": 45})
    assert [list(each) for each in errors_of(answer)] == [["contributors.timing"]]
    stored = {"timing": None, "latency": 45}
    assert processor.rows()["2026-03-01"]["contributors"] == stored


@pytest.mark.parametrize("column", ["main_type", "bedtime_start"])
def test_number_too_large_for_any_is_no_text(processor, ana, column):
    [errors] = errors_of(post_text(processor, b"1e400", **{column: "TEXT"}))
    assert errors[column][0].startswith("1e400 is not valid; expected a ")
    assert processor.rows()["2026-03-01"][column] is None


def test_number_too_large_for_any_is_no_id(processor, ana):
    answer = post_text(processor, b"1e400", id="TEXT")
    [rejected] = answer.json()["rejected"]
    assert (answer.status_code, rejected["id"], list(rejected["errors"])) == (400, None, ["id"])


def test_only_bad_contributor_becomes_null(processor, ana):
    sent = {"timing": 101, "latency": 45.0, "newer": 3, "total_sleep": "x", "a\x00": 1, "rem": None}
    errors = errors_of(processor.send(with_source(contributors=sent)))
    bad = ["contributors.a\\0", "contributors.timing", "contributors.total_sleep"]
    assert [sorted(each) for each in errors] == [bad]
    stored = {"timing": None, "latency": 45, "newer": 3, "total_sleep": None, "rem": None}
    assert processor.rows()["2026-03-01"]["contributors"] == stored


@pytest.mark.parametrize(
    ("field", "value"), [("id", 5), ("day", "soon"), ("mood", 5), ("source", []), ("id", "\x00")]
)
def test_other_fields_reject_with_source_as_without(processor, ana, field, value):
    answer = processor.send({**with_source(efficiency=101), field: value})
    assert answer.status_code == 400
    assert set(answer.json()["rejected"][0]["errors"]) == {field, "efficiency"}


@pytest.mark.parametrize("source", [{}, {"source": SOURCE}])
@pytest.mark.parametrize("value", [45, 45.0, 4.5e1])
def test_whole_number_may_have_a_fraction_of_zero(processor, ana, source, value):
    sent = document(efficiency=value, contributors={"timing": value}, **source)
    assert errors_of(processor.send(sent)) == []
    row = processor.rows()["2026-03-01"]
    assert (repr(row["efficiency"]), row["contributors"]) == ("45", {"timing": 45})


def test_other_spelling_of_values_is_unchanged(processor, ana):
    processor.send(document(efficiency=45, bedtime_end="2026-03-01T07:00:00.123456+01:00"))
    again = document(efficiency=45.0, bedtime_end="2026-03-01 07:00:00.123456789 +0100")
    assert processor.send(again).json()["unchanged"] == 1
    assert processor.rows()["2026-03-01"]["bedtime_end"] == "2026-03-01T07:00:00.123456+01:00"


def test_same_document_with_warnings_is_unchanged(processor, ana):
    processor.send(with_source(efficiency=101))
    before = SleepMetric.objects.get(), Stream.objects.get(type="sleep").version
    answer = processor.send(with_source(efficiency=101))
    assert (answer.json()["unchanged"], len(errors_of(answer))) == (1, 1)
    after = SleepMetric.objects.get(), Stream.objects.get(type="sleep").version
    assert (after[0].updated_at, after[1]) == (before[0].updated_at, before[1])


def test_changed_warning_alone_is_no_update(processor, ana):
    processor.send(with_source(efficiency=101))
    before = SleepMetric.objects.get(), Stream.objects.get(type="sleep").version
    assert processor.send(with_source(efficiency=102)).json()["unchanged"] == 1
    assert SleepMetric.objects.get().updated_at == before[0].updated_at
    assert "102" in MetricSource.objects.get().warnings["efficiency"][0]
    assert Stream.objects.get(type="sleep").version > before[1]


def test_documents_that_are_not_stored_have_no_warnings(processor, ana):
    good = with_source(efficiency=90)
    assert errors_of(processor.send(with_source(efficiency=101), good)) == []
    older = {"fetched_at": "2026-03-02T00:00:00Z"}
    assert errors_of(processor.send(with_source(efficiency=101), **older)) == []
    assert MetricSource.objects.get().warnings == {}


def test_warning_goes_with_the_bad_value(processor, ana):
    processor.send(with_source(efficiency=101))
    processor.send(with_source(efficiency=100))
    assert MetricSource.objects.get().warnings == {}


def test_warned_documents_are_counted(processor, ana):
    before = processor.sample("processed_records_total", type="sleep", outcome="warned")
    processor.send(with_source(efficiency=101))
    after = processor.sample("processed_records_total", type="sleep", outcome="warned")
    assert after == before + 1


def test_values_in_warnings_are_not_logged(processor, ana, caplog):
    processor.send(with_source(main_type=["unspeakable"]))
    assert "unspeakable" not in caplog.text


def test_document_stored_with_warnings_clears_its_rejection(processor, ana):
    processor.send(document(efficiency=101))
    processor.send(with_source(efficiency=101))
    assert not RejectedDocument.objects.exists()


# The same seconds under two days ------------------------------------------------------------------

FIRST = date(2026, 3, 1)


def night(day, start="2026-02-28T23:00:00+01:00", end="2026-03-01T07:00:00+01:00", **values):
    period = {"id": f"p{day}", "type": "long_sleep", "total_sleep_duration": 20_000, **values}
    period |= {"bedtime_start": start, "bedtime_end": end}
    summary = {"id": f"s{day}", "day": str(day), "score": 80}
    return SLEEP.map(str(day), {"daily_sleep": [summary], "sleep": [period]})


ONE, TWO = night(FIRST), night(FIRST + timedelta(1), start="2026-03-01T00:00:00+01:00")
WARNING = {"day": ["Some of this sleep is also stored under 2026-03-01."]}


def warned():
    stored = MetricSource.objects.order_by("day")
    return {str(each.day): each.warnings for each in stored if each.warnings}


@pytest.mark.parametrize("requests", [[[ONE, TWO]], [[TWO, ONE]], [[ONE], [TWO]], [[TWO], [ONE]]])
def test_shared_seconds_warn_of_the_later_day(processor, ana, requests):
    for sent in requests:
        processor.send(*sent)
    assert warned() == {"2026-03-02": WARNING}
    assert [row["duration"] for row in processor.rows().values()] == [20_000, 20_000]


@pytest.mark.parametrize("requests", [[[ONE, TWO]], [[TWO, ONE]], [[ONE], [TWO]], [[TWO], [ONE]]])
def test_shared_seconds_sent_again_change_nothing(processor, ana, requests):
    processor.send(ONE, TWO)
    before = Stream.objects.get(type="sleep").version
    for sent in requests:
        assert processor.send(*sent).json()["unchanged"] == len(sent)
    assert (warned(), Stream.objects.get(type="sleep").version) == ({"2026-03-02": WARNING}, before)


def test_answer_names_shared_seconds(processor, ana):
    assert processor.send(TWO, ONE).json()["warnings"] == [
        {"index": 0, "id": "s2026-03-02", "errors": WARNING}
    ]


def test_warning_goes_when_the_other_day_moves(processor, ana):
    processor.send(ONE, TWO)
    processor.send(night(FIRST, end="2026-03-01T00:00:00+01:00"))
    assert warned() == {}


def test_warning_goes_when_the_other_day_goes(processor, ana):
    processor.send(ONE, TWO)
    processor.send(TWO, read={"start": "2026-03-01", "end": "2026-03-02"})
    assert (list(processor.rows()), warned()) == (["2026-03-02"], {})


def test_nights_that_touch_have_no_warning(processor, ana):
    processor.send(
        ONE, night(FIRST + timedelta(1), ONE["bedtime_end"], "2026-03-01T09:00:00+01:00")
    )
    assert warned() == {}


def test_warnings_of_untouched_neighbours_stay(processor, ana):
    days = [FIRST + timedelta(n) for n in range(6)]
    processor.send(*map(night, days))
    before = warned()
    assert list(before) == [str(day) for day in days[1:]]
    processor.send(night(days[3], latency=5))
    assert warned() == before


def test_warnings_of_others_are_untouched(processor, ana, ben):
    processor.send(ONE)
    other = {**TWO, "id": "b"}
    processor.send(other, user="ben")
    assert warned() == {}


@pytest.mark.parametrize("damaged", [0, 1])
def test_damaged_source_costs_its_neighbour_nothing(processor, ana, damaged):
    processor.send(ONE, TWO)
    day = FIRST + timedelta(damaged)
    MetricSource.objects.filter(day=day).update(content=b"garbage")
    neighbour = night(FIRST + timedelta(1 - damaged), latency=5)
    assert processor.send(neighbour).json()["updated"] == 1
    assert MetricSource.objects.get(day=day).warnings == (WARNING if damaged else {})
