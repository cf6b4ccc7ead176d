"""Streams on their way down: at once, processed, labelled, and counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, Usage
from switchman.addons.testing.rawclient import RawClient, request_bytes

ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "stream": True}


@pytest.fixture(scope="module")
def upstream(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="up")


@pytest.fixture(scope="module")
def ollama_up(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("ollama", name="ollama")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream, ollama_up: FakeUpstream) -> Any:
    routes = f"""
servers:
  up: "{upstream.url}"
  picky: "{upstream.url}"
  moving: {{url: "{upstream.url}", thinking_output: reasoning}}
  keeping: {{url: "{upstream.url}", thinking_output: keep}}
  fences: {{url: "{upstream.url}", strip_json_markdown: true}}
  quiet: {{url: "{upstream.url}", disable_thinking: true}}
  ollama: "{ollama_up.url}"
  ollama-quiet: {{url: "{ollama_up.url}", disable_thinking: true}}
"""
    return start_shared(routes, {"DEFAULT_UPSTREAM": upstream.url})


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
def test_the_first_byte_leaves_before_the_upstream_ends(
    path: str, proxy: Any, upstream: FakeUpstream, ollama_up: FakeUpstream
) -> None:
    """A stream is not buffered: its beginning is there while its end has not even been written."""
    server, model = (upstream, "up/m") if path.startswith("/v1") else (ollama_up, "ollama/m")
    server.script([Behaviour(stall_after=2)])
    with RawClient(proxy.port) as client:
        client.send(request_bytes(path, json.dumps({**ASKED, "model": model}).encode()))
        reply = client.head()
        assert reply.status == 200
        assert client.chunk(reply)
        assert not server.inferences[-1].finished.is_set()


def test_headers_say_what_happened(proxy: Any) -> None:
    """Every answer carries its id, and where it came from and why; a stream is marked not to be buffered."""
    response = proxy.chat("up/m", stream=True, headers={"x-request-id": "mine-42"})
    headers = response.headers
    assert headers["x-request-id"] == "mine-42"
    assert headers["x-switchman-request-id"] == proxy.row_of(response)["id"]
    assert headers["x-switchman-layer"] == "server"
    assert headers["x-switchman-route"] == "up"
    assert headers["x-switchman-target"] == "up/m"
    assert headers["x-switchman-attempts"] == "1"
    assert float(headers["x-switchman-overhead-ms"]) >= 0
    assert headers["content-type"].startswith("text/event-stream")
    assert headers["cache-control"] == "no-cache"
    assert headers["x-accel-buffering"] == "no"


def test_a_request_id_is_made_where_there_is_none(proxy: Any) -> None:
    """Without x-request-id of its own a client gets ours; one that no header can hold is not echoed."""
    first, second = proxy.chat("up/m"), proxy.chat("up/m", headers={"x-request-id": "x" * 500})
    for response in (first, second):
        assert response.headers["x-request-id"] == response.headers["x-switchman-request-id"]
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


def test_usage_is_asked_for_and_hidden(proxy: Any, upstream: FakeUpstream) -> None:
    """A stream without include_usage gets it for our figures; the client sees the stream it asked for."""
    upstream.script([Behaviour(usage=Usage(input=21, output=34, cached=8, reasoning=13))])
    response = proxy.chat("up/counted", stream=True)
    assert upstream.inferences[-1].json()["stream_options"] == {"include_usage": True}
    assert "usage" not in response.text
    assert response.text.endswith("data: [DONE]\n\n")
    row = proxy.row_of(response)
    assert (row["input_tokens"], row["output_tokens"], row["cached_tokens"], row["reasoning_tokens"]) == (21, 34, 8, 13)
    assert row["ttft_ms"] > 0 and row["tokens_per_second"] is not None
    assert row["streamed"] and row["finish_reason"] == "stop"


@pytest.mark.parametrize("wanted", [True, False])
def test_include_usage_of_the_client_is_obeyed(wanted: bool, proxy: Any, upstream: FakeUpstream) -> None:
    """A client that says whether it wants usage is taken at its word."""
    response = proxy.post(
        "/v1/chat/completions", {**ASKED, "model": "up/m", "stream_options": {"include_usage": wanted}}
    )
    assert upstream.inferences[-1].json()["stream_options"] == {"include_usage": wanted}
    assert ('"usage"' in response.text) is wanted


def test_other_stream_options_are_kept(proxy: Any, upstream: FakeUpstream) -> None:
    """Ours is added to what is there."""
    proxy.post("/v1/chat/completions", {**ASKED, "model": "up/m", "stream_options": {"include_obfuscation": False}})
    assert upstream.inferences[-1].json()["stream_options"] == {"include_obfuscation": False, "include_usage": True}


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_rejects_stream_options_is_asked_without(status: int, start: Any) -> None:
    """What we put in ourselves never costs the client its answer; the server is remembered."""
    with FakeUpstream(name="picky") as picky:
        proxy = start(env={"DEFAULT_UPSTREAM": picky.url})
        picky.script([Behaviour(status=status, message="unknown field stream_options")])
        response = proxy.chat("m", stream=True)
        assert response.status_code == 200 and "[DONE]" in response.text
        assert [("stream_options" in r.json()) for r in picky.inferences] == [True, False]
        row = proxy.row_of(response)
        assert [a["status"] for a in row["attempts"]] == [status, 200]
        assert proxy.chat("m", stream=True).status_code == 200
        assert "stream_options" not in picky.inferences[-1].json()
        assert len(picky.inferences) == 3


@pytest.mark.parametrize("status", [400, 422])
def test_a_bad_stream_request_stays_a_bad_request(status: int, start: Any) -> None:
    """Where the server also rejects the request without our addition, its own words go to the client, untouched."""
    body = b'{"error":  {"message": "temperature must be below 2", "type": "invalid"}}'
    verdict = Behaviour(status=status, body=body, headers={"content-type": "application/json"})
    with FakeUpstream() as upstream, FakeUpstream() as other:
        proxy = start(
            f"servers: {{up: '{upstream.url}', other: '{other.url}'}}\n"
            "aliases: {both: {instances: [up/m, other/m]}}\n"
        )
        upstream.script([verdict, verdict])
        response = proxy.chat("both", stream=True)
        assert (response.status_code, response.content) == (status, body)
        assert not other.inferences


def contents(response: Any, field: str = "content") -> str:
    """The text of a chat stream's deltas."""
    data = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
    return "".join(c["delta"].get(field) or "" for event in data for c in event["choices"])


