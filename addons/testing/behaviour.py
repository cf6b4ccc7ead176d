"""Behaviour of a fake upstream: plain values, so that a test reads as a list of what goes wrong.

`Behaviour` is one reply's knobs; `Answer` is what a dialect makes of a request and a Behaviour; the server in
upstream.py puts an Answer on the wire, well or badly.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Literal

Dialect = Literal["openai", "ollama", "anthropic"]

WORDS = re.compile(r"\s*\S+|\s+\Z")  # a token is a word with the blanks before it, as most tokenizers have it


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the fake model makes. `arguments` is a JSON object."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    id: str = ""  # "" makes one from the position: call_0, call_1, ...


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts the reply reports. `cached` are part of `input`, `reasoning` part of `output`, as OpenAI counts."""

    input: int = 11
    output: int = 7
    cached: int | None = None
    reasoning: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """One reply: what it says, and how it misbehaves. The default is a good, quick, short answer.

    Times are seconds, sizes bytes. "Events" are SSE events or NDJSON lines, counted from 1.
    """

    # What it says.
    text: str | None = None  # None: "Hello from NAME."
    pieces: Sequence[str] | None = None  # the stream's pieces of content, verbatim; None: one per word
    think: str | None = None  # put in front of the text as <think>...</think>, as many models do
    reasoning: str | None = None  # in the dialect's own field: reasoning_content, thinking, a thinking block
    tool_calls: Sequence[ToolCall] = ()
    finish: str | None = None  # the dialect's own word; None: what fits
    usage: Usage | None = Usage()  # None: the reply has no usage at all
    usage_in: Literal["last", "every", "x_groq"] = "last"  # where an OpenAI stream reports it
    huge: int = 0  # pad the text to this many bytes

    # Instead of what it says.
    status: int = 200  # from 400 on: an error in the dialect's shape, unless `body` is given
    message: str | None = None  # the error's message
    body: bytes | str | Mapping[str, Any] | None = None  # sent as it is
    headers: Sequence[tuple[str, str]] | Mapping[str, str] = ()  # added to the reply; content-type replaces ours
    events: Sequence[bytes] | None = None  # a streamed reply's exact events, e.g. of a recording
    malformed: bool = False  # 200 with a body, or a stream, that is not what it says it is
    error_after: int | None = None  # a stream ends with the dialect's error event after so many events

    # How it is sent.
    latency: float = 0.0  # before the status line
    delay: float = 0.0  # before each event but the first
    write_size: int | None = None  # cut what is written into pieces of so many bytes
    line_ending: Literal["\n", "\r\n"] = "\n"  # of SSE and NDJSON
    framing: Literal["auto", "chunked", "length", "close"] = "auto"  # auto: streams chunked, the rest by length
    gzip: bool = False

    # How it fails.
    reset: bool = False  # RST instead of an answer
    hang_up: bool = False  # FIN instead of an answer
    never_answer: bool = False  # until the client leaves
    cut_after: int | None = None  # the connection ends after so many events, or in the middle of a whole body
    cut: Literal["rst", "fin"] = "fin"
    # Nothing more after so many events, be it only the end of the framing, until the client leaves.
    stall_after: int | None = None
    resume: Event | None = None  # once it is set, a stall ends, and the rest is sent

    # What becomes of the connection afterwards, without a word of it in the headers.
    close_after_reply: bool = False
    close_idle_after: float | None = None

    @property
    def header_list(self) -> list[tuple[str, str]]:
        return list(self.headers.items() if isinstance(self.headers, Mapping) else self.headers)

    def content(self, name: str) -> str:
        """The whole content, with the think block if there is one."""
        if self.pieces is not None:
            return "".join(self.pieces)
        text = f"Hello from {name}." if self.text is None else self.text
        if self.think is not None:
            text = f"<think>\n{self.think}\n</think>\n\n{text}"
        if len(text.encode()) < self.huge:
            text += "x" * (self.huge - len(text.encode()))
        return text

    def content_pieces(self, name: str) -> list[str]:
        """The content as a stream sends it; the pieces joined are `content()`."""
        if self.pieces is not None:
            return list(self.pieces)
        return cut_words(self.content(name))

    def calls(self) -> list[ToolCall]:
        """The tool calls, each with an id."""
        return [ToolCall(c.name, c.arguments, c.id or f"call_{i}") for i, c in enumerate(self.tool_calls)]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes on the wire: a whole `body`, or `events` one by one."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b""
    events: Iterable[bytes] | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A request as a dialect sees it. `headers` has lower-case names; `body` is the parsed JSON or None."""

    method: str
    path: str  # without the query
    query: str
    headers: Mapping[str, str]
    raw: bytes
    number: int  # of the request on this server, from 1


@dataclass(frozen=True, slots=True)
class Identity:
    """Identity of the fake upstream, apart from how it behaves."""

    name: str
    models: tuple[str, ...]
    only_listed: bool  # a model that is not listed is a 404
    missing: frozenset[str]  # models that are a 404 though they may be listed
    api_key: str | None  # None accepts every caller
    reject_unknown: bool  # fields the format does not define are a 400

    def has(self, model: str) -> bool:
        return model not in self.missing and (not self.only_listed or model in self.models)


class Rejected(Exception):
    """A request the real server would reject: status, and the dialect's words for it."""

    def __init__(self, status: int, message: str, *, type: str = "", param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status, self.message, self.type, self.param, self.code = status, message, type, param, code


def cut_words(text: str) -> list[str]:
    """Pieces as a tokenizer might cut them; joined they are the text."""
    return WORDS.findall(text)


def json_bytes(value: Any) -> bytes:
    """Compact JSON, UTF-8 not escaped, as most servers write it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace")  # half a surrogate pair can only be written as an escape


def sse(data: Any, name: str = "", ending: str = "\n") -> bytes:
    """One SSE event. `data` is a value to be written as JSON, or a str that goes as it is."""
    text = data if isinstance(data, str) else json_bytes(data).decode()
    head = f"event: {name}{ending}" if name else ""
    return f"{head}data: {text}{ending}{ending}".encode()


def ndjson(data: Any, ending: str = "\n") -> bytes:
    """One NDJSON line."""
    return json_bytes(data) + ending.encode()
