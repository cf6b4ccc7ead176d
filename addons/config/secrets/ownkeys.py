"""The keys of the configuration in force, for all that must not let one out: one value, replaced whole.

New ones are known before the rules that use them are in force. Those of earlier rules stay known for as long as a
request that was begun with them may run (REQUEST_TIMEOUT), and a while longer for what is written down of it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from switchman.addons.config.beside import beside_the_loop
from switchman.addons.config.settings import Settings
from switchman.addons.core.keys.collecting import keys_in_url, keys_of
from switchman.addons.core.keys.known import KnownKeys
from switchman.addons.core.rules.ruleset import Ruleset

WRITTEN_DOWN = 600.0  # seconds that the log may wait for its database, and more


class OwnKeys:
    """Readers of any thread take `current`. One thread at a time calls `take` and `forget`."""

    def __init__(self, settings: Settings) -> None:
        self._kept = settings.request_timeout + WRITTEN_DOWN
        self._always = frozenset(_of_settings(settings))
        self._until: dict[str, float] = {}  # keys of earlier rules, and when they are forgotten
        self._in_force: frozenset[str] = frozenset()
        self.current, self._compiled = KnownKeys(self._always), self._always

    def take(self, rules: Ruleset) -> None:
        """Know the keys of `rules`, which are about to be in force, in the place of those that were.

        Its caller is `beside_the_loop`, as for all else that new rules take.
        """
        fresh, now = frozenset(keys_of(rules)), time.monotonic()
        for gone in self._in_force - fresh:
            self._until[gone] = now + self._kept
        for known in fresh:
            self._until.pop(known, None)
        self._in_force = fresh
        self._compile()

    def forget(self) -> None:
        """Let the keys go that nothing can name any more."""
        now = time.monotonic()
        if gone := [key for key, until in self._until.items() if until < now]:
            for key in gone:
                del self._until[key]
            with beside_the_loop():
                self._compile()

    def _compile(self) -> None:
        wanted = self._always | self._in_force | self._until.keys()
        if wanted != self._compiled:  # for thousands of keys it takes a second
            self.current, self._compiled = KnownKeys(wanted), wanted


def _of_settings(settings: Settings) -> Iterable[str]:
    if settings.jwt_secret is not None:
        yield settings.jwt_secret.get_secret_value()
    if settings.alert_webhook_secret is not None:
        yield settings.alert_webhook_secret.get_secret_value()
    for url in (settings.database_url, settings.redis_url, settings.alert_webhook):
        if url is not None:
            yield from keys_in_url(url.get_secret_value())
