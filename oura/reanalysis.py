"""What a night's documents tell of how they were made, and what a re-analysis changed in them.

Pure functions over the documents that are kept with a row, `{"daily_sleep": …, "sleep": […]}`.
"""

from collections.abc import Mapping
from typing import Any

from oura.mapping import COUNTING, main_period

Source = Mapping[str, Any]
# Oura's fields, by the name of the mark that a change of them sets.
TRAITS = {"sleep_algorithm": "sleep_algorithm_version", "ring": "ring_id"}
EDITED = "bedtime_edit"


def traits(source: Source) -> dict[str, str]:
    """The algorithm's version and the ring of the night, as far as its main period tells them."""
    main = main_of(source)
    return {
        name: value
        for name, field in TRAITS.items()
        if isinstance(value := main.get(field), str) and value
    }


def notes(before: Source, after: Source) -> list[str]:
    """What became of a night, in words."""
    return [
        *summaries(before.get("daily_sleep"), after.get("daily_sleep")),
        *naps(len(naps_of(before)), len(naps_of(after))),
        *deletions(before, after),
        *bedtimes(main_of(before), main_of(after)),
        *measured(traits(before), traits(after)),
    ]


def periods_of(source: Source) -> list[Mapping[str, Any]]:
    """The periods as far as they are documents; nobody has looked at them before."""
    found = source.get("sleep") if isinstance(source, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def counting(source: Source) -> list[Any]:
    return [period for period in periods_of(source) if period.get("type") in COUNTING]


def main_of(source: Source) -> Mapping[str, Any]:
    return main_period(counting(source)) or {}


def naps_of(source: Source) -> list[Any]:
    main = main_of(source)
    return [period for period in counting(source) if period is not main]


def summaries(before: Any, after: Any) -> list[str]:
    if before is None and after is not None:
        return ["the summary came"]
    return ["the summary went"] if after is None and before is not None else []


def naps(before: int, after: int) -> list[str]:
    if before == after:
        return []
    what = "added" if after > before else "removed"
    number = abs(after - before)
    return [f"a nap {what}" if number == 1 else f"{number} naps {what}"]


def deletions(before: Source, after: Source) -> list[str]:
    kinds = {str(period.get("id")): period.get("type") for period in periods_of(before)}
    deleted = [
        period
        for period in periods_of(after)
        if period.get("type") == "deleted"
        and kinds.get(str(period.get("id")), "deleted") not in ("deleted", None)
    ]
    return ["a period deleted"] if deleted else []


def bedtimes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    if not before or not after:
        return ["the sleep came"] if after else ["the sleep went"] if before else []
    names = ("bedtime_start", "bedtime_end")
    if all(before.get(name) == after.get(name) for name in names):
        return []
    edited = after.get("sleep_analysis_reason") == EDITED
    return ["bedtime edited" if edited else "bedtime analysed anew"]


def measured(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    if before.get("sleep_algorithm") and after.get("sleep_algorithm"):
        old, new = before["sleep_algorithm"], after["sleep_algorithm"]
        return [f"algorithm changed, {old} to {new}"] if old != new else []
    return []
