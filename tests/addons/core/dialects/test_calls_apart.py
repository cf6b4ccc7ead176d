"""Calls apart: every client of every server gets each call by itself, under its name, and no reason without a call.

The official clients read what comes out.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.dialects import framing_of
from switchman.addons.core.dialects.codecs import CODECS
from switchman.addons.core.dialects.neutral.form import FormatName
from switchman.addons.core.dialects.translate import Outbound
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.streams.pipe import Pipe

USER = [{"role": "user", "content": "hi"}]
NAMES = ("get_weather", "tell", "get")
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
FUNCTIONS = [{"type": "function", "function": {"name": name, "parameters": PARAMETERS}} for name in NAMES]
BODIES: dict[FormatName, dict[str, Any]] = {
    "openai.chat": {"messages": USER, "tools": FUNCTIONS},
    "openai.responses": {
        "input": "hi",
        "tools": [{"type": "function", "name": name, "parameters": PARAMETERS} for name in NAMES],
    },
    "anthropic.messages": {
        "messages": USER,
        "max_tokens": 9,
        "tools": [{"name": name, "input_schema": PARAMETERS} for name in NAMES],
    },
    "ollama.chat": {"messages": USER, "tools": FUNCTIONS},
}
OSLO, ROME = {"city": "Oslo"}, {"city": 'Rome {}, "} {'}
TWO = [("get_weather", OSLO), ("tell", ROME)]
BOTH = [("tell", OSLO), ("tell", ROME)]

type Pieces = list[list[tuple[Any, Any, Any, Any]]]  # of each chunk: index, id, name, arguments; None leaves it out


def text(arguments: dict[str, Any]) -> str:
    return json.dumps(arguments)


def one(index: Any, id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}
    return {key: v for key, v in (("index", index), ("id", id), ("function", function)) if v is not None}


def openai_stream(chunks: Pieces, finish: str = "tool_calls") -> bytes:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
    deltas += [{"tool_calls": [one(*piece) for piece in chunk]} for chunk in chunks]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def anthropic_stream(blocks: Pieces, finish: str = "tool_use") -> bytes:
    events: list[dict[str, Any]] = [{"type": "message_start", "message": {"id": "msg_1", "model": "m"}}]
    for block in blocks:
        for index, id, name, arguments in block:
            place = {} if index is None else {"index": index}
            said = {key: value for key, value in (("id", id), ("name", name)) if value is not None}
            if said:
                start = {"type": "tool_use", "input": {}, **said}
                events.append({"type": "content_block_start", **place, "content_block": start})
            delta = {"type": "input_json_delta", "partial_json": arguments}
            events.append({"type": "content_block_delta", **place, "delta": delta})
        events.append({"type": "content_block_stop", **place})
    events += [{"type": "message_delta", "delta": {"stop_reason": finish}}, {"type": "message_stop"}]
    return b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in events)


def ollama_stream(lines: Pieces, finish: str = "stop") -> bytes:
    said: list[dict[str, Any]] = [{"message": {"tool_calls": [one(*call) for call in line]}} for line in lines]
    said.append({"message": {"content": ""}, "done": True, "done_reason": finish})
    return b"".join(json.dumps({"model": "m", "done": False, **line}).encode() + b"\n" for line in said)


STREAMS: dict[DialectName, Callable[..., bytes]] = {
    "openai": openai_stream,
    "anthropic": anthropic_stream,
    "ollama": ollama_stream,
}
FIRST, SECOND = text(OSLO), text(ROME)
CASES: list[tuple[DialectName, str, Pieces, list[tuple[str, Any]]]] = [
    ("openai", "index-0-no-id", [[(0, None, "get_weather", FIRST)], [(0, None, "tell", SECOND)]], TWO),
    ("openai", "index-0-empty-id", [[(0, "", "get_weather", FIRST)], [(0, "", "tell", SECOND)]], TWO),
    ("openai", "no-index-no-id", [[(None, None, "get_weather", FIRST)], [(None, None, "tell", SECOND)]], TWO),
    ("openai", "one-chunk", [[(0, None, "get_weather", FIRST), (0, None, "tell", SECOND)]], TWO),
    ("openai", "same-name", [[(0, "", "tell", FIRST)], [(0, "", "tell", SECOND)]], BOTH),
    ("openai", "name-once", [[(0, "c", "tell", FIRST)], [(0, None, None, SECOND)]], BOTH),
    ("openai", "same-id", [[(0, "c", "tell", FIRST)], [(0, "c", "tell", SECOND)]], BOTH),
    ("openai", "one-text", [[(0, "c", "tell", FIRST + SECOND)]], BOTH),
    ("openai", "empty-twice", [[(0, None, "tell", "{}")], [(0, None, "tell", "{}")]], [("tell", {})] * 2),
    ("openai", "objects", [[(0, None, "tell", OSLO)], [(0, None, "tell", ROME)]], BOTH),
    (
        "openai",
        "odd-index",
        [[([], {}, "tell", FIRST)], [("1", 5, "get_weather", SECOND)]],
        [("tell", OSLO), ("get_weather", ROME)],
    ),
    (
        "openai",
        "repeated-name",
        [[(0, "c", "tell", FIRST[:3])], [(0, "c", "tell", FIRST[3:])], [(0, "c", "tell", "")]],
        [("tell", OSLO)],
    ),
    (
        "openai",
        "mixed",
        [
            [(0, "c", "tell", ""), (1, "d", "get_weather", "")],
            [(1, None, None, SECOND[:4])],
            [(0, None, None, FIRST)],
            [(1, None, None, SECOND[4:])],
        ],
        [("tell", OSLO), ("get_weather", ROME)],
    ),
    (
        "openai",
        "late-name",
        [[(0, "c", None, None)], [(0, None, "tell", "")], [(0, None, None, FIRST)]],
        [("tell", OSLO)],
    ),
    ("openai", "empty-then-name", [[(0, "c", "", "")], [(0, "", "tell", FIRST)]], [("tell", OSLO)]),
    ("openai", "arguments-first", [[(0, "c", None, FIRST)], [(0, None, "tell", None)]], [("tell", OSLO)]),
    (
        "openai",
        "name-in-pieces",
        [[(0, "c", "get_", "")], [(0, None, "weather", "")], [(0, None, None, FIRST)]],
        [("get_weather", OSLO)],
    ),
    (
        "openai",
        "a-tools-name-in-pieces",
        [[(0, "c", "get", "")], [(0, None, "_weather", "")], [(0, None, None, FIRST)]],
        [("get_weather", OSLO)],
    ),
    ("anthropic", "index-0", [[(0, "a", "get_weather", FIRST)], [(0, "b", "tell", SECOND)]], TWO),
    ("anthropic", "no-index", [[(None, "a", "get_weather", FIRST)], [(None, "b", "tell", SECOND)]], TWO),
    ("anthropic", "no-id", [[(0, "", "tell", FIRST)], [(0, None, "tell", SECOND)]], BOTH),
    ("anthropic", "same-id", [[(0, "a", "tell", FIRST)], [(1, "a", "tell", SECOND)]], BOTH),
    ("anthropic", "one-block", [[(0, "a", "tell", FIRST + SECOND)]], BOTH),
    ("anthropic", "two-in-a-block", [[(0, "a", "tell", FIRST), (0, None, None, SECOND)]], BOTH),
    ("ollama", "two-lines", [[(None, None, "get_weather", OSLO)], [(None, None, "tell", ROME)]], TWO),
    ("ollama", "one-line", [[(None, None, "tell", OSLO), (None, None, "tell", ROME)]], BOTH),
    ("ollama", "same-id", [[(None, "a", "tell", OSLO)], [(None, "a", "tell", ROME)]], BOTH),
    ("ollama", "empty-twice", [[(None, None, "tell", {})], [(None, None, "tell", None)]], [("tell", {})] * 2),
    ("ollama", "one-text", [[(None, None, "tell", FIRST + SECOND)]], BOTH),
]


def asked(translate: Callable[..., Outbound], client: FormatName, dialect: DialectName, stream: bool) -> Outbound:
    return translate(CODECS[client].path, {"model": "m", "stream": stream, **BODIES[client]}, dialect)


def streamed(out: Outbound, body: bytes, dialect: DialectName) -> bytes:
    """The client's stream for the server's, which comes byte by byte."""
    framing = framing_of("application/x-ndjson" if dialect == "ollama" else "text/event-stream")
    assert framing is not None
    pipe = Pipe(framing, [out.answer.stage()], None, 0, broke, lambda: 0.0, out.answer.framing)
    return b"".join(piece for byte in [*(bytes([b]) for b in body), b""] for piece in pipe(byte))


def broke(error: Exception, what: Any) -> None:
    raise AssertionError(f"{what} broke") from error


def clients(dialect: DialectName) -> list[FormatName]:
    return [name for name in BODIES if CODECS[name].dialect != dialect or name == "openai.responses"]


def ids_in(data: bytes) -> list[str]:
    """The ids of calls, in the client's stream or reply."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, list):
            for item in value:
                look(item)
        elif isinstance(value, dict):
            if value.get("type") in ("function", "tool_use", "function_call") and "parameters" not in value:
                found.append(value.get("call_id") or value["id"])
            for item in value.values():
                look(item)

    for line in data.decode().splitlines():
        if line.removeprefix("data: ").startswith("{"):
            look(json.loads(line.removeprefix("data: ")))
    return found


