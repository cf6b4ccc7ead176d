"""Names and ids that the target refuses: others in the request, the client's own in the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.dialects.codecs import CHAT_FORMATS, CODECS
from switchman.addons.core.dialects.neutral.assembling import assemble, tell
from switchman.addons.core.dialects.neutral.fitting.names import fitting_id, fitting_name
from switchman.addons.core.dialects.neutral.form import Choice, FormatName, Reply, Stamp, ToolCall
from switchman.addons.core.dialects.translate import Outbound, as_stream, decode_event
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.streams.events import Event
from switchman.addons.core.streams.framing.ndjson import NDJSONSplitter
from switchman.addons.core.streams.framing.sse import SSESplitter

Translate = Callable[..., Outbound]
LONG = "mcp__" + "a_very_long_name_of_a_server_" * 3
ODD = "files.read/all"
ID = "fc_" + "0f0e50a1476a6c35006912c58dc9f8819192c25864eb16f07f"
SERVERS: tuple[DialectName, ...] = ("openai", "anthropic")


@pytest.mark.parametrize(
    ("name", "fits"),
    [("f", True), ("a" * 64, True), ("a" * 65, False), ("a.b", False), ("a b", False), ("é", False), ("$web", False)],
)
def test_a_name_is_itself_where_it_fits(name: str, fits: bool) -> None:
    """Else one of letters, digits, _ and - that ends in a checksum, the same each time; and it fits then."""
    fitted = fitting_name(name)
    assert (fitted == name) is fits
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", fitted)
    assert fitting_name(name) == fitted == fitting_name(fitted)


def test_two_names_never_become_one() -> None:
    """Neither by their signs, nor by their beginnings."""
    names = ["a.b", "a_b", "a/b", "a" * 65, "a" * 66, "a" * 64]
    assert len({fitting_name(name) for name in names}) == len(names)
    ids = ["f:0", "f_0", "f.0", "x" * 70, "x" * 71]
    assert len({fitting_id(id, "anthropic") for id in ids}) == len(ids)


@pytest.mark.parametrize("name", ["1st", "-x", "1.st", "9" * 70])
def test_gemini_wants_a_letter_first(name: str) -> None:
    """Or `_`; the others do not."""
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}", fitting_name(name, letter_first=True))
    assert fitting_name("a1", letter_first=True) == "a1"
    assert fitting_name("1st") == "1st"


@pytest.mark.parametrize(
    ("id", "target", "fitted"),
    [
        ("a" * 40, "openai", "a" * 40),
        ("a" * 41, "openai", f"{'a' * 31}_a37a318e"),
        ("functions.f:0", "openai", "functions.f:0"),
        ("functions.f:0", "anthropic", "functions_f_0_b9a7d792"),
        ("a" * 64, "anthropic", "a" * 64),
        ("a" * 90, "ollama", "a" * 90),
    ],
)
def test_an_id_is_made_to_fit_its_target(id: str, target: DialectName, fitted: str) -> None:
    """OpenAI looks at its length, Anthropic at its signs too, Ollama at neither."""
    assert fitting_id(id, target) == fitted


def body(client: FormatName, name: str, id: str = "c1") -> dict[str, Any]:
    """Two tools, the choice of the first one, a call of it and its result."""
    schema = {"type": "object", "properties": {}}
    user = {"role": "user", "content": "Hi."}
    functions = [{"type": "function", "function": {"name": n, "parameters": schema}} for n in (name, "g")]
    call = {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}
    match client:
        case "openai.chat":
            result = {"role": "tool", "tool_call_id": id, "content": "1"}
            choice = {"type": "function", "function": {"name": name}}
            messages = [user, {"role": "assistant", "content": None, "tool_calls": [call]}, result]
            return {"messages": messages, "tools": functions, "tool_choice": choice}
        case "openai.responses":
            called = {"type": "function_call", "call_id": id, "name": name, "arguments": "{}"}
            items = [user, called, {"type": "function_call_output", "call_id": id, "output": "1"}]
            tools = [{"type": "function", "name": n, "parameters": schema} for n in (name, "g")]
            return {"input": items, "tools": tools, "tool_choice": {"type": "function", "name": name}}
        case "ollama.chat":
            called = {"id": id, "function": {"name": name, "arguments": {}}}
            result = {"role": "tool", "tool_name": name, "tool_call_id": id, "content": "1"}
            return {
                "messages": [user, {"role": "assistant", "content": "", "tool_calls": [called]}, result],
                "tools": functions,
            }
        case _:
            used = {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": name, "input": {}}]}
            result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "1"}]}
            tools = [{"name": n, "input_schema": schema} for n in (name, "g")]
            return {
                "max_tokens": 9,
                "messages": [user, used, result],
                "tools": tools,
                "tool_choice": {"type": "tool", "name": name},
            }


CLIENTS: tuple[FormatName, ...] = ("openai.chat", "openai.responses", "ollama.chat", "anthropic.messages")
PAIRS = [
    pytest.param(client, server, id=f"{client}-{server}")
    for client in CLIENTS
    for server in SERVERS
    if CODECS[client].dialect != server or client == "openai.responses"
]


def sent_names(out: Outbound, server: DialectName) -> list[str]:
    """The names of the tools, in the choice, and of the call."""
    tools = [tool["name"] if server == "anthropic" else tool["function"]["name"] for tool in out.body["tools"]]
    choice = out.body.get("tool_choice")
    chosen = [] if not choice else [choice["name"] if server == "anthropic" else choice["function"]["name"]]
    called = out.body["messages"][1]
    if server == "anthropic":
        return [*tools, *chosen, called["content"][0]["name"]]
    return [*tools, *chosen, called["tool_calls"][0]["function"]["name"]]


def sent_ids(out: Outbound, server: DialectName) -> list[str]:
    _, called, result = out.body["messages"]
    if server == "anthropic":
        return [called["content"][0]["id"], result["content"][0]["tool_use_id"]]
    return [called["tool_calls"][0]["id"], result["tool_call_id"]]


@pytest.mark.parametrize("name", [LONG, ODD], ids=["long", "odd"])
@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_a_name_is_sent_as_the_target_takes_it_and_comes_back_as_the_client_has_it(
    client: FormatName, server: DialectName, name: str, translate: Translate
) -> None:
    """In tools, choice and history; in the answer as a whole, as a stream, and as a stream of a whole answer."""
    out = translate(CODECS[client].path, {"model": "m", **body(client, name)}, server)
    fitted, *others = dict.fromkeys(sent_names(out, server))
    assert fitted == fitting_name(name) and others == ["g"]
    assert any("tools" in line and "64 letters" in line for line in out.warnings)
    target = CHAT_FORMATS[server]
    calls = (ToolCall("t1", fitted, '{"a":1}'), ToolCall("t2", "g", "{}"))
    answer = Reply("r", "m", (Choice(0, calls, "tool_calls"),))
    stamp = Stamp("x", 0.0, "m")
    obj = json.loads(json.dumps(CODECS[target].encode_reply(answer, stamp)))
    assert called(CODECS[client].decode_reply(out.answer.whole(obj))) == [name, "g"]
    stage = out.answer.stage()
    pieces = [piece.raw for event in events(as_stream(answer, target, stamp), server) for piece in stage.feed(event)]
    pieces += [piece.raw for piece in stage.end()]
    for stream in (b"".join(pieces), out.answer.whole_as_stream(obj)):
        decoder = CODECS[client].decoder()
        dialect = CODECS[client].dialect
        items = [item for event in events(stream, dialect) for item in decode_event(decoder, event)]
        assert called(assemble(items)) == [name, "g"]


def events(stream: bytes, dialect: DialectName) -> list[Event]:
    splitter = NDJSONSplitter() if dialect == "ollama" else SSESplitter()
    return [*splitter.feed(stream), *splitter.end()]


def called(reply: Reply) -> list[str]:
    return [part.name for part in reply.choices[0].parts if isinstance(part, ToolCall)]


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_an_id_is_sent_as_the_target_takes_it(client: FormatName, server: DialectName, translate: Translate) -> None:
    """The same for the call and its result."""
    for id in (ID, "functions.f:0", "a" * 90):
        out = translate(CODECS[client].path, {"model": "m", **body(client, "f", id)}, server)
        assert sent_ids(out, server) == [fitting_id(id, server)] * 2


def test_a_tool_in_a_namespace_comes_back_in_it(translate: Translate) -> None:
    """Its function's name is made of both, and may not fit either."""
    space = {
        "type": "namespace",
        "name": "mcp.files",
        "tools": [{"type": "function", "name": "read", "parameters": {}}],
    }
    out = translate("/v1/responses", {"model": "m", "input": "Hi.", "tools": [space]}, "openai")
    (tool,) = out.body["tools"]
    call = ToolCall("c", tool["function"]["name"], "{}")
    reply = CODECS["openai.chat"].encode_reply(
        Reply("r", "m", (Choice(0, (call,), "tool_calls"),)), Stamp("x", 0.0, "m")
    )
    (item,) = out.answer.whole(reply)["output"]
    assert (item["namespace"], item["name"]) == ("mcp.files", "read")
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", tool["function"]["name"])


def test_ollama_gets_every_name_as_it_is(translate: Translate) -> None:
    """It refuses none; and what fits is sent to the others without a word."""
    out = translate("/v1/messages", {"model": "m", **body("anthropic.messages", LONG)}, "ollama")
    assert out.body["tools"][0]["function"]["name"] == LONG
    for client, server in (("openai.chat", "anthropic"), ("anthropic.messages", "openai")):
        out = translate(CODECS[client].path, {"model": "m", **body(client, "f")}, server)  # type: ignore[index, arg-type]
        assert not any("64 letters" in line for line in out.warnings)
    assert list(tell(Reply("", "", ())))  # a reply without choices is told too
