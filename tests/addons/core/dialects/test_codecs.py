"""The table of formats: what one column says of a format, the others say too."""

from __future__ import annotations

import pytest

from switchman.addons.core.dialects import WIRES, endpoint_of, framing_of
from switchman.addons.core.dialects.codecs import (
    CHAT_FORMATS,
    CODECS,
    FORMATS,
    PROMPT_FORMATS,
    target_format,
)
from switchman.addons.core.dialects.neutral.form import FormatName, Request, Stamp
from switchman.addons.core.dialects.neutral.limits import Malformed, Notes
from switchman.addons.core.dialects.neutral.sampling import STANDARD
from switchman.addons.core.request.call import DialectName

NAMES: list[FormatName] = list(CODECS)


@pytest.mark.parametrize("name", NAMES)
def test_a_formats_path_is_its_own(name: FormatName) -> None:
    """A request to it is read as this format again, and its stream is cut as its dialect cuts streams."""
    codec = CODECS[name]
    endpoint = endpoint_of("POST", codec.path)
    assert endpoint is not None and endpoint.path == codec.path
    assert FORMATS[(endpoint.dialect, endpoint.operation)] == name
    assert codec.dialect == endpoint.dialect
    assert framing_of(codec.stream_type) == WIRES[codec.dialect].framing


@pytest.mark.parametrize("name", NAMES)
def test_a_codec_reads_what_it_writes(name: FormatName) -> None:
    """A row that mixes two formats up would not know its own origin, or write a reply it cannot read."""
    codec = CODECS[name]
    field = {"openai.responses": "input", "openai.completion": "prompt", "ollama.generate": "prompt"}.get(name)
    body = {"model": "m", **({field: "hi"} if field else {"messages": [{"role": "user", "content": "hi"}]})}
    request = codec.decode_request(body)
    assert (request.origin, request.model, request.messages[0].text()) == (name, "m", "hi")
    if codec.encode_request is not None:
        assert codec.encode_request(request, Notes(name, codec.dialect), STANDARD) == body
    reply = codec.decode_reply(codec.encode_reply(codec.decode_reply({}), Stamp("abc", 5.0, "m")))
    assert (reply.model, reply.usage and reply.usage.reasoning) == ("m", None)


@pytest.mark.parametrize("name", ["openai.chat", "openai.responses", "ollama.chat", "anthropic.messages"])
def test_a_conversation_without_messages_is_malformed(name: FormatName) -> None:
    """The error names the member that is missing."""
    with pytest.raises(Malformed, match="input" if name == "openai.responses" else "messages"):
        CODECS[name].decode_request({"model": "m"})


def test_responses_are_never_written() -> None:
    """No server is sent them in translation, and every other format can be."""
    assert [name for name in NAMES if CODECS[name].encode_request is None] == ["openai.responses"]
    assert "openai.responses" not in {*CHAT_FORMATS.values(), *PROMPT_FORMATS.values()}


@pytest.mark.parametrize("server", ["openai", "ollama", "anthropic"])
def test_each_server_gets_a_format_of_its_dialect(server: DialectName) -> None:
    """For a conversation and for a prompt."""
    assert CODECS[CHAT_FORMATS[server]].dialect == CODECS[PROMPT_FORMATS[server]].dialect == server


@pytest.mark.parametrize(
    ("request_", "formats"),
    [
        pytest.param(Request("ollama.generate", "m", ()), CHAT_FORMATS, id="generate"),
        pytest.param(Request("ollama.generate", "m", (), raw=True), PROMPT_FORMATS, id="raw"),
        pytest.param(Request("ollama.generate", "m", (), suffix="s"), PROMPT_FORMATS, id="a-gap"),
        pytest.param(Request("ollama.generate", "m", (), suffix=""), PROMPT_FORMATS, id="a-gap-at-the-end"),
        pytest.param(Request("openai.completion", "m", (), raw=True), PROMPT_FORMATS, id="completion"),
        pytest.param(Request("anthropic.messages", "m", ()), CHAT_FORMATS, id="messages"),
    ],
)
def test_a_raw_prompt_and_a_gap_are_no_conversation(request_: Request, formats: dict[DialectName, FormatName]) -> None:
    """The chat template would be put around them."""
    assert {server: target_format(request_, server) for server in formats} == formats
