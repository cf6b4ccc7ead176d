"""The fields of a recorded request's head that can go out once more. Pure.

Left out are those about the client's own connection, those that say who it was for (credentials, which are not kept,
cookies, the addresses that proxies told) and what the router is told by x-switchman-*.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from switchman.addons.core.request.hopbyhop import OF_ONE_CONNECTION
from switchman.addons.core.texts.masking import MASK, is_secret_name

LONGEST_VALUE: Final = 2_000
_LEFT_OUT: Final = frozenset(
    {
        *(name.decode() for name in OF_ONE_CONNECTION),
        *("host", "content-length", "transfer-encoding", "accept-encoding", "expect", "cookie", "origin", "referer"),
        *("forwarded", "via", "x-real-ip", "true-client-ip", "cf-connecting-ip", "x-client-ip", "cache-control"),
        *("pragma", "x-request-id"),
    }
)
_LEFT_OUT_BEGINNINGS: Final = ("x-forwarded-", "x-switchman-", "sec-")


def fields_of(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The fields that go out again."""
    return tuple(
        (name, value)
        for name, value in headers
        if (lower := name.lower()) not in _LEFT_OUT
        and not lower.startswith(_LEFT_OUT_BEGINNINGS)
        and not is_secret_name(lower)
        and MASK not in value
        and value.isprintable()
        and name.isascii()
        and len(value) < LONGEST_VALUE
    )
