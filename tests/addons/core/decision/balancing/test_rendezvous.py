"""Rendezvous hashing: a key's place is the same everywhere, and moves only where it must."""

from __future__ import annotations

from collections import Counter

from switchman.addons.core.decision.balancing.rendezvous import by_key

KEYS = [f"conversation {number}" for number in range(3000)]
NAMES = ["a/m", "b/m", "c/m", "d/m"]


def place(key: str, names: list[str], weights: list[float] | None = None) -> str:
    return names[by_key(key, names, weights or [1.0] * len(names))[0]]


def test_a_key_has_its_place_whatever_the_order_of_the_names() -> None:
    """Two routers whose files list the servers differently agree."""
    assert all(place(key, NAMES) == place(key, NAMES[::-1]) for key in KEYS)


def test_a_server_that_is_added_moves_its_share_and_nothing_else() -> None:
    """A fifth of the keys go to the fifth server; one that is gone takes only its own along."""
    before = {key: place(key, NAMES) for key in KEYS}
    after = {key: place(key, [*NAMES, "e/m"]) for key in KEYS}
    moved = [key for key in KEYS if before[key] != after[key]]
    assert all(after[key] == "e/m" for key in moved) and 0.17 < len(moved) / len(KEYS) < 0.23
    without = {key: place(key, NAMES[1:]) for key in KEYS}
    assert all(without[key] == before[key] for key in KEYS if before[key] != "a/m")


def test_keys_are_spread_by_weight() -> None:
    """Nobody of weight 0 has any."""
    counts = Counter(place(key, NAMES, [6.0, 3.0, 1.0, 0.0]) for key in KEYS)
    shares = [counts[name] / len(KEYS) for name in NAMES]
    assert all(abs(share - wanted) < 0.025 for share, wanted in zip(shares, (0.6, 0.3, 0.1, 0.0), strict=True))
