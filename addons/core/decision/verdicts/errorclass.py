"""error_class(): what kind of error a request ended with, in one word, for lists and charts.

The first line that fits decides:
 1. It was answered, by a server, a cache or the router: none.
 2. The client left: `cancelled`. The answer broke off after it had begun: `stream`.
 3. What the server said, where it speaks of a prompt that is too long: `context_length`.
 4. The status that the client got, or the server's where that was good: 401 and 403 are `auth`, 402 and 429
    `rate_limit` (also the router's own limits and budgets).
 5. The router refused it for any other reason: `refused`.
 6. No server answered: by how the last attempt ended, `timeout`, `connection`, or as the next line says.
 7. By the status: 404 is `not_found`, 408 and 504 `timeout`, 5xx `upstream`, other 4xx `bad_request`.
 8. An error behind a good status: `upstream`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, get_args

from switchman.addons.core.decision.verdicts.overflow import mentions_length
from switchman.addons.core.record import AttemptRecord, Outcome

ErrorClass = Literal[
    "auth",
    "rate_limit",
    "context_length",
    "bad_request",
    "not_found",
    "timeout",
    "connection",
    "upstream",
    "stream",
    "cancelled",
    "refused",
]
ERROR_CLASSES: Final[tuple[ErrorClass, ...]] = get_args(ErrorClass)

_GOOD: Final = frozenset({"ok", "cached", "answered"})
_OF_ATTEMPTS: Final[dict[str, ErrorClass]] = {
    "timeout": "timeout", "connect": "connection", "dns": "connection", "tls": "connection", "reset": "connection",
    "stream": "stream",
}  # fmt: skip
_OF_STATUSES: Final[dict[int, ErrorClass]] = {
    401: "auth", 403: "auth", 402: "rate_limit", 429: "rate_limit", 404: "not_found", 408: "timeout", 504: "timeout",
}  # fmt: skip


def error_class(
    outcome: Outcome | str, status: int, attempts: Sequence[AttemptRecord] = (), error: str | None = None
) -> ErrorClass | None:
    """None for what is no error. `status`: the one that the client got."""
    if outcome in _GOOD:
        return None
    if outcome == "cancelled":
        return "cancelled"
    if outcome == "stream_error":
        return "stream"
    last = attempts[-1] if attempts else None
    if status < 400 and last is not None and last.status is not None:
        status = last.status
    if error and status not in (401, 403, 429) and mentions_length(error):
        return "context_length"
    if (named := _OF_STATUSES.get(status)) in ("auth", "rate_limit"):
        return named
    if outcome == "refused":
        return "refused"
    if outcome == "failed" and last is not None:
        ended = _OF_ATTEMPTS.get(last.outcome)
        named = ended or _OF_STATUSES.get(last.status or 0) or named
    if named is not None:
        return named
    return "bad_request" if 400 <= status < 500 else "upstream"
