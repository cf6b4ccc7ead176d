"""What kind of error a request ended with."""

from __future__ import annotations

import pytest

from switchman.addons.core.decision.verdicts.errorclass import ERROR_CLASSES, error_class
from switchman.addons.testing.samples import make_attempt

TOO_LONG = [
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "prompt is too long: 210000 tokens > 200000 maximum",
    "the request exceeds the available context size, try increasing it",
    "Please reduce the length of the messages",
    "The input token count (1200000) exceeds the maximum number of tokens allowed",
    "context_length_exceeded",
]


@pytest.mark.parametrize(
    ("outcome", "status", "kind", "answered", "found"),
    [
        ("ok", 200, "ok", 200, None),
        ("cached", 200, None, None, None),
        ("answered", 404, None, None, None),
        ("cancelled", 499, "cancelled", None, "cancelled"),
        ("stream_error", 200, "stream", 200, "stream"),
        ("upstream_error", 401, "status", 401, "auth"),
        ("upstream_error", 403, "status", 403, "auth"),
        ("upstream_error", 402, "status", 402, "rate_limit"),
        ("upstream_error", 429, "status", 429, "rate_limit"),
        ("upstream_error", 404, "status", 404, "not_found"),
        ("upstream_error", 400, "status", 400, "bad_request"),
        ("upstream_error", 422, "status", 422, "bad_request"),
        ("upstream_error", 504, "status", 504, "timeout"),
        ("upstream_error", 500, "status", 500, "upstream"),
        ("upstream_error", 529, "status", 529, "upstream"),
        ("upstream_error", 200, "error", 200, "upstream"),
        ("refused", 401, None, None, "auth"),
        ("refused", 429, None, None, "rate_limit"),
        ("refused", 413, None, None, "refused"),
        ("refused", 404, None, None, "refused"),
        ("failed", 502, "connect", None, "connection"),
        ("failed", 502, "dns", None, "connection"),
        ("failed", 502, "tls", None, "connection"),
        ("failed", 502, "reset", None, "connection"),
        ("failed", 504, "timeout", None, "timeout"),
        ("failed", 502, "timeout", None, "timeout"),
        ("failed", 502, "stream", 200, "stream"),
        ("failed", 502, "status", 503, "upstream"),
        ("failed", 502, None, None, "upstream"),
        ("failed", 504, None, None, "timeout"),
    ],
)
def test_classes(outcome: str, status: int, kind: str | None, answered: int | None, found: str | None) -> None:
    """By the outcome, then the status, then how the last attempt ended."""
    attempts = (make_attempt(outcome=kind, status=answered),) if kind else ()
    assert error_class(outcome, status, attempts) == found
    assert found is None or found in ERROR_CLASSES


@pytest.mark.parametrize("said", TOO_LONG)
def test_a_prompt_that_is_too_long_is_known_by_what_the_server_says(said: str) -> None:
    """As the servers say it; a rate limit that counts tokens is a rate limit."""
    attempts = (make_attempt(outcome="status", status=400),)
    assert error_class("upstream_error", 400, attempts, f"the upstream answered 400: {said}") == "context_length"
    assert error_class("upstream_error", 429, attempts, said) == "rate_limit"
    assert error_class("ok", 200, (), said) is None
