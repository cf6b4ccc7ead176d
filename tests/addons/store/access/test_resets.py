"""What is reset is known to all who look, by a number."""

from __future__ import annotations

from pathlib import Path

from switchman.addons.store.access.opening import open_access
from switchman.addons.store.access.resets import reset_name


def test_each_reset_is_another_number(tmp_path: Path) -> None:
    """Of each server by itself, however long its name is; another kind of generation is none."""
    long, odd = "n" * 400, "größe \ud800"
    opened = open_access(None, tmp_path / "requests.db")
    other = open_access(None, tmp_path / "requests.db")
    assert other.resets.latest() == {}
    for server in ("a", "a", long, odd):
        opened.resets.ask(server)
    opened.tokens.list()
    found = other.resets.latest()
    assert {name: one.value for name, one in found.items()} == {
        reset_name("a"): 2, reset_name(long): 1, reset_name(odd): 1,
    }  # fmt: skip
    opened.close()
    other.close()
