"""Which store the settings name for what workers know together, and what else removes from it. Nothing is opened
before it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from switchman.addons.config.settings import Settings
from switchman.addons.state.together.shared import MemoryShared, Shared, SQLiteShared
from switchman.addons.store.keeping.elsewhere import Elsewhere

if TYPE_CHECKING:
    from switchman.addons.state.together.redislink import RedisLink


def open_shared(settings: Settings) -> tuple[Shared, RedisLink | None]:
    """Redis where REDIS_URL is set, with its link, which is to be closed; else, and while Redis is away, a file beside
    the log's; in memory where there is none.
    """
    own = _own(settings)
    if settings.redis_url is None:
        return own, None
    # Imported here: redis-py is not loaded where nobody uses it.
    from switchman.addons.state.together.fallback import Fallback
    from switchman.addons.state.together.redislink import RedisLink
    from switchman.addons.state.together.redisshared import RedisShared

    link = RedisLink(settings.redis_url.get_secret_value())
    return Fallback(RedisShared(link), own), link


def open_elsewhere(settings: Settings) -> Elsewhere:
    """What is kept of requests beside their rows, on this machine and in Redis, for who removes it."""
    if settings.redis_url is None:
        return Elsewhere(settings.db_path)
    from switchman.addons.state.together.redisforgetting import RedisKept

    return Elsewhere(settings.db_path, RedisKept(settings.redis_url.get_secret_value()))


def _own(settings: Settings) -> Shared:
    if not settings.enable_logging or settings.db_path == ":memory:":
        return MemoryShared()
    return SQLiteShared(Path(settings.db_path).with_suffix(".cache.db"))
