"""The report: a table for people, and JSON for programs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from bench.items import Item
from bench.load import Figures, middle
from bench.session import BARE, Session

_COLUMNS = (
    ("per s", "per_second", 10),
    ("p50 ms", "p50_ms", 9),
    ("p99 ms", "p99_ms", 9),
    ("CPU ms", "cpu_ms", 9),
    ("DB ms", "db_ms", 9),
)
_REFERENCES = "    x go  by CPU  x bare  by CPU"
_NAME, _SYSTEM = 28, 14
EXPLANATION = (
    "per s: requests per second, or documents for ingest. CPU and DB: CPU time of the services\n"
    "and of PostgreSQL, per request or document. x go, x bare: the rate as a multiple of the\n"
    "rate of these references; by CPU: the same per second of CPU time, including PostgreSQL's."
)


def table(session: Session, items: Sequence[Item]) -> str:
    """Return the table of all items, with the rates as multiples of the references'."""
    heads = [f"{name:>{width}}" for name, _, width in _COLUMNS]
    lines = [f"{'item':<{_NAME}}{'system':<{_SYSTEM}}{''.join(heads)}   bad{_REFERENCES}"]
    for item in items:
        for name, figures in _of_item(session, item.name):
            cells = [f"{_number(getattr(figures, field)):>{width}}" for _, field, width in _COLUMNS]
            ratios = [
                ratio(figures, _reference(session, item, reference))
                for reference in ("go", BARE)
                for ratio in (_rate_ratio, _cost_ratio)
            ]
            lines.append(
                f"{item.name:<{_NAME}}{name:<{_SYSTEM}}{''.join(cells)}{figures.bad:>6}"
                + "".join(f"{ratio:>8}" for ratio in ratios)
            )
    return "\n".join(lines) if session.measured else ""


def _of_item(session: Session, item: str) -> list[tuple[str, Figures]]:
    names = [*(system.name for system in session.systems), BARE]
    return [
        (name, middle(session.measured[item, name]))
        for name in names
        if (item, name) in session.measured
    ]


def _reference(session: Session, item: Item, system: str) -> Figures | None:
    """Return the figures to compare an item with: the system's own, or those of its base."""
    for name in (item.name, item.base):
        if found := session.measured.get((name, system)):
            return middle(found)
    return None


def _rate_ratio(figures: Figures, reference: Figures | None) -> str:
    return (
        f"{figures.per_second / reference.per_second:.2f}"
        if reference and reference.per_second
        else "-"
    )


def _cost_ratio(figures: Figures, reference: Figures | None) -> str:
    """Return how much more CPU time the reference takes: more is better, as with rates."""
    return f"{_cost(reference) / _cost(figures):.2f}" if reference and _cost(figures) else "-"


def _number(value: float) -> str:
    """Return three digits that count, and whole numbers as they are."""
    if value == int(value):
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.{1 if value >= 10 else 2 if value >= 1 else 3}f}"


def growth_table(session: Session) -> str:
    """Return the CPU time of a request as people are added, and its multiple of the first one."""
    first: dict[tuple[str, str], float] = {}
    lines = []
    for (item, system, world), rounds in sorted(session.grown.items(), key=_by_item(session)):
        figures = middle(rounds)
        cost = _cost(figures)
        ratio = cost / max(first.setdefault((item, system), cost), 1e-9)
        lines.append(
            f"{item:<{_NAME}}{system:<{_SYSTEM}}{world:<26}{_number(figures.cpu_ms):>9}"
            f"{_number(figures.db_ms):>9}{ratio:>9.2f}"
        )
    head = f"{'growth':<{_NAME}}{'system':<{_SYSTEM}}{'in the database':<26}"
    return "\n".join([f"{head}{'CPU ms':>9}{'DB ms':>9}{'x first':>9}", *lines]) if lines else ""


def _cost(figures: Figures) -> float:
    return figures.cpu_ms + figures.db_ms


def _by_item(session: Session) -> Callable[[tuple[tuple[str, str, str], object]], tuple[int, int]]:
    """Return a key that puts items and systems together, and leaves the order of the rest."""
    keys = list(session.grown)
    items = [key[0] for key in keys]
    systems = [key[1] for key in keys]
    return lambda entry: (items.index(entry[0][0]), systems.index(entry[0][1]))


def values(session: Session) -> str:
    """Return the single figures, one a line, with a column for each checkout."""
    return "\n".join(
        f"{each.name:<64}{each.system:<{_SYSTEM}}{_number(each.value):>9} {each.unit}".rstrip()
        for each in session.values
    )


def to_json(session: Session, described: dict[str, Any]) -> bytes:
    figures = [
        {
            "item": item,
            "system": system,
            "median": middle(rounds).to_dict(),
            "rounds": [each.to_dict() for each in rounds],
        }
        for (item, system), rounds in session.measured.items()
    ]
    body = {
        "machine": described,
        "options": session.options,
        "items": figures,
        "growth": [
            {"item": item, "system": system, "world": world, "median": middle(rounds).to_dict()}
            for (item, system, world), rounds in session.grown.items()
        ],
        "values": session.values,
    }
    return orjson.dumps(body, option=orjson.OPT_INDENT_2)


def write(path: Path, text: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
