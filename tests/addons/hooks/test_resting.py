"""Which candidates are tried after the others: for everybody, and for one caller."""

from __future__ import annotations

import time
from typing import Any

from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.callerkeys import credential_of
from switchman.addons.hooks import seen
from switchman.addons.hooks.resting import Resting

CHAT = "/v1/chat/completions"
RULES = """
servers:
  one: {url: "http://one:1", dialect: openai}
  keyed: {url: "http://keyed:2", dialect: openai, api_key: its-own}
"""


def test_a_refused_key_rests_for_its_caller_only(make_runtime: Any, make_exchange: Any) -> None:
    """The trace says so; a server with a key of ours, and other callers, know nothing of it."""
    runtime = make_runtime(RULES)
    one, keyed = (Candidate(runtime.rules.current.servers[name], "m") for name in ("one", "keyed"))
    found = {}
    for who in ("alice", "bob"):
        _, x = make_exchange(runtime, CHAT, {"model": "m"}, headers={"authorization": f"Bearer {who}"})
        found[who] = x
    bob = Resting(runtime, found["bob"], "m")
    assert not bob(one) and bob.lines == []
    credential = credential_at(found["bob"], one)
    runtime.caller_keys.refused(credential, "one", "one/m", 401, time.monotonic())
    assert bob(one) and not bob(keyed) and not Resting(runtime, found["alice"], "m")(one)
    (line,) = bob.lines
    assert (line.layer, line.outcome) == ("credentials", "skip") and "one/m" in line.detail


def test_a_breaker_that_is_open_rests_for_all(make_runtime: Any, make_exchange: Any) -> None:
    """By the model that the request names, where the candidate names none."""
    runtime = make_runtime(RULES)
    _, x = make_exchange(runtime, CHAT, {"model": "m"})
    one = Candidate(runtime.rules.current.servers["one"], "")
    runtime.breakers.failure("one/m", time.monotonic(), retry_after=60.0)
    assert Resting(runtime, x, "m")(one) and not Resting(runtime, x, "other")(one)
    assert Resting(runtime, x, "m").lines == []


def credential_at(x: Any, candidate: Candidate) -> str:
    found = credential_of(candidate.server, seen.headers(x), x.sent.path)
    assert found
    return found


def test_a_server_rests_with_all_of_its_keys(make_runtime: Any, make_exchange: Any) -> None:
    """Not with one of them; the trace says so, by the server's name."""
    runtime = make_runtime('servers: {many: {url: "http://many:1", dialect: openai, api_keys: [key-one, key-two]}}')
    _, x = make_exchange(runtime, CHAT, {"model": "m"})
    server, now = runtime.rules.current.servers["many"], time.monotonic()
    many = Candidate(server, "m")
    for key in server.keys:
        assert not Resting(runtime, x, "m")(many)
        runtime.key_ring.refused(server, "many/m", key, 401, now, 600.0)
    resting = Resting(runtime, x, "m")
    assert resting(many)
    (line,) = resting.lines
    assert (line.layer, line.outcome, line.detail) == (
        "credentials",
        "skip",
        "All keys rest that the rules have for many.",
    )
