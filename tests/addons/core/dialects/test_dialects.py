"""What the router knows of each dialect from outside: paths, text places, errors, framing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects import (
    WIRES,
    endpoint_of,
    error_body,
    framing_of,
    stream_default,
    stream_error,
    text_slots,
)
from switchman.addons.core.request.call import DialectName, Endpoint

OPENAI_CHAT = Endpoint("openai", "chat", "/v1/chat/completions")
OPENAI_COMPLETION = Endpoint("openai", "completion", "/v1/completions")
OPENAI_RESPONSES = Endpoint("openai", "responses", "/v1/responses")
OLLAMA_CHAT = Endpoint("ollama", "chat", "/api/chat")
OLLAMA_GENERATE = Endpoint("ollama", "completion", "/api/generate")
ANTHROPIC_CHAT = Endpoint("anthropic", "chat", "/v1/messages")


def texts(endpoint: Endpoint, obj: dict[str, Any], streamed: bool) -> list[tuple[Any, Any, str | None, bool]]:
    return [(s.key, s.holder.get(s.field), s.reasoning_field, s.finished) for s in text_slots(endpoint, obj, streamed)]


@pytest.mark.parametrize(
    ("path", "dialect", "operation"),
    [
        ("/v1/chat/completions", "openai", "chat"),
        ("/v1/completions", "openai", "completion"),
        ("/v1/responses", "openai", "responses"),
        ("/v1/embeddings", "openai", "embedding"),
        ("/v1/images/generations", "openai", "image"),
        ("/v1/images/edits", "openai", "image"),
        ("/v1/images/variations", "openai", "image"),
        ("/v1/audio/speech", "openai", "speech"),
        ("/v1/audio/transcriptions", "openai", "transcription"),
        ("/v1/audio/translations", "openai", "transcription"),
        ("/v1/moderations", "openai", "moderation"),
        ("/api/chat", "ollama", "chat"),
        ("/api/generate", "ollama", "completion"),
        ("/api/embed", "ollama", "embedding"),
        ("/api/embeddings", "ollama", "embedding_legacy"),
        ("/v1/messages", "anthropic", "chat"),
        ("/v1/messages/count_tokens", "anthropic", "count_tokens"),
    ],
)
def test_every_path_names_its_dialect_and_operation(path: str, dialect: DialectName, operation: str) -> None:
    """Each documented path is known, with or without a query and a slash at the end."""
    expected = (dialect, operation, path)
    for seen in (path, f"{path}?beta=true", f"{path}/"):
        endpoint = endpoint_of("POST", seen)
        assert endpoint and (endpoint.dialect, endpoint.operation, endpoint.path) == expected


@pytest.mark.parametrize("path", sorted(WIRES["openai"].paths))
def test_openai_paths_are_known_without_their_version(path: str) -> None:
    """A client whose base URL has no /v1 gets the same operation, and the canonical path."""
    assert endpoint_of("POST", path.removeprefix("/v1")) == endpoint_of("POST", path)


@pytest.mark.parametrize("path", ["//v1/chat/completions", "/v1//messages", "//api/chat"])
def test_a_base_url_with_a_slash_too_many_is_no_other_path(path: str) -> None:
    """`http://host/` + `/v1/...` is what many clients make of a base URL: it is the same operation."""
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None and endpoint.path == path.replace("//", "/")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("HEAD", "/"),
        ("POST", "/"),
        ("POST", "/v1/files"),
        ("POST", "/v1/messages/batches"),
        ("GET", "/api/tags"),
        ("POST", "/messages"),
        ("POST", "/v1/api/chat"),
    ],
)
def test_other_requests_are_no_llm_call(method: str, path: str) -> None:
    """Another method, or a path that no dialect lists, is not ours."""
    assert endpoint_of(method, path) is None


@pytest.mark.parametrize(
    ("endpoint", "obj", "streamed", "expected"),
    [
        (OPENAI_COMPLETION, {"choices": [{"index": 2, "text": "t"}]}, True, [(2, "t", None, False)]),
        (OPENAI_COMPLETION, {"choices": [{"text": "t", "finish_reason": "length"}]}, True, [(0, "t", None, True)]),
        (OPENAI_COMPLETION, {"choices": [{"text": "t"}]}, False, [(0, "t", None, True)]),
        (OLLAMA_CHAT, {"message": {"content": "t"}, "done": False}, True, [(0, "t", "thinking", False)]),
        (OLLAMA_CHAT, {"message": {"content": ""}, "done": True}, True, [(0, "", "thinking", True)]),
        (OLLAMA_CHAT, {"done": True}, True, [(0, "", "thinking", True)]),
        (OLLAMA_CHAT, {"message": {"content": "t"}, "done": True}, False, [(0, "t", "thinking", True)]),
        (OLLAMA_GENERATE, {"response": "t", "done": False}, True, [(0, "t", "thinking", False)]),
        (OLLAMA_GENERATE, {"response": "t", "done": True}, False, [(0, "t", "thinking", True)]),
        (
            ANTHROPIC_CHAT,
            {"type": "content_block_delta", "index": 3, "delta": {"type": "text_delta", "text": "t"}},
            True,
            [(3, "t", None, False)],
        ),
        (
            ANTHROPIC_CHAT,
            {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
            True,
            [(1, "", None, False)],
        ),
        (ANTHROPIC_CHAT, {"type": "content_block_stop", "index": 1}, True, [(1, None, None, True)]),
        (
            ANTHROPIC_CHAT,
            {"content": [{"type": "thinking", "thinking": "x"}, {"type": "text", "text": "t"}]},
            False,
            [(1, "t", None, True)],
        ),
    ],
)
def test_text_is_found_where_each_dialect_keeps_it(
    endpoint: Endpoint, obj: dict[str, Any], streamed: bool, expected: list[Any]
) -> None:
    """Key, text, place for reasoning and end of text, for events and whole replies."""
    assert texts(endpoint, obj, streamed) == expected


@pytest.mark.parametrize("endpoint", [OPENAI_CHAT, OPENAI_COMPLETION, OLLAMA_CHAT, ANTHROPIC_CHAT, OPENAI_RESPONSES])
@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"error": {"message": "no"}},
        {"choices": []},
        {"choices": None, "content": 3, "message": "?"},
        {"choices": [{"delta": "?"}, 7]},
        {"type": "ping"},
        {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{"}},
    ],
)
def test_objects_without_text_have_no_slots(endpoint: Endpoint, obj: dict[str, Any]) -> None:
    """Usage chunks, errors, pings, tool arguments and nonsense are passed over, not tripped over."""
    assert texts(endpoint, obj, True) == []


def test_an_operation_without_text_has_no_slots() -> None:
    """Embeddings are left alone."""
    assert (
        list(text_slots(Endpoint("openai", "embedding", "/v1/embeddings"), {"choices": [{"text": "x"}]}, False)) == []
    )


@pytest.mark.parametrize(
    ("dialect", "status", "body"),
    [
        ("openai", 400, {"error": {"message": "m", "type": "invalid_request_error", "param": None, "code": None}}),
        ("openai", 401, {"error": {"message": "m", "type": "authentication_error", "param": None, "code": None}}),
        ("openai", 404, {"error": {"message": "m", "type": "invalid_request_error", "param": None, "code": None}}),
        ("openai", 429, {"error": {"message": "m", "type": "rate_limit_error", "param": None, "code": None}}),
        ("openai", 502, {"error": {"message": "m", "type": "server_error", "param": None, "code": None}}),
        ("ollama", 500, {"error": "m"}),
        ("anthropic", 400, {"type": "error", "error": {"type": "invalid_request_error", "message": "m"}}),
        ("anthropic", 403, {"type": "error", "error": {"type": "permission_error", "message": "m"}}),
        ("anthropic", 404, {"type": "error", "error": {"type": "not_found_error", "message": "m"}}),
        ("anthropic", 413, {"type": "error", "error": {"type": "request_too_large", "message": "m"}}),
        ("anthropic", 429, {"type": "error", "error": {"type": "rate_limit_error", "message": "m"}}),
        ("anthropic", 500, {"type": "error", "error": {"type": "api_error", "message": "m"}}),
        ("anthropic", 504, {"type": "error", "error": {"type": "timeout_error", "message": "m"}}),
        ("anthropic", 529, {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}),
    ],
)
def test_an_error_has_the_shape_and_the_word_of_its_dialect(
    dialect: DialectName, status: int, body: dict[str, Any]
) -> None:
    """The client's SDK finds message and type where it looks for them."""
    assert json.loads(error_body(dialect, status, "m")) == body


