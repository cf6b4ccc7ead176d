"""Streams under another content type than theirs, whole answers where a stream was asked for, and odd line ends.

Each client dialect asks servers of each dialect; what the client reads is what the server has said, in its own form.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import anthropic
import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.behaviour import Dialect

DIALECTS: Final[tuple[Dialect, ...]] = ("openai", "ollama", "anthropic")
PATHS: Final = {"openai": "/v1/chat/completions", "ollama": "/api/chat", "anthropic": "/v1/messages"}
TYPES: Final = {"openai": "text/event-stream", "ollama": "application/x-ndjson", "anthropic": "text/event-stream"}
SORTS: Final = ("application/json", "text/plain", "application/octet-stream", "text/html", "", "own", "the other's")
TEXT: Final = "Grüße aus Ålesund."


@pytest.fixture(scope="module")
def servers(upstream_factory: Callable[..., FakeUpstream]) -> dict[Dialect, FakeUpstream]:
    return {dialect: upstream_factory(dialect, name=dialect) for dialect in DIALECTS}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[Dialect, FakeUpstream]) -> Any:
    lines = [f"  {d}: {{url: '{servers[d].url}', dialect: {d}}}" for d in DIALECTS]
    return start_shared("\n".join(["servers:", *lines, ""]))


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """One client for all: making one takes longer than a request."""
    with httpx.Client(
        trust_env=False, timeout=60, headers={"anthropic-version": "2023-06-01", "x-api-key": "k"}
    ) as client:
        yield client


@pytest.fixture(scope="module")
def events_of(servers: dict[Dialect, FakeUpstream], http: httpx.Client) -> dict[Dialect, list[Any]]:
    """What a server of each dialect streams of TEXT: (name, data) of each event, or the object of each line."""
    found: dict[Dialect, list[Any]] = {}
    for dialect, server in servers.items():
        server.script([Behaviour(text=TEXT)])
        body = asked(dialect, "m", stream=True)
        found[dialect] = list(read(dialect, http.post(server.url + PATHS[dialect], json=body).text))
    return found


def asked(client: Dialect, model: str, stream: bool) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream, "max_tokens": 99}


def read(dialect: Dialect, text: str) -> Iterator[Any]:
    """The events as this dialect's clients read them: by blank lines, or by line."""
    if dialect == "ollama":
        yield from (json.loads(line) for line in text.split("\n") if line)
        return
    for block in text.split("\n\n"):
        fields = [line.partition(":")[::2] for line in block.split("\n") if line and not line.startswith(":")]
        named = {name: value.removeprefix(" ") for name, value in fields}
        assert len(named) == len(fields) and set(named) <= {"data", "event"}, block
        if named:
            yield named.get("event", ""), named["data"] if named["data"] == "[DONE]" else json.loads(named["data"])


