"""The semantic cache with a real model: what it serves, what it only would have, and what it must never touch."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

PATIENCE = 60.0
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def big(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="big")


def rules(big: FakeUpstream, mode: str) -> str:
    return f"""
servers:
  big: {{url: "{big.url}", dialect: openai}}
default: big/gpt
cache: {{exact: {{ttl: 1h}}, semantic: {{mode: {mode}, threshold: 0.9}}}}
"""


def say(proxy: Any, text: str, token: str = "a", system: str = "", **more: Any) -> Any:
    said = [{"role": "system", "content": system}] if system else []
    body = {"model": "auto", "messages": [*said, {"role": "user", "content": text}]} | more
    return proxy.post("/v1/chat/completions", body, headers={"authorization": f"Bearer {token}"})


def trace_of(proxy: Any, answer: Any) -> list[dict[str, Any]]:
    trace = proxy.row_of(answer)["trace"]
    return list(json.loads(trace) if isinstance(trace, str) else trace)


def line_of(proxy: Any, answer: Any) -> dict[str, Any]:
    return next(line for line in trace_of(proxy, answer) if line["layer"] == "semantic_cache")


def warm(proxy: Any) -> Any:
    """Until the semantic process answers: it is started by the first who needs it."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        answer = say(proxy, f"Warm up number {next(NUMBERS)}.")
        lines = [line for line in trace_of(proxy, answer) if line["layer"] == "semantic_cache"]
        if lines and "No embedding" not in lines[0]["detail"]:
            return proxy
        time.sleep(0.2)
    return pytest.fail(f"the semantic process does not answer:\n{proxy.output}")


