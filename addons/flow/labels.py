"""Write headers of the router's own on an answer: where it came from, what its caller has left, and that its length is
not known."""

from __future__ import annotations

import re
import time

from mitmproxy import http

from switchman.addons.core.access.limits.wording import OURS, fields_of
from switchman.addons.flow.exchange import Exchange

_PAGES = re.compile(r"html|xml|svg|pdf", re.IGNORECASE)  # types that a browser runs scripts of
MAX_LABEL = 300  # characters of a name that go into a header


def label(response: http.Response, x: Exchange, request: http.Request) -> None:
    """Add the x-switchman-* headers: who answered, and what decided; and what is left of the caller's limits.

    Whoever looks a field up goes through all that are there, so they are written when nobody is to look any more.
    """
    headers, plan = response.headers, x.plan
    fields = list(headers.fields)
    names = {name.lower() for name, _ in fields}
    if x.attempts and any(name.startswith(b"x-switchman-") for name in names):
        # Another router of our kind upstream said the same of itself: ours replaces it.
        fields = [field for field in fields if not field[0].lower().startswith(b"x-switchman-")]
    if x.ticket is not None and (standings := x.ticket.taken.standings):
        if any(name.startswith(OURS) for name in names):
            # An upstream's figures are of the router's own key there.
            fields = [field for field in fields if not field[0].lower().startswith(OURS)]
        left = fields_of(standings, x.dialect or "openai", time.time())
        fields += [(name.encode(), value.encode()) for name, value in left.items()]
    if x.call is not None or not x.attempts:
        fields += _for_data(names, headers.get("content-type", ""))
    fields.append((b"x-switchman-request-id", x.id.encode()))
    if b"x-request-id" not in names:
        fields.append((b"x-request-id", (_request_id(request) or x.id).encode()))
    if x.dialect == "anthropic" and b"request-id" not in names:
        fields.append((b"request-id", _raw(headers.get("x-request-id") or _request_id(request) or x.id)))
    if plan is not None:
        fields.append((b"x-switchman-layer", plan.layer.encode()))
        fields.append((b"x-switchman-route", _printable(plan.route).encode()))
        fields.append((b"x-switchman-attempts", b"%d" % len(x.attempts)))
    if (target := x.target) is not None:
        fields.append((b"x-switchman-target", _printable(target).encode()))
    if x.cache is not None:
        fields.append((b"x-switchman-cache", x.cache.status.encode()))
    if x.routed is not None:
        fields.append((b"x-switchman-overhead-ms", b"%.2f" % ((x.routed - x.started) * 1000)))
    headers.fields = tuple(fields)


def _for_data(names: set[bytes], content_type: str) -> list[tuple[bytes, bytes]]:
    """Have a browser take what an LLM operation answers for data: under the router's address a server's page, or what
    looks like one, could use the session that is kept for it.
    """
    made = [] if b"x-content-type-options" in names else [(b"x-content-type-options", b"nosniff")]
    if _PAGES.search(content_type):
        made.append((b"content-security-policy", b"sandbox; default-src 'none'"))
    return made


def make_open_ended(response: http.Response) -> None:
    """Make the head one of a stream whose length is not known beforehand."""
    headers = response.headers
    headers.pop("content-length", None)
    headers["transfer-encoding"] = "chunked"
    headers["cache-control"] = "no-cache"
    headers["x-accel-buffering"] = "no"


def _request_id(request: http.Request) -> str | None:
    given = request.headers.get("x-request-id", "")
    return given if 0 < len(given) <= 200 and given.isascii() and given.isprintable() else None


def _raw(text: str) -> bytes:
    """The bytes of a field as they came: mitmproxy's text of it has surrogates for those that are no UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def _printable(text: str) -> str:
    """The text with `?` for what a header may not hold, cut to MAX_LABEL characters."""
    if text.isascii() and text.isprintable() and len(text) <= MAX_LABEL:
        return text
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:MAX_LABEL]
