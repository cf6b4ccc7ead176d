"""The router's own answers, and how they count."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mitmproxy import http

from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.flow.exchange import Exchange
from switchman.addons.flow.refusal import (
    dialect_of,
    error_response,
    own_answer,
    raw_refusal,
    refusal,
    relayed_error,
)

FORMS: dict[Any, Any] = {
    None: {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}},
    "openai": {"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}},
    "anthropic": {"type": "error", "error": {"type": "invalid_request_error", "message": "no"}},
    "ollama": {"error": "no"},
}


def an_exchange(dialect: Any = "openai") -> Exchange:
    return Exchange("id", 0.0, 0.0, "c", dialect=dialect)


@pytest.mark.parametrize("dialect", FORMS)
def test_a_refusal_is_in_the_clients_dialect(dialect: Any) -> None:
    """Well framed, with what headers it needs."""
    response = refusal(an_exchange(dialect), 400, "no", headers={"retry-after": "1"})
    assert json.loads(response.content) == FORMS[dialect]
    assert response.headers["content-length"] == str(len(response.content))
    assert (response.headers["content-type"], response.headers["retry-after"]) == ("application/json", "1")


@pytest.mark.parametrize(
    ("status", "outcome"), [(400, "refused"), (404, "refused"), (499, "refused"), (500, "failed"), (504, "failed")]
)
def test_a_refusal_is_what_the_request_came_to(status: int, outcome: str) -> None:
    """The client's fault, or ours and the servers'."""
    x = an_exchange()
    refusal(x, status, "why")
    assert (x.outcome, x.error) == (outcome, "why")


def test_an_error_that_a_server_is_to_blame_for_is_judged_elsewhere() -> None:
    """It is only said."""
    x = an_exchange()
    assert error_response(x, 502, "why", param="p").status_code == 502
    assert (x.outcome, x.error) == (None, None)


@pytest.mark.parametrize(("outcome", "error"), [("answered", None), ("cached", None), ("refused", "no such model")])
def test_an_own_answer_is_noted(outcome: Any, error: str | None) -> None:
    """The response is the one that was given."""
    x, response = an_exchange(), http.Response.make(200, b"{}")
    assert own_answer(x, response, outcome, error) is response
    assert (x.outcome, x.error) == (outcome, error)


def test_a_servers_error_keeps_its_words_and_its_retry_after() -> None:
    """And no other field of an answer that said it was good."""
    head = http.Response.make(200, b"", {"retry-after-ms": "5", "x-other": "1", "Retry-After": "2"})
    response = relayed_error(an_exchange(), Failed("busy", "odd_error", "c1", 529), head)
    assert response.status_code == 529
    assert json.loads(response.content)["error"] == {
        "message": "busy",
        "type": "odd_error",
        "param": None,
        "code": "c1",
    }
    assert {name.lower() for name in response.headers} == {
        "retry-after", "retry-after-ms", "content-type", "content-length",
    }  # fmt: skip
    assert "retry-after" not in relayed_error(an_exchange(), Failed("busy"), None).headers


@pytest.mark.parametrize(
    ("method", "path", "headers", "dialect"),
    [
        ("POST", "/v1/chat/completions", {}, "openai"),
        ("GET", "/v1/messages?x=1", {}, "anthropic"),
        ("POST", "/v1/other", {"anthropic-version": "1"}, "anthropic"),
        ("GET", "/api/other", {}, "ollama"),
        ("GET", "/", {}, "openai"),
    ],
)
def test_a_requests_dialect_is_told_by_its_path_or_its_headers(
    method: str, path: str, headers: dict[str, str], dialect: str
) -> None:
    """Of what is no LLM call, too: it may have to be refused."""
    assert dialect_of(http.Request.make(method, f"http://r{path}", b"", headers)) == dialect


def test_what_never_became_a_flow_is_refused_in_bytes() -> None:
    """The connection closes after it."""
    raw = raw_refusal(http.Request.make("POST", "http://r/api/chat"), 431, "too large")
    head, _, body = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ") and b"connection: close" in head
    assert json.loads(body) == {"error": "too large"}
