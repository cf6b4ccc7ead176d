"""Failover, each line of its table streamed and not: whatever goes wrong with the first server, the second answers.

The module's routes hold one alias per case, so no case's breaker has to do with another's.
"""

from __future__ import annotations

import contextlib
import json
import select
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import pytest
import trustme

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.broken import full_backlog, refused, says
from switchman.addons.testing.rawclient import RawClient, request_bytes

BAD_HEADERS = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}\n"
NO_HTTP = b"I am no web server.\r\n\r\n"
LATE = Behaviour(latency=60)


@dataclass(frozen=True)
class Case:
    """What the first server does, and the kind of failure the record has for it."""

    id: str
    kind: str
    behaviour: Behaviour | None = None  # of the fake upstream `bad`; None: `url` names another place
    url: str = ""  # a key of `places`
    status: int | None = None
    timeout: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.id


CASES = [
    Case("refused port", "connect", url="refused"),
    Case("unresolvable name", "dns", url="unresolvable"),
    Case("TLS to a plain port", "tls", url="tls to plain"),
    Case("a certificate nobody trusts", "tls", url="untrusted"),
    Case("a connection that never stands", "timeout", url="full backlog", timeout={"connect": 0.4}),
    Case("reset before headers", "reset", Behaviour(reset=True)),
    Case("hang-up before headers", "reset", Behaviour(hang_up=True)),
    Case("no answer until the deadline", "timeout", Behaviour(never_answer=True), timeout={"first_byte": 0.4}),
    Case("no answer until the total deadline", "timeout", Behaviour(never_answer=True), timeout={"total": 0.4}),
    Case("not HTTP", "reset", url="no http"),
    Case("contradicting headers", "reset", url="bad headers"),
    Case("429 with Retry-After", "status", Behaviour(status=429, headers={"retry-after": "30"}), status=429),
    Case("408", "status", Behaviour(status=408), status=408),
    Case("500", "status", Behaviour(status=500), status=500),
    Case("502", "status", Behaviour(status=502, body="<html>bad gateway</html>"), status=502),
    Case("503", "status", Behaviour(status=503), status=503),
    Case("504", "status", Behaviour(status=504), status=504),
    Case("529", "status", Behaviour(status=529), status=529),
    Case("an error body cut short", "reset", Behaviour(status=500, cut_after=0), status=500),
]  # fmt: skip
# Only where the answer is whole has nothing gone to the client when the body breaks.
WHOLE_CASES = [
    Case("a body cut in the middle", "reset", Behaviour(cut_after=0), status=200),
    Case("a body reset in the middle", "reset", Behaviour(cut_after=0, cut="rst"), status=200),
    Case("a body that stalls", "timeout", Behaviour(stall_after=0), status=200, timeout={"idle": 0.4}),
]
WAYS = [(case, stream) for case in CASES for stream in (False, True)] + [(case, False) for case in WHOLE_CASES]
AT_ONCE = [400, 401, 403, 404, 405, 409, 413, 422, 451]
OPT_IN = [401, 403, 404]


def slug(case: Case, stream: bool) -> str:
    return f"{case.id.replace(' ', '-')}-{'stream' if stream else 'whole'}"


@pytest.fixture(scope="module")
def bad(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="bad")


@pytest.fixture(scope="module")
def good(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="good")


