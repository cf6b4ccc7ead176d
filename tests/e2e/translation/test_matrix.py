"""Each official client at servers of each dialect: what its user sees, what the server was told, what is recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, ToolCall, Usage

USAGE = Usage(input=11, output=7, cached=4, reasoning=2)
FINISHES = {
    "stop": {"openai": "stop", "ollama": "stop", "anthropic": "end_turn"},
    "length": {"openai": "length", "ollama": "length", "anthropic": "max_tokens"},
}
CALLS = [ToolCall("weather", {"city": "Zürich"}), ToolCall("time", {"city": "Bern", "style": {"long": [1, 2]}})]

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def ask(client: Any, upstream: FakeUpstream, stream: bool, body: dict[str, Any]) -> Any:
    """What the client's user sees of its answer from this upstream."""
    method = client.stream if stream else client.whole
    return method(f"{upstream.dialect}/real-model", body)


def assert_told(client: Any, upstream: FakeUpstream, asks: dict[str, Any], stream: bool) -> None:
    """The upstream's one request is this question in its own words; for its own client's, to the byte."""
    (request,) = upstream.requests
    if upstream.dialect == client.name:
        name = f'"{upstream.dialect}/real-model"'.encode()
        assert name in client.sent and request.body == client.sent.replace(name, b'"real-model"')
    else:
        expected = {"model": "real-model", **asks[upstream.dialect], "stream": stream}
        if upstream.dialect == "openai" and stream:
            expected["stream_options"] = {"include_usage": True}
        assert request.json() == expected
        assert request.header("content-type") == "application/json"
    key = request.header("x-api-key") if upstream.dialect == "anthropic" else None
    assert key == "client-key" or request.header("authorization") == "Bearer client-key"
    assert (request.header("anthropic-version") is not None) == (upstream.dialect == "anthropic")


def assert_usage(seen: Any, client: Any, upstream: FakeUpstream) -> None:
    """11 tokens in, 7 out; cached and reasoning ones where both the server and the client's format tell them."""
    assert (seen.input, seen.output) == (11, 7)
    told = "ollama" not in (client.name, upstream.dialect)
    assert (seen.cached or None) == (4 if told else None)


@both_ways
def test_plain(stream: bool, client: Any, upstream: FakeUpstream, asks: Any, proxy: Any) -> None:
    """Text, model, finish reason and usage come through, and the row of the log tells them too."""
    upstream.script([Behaviour(text="Grüezi, wie geht's?", usage=USAGE)])
    seen = ask(client, upstream, stream, asks["plain"][client.name])
    assert (seen.text, seen.thinking, seen.calls) == ("Grüezi, wie geht's?", "", [])
    assert (seen.finish, seen.model) == (client.finishes["stop"], "real-model")
    assert_usage(seen, client, upstream)
    assert_told(client, upstream, asks["plain"], stream)
    row = proxy.row_of(client)
    assert (row["input_tokens"], row["output_tokens"], row["status"], row["outcome"]) == (11, 7, 200, "ok")
    assert (row["dialect"], row["streamed"]) == (client.name, stream)
    assert row["finish_reason"] == FINISHES["stop"][upstream.dialect]
    assert (row["ttft_ms"] is not None) == stream
    assert "wie" in row["response"].decode()


@both_ways
def test_stop_sequences_and_length(stream: bool, client: Any, upstream: FakeUpstream, asks: Any) -> None:
    """A longer conversation with stop sequences; the answer was cut at its greatest length."""
    upstream.script([Behaviour(text="two three", usage=USAGE, finish=FINISHES["length"][upstream.dialect])])
    seen = ask(client, upstream, stream, asks["stop"][client.name])
    assert (seen.text, seen.finish) == ("two three", client.finishes["length"])
    assert_told(client, upstream, asks["stop"], stream)


@both_ways
def test_tools(stream: bool, client: Any, upstream: FakeUpstream, asks: Any) -> None:
    """Parallel calls with nested arguments, which a stream gives in pieces; each has an id of its own."""
    upstream.script([Behaviour(tool_calls=CALLS, usage=USAGE)])
    seen = ask(client, upstream, stream, asks["tools"][client.name])
    assert seen.calls == [(call.name, dict(call.arguments)) for call in CALLS]
    assert seen.finish == client.finishes["tool_calls"]
    assert seen.text == ""
    if client.name != "ollama":  # whose calls have none
        assert len({*seen.ids}) == 2 and all(seen.ids)
    if "ollama" not in (client.name, upstream.dialect):
        assert seen.ids == ["call_0", "call_1"]
    assert_usage(seen, client, upstream)
    assert_told(client, upstream, asks["tools"], stream)


@both_ways
def test_text_before_a_call(stream: bool, client: Any, upstream: FakeUpstream, asks: Any) -> None:
    """A model that says something before it calls; a tool without arguments is given an empty object."""
    upstream.script([Behaviour(text="I look.", tool_calls=[ToolCall("weather")])])
    seen = ask(client, upstream, stream, asks["tools"][client.name])
    assert (seen.text, seen.calls) == ("I look.", [("weather", {})])
    assert seen.finish == client.finishes["tool_calls"]


@both_ways
def test_tool_results(stream: bool, client: Any, upstream: FakeUpstream, asks: Any) -> None:
    """The second turn of a tool loop: calls and results go up, tied to each other as the dialect ties them."""
    upstream.script([Behaviour(text="Sunny at noon.")])
    seen = ask(client, upstream, stream, asks["results"][client.name])
    assert (seen.text, seen.finish) == ("Sunny at noon.", client.finishes["stop"])
    assert_told(client, upstream, asks["results"], stream)


@both_ways
def test_image(stream: bool, client: Any, upstream: FakeUpstream, asks: Any) -> None:
    """A picture in the message, with its media type where the dialect names it."""
    upstream.script([Behaviour(text="A dot.")])
    assert ask(client, upstream, stream, asks["image"][client.name]).text == "A dot."
    assert_told(client, upstream, asks["image"], stream)


@both_ways
def test_thinking(stream: bool, client: Any, upstream: FakeUpstream, asks: Any) -> None:
    """Thinking is asked for in the dialect's way, and what was thought is apart from the answer."""
    upstream.script([Behaviour(reasoning="Let me add them.", text="Four.", usage=USAGE)])
    seen = ask(client, upstream, stream, asks["thinking"][client.name])
    assert (seen.thinking, seen.text) == ("Let me add them.", "Four.")
    assert_usage(seen, client, upstream)
    if "ollama" not in (client.name, upstream.dialect):
        assert seen.reasoning == 2
    assert_told(client, upstream, asks["thinking"], stream)


@both_ways
def test_json_schema(stream: bool, client: Any, upstream: FakeUpstream, asks: Any) -> None:
    """The schema arrives whole, and the JSON text comes back as it is."""
    upstream.script([Behaviour(text='{"city": "Bern"}')])
    assert json.loads(ask(client, upstream, stream, asks["schema"][client.name]).text) == {"city": "Bern"}
    assert_told(client, upstream, asks["schema"], stream)


def test_a_stream_comes_piece_by_piece(client: Any, upstream: FakeUpstream, asks: Any) -> None:
    """What the server says in four pieces, the client gets in four."""
    upstream.script([Behaviour(pieces=["One", " two", " three", " fo\u00fcr"])])
    pieces: list[str] = []
    seen = client.stream(f"{upstream.dialect}/real-model", asks["plain"][client.name], pieces)
    assert (pieces, seen.text) == (["One", " two", " three", " fo\u00fcr"], "One two three fo\u00fcr")
