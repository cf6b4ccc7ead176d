"""What one verdict on an attempt's end comes to: breakers, stickiness, caches and the record agree on it."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.behaviour import ndjson, sse
from switchman.addons.testing.rawclient import RawClient, request_bytes

NUMBERS = itertools.count()
HEADERS = [("content-type", "application/json"), ("anthropic-version", "2023-06-01"), ("authorization", "Bearer a")]
PATHS = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
USAGE = {"input_tokens": 3, "output_tokens": 4}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
MESSAGE = {"id": "c", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": USAGE}
# A whole answer, its last word included; what stands behind it is never sent.
WORDS: dict[str, list[bytes]] = {
    "openai": [
        sse({**CHUNK, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "All of it."}}]}),
        sse({**CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
        sse("[DONE]"),
    ],
    "ollama": [
        ndjson({"model": "m", "message": {"role": "assistant", "content": "All of it."}, "done": False}),
        ndjson({"model": "m", "message": {"content": ""}, "done": True, "done_reason": "stop", "eval_count": 4}),
    ],
    "anthropic": [
        sse({"type": "message_start", "message": MESSAGE}, "message_start"),
        sse(
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            "content_block_start",
        ),
        sse(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "All of it."}},
            "content_block_delta",
        ),
        sse({"type": "content_block_stop", "index": 0}, "content_block_stop"),
        sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": USAGE}, "message_delta"),
        sse({"type": "message_stop"}, "message_stop"),
    ],
}
LAST_WORDS = {"openai": b"[DONE]", "ollama": b'"done":true', "anthropic": b"message_stop"}


def late(dialect: str) -> Behaviour:
    """All that there is to say, and then no end until the client leaves."""
    words = WORDS[dialect]
    return Behaviour(events=[*words, b"never sent"], stall_after=len(words))


@pytest.fixture(scope="module")
def servers(upstream_factory: Callable[..., FakeUpstream]) -> dict[str, FakeUpstream]:
    return {name: upstream_factory(name, name=name) for name in PATHS}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[str, FakeUpstream]) -> Any:
    lines = ["servers:"]
    for name, upstream in servers.items():
        lines.append(f"  {name}: {{url: '{upstream.url}', dialect: {name}}}")
    lines += ["routes:", "  - name: fjords", "    match: {model: auto, keywords: [fjords]}"]
    lines += ["    route: {model: openai/geographer, stick: conversation}", "default: ollama/other"]
    lines += ["cache: {exact: {ttl: 1h}, models: ['*/kept-*']}"]
    return start_shared("\n".join([*lines, ""]))


def leave_after_the_last_word(proxy: Any, client: str, server: str, body: dict[str, Any]) -> None:
    """Ask for a stream, read all of it, and hang up while the server keeps the connection open."""
    content = json.dumps({"stream": True, "max_tokens": 9, **body}).encode()
    with RawClient(proxy.port) as raw:
        raw.send(request_bytes(PATHS[client], content, HEADERS))
        reply = raw.head()
        while LAST_WORDS[client] not in reply.body:
            assert raw.chunk(reply), reply.body


def messages(*said: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(said)]


@pytest.mark.parametrize(
    ("client", "server"), [(one, one) for one in PATHS] + [("openai", "anthropic"), ("anthropic", "ollama")]
)
def test_a_client_may_leave_after_the_last_word(
    client: str, server: str, proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """It has its whole answer, whatever the server does afterwards: a success, and kept for the next one."""
    servers[server].script([late(server)])
    model = f"{server}/kept-{next(NUMBERS)}"
    body = {"model": model, "messages": messages("hi")}
    leave_after_the_last_word(proxy, client, server, body)
    row = proxy.row(requested_model=model)
    assert (row["status"], row["outcome"], row["error"], row["streamed"]) == (200, "ok", None, True)
    assert [one["outcome"] for one in row["attempts"]] == ["ok"]
    assert b"All of it." in row["response"]
    asked = {"stream": True, "max_tokens": 9, **body}

    def kept() -> Any:
        with RawClient(proxy.port) as raw:
            reply = raw.ask(PATHS[client], asked, headers=HEADERS)
        return reply if reply.header("x-switchman-cache") == "hit" else None

    assert b"All of it." in proxy.until(kept, "a hit").body


def test_a_conversation_stays_with_whom_the_client_left_after_the_last_word(
    proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """As with any other answer of that server."""
    servers["openai"].script([late("openai")])
    opening = f"Tell me of fjords {next(NUMBERS)}."
    leave_after_the_last_word(proxy, "openai", "openai", {"model": "auto", "messages": messages(opening)})
    turn = {"model": "auto", "messages": messages(opening, "All of it.", "And then?")}

    def layer() -> Any:
        answer = proxy.post(PATHS["openai"], turn, headers={"authorization": "Bearer a", "cache-control": "no-store"})
        return answer.headers["x-switchman-layer"] == "conversation"

    proxy.until(layer, "the conversation is held")


ERROR = {"error": {"message": "no such thing", "type": "invalid_request_error"}}
SSE = {"content-type": "text/event-stream"}
# What the server does, and whether a stream was asked for.
FAILURES = {
    "whole": (Behaviour(body=ERROR), False),
    "first event": (Behaviour(body=sse(ERROR), headers=SSE, framing="chunked"), True),
    "in the middle": (Behaviour(error_after=2), True),
    "cut short": (Behaviour(cut_after=2), True),
    "a status": (Behaviour(status=400), False),
}


@pytest.mark.parametrize("way", FAILURES)
def test_a_conversation_does_not_stick_to_a_target_that_failed(
    way: str, proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """An error is no answer, be its status 200: the next turn is decided afresh."""
    behaviour, stream = FAILURES[way]
    servers["openai"].script([behaviour])
    opening = f"Tell me of fjords {next(NUMBERS)}."
    headers = {"authorization": "Bearer a", "cache-control": "no-store"}
    body = {"model": "auto", "messages": messages(opening), "stream": stream}
    first = proxy.post(PATHS["openai"], body, headers=headers)
    assert proxy.row_of(first)["outcome"] in ("upstream_error", "stream_error")
    turn = {"model": "auto", "messages": messages(opening, "?", "And then?"), "stream": False}

    def looked_up() -> Any:
        """What the trace says of it, once the look was not given up on a busy machine."""
        row = proxy.row_of(proxy.post(PATHS["openai"], turn, headers=headers))
        lines = [line for line in row["trace"] if line["layer"] == "conversation"]
        return lines if lines and lines[0]["outcome"] != "error" else None

    (line,) = proxy.until(looked_up, "a look")
    assert (line["outcome"], line["detail"]) == ("miss", "No target is known that it was with.")


@pytest.mark.parametrize("status", [401, 403, 404])
def test_retry_on_counts_where_there_is_no_other_candidate_too(status: int, start: Any) -> None:
    """Five of them rest the server, as five 500s would; another server's alias then finds it resting."""
    with FakeUpstream(name="picky", default=Behaviour(status=status)) as picky, FakeUpstream(name="steady") as steady:
        proxy = start(
            f"servers:\n  picky: {{url: '{picky.url}', dialect: openai, retry_on: [{status}]}}\n"
            f"  steady: {{url: '{steady.url}', dialect: openai}}\n"
            "aliases: {both: {instances: [picky/m, steady/m]}}\n"
        )
        for _ in range(5):
            assert proxy.chat("picky/m").status_code == status
        answer = proxy.chat("both")
        assert answer.headers["x-switchman-target"] == "steady/m"
        assert answer.headers["x-switchman-attempts"] == "1"
        assert len(picky.inferences) == 5


def test_a_probe_on_a_stale_connection_leaves_its_place_to_the_next(start: Any) -> None:
    """The router asks again on a fresh connection, as the probe; a client that leaves then lets another one probe."""
    with FakeUpstream(name="up") as up, FakeUpstream(name="other") as other:
        proxy = start(
            f"servers: {{up: {{url: '{up.url}', dialect: openai}}, other: {{url: '{other.url}', dialect: openai}}}}\n"
            "aliases: {both: {instances: [up/m, other/m]}}\n"
        )
        up.script([Behaviour(status=429, headers={"retry-after": "0.2"}), Behaviour(hang_up=True)])
        up.script([Behaviour(never_answer=True)])
        body = {"model": "up/m", "messages": messages("hi")}
        with RawClient(proxy.port) as raw:
            assert raw.ask(PATHS["openai"], body).status == 429
            time.sleep(0.3)  # the server asked for 0.2 s
            raw.send(request_bytes(PATHS["openai"], json.dumps(body).encode()))
            up.wait_for(lambda: len(up.inferences) == 3, 60)
        proxy.row(outcome="cancelled")
        assert proxy.chat("both").headers["x-switchman-target"] == "up/m"