@pytest.mark.parametrize(
    ("dialect", "chunks", "calls", "client"),
    [
        pytest.param(dialect, chunks, calls, client, id=f"{dialect}-{name}-{client}")
        for dialect, name, chunks, calls in CASES
        for client in clients(dialect)
    ],
)
def test_each_call_of_a_stream_is_one_for_the_client(
    translate: Callable[..., Outbound],
    judges: dict[FormatName, Any],
    dialect: DialectName,
    chunks: Pieces,
    calls: list[tuple[str, Any]],
    client: FormatName,
) -> None:
    """With its own name, its own arguments and an id of its own."""
    body = streamed(asked(translate, client, dialect, stream=True), STREAMS[dialect](chunks), dialect)
    seen = judges[client].stream(body)
    assert (seen.calls, seen.text) == (calls, "")
    assert seen.finish == judges[client].finishes["tool_calls"]
    assert b'"name":""' not in body
    if client != "ollama.chat":  # whose calls have no ids
        assert len({*ids_in(body)} - {""}) == len(calls)
        assert "" not in ids_in(body)


WHOLE: list[tuple[DialectName, str, dict[str, Any], list[tuple[str, Any]]]] = [
    ("openai", "one-text", {"tool_calls": [one(0, "c", "tell", FIRST + SECOND)]}, BOTH),
    ("openai", "same-id", {"tool_calls": [one(0, "c", "tell", FIRST), one(0, "c", "tell", SECOND)]}, BOTH),
    ("openai", "no-id", {"tool_calls": [one(0, None, "get_weather", FIRST), one(0, "", "tell", SECOND)]}, TWO),
    ("anthropic", "no-id", {"content": [{"type": "tool_use", "name": n, "input": i} for n, i in TWO]}, TWO),
    ("ollama", "one-text", {"tool_calls": [one(None, None, "tell", FIRST + SECOND)]}, BOTH),
    ("ollama", "plain", {"tool_calls": [one(None, None, n, i) for n, i in TWO]}, TWO),
]


