"""One number tells whether anything was changed."""

from __future__ import annotations

from pathlib import Path

from switchman.addons.store.access.generations import Generation, count_up, generation
from switchman.addons.store.access.opening import open_access
from switchman.addons.store.database import writing


def test_each_kind_counts_by_itself(tmp_path: Path) -> None:
    """From nothing upwards, with an origin that no other database has."""
    origins = set()
    for name in ("one.db", "two.db"):
        access = open_access(None, tmp_path / name)
        with access.engine.connect() as conn:
            assert generation(conn, "tokens") == Generation()
        with writing(access.engine) as conn:
            assert [count_up(conn, "tokens"), count_up(conn, "tokens"), count_up(conn, "keys")] == [1, 2, 1]
            tokens, keys = generation(conn, "tokens"), generation(conn, "keys")
        assert (tokens.value, keys.value) == (2, 1)
        origins |= {tokens.origin, keys.origin}
        access.close()
    assert len(origins) == 4 and all(len(origin) == 32 for origin in origins)
