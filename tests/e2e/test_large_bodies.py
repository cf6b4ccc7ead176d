"""Bodies of thousands of messages, and of a million values: answered whole, or refused early, in every dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

SERVERS = ("openai", "anthropic", "ollama")
PATHS = ("/v1/chat/completions", "/v1/messages", "/api/chat")
HEADERS = {"content-type": "application/json", "anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def servers() -> Any:
    fakes = {dialect: FakeUpstream(dialect, name=dialect) for dialect in SERVERS}
    for fake in fakes.values():
        fake.start()
    yield fakes
    for fake in fakes.values():
        fake.stop()


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[str, FakeUpstream]) -> Any:
    lines = [f'  {name}: {{url: "{fake.url}", dialect: {name}}}' for name, fake in servers.items()]
    lines += ["aliases:", "  both: {instances: [openai/m, anthropic/m]}"]
    return start_shared("servers:\n" + "\n".join(lines) + "\n")


def talk(model: str, count: int) -> bytes:
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": f"number {n}"} for n in range(count)]
    return json.dumps({"model": model, "stream": False, "max_tokens": 9, "messages": messages}).encode()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("server", SERVERS)
def test_four_thousand_messages(path: str, server: str, proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """Each reaches a server of each dialect, in its order."""
    answer = proxy.post(path, content=talk(f"{server}/m", 4_001), headers=HEADERS)
    assert answer.status_code == 200, answer.content[:500]
    sent = json.loads(servers[server].inferences[-1].body)
    texts = [message["content"] for message in sent["messages"]]
    assert texts == [f"number {n}" for n in range(4_001)]
    assert proxy.row_of(answer)["outcome"] == "ok"


def test_the_next_server_gets_all_of_it_too(proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """After a failure it is written anew, for a server of another dialect."""
    servers["openai"].script([Behaviour(status=503)])
    answer = proxy.post(PATHS[0], content=talk("both", 4_001), headers=HEADERS)
    assert answer.status_code == 200, answer.content[:500]
    assert len(json.loads(servers["anthropic"].inferences[-1].body)["messages"]) == 4_001
    assert [tried["server"] for tried in proxy.row_of(answer)["attempts"]] == ["openai", "anthropic"]


@pytest.mark.parametrize("path", PATHS)
def test_a_large_answer_is_translated_whole(path: str, proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """Megabytes of text, from a server of another dialect."""
    server = "ollama" if path != "/api/chat" else "openai"
    servers[server].script([Behaviour(huge=3_000_000)])
    answer = proxy.post(path, content=talk(f"{server}/m", 1), headers=HEADERS)
    assert answer.status_code == 200 and b"x" * 2_900_000 in answer.content
    json.loads(answer.content)


@pytest.mark.parametrize("path", PATHS)
def test_a_million_values_are_refused(path: str, proxy: Any, servers: dict[str, FakeUpstream]) -> None:
    """In the client's dialect, with the limit in the message; no server is asked, and the row says why."""
    before = sum(len(fake.inferences) for fake in servers.values())
    body = b'{"model":"openai/m","messages":[],"stream_options":{"a":{' + b'"k":1,' * 1_000_000 + b'"k":1}}}'
    answer = proxy.post(path, content=body, headers=HEADERS)
    error = answer.json()["error"]
    assert answer.status_code == 413 and "500000 values" in (error if isinstance(error, str) else error["message"])
    row = proxy.row(id=answer.headers["x-switchman-request-id"])
    assert (row["status"], row["outcome"]) == (413, "refused")
    assert sum(len(fake.inferences) for fake in servers.values()) == before
