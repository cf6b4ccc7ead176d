"""What the tests of the dialects share: a translated request, a stream's events, the official clients.

The clients are judges: they read a reply from a real server, and what they made of it is compared.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import anthropic
import ollama
import openai
import pytest

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.codecs import CODECS, NDJSON
from switchman.addons.core.dialects.neutral.form import FormatName, Stamp, StreamEvent
from switchman.addons.core.dialects.translate import Outbound, decode_event, translate_request
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter

USER = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="session")
def translate() -> Callable[..., Outbound]:
    """translate(path, body, server, ...): a client's request as it goes out, the client's body unchanged."""

    def translate(path: str, body: dict[str, Any], server: DialectName, **rest: Any) -> Outbound:
        endpoint = endpoint_of("POST", path)
        assert endpoint is not None
        before = json.dumps(body)
        out = translate_request(endpoint, body, server, Stamp("abc", 1_700_000_000.0, "client-name"), **rest)
        assert json.dumps(body) == before, "the client's body was changed"
        return out

    return translate


@pytest.fixture(scope="session")
def decode() -> Callable[[FormatName, Iterable[bytes]], list[StreamEvent]]:
    """decode(format, pieces): the internal events of a stream that arrives in these pieces."""

    def decode(name: FormatName, pieces: Iterable[bytes]) -> list[StreamEvent]:
        splitter = NDJSONSplitter() if CODECS[name].stream_type == NDJSON else SSESplitter()
        decoder = CODECS[name].decoder()
        events = [event for piece in pieces for event in splitter.feed(piece)]
        return [item for event in [*events, *splitter.end()] for item in decode_event(decoder, event)]

    return decode


@dataclass
class Seen:
    """What a client's user gets to see of a reply. `calls`: name and arguments; counts are None where not told."""

    text: str = ""
    thinking: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    finish: str | None = None
    input: int | None = None
    output: int | None = None
    cached: int | None = None
    reasoning: int | None = None


@dataclass
class Judge:
    """One client of one format: `stream` and `whole` let it read bytes as the body of an answer."""

    finishes: dict[str, str]  # internal reason -> the client's word
    read_stream: Callable[[str], Seen]
    read_whole: Callable[[str], Seen]
    serve: Callable[[bytes, str], str]
    stream_type: str

    def stream(self, body: bytes) -> Seen:
        return self.read_stream(self.serve(body, self.stream_type))

    def whole(self, body: bytes) -> Seen:
        return self.read_whole(self.serve(body, "application/json"))


class Server(ThreadingHTTPServer):
    """Answers every POST with the bytes that were put under its path's first segment."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, tuple[bytes, str]] = {}

    def put(self, body: bytes, content_type: str) -> str:
        name = str(len(self.answers))
        self.answers[name] = (body, content_type)
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body, content_type = self.server.answers[self.path.split("/")[1]]
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


# ---- OpenAI ------------------------------------------------------------------------------------------------------


def openai_client(base: str) -> openai.OpenAI:
    # without TLS set-up, which takes most of a client's time
    http = openai.DefaultHttpxClient(verify=False)
    return openai.OpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0, http_client=http)


def openai_seen(completion: Any) -> Seen:
    message, usage = completion.choices[0].message, completion.usage
    seen = Seen(
        text=(message.content or "") + (message.refusal or ""),
        thinking=getattr(message, "reasoning_content", None) or "",
        calls=[(call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls or []],
        finish=completion.choices[0].finish_reason,
    )
    if usage:
        seen.input, seen.output = usage.prompt_tokens, usage.completion_tokens
        seen.cached = usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens
        seen.reasoning = usage.completion_tokens_details and usage.completion_tokens_details.reasoning_tokens
    return seen


def openai_stream(base: str) -> Seen:
    with openai_client(base) as client, client.chat.completions.stream(model="m", messages=USER) as stream:
        for _ in stream:
            pass
        # the final completion would raise on finish reasons such as length
        return openai_seen(stream.current_completion_snapshot)


def openai_whole(base: str) -> Seen:
    with openai_client(base) as client:
        return openai_seen(client.chat.completions.create(model="m", messages=USER))


def responses_seen(response: Any) -> Seen:
    seen = Seen(finish=(response.incomplete_details and response.incomplete_details.reason) or response.status)
    for item in response.output:
        if item.type == "message":
            seen.text += "".join(part.text if part.type == "output_text" else part.refusal for part in item.content)
        elif item.type == "reasoning":
            seen.thinking += "".join(part.text for part in item.content)
        else:
            seen.calls.append((item.name, json.loads(item.arguments)))
    if response.usage:
        usage = response.usage
        seen.input, seen.output = usage.input_tokens, usage.output_tokens
        seen.cached = usage.input_tokens_details.cached_tokens
        seen.reasoning = usage.output_tokens_details.reasoning_tokens
    return seen


def responses_stream(base: str) -> Seen:
    """The helper's events and snapshots are checked on the way; the deltas have to say what the end says."""
    said: dict[str, str] = {"text": "", "thinking": "", "arguments": ""}
    with openai_client(base) as client, client.responses.stream(model="m", input="hi") as stream:
        last = None
        for number, event in enumerate(stream):
            assert event.sequence_number == number
            last = event
            if event.type == "response.output_text.delta" or event.type == "response.refusal.delta":
                said["text"] += event.delta
            elif event.type == "response.reasoning_text.delta":
                said["thinking"] += event.delta
    seen = responses_seen(last.response)
    assert (said["text"], said["thinking"]) == (seen.text, seen.thinking)
    return seen


