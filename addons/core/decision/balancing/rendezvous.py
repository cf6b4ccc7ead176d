"""Rendezvous hashing: a place for a key, by the key and the names of the places alone.

Every place draws a number for the key, and the highest has it. So each process comes to the same without asking
another; a place that is added takes its share of the keys and moves no other, and of one that is gone only its own keys
move (Thaler and Ravishankar, 1998). With weights by -w / ln(u), as in Schindelhauer and Schomaker, 2005.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import log


def by_key(key: str, names: Sequence[str], weights: Sequence[float]) -> list[int]:
    """The indexes of the places, the key's own first. One of weight 0 comes last."""
    return sorted(range(len(names)), key=lambda index: -_drawn(key, names[index], weights[index]))


def _drawn(key: str, name: str, weight: float) -> float:
    digest = blake2b(f"{key}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return -weight / log((int.from_bytes(digest) + 1) / (2**64 + 2))
