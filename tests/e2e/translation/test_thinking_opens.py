"""Models whose template opens the thinking block: `thoughts</think>answer`, in all dialects."""

from __future__ import annotations

from threading import Event
from typing import Any

import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream, ToolCall

THOUGHTS, ANSWER = "Let me see.\nIt is <b>.\n", "Grüezi 🚀"
PIECES = ["Let me", " see.\n", "It is <b>", ".\n</th", "ink>\n\n", "Grü", "ezi 🚀"]
ORPHAN = Behaviour(pieces=PIECES)
OPEN = Behaviour(pieces=["No", " thought", " at all."])
HM = "Hm, say </think>."
R1 = "deepseek-r1"

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
modes = pytest.mark.parametrize("mode", ["strip", "reasoning"])


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstreams: dict[str, FakeUpstream]) -> Any:
    """Each server twice: thoughts are removed, or moved; and as the rules say it of their models."""
    lines = ["keepalive: {after: 0.1}", "servers:"]
    for name, up in upstreams.items():
        for mode in ("strip", "reasoning"):
            server = f'url: "{up.url}", dialect: {name}, thinking_output: {mode}'
            lines.append(f"  {name}-{mode}: {{{server}}}")
            lines.append(f"  {name}-{mode}-opens: {{{server}, thinking_opens: true}}")
            lines.append(f"  {name}-{mode}-never: {{{server}, thinking_opens: false}}")
    return start_shared("\n".join([*lines, ""]))


def ask(client: Any, model: str, stream: bool, **more: Any) -> Any:
    limit = {"max_tokens": 999} if client.name == "anthropic" else {}
    body = {"messages": [{"role": "user", "content": "Hi."}], **limit, **more}
    return client.stream(model, body) if stream else client.whole(model, body)


def thoughts_of(mode: str, upstream: FakeUpstream) -> str:
    """What a client sees of them: a text block of Anthropic's has no place for thoughts beside it."""
    return THOUGHTS if mode == "reasoning" and upstream.dialect != "anthropic" else ""


@both_ways
@modes
def test_the_answer_is_what_follows_the_closer(mode: str, stream: bool, client: Any, upstream: FakeUpstream) -> None:
    """By the model's name, and by the key; the text is the same whole and streamed."""
    for model in (f"{upstream.dialect}-{mode}/{R1}", f"{upstream.dialect}-{mode}-opens/any"):
        upstream.script([ORPHAN])
        seen = ask(client, model, stream)
        assert (seen.text, seen.thinking) == (ANSWER, thoughts_of(mode, upstream)), model
        assert seen.finish == client.finishes["stop"]


@both_ways
@modes
def test_a_reply_without_a_closer_loses_nothing(mode: str, stream: bool, client: Any, upstream: FakeUpstream) -> None:
    """Its text is text; so it is before a tool's call, which stays behind it."""
    model = f"{upstream.dialect}-{mode}-opens/any"
    upstream.script([OPEN, Behaviour(text="I look.", tool_calls=[ToolCall("f", {"a": 1})])])
    assert ask(client, model, stream).text == "No thought at all."
    seen = ask(client, model, stream)
    assert (seen.text, seen.calls, seen.finish) == ("I look.", [("f", {"a": 1})], client.finishes["tool_calls"])


@both_ways
@modes
def test_what_the_key_denies_is_text(mode: str, stream: bool, client: Any, upstream: FakeUpstream) -> None:
    """Whatever the model is called, whole and streamed alike."""
    upstream.script([ORPHAN])
    seen = ask(client, f"{upstream.dialect}-{mode}-never/{R1}", stream)
    assert (seen.text, seen.thinking) == ("".join(PIECES), "")


@both_ways
@modes
def test_a_reply_that_opens_the_block_itself_is_as_ever(
    mode: str, stream: bool, client: Any, upstream: FakeUpstream
) -> None:
    """As servers do it whose template leaves that to the model."""
    upstream.script([Behaviour(pieces=["<th", "ink>\nhm\n</thi", "nk>\n\n", "Say ", "</think>."])])
    seen = ask(client, f"{upstream.dialect}-{mode}-opens/any", stream)
    moved = "\nhm\n" if thoughts_of(mode, upstream) else ""
    assert (seen.text, seen.thinking) == ("Say </think>.", moved)


@both_ways
@modes
def test_a_server_that_separates_thoughts_is_left_alone(
    mode: str, stream: bool, client: Any, upstream: FakeUpstream
) -> None:
    """Its text is text, even with a closer in it, and its thoughts are its thoughts."""
    upstream.script([Behaviour(reasoning="hm", pieces=["Say ", "</think>", "."])])
    seen = ask(client, f"{upstream.dialect}-{mode}-opens/any", stream)
    assert (seen.text, seen.thinking) == ("Say </think>.", "hm")


