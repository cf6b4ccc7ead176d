"""The official clients, each told to ask the same things, and what their users see of the answers.

A cell of the matrix is a client, an upstream's dialect and a scenario. `tests/data/translation/asks.json` has each
scenario in the words of each dialect: what a client of it says is what a server of it has to be told.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import anthropic
import ollama
import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

from switchman.addons.testing import FakeUpstream

DATA = Path(__file__).parents[2] / "data" / "translation"
DIALECTS = ("openai", "ollama", "anthropic")
KEY = "client-key"


@dataclass
class Seen:
    """What a client's user gets to see of a reply. Counts are None where they are not told."""

    text: str = ""
    thinking: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    finish: str | None = None
    model: str | None = None
    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None


@dataclass
class Refused:
    """An error as the client's user gets it."""

    kind: str
    status: int | None
    message: str
    body: Any
    retry_after: str | None


class Client(ABC):
    """One official client at one address."""

    name: str
    path: str
    finishes: dict[str, str]  # stop, length, tool_calls, content_filter -> the client's word
    errors: dict[int, str]  # status -> class of its exception

    def __init__(self) -> None:
        self.sent = b""  # the body of the last request
        self.headers: Any = {}  # of the last answer

    def hooks(self) -> dict[str, Any]:
        """For httpx: remembers each request's body and each answer's headers."""

        def asked(request: Any) -> None:
            self.sent = request.content

        def answered(response: Any) -> None:
            self.headers = response.headers

        return {"event_hooks": {"request": [asked], "response": [answered]}, "verify": False, "trust_env": False}

    @abstractmethod
    def whole(self, model: str, body: dict[str, Any]) -> Seen:
        """Asks for a whole reply."""

    @abstractmethod
    def stream(self, model: str, body: dict[str, Any], pieces: list[str] | None = None) -> Seen:
        """Asks for a stream and reads it to its end; `pieces` gets the text as it comes."""

    @abstractmethod
    def leave(self, model: str, body: dict[str, Any]) -> str:
        """Begins to read a stream, and leaves after the first text, which is returned."""

    @abstractmethod
    def refused(self, ask: Callable[[], Any]) -> Refused:
        """The error that asking ends in."""

    @abstractmethod
    def close(self) -> None: ...


class OpenAIClient(Client):
    name, path = "openai", "/v1/chat/completions"
    finishes: ClassVar = {word: word for word in ("stop", "length", "tool_calls", "content_filter")}
    errors: ClassVar = {
        400: "BadRequestError",
        401: "AuthenticationError",
        429: "RateLimitError",
        503: "InternalServerError",
        529: "InternalServerError",
    }

    def __init__(self, url: str) -> None:
        super().__init__()
        http = openai.DefaultHttpxClient(**self.hooks())
        self.sdk = openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0, timeout=30, http_client=http)

    def whole(self, model: str, body: dict[str, Any]) -> Seen:
        return self.seen(self.sdk.chat.completions.create(model=model, **body))

    def stream(self, model: str, body: dict[str, Any], pieces: list[str] | None = None) -> Seen:
        state = ChatCompletionStreamState()
        usage: Any = {"stream_options": {"include_usage": True}}
        for chunk in self.sdk.chat.completions.create(model=model, stream=True, **usage, **body):
            state.handle_chunk(chunk)
            if pieces is not None:
                pieces += [choice.delta.content for choice in chunk.choices if choice.delta.content]
        return self.seen(state.current_completion_snapshot)

    def leave(self, model: str, body: dict[str, Any]) -> str:
        with self.sdk.chat.completions.create(model=model, stream=True, **body) as stream:
            return next(c.choices[0].delta.content for c in stream if c.choices and c.choices[0].delta.content)

    def seen(self, completion: Any) -> Seen:
        (choice,), usage = completion.choices, completion.usage
        message = choice.message
        assert completion.id and completion.created and message.role == "assistant"
        calls = message.tool_calls or []
        seen = Seen(
            text=message.content or "",
            thinking=getattr(message, "reasoning_content", None) or "",
            calls=[(call.function.name, json.loads(call.function.arguments)) for call in calls],
            ids=[call.id for call in calls],
            finish=choice.finish_reason,
            model=completion.model,
        )
        if usage:
            seen.input, seen.output = usage.prompt_tokens, usage.completion_tokens
            assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
            seen.cached = usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens
            seen.reasoning = usage.completion_tokens_details and usage.completion_tokens_details.reasoning_tokens
        return seen

    def refused(self, ask: Callable[[], Any]) -> Refused:
        with pytest.raises(openai.APIError) as caught:
            ask()
        error = caught.value
        status = getattr(error, "status_code", None)
        headers = error.response.headers if isinstance(error, openai.APIStatusError) else {}
        return Refused(type(error).__name__, status, error.message, error.body, headers.get("retry-after"))

    def close(self) -> None:
        self.sdk.close()


