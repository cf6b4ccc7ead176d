"""What takes long holds nobody else: other requests are answered while a large one is read, translated and answered."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

MB = 1_000_000
PATH = "/v1/chat/completions"


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, FakeUpstream]]:
    with FakeUpstream("openai", keep=False) as same, FakeUpstream("anthropic", keep=False) as other:
        yield {"same": same, "other": other}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[str, FakeUpstream]) -> Any:
    dialects = {"same": "openai", "other": "anthropic"}
    lines = [f'  {name}: {{url: "{fake.url}", dialect: {dialects[name]}}}' for name, fake in servers.items()]
    return start_shared("servers:\n" + "\n".join(lines) + "\n", {"ENABLE_LOGGING": "false"})


@pytest.mark.parametrize("server", ["same", "other"])
def test_other_requests_go_on_beside_a_large_one(server: str, proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """A text of 20 MB, and its answer of as many: whatever is asked meanwhile is answered before it is over."""
    servers[server].script([Behaviour(huge=20 * MB)])
    answers: list[httpx.Response] = []
    body = {"model": f"{server}/m", "max_tokens": 9, "messages": [{"role": "user", "content": "wört " * (4 * MB)}]}
    large = threading.Thread(target=lambda: answers.append(proxy.post(PATH, body)))
    turns = 0
    with httpx.Client(trust_env=False, timeout=60) as client:
        client.get(f"{proxy.url}/healthz")
        large.start()
        while large.is_alive():
            assert client.get(f"{proxy.url}/healthz").status_code == 200
            turns += 1
        large.join()
    assert answers[0].status_code == 200 and len(answers[0].content) > 20 * MB
    assert turns >= 5


@pytest.mark.parametrize(("server", "status"), [("same", 200), ("other", 502)])
def test_an_answer_of_a_million_values_is_not_read(
    server: str, status: int, proxy: Any, servers: dict[str, FakeUpstream]
) -> None:
    """It goes to its client as it is; one that would have to be translated is refused."""
    text = {"role": "assistant", "content": "hi"}
    choices = [{"index": 0, "finish_reason": "stop", "message": text}]
    more = {"choices": choices} if server == "same" else {"content": [{"type": "text", "text": "hi"}]}
    obj = json.dumps({"id": "x", "type": "message", "role": "assistant", "stop_reason": "end_turn"} | more)
    answer = f'{obj[:-1]}, "x": [{"{}," * 1_100_000}0]}}'
    servers[server].script([Behaviour(body=answer, headers={"content-type": "application/json"})])
    got = proxy.chat(f"{server}/m")
    assert got.status_code == status
    if status == 200:
        assert got.content == answer.encode()
