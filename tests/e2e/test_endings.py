"""How a stream ends when it does not end well: the upstream dies, or the client leaves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import ollama
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.broken import full_backlog
from switchman.addons.testing.rawclient import RawClient, request_bytes

TALE = Behaviour(pieces=[f"word{n} " for n in range(2000)], delay=0.02)
# Promised is a second, and an idle machine takes milliseconds. What else would end it is a deadline of 300 s.
SOON = 20.0
DEATHS = {
    "fin": Behaviour(cut_after=3),
    "rst": Behaviour(cut_after=3, cut="rst"),
    "stall": Behaviour(stall_after=3),
}
DEADLINES = {"stall": {"idle": 1.5}}  # seconds
HEADERS = [("content-type", "application/json"), ("anthropic-version", "2023-06-01")]
STREAMS = {
    "openai chat": ("openai", "/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
    "openai completions": ("openai", "/v1/completions", {"prompt": "hi"}),
    "ollama chat": ("ollama", "/api/chat", {"messages": [{"role": "user", "content": "hi"}]}),
    "ollama generate": ("ollama", "/api/generate", {"prompt": "hi"}),
    "anthropic": ("anthropic", "/v1/messages", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 99}),
}


@pytest.fixture(scope="module")
def busy() -> Iterator[str]:
    with full_backlog() as url:
        yield url


@pytest.fixture(scope="module")
def servers(upstream_factory: Callable[..., FakeUpstream]) -> dict[str, FakeUpstream]:
    return {name: upstream_factory(name, name=name) for name in ("openai", "ollama", "anthropic")}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[str, FakeUpstream], busy: str) -> Any:
    lines = [f"  {name}: '{server.url}'" for name, server in servers.items()]
    # One server for each case that fails, so that no breaker opens; their addresses are the same.
    for name, server in servers.items():
        lines += [f"  {name}-{way}: {{url: '{server.url}', timeout: {DEADLINES.get(way, {})}}}" for way in DEATHS]
    lines += [
        f"  busy: '{busy}'",
        f"  brief: {{url: '{servers['openai'].url}', timeout: {{total: 3}}}}",
    ]
    for_auto = ["cache: {exact: {ttl: 1h}}", "routes:"]
    for_auto += [f"  - {{match: {{model: auto, header: {{x-from: {n}}}}}, route: {{model: {n}/m}}}}" for n in servers]
    return start_shared("\n".join(["servers:", *lines, *for_auto, ""]))


LAST_WORDS = {"openai": b"data: [DONE]\n\n", "ollama": b'"done":true', "anthropic": b"event: message_stop\n"}


def leave_after_the_last_word(proxy: Any, stream: str, model: str) -> str:
    """Ask, read up to the event that ends the answer, and hang up; the id of the request."""
    dialect, path, body = STREAMS[stream]
    with RawClient(proxy.port) as client:
        content = json.dumps({**body, "model": model, "stream": True}).encode()
        client.send(request_bytes(path, content, headers=[*HEADERS, ("x-from", dialect)]))
        reply = client.head()
        assert reply.status == 200
        while LAST_WORDS[dialect] not in reply.body.replace(b'": ', b'":'):
            assert client.chunk(reply), f"no more after {reply.body!r}"
    name = reply.header("x-switchman-request-id")
    assert name is not None
    return name


def error_in(dialect: str, body: bytes) -> str:
    """The message of the error event that ends this stream."""
    if dialect == "ollama":
        return json.loads(body.splitlines()[-1])["error"]
    event = body.removesuffix(b"\n\n").rpartition(b"\n\n")[2].decode()
    if dialect == "anthropic":
        name, _, data = event.partition("\n")
        assert name == "event: error"
        return json.loads(data.removeprefix("data: "))["error"]["message"]
    return json.loads(event.removeprefix("data: "))["error"]["message"]


@pytest.mark.parametrize("way", DEATHS)
@pytest.mark.parametrize("stream", STREAMS)
def test_a_stream_that_dies_ends_with_an_error_event(
    stream: str, way: str, proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """After the first byte there is no switch: an error event in the dialect, a clean end, a row that says so."""
    dialect, path, body = STREAMS[stream]
    servers[dialect].script([DEATHS[way]])
    with RawClient(proxy.port) as client:
        reply = client.ask(path, {**body, "model": f"{dialect}-{way}/{stream}", "stream": True}, headers=HEADERS)
        assert reply.status == 200
        assert reply.complete, "the chunked body must end properly"
        assert error_in(dialect, reply.body)
        assert b"[DONE]" not in reply.body
        row = proxy.row(id=reply.header("x-switchman-request-id"))
        assert (row["outcome"], row["status"], row["streamed"]) == ("stream_error", 200, True)
        (attempt,) = row["attempts"]
        assert (attempt["outcome"], attempt["status"]) == ("stream", 200)
        assert row["response"] == reply.body
        # The connection has come to no harm.
        assert client.ask(path, {**body, "model": f"{dialect}/m", "stream": False}, headers=HEADERS).status == 200


@pytest.mark.parametrize("stream", STREAMS)
def test_a_server_that_dies_after_its_last_word_has_answered(
    stream: str, proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """Where only the end of the framing is missing, the client has all there is: no error, and a clean end."""
    dialect, path, body = STREAMS[stream]
    servers[dialect].script([Behaviour(), Behaviour(cut_after=9999)])
    with RawClient(proxy.port) as client:
        asked = {**body, "model": f"{dialect}/{stream}", "stream": True}
        good, cut = (client.ask(path, asked, headers=HEADERS) for _ in range(2))
    assert cut.complete
    assert len(cut.body.splitlines()) == len(good.body.splitlines())
    assert b'"error"' not in cut.body
    row = proxy.row(id=cut.header("x-switchman-request-id"))
    assert (row["outcome"], row["output_tokens"]) == ("ok", 7)
    assert row["attempts"][0]["outcome"] == "ok"


def test_the_openai_client_raises_the_error_of_a_dying_stream(proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """Text that came is delivered, then openai-python raises APIError with our message."""
    servers["openai"].script([Behaviour(cut_after=3)])
    with pytest.raises(openai.APIError, match="openai-fin"):
        for _ in proxy.openai().chat.completions.create(
            model="openai-fin/sdk", messages=[{"role": "user", "content": "hi"}], stream=True
        ):
            pass


def test_the_ollama_client_raises_the_error_of_a_dying_stream(proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """The error line is what ollama-python raises ResponseError for."""
    servers["ollama"].script([Behaviour(cut_after=2)])
    with pytest.raises(ollama.ResponseError, match="ollama-fin"):
        for _ in proxy.ollama().chat("ollama-fin/sdk", [{"role": "user", "content": "hi"}], stream=True):
            pass


def test_an_upstreams_own_error_event_is_passed_on(proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """An error the upstream reports inside its stream reaches the client as it was written."""
    servers["openai"].script([Behaviour(error_after=2, message="out of memory")])
    with pytest.raises(openai.APIError, match="out of memory"):
        for _ in proxy.openai().chat.completions.create(
            model="openai/own", messages=[{"role": "user", "content": "hi"}], stream=True
        ):
            pass


def test_a_body_of_unknown_form_breaks_where_its_server_broke(proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """Bytes that are no known stream cannot say that they are not all: only a broken end tells the client."""
    text = Behaviour(body=b"x" * 100_000, headers={"content-type": "audio/mpeg"}, cut_after=0, framing="chunked")
    servers["openai"].script([text])
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/audio/speech", {"model": "openai/text", "input": "hi", "voice": "v"})
        assert reply.status == 200
        assert not reply.complete
    row = proxy.row(id=reply.header("x-switchman-request-id"))
    assert row["outcome"] == "stream_error"


@pytest.mark.parametrize("stream", STREAMS)
def test_a_client_that_has_its_whole_answer_may_leave_before_its_server_closes(
    stream: str, proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """Only the end of the framing is missing: a success, and the connection to the server is given up."""
    dialect = STREAMS[stream][0]
    servers[dialect].script([Behaviour(stall_after=9999)])
    row = proxy.row(id=leave_after_the_last_word(proxy, stream, f"{dialect}/{stream}"))
    assert (row["status"], row["outcome"], row["error"]) == (200, "ok", None)
    assert row["output_tokens"] == 7
    assert [a["outcome"] for a in row["attempts"]] == ["ok"]
    assert servers[dialect].inferences[-1].disconnected.wait(SOON)


@pytest.mark.parametrize("stream", ["openai chat", "ollama chat", "anthropic"])
def test_the_answer_of_a_client_that_has_all_of_it_and_leaves_is_kept(
    stream: str, proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """The same request to `auto` is answered from the exact cache."""
    dialect, path, body = STREAMS[stream]
    servers[dialect].script([Behaviour(stall_after=9999)])
    row = proxy.row(id=leave_after_the_last_word(proxy, stream, "auto"))
    assert (row["status"], row["outcome"], row["cache"]) == (200, "ok", "miss")
    asked, headers = {**body, "model": "auto", "stream": True}, dict([*HEADERS, ("x-from", dialect)])

    def hit() -> Any:  # it is stored after the record is written
        answer = proxy.post(path, asked, headers=headers)
        return answer.headers["x-switchman-cache"] == "hit" and answer

    assert LAST_WORDS[dialect] in proxy.until(hit, "a hit").content.replace(b'": ', b'":')


@pytest.mark.parametrize("how", ["fin", "rst"])
@pytest.mark.parametrize("stream", STREAMS)
def test_a_client_that_leaves_stops_its_upstream(
    stream: str, how: str, proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """A client that leaves mid-stream stops the generation within a second, and the row says 499."""
    dialect, path, body = STREAMS[stream]
    model = f"{stream} left by {how}"
    servers[dialect].script([TALE])
    client = RawClient(proxy.port)
    content = json.dumps({**body, "model": f"{dialect}/{model}", "stream": True}).encode()
    client.send(request_bytes(path, content, headers=HEADERS))
    assert client.chunk(client.head())
    asked = servers[dialect].inferences[-1]
    left = time.monotonic()
    client.reset() if how == "rst" else client.socket.close()
    assert asked.disconnected.wait(SOON)
    assert asked.disconnected_at is not None and asked.disconnected_at - left < SOON
    row = proxy.row(model=model)
    assert (row["status"], row["outcome"]) == (499, "cancelled")
    assert [a["outcome"] for a in row["attempts"]] == ["cancelled"]
    assert row["response"]  # what had come by then


def test_a_client_that_leaves_while_it_waits_stops_its_upstream(proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """The same before the first byte of the answer."""
    servers["openai"].script([Behaviour(never_answer=True)])
    before = len(servers["openai"].inferences)
    client = RawClient(proxy.port)
    client.send(request_bytes("/v1/chat/completions", b'{"model":"openai/waits","messages":[]}'))
    servers["openai"].wait_for(lambda: len(servers["openai"].inferences) > before)  # not what asks for its dialect
    asked = servers["openai"].inferences[-1]
    left = time.monotonic()
    client.socket.close()
    assert asked.disconnected.wait(SOON)
    assert asked.disconnected_at is not None and asked.disconnected_at - left < SOON
    row = proxy.row(model="waits")
    assert (row["status"], row["outcome"]) == (499, "cancelled")


def test_a_client_may_leave_while_its_upstream_is_being_connected(proxy: Any) -> None:
    """A connection that nobody waits for any more is given up, and the row says 499."""
    client = RawClient(proxy.port)
    client.send(request_bytes("/v1/chat/completions", b'{"model":"busy/connecting","messages":[]}'))
    client.socket.close()
    row = proxy.row(model="connecting")
    assert (row["status"], row["outcome"]) == (499, "cancelled")
    assert row["duration_ms"] < 10_000  # sooner than the connect deadline
    assert proxy.chat("openai/m").status_code == 200


def test_a_request_cut_off_by_a_stop_is_not_blamed_on_its_client(start: Any, busy: str) -> None:
    """One that cannot be answered any more, as it waits for a connection: the row is there, and says so."""
    proxy = start(f"servers: {{busy: '{busy}'}}\n", {"SHUTDOWN_GRACE": "0.2"})
    with RawClient(proxy.port) as client:
        client.send(request_bytes("/v1/chat/completions", b'{"model":"busy/m","messages":[]}'))
        proxy.wait_read(client)  # and the connection is being opened, well within the grace
        proxy.stop()
    row = proxy.row(model="m")
    assert (row["status"], row["outcome"]) == (499, "cancelled")
    assert row["error"] == "The router was stopped before the answer was complete."


def test_the_total_deadline_ends_a_stream_too(proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """A stream that is still going when the total deadline comes is ended with an error event that says so."""
    servers["openai"].script([TALE])
    asked = {"model": "brief/tale", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    with RawClient(proxy.port) as client:
        reply = client.ask("/v1/chat/completions", asked)
    assert reply.complete
    assert "deadline" in error_in("openai", reply.body)
    assert servers["openai"].inferences[-1].disconnected.wait(SOON)
    assert proxy.row(model="tale")["outcome"] == "stream_error"


def test_request_timeout_is_the_deadline_of_the_request_as_a_whole(start: Any) -> None:
    """REQUEST_TIMEOUT bounds all attempts together: no further server is asked when it has passed."""
    with FakeUpstream(default=Behaviour(never_answer=True)) as mute:
        proxy = start(
            f"servers: {{a: '{mute.url}', b: '{mute.url}'}}\naliases: {{both: {{instances: [a/m, b/m]}}}}\n",
            {"REQUEST_TIMEOUT": "2"},
        )
        response = proxy.chat("both")
        assert response.status_code == 504
        row = proxy.row_of(response)
        assert [a["server"] for a in row["attempts"]] == ["a"]
        assert row["duration_ms"] >= 2000


def test_request_timeout_ends_an_attempt_that_has_time_of_its_own(start: Any) -> None:
    """A server's own deadline counts from its attempt on, and cannot prolong the request."""
    with FakeUpstream(default=Behaviour(never_answer=True)) as mute:
        brief, patient = "{first_byte: 1}", "{total: 300}"
        proxy = start(
            f"servers: {{a: {{url: '{mute.url}', timeout: {brief}}}, b: {{url: '{mute.url}', timeout: {patient}}}}}\n"
            "aliases: {both: {instances: [a/m, b/m]}}\n",
            {"REQUEST_TIMEOUT": "3"},
        )
        response = proxy.chat("both")
        assert response.status_code == 504
        assert [a["server"] for a in proxy.row_of(response)["attempts"]] == ["a", "b"]
