"""Large answers hold nobody else: what is large in them is read, translated and written beside the event loop."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

ROOT = Path(__file__).parents[3]
MB = 1_000_000
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "ollama": "/api/chat"}
TYPES = {"openai": "text/event-stream", "anthropic": "text/event-stream", "ollama": "application/x-ndjson"}
# Of the same dialect, and of each to another one.
PAIRS = [
    ("openai", "openai"),
    ("openai", "anthropic"),
    ("anthropic", "ollama"),
    ("ollama", "openai"),
    ("ollama", "ollama"),
]
TEXT = "wörter " * (6 * MB // 7)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, FakeUpstream]]:
    fakes = {dialect: FakeUpstream(dialect, keep=False).start() for dialect in PATHS}  # type: ignore[arg-type]
    yield fakes
    for fake in fakes.values():
        fake.stop()


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each callback of the proxy's loop is written down that took longer than half a millisecond."""
    file = tmp_path_factory.mktemp("probe") / "callbacks"
    file.touch()
    return file


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[str, FakeUpstream], probe: Path) -> Any:
    lines = [f'  {name}: {{url: "{fake.url}", dialect: {name}}}' for name, fake in servers.items()]
    env = {"PYTHONPATH": str(ROOT / "scripts" / "bench" / "probe"), "LOOP_PROBE": str(probe)}
    return start_shared("servers:\n" + "\n".join(lines) + "\n", env)


def stream_of(dialect: str, text: str, more: str = "") -> list[bytes]:
    """A whole stream with one event of this text. `more`: a member of that event."""
    if dialect == "anthropic":
        message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": message | {"usage": {"input_tokens": 1, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ]
    elif dialect == "ollama":
        events = [
            {"model": "m", "message": {"role": "assistant", "content": text}, "done": False},
            {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
        ]
    else:
        head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        events = [
            head | {"choices": [{"index": 0, "delta": {"role": "assistant", "content": text}, "finish_reason": None}]},
            head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        ]
    place = 2 if dialect == "anthropic" else 0
    texts = [json.dumps(event) for event in events]
    texts[place] = f"{texts[place][:-1]}, {more}}}" if more else texts[place]
    if dialect == "ollama":
        return [f"{one}\n".encode() for one in texts]
    named = [f"event: {event['type']}\n" if dialect == "anthropic" else "" for event in events]
    found = [f"{name}data: {one}\n\n".encode() for name, one in zip(named, texts, strict=True)]
    return found if dialect == "anthropic" else [*found, b"data: [DONE]\n\n"]


def whole_of(dialect: str, text: str) -> str:
    said = {"role": "assistant", "content": text}
    if dialect == "anthropic":
        parts = [{"type": "text", "text": text}]
        return json.dumps(
            {"id": "m", "type": "message", "model": "m", "stop_reason": "end_turn"} | said | {"content": parts}
        )
    if dialect == "ollama":
        return json.dumps({"model": "m", "message": said, "done": True, "done_reason": "stop"})
    return json.dumps({"id": "x", "model": "m", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]})


def text_in(client: str, data: bytes, stream: bool) -> str:
    """The text of an answer, as a client of this dialect reads it."""
    if client == "ollama":
        objects = [json.loads(line) for line in data.splitlines()] if stream else [json.loads(data)]
        return "".join(obj["message"]["content"] for obj in objects)
    if not stream:
        obj = json.loads(data)
        return str(obj["content"][0]["text"] if client == "anthropic" else obj["choices"][0]["message"]["content"])
    objects = [json.loads(line[6:]) for line in data.split(b"\n") if line.startswith(b"data: {")]
    if client == "anthropic":
        return "".join(obj.get("delta", {}).get("text", "") for obj in objects)
    return "".join(choice["delta"].get("content") or "" for obj in objects for choice in obj["choices"])


