"""What bodies take up in memory: nothing once their requests are over, a budget while they run, however they end.

Memory is that of the router's process, by /proc, and is compared to what was sent to it.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.rawclient import RawClient, request_bytes

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

MB = 1_000_000
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "ollama": "/api/chat"}
ROUTES = """
servers:
  same: {{url: "{url}", dialect: openai}}
  other: {{url: "{other}", dialect: anthropic}}
  broken: {{url: "{broken}", dialect: openai}}
aliases:
  both: {{instances: [broken/m, other/m]}}
"""


@pytest.fixture(scope="module")
def up() -> Iterator[FakeUpstream]:
    with FakeUpstream(name="up", keep=False) as fake:
        yield fake


@pytest.fixture(scope="module")
def silent() -> Iterator[FakeUpstream]:
    """It answers nothing but what its script says."""
    with FakeUpstream(name="silent", default=Behaviour(never_answer=True)) as fake:
        yield fake


@pytest.fixture(scope="module")
def other() -> Iterator[FakeUpstream]:
    with FakeUpstream("anthropic", name="other", keep=False) as fake:
        yield fake


@pytest.fixture(scope="module")
def routes(up: FakeUpstream, other: FakeUpstream) -> Iterator[str]:
    with FakeUpstream(name="broken", default=Behaviour(status=503), keep=False) as broken:
        yield ROUTES.format(url=up.url, other=other.url, broken=broken.url)


def memory_of(proxy: Any, which: str = "VmRSS") -> int:
    """Bytes."""
    lines = Path(f"/proc/{proxy.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which)) * 1024


def chat(model: str, size: int, number: int = 0, sort: str = "x") -> bytes:
    """A body of about `size` bytes, which no other has."""
    text = f"{number} " + sort * (size // len(sort))
    return json.dumps({"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": text}]}).encode()


def answered(proxy: Any, model: str, size: int, number: int, status: int = 200) -> None:
    with RawClient(proxy.port) as client:
        client.socket.settimeout(600)  # some wait for the turns of all others
        assert client.ask(PATHS["openai"], chat(model, size, number)).status == status


def abandoned(proxy: Any, size: int, number: int) -> None:
    with RawClient(proxy.port) as client:
        client.send(request_bytes(PATHS["openai"], chat("same/m", size, number))[:-1000])


def unreadable(proxy: Any, size: int, number: int) -> None:
    with RawClient(proxy.port) as client:
        assert client.ask(PATHS["openai"], chat("same/m", size, number)[:-1]).status == 400


KINDS: dict[str, Callable[[Any, int, int], None]] = {
    "answered": lambda proxy, size, number: answered(proxy, "same/m", size, number),
    "translated": lambda proxy, size, number: answered(proxy, "other/m", size, number),
    "failed over": lambda proxy, size, number: answered(proxy, "both", size, number),
    "failed": lambda proxy, size, number: answered(proxy, "broken/m", size, number, 503),
    "unreadable": unreadable,
    "abandoned": abandoned,
}


@pytest.mark.soak
def test_bodies_are_let_go_when_their_requests_end(start: Any, routes: str, full: bool) -> None:
    """However they ended: next to nothing of what was sent is left, soon after it was written into the log."""
    count, size = (40, 20 * MB) if full else (8, 4 * MB)
    proxy = start(routes)

    def send(kind: Callable[[Any, int, int], None], numbers: range) -> None:
        with ThreadPoolExecutor(4) as clients:
            for future in [clients.submit(kind, proxy, size, number) for number in numbers]:
                future.result()

    for kind in KINDS.values():
        send(kind, range(-4, 0))  # as many at once as later: each thread that reads one keeps a heap of its own, and
    before = memory_of(proxy)  # each heap the 4 MB that may stay free at its end
    for name, kind in KINDS.items():
        send(kind, range(1, count + 1))
        most = before + count * size // 5
        proxy.until(lambda most=most: memory_of(proxy) < most, f"{name}: {memory_of(proxy) - before} bytes are left")


@pytest.mark.soak
def test_large_answers_are_let_go(start: Any, up: FakeUpstream, other: FakeUpstream, routes: str, full: bool) -> None:
    """Of the same dialect, translated, and streamed (translated, an event may have 16 MB)."""
    count, size = (20, 40 * MB) if full else (3, 6 * MB)
    proxy = start(routes)
    before, sent = memory_of(proxy), 0
    for fake, model in ((up, "same/m"), (other, "other/m")):
        for stream in (False, True):
            most = min(size, 15 * MB) if fake is other and stream else size
            for _ in range(count):
                fake.script([Behaviour(huge=most)])
                assert len(proxy.chat(model, stream=stream).content) > most
                sent += most
    most = before + sent // 5
    proxy.until(lambda: memory_of(proxy) < most, f"{memory_of(proxy) - before} bytes are left")


@pytest.mark.soak
def test_long_names_are_not_kept(start: Any, up: FakeUpstream, routes: str, full: bool) -> None:
    """Thousands of targets are remembered, and a client names them: not by a megabyte each."""
    count, size = (400, MB) if full else (40, MB)
    proxy = start(routes)

    def ask(number: int) -> None:
        name = f"same/{number} " + "x" * size
        reply = proxy.post(PATHS["openai"], {"model": name, "messages": [{"role": "user", "content": "hi"}]})
        assert reply.status_code == 200 and len(reply.headers["x-switchman-target"]) <= 300

    for number in range(5):
        ask(-number)
    before = memory_of(proxy)
    for number in range(count):
        ask(number)
    most = before + count * size // 2
    proxy.until(lambda: memory_of(proxy) < most, f"{memory_of(proxy) - before} bytes are left")


@pytest.mark.soak
def test_what_is_sent_ahead_stays_in_the_socket(start: Any, silent: FakeUpstream, full: bool) -> None:
    """Clients that pour on while they wait are not read on; the router holds next to nothing of it."""
    count, size = (10, 60 * MB) if full else (4, 30 * MB)
    proxy = start(env={"DEFAULT_UPSTREAM": silent.url})
    before, sent = memory_of(proxy), 0
    with contextlib.ExitStack() as clients:
        for _ in range(count):
            client = clients.enter_context(RawClient(proxy.port))
            client.send(request_bytes(PATHS["openai"], chat("m", 10)))
            client.socket.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                for _ in range(size // MB):
                    client.socket.sendall(b"x" * MB)
                    sent += MB
        # The rest is in the kernel's buffers, which are of some MB for each.
        assert memory_of(proxy) - before < count * 2 * MB
        assert sent < count * size


def test_requests_that_are_sent_ahead_are_all_answered(start: Any) -> None:
    """In their order, also where they are many times what is read ahead."""
    wanted = [f"{number:04}" for number in range(30)]
    with FakeUpstream() as fake:
        fake.script([Behaviour(text=text) for text in wanted])
        proxy = start(env={"DEFAULT_UPSTREAM": fake.url})
        bodies = [chat("m", 10).replace(b"0 ", text.encode() + b"y" * 20_000) for text in wanted]
        with RawClient(proxy.port) as client:
            everything = b"".join(request_bytes(PATHS["openai"], body) for body in bodies)
            sender = threading.Thread(target=client.send, args=(everything,))
            sender.start()
            got = [client.reply().json()["choices"][0]["message"]["content"] for _ in wanted]
            sender.join()
        assert got == wanted


@pytest.mark.soak
def test_all_bodies_together_have_a_budget(start: Any, routes: str, full: bool) -> None:
    """Many at once take their turns, and all are answered; no more memory is taken than the budget, and one body."""
    count, size, budget = (40, 20 * MB, 200 * MB) if full else (16, 5 * MB, 30 * MB)
    proxy = start(routes, {"MAX_BODY_MEMORY": str(budget), "ENABLE_LOGGING": "false", "BODY_TIMEOUT": "600"})
    answered(proxy, "same/m", 1000, 0)
    before = memory_of(proxy)
    with ThreadPoolExecutor(count) as clients:
        for future in [clients.submit(answered, proxy, "same/m", size, number) for number in range(count)]:
            future.result()
    assert memory_of(proxy, "VmHWM") - before < 2 * budget + 3 * size < 1.5 * count * size


@pytest.fixture(scope="module")
def narrow(start_shared: Any, silent: FakeUpstream) -> Any:
    """It has room for the copies of one body of its largest size, and not for two."""
    settings = {"MAX_BODY_MEMORY": "2000000", "MAX_BODY_BYTES": "1000000", "BODY_TIMEOUT": "1"}
    return start_shared(env=settings | {"DEFAULT_UPSTREAM": silent.url})


@pytest.mark.parametrize("dialect", PATHS)
def test_a_body_without_room_is_refused_in_its_dialect(dialect: str, narrow: Any, silent: FakeUpstream) -> None:
    """After BODY_TIMEOUT, with the setting's name and Retry-After; small ones pass meanwhile, and later all pass."""
    known, path = len(silent.inferences), PATHS[dialect]
    with RawClient(narrow.port) as holder:
        holder.send(request_bytes(path, chat("m", MB - 1000)))
        narrow.until(lambda: len(silent.inferences) > known, "the one that takes all the room")
        with RawClient(narrow.port) as client:
            client.send(request_bytes(path, chat("m", MB - 1000)))
            reply = client.reply()
        assert (reply.status, reply.header("retry-after")) == (503, "1")
        error = reply.json()["error"]
        assert "MAX_BODY_MEMORY" in (error if isinstance(error, str) else error["message"])
        silent.script([Behaviour()])
        with RawClient(narrow.port) as client:
            assert client.ask(path, chat("m", 30_000)).status == 200
    narrow.until(lambda: narrow.rows(outcome="cancelled", path=path), "that the first one has left")
    silent.script([Behaviour()])
    with RawClient(narrow.port) as client:
        assert client.ask(path, chat("m", MB - 1000)).status == 200


