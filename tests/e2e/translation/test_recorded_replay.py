"""Replies recorded from real providers, sent through the proxy to every client. RECORDED_STREAMS names their folder.

A client of another dialect must see the recording's text, thoughts, calls, finish reason and usage; one of the same
dialect gets its bytes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.core.dialects.codecs import CODECS
from switchman.addons.core.dialects.neutral.assembling import assemble
from switchman.addons.core.dialects.neutral.fields import arguments_object
from switchman.addons.core.dialects.neutral.form import FormatName, Reply, StreamEvent, Text, Thinking, ToolCall
from switchman.addons.testing import Behaviour, FakeUpstream

FOLDER = Path(os.environ.get("RECORDED_STREAMS") or "/nonexistent")
STREAMS = sorted(FOLDER.glob("*/*.chunks.txt"))
WHOLES = sorted(path for path in FOLDER.glob("*/*.json") if "error" not in path.name)
ERRORS = sorted(path for path in FOLDER.glob("*/*error*.json"))
FORMATS: dict[str, FormatName] = {
    "openai": "openai.chat",
    "responses": "openai.responses",
    "anthropic": "anthropic.messages",
}
JSON = {"content-type": "application/json"}

pytestmark = pytest.mark.skipif(not STREAMS, reason="RECORDED_STREAMS names no folder of recordings")


def format_of(path: Path) -> FormatName:
    return "openai.completion" if "completion-text" in path.name else FORMATS[path.parent.name]


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name.split('.')[0]}"


def of_chats(paths: list[Path]) -> Any:
    """The recordings of conversations: those that other clients' questions can have as answers."""
    chats = [path for path in paths if format_of(path) in ("openai.chat", "anthropic.messages")]
    return pytest.mark.parametrize("path", chats, ids=name_of)


def replies(path: Path) -> list[list[dict[str, Any]]]:
    """The events of each reply in a recording; one file may hold several, one after the other."""
    found: list[list[dict[str, Any]]] = []
    for line in filter(str.strip, path.read_text().splitlines()):
        data = json.loads(line)
        if not found or data.get("type") in ("message_start", "response.created"):
            found.append([])
        found[-1].append(data)
    return found


def on_the_wire(events: list[dict[str, Any]], format: FormatName) -> list[bytes]:
    """The events as the provider sent them."""
    named = format in ("anthropic.messages", "openai.responses")
    lines = [f"data: {json.dumps(event, ensure_ascii=False)}\n\n" for event in events]
    if named:
        return [f"event: {event['type']}\n{line}".encode() for event, line in zip(events, lines, strict=True)]
    return [*(line.encode() for line in lines), b"data: [DONE]\n\n"]


def told(events: list[dict[str, Any]], format: FormatName) -> Reply:
    decoder = CODECS[format].decoder()
    said: list[StreamEvent] = [item for event in events for item in decoder.feed(event)]
    return assemble([*said, *decoder.done()])


def assert_seen(seen: Any, reply: Reply, client: Any) -> None:
    """What the client's user sees is what the recording says, as far as the client's format can say it."""
    choice, usage = reply.choices[0], reply.usage
    assert seen.text == "".join(part.text for part in choice.parts if isinstance(part, Text))
    assert seen.thinking == "".join(part.text for part in choice.parts if isinstance(part, Thinking))
    calls = [(p.name, arguments_object(p.arguments)) for p in choice.parts if isinstance(p, ToolCall)]
    assert seen.calls == calls
    assert seen.finish == client.finishes[choice.finish or "stop"]
    assert seen.model == reply.model
    assert (seen.input or 0, seen.output or 0) == ((usage and usage.input) or 0, (usage and usage.output) or 0)
    if client.name != "ollama":
        assert (seen.cached or 0) == ((usage and usage.cached) or 0)
        assert (seen.reasoning or 0) == ((usage and usage.reasoning) or 0)


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, routes: str) -> Any:
    """One that leaves <thinking> tags within the text alone: a recording has some."""
    return start_shared(routes, {"STRIP_THINKING": "false"})


def others(clients: dict[str, Any], dialect: str) -> list[Any]:
    return [client for client in clients.values() if client.name != dialect]


@of_chats(STREAMS)
def test_streams(path: Path, clients: Any, upstreams: Any, proxy: Any, asks: Any) -> None:
    """Every recorded stream, to the clients of the other dialects; usage is recorded as well."""
    format = format_of(path)
    upstream: FakeUpstream = upstreams[CODECS[format].dialect]
    for events in replies(path):
        for client in others(clients, upstream.dialect):
            upstream.script([Behaviour(events=on_the_wire(events, format))])
            seen = client.stream(f"{upstream.dialect}/m", asks["plain"][client.name])
            reply = told(events, format)
            assert_seen(seen, reply, client)
            row = proxy.row_of(client)
            assert row["output_tokens"] == (reply.usage and reply.usage.output)
            assert (row["outcome"], row["streamed"]) == ("ok", True)


