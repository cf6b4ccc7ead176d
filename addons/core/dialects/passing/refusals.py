"""Refusals: which thoughts a server did not take, so that it is not sent them again with each turn that follows."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

MOST: Final = 10_000  # digests of each server; the oldest are forgotten first, and then refused once more


class RefusedThoughts:
    """Digests of thoughts (`thoughts.digests`) by the name of the server that refused them."""

    def __init__(self) -> None:
        self._by_server: dict[str, dict[str, None]] = {}

    def by(self, server: str) -> Collection[str]:
        return self._by_server.get(server, {}).keys()

    def add(self, server: str, digests: Iterable[str]) -> None:
        known = self._by_server.setdefault(server, {})
        known.update(dict.fromkeys(digests))
        while len(known) > MOST:
            del known[next(iter(known))]

    def forget(self, server: str, digests: Iterable[str]) -> None:
        known = self._by_server.get(server, {})
        for digest in digests:
            known.pop(digest, None)
