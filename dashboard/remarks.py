"""Remarks about a day in words: values that were left out, and how it was before."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dashboard.queries import Warnings
from dashboard.templatetags.figures import clock, days_in_words, with_unit
from ingest.models import Revision
from metrics import MetricType
from metrics.columns import Contributors, in_words
from metrics.measures import Measure
from myhealth.days import Days

# What happened to an earlier version, as the beginning of a sentence.
_HAPPENED = {
    Revision.Kind.CHANGED: "Changed at Oura",
    Revision.Kind.REMOVED: "Removed at Oura",
    Revision.Kind.REMAPPED: "Computed again from the same data",
}
# Oura's ids mean nothing to people.
_HIDDEN = "oura_id"


def warning_sentences(metric_type: MetricType, warnings: Warnings) -> list[str]:
    """Return which values were left out, and the other warnings, which are sentences."""
    left_out, sentences = [], []
    for name, texts in sorted(warnings.items()):
        if name.partition(".")[0] in metric_type.column_names:
            left_out.append(_title(metric_type, name))
        else:
            sentences += texts
    if left_out:
        sentences.insert(0, f"Oura sent no usable value for: {', '.join(left_out)}.")
    return sentences


def revision_sentences(
    metric_type: MetricType,
    revisions: Iterable[Mapping[str, Any]],
    zone: ZoneInfo,
    today: date,
) -> list[str]:
    """Return what each of a type's revisions (newest first) says, in the person's own time."""
    return [
        _sentence(metric_type, each, zone, today, "after" if place else "now")
        for place, each in enumerate(revisions)
    ]


def _sentence(
    metric_type: MetricType, revision: Mapping[str, Any], zone: ZoneInfo, today: date, now: str
) -> str:
    at: datetime = revision["replaced_at"].astimezone(zone)
    day = days_in_words(Days(at.date(), at.date()), today)
    start = f"{_HAPPENED[revision['kind']]} on {day} at {clock(at)}"
    changes = list(_changes(metric_type, revision["changes"], now))
    if revision["kind"] == Revision.Kind.REMOVED:
        changes = list(_values(metric_type, revision["values"]))
    if revision["times"] > 1:
        changes.append(f"this version was replaced {revision['times']} times")
    what = "; ".join([*changes, *revision["notes"]])
    return f"{start}: {what or 'only details that are not shown here'}."


def _changes(metric_type: MetricType, changes: Mapping[str, list[Any]], now: str) -> Iterable[str]:
    for name, (old, new) in changes.items():
        before, after = (_text(metric_type, name, value) for value in (old, new))
        # What is rounded may look the same.
        if name != _HIDDEN and before != after:
            yield f"{_lowered(_title(metric_type, name))} {before} before, {after} {now}"


def _values(metric_type: MetricType, values: Mapping[str, Any]) -> Iterable[str]:
    """Yield the score, and what the card of the day shows, of a day that was removed."""
    for name in dict.fromkeys(("score", *metric_type.card)):
        if values.get(name) is not None:
            text = _text(metric_type, name, values[name])
            yield f"{_lowered(_title(metric_type, name))} {text} before"


def _title(metric_type: MetricType, name: str) -> str:
    column, _, contributor = name.partition(".")
    if contributor:
        return f"{_lowered(in_words(contributor))} (contributor)"
    # A column may have been given up since.
    known = column in metric_type.column_names
    return metric_type.column(column).title if known else in_words(column)


def _text(metric_type: MetricType, name: str, value: Any) -> str:
    if value is None:
        return "unknown"
    column, _, contributor = name.partition(".")
    if column not in metric_type.column_names or isinstance(value, (dict, list)):
        return str(value)
    declared = metric_type.column(column)
    if isinstance(declared.kind, Contributors):
        return with_unit(value, Measure(metric_type, declared, contributor))
    return text_in_words(value) if _is_word(value) else with_unit(value, declared)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and value.islower() and value.isidentifier()


def text_in_words(value: str) -> str:
    """Return a word of Oura's as people write it, such as `Long sleep`; other texts as they are."""
    return in_words(value) if _is_word(value) else value


def _lowered(title: str) -> str:
    """Return a title inside a sentence; `HRV` and `REM sleep` stay as they are."""
    return title if title[1:2].isupper() else title[:1].lower() + title[1:]
