"""The official clients, unchanged, by every way to run the proxy: the worker, `switchman serve`, mitmdump, mitmweb."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import ollama
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, ToolCall, Usage

MESSAGES: Any = [{"role": "user", "content": "hi"}]
PIPELINE = str(Path(__file__).parents[2] / "addons" / "pipeline.py")
TOOLS: Any = [
    {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}},
]


def by_serve(proxy: Any) -> list[str]:
    return ["-m", "switchman.addons.cli", "serve", "--no-ui", "--port", "0"]


def by_mitmdump(proxy: Any) -> list[str]:
    program = str(Path(sys.executable).with_name("mitmdump"))
    return [program, "-s", PIPELINE, *mitmproxy_options(proxy)]


def by_mitmweb(proxy: Any) -> list[str]:
    program = str(Path(sys.executable).with_name("mitmweb"))
    return [program, "-s", PIPELINE, "--no-web-open-browser", "--web-port", "0", *mitmproxy_options(proxy)]


def mitmproxy_options(proxy: Any) -> list[str]:
    mode = f"reverse:{proxy.env.pop('DEFAULT_UPSTREAM')}"
    confdir = f"confdir={proxy.folder / 'mitmproxy'}"
    return ["--mode", mode, "--listen-host", "127.0.0.1", "-p", "0", "--set", confdir]


WAYS = {"worker": None, "switchman serve": by_serve, "mitmdump": by_mitmdump, "mitmweb": by_mitmweb}


@pytest.fixture(scope="module")
def upstream(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="up", default=Behaviour(think="hm", text="Hello there."), models=["up-model"])


@pytest.fixture(scope="module")
def ollama_up(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    default = Behaviour(think="hm", text="Hello there.")
    return upstream_factory("ollama", name="laptop", default=default, models=["llama3:3b"])


@pytest.fixture(scope="module", params=WAYS)
def shared_proxy(
    request: pytest.FixtureRequest, start_shared: Any, upstream: FakeUpstream, ollama_up: FakeUpstream
) -> Iterator[Any]:
    routes = f"""
servers:
  up: "{upstream.url}"
  laptop: {{url: "{ollama_up.url}", dialect: ollama}}
aliases:
  small: {{instances: ["laptop/llama3:3b"]}}
  big: {{instances: ["up/up-model"]}}
routes:
  - match: {{model: "/-mini$/"}}
    route: {{upstream: up, model: "up-model"}}
"""
    env = {"DEFAULT_UPSTREAM": upstream.url, "MODEL_MAP": '{"gpt-4": "mapped-model"}'}
    yield start_shared(routes, env, WAYS[request.param])


def test_it_is_well(proxy: Any) -> None:
    """/healthz and /readyz say so."""
    assert httpx.get(f"{proxy.url}/healthz", trust_env=False, timeout=30).status_code == 200
    # A server that did not answer in time is asked again in a while.
    proxy.until(lambda: httpx.get(f"{proxy.url}/readyz", trust_env=False, timeout=30).status_code == 200)


def test_openai_chat(proxy: Any, upstream: FakeUpstream) -> None:
    """chat.completions.create, whole: think block gone, all else as the upstream sent it."""
    answer = proxy.openai().chat.completions.create(model="big", messages=MESSAGES)
    assert answer.choices[0].message.content == "Hello there."
    assert answer.usage is not None and answer.usage.completion_tokens == 7
    assert upstream.inferences[-1].json()["model"] == "up-model"


@pytest.mark.parametrize("usage", [False, True])
def test_openai_chat_stream(usage: bool, proxy: Any, upstream: FakeUpstream) -> None:
    """chat.completions.create(stream=True), with and without include_usage."""
    upstream.script([Behaviour(think="hm", text="Hello there.", usage=Usage(5, 8))])
    more: Any = {"stream_options": {"include_usage": True}} if usage else {}
    chunks = list(proxy.openai().chat.completions.create(model="big", messages=MESSAGES, stream=True, **more))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == "Hello there."
    assert [chunk.usage.completion_tokens for chunk in chunks if chunk.usage] == ([8] if usage else [])


def test_openai_raw_response_headers_lead_to_the_row(proxy: Any) -> None:
    """A streamed answer's row: tokens, time to first token, the body the client got."""
    raw = proxy.openai().chat.completions.with_raw_response.create(model="any-mini", messages=MESSAGES, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in raw.parse() if c.choices) == "Hello there."
    row = proxy.row_of(raw)
    assert (row["layer"], row["server"], row["model"], row["requested_model"]) == (
        "route",
        "up",
        "up-model",
        "any-mini",
    )
    assert (row["output_tokens"], row["outcome"], row["streamed"], row["dialect"]) == (7, "ok", True, "openai")
    assert row["ttft_ms"] > 0 and row["duration_ms"] >= row["ttft_ms"]
    assert b"Hello" in row["response"] and b"think" not in row["response"]


@pytest.mark.parametrize("stream", [False, True])
def test_openai_completions(stream: bool, proxy: Any) -> None:
    """The legacy completions."""
    answer = proxy.openai().completions.create(model="up/up-model", prompt="hi", stream=stream)
    text = "".join(c.choices[0].text for c in answer if c.choices) if stream else answer.choices[0].text
    assert text == "Hello there."