@of_chats(WHOLES)
def test_whole_replies(path: Path, clients: Any, upstreams: Any, proxy: Any, asks: Any) -> None:
    """Every recorded whole reply, to the clients of the other dialects, asked for whole and as a stream."""
    format = format_of(path)
    upstream: FakeUpstream = upstreams[CODECS[format].dialect]
    reply = CODECS[format].decode_reply(json.loads(path.read_text()))
    for client in others(clients, upstream.dialect):
        for ask in (client.whole, client.stream):
            upstream.script([Behaviour(body=path.read_bytes(), headers=JSON)])
            assert_seen(ask(f"{upstream.dialect}/m", asks["plain"][client.name]), reply, client)


PATHS = {
    "openai.chat": "/v1/chat/completions",
    "openai.completion": "/v1/completions",
    "openai.responses": "/v1/responses",
    "anthropic.messages": "/v1/messages",
}
ASK: dict[str, Any] = {
    "openai.chat": {"messages": [{"role": "user", "content": "hi"}], "stream_options": {"include_usage": True}},
    "openai.completion": {"prompt": "hi", "stream_options": {"include_usage": True}},
    "openai.responses": {"input": "hi"},
    "anthropic.messages": {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9},
}


@pytest.mark.parametrize("path", STREAMS, ids=name_of)
def test_streams_to_their_own_clients(path: Path, upstreams: Any, proxy: Any) -> None:
    """Every recorded stream to a client of its own dialect: not a byte is another."""
    format = format_of(path)
    upstream: FakeUpstream = upstreams[CODECS[format].dialect]
    for events in replies(path):
        wire = on_the_wire(events, format)
        upstream.script([Behaviour(events=wire)])
        body = {"model": f"{upstream.dialect}/m", "stream": True, **ASK[format]}
        answer = proxy.post(PATHS[format], body, headers={"anthropic-version": "2023-06-01"})
        assert answer.content == b"".join(wire)
        assert answer.headers["content-type"].startswith("text/event-stream")


@of_chats(STREAMS)
def test_streams_to_responses_clients(path: Path, upstreams: Any, proxy: Any) -> None:
    """Every recorded chat stream to a Responses client, whose own accumulation has to say the same."""
    format = format_of(path)
    upstream: FakeUpstream = upstreams[CODECS[format].dialect]
    upstream.paths["/v1/responses"] = Behaviour(status=404)
    try:
        for events in replies(path):
            upstream.script([Behaviour(events=on_the_wire(events, format))], PATHS[format])
            with proxy.openai().responses.stream(model=f"{upstream.dialect}/m", input="hi") as stream:
                *_, last = stream
            response, reply = last.response, told(events, format)
            parts = reply.choices[0].parts
            assert response.output_text == "".join(
                part.text for part in parts if isinstance(part, Text) and not part.refusal
            )
            calls = [(i.name, json.loads(i.arguments)) for i in response.output if i.type == "function_call"]
            assert calls == [(p.name, arguments_object(p.arguments)) for p in parts if isinstance(p, ToolCall)]
            assert response.usage.output_tokens == ((reply.usage and reply.usage.output) or 0)
    finally:
        del upstream.paths["/v1/responses"]


@pytest.mark.parametrize("path", [path for path in STREAMS if "completion-text" in path.name], ids=name_of)
def test_completions_to_ollama(path: Path, upstreams: Any, proxy: Any) -> None:
    """A recorded legacy completion, to a client of Ollama's generate that sends a raw prompt."""
    for events in replies(path):
        upstreams["openai"].script([Behaviour(events=on_the_wire(events, "openai.completion"))])
        parts = list(proxy.ollama().generate("openai/m", "hi", raw=True, stream=True))
        reply = told(events, "openai.completion")
        assert "".join(part.response for part in parts) == "".join(
            part.text for part in reply.choices[0].parts if isinstance(part, Text)
        )
        assert parts[-1].done and parts[-1].eval_count == (reply.usage and reply.usage.output)


@pytest.mark.parametrize("path", ERRORS, ids=name_of)
def test_errors(path: Path, client: Any, upstreams: Any, proxy: Any, asks: Any) -> None:
    """Recorded error bodies: every client's exception has the provider's message."""
    message = (json.loads(path.read_text()).get("error") or {}).get("message")
    assert message, path
    upstreams["openai"].script([Behaviour(status=400, body=path.read_bytes(), headers=JSON)])
    refused = client.refused(lambda: client.whole("openai/m-error", asks["plain"][client.name]))
    assert refused.status == 400 and message in refused.message
