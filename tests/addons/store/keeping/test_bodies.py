"""What is remembered of bodies that are stored; test_writer.py and test_blobs.py see them kept."""

from __future__ import annotations

from pathlib import Path

from switchman.addons.store.blobs import make_body, open_blobs
from switchman.addons.store.keeping.bodies import RECENT, BodyKeeper


def test_the_newest_are_remembered(tmp_path: Path) -> None:
    """No more than RECENT hashes, and those that came last."""
    keeper = BodyKeeper(open_blobs("filesystem", tmp_path, 1_000_000), lambda _: None)
    keeper.remember(map(str, range(RECENT)))
    keeper.remember(["0", "new"])
    assert len(keeper.recent) == RECENT and {"0", "new"} <= keeper.recent.keys() and "1" not in keeper.recent


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """The caller hears of it, and goes on."""
    (tmp_path / "blobs").write_text("a file where the folder should be")
    said: list[OSError] = []
    keeper = BodyKeeper(open_blobs("filesystem", tmp_path / "blobs", 1_000_000), said.append)
    assert not keeper.keep_file(make_body(b"some" * 100, None, 1_000))
    assert len(said) == 1
