"""What a server refused is remembered of that server, as long as there is room."""

from __future__ import annotations

from switchman.addons.core.dialects.passing import refusals
from switchman.addons.core.dialects.passing.refusals import RefusedThoughts


def test_refused_thoughts_are_a_servers_own() -> None:
    """And can be forgotten, when it turned out that they were not the trouble."""
    known = RefusedThoughts()
    known.add("a", ["1", "2"])
    assert set(known.by("a")) == {"1", "2"} and not known.by("b")
    known.forget("a", ["1", "9"])
    known.forget("b", ["1"])
    assert set(known.by("a")) == {"2"}


def test_the_oldest_are_forgotten_first() -> None:
    """A router that runs for months does not grow."""
    known = RefusedThoughts()
    known.add("a", map(str, range(refusals.MOST + 2)))
    assert len(known.by("a")) == refusals.MOST
    assert "1" not in known.by("a") and "2" in known.by("a")