@pytest.mark.parametrize("stream", [False, True])
def test_openai_tools(stream: bool, proxy: Any, upstream: FakeUpstream) -> None:
    """Tools go up and tool calls come down."""
    upstream.script([Behaviour(tool_calls=[ToolCall("weather", {"city": "Zürich"})])])
    answer = proxy.openai().chat.completions.create(model="big", messages=MESSAGES, tools=TOOLS, stream=stream)
    if stream:
        calls = [call for c in answer if c.choices for call in c.choices[0].delta.tool_calls or []]
        name, arguments = calls[0].function.name, "".join(call.function.arguments or "" for call in calls)
    else:
        function = answer.choices[0].message.tool_calls[0].function
        name, arguments = function.name, function.arguments
    assert (name, "Z\\u00fcrich" in arguments or "Zürich" in arguments) == ("weather", True)
    assert upstream.inferences[-1].json()["tools"] == TOOLS


def test_openai_embeddings(proxy: Any) -> None:
    """Embeddings pass through."""
    answer = proxy.openai().embeddings.create(model="big", input=["a", "b"])
    assert len(answer.data) == 2 and len(answer.data[0].embedding) == 8


def test_openai_errors(proxy: Any, upstream: FakeUpstream) -> None:
    """The SDK's own exceptions, by the upstream's own status."""
    upstream.script([Behaviour(status=404, message="no such model")])
    with pytest.raises(openai.NotFoundError, match="no such model"):
        proxy.openai().chat.completions.create(model="up/none", messages=MESSAGES)
    with pytest.raises(openai.BadRequestError, match="model"):
        proxy.openai().chat.completions.create(model=3, messages=MESSAGES)


def test_openai_models(proxy: Any) -> None:
    """The list has the upstreams' models and the aliases; each listed id can be asked."""
    client = proxy.openai()

    def listed() -> bool:
        names = [model.id for model in client.models.list()]
        assert {"big", "small"} <= set(names)
        return any(name.endswith("up-model") for name in names)

    proxy.until(listed, "the upstream's own model")  # the list does not wait for a server that is late


def test_model_map(proxy: Any, upstream: FakeUpstream) -> None:
    """MODEL_MAP renames, then DEFAULT_UPSTREAM answers."""
    answer = proxy.openai().chat.completions.with_raw_response.create(model="gpt-4", messages=MESSAGES)
    assert upstream.inferences[-1].json()["model"] == "mapped-model"
    assert answer.headers["x-switchman-layer"] == "model_map"


def test_default(proxy: Any, upstream: FakeUpstream) -> None:
    """Any other name goes to DEFAULT_UPSTREAM as it is."""
    answer = proxy.openai().chat.completions.with_raw_response.create(model="what-ever", messages=MESSAGES)
    assert upstream.inferences[-1].json()["model"] == "what-ever"
    assert answer.headers["x-switchman-layer"] == "default"


def test_ollama_chat(proxy: Any) -> None:
    """chat(), whole."""
    answer = proxy.ollama().chat("small", MESSAGES)
    assert answer.message.content == "Hello there."
    assert answer.eval_count == 7


def test_ollama_chat_stream(proxy: Any, ollama_up: FakeUpstream) -> None:
    """chat(stream=True): NDJSON, line by line."""
    parts = list(proxy.ollama().chat("small", MESSAGES, stream=True))
    assert "".join(part.message.content or "" for part in parts) == "Hello there."
    assert parts[-1].done and parts[-1].eval_count == 7
    assert ollama_up.inferences[-1].json()["model"] == "llama3:3b"


@pytest.mark.parametrize("stream", [False, True])
def test_ollama_generate(stream: bool, proxy: Any) -> None:
    """generate(), whole and streamed."""
    answer = proxy.ollama().generate("laptop/llama3:3b", "hi", stream=stream)
    text = "".join(part.response for part in answer) if stream else answer.response
    assert text == "Hello there."


def test_ollama_list(proxy: Any) -> None:
    """list() has the union, with the aliases."""
    client = proxy.ollama()

    def listed() -> bool:
        names = [model.model for model in client.list().models]
        assert any(name.startswith("small") for name in names)
        return any("llama3:3b" in name for name in names)

    proxy.until(listed, "the server's own model")


def test_ollama_errors(proxy: Any, ollama_up: FakeUpstream) -> None:
    """ollama-python's ResponseError, with the upstream's words."""
    ollama_up.script([Behaviour(status=404, message="model 'none' not found")])
    with pytest.raises(ollama.ResponseError, match="not found") as caught:
        proxy.ollama().chat("laptop/none", MESSAGES)
    assert caught.value.status_code == 404


def test_nothing_is_left_running(start: Any, upstream: FakeUpstream) -> None:
    """`switchman serve` takes its worker with it, and what was logged is on disk."""
    proxy = start(env={"DEFAULT_UPSTREAM": upstream.url}, command=by_serve)
    id = proxy.chat("m").headers["x-switchman-request-id"]
    (worker,) = children(proxy.process.pid)
    proxy.stop()
    assert not os.path.exists(f"/proc/{worker}")
    assert proxy.row(id=id)["status"] == 200


def children(pid: int) -> list[int]:
    """The processes that this one has started (Linux)."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
