"""Two asks of each agent, with a tool's round in each, over the sockets: what a server keeps of one serves the next."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.testing import FakeUpstream

CLIENTS = Path(__file__).parents[2] / "data" / "clients"
AGENTS: dict[str, dict[str, Any]] = json.loads((CLIENTS / "turns.json").read_text(encoding="utf-8"))
SERVERS = ["openai", "plain", "ollama", "anthropic"]
MEMBERS = ("tools", "system", "messages", "input")  # as a server lays a prompt out


@pytest.fixture(scope="module")
def servers(upstreams: dict[str, FakeUpstream], upstream_factory: Callable[..., FakeUpstream]) -> Any:
    """Beside one of each dialect: `plain`, an OpenAI server that has no Responses API."""
    return {**upstreams, "plain": upstream_factory("openai", name="up-plain", reject_unknown=True)}


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, servers: dict[str, FakeUpstream]) -> Any:
    lines = [
        f'  {name}: {{url: "{server.url}", dialect: {server.dialect}, quirks: {{has_responses: {name != "plain"}}}}}'
        for name, server in servers.items()
    ]
    return start_shared("\n".join(["servers:", *lines, ""]))


def prompt_of(body: dict[str, Any]) -> bytes:
    """The prompt without the marks for the cache; a text alone is a list of it."""

    def plain(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: plain(inner, name) for name, inner in value.items() if name != "cache_control"}
        if isinstance(value, str) and key == "content":
            return [{"type": "text", "text": value}]
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    return "".join(json.dumps(plain(body.get(name)))[:-1] for name in MEMBERS if name in body).encode()


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("agent", AGENTS)
def test_the_next_request_begins_as_the_last_one_did(agent: str, server: str, servers: Any, proxy: Any) -> None:
    """At least 99 % of what the server was sent; where the request is translated, of its very bytes."""
    servers[server].requests.clear()
    path, bodies = AGENTS[agent]["path"], AGENTS[agent]["turns"]
    for number, body in enumerate(bodies):
        if isinstance(system := body.get("system"), list):  # the note for the bill changes
            note = f"x-anthropic-billing-header: cc_version=2.1.197.{number:03x}; cc_entrypoint=cli;"
            body = {**body, "system": [{"type": "text", "text": note}, *system[1:]]}
        headers = {"anthropic-version": "2023-06-01", "x-api-key": "k"}
        answer = proxy.post(path, {**body, "model": f"{server}/m"}, headers=headers)
        assert answer.status_code == 200, answer.text
    sent = servers[server].inferences
    assert len(sent) == len(bodies)
    for first, second in pairwise(sent):
        pairs = [(prompt_of(first.json()), prompt_of(second.json()))]
        if first.path.partition("?")[0] != path:
            pairs.append((first.body, second.body))
        for one, two in pairs:
            kept = 99 * len(one) // 100 + 1
            assert two[:kept] == one[:kept]
