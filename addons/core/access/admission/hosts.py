"""The names by which the router, and its dashboard, may be asked for.

A web page can have the name that it was loaded from mean the router's address a moment later (DNS rebinding). To the
browser the router's answers are then the page's own, and no check of origins helps: only the Host field still has the
page's name. So the router answers to names that no page of the web can have:
- addresses: there is no name whose meaning could change;
- `localhost` and all below it, which browsers look up nowhere;
- names without a dot (`switchman`, a service of Docker compose) and those below .local, .lan, .internal and .home.arpa.
  They are not in the public DNS, so nobody can register one: they are looked up on the own network, by mDNS, in a
  container's DNS or a hosts file. `host.docker.internal` is one;
- names that are given: ALLOWED_HOSTS for the proxy's port, WEBUI_HOSTS for the dashboard's.
Not among them are names below .ts.net, .nip.io and the like: strangers can have one there, and what it means is up to
whoever runs that domain.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

ANY: Final = "*"
# RFC 6761 (localhost), RFC 6762 (local), RFC 8375 (home.arpa), ICANN's reservation of internal, and what routers use.
PRIVATE_SUFFIXES: Final = (".localhost", ".local", ".lan", ".internal", ".home.arpa")

# `name`, `name:port`, `[v6]`, `[v6]:port`. RFC 9110 section 7.2 has no userinfo here.
_HOST: Final = re.compile(r"(?:\[([0-9a-f:.]+(?:%[\w.~%-]+)?)\]|([a-z0-9_.-]+))(?::\d{0,5})?")
_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}")
# What resolvers read as an IPv4 address though it is not written as one: 2130706433 and 0x7f000001 are 127.0.0.1.
_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Hosts:
    """Names that are given: exact ones, `*.example.com` for all below a name, `*` for any.

    parse() raises ValueError for an entry that is none.
    """

    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    is_any: bool = False

    @classmethod
    def parse(cls, entries: Iterable[str]) -> Hosts:
        names, suffixes, is_any = set(), [], False
        for entry in entries:
            below = entry.startswith("*.")
            name = host_name(entry[2:] if below else entry)
            if entry == ANY:
                is_any = True
            elif not name:
                raise ValueError(
                    f"{entry!r} is no name of a host: expected one such as llm.example.com, *.example.com for all "
                    "below it, or * for any; without a scheme and a path"
                )
            elif below:
                suffixes.append(f".{name}")
            else:
                names.add(name)
        return cls(frozenset(names), tuple(suffixes), is_any)

    def has(self, host: str) -> bool:
        """Whether we may be asked for by `host`, as a Host field has it."""
        return self.is_any or self.knows(host)

    def knows(self, host: str) -> bool:
        """Whether `host` is a name of ours: one that is given, or that no page of the web can have. Not by `*`."""
        name = host_name(host)
        return bool(name) and (_is_private(name, host) or name in self.names or name.endswith(self.suffixes))


def host_name(host: str) -> str:
    """The name or address of `name:port`, `[v6]:port` or a bare address, in lower case, without the root dot.

    "" for what is none: userinfo, a path, an empty label.
    """
    host = host.strip().lower()
    if host.count(":") > 1 and not host.startswith("["):
        return host if _is_address(host) else ""  # a bare IPv6 address
    if (found := _HOST.fullmatch(host)) is None:
        return ""
    if found[1] is not None:
        return found[1] if _is_address(found[1]) else ""
    name = found[2].removesuffix(".")
    return name if all(_LABEL.fullmatch(label) for label in name.split(".")) else ""


def is_same_place(origin: str, host: str) -> bool:
    """Whether a page of `origin` was loaded from the place that the Host field names; of http or of https."""
    scheme, _, place = origin.strip().lower().partition("://")
    return scheme in ("http", "https") and bool(place) and place == host.strip().lower()


def refusal(host: str, setting: str) -> str:
    """What a client is told that asked for us by another name. `setting`: where names are given."""
    name = host_name(host)
    if not name or _NUMBER.fullmatch(name):
        return f"The Host field of the request, {host[:200]!r}, is neither a name nor an address."
    return (
        f"The router was asked for as {name!r}, which is not one of its names: a web page may have made this name mean "
        f"the router's address. If the name is yours, set {setting}={name} and start the router again."
    )


def _is_private(name: str, host: str) -> bool:
    if _is_address(name) or name == "localhost" or name.endswith(PRIVATE_SUFFIXES):
        return True
    # With a dot behind it a single label is a top-level domain, without one it is a neighbour's name.
    return "." not in name and not host.strip().partition(":")[0].endswith(".") and not _NUMBER.fullmatch(name)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
