"""Redirects: where a server sends a request, and whether the request, with its key, may follow.

Followed are 307 and 308, which keep method and body (RFC 9110, sections 15.4.8 and 15.4.9), a few times for one
attempt: to the same scheme, host and port, or from http to https on the same host, on the same port or the default
ones. Never to another host, another service of the same one, or from https to http: whoever listens there would get
the key and the prompt. 301, 302 and 303 are never followed, as they turn a POST into a GET.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit

from switchman.addons.core.servers.urls import DEFAULT_PORTS, BaseURL
from switchman.addons.core.texts.masking import mask_url

REDIRECTS: Final = frozenset(range(300, 400)) - {304}  # 304 answers a condition that the client has set
KEEPING: Final = frozenset({307, 308})
MOST: Final = 3  # hops; more are a loop, or as good as one
SHOWN: Final = 200  # characters of a Location in a message
_ODD: Final = re.compile(r"[^!-\[\]-~]")  # not in a URL: blanks, controls, a backslash, anything beyond ASCII


@dataclass(frozen=True, slots=True)
class Hop:
    """The address that a request goes on to: `path` with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """Without the query, which may hold a key."""
        return str(BaseURL(self.scheme, self.host, self.port, self.path.partition("?")[0]))


def hop(status: int, location: str | None, url: str, hops: int) -> Hop | str:
    """Where the answer to a request for `url` sends it, if it may follow after so many `hops`; else what to tell.

    `location`: the header field, None where there is none. A message says what the address is, and what to do.
    """
    if not location:
        return f"status {status}, a redirect without a Location"
    shown = mask_url(_ODD.sub("?", location))[:SHOWN]
    to, base = _parsed(location, url), _parsed("", url)
    if to is None or base is None:
        return f"status {status}, a redirect to {shown}, which is no address of a server"
    advice = f"status {status}, a redirect to {shown}: {_advice(to, base)}"
    if status not in KEEPING:
        return advice
    if why := _why_not(to, base, hops):
        return f"{advice} ({why})"
    return to


def _why_not(to: Hop, base: Hop, hops: int) -> str:
    """Why a redirect that keeps its method is not followed; "" where it is."""
    if to.host != base.host:
        return "requests are not sent to another host than the rules name"
    if base.scheme == "https" and to.scheme == "http":
        return "requests are not sent on without encryption"
    upgraded = (base.scheme, to.scheme) == ("http", "https")
    defaults = (base.port, to.port) == (DEFAULT_PORTS["http"], DEFAULT_PORTS["https"])
    if to.port != base.port and not (upgraded and defaults):
        return "requests are not sent to another port than the rules name"
    if to == base:
        return "it leads to itself"
    return f"it was followed {hops} times" if hops >= MOST else ""


def _advice(to: Hop, base: Hop) -> str:
    """What the owner of the rules can do: the new base URL, where the path tells which part of it that is."""
    path, asked = to.path.partition("?")[0].rstrip("/"), base.path
    segments = asked.split("/")
    for count in range(1, len(segments)):
        tail = "/" + "/".join(segments[count:])
        if path.endswith(tail) and tail.count("/") >= min(2, len(segments) - 1):
            new = BaseURL(to.scheme, to.host, to.port, path[: -len(tail)])
            if new != BaseURL(base.scheme, base.host, base.port, asked[: -len(tail)]):
                return f"set the server's `url:` to {new}"
    return "set the server's `url:` to where its API answers; it may want a login"


def _parsed(location: str, url: str) -> Hop | None:
    """An absolute address, or None."""
    if _ODD.search(location):
        return None
    try:
        parts = urlsplit(urljoin(url, location))
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None or port == 0:
        return None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Hop(parts.scheme, parts.hostname.lower(), port or DEFAULT_PORTS[parts.scheme], path)