def test_an_error_may_name_the_field_and_a_code() -> None:
    """What the caller knows better than the status is said, where the dialect has a place for it."""
    body = json.loads(error_body("openai", 404, "m", type="t", param="model", code="model_not_found"))
    assert body == {"error": {"message": "m", "type": "t", "param": "model", "code": "model_not_found"}}


def test_a_lone_surrogate_in_a_message_is_escaped() -> None:
    """Half an emoji has no UTF-8; the error is still sent."""
    assert json.loads(error_body("ollama", 400, "bad \ud83d")) == {"error": "bad \ud83d"}


@pytest.mark.parametrize(
    ("endpoint", "start", "end"),
    [
        (OPENAI_CHAT, b'data: {"error":{"message":"cut"', b"}}\n\n"),
        (OPENAI_RESPONSES, b'event: error\ndata: {"type":"error"', b"}}\n\n"),
        (ANTHROPIC_CHAT, b'event: error\ndata: {"type":"error","error":{"type":"api_error"', b"}}\n\n"),
        (OLLAMA_CHAT, b'{"error":"cut"', b"}\n"),
    ],
)
def test_an_error_inside_a_stream_is_one_event_of_its_dialect(endpoint: Endpoint, start: bytes, end: bytes) -> None:
    """The event is complete, in the dialect's framing, and nothing that means a good end follows it.

    Responses say it twice: as the `error` event that OpenAI's SDK reads, and as the failed response Codex looks for.
    """
    event = stream_error(endpoint, 502, "cut")
    assert event.startswith(start) and event.endswith(end)
    times = 2 if endpoint == OPENAI_RESPONSES else 1
    assert b"[DONE]" not in event and event.count(b"\n") == times * (start.count(b"\n") + end.count(b"\n"))
    assert event.count(b"event: response.failed") == times - 1


@pytest.mark.parametrize(
    ("content_type", "framing"),
    [
        ("text/event-stream", "sse"),
        ("Text/Event-Stream; charset=utf-8", "sse"),
        ("application/x-ndjson", "ndjson"),
        ("application/json", None),
        ("", None),
    ],
)
def test_the_content_type_says_how_events_are_cut(content_type: str, framing: str | None) -> None:
    """Parameters and case do not matter; a whole body has no framing."""
    assert framing_of(content_type) == framing


def test_only_ollama_streams_unless_told_not_to() -> None:
    """A request without `stream` is answered in one piece, but for Ollama's chat and generate."""
    streaming = {
        path
        for wire in WIRES.values()
        for path, operation in wire.paths.items()
        if stream_default(Endpoint(wire.name, operation, path))
    }
    assert streaming == {"/api/chat", "/api/generate"}
