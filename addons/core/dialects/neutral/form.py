"""The internal form: one request, one reply, one stream, whatever dialect they came in or go out by.

Every value is frozen. What a format defines and the internal form has no name for is kept in `extras` (whole
requests) or `extra` (messages, parts, tools) under its wire name: the same format gets it back unchanged, another
format loses it by the table in `limits.py`, never silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import is_
from types import MappingProxyType
from typing import Any, Final, Literal

from switchman.addons.core.request.call import DialectName

FormatName = Literal[
    "openai.chat", "openai.completion", "openai.responses", "ollama.chat", "ollama.generate", "anthropic.messages"
]

Role = Literal["system", "developer", "user", "assistant", "tool"]

# How a message's content was written: a string, a list of parts, null, or not at all.
Shape = Literal["text", "parts", "null", "absent"]

FinishReason = Literal["stop", "stop_sequence", "length", "tool_calls", "content_filter"]

EMPTY: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text. `refusal`: the model said it as a refusal (OpenAI keeps that apart)."""

    text: str
    refusal: bool = False
    extra: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: base64 `data` with its media type ("" where the format does not say), or a `url`."""

    data: str = ""
    media_type: str = ""
    url: str = ""
    extra: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class Thinking:
    """What the model thought. `signature` proves it to Anthropic; `redacted` is its encrypted form, without text."""

    text: str
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for. `arguments` is JSON text, as the model wrote it; `id` is "" where there is none."""

    id: str
    name: str
    arguments: str
    extra: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call gave. `id` and `name` are those of the call, "" where the format does not say."""

    id: str
    name: str
    content: tuple[Text | Image | Opaque, ...]
    shape: Shape = "text"
    is_error: bool | None = None
    extra: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class Opaque:
    """A part that only its own format knows (a document, audio, a server tool's result), verbatim. `kind` names it.

    `words`: the dialect whose shape `value` has been given, whose servers may get it (documents.py).
    """

    kind: str
    value: Mapping[str, Any]
    words: DialectName | None = None


Part = Text | Image | Thinking | ToolCall | ToolResult | Opaque


def text_in(parts: Iterable[Part]) -> str:
    return "".join(part.text for part in parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class Message:
    """`place`: its name in the client's request, which later steps name in their warnings; "" until it is known."""

    role: Role
    parts: tuple[Part, ...]
    shape: Shape = "text"
    extra: Mapping[str, Any] = EMPTY
    place: str = field(default="", compare=False)

    def text(self) -> str:
        """All plain text, joined by nothing."""
        return text_in(self.parts)

    def with_parts(self, parts: tuple[Part, ...]) -> Message:
        """The message with these parts; itself where they are its own, as for most of a long conversation."""
        own = self.parts
        return self if len(parts) == len(own) and all(map(is_, parts, own)) else replace(self, parts=parts)

    def calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; `parameters` is its JSON schema, None where it was left out.

    `opaque` is a tool of another kind (web search, a computer), verbatim; then `name` is its type.
    """

    name: str
    description: str | None = None
    parameters: Mapping[str, Any] | None = None
    strict: bool | None = None
    opaque: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """`named` comes with the `name` of the one function that has to be called."""

    mode: Literal["auto", "none", "required", "named"]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Sampling:
    """None: the client did not say. `stop_plain`: the one stop sequence was a string, not a list.

    `counts_reasoning`: the client gave max_completion_tokens, so max_tokens covers reasoning too.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repeat_penalty: float | None = None
    stop: tuple[str, ...] | None = None
    stop_plain: bool = False
    counts_reasoning: bool = False


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """`json`: any JSON object. `schema`: JSON held to a schema. `text`: text, where the client asked for it."""

    kind: Literal["text", "json", "schema"]
    schema: Mapping[str, Any] | None = None
    name: str | None = None
    strict: bool | None = None
    extra: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class Reasoning:
    """How much to think. `effort` is a word (minimal, low, medium, high, ...), `budget` a number of tokens.

    `adaptive`: the model decides how much. `as_given` is the format's own value, given back to the same format.
    """

    enabled: bool
    effort: str | None = None
    budget: int | None = None
    adaptive: bool = False
    as_given: Any = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request for text. `stream` is None where the client left it to the format's default.

    `include_usage`: an OpenAI client asked for the usage chunk. `raw`: `messages` is one prompt to be continued as
    it is, without a chat template; `suffix` is what comes after the gap.
    """

    origin: FormatName
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    sampling: Sampling = field(default_factory=Sampling)
    format: ResponseFormat | None = None
    reasoning: Reasoning | None = None
    stream: bool | None = None
    include_usage: bool = False
    user: str | None = None
    raw: bool = False
    suffix: str | None = None
    extras: Mapping[str, Any] = EMPTY


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens. `input` counts all of the prompt, what was read from (`cached`) or written to a cache included."""

    input: int | None = None
    output: int | None = None
    cached: int | None = None
    cache_written: int | None = None
    reasoning: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Timings:
    """Nanoseconds, as Ollama counts them; None where nobody measured."""

    total: int | None = None
    load: int | None = None
    prompt: int | None = None
    output: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    index: int
    parts: tuple[Part, ...]
    finish: FinishReason | None
    stop_sequence: str | None = None

    def text(self) -> str:
        """All plain text, joined by nothing."""
        return text_in(self.parts)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. `created` is epoch seconds."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    created: float | None = None
    timings: Timings | None = None


# ---- a reply in pieces -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """The reply begins; comes once, first."""

    id: str
    model: str
    created: float | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    choice: int
    text: str
    refusal: bool = False


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """A piece of thought. A `signature` (whole) or a `redacted` block comes in an event of its own."""

    choice: int
    text: str
    signature: str | None = None
    redacted: str | None = None


@dataclass(frozen=True, slots=True)
class ToolDelta:
    """A piece of the call number `index` of this choice. The first one has the name, and the id if there is one."""

    choice: int
    index: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Finish:
    choice: int
    reason: FinishReason
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True)
class UsageSeen:
    """Usage so far; a later one replaces the members it has."""

    usage: Usage
    timings: Timings | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The upstream said, inside the stream, that it failed. Nothing comes after it."""

    message: str
    type: str | None = None
    code: str | None = None
    status: int = 500


@dataclass(frozen=True, slots=True)
class End:
    """The upstream said that its stream is complete."""


StreamEvent = Start | TextDelta | ThinkingDelta | ToolDelta | Finish | UsageSeen | Failed | End


@dataclass(frozen=True, slots=True)
class ToolName:
    """The client's name for a tool of another kind that was turned into a function (as_functions.py)."""

    name: str
    namespace: str = ""
    custom: bool = False  # it takes a text, not arguments


@dataclass(frozen=True, slots=True)
class Stamp:
    """Values that a reply needs and the upstream may leave out; they come from outside, as this code has no clock.

    `id` is unique (letters and digits); `created` is epoch seconds; `model` is the name the client asked for.
    `include_usage`: the OpenAI client wants the usage chunk. `settings`: what the reply repeats of the request (a
    response object does). `tools`: function name -> the client's name for it, where they differ. `taken`: ids of the
    calls so far. `offered`: names of the functions that the model can call. `old_calls`: the client uses `functions`,
    OpenAI's calls before there were tools. `prompt_tokens`: an estimate, for a client that has to be told a number.
    `elapsed`: seconds since the request came in, for the durations that an Ollama client looks at when the server
    measured none; they are then the router's own figures, the network's time included.
    """

    id: str
    created: float
    model: str
    include_usage: bool = False
    elapsed: Callable[[], float] | None = None
    settings: Mapping[str, Any] = EMPTY
    tools: Mapping[str, ToolName] = EMPTY
    prompt_tokens: Callable[[], int] | None = None
    taken: frozenset[str] = frozenset()
    offered: frozenset[str] = frozenset()
    old_calls: bool = False
