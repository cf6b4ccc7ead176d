"""A prompt that is too long for one model, or refused by one provider's filter, goes to another: each client dialect,
each server's, streamed and whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient, RawReply

PATHS = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
KINDS = {"openai": "text/event-stream", "ollama": "application/x-ndjson", "anthropic": "text/event-stream"}
HEADERS = [("content-type", "application/json"), ("anthropic-version", "2023-06-01")]
ASKED = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 99}
# As the servers of each dialect say it.
TOO_LONG: dict[str, dict[str, Any]] = {
    "openai": {"error": {"message": "This model's maximum context length is 8000 tokens. However, you requested 9000.",
                         "type": "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}},
    "ollama": {"error": "the input length exceeds the context length"},
    "anthropic": {"type": "error", "error": {"type": "invalid_request_error",
                                             "message": "prompt is too long: 9000 tokens > 8000 maximum"}},
}  # fmt: skip
FILTERED = {"error": {"message": "The response was filtered due to the prompt triggering Azure OpenAI's content "
                      "management policy.", "type": None, "param": "prompt", "code": "content_filter", "status": 400,
                      "innererror": {"code": "ResponsibleAIPolicyViolation"}}}  # fmt: skip


def event(dialect: str, obj: dict[str, Any]) -> bytes:
    if dialect == "ollama":
        return json.dumps(obj).encode() + b"\n"
    name = b"event: error\n" if dialect == "anthropic" else b""
    return name + b"data: " + json.dumps(obj).encode() + b"\n\n"


def stream_of(dialect: str, *events: bytes) -> Behaviour:
    return Behaviour(body=b"".join(events), headers={"content-type": KINDS[dialect]}, framing="chunked")


@pytest.fixture(scope="module")
def small(upstream_factory: Callable[..., FakeUpstream]) -> dict[str, FakeUpstream]:
    return {name: upstream_factory(name, name=f"small-{name}") for name in PATHS}


@pytest.fixture(scope="module")
def large(upstream_factory: Callable[..., FakeUpstream]) -> dict[str, FakeUpstream]:
    return {name: upstream_factory(name, name=f"large-{name}") for name in PATHS}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, small: dict[str, FakeUpstream], large: dict[str, FakeUpstream]) -> Any:
    lines = ["servers:"]
    for name in PATHS:
        lines += [f"  small-{name}: {{url: '{small[name].url}', dialect: {name}}}"]
        lines += [f"  large-{name}: {{url: '{large[name].url}', dialect: {name}}}"]
    lines += [
        f"  strict: {{url: '{small['openai'].url}', dialect: openai, fallback_on: [content_filter]}}",
        f"  claude: {{url: '{small['anthropic'].url}', dialect: anthropic, fallback_on: [context, content_filter]}}",
        "models:",
        *(f"  small-{name}/m: {{context: 8000}}" for name in PATHS),
        *(f"  large-{name}/m: {{context: 128000}}" for name in PATHS),
        "  large-openai/same: {context: 8000}",
        "  large-openai/less: {context: 4000}",
        "aliases:",
        *(f"  {name}: {{instances: [small-{name}/m, large-openai/less, large-{name}/m]}}" for name in PATHS),
        *(f"  to-{name}: {{instances: [small-openai/m, large-{name}/m]}}" for name in PATHS),
        "  none-larger: {instances: [small-openai/m, large-openai/same, large-openai/less]}",
        "  unknown: {instances: [small-openai/m, large-openai/whatever]}",
        "  untold: {instances: [small-ollama/unknown, large-openai/less]}",
        "  filtered: {instances: [strict/m, large-openai/m]}",
        "  filtered-claude: {instances: [claude/m, large-anthropic/m]}",
        "routes:",
        "  - {match: {model: kept}, route: {model: small-openai/m, fallbacks: [large-openai/m], fallback_on: []}}",
    ]
    return start_shared("\n".join([*lines, ""]))


def ask(proxy: Any, client: str, model: str, *, stream: bool = False, path: str = "", **more: Any) -> RawReply:
    with RawClient(proxy.port) as raw:
        return raw.ask(path or PATHS[client], {"model": model, "stream": stream, **ASKED, **more}, headers=HEADERS)


def told(row: dict[str, Any], layer: str) -> str:
    return " ".join(line["detail"] for line in row["trace"] if line["layer"] == layer)


# Each server's words in each way that it has to say them, and each client's dialect with each server's. What is said to
# a client after a failure hangs on the attempt that answers, not on how the one before it failed.
WAYS = [
    ("openai", "openai", False, False), ("openai", "openai", True, True), ("openai", "ollama", True, False),
    ("openai", "anthropic", True, True), ("ollama", "openai", False, True), ("ollama", "ollama", True, True),
    ("ollama", "anthropic", False, False), ("anthropic", "openai", True, False), ("anthropic", "ollama", False, True),
    ("anthropic", "anthropic", True, False), ("anthropic", "anthropic", False, True),
    ("ollama", "ollama", False, False),
]  # fmt: skip


@pytest.mark.parametrize(("client", "server", "stream", "within"), WAYS)
def test_a_larger_context_answers(
    client: str, server: str, stream: bool, within: bool, proxy: Any, small: dict[str, FakeUpstream]
) -> None:
    """By a status of 400, or as the error that a stream or an answer of a good status begins with. The candidate
    between them, whose context is known to be no larger, is not asked, and the trace says all of it.
    """
    obj = TOO_LONG[server]
    said = Behaviour(status=400, body=obj) if not within else Behaviour(body=obj)
    small[server].script([stream_of(server, event(server, obj)) if within and stream else said])
    reply = ask(proxy, client, server, stream=stream)
    assert (reply.status, reply.complete) == (200, True), reply.body
    assert b"large" in reply.body and b"context" not in reply.body
    assert reply.header("x-switchman-target") == f"large-{server}/m"
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert [(one["server"], one["status"]) for one in row["attempts"]] == [
        (f"small-{server}", 200 if within else 400), (f"large-{server}", 200)
    ]  # fmt: skip
    assert "too long" in told(row, "overflow") and "large-openai/less is passed over" in told(row, "overflow")
    assert row["outcome"] == "ok"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model", ["none-larger", "kept"])
def test_the_servers_own_error_where_nobody_has_a_larger_one(
    model: str, stream: bool, proxy: Any, small: dict[str, FakeUpstream]
) -> None:
    """To the byte, so that an agent which knows its words shortens its conversation; so also where a rule says that
    nobody else is asked for it.
    """
    body = b'{ "error": {"message": "This model\'s maximum context length is 8000 tokens. \\u00e9"} }'
    small["openai"].script([Behaviour(status=400, body=body, headers={"content-type": "application/json", "x-a": "b"})])
    reply = ask(proxy, "openai", model, stream=stream)
    assert (reply.status, reply.body, reply.header("x-a")) == (400, body, "b")
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert [one["server"] for one in row["attempts"]] == ["small-openai"]
    assert (row["outcome"], row["response"]) == ("upstream_error", body)
    assert (model == "kept") == (told(row, "overflow") == "")


@pytest.mark.parametrize("model", ["unknown", "untold"])
def test_a_context_that_nobody_knows_may_be_tried(model: str, proxy: Any, small: dict[str, FakeUpstream]) -> None:
    """Whether it is that of the next candidate, or the one that was too small."""
    server = "ollama" if model == "untold" else "openai"
    small[server].script([Behaviour(status=400, body=TOO_LONG[server])])
    reply = ask(proxy, "openai", model)
    assert reply.status == 200 and b"large-openai" in reply.body, reply.body


def test_no_breaker_counts_it(proxy: Any, small: dict[str, FakeUpstream]) -> None:
    """A server that says so a dozen times is asked first the next time; also one that says it with a 500."""
    said = Behaviour(status=500, body={"error": {"code": 500, "message": "the request exceeds the available context "
                                                 "size. try increasing the context size"}})  # fmt: skip
    small["openai"].script([Behaviour(status=400, body=TOO_LONG["openai"]), said] * 6)
    for _ in range(12):
        assert ask(proxy, "openai", "to-openai").header("x-switchman-attempts") == "2"
    assert ask(proxy, "openai", "to-openai").header("x-switchman-target") == "small-openai/m"


def test_openais_client_gets_its_stream(proxy: Any, small: dict[str, FakeUpstream]) -> None:
    """Of Responses, too, whose stream says it after it has begun: none of the first server's events is left of it."""
    begun = {"id": "resp_of_the_first", "object": "response", "status": "in_progress"}
    created = {"type": "response.created", "response": begun}
    failed = {"type": "response.failed", "response": {
        "id": "resp_of_the_first", "object": "response", "status": "failed", "error": {
            "code": "context_length_exceeded", "message": "Your input exceeds the context window."}}}  # fmt: skip
    small["openai"].script([stream_of("openai", event("openai", created), event("openai", failed))])
    with proxy.openai().responses.create(model="to-openai", input="hi", stream=True) as stream:
        events = list(stream)
    assert [one.type for one in events].count("response.created") == 1
    assert events[-1].type == "response.completed" and "resp_of_the_first" not in str(events)
    assert "large-openai" in events[-1].response.output_text