@modes
def test_a_server_teaches_what_its_template_does(mode: str, client: Any, upstream: FakeUpstream, proxy: Any) -> None:
    """The first orphan passes; from then on there is none, until a reply comes without one."""
    model = f"{upstream.dialect}-{mode}/learned-by-{client.name}"
    upstream.script([ORPHAN, ORPHAN, ORPHAN, OPEN])
    assert ask(client, model, stream=True).text == "".join(PIECES)
    row = recorded(client, proxy)
    assert not [line for line in row["trace"] if line["layer"] == "thinking"]
    for _ in range(2):
        seen = ask(client, model, stream=True)
        assert (seen.text, seen.thinking) == (ANSWER, thoughts_of(mode, upstream))
        row = recorded(client, proxy)
    (line,) = [line for line in row["trace"] if line["layer"] == "thinking"]
    assert f"learned-by-{client.name}'s template opens its thinking (an earlier reply began so)" in line["detail"]
    assert ask(client, model, stream=True).text == "No thought at all."
    recorded(client, proxy)
    assert first_comes_at_once(client, upstream, model) == "No"


@pytest.mark.parametrize("name", ["deepseek-r1", "qwq"])
def test_a_family_is_left_alone_where_it_turns_out_not_to_be_so(
    name: str, client: Any, upstream: FakeUpstream, proxy: Any
) -> None:
    """A server with another template: one reply is held, and none after it; an orphan brings it back."""
    model = f"{upstream.dialect}-strip/{client.name}-{name}"
    upstream.script([OPEN])
    assert ask(client, model, stream=True).text == "No thought at all."
    recorded(client, proxy)
    assert first_comes_at_once(client, upstream, model) == "No"
    upstream.script([ORPHAN, ORPHAN])
    assert ask(client, model, stream=False).text == ANSWER
    recorded(client, proxy)
    assert ask(client, model, stream=True).text == ANSWER


def recorded(client: Any, proxy: Any) -> Any:
    """The row of the last answer: once it is written, all hooks have seen its end."""
    return proxy.row(id=client.headers["x-switchman-request-id"])


def first_comes_at_once(client: Any, upstream: FakeUpstream, model: str) -> str:
    """The first text, of a stream whose server says no more until the client has left."""
    upstream.script([Behaviour(pieces=["No", " thought"], stall_after=4 if upstream.dialect == "anthropic" else 2)])
    limit = {"max_tokens": 999} if client.name == "anthropic" else {}
    found: str = client.leave(model, {"messages": [{"role": "user", "content": "Hi."}], **limit})
    return found


def test_other_models_are_never_held(client: Any, upstream: FakeUpstream) -> None:
    """The first word of a model that nobody knows is with the client while the server still thinks of the second."""
    assert first_comes_at_once(client, upstream, f"{upstream.dialect}-strip/unheard-of") == "No"
    assert first_comes_at_once(client, upstream, f"{upstream.dialect}-strip-never/{R1}") == "No"


@pytest.mark.parametrize("pinged", ["openai", "anthropic"])
def test_a_client_of_a_held_stream_gets_pings(pinged: str, upstream: FakeUpstream, proxy: Any, clients: Any) -> None:
    """While the server talks and the client hears nothing of it; where thoughts are moved, it hears those at once."""
    resume = Event()
    upstream.script([Behaviour(pieces=PIECES, stall_after=5, resume=resume)])
    limit = {"max_tokens": 999} if pinged == "anthropic" else {}
    body = {"model": f"{upstream.dialect}-strip/{R1}", "messages": [{"role": "user", "content": "Hi."}], **limit}
    url, ping = proxy.url + clients[pinged].path, b": ping" if pinged == "openai" else b"event: ping"
    got, more = b"", {"headers": {"anthropic-version": "2023-06-01"}, "timeout": 30, "trust_env": False}
    with httpx.stream("POST", url, json={**body, "stream": True}, **more) as answer:  # type: ignore[arg-type]
        for piece in answer.iter_bytes():
            got += piece
            if got.count(ping) >= 2:
                resume.set()
    assert b"Let me" not in got and "ezi 🚀".encode() in got
    resume.set()


def test_moved_thoughts_come_at_once(upstreams: dict[str, FakeUpstream], proxy: Any) -> None:
    """The first one is with the client before the second is thought."""
    for upstream in (upstreams["openai"], upstreams["ollama"]):
        resume = Event()
        upstream.script([Behaviour(pieces=PIECES, stall_after=2, resume=resume)])
        body = {"model": f"{upstream.dialect}-reasoning/{R1}", "messages": [{"role": "user", "content": "Hi."}]}
        url, got = f"{proxy.url}/v1/chat/completions", b""
        with httpx.stream("POST", url, json={**body, "stream": True}, timeout=30, trust_env=False) as answer:
            for piece in answer.iter_bytes():
                got += piece
                if b'"reasoning_content":"Let me"' in got.replace(b": ", b":"):
                    resume.set()
        assert resume.is_set() and "ezi 🚀".encode() in got


def test_a_request_not_to_think_is_not_held(upstreams: dict[str, FakeUpstream], proxy: Any, clients: Any) -> None:
    """Its template closes the block itself; a family that always thinks, and the key, are held all the same."""
    for client, off in (
        (clients["ollama"], {"think": False}),
        (clients["anthropic"], {"thinking": {"type": "disabled"}}),
    ):
        upstream = upstreams[client.name]
        upstream.script([ORPHAN, ORPHAN, ORPHAN])
        assert ask(client, f"{client.name}-strip/qwen3.5:{client.name}", True, **off).text == "".join(PIECES)
        assert ask(client, f"{client.name}-strip/{R1}:{client.name}", True, **off).text == ANSWER
        assert ask(client, f"{client.name}-strip-opens/qwen3.5", True, **off).text == ANSWER
