"""OpenAI's server: what its own client reads of it, and what it rejects."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import httpx
import openai
import pytest

from switchman.addons.testing import (
    Behaviour,
    FakeUpstream,
    ToolCall,
    Usage,
)

HELLO = [{"role": "user", "content": "Say hello."}]
CHAT = {"model": "m", "messages": HELLO}


def ask(
    up: FakeUpstream, body: dict[str, Any] | None = None, path: str = "/v1/chat/completions", **named: Any
) -> httpx.Response:
    return httpx.post(up.url + path, json=CHAT if body is None else body, **{"timeout": 30, **named})


def split_events(text: str) -> list[str]:
    return text.replace("\r\n", "\n").removesuffix("\n\n").split("\n\n")


def test_openai_client_reads_it() -> None:
    """The official client reads whole replies, streams, tool calls, embeddings, responses and the model list."""
    how = Behaviour(text="Hi there.", reasoning="hm hm", usage=Usage(5, 3, cached=2, reasoning=1))
    with (
        FakeUpstream("openai", how, api_key="k", models=["a", "b/c"]) as up,
        openai.OpenAI(base_url=f"{up.url}/v1", api_key="k", max_retries=0) as client,
    ):
        whole = client.chat.completions.create(**CHAT, n=2)
        assert [c.message.content for c in whole.choices] == ["Hi there."] * 2
        assert whole.usage is not None and whole.usage.prompt_tokens_details is not None
        assert whole.usage.prompt_tokens_details.cached_tokens == 2
        chunks = list(client.chat.completions.create(**CHAT, stream=True, stream_options={"include_usage": True}))
        assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "Hi there."
        assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 3
        up.script([Behaviour(tool_calls=[ToolCall("f", {"a": "ü"})])])
        with client.chat.completions.stream(**CHAT) as stream:
            message = stream.get_final_completion().choices[0].message
        assert message.tool_calls and json.loads(message.tool_calls[0].function.arguments) == {"a": "ü"}
        assert client.completions.create(model="m", prompt="x").choices[0].text == "Hi there."
        assert len(client.embeddings.create(model="m", input=["x", "y"]).data) == 2
        with client.responses.stream(model="m", input="x") as events:
            assert events.get_final_response().output_text == "Hi there."
        assert [m.id for m in client.models.list()] == ["a", "b/c"]
        assert client.models.retrieve("a").id == "a"


OPENAI_REJECTS = [
    ("GET", "/v1/chat/completions", None, 405),
    ("POST", "/v1/nothing", {}, 404),
    ("POST", "/api/chat", CHAT, 404),
    ("GET", "/v1/models/none", None, 404),
    ("POST", "/v1/chat/completions", {"messages": HELLO}, 400),
    ("POST", "/v1/chat/completions", {"model": 7, "messages": HELLO}, 400),
    ("POST", "/v1/chat/completions", {"model": "m"}, 400),
    ("POST", "/v1/chat/completions", {"model": "m", "messages": []}, 400),
    ("POST", "/v1/chat/completions", {**CHAT, "stream_options": {"include_usage": True}}, 400),
    ("POST", "/v1/chat/completions", {**CHAT, "tool_choice": "auto"}, 400),
    ("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "robot", "content": "x"}]}, 400),
    ("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": None}]}, 400),
    ("POST", "/v1/chat/completions", {"model": "m", "messages": [{"role": "tool", "content": "x"}]}, 400),
    ("POST", "/v1/chat/completions", {**CHAT, "model": "gone"}, 404),
    ("POST", "/v1/completions", {"model": "m"}, 400),
    ("POST", "/v1/embeddings", {"model": "m"}, 400),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), OPENAI_REJECTS)
def test_openai_rejects(method: str, path: str, body: Any, status: int) -> None:
    """What OpenAI's server rejects is rejected, in its error shape."""
    with FakeUpstream("openai", missing=["gone"]) as up:
        answer = httpx.request(method, up.url + path, json=body)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_unknown_fields() -> None:
    """Fields the format does not define are taken, unless the server is to reject them."""
    with FakeUpstream() as up:
        assert ask(up, {**CHAT, "top_k": 3}).status_code == 200
        up.reject_unknown = True
        assert ask(up, {**CHAT, "top_k": 3}).status_code == 400


@pytest.mark.parametrize(("where", "extra"), [("last", 1), ("every", 0), ("x_groq", 0)])
def test_places_of_usage(where: Any, extra: int) -> None:
    """OpenAI-like servers report a stream's usage in a chunk of its own, in every chunk, or in x_groq."""
    with FakeUpstream(default=Behaviour(usage_in=where)) as up:
        asked = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
        chunks = [json.loads(e[6:]) for e in split_events(ask(up, asked).text)[:-1]]
    assert len([c for c in chunks if not c["choices"]]) == extra
    found = [c.get("usage") or c.get("x_groq", {}).get("usage") for c in chunks]
    assert found[-1]["prompt_tokens"] == 11
    assert all(found) == (where == "every")


def test_a_completion_and_an_embedding_are_as_asked_for() -> None:
    """`n` choices; vectors of the size and in the encoding that was asked for, the same for the same text."""
    with FakeUpstream("openai", Behaviour(text="Hi.")) as up:
        plain = ask(up, {"model": "m", "prompt": "x", "n": 2}, "/v1/completions").json()
        asked = {"model": "m", "input": ["x", "y", "x"], "dimensions": 4}
        floats = ask(up, asked, "/v1/embeddings").json()["data"]
        packed = ask(up, {**asked, "encoding_format": "base64"}, "/v1/embeddings").json()["data"]
        tokens = ask(up, {"model": "m", "input": [1, 2]}, "/v1/embeddings").json()["data"]
    assert [(choice["index"], choice["text"]) for choice in plain["choices"]] == [(0, "Hi."), (1, "Hi.")]
    vectors = [entry["embedding"] for entry in floats]
    assert vectors[0] == vectors[2] != vectors[1] and len(vectors[0]) == 4
    unpacked = struct.unpack("<4f", base64.b64decode(packed[1]["embedding"]))
    assert list(unpacked) == pytest.approx(vectors[1])
    assert len(tokens) == 1  # a list of numbers is one text, in tokens


def test_choices_of_a_stream_come_by_turns() -> None:
    """As vLLM and OpenAI send them: each with a first and a last chunk of its own, one [DONE] for all."""
    with FakeUpstream("openai", Behaviour(pieces=["a", "b"])) as up:
        events = split_events(ask(up, {**CHAT, "stream": True, "n": 2}).text)
    chunks = [json.loads(event.removeprefix("data: "))["choices"][0] for event in events[:-1]]
    assert [chunk["index"] for chunk in chunks] == [0, 1] * 4
    assert [chunk["finish_reason"] for chunk in chunks] == [None] * 6 + ["stop"] * 2
    assert events[-1] == "data: [DONE]"
