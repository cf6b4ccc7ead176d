"""Replies recorded from real providers, told to every kind of client. RECORDED_STREAMS names their folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.core.dialects.codecs import CODECS
from switchman.addons.core.dialects.framing import dump, sse
from switchman.addons.core.dialects.neutral.assembling import assemble
from switchman.addons.core.dialects.neutral.fields import arguments_object
from switchman.addons.core.dialects.neutral.form import FormatName, Reply, Stamp, StreamEvent, Text, Thinking, ToolCall

FOLDER = Path(os.environ.get("RECORDED_STREAMS") or "/nonexistent")
STREAMS = sorted(FOLDER.glob("*/*.chunks.txt"))
WHOLES = sorted(path for path in FOLDER.glob("*/*.json") if "error" not in path.name)
CLIENTS: list[FormatName] = ["openai.chat", "openai.responses", "ollama.chat", "anthropic.messages"]
STAMP = Stamp("abc123", 1_700_000_000.0, "client-model", include_usage=True)

pytestmark = pytest.mark.skipif(not STREAMS, reason="RECORDED_STREAMS names no folder of recordings")


def format_of(path: Path) -> FormatName:
    if "completion-text" in path.name:
        return "openai.completion"
    formats: dict[str, FormatName] = {
        "openai": "openai.chat",
        "responses": "openai.responses",
        "anthropic": "anthropic.messages",
    }
    return formats[path.parent.name]


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.name.split('.')[0]}"


def replies_of(path: Path) -> list[list[StreamEvent]]:
    """The internal events of each reply of a recording; one file may hold several replies, one after the other."""
    replies: list[list[StreamEvent]] = []
    for text in path.read_text().splitlines():
        if not text.strip():
            continue
        data = json.loads(text)
        if not replies or data.get("type") in ("message_start", "response.created"):
            decoder = CODECS[format_of(path)].decoder()
            replies.append([])
        replies[-1] += decoder.feed(data)
    for events in replies:
        events += decoder.done()
    return replies


def expected(reply: Reply, words: dict[str, str]) -> dict[str, Any]:
    """What a client has to see of a reply."""
    choice = reply.choices[0]
    usage = reply.usage
    return {
        "text": "".join(part.text for part in choice.parts if isinstance(part, Text)),
        "thinking": "".join(part.text for part in choice.parts if isinstance(part, Thinking)),
        "calls": [(p.name, arguments_object(p.arguments)) for p in choice.parts if isinstance(p, ToolCall)],
        "finish": words[choice.finish or "stop"],
        "input": usage and usage.input,
        "output": usage and usage.output,
        "cached": usage and usage.cached,
        "reasoning": usage and usage.reasoning,
    }


def assert_seen(seen: Any, reply: Reply, words: dict[str, str], client: FormatName) -> None:
    wanted = expected(reply, words)
    got = {name: getattr(seen, name) for name in wanted}
    if client == "ollama.chat":  # has no place for these counts
        del wanted["cached"], wanted["reasoning"]
    if client in ("anthropic.messages", "openai.responses"):  # these formats demand numbers
        wanted |= {name: wanted[name] or 0 for name in ("input", "output")}
    for name in ("input", "output", "cached", "reasoning"):
        if name in wanted and client != "openai.chat":
            wanted[name], got[name] = wanted[name] or 0, got[name] or 0
    assert {name: got[name] for name in wanted} == wanted


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("path", STREAMS, ids=name_of)
def test_every_recorded_stream_is_the_same_message_for_every_client(
    path: Path, client: FormatName, judges: Any
) -> None:
    """The client's own accumulation gives the recording's text, reasoning, calls, finish reason and usage."""
    for events in replies_of(path):
        encoder = CODECS[client].encoder(STAMP)
        body = b"".join(encoder.feed(event) for event in events) + encoder.end()
        if any(type(event).__name__ == "Failed" for event in events):
            with pytest.raises(Exception, match="You exceeded your current quota"):
                judges[client].stream(body)
        else:
            assert_seen(judges[client].stream(body), assemble(events), judges[client].finishes, client)


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("path", WHOLES, ids=name_of)
def test_every_recorded_reply_is_the_same_message_for_every_client(path: Path, client: FormatName, judges: Any) -> None:
    """The same for replies in one piece."""
    reply = CODECS[format_of(path)].decode_reply(json.loads(path.read_text()))
    body = dump(CODECS[client].encode_reply(reply, STAMP))
    assert_seen(judges[client].whole(body), reply, judges[client].finishes, client)


def test_something_is_read_from_every_recording() -> None:
    """A recording that gives no text, thought, call or error would make the tests above say nothing."""
    silent = [
        name_of(path)
        for path in STREAMS
        for events in replies_of(path)
        if not any(type(event).__name__ in ("TextDelta", "ThinkingDelta", "ToolDelta", "Failed") for event in events)
    ]
    # one is a refusal without a word; in the others all there is are tools of OpenAI's own kinds
    assert set(silent) <= {"anthropic/anthropic-refusal", "responses/openai-custom-tool"}


# What the clients themselves cannot read of the raw recordings: content in parts (Mistral), chunks without a call's
# index or type (Mistral) or without `object` (Moonshot), usage without reasoning (xAI), several replies in one file,
# gaps in the sequence (phase: the recording was shortened), tools of other kinds.
UNREADABLE = (
    "mistral-reasoning",
    "mistral-tool-call",
    "mistral-incremental",
    "moonshotai",
    "xai",
    "encrypted-content",
    "phase",
    "custom-tool",
)


@pytest.mark.parametrize(
    "path", [path for path in STREAMS if not any(word in path.name for word in (*UNREADABLE, "error"))], ids=name_of
)
def test_a_client_sees_the_same_with_and_without_us(path: Path, judges: Any) -> None:
    """The provider's own client reads the raw recording, and the recording decoded and encoded again, alike."""
    judge = judges[format_of(path)]
    events = [json.loads(text) for text in path.read_text().splitlines() if text.strip()]
    named = format_of(path) in ("anthropic.messages", "openai.responses")
    raw = b"".join(sse(event, event["type"] if named else "") for event in events)
    encoder = CODECS[format_of(path)].encoder(STAMP)
    (told,) = replies_of(path)
    again = b"".join(encoder.feed(event) for event in told) + encoder.end()
    assert _plain(judge.stream(again)) == _plain(judge.stream(raw))


def _plain(seen: Any) -> dict[str, Any]:
    """0 and not told are the same here: formats differ in what they demand."""
    return {name: value or None for name, value in vars(seen).items()}
