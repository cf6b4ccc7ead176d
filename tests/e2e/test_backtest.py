"""A back-test of real traffic, beside the router once it really has the new rules: both send the same elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest

from switchman.addons.testing import FakeUpstream

SERVERS = """\
servers: {fast: "%s", big: {url: "%s", dialect: anthropic}}
models:
  fast/small: {input_cost: 1, output_cost: 2}
  fast/coder: {input_cost: 3, output_cost: 4}
  big/opus: {input_cost: 5, output_cost: 25, modalities: [text]}
  fast/seer: {input_cost: 2, output_cost: 2, modalities: [text, vision]}
aliases:
  draft: {instances: [fast/small, big/opus]}
"""
OLD = (
    SERVERS
    + """\
routes:
  - {name: code, match: {model: auto, task: coding}, route: {model: big/opus, stick: conversation}}
  - {name: opus, match: {model: claude-opus}, route: {model: big/opus}}
default: fast/small
"""
)
NEW = (
    SERVERS
    + """\
routes:
  - {name: lab, match: {header: {x-team: lab}}, route: {model: fast/seer}}
  - {name: pictures, match: {model: auto, modalities: vision}, route: {model: big/opus, fallbacks: [fast/seer]}}
  - {name: code, match: {model: auto, task: coding, depth: {max: 1}}, route: {model: fast/coder, stick: conversation}}
  - {name: talks, match: {model: auto, depth: {min: 3}}, route: {model: big/opus}}
  - {name: long, match: {model: claude-opus, tokens: {min: 60}}, route: {model: big/opus}}
  - {name: short, match: {model: claude-opus}, route: {model: fast/small}}
default: fast/small
"""
)
PICTURE = "data:image/png;base64,iVBORw0KGgo="
CODE = "Fix this Python function, it raises a KeyError: def f(d): return d['x']"


@pytest.fixture(scope="module")
def rules(upstream_factory: Callable[..., FakeUpstream]) -> Iterator[tuple[str, str]]:
    """The old and the new ones, before two servers: one speaks as OpenAI does, one as Anthropic."""
    fast, big = upstream_factory(name="fast", dialect="openai"), upstream_factory(name="big", dialect="anthropic")
    yield OLD % (fast.url, big.url), NEW % (fast.url, big.url)


def said(*texts: str) -> list[dict[str, Any]]:
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(texts)]


def send_all(proxy: Any) -> list[str]:
    """Some traffic, by two SDKs, streamed and whole. Returns where each request went."""
    openai = proxy.openai()
    claude = anthropic.Anthropic(base_url=proxy.url, api_key="client-key", max_retries=0, timeout=60)
    see = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    went = []
    for messages, more in [
        (said("Good morning."), {}),
        (said(CODE), {}),
        (said(CODE, "Here it is.", "Thanks."), {}),  # held to its target by both rules, though only one says how
        (said("Tell me of Ghent.", "A town.", "And of Bruges?"), {}),
        ([{"role": "user", "content": see}], {}),
        (said("A riddle, please."), {"extra_headers": {"x-team": "lab"}}),
    ]:
        answer = openai.chat.completions.with_raw_response.create(model="auto", messages=messages, **more)
        went.append(answer.headers["x-switchman-target"])
    for model in ("draft", "fast/coder"):
        with openai.chat.completions.with_streaming_response.create(
            model=model, messages=said("A word."), stream=True
        ) as stream:
            went.append(stream.headers["x-switchman-target"])
            stream.read()
    for ask in ("Short.", "A long story of many words, which goes on. " * 10):
        told = claude.messages.with_raw_response.create(
            model="claude-opus", max_tokens=50, messages=[{"role": "user", "content": ask}]
        )
        went.append(told.headers["x-switchman-target"])
    with claude.messages.with_streaming_response.create(
        model="auto", max_tokens=50, messages=[{"role": "user", "content": CODE + " Please."}], stream=True
    ) as stream:
        went.append(stream.headers["x-switchman-target"])
        stream.read()
    claude.close()
    return went


def backtested(proxy: Any, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The real command, with the settings of the proxy."""
    command = [sys.executable, "-m", "switchman.addons.cli", "backtest", "--json", *arguments]
    done = subprocess.run(command, env=proxy.env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_back_test_says_what_a_router_with_the_new_rules_does(start: Any, rules: tuple[str, str]) -> None:
    """The same moves, request by request; nothing is unknown, and the cost is that of the log's own rows."""
    old, new = rules
    first = start(old)
    before = send_all(first)
    first.until(lambda: len(first.rows()) == len(before), "all rows")
    (first.folder / "new.yaml").write_text(new)
    code, told = backtested(first, "--rules", str(first.folder / "new.yaml"), "--examples", "100")
    again, same = backtested(
        first, "--rules", str(first.routes_file), "--against", "recorded", "--fail-if", "elsewhere > 0"
    )

    rows = first.rows()
    first.routes_file.write_text(new)
    first.wait_output("loaded, 2 servers")
    after = send_all(first)
    assert (code, told["requests"], told["unknown"]["requests"], told["left_out"]) == (0, len(before), 0, {})
    really = Counter((one, other) for one, other in zip(before, after, strict=True) if one != other)
    assert {(one["from"], one["to"]): one["requests"] for one in told["moves"]} == dict(really)
    assert sum(really.values()) == told["elsewhere"] == 7
    # Request by request: the rows are in the order in which they were sent.
    ids = [row["id"] for row in rows]
    moved = {ids.index(one["id"]): one["to"] for one in told["examples"]}
    assert moved == {at: to for at, (was, to) in enumerate(zip(before, after, strict=True)) if was != to}
    # The old rules say what happened; and that is what it cost.
    assert (again, same["elsewhere"], same["unknown"]["requests"]) == (0, 0, 0)
    spent = sum(row["cost_microdollars"] for row in rows)
    assert told["cost"]["before"] == same["cost"]["after"] == spent / 1_000_000
    assert told["cost"]["unknown"]["requests"] == 0 and told["cost"]["after"] != told["cost"]["before"]
    # What took the new target's place for the first time has no median yet.
    assert set(told["latency"]["unknown"]["no_median"]) == set(after) - set(before)