def responses_whole(base: str) -> Seen:
    with openai_client(base) as client:
        return responses_seen(client.responses.create(model="m", input="hi"))


def completion_stream(base: str) -> Seen:
    seen = Seen()
    with openai_client(base) as client:
        for chunk in client.completions.create(model="m", prompt="hi", stream=True):
            for choice in chunk.choices:
                seen.text += choice.text
                seen.finish = choice.finish_reason or seen.finish
            if chunk.usage:
                seen.input, seen.output = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
    return seen


def completion_whole(base: str) -> Seen:
    with openai_client(base) as client:
        reply = client.completions.create(model="m", prompt="hi")
    usage = reply.usage
    counts = (usage.prompt_tokens, usage.completion_tokens) if usage else (None, None)
    return Seen(reply.choices[0].text, "", [], reply.choices[0].finish_reason, *counts)


# ---- Anthropic ---------------------------------------------------------------------------------------------------


def anthropic_client(base: str) -> anthropic.Anthropic:
    http = anthropic.DefaultHttpxClient(verify=False)
    return anthropic.Anthropic(base_url=base, api_key="k", max_retries=0, http_client=http)


def anthropic_seen(message: Any) -> Seen:
    usage = message.usage
    cached, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    seen = Seen(
        finish=message.stop_reason,
        input=usage.input_tokens + (cached or 0) + (written or 0),
        output=usage.output_tokens,
        cached=cached,
        reasoning=usage.output_tokens_details and usage.output_tokens_details.thinking_tokens,
    )
    for block in message.content:
        if block.type == "text":
            seen.text += block.text
        elif block.type == "thinking":
            seen.thinking += block.thinking
        elif block.type == "tool_use":
            seen.calls.append((block.name, block.input))
    return seen


def anthropic_stream(base: str) -> Seen:
    """Blocks have to come one after the other: each is started, fed and stopped before the next one."""
    open_block: int | None = None
    with anthropic_client(base) as client, client.messages.stream(model="m", max_tokens=9, messages=USER) as stream:
        for event in stream:
            if event.type == "content_block_start":
                assert open_block is None
                open_block = event.index
            elif event.type == "content_block_delta":
                assert open_block == event.index
            elif event.type == "content_block_stop":
                assert open_block == event.index
                open_block = None
        message = stream.get_final_message()
    assert open_block is None
    return anthropic_seen(message)


def anthropic_whole(base: str) -> Seen:
    with anthropic_client(base) as client:
        return anthropic_seen(client.messages.create(model="m", max_tokens=9, messages=USER))


# ---- Ollama ------------------------------------------------------------------------------------------------------


def ollama_seen(parts: list[Any]) -> Seen:
    seen = Seen()
    for part in parts:
        seen.text += part.message.content or ""
        seen.thinking += part.message.thinking or ""
        seen.calls += [(call.function.name, dict(call.function.arguments)) for call in part.message.tool_calls or []]
    last = parts[-1]
    assert last.done is True and not any(part.done for part in parts[:-1])
    seen.finish, seen.input, seen.output = last.done_reason, last.prompt_eval_count, last.eval_count
    return seen


def ollama_stream(base: str) -> Seen:
    client = ollama.Client(host=base, verify=False)
    with client._client:
        return ollama_seen(list(client.chat(model="m", messages=USER, stream=True)))


def ollama_whole(base: str) -> Seen:
    client = ollama.Client(host=base, verify=False)
    with client._client:
        return ollama_seen([client.chat(model="m", messages=USER)])


def generate_seen(parts: list[Any]) -> Seen:
    last = parts[-1]
    assert last.done is True and not any(part.done for part in parts[:-1])
    return Seen(
        "".join(part.response or "" for part in parts),
        "".join(part.thinking or "" for part in parts),
        [],
        last.done_reason,
        last.prompt_eval_count,
        last.eval_count,
    )


def generate_stream(base: str) -> Seen:
    client = ollama.Client(host=base, verify=False)
    with client._client:
        return generate_seen(list(client.generate(model="m", prompt="hi", stream=True)))


def generate_whole(base: str) -> Seen:
    client = ollama.Client(host=base, verify=False)
    with client._client:
        return generate_seen([client.generate(model="m", prompt="hi")])


OPENAI_WORDS = {
    "stop": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
OLLAMA_WORDS = {**dict.fromkeys(OPENAI_WORDS, "stop"), "length": "length"}
RESPONSES_WORDS = {
    **dict.fromkeys(OPENAI_WORDS, "completed"),
    "length": "max_output_tokens",
    "content_filter": "content_filter",
}
ANTHROPIC_WORDS = {
    "stop": "end_turn",
    "stop_sequence": "stop_sequence",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}

READERS: dict[FormatName, tuple[dict[str, str], Callable[[str], Seen], Callable[[str], Seen]]] = {
    "openai.chat": (OPENAI_WORDS, openai_stream, openai_whole),
    "openai.completion": (OPENAI_WORDS, completion_stream, completion_whole),
    "openai.responses": (RESPONSES_WORDS, responses_stream, responses_whole),
    "ollama.chat": (OLLAMA_WORDS, ollama_stream, ollama_whole),
    "ollama.generate": (OLLAMA_WORDS, generate_stream, generate_whole),
    "anthropic.messages": (ANTHROPIC_WORDS, anthropic_stream, anthropic_whole),
}


@pytest.fixture(scope="session")
def judges(server: Server) -> dict[FormatName, Judge]:
    """The official client of every format, by format name."""
    return {
        name: Judge(words, stream, whole, server.put, CODECS[name].stream_type)
        for name, (words, stream, whole) in READERS.items()
    }
