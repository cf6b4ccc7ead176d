"""Whether a whole body is the answer that was asked for, and what is quoted of one that is not."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest

from switchman.addons.core.decision.verdicts.readable import (
    LARGEST_READ,
    OBJECTS,
    QUOTED,
    is_object,
    quote,
    read_object,
    why_unreadable,
)
from switchman.addons.core.paths.tables import BY_MODEL
from switchman.addons.core.request.call import GENERATING, Call, Endpoint, Operation


def call(operation: Operation = "chat", **body: Any) -> Call:
    return Call(Endpoint("openai", operation, "/v1"), "", "{}", body, {}, "m", stream=False)


def choice(message: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish, **more}]}


def message(*blocks: Any, stop: str | None = None) -> dict[str, Any]:
    return {"type": "message", "content": list(blocks), "stop_reason": stop}


CALLED = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
VECTOR = [0.5]
ANSWERS: list[tuple[Operation, Any]] = [
    ("chat", choice({"content": "a"})),
    *(("chat", choice({"content": ""}, word)) for word in ("stop", "length", "content_filter", "tool_calls")),
    ("chat", choice({"content": None, "tool_calls": CALLED})),
    ("chat", choice({"content": None, "function_call": {"name": "f"}})),
    ("chat", choice({"content": None, "refusal": "no"})),
    ("chat", choice({"content": "", "reasoning_content": "hm"})),
    ("chat", choice({"content": "", "reasoning": "hm"})),
    ("chat", choice({"content": None, "audio": {"id": "a"}})),
    ("chat", choice({"content": [{"type": "text", "text": "a"}]})),
    ("chat", {"message": {"role": "assistant", "content": "a"}, "done": True}),
    ("chat", {"message": {"role": "assistant", "content": "", "thinking": "hm"}}),
    ("chat", {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "load"}),
    ("chat", {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "unload"}),
    ("chat", message({"type": "text", "text": "a"})),
    ("chat", message({"type": "thinking", "thinking": "hm"})),
    ("chat", message({"type": "tool_use", "id": "t", "name": "f", "input": {}})),
    *(("chat", message(stop=word)) for word in ("end_turn", "max_tokens", "refusal", "pause_turn")),
    ("chat", {"error": {"message": "busy"}}),
    ("completion", choice(text="a")),
    ("completion", choice(text="", finish="length")),
    ("completion", {"response": "", "done": True, "done_reason": "load"}),
    ("completion", {"response": "a", "done": False}),
    ("responses", {"object": "response", "status": "completed", "output": [{"type": "message"}]}),
    ("responses", {"object": "response", "status": "queued", "output": []}),
    ("responses", {"output": [{"type": "reasoning"}]}),
    ("responses", {"status": "completed", "output": []}),
    ("responses", {"output_text": "a"}),
    ("embedding", {"object": "list", "data": [{"embedding": VECTOR}]}),
    ("embedding", {"embeddings": [VECTOR]}),
    ("embedding_legacy", {"embedding": VECTOR}),
    ("count_tokens", {"input_tokens": 0}),
    ("show", {"details": {}}),
    ("image", {"data": [{"b64_json": "aGk="}]}),
    ("moderation", {"results": []}),
]
NO_ANSWERS: list[tuple[Operation, Any, str]] = [
    ("chat", choice({"content": ""}), "text, call or finish reason"),
    ("chat", choice({"content": None}), "text, call or finish reason"),
    ("chat", choice({"role": "assistant", "content": "", "tool_calls": []}), "text, call or finish reason"),
    ("chat", choice({"content": [{"type": "text", "text": ""}]}), "text, call or finish reason"),
    ("chat", {"message": {"role": "assistant", "content": ""}, "done": False}, "text, call or finish reason"),
    ("chat", message(), "text, call or finish reason"),
    ("chat", message({"type": "text", "text": ""}), "text, call or finish reason"),
    ("chat", {"choices": []}, "text, call or finish reason"),
    ("chat", {}, "text, call or finish reason"),
    ("chat", {"detail": "log in first"}, "text, call or finish reason"),
    ("completion", choice(text=""), "text, call or finish reason"),
    ("completion", {"response": "", "done": False}, "text, call or finish reason"),
    ("chat", {"status": "ok"}, "text, call or finish reason"),
    ("responses", {"output": [], "output_text": ""}, "text, call or finish reason"),
    ("responses", {"output": []}, "text, call or finish reason"),
    ("embedding", {"data": []}, "without an embedding"),
    ("embedding", {"object": "list"}, "without an embedding"),
    ("embedding_legacy", {"embedding": []}, "without an embedding"),
    ("count_tokens", {}, "without input_tokens"),
    ("image", {}, "without a member"),
]


@pytest.mark.parametrize(("operation", "obj"), ANSWERS)
def test_answers(operation: Operation, obj: Any) -> None:
    """Text, a call, a thought, a refusal, or a word for why there is none of them; of every dialect."""
    assert why_unreadable(call(operation, input="a", prompt="a"), json.dumps(obj, indent=1).encode()) is None


@pytest.mark.parametrize(("operation", "obj", "why"), NO_ANSWERS)
def test_objects_that_are_no_answers(operation: Operation, obj: Any, why: str) -> None:
    """Each says what it lacks, and is quoted."""
    text = json.dumps(obj)
    found = why_unreadable(call(operation, input="a", prompt="a"), text.encode())
    assert found is not None and why in found and text[:QUOTED] in found


@pytest.mark.parametrize("given", [{}, {"input": ""}, {"input": []}, {"input": ["", ""]}, {"prompt": ""}])
def test_no_text_has_no_embedding(given: dict[str, Any]) -> None:
    """An empty list is the answer to an empty input; Ollama loads its model so."""
    for operation, obj in (("embedding", {"data": []}), ("embedding", {"embeddings": []})):
        assert why_unreadable(call(operation, **given), json.dumps(obj).encode()) is None  # type: ignore[arg-type]
    assert why_unreadable(call("embedding", **given), b"{}") is not None


@pytest.mark.parametrize("operation", OBJECTS)
@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "no JSON: "),
        (b"upstream connect error", "no JSON: "),
        (b'"text"', "no JSON: "),
        (b"[{}]", "no JSON object: "),
        (b'{"choices":[{"message":{"content":"abc', "JSON that is cut short, or broken: "),
        (b'{"a":1}{"b":2}', "JSON that is cut short, or broken: "),
        (b'{"a":' * 100_000, "JSON that is cut short, or broken: "),
    ],
)
def test_what_is_no_json_object(operation: Operation, body: bytes, what: str) -> None:
    """Whatever was asked for."""
    found = why_unreadable(call(operation), body)
    assert found is not None and what in found
    assert len(found) < 2 * QUOTED


def test_bytes_before_and_within_an_answer_do_not_make_it_unreadable() -> None:
    """A mark of byte order, blanks, and bytes that are no UTF-8."""
    said = json.dumps(choice({"content": "a"})).encode()
    for body in (b"\xef\xbb\xbf" + said, b"\r\n \t" + said + b"\n", said.replace(b'"a"', b'"\xa3"')):
        assert why_unreadable(call(), body) is None
    assert read_object(b"\xff") is read_object(b"[1]") is None


def test_of_a_large_answer_the_ends_are_looked_at() -> None:
    """Reading it would take long; what is cut short ends without its brace."""
    large = b'{"choices":[' + b" " * LARGEST_READ + b"]}"
    assert why_unreadable(call(), large) is None
    found = why_unreadable(call(), large[:-1])
    assert found is not None and "JSON that is cut short: " in found


def test_what_has_no_known_shape_is_not_looked_at() -> None:
    """Speech is sound, a transcription may be a line of text, and what is routed by its model alone may be anything."""
    unknown = {one for one in get_args(Operation) if not is_object(call(one))}
    assert unknown == {"speech", "transcription", "other", *BY_MODEL.values()}
    assert {"rerank", "infill", "tokenize", "speech", "transcription"} < unknown
    assert set(GENERATING) < set(OBJECTS) and not is_object(None)


def test_a_quotation_is_short_on_one_line_and_has_no_secrets() -> None:
    """Nor anything that would change how a terminal or a page shows the rest."""
    assert quote(b" <p>\r\n\x1b[31m\xff a\xe2\x80\xaeb\x00</p>\n") == '"<p> [31m a b </p>"'
    assert quote(b"x" * 199) == f'"{"x" * 199}"'
    assert quote(b"x" * 5000) == f'"{"x" * QUOTED}..."'
    key = "sk-" + "k" * 40 + "wxyz"
    assert quote(f"bad key {key} at https://u:p@h/?token=abcdefghijklmnopqrst".encode()) == (
        '"bad key ...wxyz at https://...@h/?token=...qrst"'
    )
    cut = quote(b"y" * 190 + b" " + key.encode())
    assert "kkk" not in cut and cut.endswith(' ...wxyz"')
    assert quote(b"our own-key.", ("own-key", "")) == '"our ...."'