def test_the_time_without_room_is_not_the_clients(start: Any, silent: FakeUpstream) -> None:
    """One that has waited for nearly as long as it may, and has sent nothing meanwhile, has all its time again."""
    settings = {"MAX_BODY_MEMORY": "2000000", "MAX_BODY_BYTES": "1000000", "BODY_TIMEOUT": "4", "MIN_BODY_RATE": "1e6"}
    proxy, known, path = start(env=settings | {"DEFAULT_UPSTREAM": silent.url}), len(silent.inferences), PATHS["openai"]
    request = request_bytes(path, chat("m", MB - 1000))
    with RawClient(proxy.port) as client:
        with RawClient(proxy.port) as holder:
            holder.send(request)
            proxy.until(lambda: len(silent.inferences) > known, "the one that takes all the room")
            client.send(request[:100_000])
            time.sleep(2.4)
        proxy.until(lambda: proxy.rows(outcome="cancelled"), "that the first one has left")
        silent.script([Behaviour()])
        time.sleep(2.4)
        client.send(request[100_000:])
        assert client.reply().status == 200


@pytest.mark.parametrize("dialect", PATHS)
def test_a_body_over_the_limit_is_told_before_it_is_sent(dialect: str, narrow: Any) -> None:
    """By its Content-Length; a client that writes all of it before it reads gets to see the 413 as well."""
    request = request_bytes(PATHS[dialect], chat("m", 5 * MB))
    for first in (request[: request.index(b"\r\n\r\n") + 4], request):
        with RawClient(narrow.port) as client:
            client.send(first)
            reply = client.reply()
            assert reply.status == 413 and b"MAX_BODY_BYTES" in reply.body
            client.half_close()
            assert client.ended()
