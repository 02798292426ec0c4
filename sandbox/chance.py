"""Reproducible randomness: the same key gives the same numbers on every machine."""

from collections.abc import Sequence
from hashlib import blake2b
from random import Random
from typing import TypeVar
from uuid import UUID, uuid5

_T = TypeVar("_T")
_NAMESPACE = UUID("6f757261-7361-4e64-a26f-780000000001")


def rng(*key: object) -> Random:
    """Return a generator seeded by the key, hashed because hash() differs between processes."""
    text = "\0".join(map(str, key)).encode()
    return Random(int.from_bytes(blake2b(text, digest_size=16).digest()))


def stable_uuid(*key: object) -> str:
    return str(uuid5(_NAMESPACE, "\0".join(map(str, key))))


def lookup_table(weights: Sequence[tuple[_T, float]]) -> list[_T]:
    """Return 256 values in the given proportions, so that one random byte selects a value."""
    total = sum(weight for _, weight in weights)
    values: list[_T] = []
    reached = 0.0
    for value, weight in weights:
        reached += weight
        values += [value] * (round(256 * reached / total) - len(values))
    return values


def round_within(value: float, lowest: int, highest: int) -> int:
    return max(lowest, min(highest, round(value)))
