"""Documents read from JSON: whatever Oura's have, reading them again gives the same."""

from datetime import date

import orjson
from hypothesis import given
from hypothesis import strategies as st

from ingest.documents import Rejected, parse
from metrics import SLEEP

TODAY = date(2026, 3, 2)

texts = st.sampled_from(["", "p", "long_sleep", "rest", "nul\x00", "2026-03-01 07:00:00+0100"])
numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | st.sampled_from([45.0, 0, 255, 101]) | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
FIELDS = ["type", "total_sleep_duration", "time_in_bed", "efficiency", "average_hrv"]
FIELDS += ["bedtime_start", "bedtime_end", "contributors", "score", "timestamp", "ring_id"]
documents = st.fixed_dictionaries({"id": st.just("a")}, optional=dict.fromkeys(FIELDS, values))


def read_day(summaries, periods):
    mapped = SLEEP.map("2026-03-01", {"daily_sleep": summaries, "sleep": periods})
    return mapped and parse(SLEEP, orjson.dumps(mapped), today=TODAY)


@given(st.lists(documents, max_size=2), st.lists(documents, max_size=3))
def test_no_value_costs_a_day_and_reading_is_stable(summaries, periods):
    first = read_day(summaries, periods)
    if first:
        source = orjson.loads(first.source)
        summary = source["daily_sleep"]
        again = read_day([summary] if summary else [], source["sleep"])
        # A message shows a value with its keys sorted, or as sent.
        assert again.content_hash == first.content_hash
        assert again.warnings.keys() == first.warnings.keys()


@given(values, values)
def test_any_document_is_read_or_refused(document, source):
    for sent in (document, {"id": "a", "day": "2026-03-01", "score": document, "source": source}):
        parsed = parse(SLEEP, orjson.dumps(sent), today=TODAY)
        assert not isinstance(parsed, Rejected) or parsed.errors
