"""Balancing: what a conversation is, where it stays, and what other workers are told of it."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from mitmproxy.test import tflow

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.decision.verdicts.judge import Verdict
from switchman.addons.core.request.call import Call, Endpoint
from switchman.addons.core.routes.live import NO_FIGURES
from switchman.addons.core.routes.plan import Candidate, Plan, Settling
from switchman.addons.core.routes.routes import Affinity, Pool
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.flow.exchange import Attempt, Exchange, Sent, begin
from switchman.addons.hooks.recording.recording import _kept_as
from switchman.addons.hooks.routing.balancing import MOST_KEPT, Balancing, _unpacked
from switchman.addons.state.together.shared import HOMES, MemoryShared, SharedStoreError

BEGINS = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is a switchman?"}]
GOES_ON = [*BEGINS, {"role": "assistant", "content": "A person."}, {"role": "user", "content": "And a signal box?"}]
OTHER = [{"role": "user", "content": "Another matter"}, *GOES_ON[2:]]


class Broken(MemoryShared):
    """A store that fails."""

    async def get(self, space: str, key: str) -> bytes | None:
        raise SharedStoreError("it is gone")

    async def put(self, *args: Any) -> None:
        raise SharedStoreError("it is gone")


def balancing(shared: Any = None) -> Balancing:
    return Balancing(SimpleNamespace(shared=shared or MemoryShared(), live=NO_FIGURES))  # type: ignore[arg-type]


def asked(
    messages: Any, headers: dict[str, str] | None = None, token: str = "", operation: Any = "chat", **body: Any
) -> Exchange:
    x = Exchange("id", 0.0, 0.0, "127.0.0.1")
    fields = tuple((name.encode(), value.encode()) for name, value in (headers or {}).items())
    x.sent = Sent("POST", "/v1/chat/completions", fields, b"")
    given = {"messages": messages, **body} if messages is not None else body
    x.call = Call(Endpoint("openai", operation, "/"), "", json.dumps(given), given, {}, "chat", stream=False)
    x.caller = Caller(id=token, name=token) if token else None
    return x


async def answered(
    one: Balancing, x: Exchange, server: str = "a", moves: bool = True, made: str = "", affinity: Any = "conversation"
) -> Exchange:
    """A request that goes through, answered by this server."""
    x.moment = await moment(one, x, affinity)
    candidate = Candidate(Server(server, parse(f"http://{server}")), "m")
    pool = Pool("alias chat", "round_robin", affinity)
    x.plan = Plan((candidate,), "alias", "chat", settles=(Settling(pool, frozenset({"a/m", "b/m"}), moves),))
    x.attempts = [Attempt(1, candidate, candidate.target, "u", 0.0, 0.0, verdict=Verdict("ok", "well"))]
    x.outcome = "ok"
    x.reply = SimpleNamespace(response_id=made) if made else None  # type: ignore[assignment]
    flow = tflow.tflow(resp=True)
    begin(flow, x)
    await one.response(flow)
    return x


async def moment(one: Balancing, x: Exchange, *affinities: Affinity) -> Any:
    rules: Any = SimpleNamespace(affinities=frozenset(affinities or ("conversation",)))
    return await one.moment(x, rules)


async def home(one: Balancing, x: Exchange, *affinities: Affinity) -> str | None:
    found: str | None = (await moment(one, x, *affinities)).homes.get("alias chat")
    return found


def test_a_conversation_that_goes_on_finds_its_home_in_every_worker() -> None:
    """What begins does not look for one, though it begins with the same words."""

    async def run() -> list[str | None]:
        shared = MemoryShared()
        one, other = balancing(shared), balancing(shared)
        await answered(one, asked(BEGINS))
        asking = (asked(GOES_ON), asked(BEGINS), asked(OTHER), asked(GOES_ON, token="anna"))
        return [await home(each, x) for each in (one, other) for x in asking]

    assert asyncio.run(run()) == ["a/m", None, None, None] * 2


def test_a_failover_does_not_move_a_home_and_leaving_does() -> None:
    async def run() -> list[str | None]:
        one = balancing()
        await answered(one, asked(BEGINS))
        await answered(one, asked(GOES_ON), "b", moves=False)
        before = await home(one, asked(GOES_ON))
        await answered(one, asked(GOES_ON), "b")
        after = await home(one, asked(GOES_ON))
        await answered(one, asked(GOES_ON), "z")  # a fallback outside of the pool
        return [before, after, await home(one, asked(GOES_ON))]

    assert asyncio.run(run()) == ["a/m", "b/m", "b/m"]


def test_a_session_is_what_the_client_calls_it() -> None:
    """Its system prompt may change with each turn; a subagent of its own name is a branch of its own."""

    async def run() -> list[str | None]:
        one, session = balancing(), {"x-claude-code-session-id": "s1"}
        await answered(one, asked(BEGINS, session))
        changed = [{"role": "system", "content": "It is 10:32."}, *GOES_ON[1:]]
        subagent = {**session, "x-claude-code-agent-id": "helper"}
        return [await home(one, asked(changed, session)), await home(one, asked(changed, subagent))]

    assert asyncio.run(run()) == ["a/m", None]


def test_a_response_that_a_server_keeps_is_asked_for_where_it_is() -> None:
    """previous_response_id: also by the id of an answer that a later turn of the conversation got."""

    async def run() -> list[str | None]:
        one = balancing()
        await answered(one, asked(None, operation="responses", input="Hi"), "b", made="resp_1")
        turn = {"operation": "responses", "input": "More", "previous_response_id": "resp_1"}
        await answered(one, asked(None, **turn), "b", moves=False, made="resp_2")
        return [
            await home(one, asked(None, **{**turn, "previous_response_id": name}))
            for name in ("resp_1", "resp_2", "resp_3")
        ]

    assert asyncio.run(run()) == ["b/m", "b/m", None]


def test_a_caller_is_its_token_or_its_key() -> None:
    async def run() -> list[str | None]:
        one = balancing()
        await answered(one, asked(BEGINS, token="anna"), affinity="caller")
        await answered(one, asked(BEGINS, {"authorization": "Bearer k1"}), "b", affinity="caller")
        asking = (
            asked(OTHER, token="anna"),
            asked(OTHER, {"authorization": "Bearer k1", "x-other": "1"}),
            asked(OTHER),
        )
        return [await home(one, x, "caller") for x in asking]

    assert asyncio.run(run()) == ["a/m", "b/m", None]


def test_all_that_is_kept_of_a_request_is_in_its_record() -> None:
    """So `switchman forget` finds it: also of a request that changed nothing."""

    async def run() -> None:
        shared = MemoryShared()
        one, keys = balancing(shared), set[str]()
        for turn, made in ((BEGINS, "resp_1"), (GOES_ON, "resp_2"), (GOES_ON, "")):
            x = await answered(one, asked(turn), made=made, moves=turn is BEGINS)
            keys |= set((_kept_as(x) or "").split())
            assert len(x.homes) == 1 + bool(made)
        assert keys == {f"{HOMES}/{key}" for key in shared._spaces[HOMES]} and len(keys) == 3

    asyncio.run(run())


def test_what_is_no_conversation_has_no_key() -> None:
    """Embeddings, and what has no words."""

    async def run() -> list[Any]:
        one = balancing()
        found = [asked(None, operation="embeddings", input="x"), asked([]), Exchange("id", 0.0, 0.0, "127.0.0.1")]
        return [dict((await moment(one, x)).keys) for x in found]

    assert asyncio.run(run()) == [{}, {}, {}]


def test_a_request_takes_one_turn_however_often_it_is_decided() -> None:
    async def run() -> list[int]:
        one = balancing()
        first, second = await moment(one, asked(BEGINS)), await moment(one, asked(BEGINS))
        return [first.turn("p"), first.turn("p"), second.turn("q"), second.turn("p"), first.turn("p")]

    assert asyncio.run(run()) == [0, 0, 0, 1, 0]


def test_a_store_that_fails_costs_nothing_but_what_others_know(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> str | None:
        one = balancing(Broken())
        await answered(one, asked(BEGINS))
        return await home(one, asked(GOES_ON))

    assert asyncio.run(run()) == "a/m" and "could not be kept: it is gone" in caplog.text


def test_what_is_kept_is_bounded_and_what_another_version_wrote_is_nothing() -> None:
    one = balancing()
    for number in range(MOST_KEPT + 10):
        one._keep(str(number), {"p": "a/m"})
    assert len(one._homes) == MOST_KEPT and "9" not in one._homes
    assert [_unpacked(value) for value in (None, b"[]", b"\xff", b'{"p": "a/m"}')] == [{}, {}, {}, {"p": "a/m"}]


@pytest.mark.parametrize("kind", ["error", "failed"])
def test_only_a_good_answer_makes_a_home(kind: Any) -> None:
    async def run() -> str | None:
        one, x = balancing(), asked(BEGINS)
        x.moment = await moment(one, x)
        flow = tflow.tflow(resp=True)
        begin(flow, x)
        await one.error(flow)  # nothing was decided
        x.plan = Plan((), "alias", "chat", settles=(Settling(Pool("alias chat", "split"), frozenset({"a/m"}), True),))
        x.outcome = kind
        await one.response(flow)
        return await home(one, asked(GOES_ON))

    assert asyncio.run(run()) is None
