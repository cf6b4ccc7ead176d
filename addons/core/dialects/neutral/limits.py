"""Limits: the one table of what is refused, dropped or changed where a server's dialect lacks a client's field.

`refuse`: the client gets a 400 that names the field, as without it the answer would not be the one that was asked for.
`drop`: the field is left out, with a warning in the trace. `change`: another field stands for it, with a warning too.
A field that no row names, such as a provider's own extension, is dropped with a warning.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from switchman.addons.core.dialects.neutral.form import FormatName
from switchman.addons.core.request.call import DialectName

NUMBER: Final = re.compile(r"\[\d+\]")

Treatment = Literal["refuse", "drop", "change"]

ALL: Final[tuple[DialectName, ...]] = ("openai", "ollama", "anthropic")


class Untranslatable(ValueError):
    """The server's dialect has no place for a field of the request. `field` is its name in the client's own format."""

    def __init__(self, field: str, reason: str, target: DialectName) -> None:
        super().__init__(f"{field}: {reason} (the chosen server speaks the {target} dialect)")
        self.field = field
        self.reason = reason
        self.target = target


class Malformed(ValueError):
    """A field of the request is missing or has another type than its own format asks for. `field` names its place."""

    def __init__(self, field: str, expected: str) -> None:
        super().__init__(f"{field}: expected {expected}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Limit:
    """One row. `field` is a name as the client writes it, without list positions; `formats` are the client's."""

    field: str
    formats: tuple[FormatName, ...]
    targets: tuple[DialectName, ...]
    treatment: Treatment
    reason: str


OPENAI: Final[tuple[FormatName, ...]] = ("openai.chat", "openai.completion", "openai.responses")
CHAT: Final[tuple[FormatName, ...]] = ("openai.chat",)
COMPLETION: Final[tuple[FormatName, ...]] = ("openai.completion",)
RESPONSES: Final[tuple[FormatName, ...]] = ("openai.responses",)
OLLAMA: Final[tuple[FormatName, ...]] = ("ollama.chat", "ollama.generate")
GENERATE: Final[tuple[FormatName, ...]] = ("ollama.generate",)
ANTHROPIC: Final[tuple[FormatName, ...]] = ("anthropic.messages",)

# Fields of Responses that OpenAI's chat completions have too, and that other servers often refuse.
OPENAI_FIELDS: Final[Mapping[str, str]] = {
    "metadata": "nothing is stored",
    "store": "nothing is stored",
    "service_tier": "tiers are one provider's own",
    "prompt_cache_key": "prompt caching is the server's affair",
    "prompt_cache_retention": "prompt caching is the server's affair",
    "safety_identifier": "callers are not told apart",
    "text.verbosity": "only OpenAI's models know it",
}

WITH_CHOICE: Final[tuple[FormatName, ...]] = ("openai.chat", "openai.responses", "anthropic.messages")
CHATS: Final[tuple[FormatName, ...]] = ("openai.chat", "openai.responses", "ollama.chat", "anthropic.messages")