@pytest.mark.parametrize("client", PATHS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_filters_refusal_moves_on_where_the_file_says_so(
    stream: bool, client: str, proxy: Any, small: dict[str, FakeUpstream]
) -> None:
    """By its status, or by a reason in place of content, of OpenAI's dialect and of Anthropic's; streams are held back
    until their content.
    """
    role = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]}
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "content_filter"}]}
    whole = {"object": "chat.completion", "model": "m", "choices": [
        {"index": 0, "finish_reason": "content_filter", "message": {"role": "assistant"}}]}  # fmt: skip
    cut = stream_of("openai", event("openai", role), event("openai", end), b"data: [DONE]\n\n")
    small["openai"].script([Behaviour(status=400, body=FILTERED), cut if stream else Behaviour(body=whole)])
    for _ in range(2):
        reply = ask(proxy, client, "filtered", stream=stream)
        assert reply.status == 200 and b"large-openai" in reply.body and b"filter" not in reply.body, reply.body
        row = proxy.row(id=reply.header("x-switchman-request-id"))
        assert "content filter" in told(row, "content_filter") and len(row["attempts"]) == 2
    small["anthropic"].script([Behaviour(text="", finish="refusal")])
    reply = ask(proxy, client, "filtered-claude", stream=stream)
    assert reply.header("x-switchman-target") == "large-anthropic/m" and b"large-anthropic" in reply.body, reply.body


def test_a_filters_refusal_is_passed_on_where_the_file_does_not(proxy: Any, small: dict[str, FakeUpstream]) -> None:
    """As before: with its status and body, and with its stream, none of it held back."""
    small["openai"].script([Behaviour(status=400, body=FILTERED)])
    with pytest.raises(openai.BadRequestError) as caught:
        proxy.openai().chat.completions.create(model="to-openai", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.code == "content_filter"
    small["openai"].script([Behaviour(text="", finish="content_filter")])
    assert b'"content_filter"' in ask(proxy, "openai", "to-openai", stream=True).body
