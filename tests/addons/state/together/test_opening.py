"""Which store the settings name."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.config.configuration import load_settings
from switchman.addons.state.together import redislink
from switchman.addons.state.together.fallback import Fallback
from switchman.addons.state.together.opening import open_shared
from switchman.addons.state.together.shared import MemoryShared, Quota, SQLiteShared


@pytest.mark.parametrize(
    ("settings", "kind"),
    [({}, SQLiteShared), ({"db_path": ":memory:"}, MemoryShared), ({"enable_logging": False}, MemoryShared)],
)
def test_without_redis(tmp_path: Path, settings: dict[str, Any], kind: type) -> None:
    """A file beside the log's, or this process alone."""
    shared, link = open_shared(load_settings(**{"db_path": str(tmp_path / "requests.db"), **settings}))
    assert type(shared) is kind and link is None
    shared.close()


def test_with_redis_all_machines_see_the_same_and_without_it_each_its_own(
    redis_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines have a folder each."""
    monkeypatch.setattr(redislink, "PATIENCE", 60.0)

    async def story() -> None:
        both = [
            open_shared(load_settings(db_path=str(tmp_path / name / "requests.db"), redis_url=redis_server.url))
            for name in ("one", "two")
        ]
        (one, _), (two, _) = both
        assert isinstance(one, Fallback)
        await one.put("a", "k", b"v", 60, Quota(9))
        assert await two.get("a", "k") == b"v"
        redis_server.stop()
        await one.put("a", "k", b"own", 60, Quota(9))
        assert (await one.get("a", "k"), await two.get("a", "k")) == (b"own", None)
        for shared, link in both:
            shared.close()
            assert link is not None
            await link.close()

    asyncio.run(story())