LIMITS: Final[tuple[Limit, ...]] = (
    # several answers, other media: without them the client gets something it did not ask for
    Limit("n", OPENAI, ("ollama", "anthropic"), "refuse", "one answer for each request"),
    Limit("best_of", COMPLETION, ("ollama", "anthropic"), "refuse", "one answer for each request"),
    Limit("echo", COMPLETION, ("ollama", "anthropic"), "refuse", "the prompt is not repeated in the answer"),
    Limit(
        "prompt", COMPLETION, ("ollama", "anthropic"), "refuse", "one prompt, as text; not several, no token numbers"
    ),
    Limit("suffix", (*COMPLETION, *GENERATE), ("anthropic",), "refuse", "nothing can be filled in between"),
    Limit("suffix", GENERATE, ("openai",), "change", "sent to the legacy completions endpoint"),
    Limit("raw", GENERATE, ("openai",), "change", "sent to the legacy completions endpoint"),
    Limit("raw", GENERATE, ("anthropic",), "change", "the prompt is sent as a user message"),
    Limit("images", GENERATE, ("openai",), "refuse", "no images beside a raw prompt"),
    Limit("template", GENERATE, ("openai", "anthropic"), "refuse", "the server applies its own template"),
    Limit("context", GENERATE, ("openai", "anthropic"), "refuse", "token numbers of an earlier answer"),
    Limit("width", GENERATE, ("openai", "anthropic"), "refuse", "images are made by another endpoint"),
    Limit("height", GENERATE, ("openai", "anthropic"), "refuse", "images are made by another endpoint"),
    Limit("steps", GENERATE, ("openai", "anthropic"), "refuse", "images are made by another endpoint"),
    Limit("modalities", CHAT, ("ollama", "anthropic"), "refuse", "text only"),
    Limit("audio", CHAT, ("ollama", "anthropic"), "refuse", "text only"),
    Limit("functions", CHAT, ("ollama", "anthropic"), "refuse", "a function of another shape"),
    Limit("function_call", CHAT, ("ollama", "anthropic"), "refuse", "a choice of another shape"),
    Limit("web_search_options", CHAT, ("ollama", "anthropic"), "refuse", "a tool of the server"),
    # messages and parts
    Limit(
        "messages.content.image_url",
        (*CHAT, *RESPONSES),
        ("ollama",),
        "refuse",
        "images as base64 data; no URLs are fetched",
    ),
    Limit("messages.content.image", ANTHROPIC, ("ollama",), "refuse", "images as base64 data; no URLs, no file ids"),
    Limit("messages.content", WITH_CHOICE, ALL, "refuse", "a part of this type"),
    Limit("messages.tool_calls", CHAT, ("ollama", "anthropic"), "refuse", "a tool call of this type"),
    Limit("messages.role", CHATS, ALL, "change", "system messages after the start are said in turns, as a reminder"),
    Limit(
        "system.x-anthropic-billing-header",
        ANTHROPIC,
        ("openai", "ollama"),
        "drop",
        "a note for Anthropic's bill, which changes and would spoil the server's prompt cache",
    ),
    Limit(
        "messages",
        (*CHAT, *RESPONSES, *OLLAMA),
        ("anthropic",),
        "change",
        "without any other message, the system messages are sent as the user's",
    ),
    Limit("messages.thinking", CHATS, ("openai", "anthropic"), "drop", "thoughts of earlier turns are not sent back"),
    Limit(
        "messages.image", CHATS, ("openai", "ollama"), "change", "an image in a tool's result becomes a user message"
    ),
    Limit(
        "messages.document", ANTHROPIC, ("openai", "ollama"), "change", "a document or search result of text is text"
    ),
    Limit(
        "messages.tool_result",
        CHATS,
        ("openai", "anthropic"),
        "change",
        "a result without a call is said by the user",
    ),
    Limit("messages.order", CHATS, ALL, "change", "nothing may stand between calls and their results"),
    Limit("messages.no_result", CHATS, ("openai", "anthropic"), "change", "a call without a result gets an empty one"),
    Limit("messages.hosted", WITH_CHOICE, ALL, "drop", "what a provider's own tools did in earlier turns"),
    Limit(
        "messages.prefill",
        (*CHAT, *RESPONSES, "ollama.chat"),
        ("anthropic",),
        "change",
        "blanks at its end are refused",
    ),
    Limit("messages.is_error", ANTHROPIC, ("openai", "ollama"), "drop", "a tool's result is only its text"),
    Limit("messages.name", CHAT, ("ollama", "anthropic"), "drop", "speakers have no names"),
    Limit("messages.cache_control", ANTHROPIC, ("openai", "ollama"), "drop", "prompt caching is the server's affair"),
    # tools
    Limit("tools", CHATS, ALL, "refuse", "a tool of this type, which only its own provider runs"),
    Limit(
        "tools.custom", (*CHAT, *RESPONSES), ALL, "change", "a function with one text, `input`; no grammar is enforced"
    ),
    Limit("tools.namespace", RESPONSES, ALL, "change", "functions named `namespace__name`"),
    Limit("tools.web_search", RESPONSES, ALL, "drop", "only OpenAI searches; the functions beside it stay"),
    Limit("tools.image_generation", RESPONSES, ALL, "drop", "only OpenAI runs it; the functions beside it stay"),
    Limit("tools.tool_search", RESPONSES, ALL, "drop", "all functions are told at once"),
    Limit(
        "tools.hosted",
        (*RESPONSES, *ANTHROPIC),
        ALL,
        "drop",
        "only its provider runs it; the functions beside it stay, and without any it is refused",
    ),
    Limit(
        "tools.name",
        CHATS,
        ("openai", "anthropic"),
        "change",
        "at most 64 letters, digits, _ and -; the answer has the client's name again",
    ),
    Limit("tools.strict", WITH_CHOICE, ("ollama",), "drop", "schemas are not enforced"),
    Limit("tools.cache_control", ANTHROPIC, ("openai", "ollama"), "drop", "prompt caching is the server's affair"),
    Limit(
        "tool_choice",
        WITH_CHOICE,
        ("ollama",),
        "change",
        "a call cannot be forced; other tools than the named one are left out",
    ),
    Limit("tool_choice", WITH_CHOICE, ("openai", "anthropic"), "refuse", "a tool choice of this type"),
    Limit("parallel_tool_calls", (*CHAT, *RESPONSES), ("ollama",), "drop", "the model decides"),
    Limit("tool_choice.disable_parallel_tool_use", ANTHROPIC, ("ollama",), "drop", "the model decides"),
    # formats and reasoning
    Limit("response_format", CHAT, ("anthropic",), "drop", "JSON without a schema cannot be asked for"),
    Limit("text.format", RESPONSES, ("anthropic",), "drop", "JSON without a schema cannot be asked for"),
    Limit("format", OLLAMA, ("anthropic",), "drop", "JSON without a schema cannot be asked for"),
    Limit("reasoning_effort", CHAT, ("anthropic",), "change", "tokens; none if max_tokens is small or calls came last"),
    Limit("reasoning", RESPONSES, ("anthropic",), "change", "tokens; none if max_tokens is small or calls came last"),
    Limit("think", OLLAMA, ("anthropic",), "change", "tokens; none if max_tokens is small or calls came last"),
    Limit("thinking", ANTHROPIC, ("openai", "ollama"), "change", "an effort in words"),
    Limit("output_config", ANTHROPIC, ("openai", "ollama"), "change", "an effort in words, if thinking is adaptive"),
    # sampling
    Limit("max_tokens", (*OPENAI, *OLLAMA), ("anthropic",), "change", "must be given; the default is 4096"),
    Limit("temperature", (*OPENAI, *OLLAMA), ("anthropic",), "change", "at most 1, and not beside thinking"),
    Limit("top_p", (*OPENAI, *OLLAMA), ("anthropic",), "drop", "not beside thinking or temperature"),
    Limit("stop", (*CHAT, *COMPLETION, *OLLAMA), ("anthropic",), "drop", "no stop sequences of blanks only"),
    Limit("top_k", (*CHAT, *OLLAMA), ("anthropic",), "drop", "not beside thinking"),
    Limit("top_k", (*OLLAMA, *ANTHROPIC), ("openai",), "drop", "not part of this API"),
    Limit("min_p", (*CHAT, *COMPLETION, *OLLAMA), ("openai", "anthropic"), "drop", "not part of this API"),
    Limit("repeat_penalty", (*CHAT, *COMPLETION, *OLLAMA), ("openai", "anthropic"), "drop", "not part of this API"),
    Limit("seed", (*OPENAI, *OLLAMA), ("anthropic",), "drop", "sampling cannot be seeded"),
    Limit("presence_penalty", (*CHAT, *COMPLETION, *OLLAMA), ("anthropic",), "drop", "no penalties"),
    Limit("frequency_penalty", (*CHAT, *COMPLETION, *OLLAMA), ("anthropic",), "drop", "no penalties"),
    Limit("logit_bias", (*CHAT, *COMPLETION), ("ollama", "anthropic"), "drop", "tokens cannot be biased"),
    Limit("logprobs", (*CHAT, *COMPLETION, *OLLAMA), ALL, "drop", "log probabilities are not translated"),
    Limit("top_logprobs", (*CHAT, *RESPONSES, *OLLAMA), ALL, "drop", "log probabilities are not translated"),
    Limit("options", OLLAMA, ("openai", "anthropic"), "drop", "options of the model's runner"),
    Limit("keep_alive", OLLAMA, ("openai", "anthropic"), "drop", "the server decides how long a model stays loaded"),
    # what belongs to an account
    Limit("user", OPENAI, ("ollama",), "drop", "callers are not told apart"),
    Limit("metadata", CHAT, ("ollama", "anthropic"), "drop", "nothing is stored"),
    Limit("metadata", ANTHROPIC, ("ollama",), "drop", "callers are not told apart"),
    Limit("store", CHAT, ("ollama", "anthropic"), "drop", "nothing is stored"),
    Limit("service_tier", (*CHAT, *ANTHROPIC), ALL, "drop", "tiers are one provider's own"),
    # Responses as a chat: `openai_fields: true` among a server's quirks sends it the first seven
    *(Limit(name, RESPONSES, ALL, "drop", reason) for name, reason in OPENAI_FIELDS.items()),
    Limit("include", RESPONSES, ALL, "drop", "log probabilities, sources and encrypted thoughts are not translated"),
    Limit("truncation", RESPONSES, ALL, "drop", "a conversation that is too long is an error of the server's"),
    Limit("max_tool_calls", RESPONSES, ALL, "drop", "it counts calls of tools that OpenAI runs"),
    Limit("reasoning.summary", RESPONSES, ALL, "drop", "thoughts are shown as the server tells them"),
    Limit("input.web_search_call", RESPONSES, ALL, "drop", "what a provider's own tools did in earlier turns"),
    Limit(
        "previous_response_id", RESPONSES, ALL, "refuse", "earlier answers are not stored; send the whole conversation"
    ),
    Limit("conversation", RESPONSES, ALL, "refuse", "conversations are not stored; send the messages"),
    Limit("background", RESPONSES, ALL, "refuse", "answers are given at once"),
    Limit("prompt", RESPONSES, ALL, "refuse", "stored prompts are one provider's own"),
    Limit("mcp_servers", ANTHROPIC, ("openai", "ollama"), "refuse", "tools that the provider runs"),
    Limit("container", ANTHROPIC, ("openai", "ollama"), "refuse", "containers are one provider's own"),
)