def said(dialect: Dialect, response: httpx.Response) -> str:
    """The text of a stream that came to its proper end."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith(TYPES[dialect])
    events = list(read(dialect, response.text.replace("\r\n", "\n").replace("\r", "\n")))
    if dialect == "ollama":
        assert events[-1]["done"] is True and events[-1]["done_reason"] == "stop"
        return "".join(one["message"]["content"] for one in events)
    if dialect == "anthropic":
        assert all(name == data["type"] for name, data in events)
        assert events[-1][0] == "message_stop"
        assert [d["delta"]["stop_reason"] for n, d in events if n == "message_delta"] == ["end_turn"]
        return "".join(data["delta"]["text"] for name, data in events if name == "content_block_delta")
    assert events[-1][1] == "[DONE]"
    chunks = [data for _, data in events[:-1]]
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "stop"
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def written(events: list[Any], framing: str, end: str = "\n", between: str = "\n", space: str = " ") -> bytes:
    """The events on the wire. `between`: the second line end behind an event."""
    if framing == "lines":
        objects = [one[1] if isinstance(one, tuple) else one for one in events]
        return b"".join(json.dumps(one).encode() + end.encode() for one in objects if one != "[DONE]")
    out = ""
    for one in events:
        name, data = one if isinstance(one, tuple) else ("", one)
        text = data if data == "[DONE]" else json.dumps(data, ensure_ascii=False)
        out += (f"event:{space}{name}{end}" if name else "") + f"data:{space}{text}{end}{between and end}"
    return out.encode()


def sort_of(sort: str, framing: str) -> str:
    types = {"lines": "application/x-ndjson", "events": "text/event-stream"}
    return {"own": types[framing], "the other's": types["events" if framing == "lines" else "lines"]}.get(sort, sort)


@pytest.mark.parametrize("framing", ["events", "lines"])
@pytest.mark.parametrize("server", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_the_first_bytes_of_a_stream_say_what_it_is(
    client: Dialect,
    server: Dialect,
    framing: str,
    proxy: Any,
    http: httpx.Client,
    servers: dict[Dialect, FakeUpstream],
    events_of: dict[Dialect, list[Any]],
) -> None:
    """Whatever its content type; the client gets its own, and the stream in its own form."""
    body = written(events_of[server], framing)
    for number, sort in enumerate(SORTS):
        size = (None, 1, 7)[number % 3]
        servers[server].script(
            [Behaviour(body=body, headers={"content-type": sort_of(sort, framing)}, write_size=size, framing="chunked")]
        )
        response = http.post(proxy.url + PATHS[client], json=asked(client, f"{server}/m", stream=True))
        assert said(client, response) == TEXT, sort
        row = proxy.row_of(response)
        assert (row["outcome"], row["attempts"][0]["outcome"]) == ("ok", "ok")


@pytest.mark.parametrize("server", ["openai", "anthropic"])
@pytest.mark.parametrize("client", DIALECTS)
def test_any_line_ends_separate_events(
    client: Dialect,
    server: Dialect,
    proxy: Any,
    http: httpx.Client,
    servers: dict[Dialect, FakeUpstream],
    events_of: dict[Dialect, list[Any]],
) -> None:
    """LF, CRLF and CR, one or two of them, with and without a space behind the colon."""
    for end in ("\n", "\r\n", "\r"):
        for between in ("\n", ""):
            body = written(events_of[server], "events", end, between, space="" if between else " ")
            servers[server].script([Behaviour(body=body, headers={"content-type": "text/event-stream"}, write_size=11)])
            response = http.post(proxy.url + PATHS[client], json=asked(client, f"{server}/m", stream=True))
            if client == server and between:
                assert response.content == body  # to the byte, as nothing had to be mended
            assert said(client, response) == TEXT


@pytest.mark.parametrize("sort", ["application/json", "text/plain", "text/event-stream", "application/x-ndjson", ""])
@pytest.mark.parametrize("server", DIALECTS)
@pytest.mark.parametrize("client", DIALECTS)
def test_a_whole_answer_is_given_as_the_stream_that_was_asked_for(
    client: Dialect,
    server: Dialect,
    sort: str,
    proxy: Any,
    http: httpx.Client,
    servers: dict[Dialect, FakeUpstream],
) -> None:
    """On one line, or over several; its usage is recorded."""
    servers[server].script([Behaviour(text=TEXT)])
    whole = http.post(servers[server].url + PATHS[server], json=asked(server, "m", stream=False)).json()
    for indent in (None, 2):
        if indent and sort == "application/x-ndjson":
            continue  # lines are taken at their word
        body = json.dumps(whole, indent=indent)
        servers[server].script([Behaviour(body=body, headers={"content-type": sort})])
        response = http.post(proxy.url + PATHS[client], json=asked(client, f"{server}/m", stream=True))
        if sort == "application/x-ndjson" and server != "ollama":
            continue  # one line that is no event of a stream: told apart by no one
        assert said(client, response) == TEXT
        row = proxy.row_of(response)
        assert (row["outcome"], row["input_tokens"], row["output_tokens"]) == ("ok", 11, 7)


def test_the_first_event_goes_out_before_the_second_is_here(
    proxy: Any, http: httpx.Client, servers: dict[Dialect, FakeUpstream], events_of: dict[Dialect, list[Any]]
) -> None:
    """Under any name: what a stream is, is told by its beginning, not by its end."""
    for dialect in DIALECTS:
        framing = "lines" if dialect == "ollama" else "events"
        events = [written([event], framing) for event in events_of[dialect]]
        behaviour = Behaviour(events=events, stall_after=1, headers={"content-type": "application/json"})
        servers[dialect].script([behaviour])
        body = asked(dialect, f"{dialect}/m", stream=True)
        with http.stream("POST", proxy.url + PATHS[dialect], json=body) as response:
            assert next(response.iter_raw()) == events[0]


def test_the_official_clients_read_them(
    proxy: Any, servers: dict[Dialect, FakeUpstream], events_of: dict[Dialect, list[Any]]
) -> None:
    """openai-python, ollama-python and anthropic-python, each from a server that separates its events singly."""
    messages: Any = [{"role": "user", "content": "hi"}]
    for dialect in DIALECTS:
        framing = "lines" if dialect == "ollama" else "events"
        body = written(events_of[dialect], framing, between="")
        servers[dialect].script([Behaviour(body=body, headers={"content-type": "application/json"})])
    chunks = proxy.openai().chat.completions.create(model="openai/m", messages=messages, stream=True)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    pieces = proxy.ollama().chat("ollama/m", messages, stream=True)
    assert "".join(piece.message.content or "" for piece in pieces) == TEXT
    client = anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=0)
    with client, client.messages.stream(model="anthropic/m", max_tokens=9, messages=messages) as stream:
        assert "".join(stream.text_stream) == TEXT