@pytest.mark.parametrize("size", [1, None], ids=["1 byte writes", "whole events"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_think_blocks_are_stripped_from_streams(
    size: int | None, ending: Any, proxy: Any, upstream: FakeUpstream
) -> None:
    """However the tags were cut into tokens and bytes; the text behind them is not touched."""
    pieces = [
        "<th",
        "ink>\nLet",
        " me é😀",
        "</thi",
        "nk>",
        "\n\n",
        "def f():\n",
        "    return  1\n\n",
        "# <think> stays",
    ]
    upstream.script([Behaviour(pieces=pieces, write_size=size, line_ending=ending)])
    assert contents(proxy.chat("up/m", stream=True)) == "def f():\n    return  1\n\n# <think> stays"


def test_think_blocks_can_be_moved_to_reasoning(proxy: Any, upstream: FakeUpstream) -> None:
    """`thinking_output: reasoning` puts the thought where clients look for it, streamed and not."""
    upstream.script([Behaviour(think="hm hm", text="Yes.")] * 2)
    streamed = proxy.chat("moving/m", stream=True)
    assert contents(streamed) == "Yes."
    assert contents(streamed, "reasoning_content").strip() == "hm hm"
    message = proxy.chat("moving/m").json()["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"].strip()) == ("Yes.", "hm hm")


def test_think_blocks_can_be_kept(proxy: Any, upstream: FakeUpstream) -> None:
    """`thinking_output: keep` changes nothing."""
    upstream.script([Behaviour(think="hm", text="Yes.")] * 2)
    assert contents(proxy.chat("keeping/m", stream=True)) == "<think>\nhm\n</think>\n\nYes."
    assert proxy.chat("keeping/m").json()["choices"][0]["message"]["content"] == "<think>\nhm\n</think>\n\nYes."


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_reply_that_is_one_json_fence_becomes_the_json(stream: bool, proxy: Any, upstream: FakeUpstream) -> None:
    """`strip_json_markdown`, after the thinking is gone; the JSON itself is verbatim."""
    upstream.script([Behaviour(think="hm", text='```json\n{"a":  "b  c"}\n```')])
    response = proxy.chat("fences/m", stream=stream)
    text = contents(response) if stream else response.json()["choices"][0]["message"]["content"]
    assert text.strip() == '{"a":  "b  c"}'


def test_disable_thinking_asks_the_last_user_message(
    proxy: Any, upstream: FakeUpstream, ollama_up: FakeUpstream
) -> None:
    """/no_think goes to the last *user* message, not to a tool's; Ollama has a switch of its own."""
    messages = [
        {"role": "user", "content": "one"},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "three"},
    ]
    proxy.post("/v1/chat/completions", {"model": "quiet/m", "messages": messages})
    sent = upstream.inferences[-1].json()["messages"]
    assert [m["content"] for m in sent] == ["one", "two /no_think", "three"]
    proxy.post("/api/chat", {"model": "ollama-quiet/m", "messages": messages})
    assert ollama_up.inferences[-1].json()["think"] is False


def test_several_choices_are_stripped_each(proxy: Any, upstream: FakeUpstream) -> None:
    """Interleaved choices each have their own think block."""
    upstream.script([Behaviour(think="a b c", text="Yes, that is so.")])
    response = proxy.post("/v1/chat/completions", {**ASKED, "model": "up/m", "n": 3})
    texts = {0: "", 1: "", 2: ""}
    for line in response.text.splitlines():
        if line.startswith("data: {"):
            for choice in json.loads(line[6:])["choices"]:
                texts[choice["index"]] += choice["delta"].get("content") or ""
    assert set(texts.values()) == {"Yes, that is so."}


def test_a_gzipped_reply_is_read_all_the_same(proxy: Any, upstream: FakeUpstream) -> None:
    """A server that compresses though asked not to: the whole reply is still stripped, a stream passed on as it is."""
    upstream.script([Behaviour(think="hm", text="Yes.", gzip=True)] * 2)
    assert proxy.chat("up/m").json()["choices"][0]["message"]["content"] == "Yes."
    assert contents(proxy.chat("up/m", stream=True)).endswith("Yes.")


def test_a_huge_reply_passes(proxy: Any, upstream: FakeUpstream) -> None:
    """20 MB in one answer, whole and streamed."""
    size = 20_000_000
    upstream.script([Behaviour(huge=size, text="")] * 2)
    assert len(proxy.chat("up/m").json()["choices"][0]["message"]["content"]) == size
    assert len(contents(proxy.chat("up/m", stream=True))) == size
