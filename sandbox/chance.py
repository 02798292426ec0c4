"""Randomness that never changes: the same key gives the same numbers, on every machine."""

from collections.abc import Sequence
from hashlib import blake2b
from random import Random
from typing import TypeVar
from uuid import UUID, uuid5

Choice = TypeVar("Choice")
NAMESPACE = UUID("6f757261-7361-4e64-a26f-780000000001")


def rng(*key: object) -> Random:
    """A generator of the key's own. Python's hash() differs between processes, so not that."""
    text = "\0".join(map(str, key)).encode()
    return Random(int.from_bytes(blake2b(text, digest_size=16).digest()))


def identifier(*key: object) -> str:
    return str(uuid5(NAMESPACE, "\0".join(map(str, key))))


def table(weights: Sequence[tuple[Choice, float]]) -> list[Choice]:
    """256 values in the given proportions, so that one random byte picks one."""
    total = sum(weight for _, weight in weights)
    values: list[Choice] = []
    reached = 0.0
    for value, weight in weights:
        reached += weight
        values += [value] * (round(256 * reached / total) - len(values))
    return values


def clamp(value: float, lowest: int, highest: int) -> int:
    return max(lowest, min(highest, round(value)))
