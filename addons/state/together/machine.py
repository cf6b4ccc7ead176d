"""Which machine this is, and which servers each machine has for itself: there, one name means another server.

`http://localhost:11434` in a rules file that many machines share is a server of each. What one of them sees of its own
says nothing to the others.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from switchman.addons.core.rules.ruleset import Ruleset

NAMES: Final = frozenset({"localhost", "host.docker.internal", "host.containers.internal"})
BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
NETWORK: Final = Path("/proc/self/ns/net")


def machine_id() -> str:
    """The same for all who reach the same servers at `localhost`: containers that share a network among them."""
    with suppress(OSError):
        return f"{BOOT.read_text().strip()}/{os.stat(NETWORK).st_ino}"
    return socket.gethostname()


def is_own(host: str) -> bool:
    """Whether a host's name or address means each machine itself."""
    with suppress(ValueError):
        address = ip_address(host)
        return address.is_loopback or address.is_unspecified
    return host in NAMES or host.endswith(".localhost")


class OwnServers:
    """The names of the servers that each machine has for itself. `rules`: those in force."""

    def __init__(self, rules: Callable[[], Ruleset]) -> None:
        self._rules = rules
        self._of: Ruleset | None = None
        self._names: frozenset[str] = frozenset()

    def __call__(self) -> frozenset[str]:
        if (rules := self._rules()) is not self._of:
            self._of = rules
            servers = (*rules.servers.values(), *rules.upstreams, rules.default)
            self._names = frozenset(one.name for one in servers if is_own(one.url.host))
        return self._names