@pytest.fixture(scope="module")
def places(good: FakeUpstream, bad: FakeUpstream, authority: trustme.CA) -> Iterator[dict[str, str]]:
    """Base URLs by what is wrong with them."""
    with contextlib.ExitStack() as stack:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        untrusted = stack.enter_context(FakeUpstream(name="untrusted", tls=context))
        plain = stack.enter_context(says(NO_HTTP))
        yield {
            "": bad.url,
            "refused": stack.enter_context(refused()),
            "unresolvable": "http://nobody-here.invalid:8000",
            "tls to plain": plain.replace("http:", "https:"),
            "untrusted": untrusted.url,
            "full backlog": stack.enter_context(full_backlog()),
            "no http": stack.enter_context(says(NO_HTTP)),
            "bad headers": stack.enter_context(says(BAD_HEADERS)),
        }


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, good: FakeUpstream, places: dict[str, str]) -> Any:
    lines = [f"  good: {good.url}", f"  refused: {places['refused']}", f"  bad: {places['']}"]
    aliases = ["  all-dead: {instances: [refused/m, bad/all-dead]}", "  none: {instances: [refused/m, refused/n]}"]
    aliases += ["  dead-last: {instances: [bad/dead-last, refused/m]}"]
    for case, stream in WAYS:
        lines.append(f"  {slug(case, stream)}: {{url: {places[case.url]}, timeout: {dict(case.timeout)}}}")
        aliases.append(f"  {slug(case, stream)}: {{instances: [{slug(case, stream)}/first, good/second]}}")
    for status in AT_ONCE:
        aliases.append(f"  once-{status}: {{instances: [bad/once-{status}, good/second]}}")
    for status in OPT_IN:
        lines.append(f"  opt-{status}: {{url: {places['']}, retry_on: [{status}]}}")
        aliases.append(f"  opt-{status}: {{instances: [opt-{status}/m, good/second]}}")
    lines += [f"  slow: {{url: {places['']}, timeout: {{first_byte: 0.4}}}}"]
    aliases += ["  slow: {instances: [slow/one, slow/two]}"]
    return start_shared("\n".join(["servers:", *lines, "aliases:", *aliases, ""]))


def streamed_text(response: httpx.Response) -> str:
    """The content of an SSE answer that came to its proper end."""
    events = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]", response.text
    parsed = [json.loads(event) for event in events[:-1]]
    return "".join(choice["delta"].get("content") or "" for event in parsed for choice in event["choices"])


@pytest.mark.parametrize(("case", "stream"), WAYS, ids=[slug(*way) for way in WAYS])
def test_another_server_answers(case: Case, stream: bool, proxy: Any, bad: FakeUpstream, good: FakeUpstream) -> None:
    """Whatever goes wrong with the first server, the client gets the second one's answer, and the row tells of both."""
    if case.behaviour is not None:
        bad.script([case.behaviour])
    response = proxy.chat(slug(case, stream), stream)
    assert response.status_code == 200, response.text
    text = streamed_text(response) if stream else response.json()["choices"][0]["message"]["content"]
    assert text == "Hello from good."
    assert response.headers["x-switchman-attempts"] == "2"
    assert response.headers["x-switchman-target"] == "good/second"
    row = proxy.row_of(response)
    first, second = row["attempts"]
    assert (first["outcome"], first["status"], first["server"]) == (case.kind, case.status, slug(case, stream))
    assert first["error"]
    assert (second["outcome"], second["status"], second["server"]) == ("ok", 200, "good")
    assert (row["status"], row["outcome"], row["server"], row["model"]) == (200, "ok", "good", "second")
    assert good.inferences[-1].json()["model"] == "second"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("status", AT_ONCE)
def test_a_verdict_on_the_request_is_returned_at_once(status: int, stream: bool, proxy: Any, bad: FakeUpstream) -> None:
    """A status that another server would give as well is not retried: its body goes to the client byte for byte."""
    body = b'{ "error" : {"message":"\\u00e9 ' + b"%d" % status + b'", "x":1e400},\r\n "more": [] }'
    bad.script([Behaviour(status=status, body=body, headers={"content-type": "application/json", "x-own": "yes"})])
    asked = {"model": f"once-{status}", "stream": stream, "messages": []}
    response = proxy.post("/v1/chat/completions", asked)
    assert (response.status_code, response.content, response.headers["x-own"]) == (status, body, "yes")
    row = proxy.row_of(response)
    (attempt,) = row["attempts"]
    assert (attempt["status"], row["status"], row["outcome"], row["response"]) == (
        status,
        status,
        "upstream_error",
        body,
    )