def reply(dialect: DialectName, message: dict[str, Any], finish: str) -> dict[str, Any]:
    if dialect == "openai":
        return {"choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}]}
    if dialect == "anthropic":
        return {"type": "message", "content": [], **message, "stop_reason": finish}
    return {"model": "m", "message": {"role": "assistant", **message}, "done": True, "done_reason": finish}


FINISHES: dict[DialectName, str] = {"openai": "tool_calls", "anthropic": "tool_use", "ollama": "stop"}


@pytest.mark.parametrize(
    ("dialect", "message", "calls", "client"),
    [
        pytest.param(dialect, message, calls, client, id=f"{dialect}-{name}-{client}")
        for dialect, name, message, calls in WHOLE
        for client in clients(dialect)
    ],
)
def test_each_call_of_a_whole_reply_is_one_for_the_client(
    translate: Callable[..., Outbound],
    judges: dict[FormatName, Any],
    dialect: DialectName,
    message: dict[str, Any],
    calls: list[tuple[str, Any]],
    client: FormatName,
) -> None:
    """As of a stream, and where the reply is told as one."""
    out = asked(translate, client, dialect, stream=False)
    obj = reply(dialect, message, FINISHES[dialect])
    whole = json.dumps(out.answer.whole(obj)).encode()
    for seen in (judges[client].whole(whole), judges[client].stream(out.answer.whole_as_stream(obj))):
        assert (seen.calls, seen.finish) == (calls, judges[client].finishes["tool_calls"])
    if client != "ollama.chat":
        assert len({*ids_in(whole)} - {""}) == len(calls)


NAMELESS: dict[DialectName, Pieces] = {
    "openai": [[(0, "c", None, FIRST)]],
    "anthropic": [[(0, "c", None, FIRST)]],
    "ollama": [[(None, "c", None, OSLO)]],
}


@pytest.mark.parametrize(("dialect", "client"), [(s, c) for s in NAMELESS for c in clients(s)])
def test_a_call_that_never_gets_a_name_is_text(
    translate: Callable[..., Outbound], judges: dict[FormatName, Any], dialect: DialectName, client: FormatName
) -> None:
    """No client could answer it: its arguments are shown, and the reply is complete. Streamed and whole alike."""
    out = asked(translate, client, dialect, stream=True)
    body = streamed(out, STREAMS[dialect](NAMELESS[dialect]), dialect)
    (((_, _, _, arguments),),) = NAMELESS[dialect]
    call = one(None, "c", None, arguments)
    message = (
        {"content": [{"type": "tool_use", "id": "c", "input": OSLO}]}
        if dialect == "anthropic"
        else {"tool_calls": [call]}
    )
    whole = json.dumps(out.answer.whole(reply(dialect, message, FINISHES[dialect]))).encode()
    for seen in (judges[client].stream(body), judges[client].whole(whole)):
        assert (json.loads(seen.text), seen.calls) == (OSLO, [])
        assert seen.finish == judges[client].finishes["stop"]


@pytest.mark.parametrize("word", ["tool_calls", "function_call", "tool_use"])
@pytest.mark.parametrize(("dialect", "client"), [(s, c) for s in NAMELESS for c in clients(s)])
def test_a_reason_that_says_tool_use_without_a_call_is_a_stop(
    translate: Callable[..., Outbound],
    judges: dict[FormatName, Any],
    dialect: DialectName,
    client: FormatName,
    word: str,
) -> None:
    """The client would wait for a call, or stop without a word. Streamed and whole."""
    out = asked(translate, client, dialect, stream=True)
    body = streamed(out, STREAMS[dialect]([], word), dialect)
    message: dict[str, Any] = (
        {"content": [{"type": "text", "text": "a"}]} if dialect == "anthropic" else {"content": "a"}
    )
    whole = json.dumps(out.answer.whole(reply(dialect, message, word))).encode()
    for seen in (judges[client].stream(body), judges[client].whole(whole)):
        assert (seen.calls, seen.finish) == ([], judges[client].finishes["stop"])


@pytest.mark.parametrize(
    ("client", "dialect"),
    [
        ("openai.completion", "anthropic"),
        ("openai.completion", "ollama"),
        ("ollama.generate", "anthropic"),
        ("ollama.generate", "openai"),
    ],
)
def test_clients_without_tools_never_hear_of_tool_use(
    translate: Callable[..., Outbound], judges: dict[FormatName, Any], dialect: DialectName, client: FormatName
) -> None:
    """Their formats have no place for a call, so the reply is complete."""
    out = translate(CODECS[client].path, {"model": "m", "stream": True, "prompt": "hi"}, dialect)
    body = streamed(out, STREAMS[dialect]([[(0, "c", "tell", FIRST)]], FINISHES[dialect]), dialect)
    assert judges[client].stream(body).finish == "stop"