def ask(proxy: Any, client: str, server: str, stream: bool) -> httpx.Response:
    body = {"model": f"{server}/m", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    found: httpx.Response = proxy.post(PATHS[client], body, headers={"anthropic-version": "2023-06-01"})
    assert found.status_code == 200, found.content[:500]
    return found


def holds_less(probe: Path, ask: Callable[[], object], most: float) -> bool:
    """Whether no callback of the loop takes more processor time than `most` milliseconds while `ask` runs: in the best
    of three, as a busy machine counts some of others' time, too.
    """
    for _ in range(3):
        before = probe.stat().st_size
        ask()
        lines = probe.read_bytes()[before:].splitlines()
        if max((json.loads(line)["cpu_ms"] for line in lines), default=0.0) < most:
            return True
    return False


def cost_of(work: Callable[[], object]) -> float:
    """Milliseconds of processor time, of three times the lowest."""
    found = []
    for _ in range(3):
        began = time.thread_time()
        work()
        found.append((time.thread_time() - began) * 1000)
    return min(found)


@pytest.fixture(scope="module")
def text_cost() -> float:
    """What it takes to read the text and to write it again, at once."""
    text = json.dumps({"text": TEXT})
    return cost_of(lambda: json.dumps(json.loads(text)).encode())


@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_an_event_of_very_many_values_does_not_hold_the_loop(
    client: str, server: str, proxy: Any, servers: dict[str, FakeUpstream], probe: Path
) -> None:
    """400,000 numbers, to a client of each dialect: no callback takes half of what reading them at once does."""
    numbers = ",".join(["-0.123456"] * 400_000)
    events = stream_of(server, "hi", f'"x": [{numbers}]')
    found: list[str] = []

    def run() -> None:
        servers[server].script([Behaviour(events=events)])
        found.append(text_in(client, ask(proxy, client, server, True).content, True))

    assert holds_less(probe, run, cost_of(lambda: json.loads(f"[{numbers}]")) / 2)
    assert set(found) == {"hi"}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(("client", "server"), PAIRS)
def test_a_large_text_does_not_hold_the_loop(
    client: str, server: str, stream: bool, proxy: Any, servers: dict[str, FakeUpstream], probe: Path, text_cost: float
) -> None:
    """6 MB in one event, or in a whole answer: no callback takes half of what reading and writing it at once does."""
    if stream:
        answer = Behaviour(events=stream_of(server, TEXT))
    else:
        answer = Behaviour(body=whole_of(server, TEXT), headers={"content-type": "application/json"})
    found: list[bytes] = []

    def run() -> None:
        servers[server].script([answer])
        found.append(ask(proxy, client, server, stream).content)

    assert holds_less(probe, run, text_cost / 2)
    assert text_in(client, found[0], stream) == TEXT
    if client == server:
        assert found[0] == (b"".join(stream_of(server, TEXT)) if stream else whole_of(server, TEXT).encode())


@pytest.mark.parametrize(("client", "server"), [("openai", "openai"), ("openai", "ollama"), ("ollama", "openai")])
def test_large_embeddings_do_not_hold_the_loop(
    client: str, server: str, proxy: Any, servers: dict[str, FakeUpstream], probe: Path
) -> None:
    """100 vectors of 1,536 numbers."""
    vectors = [[round(-0.0123456 * n % 1, 7) for n in range(1536)]] * 100
    items = [{"object": "embedding", "index": n, "embedding": one} for n, one in enumerate(vectors)]
    obj = (
        {"model": "m", "embeddings": vectors} if server == "ollama" else {"object": "list", "model": "m", "data": items}
    )
    body = json.dumps(obj)
    found: list[Any] = []

    def run() -> None:
        servers[server].script([Behaviour(body=body, headers={"content-type": "application/json"})])
        path = "/api/embed" if client == "ollama" else "/v1/embeddings"
        found.append(proxy.post(path, {"model": f"{server}/m", "input": ["x"] * 100}).json())

    assert holds_less(probe, run, cost_of(lambda: json.dumps(json.loads(body))) / 2)
    got = found[0]["embeddings"] if client == "ollama" else [item["embedding"] for item in found[0]["data"]]
    assert got == vectors


def test_small_streams_flow_beside_several_large_events(proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """Three clients get a large event each, translated; meanwhile others are answered, and nothing is mixed up."""
    texts = [f"{n}" * (6 * MB) for n in range(3)]
    servers["ollama"].script([Behaviour(events=stream_of("ollama", text)) for text in texts])
    servers["openai"].default = Behaviour(text="small and quick")
    found: list[str] = []

    def run() -> None:
        found.append(text_in("anthropic", ask(proxy, "anthropic", "ollama", True).content, True))

    large = [threading.Thread(target=run) for _ in texts]
    for one in large:
        one.start()
    beside = 0  # small answers that were complete before the large ones
    while any(one.is_alive() for one in large):
        assert text_in("openai", ask(proxy, "openai", "openai", True).content, True) == "small and quick"
        beside += any(one.is_alive() for one in large)
    for one in large:
        one.join()
    assert sorted(found) == texts
    assert beside >= 1


def test_a_client_that_leaves_during_a_large_event_is_recorded(proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """Its server is let go, and the router goes on."""
    events = [*stream_of("openai", "first")[:1], *stream_of("openai", TEXT)]
    servers["openai"].script([Behaviour(events=events, stall_after=2)])
    body = {"model": "openai/m", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    with httpx.stream("POST", proxy.url + PATHS["openai"], json=body, trust_env=False, timeout=60) as answer:
        assert b"first" in next(answer.iter_raw())
    row = proxy.row_of(answer)
    assert (row["status"], row["outcome"]) == (499, "cancelled")
    assert proxy.chat("openai/m").status_code == 200


def test_a_server_that_cuts_behind_a_large_event_ends_in_an_error_event(
    proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """All of the event has gone out before."""
    servers["openai"].script([Behaviour(events=stream_of("openai", TEXT), cut_after=1)])
    answer = ask(proxy, "openai", "openai", True)
    events = [line for line in answer.content.split(b"\n") if line.startswith(b"data: {")]
    assert json.loads(events[0][6:])["choices"][0]["delta"]["content"] == TEXT
    assert "error" in json.loads(events[-1][6:]) and len(events) == 2
    assert proxy.row_of(answer)["outcome"] == "stream_error"
