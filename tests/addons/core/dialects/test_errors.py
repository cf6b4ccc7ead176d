"""Errors that come with a good status: which they are, and the status that they stand for."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.dialects.errors import (
    LARGEST,
    LONGEST_TEXT,
    MOST_VALUES,
    decode_error,
    decode_failure,
    failure_in,
)

STATUSES: list[tuple[dict[str, Any], int]] = [
    ({"error": {"message": "m", "type": "overloaded_error"}}, 529),
    ({"error": {"message": "m", "type": "rate_limit_error"}}, 429),
    ({"error": {"message": "m", "type": None, "code": "rate_limit_exceeded"}}, 429),
    ({"error": {"message": "m", "type": "server_error"}}, 500),
    ({"error": {"message": "m", "code": 502}}, 502),
    ({"error": {"message": "m", "code": "503"}}, 503),
    ({"error": {"message": "m", "type": "BadRequestError", "code": 400}}, 400),
    ({"error": {"message": "m", "type": "invalid_request_error", "code": "context_length_exceeded"}}, 400),
    ({"error": {"message": "m", "code": "context_length_exceeded"}}, 400),
    ({"error": {"code": "invalid_prompt"}}, 400),
    ({"error": {"message": "m", "code": "model_not_found"}}, 404),
    ({"error": {"message": "m", "code": 7}}, 500),
    ({"error": {"message": "m", "code": "²"}}, 500),  # a digit that is no number
    ({"error": {"message": "m", "code": "4" * 5000}}, 500),  # more digits than Python reads
    ({"error": "out of memory"}, 500),
    ({"type": "error", "code": "server_error", "message": "m"}, 500),
]


@pytest.mark.parametrize(("obj", "status"), STATUSES)
def test_an_error_stands_for_the_status_that_its_kind_comes_with(obj: dict[str, Any], status: int) -> None:
    """By its type, its code, or a status in the code's place; nothing known is the server's fault."""
    assert decode_failure(obj).status == status


@pytest.mark.parametrize(
    "obj",
    [
        {"error": {"message": "m"}},
        {"error": "m", "message": "m"},
        {"error": {"message": "m"}, "choices": [], "user_id": "u"},
        {"type": "error", "error": {"type": "overloaded_error", "message": "m"}},
        {"error": {"code": "server_error", "message": "m"}, "object": "response", "output": []},
    ],
)
def test_an_error_and_nothing_else_is_a_failure(obj: dict[str, Any]) -> None:
    """The places of an answer are empty, or not there."""
    assert failure_in(obj) is not None


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"error": None, "choices": [{"index": 0}]},
        {"choices": [{"index": 0}], "error": {"message": "partly"}},
        {"message": {"role": "assistant", "content": ""}, "error": ""},
        {"message": {"role": "assistant", "content": "a"}, "error": "late"},
        {"response": "text", "error": "late"},
        {"object": "response", "error": None, "output": [{"type": "message"}]},
    ],
)
def test_an_answer_is_no_failure(obj: dict[str, Any]) -> None:
    """Whatever else stands beside it."""
    assert failure_in(obj) is None


def test_an_error_in_a_list_is_read() -> None:
    """Gemini's OpenAI endpoint puts it there."""
    error = decode_error(400, b'[{"error": {"code": 400, "message": "Unknown name.", "status": "INVALID_ARGUMENT"}}]')
    assert (error.message, error.code) == ("Unknown name.", "400")


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b'{"error":{"message":"too long","input":"%s"}}' % (b"a, {" * 100_000), True),
        (b'{"error":{"message":"too long","input":"%s"}}' % (b"x" * LARGEST), False),
        (b'{"error":{"message":"too long","input":[%s0]}}' % (b"{}," * MOST_VALUES), False),
        (b" " * 2 * LARGEST, False),
    ],
    ids=["long", "too-long", "too-many", "blank"],
)
def test_an_error_of_any_size_is_read_soon(body: bytes, read: bool) -> None:
    """A prompt that it repeats is no reason not to; beyond that its beginning is all that is told."""
    error = decode_error(503, body)
    begins = body[:LONGEST_TEXT].decode().strip() or "the upstream answered 503 Service Unavailable"
    assert error.message == ("too long" if read else begins)
