"""A real store filled with requests of every outcome, and the dashboard served over it."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from switchman.addons.core.record import AttemptRecord, Record
from switchman.addons.store.access.sealing import MasterKey
from switchman.addons.store.access.vault import Vault
from switchman.addons.store.opening import Store, open_store
from switchman.webui import WebConfig, create_app
from switchman.webui.server import DashboardServer

SECRET = "a test's secret, 32 bytes and longer"
EVIL = "<img src=x onerror=alert(1)>"
MODELS = ["llama3-8b", "qwen2.5-coder:32b", "gpt-4o-mini", "claude-sonnet-4", "mistral-small", "phi-4"]
OUTCOMES = {
    "ok": 200,
    "cached": 200,
    "upstream_error": 429,
    "failed": 502,
    "refused": 413,
    "cancelled": 499,
    "stream_error": 200,
    "answered": 200,
}


def chat_body(text: str, model: str) -> bytes:
    messages = [
        {"role": "system", "content": "You are brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello, what can I do?"},
        {"role": "user", "content": text},
    ]
    return json.dumps({"model": model, "messages": messages, "temperature": 0.2, "stream": True}).encode()


def stream_body(text: str) -> bytes:
    events = [{"choices": [{"index": 0, "delta": {"content": word + " "}}]} for word in text.split()]
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


def build_request(number: int, started_at: float, **changes: Any) -> Record:
    """A request whose figures follow from its number, so that a run of them looks like traffic."""
    model = MODELS[number * 7 % len(MODELS)]
    output = (number * 37 % 90 + 3) * 12
    duration = 180 + output * (4 + number % 5) + number * 13 % 400
    values: dict[str, Any] = {
        "id": f"{number:08x}-feed-4bee-8fab-{number:012x}",
        "started_at": started_at,
        "duration_ms": float(duration),
        "method": "POST",
        "path": "/v1/chat/completions",
        "client": f"10.0.{number % 3}.{number % 40 + 2}",
        "dialect": "openai",
        "operation": "chat",
        "requested_model": "coder" if number % 3 == 0 else model,
        "layer": "alias" if number % 3 == 0 else "route",
        "route": "coder" if number % 3 == 0 else "small models",
        "server": ["fast-box", "laptop", "openai"][number % 3],
        "model": model,
        "status": 200,
        "outcome": "ok",
        "streamed": number % 2 == 0,
        "overhead_ms": 1.2 + number % 4 / 10,
        "ttft_ms": 90.0 + number * 11 % 300,
        "tokens_per_second": 1000 * output / duration,
        "input_tokens": 200 + number * 91 % 14_000,
        "output_tokens": output,
        "finish_reason": "stop",
        "request_headers": (("content-type", "application/json"), ("authorization", "Bearer sk-…masked")),
        "response_headers": (("content-type", "text/event-stream"),),
        "request_body": chat_body(f"Write function number {number}", model),
        "response_body": stream_body(f"Here is function number {number} as you asked."),
        "trace": (
            {
                "layer": "model_map",
                "outcome": "miss",
                "detail": "no entry for this model",
                "score": None,
                "elapsed_ms": 0.01,
            },
            {
                "layer": "alias",
                "outcome": "hit" if number % 3 == 0 else "miss",
                "detail": "alias coder has two instances",
                "score": None,
                "elapsed_ms": 0.02,
            },
            {
                "layer": "route",
                "outcome": "skip" if number % 3 == 0 else "hit",
                "detail": "route small models matches",
                "score": 0.875,
                "elapsed_ms": 0.3,
            },
        ),
    }
    values |= changes
    values.setdefault("attempts", make_attempts(Record(**values)))
    return Record(**values)


def make_attempts(record: Record) -> tuple[AttemptRecord, ...]:
    """A first attempt that fails, and a second one at the server that the record names."""
    first, second, model = 0.2 * record.duration_ms, 0.79 * record.duration_ms, record.model or ""
    begin, url = record.started_at + 0.002, "http://192.168.1.100:8000/v1/chat/completions"
    good = record.outcome != "failed"
    return (
        AttemptRecord(1, "spare", model, url, begin, first, 503, "status", "the upstream answered 503"),
        AttemptRecord(
            number=2,
            server=record.server or "laptop",
            model=model,
            url=url,
            started_at=begin + first / 1000,
            duration_ms=second,
            status=record.status if good else None,
            outcome="ok" if good else "timeout",
            error=None if good else "no first byte within 60 s",
            first_byte_ms=0.1 * second if good else None,
        ),
    )


def unanswered(outcome: str, status: int, number: int, started_at: float, **changes: Any) -> Record:
    """A request without an answer: nothing is known of its tokens."""
    nothing = dict.fromkeys(
        ("ttft_ms", "tokens_per_second", "input_tokens", "output_tokens", "finish_reason", "response_body")
    )
    values: dict[str, Any] = {
        **nothing,
        "id": f"{outcome}-{number}",
        "outcome": outcome,
        "status": status,
        "error": f"this one ended as {outcome}",
        "duration_ms": 40.0 + number,
    }
    if outcome in ("refused", "answered"):
        values |= {
            "layer": None,
            "route": None,
            "server": None,
            "model": None,
            "attempts": (),
            "trace": (),
            "overhead_ms": None,
        }
    return build_request(number, started_at, **(values | changes))


def build_records(now: float, count: int = 60) -> list[Record]:
    """`count` good requests over the last hours, then one of every other outcome."""
    records = [build_request(number, now - 30 - (count - number) * 97) for number in range(count)]
    others = [outcome for outcome in OUTCOMES if outcome != "ok"]
    records += [unanswered(outcome, OUTCOMES[outcome], 100 + at, now - 3 * at - 3) for at, outcome in enumerate(others)]
    return records


@pytest.fixture
def store(tmp_path: Path, empty_log: Path) -> Iterator[Store]:
    """An empty log in a directory of its own."""
    shutil.copy(empty_log, tmp_path / "requests.db")
    with open_store(db_path=tmp_path / "requests.db", blob_path=tmp_path / "blobs", max_age_days=None) as opened:
        yield opened
        for thread in threading.enumerate():  # what is sent again is written down by a thread that nobody waits for
            if thread.name.startswith("switchman again"):
                thread.join(60)


@pytest.fixture
def put(store: Store) -> Callable[..., None]:
    """Write records and wait until they can be read."""

    def write(*records: Record) -> None:
        for record in records:
            store.writer().put(record)
        deadline = time.monotonic() + 30
        while any(store.queries.get_request(record.id) is None for record in records):
            assert time.monotonic() < deadline, "the records did not reach the database"
            time.sleep(0.02)

    return write


@pytest.fixture
def vault(store: Store) -> Callable[[], Any]:
    """Opens a vault in the same database, as serving/dashboard.py does."""

    @contextmanager
    def opened() -> Iterator[Vault]:
        yield Vault(store.engine, [MasterKey(b"m" * 32)])

    return opened


@pytest.fixture
def client_of(store: Store, vault: Callable[[], Any]) -> Callable[..., FlaskClient]:
    """A client of an app over an empty store, configured as the test says."""

    def make(**settings: Any) -> FlaskClient:
        whole = {"queries": store.queries, "access": store.access, "vault": vault, **settings}
        return create_app(WebConfig(**whole)).test_client()

    return make


@contextmanager
def serving(config: WebConfig, port: int = 0) -> Iterator[str]:
    """The dashboard under waitress, on a free port unless one is named; gives its address."""
    server = DashboardServer(create_app(config), "127.0.0.1", port)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()
        thread.join(30)
        assert not thread.is_alive(), "the dashboard did not stop"


@pytest.fixture
def serve_dashboard(leaving: Callable[[], None]) -> Callable[..., Any]:
    @contextmanager
    def served(config: WebConfig, port: int = 0) -> Iterator[str]:
        with serving(config, port) as address:
            try:
                yield address
            finally:
                leaving()

    return served


@pytest.fixture
def make_request() -> Callable[..., Record]:
    return build_request


@pytest.fixture
def seed_records() -> Callable[..., list[Record]]:
    return build_records
