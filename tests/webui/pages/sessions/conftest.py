"""A session of a coding agent with a subagent, a side conversation and a break of the cache, in a real store."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.core.access.session import session_digest
from switchman.addons.core.record import Record

SESSION = session_digest("the-session")
TOOLS = [{"name": "read", "input_schema": {"type": "object"}}, {"name": "Agent", "input_schema": {"type": "object"}}]


def user(*content: Any) -> dict[str, Any]:
    return {
        "role": "user",
        "content": [{"type": "text", "text": one} if isinstance(one, str) else one for one in content],
    }


def calls(name: str, id: str, **asked: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": name, "input": asked}]}


def result(id: str, text: str, **more: Any) -> dict[str, Any]:
    return user({"type": "tool_result", "tool_use_id": id, "content": text, **more})


def body(messages: list[Any], system: str = "Be brief. It is 10:31:02.") -> bytes:
    return json.dumps({"model": "m", "system": system, "tools": TOOLS, "messages": messages}).encode()


FIRST = [user("Fix the tests")]
SECOND = [*FIRST, calls("read", "c1", path="a.py"), result("c1", "exit(planted)")]
THIRD = [*SECOND, calls("Agent", "c2", prompt="Find all users", subagent_type="Explore", description="users of it"),
         result("c2", "none", is_error=True), user("Go on")]  # fmt: skip
SUB = [user("Find all users")]


@pytest.fixture
def conversation(make_request: Callable[..., Record]) -> Callable[[float], list[Record]]:
    """Six requests: a title, three turns of the main conversation, the last one with another clock, and two of the
    subagent's.
    """

    def turn(number: int, at: float, sent: bytes, branch: str, **fields: Any) -> Record:
        return make_request(number, at, **{
            "id": f"turn-{number}", "session": SESSION, "agent": "claude-code", "project": "/home/anna/shop",
            "branch": branch, "request_body": sent, "server": "cloud", "model": "sonnet", "duration_ms": 500.0,
            "input_tokens": 10_000, "cached_tokens": 9_000, "output_tokens": 100, "cost": 1_000, **fields,
        })  # fmt: skip

    def made(now: float) -> list[Record]:
        sub, main = "s" * 32, "b-main"
        late = body(THIRD, "Be brief. It is 10:31:09.")
        return [
            turn(1, now - 100, b'{"messages": [{"role": "user", "content": "Title?"}]}', "b-title", model="haiku"),
            turn(2, now - 99, body(FIRST), main, cached_tokens=0),
            turn(3, now - 80, body(SECOND), main),
            turn(4, now - 78, body(SUB), sub, model="haiku", input_tokens=500, cached_tokens=0),
            turn(5, now - 70, body([*SUB, calls("read", "s1", path="b.py"), result("s1", "x")]), sub, model="haiku"),
            turn(6, now - 60, late, main, input_tokens=12_000, cached_tokens=2_000, outcome="stream_error",
                 error="it said planted-error"),
        ]  # fmt: skip

    return made
