"""The head of a server's answer: which of its fields go on to the client, and how its status is said.

A server is asked for an answer. What it says in the head to whoever stands between it and its own users is not for
those who stand around the router: the proxy in front of it, and the browser, for which the answer comes from the
router's own address.

    passing(fields, is_call)    the fields that go on
    reason_of(status, given)    the reason phrase that goes on
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from switchman.addons.core.request.hopbyhop import Fields

# Field names in lower case, with what would follow from passing them on.
DROPPED: Final[Mapping[bytes, str]] = {
    # The proxy in front sends another file or answer instead, or keeps this one for others.
    b"x-sendfile": "the proxy in front sends a file of its own disk (Apache, lighttpd, Cherokee)",
    b"x-sendfile2": "the proxy in front sends parts of files (lighttpd)",
    b"x-lighttpd-send-file": "the proxy in front sends a file (lighttpd)",
    b"x-lighttpd-send-tempfile": "the proxy in front sends a file, and deletes it (lighttpd)",
    b"x-litespeed-location": "the proxy in front answers with another path (LiteSpeed)",
    b"x-reproxy-url": "the proxy in front asks another address (Perlbal, Apache, nginx)",
    b"x-reproxy-file": "the proxy in front sends a file (Perlbal)",
    b"surrogate-control": "a cache in front keeps the answer for others (Fastly, Varnish, Akamai)",
    b"cdn-cache-control": "a cache in front keeps the answer for others (RFC 9213)",
    b"cloudflare-cdn-cache-control": "a cache in front keeps the answer for others",
    b"edge-control": "a cache in front keeps the answer for others (Akamai)",
    # The browser does something for the router's whole address, not for this one answer.
    b"clear-site-data": "the browser forgets the cookies and storage of the router's address",
    b"alt-svc": "the browser asks another host in the router's place (RFC 7838)",
    b"refresh": "the browser goes to another page",
    b"strict-transport-security": "the browser asks the router's host by https only, for years (RFC 6797)",
    b"public-key-pins": "the browser takes no other certificate of the router's host (RFC 7469)",
    b"public-key-pins-report-only": "the browser reports on the router's host",
    b"expect-ct": "the browser reports on the router's host",
    b"service-worker-allowed": "a script of the server answers for all of the router's paths",
    b"nel": "the browser reports all requests to the router's address",
    b"report-to": "the browser reports to another host",
    b"reporting-endpoints": "the browser reports to another host",
    b"speculation-rules": "the browser asks for pages ahead",
    b"origin-agent-cluster": "the browser treats all pages of the router's address otherwise",
    b"accept-ch": "the browser sends more of itself with each request to the router",
    b"critical-ch": "the browser asks again, and sends more of itself",
    b"set-login": "the browser notes that its user has signed in",
    b"secure-session-registration": "the browser binds its session to a key",
    b"sec-session-registration": "the browser binds its session to a key",
    b"use-as-dictionary": "the browser keeps the answer to read others by",
    b"set-cookie2": "the browser keeps a cookie, where it is old",
}
DROPPED_BEGINNINGS: Final[Mapping[bytes, str]] = {
    b"x-accel-": "the proxy in front sends another path's content, or caches this one (nginx)",
    b"x-litespeed-": "the proxy in front caches, or answers with another path (LiteSpeed)",
    b"x-lsadc-": "the proxy in front caches (LiteSpeed)",
    b"attribution-reporting-": "the browser registers what its user saw",
}
OWN_COOKIES: Final = b"switchman_"  # all that the dashboard sets begin so: who has them is signed in

_CONTROL: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_REASON: Final = re.compile(rb"[\t\x20-\x7e]*")


def passing(fields: Fields, is_call: bool) -> Fields:
    """The fields that go on; `fields` itself, if all of them do.

    `is_call`: of an LLM operation, whose client has no use for cookies. Others may set any but the router's own,
    wherever in the field that name is: a browser takes a cookie without a name for one whose name is in its value.
    """
    kept = tuple(field for field in fields if _passes(field[0].lower(), field[1], is_call))
    return fields if len(kept) == len(fields) else kept


def _passes(name: bytes, value: bytes, is_call: bool) -> bool:
    if name in DROPPED or name.startswith(_BEGINNINGS) or _CONTROL.search(value):
        return False
    return name != b"set-cookie" or not (is_call or OWN_COOKIES in value.lower())


_BEGINNINGS: Final = tuple(DROPPED_BEGINNINGS)


def reason_of(status: int, given: bytes) -> bytes:
    """The phrase as it was given, if it is plain ASCII without control characters; else the standard's own."""
    if _REASON.fullmatch(given):
        return given
    return HTTPStatus(status).phrase.encode() if status in HTTPStatus else b""