def remembered(proxy: Any, first: str, second: str, status: str, **more: Any) -> Any:
    """The answer to `second` once `first` is in the index. Each look counts as an ask of its own caller."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        token = f"caller-{next(NUMBERS)}"
        say(proxy, first, token, **more)
        time.sleep(0.3)
        answer = say(proxy, second, token, **more)
        if answer.headers["x-switchman-cache"] == status:
            return answer
    return pytest.fail(f"{second!r} was never a {status}")


@pytest.fixture(scope="module")
def on(start_shared: Any, big: FakeUpstream, prepared_model: Path) -> Any:
    return warm(start_shared(rules(big, "on"), {"SEMANTIC_MODEL": str(prepared_model)}))


@pytest.fixture(scope="module")
def shadow(start_shared: Any, big: FakeUpstream, prepared_model: Path) -> Any:
    return warm(start_shared(rules(big, "shadow"), {"SEMANTIC_MODEL": str(prepared_model)}))


FIRST = "What is the capital city of Norway?"
SAME = "what is the capital city of norway"


def test_the_same_question_in_other_clothes(on: Any) -> None:
    """Mode on: a surface variant gets the kept answer, and the record says by which likeness."""
    answer = remembered(on, FIRST, SAME, "hit")
    assert answer.headers["x-switchman-layer"] == "semantic_cache"
    assert answer.json()["choices"][0]["message"]["content"] == "Hello from big."
    row = on.row_of(answer)
    assert (row["outcome"], row["layer"], row["server"]) == ("cached", "semantic_cache", "big")
    line = line_of(on, answer)
    assert line["score"] >= 0.9
    assert FIRST in line["detail"]
    assert SAME in line["detail"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("How many days are in 3 weeks?", "How many days are in 4 weeks?"),
        ("Is it safe to eat raw salmon?", "Is it not safe to eat raw salmon?"),
        ("Convert miles to kilometres for me please.", "Convert kilometres to miles for me please."),
        ("Who was the king of Sweden in 1700?", "Who was the king of Denmark in 1700?"),
    ],
)
def test_near_is_not_the_same(on: Any, big: FakeUpstream, first: str, second: str) -> None:
    """Another number, a negation, another direction, another name: near for the embedding, and never served."""
    token = f"near-{next(NUMBERS)}"
    say(on, first, token)
    time.sleep(0.5)
    answer = say(on, second, token)
    assert answer.headers["x-switchman-cache"] == "miss"


def test_other_surroundings_are_other_questions(on: Any) -> None:
    """Another caller, system text or parameter, a tool, a picture, a turn before it: not looked at, or not found."""
    remembered(on, FIRST, SAME, "hit", system="Be brief.")
    token = f"around-{next(NUMBERS)}"
    say(on, FIRST, token, system="Be brief.")
    time.sleep(0.5)
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    turns = [
        {"role": "user", "content": FIRST},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": SAME},
    ]
    picture = [
        {"type": "text", "text": SAME},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    for other in (
        say(on, SAME, token, system="Be long."),
        say(on, SAME, token),
        say(on, SAME, token, system="Be brief.", temperature=0.3),
        say(on, SAME, "somebody else", system="Be brief."),
        say(on, SAME, token, system="Be brief.", tools=[tool]),
        say(on, "", token, messages=turns),
        say(on, "", token, messages=[{"role": "user", "content": picture}]),
    ):
        assert other.headers["x-switchman-cache"] == "miss"


def test_the_trace_tells_the_layers_as_they_were_tried(on: Any) -> None:
    """A miss of both caches: exact, semantic, then what decided, each with its own time, each once."""
    lines = trace_of(on, say(on, f"Name a river of length {next(NUMBERS)}."))
    assert [(line["layer"], line["outcome"]) for line in lines] == [
        ("exact_cache", "miss"),
        ("semantic_cache", "miss"),
        ("route", "miss"),
        ("semantic", "miss"),
        ("arbiter", "miss"),
        ("default", "hit"),
    ]
    assert [line["layer"] for line in lines[:5] if line["elapsed_ms"] is None] == []
    said = trace_of(on, say(on, "And then?", messages=[{"role": "user", "content": "a"}] * 3))
    skipped = next(line for line in said if line["layer"] == "semantic_cache")
    assert (skipped["outcome"], skipped["detail"]) == ("skip", "It is for single asks in plain text.")


def test_shadow_serves_nothing(shadow: Any, big: FakeUpstream) -> None:
    """Mode shadow: the upstream is asked, the header and the record say what would have been served, with both
    prompts."""
    answer = remembered(shadow, FIRST, SAME, "shadow")
    assert answer.headers["x-switchman-layer"] == "default"
    row = shadow.row_of(answer)
    assert (row["outcome"], row["layer"]) == ("ok", "default")
    assert len(row["attempts"]) == 1
    line = line_of(shadow, answer)
    assert FIRST in line["detail"]
    assert SAME in line["detail"]
    assert big.inferences[-1].json()["messages"][-1]["content"] == SAME


def test_without_a_model_everything_else_works(start: Any, big: FakeUpstream, tmp_path: Path) -> None:
    """No prepared model: no embeddings, no delay, and the exact cache as ever."""
    proxy = start(rules(big, "on"), {"SEMANTIC_MODEL": str(tmp_path / "none")})
    assert say(proxy, FIRST).status_code == 200
    end = time.monotonic() + PATIENCE
    while say(proxy, FIRST).headers["x-switchman-cache"] != "hit":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert say(proxy, SAME).headers["x-switchman-cache"] == "miss"


def test_a_kept_answer_that_is_gone_is_a_miss(start: Any, big: FakeUpstream, prepared_model: Path) -> None:
    """The index outlives an entry: the neighbour is forgotten, and the upstream asked."""
    proxy = warm(start(rules(big, "on").replace("ttl: 1h", "ttl: 2s"), {"SEMANTIC_MODEL": str(prepared_model)}))
    big.default = Behaviour(text="first")
    remembered(proxy, FIRST, SAME, "hit")
    token = f"gone-{next(NUMBERS)}"
    say(proxy, FIRST, token)
    time.sleep(2.5)
    big.default = Behaviour(text="second")
    answer = say(proxy, SAME, token)
    assert answer.json()["choices"][0]["message"]["content"] == "second"
    big.default = Behaviour()