class AnthropicClient(Client):
    name, path = "anthropic", "/v1/messages"
    finishes: ClassVar = {
        "stop": "end_turn",
        "length": "max_tokens",
        "tool_calls": "tool_use",
        "content_filter": "refusal",
    }
    errors: ClassVar = {
        400: "BadRequestError",
        401: "AuthenticationError",
        429: "RateLimitError",
        503: "ServiceUnavailableError",
        529: "OverloadedError",
    }

    def __init__(self, url: str) -> None:
        super().__init__()
        http = anthropic.DefaultHttpxClient(**self.hooks())
        self.sdk = anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=0, timeout=30, http_client=http)

    def whole(self, model: str, body: dict[str, Any]) -> Seen:
        return self.seen(self.sdk.messages.create(model=model, **body))

    def stream(self, model: str, body: dict[str, Any], pieces: list[str] | None = None) -> Seen:
        """Blocks have to come one after the other: each is started, fed and stopped before the next one."""
        open_block: int | None = None
        with self.sdk.messages.stream(model=model, **body) as stream:
            for event in stream:
                if event.type == "content_block_start":
                    assert open_block is None
                    open_block = event.index
                elif event.type == "content_block_delta":
                    assert open_block == event.index
                    if pieces is not None and event.delta.type == "text_delta":
                        pieces.append(event.delta.text)
                elif event.type == "content_block_stop":
                    assert open_block == event.index
                    open_block = None
            assert open_block is None
            return self.seen(stream.get_final_message())

    def leave(self, model: str, body: dict[str, Any]) -> str:
        with self.sdk.messages.stream(model=model, **body) as stream:
            return next(iter(stream.text_stream))

    def seen(self, message: Any) -> Seen:
        usage = message.usage
        cached = usage.cache_read_input_tokens or 0
        details = usage.output_tokens_details
        assert message.id and message.role == "assistant"
        seen = Seen(
            finish=message.stop_reason,
            model=message.model,
            input=usage.input_tokens + cached + (usage.cache_creation_input_tokens or 0),
            output=usage.output_tokens,
            cached=cached,
            reasoning=details and details.thinking_tokens,
        )
        for block in message.content:
            if block.type == "text":
                seen.text += block.text
            elif block.type == "thinking":
                seen.thinking += block.thinking
            elif block.type == "tool_use":
                seen.calls.append((block.name, block.input))
                seen.ids.append(block.id)
        return seen

    def refused(self, ask: Callable[[], Any]) -> Refused:
        with pytest.raises(anthropic.APIStatusError) as caught:
            ask()
        error = caught.value
        inner = error.body["error"] if isinstance(error.body, dict) else {}
        retry_after = error.response.headers.get("retry-after")
        return Refused(type(error).__name__, error.status_code, inner.get("message", ""), error.body, retry_after)

    def close(self) -> None:
        self.sdk.close()


