"""Which failures move a request to the next candidate, and how long an upstream asks to be left alone."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final, Literal, Protocol

FailureKind = Literal[
    "connect",  # refused, unreachable, or no connection by the connect deadline
    "dns",
    "tls",
    "timeout",  # no first byte, or silence, by the deadline
    "reset",  # the connection ended before any byte of an answer
    "status",  # a retriable status
    "error",  # a good status, and nothing but an error behind it
    "local",  # the router has no descriptors, or no memory, for a connection: no server's fault
    "unreadable",  # a good status, and nothing that can be read as the answer
    "stream",  # the upstream died after its answer had begun: recorded, never retried
    "cancelled",  # the router stops: never counts against the upstream
]

# FIELD section 3. 529 is Anthropic's "overloaded". 400 and 422 are the client's own fault: never tried elsewhere.
RETRIABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 529})

# What a server may add with `retry_on`: there it means a missing model or a refused key, not a bad request.
OPT_IN_STATUSES = frozenset({401, 403, 404})

# For what a request that a server refused goes to the next candidate: the prompt is too long for this one's context, or
# the provider's content filter took exception.
FallbackOn = Literal["context", "content_filter"]
USUAL_FALLBACK_ON: Final[frozenset[FallbackOn]] = frozenset({"context"})

# One of several keys of ours is refused, without means, or used too often: another one is tried, then another server.
OWN_KEY_STATUSES = frozenset({401, 402, 429})

# A server that answers so may ask for a little time by Retry-After: `wait_up_to` lets it have that.
BUSY_STATUSES = frozenset({429, 503, 529})

_SECONDS = re.compile(r"\d+(\.\d+)?")  # RFC 9110 section 10.2.3 allows whole seconds; some upstreams send fractions


class _RetryOn(Protocol):
    @property
    def retry_on(self) -> frozenset[int]: ...


def retriable_statuses(server: _RetryOn) -> frozenset[int]:
    """The statuses of this server's answers after which the next candidate is tried."""
    return RETRIABLE_STATUSES | server.retry_on


def parse_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds from `now` (epoch seconds) that the upstream asks to wait; None when it does not say, or not readably.

    Reads `retry-after-ms` (OpenAI, Azure; milliseconds) first, as it is the more exact, then `retry-after` as seconds
    or an HTTP date (RFC 9110 section 10.2.3). A date in the past is 0.
    """
    found = {name.lower(): value.strip() for name, value in headers.items() if name.lower().startswith("retry-after")}
    milliseconds = found.get("retry-after-ms", "")
    if _SECONDS.fullmatch(milliseconds):
        return _finite(float(milliseconds) / 1000)
    text = found.get("retry-after", "")
    if _SECONDS.fullmatch(text):
        return _finite(float(text))
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, TypeError, OverflowError):  # what email.utils raises for text that is no date
        return None


def _finite(seconds: float) -> float | None:
    return seconds if math.isfinite(seconds) else None
