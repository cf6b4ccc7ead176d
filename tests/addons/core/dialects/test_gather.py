"""A stream that nobody asked for is put together again: the server's reply as it would have been in one piece."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.dialects.codecs import CODECS
from switchman.addons.core.dialects.neutral.assembling import tell
from switchman.addons.core.dialects.neutral.form import (
    Choice,
    FormatName,
    Reply,
    Stamp,
    Text,
    Thinking,
    ToolCall,
    Usage,
)
from switchman.addons.core.dialects.translate import ChatTranslation, EmbeddingTranslation, StreamFailed

STAMP = Stamp("abc", 1_700_000_000.0, "m", include_usage=True)
SERVERS: list[FormatName] = ["openai.chat", "ollama.chat", "anthropic.messages"]
PARTS = (Thinking("Hm."), Text("Grüezi."), ToolCall("call_1", "weather", '{"city":"Bern"}'))
REPLY = Reply("id_1", "m", (Choice(0, PARTS, "tool_calls"),), Usage(11, 7), 1_700_000_000.0)
servers = pytest.mark.parametrize("server", SERVERS)


def stream(server: FormatName) -> bytes:
    encoder = CODECS[server].encoder(STAMP)
    return b"".join(encoder.feed(event) for event in tell(REPLY))


def gather(server: FormatName, data: bytes) -> dict[str, Any]:
    return ChatTranslation("openai.chat", server, STAMP).gather(data, "ndjson" if server == "ollama.chat" else "sse")


@servers
def test_the_reply_is_what_it_would_have_been_whole(server: FormatName) -> None:
    """Thoughts, text, calls, finish reason and usage, in the server's own format."""
    whole = CODECS[server].encode_reply(REPLY, STAMP)
    decode = CODECS[server].decode_reply
    assert decode(gather(server, stream(server))) == decode(whole)


@servers
def test_a_stream_that_is_cut_is_no_reply(server: FormatName) -> None:
    """At no place before the finish reason: half an answer never looks like a whole one."""
    data = stream(server)
    events = data.split(b"\n" if server == "ollama.chat" else b"\n\n")
    ends = {"openai.chat": b'finish_reason":"', "ollama.chat": b'"done":true', "anthropic.messages": b'stop_reason":"'}
    last = next(index for index, event in enumerate(events) if ends[server] in event)
    for count in range(last):
        with pytest.raises(StreamFailed):
            gather(server, b"\n\n".join([*events[:count], b""]))


@servers
def test_an_error_within_the_stream_is_raised(server: FormatName) -> None:
    """With the server's message."""
    error = json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "Too busy."}})
    line = error if server == "ollama.chat" else f"event: error\ndata: {error}\n"
    with pytest.raises(StreamFailed, match="Too busy") as failed:
        gather(server, stream(server)[:0] + line.encode() + b"\n")
    assert failed.value.failed.status == 529


def test_embeddings_are_never_streamed() -> None:
    """A server that tries is at fault."""
    with pytest.raises(StreamFailed):
        EmbeddingTranslation("openai.embedding", "ollama", STAMP, False).gather(b"{}\n", "ndjson")