class OllamaClient(Client):
    name, path = "ollama", "/api/chat"
    finishes: ClassVar = {"stop": "stop", "length": "length", "tool_calls": "stop", "content_filter": "stop"}
    errors: ClassVar = dict.fromkeys((400, 401, 429, 503, 529), "ResponseError")

    def __init__(self, url: str) -> None:
        super().__init__()
        key = {"authorization": f"Bearer {KEY}"}
        self.sdk = ollama.Client(url, timeout=30, headers=key, **self.hooks())

    def whole(self, model: str, body: dict[str, Any]) -> Seen:
        return self.seen([self.sdk.chat(model, **body)])

    def stream(self, model: str, body: dict[str, Any], pieces: list[str] | None = None) -> Seen:
        parts = []
        for part in self.sdk.chat(model, stream=True, **body):
            parts.append(part)
            if pieces is not None and part.message.content:
                pieces.append(part.message.content)
        return self.seen(parts)

    def leave(self, model: str, body: dict[str, Any]) -> str:
        stream = self.sdk.chat(model, stream=True, **body)
        try:
            return next(part.message.content for part in stream if part.message.content)
        finally:
            stream.close()  # type: ignore[attr-defined]

    def seen(self, parts: list[Any]) -> Seen:
        last = parts[-1]
        assert last.done is True and not any(part.done for part in parts[:-1])
        assert all(part.created_at and part.message.role == "assistant" for part in parts)
        assert last.total_duration is not None and last.total_duration > 0
        calls = [call.function for part in parts for call in part.message.tool_calls or []]
        return Seen(
            text="".join(part.message.content or "" for part in parts),
            thinking="".join(part.message.thinking or "" for part in parts),
            calls=[(call.name, dict(call.arguments)) for call in calls],
            finish=last.done_reason,
            model=last.model,
            input=last.prompt_eval_count,
            output=last.eval_count,
        )

    def refused(self, ask: Callable[[], Any]) -> Refused:
        with pytest.raises(ollama.ResponseError) as caught:
            ask()
        error = caught.value
        status = error.status_code if error.status_code > 0 else None
        return Refused(type(error).__name__, status, error.error, None, self.headers.get("retry-after"))

    def close(self) -> None:
        self.sdk._client.close()


CLIENTS: dict[str, type[Client]] = {"openai": OpenAIClient, "ollama": OllamaClient, "anthropic": AnthropicClient}


@pytest.fixture(scope="module")
def upstreams(upstream_factory: Callable[..., FakeUpstream]) -> dict[str, FakeUpstream]:
    """One of each dialect; each refuses what the real server refuses."""
    return {
        name: upstream_factory(name, name=f"up-{name}", reject_unknown=True, models=["real-model"]) for name in DIALECTS
    }


@pytest.fixture(scope="module")
def routes(upstreams: dict[str, FakeUpstream]) -> str:
    """A routes file with all three, each under the name of its dialect."""
    lines = [f'  {name}: {{url: "{up.url}", dialect: {name}}}' for name, up in upstreams.items()]
    return "\n".join(["servers:", *lines, ""])


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, routes: str) -> Any:
    """A proxy with all three behind it."""
    return start_shared(routes)


@pytest.fixture(scope="module")
def clients(shared_proxy: Any) -> Iterator[dict[str, Client]]:
    """The three clients, at the proxy."""
    made = {name: kind(shared_proxy.url) for name, kind in CLIENTS.items()}
    yield made
    for client in made.values():
        client.close()


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, clients: dict[str, Client]) -> Client:
    """Each client in turn."""
    return clients[request.param]


@pytest.fixture(params=DIALECTS)
def upstream(request: pytest.FixtureRequest, upstreams: dict[str, FakeUpstream], proxy: Any) -> FakeUpstream:
    """Each upstream in turn, with nothing remembered."""
    up = upstreams[request.param]
    up.requests.clear()
    return up


@pytest.fixture(scope="session")
def asks() -> dict[str, dict[str, Any]]:
    """Scenario -> dialect -> body: what a client of it says, and what a server of it is told."""
    found: dict[str, dict[str, Any]] = json.loads((DATA / "asks.json").read_text())
    return found
