"""What the record keeps for the story of a request: what attempts changed, what the caches did and saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

KEY = "sk-own-0123456789abcdef"


@pytest.fixture(scope="module")
def big(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="big")


@pytest.fixture(scope="module")
def claude(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="claude")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, big: FakeUpstream, claude: FakeUpstream) -> Any:
    return start_shared(f"""
servers:
  big: {{url: "{big.url}", dialect: openai}}
  keyed: {{url: "{big.url}", dialect: openai, api_key: "{KEY}", headers: {{x-team: blue}}}}
  claude: {{url: "{claude.url}", dialect: anthropic}}
aliases:
  two: {{instances: [keyed/other, claude/sonnet]}}
default: big/gpt
cache: {{exact: {{ttl: 1h}}}}
""")


def test_attempts_say_what_they_changed(proxy: Any, big: FakeUpstream) -> None:
    """Model, fields, dialect, credentials and headers, in the order of the attempts; never a key itself."""
    big.script([Behaviour(status=503)], "/v1/chat/completions")
    row = proxy.row_of(proxy.chat("two", stream=True))
    assert row["attempt_count"] == 2
    assert [attempt["changes"] for attempt in row["attempts"]] == [
        [
            "model: two → other",
            "stream_options.include_usage: set, so that the stream tells its usage",
            "credentials: the server's own",
            "headers set by the rules: x-team",
        ],
        ["model: two → sonnet", "translated: openai /v1/chat/completions → anthropic /v1/messages"],
    ]
    assert KEY not in json.dumps(row, default=str)


def test_an_attempt_that_changed_nothing_says_nothing(proxy: Any) -> None:
    """The server got what the client sent."""
    (attempt,) = proxy.row_of(proxy.chat("something-else"))["attempts"]
    assert attempt["changes"] == []


def test_a_kept_answer_tells_whose_it_is_and_what_it_saved(proxy: Any, big: FakeUpstream) -> None:
    """The record names the request that the answer was first given to, and the time that it took then."""
    big.script([Behaviour(latency=0.5)], "/v1/chat/completions")

    def ask() -> Any:
        body = {"model": "auto", "messages": [{"role": "user", "content": "What is a switchman?"}]}
        return proxy.post("/v1/chat/completions", body)

    first = ask()
    second = proxy.until(lambda: (r := ask()).headers["x-switchman-cache"] == "hit" and r)
    first, second = proxy.row_of(first), proxy.row_of(second)
    assert (first["cache"], second["cache"], first["saved_ms"]) == ("miss", "hit", None)
    (line,) = [line for line in second["trace"] if line["outcome"] == "hit"]
    earlier = line["earlier"]
    assert (earlier["request_id"], earlier["asked"]) == (first["id"], "What is a switchman?")
    assert earlier["took_ms"] >= 500
    assert second["saved_ms"] == pytest.approx(earlier["took_ms"] - second["duration_ms"])