# Defaults that many clients write out: leaving them out loses nothing.
DEFAULTS: Final[Mapping[str, Any]] = {
    "n": 1,
    "best_of": 1,
    "echo": False,
    "logprobs": False,
    "store": False,
    "background": False,
    "truncation": "disabled",
    "service_tier": "auto",
    "text.verbosity": "medium",
    "metadata": {},
    "include": [],
    "raw": False,
    "modalities": ["text"],
    "tool_calls": [],
    "mcp_servers": [],
    "suffix": "",
    "template": "",
    "context": [],
    "format": "",
    "annotations": [],
}


def says_nothing(name: str, value: Any) -> bool:
    """Whether the value is null or the field's default; false is not 0."""
    default = DEFAULTS.get(name)
    return value is None or (type(value) is type(default) and value == default)


@dataclass(slots=True)
class Notes:
    """Gathers what one translation loses: one warning for each field, wherever it stands."""

    origin: FormatName
    target: DialectName
    _places: dict[str, dict[str, str]] = field(default_factory=dict)  # place without numbers -> place -> what of it

    @property
    def warnings(self) -> list[str]:
        """The warnings. Each names the first place of its field and counts the others, as conversations are long."""
        out = []
        for places in self._places.values():
            where, what = next(iter(places.items()))
            out.append(f"{where}{f' (and {len(places) - 1} more)' if len(places) > 1 else ''} {what}")
        return out

    def lose(self, name: str, where: str | None = None) -> None:
        """Raise Untranslatable, or note a warning, for a field that the target lacks, as the table has it.

        `name` is the field in the table's spelling, `where` the place in this very request.
        """
        limit = limit_for(name, self.origin, self.target)
        if limit is None:
            self._warn(where or name, f"was dropped: the {self.target} dialect has no place for it")
        elif limit.treatment == "refuse":
            raise Untranslatable(where or name, limit.reason, self.target)
        else:
            is_left_out = limit.treatment == "drop"
            what = f"was {'dropped' if is_left_out else 'changed'} for the {self.target} dialect: {limit.reason}"
            self._warn(where or name, what)

    def lose_all(self, extras: Mapping[str, Any], prefix: str = "", place: str = "") -> None:
        """Call `lose` for every member of `extras`, but for nulls and defaults."""
        for key, value in extras.items():
            if key == "options" and isinstance(value, dict):
                for name in value:
                    self.lose("options", f"options.{name}")
            elif not says_nothing(key, value):
                self.lose(prefix + key, place + key if place else None)

    def drop(self, name: str, reason: str) -> None:
        """Warn of a field that this server refuses, although its dialect has it."""
        self._warn(name, f"was dropped for this server: {reason}")

    def change(self, name: str, reason: str) -> None:
        """Warn of a field that was changed because this model refuses it as it was."""
        self._warn(name, f"was changed for this model: {reason}")

    def _warn(self, where: str, what: str) -> None:
        self._places.setdefault(NUMBER.sub("", where), {}).setdefault(where, what)


def limit_for(name: str, origin: FormatName, target: DialectName) -> Limit | None:
    """The row for a field of the origin's format towards a target, None if no row names it."""
    rows = (row for row in LIMITS if row.field == name and origin in row.formats and target in row.targets)
    return next(rows, None)