@pytest.mark.parametrize("status", OPT_IN)
def test_a_server_may_opt_in_to_more_statuses(status: int, proxy: Any, bad: FakeUpstream) -> None:
    """401, 403 and 404 fail over from a server that lists them in `retry_on`."""
    bad.script([Behaviour(status=status)])
    response = proxy.chat(f"opt-{status}")
    assert response.json()["choices"][0]["message"]["content"] == "Hello from good."
    assert [a["status"] for a in proxy.row_of(response)["attempts"]] == [status, 200]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("alias", ["all-dead", "dead-last"])
def test_when_all_fail_the_last_answer_is_handed_on(alias: str, stream: bool, proxy: Any, bad: FakeUpstream) -> None:
    """The last server that answered at all has the last word: its own status, body and Retry-After."""
    body = b'{"error": {"message": "come back later",  "type": "overloaded"}}'
    bad.script([Behaviour(status=503, body=body, headers={"retry-after": "0", "content-type": "application/json"})])
    response = proxy.chat(alias, stream)
    assert (response.status_code, response.content, response.headers["retry-after"]) == (503, body, "0")
    row = proxy.row_of(response)
    assert sorted(a["outcome"] for a in row["attempts"]) == ["connect", "status"]
    assert (row["status"], row["outcome"], row["response"]) == (503, "upstream_error", body)


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/v1/chat/completions", lambda body: body["error"]["message"]),
        ("/api/chat", lambda body: body["error"]),
        ("/v1/messages", lambda body: body["error"]["message"] if body["type"] == "error" else None),
    ],
)
def test_no_answer_at_all_is_a_502_in_the_clients_dialect(path: str, read: Any, proxy: Any) -> None:
    """When no server could even be reached, the router says so itself, and what it tried."""
    response = proxy.post(path, {"model": "none", "messages": [], "max_tokens": 1})
    assert response.status_code == 502
    assert "refused/m" in read(response.json()) and "refused/n" in read(response.json())
    row = proxy.row_of(response)
    assert (row["outcome"], [a["outcome"] for a in row["attempts"]]) == ("failed", ["connect", "connect"])


