"""A local server that speaks the Oura Cloud API v2 with invented people, for demo and tests."""

from datetime import date
from typing import Any


def documents(person_name: str, collection: str, start: date, end: date) -> list[dict[str, Any]]:
    """What the sandbox holds for a person from start to end, both days included.

    The same documents that HTTP gives, whatever range rule, paging or fault stands between.
    Raises LookupError for an unknown person or collection.
    """
    # Imported late: commands that only need another part of `oura` should not load it.
    from sandbox import store

    return store.documents(person_name, collection, start, end)


__all__ = ["documents"]
