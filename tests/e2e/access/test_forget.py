"""`switchman forget` and its API beside a router that goes on: rows, bodies and cached answers are gone for good."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import sqlalchemy

from switchman.addons.store.access.audit import Audit
from switchman.addons.store.keeping.packing import read_json
from switchman.addons.testing import Behaviour

Proxy = Any
MARK = "zq-to-be-forgotten"
ROUTES = """
servers: {{up: {{url: "{up}", dialect: openai}}}}
routes: [{{match: {{model: m}}, route: {{model: up/m, stick: conversation}}}}]
cache: {{models: [m]}}
"""


def switchman(proxy: Proxy, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "switchman.addons.cli", *arguments]
    return subprocess.run(command, env=proxy.env, capture_output=True, text=True, timeout=240, stdin=subprocess.DEVNULL)


def ask(proxy: Proxy, text: str, session: str, stream: bool = False) -> Any:
    body = {"model": "m", "stream": stream, "temperature": 0, "messages": [{"role": "user", "content": text}]}
    return proxy.post("/v1/chat/completions", body, headers={"x-session-id": session, "x-who": text})


def files_with(proxy: Proxy, text: str) -> list[str]:
    return [path.name for path in proxy.folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def test_a_session_is_forgotten_while_others_are_served(start: Callable[..., Proxy], upstream: Any) -> None:
    """Its rows, its cached answers and their bytes are gone; who asks meanwhile is answered, and has rows."""
    upstream.script([Behaviour(text=f"{MARK} answer")] * 3)
    proxy = start(ROUTES.format(up=upstream.url))
    for number, stream in enumerate((False, True, False)):
        proxy.row_of(ask(proxy, f"{MARK} {number}", "s1", stream))
    assert proxy.rows()[0]["session"] not in (None, "s1") and "answers/" in proxy.rows()[0]["kept_as"]
    proxy.until(lambda: "requests.cache.db-wal" in files_with(proxy, f"{MARK} answer"), "a cached answer")
    assert ask(proxy, f"{MARK} 0", "s1").headers["x-switchman-cache"] == "hit"
    asked, stop = [], threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            asked.append(ask(proxy, f"other {len(asked)}", "s2"))

    beside = threading.Thread(target=go_on)
    beside.start()
    try:
        refused = switchman(proxy, "forget", "--session", "s1")
        done = switchman(proxy, "forget", "--session", "s1", "--yes")
    finally:
        stop.set()
        beside.join(60)
    assert (refused.returncode, refused.stderr.count("4 requests would be forgotten")) == (2, 1), refused
    assert done.returncode == 0 and done.stdout.startswith("forgotten: 4 requests"), done
    assert asked and all(answer.status_code == 200 for answer in asked)
    proxy.row_of(asked[-1])
    assert len(proxy.rows()) == len(asked)
    assert files_with(proxy, MARK) == []
    assert ask(proxy, f"{MARK} 0", "s1").headers["x-switchman-cache"] == "miss"
    lines = json.loads(audit(proxy))
    assert lines[0][0] == "log.forget" and lines[0][1].startswith("session ") and "s1" not in lines[0][1].split()
    assert lines[0][2]["rows"] == 4


def audit(proxy: Proxy) -> str:
    engine = sqlalchemy.create_engine(f"sqlite:///{proxy.folder / 'requests.db'}", json_deserializer=read_json)
    try:
        return json.dumps([(line.what, line.target, line.after) for line in Audit(engine).list().lines])
    finally:
        engine.dispose()