def test_only_timeouts_are_a_504(proxy: Any, bad: FakeUpstream) -> None:
    """When time ran out everywhere, the status says that it was time; the openai client knows it as a server error."""
    bad.script([LATE, LATE])
    with pytest.raises(openai.InternalServerError) as caught:
        proxy.openai().chat.completions.create(model="slow", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.status_code == 504
    assert [a["outcome"] for a in proxy.row_of(caught.value.response)["attempts"]] == ["timeout", "timeout"]


def test_a_server_that_comes_back_is_used_on_the_same_client_connection(start: Any) -> None:
    """A dead server's failure is not remembered on a keep-alive connection of the client."""
    with FakeUpstream(name="phoenix") as upstream:
        proxy = start(env={"DEFAULT_UPSTREAM": upstream.url})
        with RawClient(proxy.port) as client:
            asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
            assert client.ask("/v1/chat/completions", asked).status == 200
            upstream.stop()
            assert client.ask("/v1/chat/completions", asked).status == 502
            assert client.ask("/v1/chat/completions", asked).status == 502
            upstream.start()
            back = client.ask("/v1/chat/completions", asked)
            assert back.status == 200, back.body
            assert back.json()["choices"][0]["message"]["content"] == "Hello from phoenix."


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_an_idle_connection_that_was_closed_is_no_failure(start: Any, stream: bool) -> None:
    """A keep-alive connection the server closes just as a request goes out: one fresh connection, no other server."""
    with FakeUpstream(name="tired") as upstream, FakeUpstream(name="other") as other:
        proxy = start(
            f"servers: {{tired: '{upstream.url}', other: '{other.url}'}}\n"
            "aliases: {both: {instances: [tired/m, other/m]}}\n"
        )
        asked = {"model": "both", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
        with RawClient(proxy.port) as client:
            assert client.ask("/v1/chat/completions", asked).status == 200
            # On the used connection the server hangs up instead of answering; on a fresh one it answers.
            upstream.script([Behaviour(hang_up=True)])
            reply = client.ask("/v1/chat/completions", asked)
        assert reply.status == 200, reply.body
        assert reply.header("x-switchman-target") == "tired/m"
        first, used, fresh = (r.connection for r in upstream.inferences)
        assert first == used != fresh  # numbers of their own: finding out what the server speaks takes one as well
        assert not other.inferences
        row = proxy.row(id=reply.header("x-switchman-request-id"))
        assert [a["server"] for a in row["attempts"]] == ["tired", "tired"]
        assert row["outcome"] == "ok"


def test_a_server_that_closes_after_each_answer_is_no_failure(start: Any) -> None:
    """A server that says nothing of closing, and does, costs nobody an answer."""
    with FakeUpstream(name="short", default=Behaviour(close_after_reply=True)) as upstream:
        proxy = start(env={"DEFAULT_UPSTREAM": upstream.url})
        with RawClient(proxy.port) as client:
            for _ in range(10):
                assert client.ask("/v1/chat/completions", {"model": "m", "messages": []}).status == 400
                reply = client.ask(
                    "/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
                )
                assert reply.status == 200, reply.body
        assert len(proxy.rows(outcome="ok")) <= 10


def test_after_failures_the_healthy_server_goes_first(start: Any) -> None:
    """A server that failed often is left alone while another one is healthy, and tried again after its cooldown."""
    with FakeUpstream(name="flaky") as flaky, FakeUpstream(name="steady") as steady:
        proxy = start(
            f"servers: {{flaky: '{flaky.url}', steady: '{steady.url}'}}\n"
            "aliases: {both: {instances: [flaky/m, steady/m]}}\n"
        )
        flaky.script([Behaviour(status=500)] * 5)
        for _ in range(5):
            assert proxy.chat("both").headers["x-switchman-attempts"] == "2"
        answers = [proxy.chat("both") for _ in range(3)]
        assert [a.headers["x-switchman-target"] for a in answers] == ["steady/m"] * 3
        assert [a.headers["x-switchman-attempts"] for a in answers] == ["1"] * 3
        assert len(flaky.inferences) == 5
        assert any("Failed lately" in line["detail"] for line in proxy.row_of(answers[0])["trace"])


def test_retry_after_rests_a_server_for_that_long_and_then_one_probe_goes(start: Any) -> None:
    """A 429 with Retry-After: others first for so long; then one request finds out, and the rest still go elsewhere."""
    with FakeUpstream(name="busy") as busy, FakeUpstream(name="free") as free:
        proxy = start(
            f"servers: {{busy: '{busy.url}', free: '{free.url}'}}\n"
            "aliases: {both: {instances: [busy/m, free/m]}, long: {instances: [busy/n, free/m]}}\n"
        )
        busy.script([Behaviour(status=429, headers={"retry-after": "600"})])
        assert proxy.chat("long").headers["x-switchman-target"] == "free/m"
        for _ in range(3):
            assert proxy.chat("long").headers["x-switchman-attempts"] == "1"
        assert len(busy.inferences) == 1
        busy.script([Behaviour(status=429, headers={"retry-after": "1"}), Behaviour(never_answer=True)])
        assert proxy.chat("both").headers["x-switchman-target"] == "free/m"
        with becomes_the_probe(proxy, busy):
            during = [proxy.chat("both") for _ in range(3)]
        assert {a.headers["x-switchman-target"] for a in during} == {"free/m"}
        # The probe's client has left, which is no verdict: the next request may probe.
        assert busy.inferences[-1].disconnected.wait(30)
        proxy.row(outcome="cancelled")
        assert proxy.chat("both").headers["x-switchman-target"] == "busy/m"
        assert proxy.chat("both").headers["x-switchman-target"] == "busy/m"


def becomes_the_probe(proxy: Any, busy: FakeUpstream) -> RawClient:
    """A client whose request has reached the server that rests, and which waits for its answer."""
    while True:
        client = RawClient(proxy.port)
        body = json.dumps({"model": "both", "messages": [{"role": "user", "content": "hi"}]}).encode()
        client.send(request_bytes("/v1/chat/completions", body))
        while not select.select([client.socket], [], [], 0.02)[0]:
            if len(busy.inferences) == 3:
                return client
        client.socket.close()  # answered by the other server
