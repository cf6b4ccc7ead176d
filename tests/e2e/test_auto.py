"""`auto`, from the client's side: which layer answers, what the answer says of it, and that no layer can hurt it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

SECOND_TURN = [
    {"role": "user", "content": "Tell me about fjords."},
    {"role": "assistant", "content": "They are deep."},
    {"role": "user", "content": "How deep?"},
]


@pytest.fixture(scope="module")
def big(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="big")


@pytest.fixture(scope="module")
def small(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("ollama", name="small")


@pytest.fixture(scope="module")
def claude(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("anthropic", name="claude")


@pytest.fixture(scope="module")
def judge(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("ollama", Behaviour(text="I would rather not say."), name="judge")


def rules(big: FakeUpstream, small: FakeUpstream, claude: FakeUpstream, judge: FakeUpstream) -> str:
    return f"""
servers:
  big: {{url: "{big.url}", dialect: openai}}
  small: {{url: "{small.url}", dialect: ollama}}
  claude: {{url: "{claude.url}", dialect: anthropic}}
aliases:
  either: {{instances: ["small/llama3", "big/gpt"]}}
routes:
  - name: code
    match: {{model: auto, keywords: [stack trace]}}
    route: {{model: big/coder}}
  - name: poems
    match: {{model: auto, keywords: [poem]}}
    route: {{model: claude/sonnet}}
  - name: fjords
    match: {{model: auto, keywords: [fjords]}}
    route: {{model: big/geographer, stick: conversation}}
default: small/llama3
arbiter:
  {{url: "{judge.url}", model: tiny, timeout_ms: 10000, targets: {{math: big/math, chat: either, lost: nowhere/x}}}}
cache: {{exact: {{ttl: 0}}}}
"""


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, big: Any, small: Any, claude: Any, judge: Any) -> Any:
    proxy = start_shared(rules(big, small, claude, judge))
    proxy.until(lambda: say(proxy, "Is the judge there?") and judge.inferences)  # its client is made in the background
    return proxy


def say(proxy: Any, text: str, stream: bool = False, **more: Any) -> Any:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], "stream": stream} | more
    return proxy.post("/v1/chat/completions", body)


def layer(response: Any) -> tuple[str, str, str]:
    headers = response.headers
    return headers["x-switchman-layer"], headers["x-switchman-route"], headers["x-switchman-target"]


@pytest.mark.parametrize("stream", [False, True])
def test_rules_decide(proxy: Any, stream: bool) -> None:
    """L1: a rule's keyword picks the target; the record has the layer once, and the trace says why."""
    response = say(proxy, "What does this stack trace mean?", stream)
    assert response.status_code == 200
    assert layer(response) == ("route", "code", "big/coder")
    row = proxy.row_of(response)
    assert (row["layer"], row["route"], row["server"], row["model"]) == ("route", "code", "big", "coder")


def test_no_model_is_auto(proxy: Any, big: FakeUpstream) -> None:
    """A request that names no model goes through the same chain, and the upstream gets a model's name."""
    said = {"messages": [{"role": "user", "content": "stack trace?"}]}
    response = proxy.post("/v1/chat/completions", said)
    assert layer(response) == ("route", "code", "big/coder")
    assert big.inferences[-1].json()["model"] == "coder"


def test_default_when_every_layer_misses(proxy: Any) -> None:
    """Nothing matches, and the arbiter talks prose: `default:` answers, and the trace says what was tried."""
    response = say(proxy, "Good morning!")
    assert layer(response) == ("default", "default", "small/llama3")
    trace = proxy.row_of(response)["trace"]
    tried = [(line["layer"], line["outcome"]) for line in (json.loads(trace) if isinstance(trace, str) else trace)]
    assert [line for line in tried if line[0] in ("route", "semantic", "arbiter", "default")] == [
        ("route", "miss"), ("semantic", "miss"), ("arbiter", "miss"), ("default", "hit"),
    ]  # fmt: skip


def test_the_arbiter_decides(proxy: Any, judge: FakeUpstream) -> None:
    """L3: a sure verdict in the agreed form names the target; an alias is one."""
    judge.script([Behaviour(text='{"category": "math", "confidence": 0.95}')], "/api/chat")
    response = say(proxy, "Integrate x squared.")
    assert layer(response) == ("arbiter", "math", "big/math")
    judge.script([Behaviour(text='{"category": "chat", "confidence": 0.95}')], "/api/chat")
    assert layer(say(proxy, "How was your day?")) == ("arbiter", "chat", "small/llama3")


def test_a_category_without_a_target_is_a_miss(proxy: Any, judge: FakeUpstream) -> None:
    """The arbiter's category leads to a server that is not there: a miss, not an error."""
    judge.script([Behaviour(text='{"category": "lost", "confidence": 1}')], "/api/chat")
    assert layer(say(proxy, "Where am I?")) == ("default", "default", "small/llama3")


def models_in(body: bytes) -> set[str]:
    """Every model that an answer names, in any of the three dialects' forms."""
    lines = [line.removeprefix(b"data: ") for line in body.splitlines()]
    found = [json.loads(line) for line in lines if line.startswith(b"{")]
    places = [place for obj in found for place in (obj, obj.get("message")) if isinstance(place, dict)]
    return {place["model"] for place in places if "model" in place}


ASKS = [("What is a stack trace?", "big/coder"), ("Write a poem.", "claude/sonnet"), ("Well?", "small/llama3")]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat", "/v1/messages"])
@pytest.mark.parametrize(("text", "target"), ASKS, ids=[target for _, target in ASKS])
def test_the_answer_names_the_real_target(proxy: Any, path: str, stream: bool, text: str, target: str) -> None:
    """Streamed or whole, from a server of any dialect to a client of any dialect: `model` is the target, everywhere."""
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], "stream": stream, "max_tokens": 50}
    response = proxy.post(path, body, headers={"anthropic-version": "2023-06-01"})
    assert response.status_code == 200
    assert models_in(response.content) == {target}


def test_only_model_is_changed_in_a_stream(proxy: Any, big: FakeUpstream) -> None:
    """Every other byte of a stream is the upstream's own, and what only looks like a model's name is left alone."""
    delta = b'{"index":0,"delta":{"content":"\\"model\\": \\"gpt-x\\""},"finish_reason":%s}'
    chunk = b'data: {"id":"1", "model": "gpt-x",  "choices":[' + delta + b'],"x":1.50}\n\n'
    events = [chunk % b"null", chunk % b'"stop"', b"data: [DONE]\n\n"]
    big.script([Behaviour(events=events)])
    response = say(proxy, "stack trace", True, stream_options={"include_usage": False})
    assert response.content == b"".join(events).replace(b'"model": "gpt-x",  ', b'"model": "big/coder",  ')


def test_explicit_models_keep_their_names(proxy: Any) -> None:
    """An answer to a named model is not renamed."""
    response = proxy.chat("big/gpt-4o")
    assert response.json()["model"] == "gpt-4o"
    assert layer(response)[0] == "server"


def test_auto_is_listed_first(proxy: Any) -> None:
    """/v1/models has `auto` first where it has somewhere to go."""
    listed = proxy.openai().models.list().data
    assert listed[0].id == "auto"


def test_a_conversation_keeps_its_target(proxy: Any) -> None:
    """`stick: conversation`: the next turn goes where the first went, though no rule matches it. Others do not."""
    first = say(proxy, "", messages=SECOND_TURN[:1])
    assert layer(first) == ("route", "fjords", "big/geographer")
    held = ("conversation", "fjords", "big/geographer")  # noted down after the first answer's last byte
    proxy.until(lambda: layer(say(proxy, "", messages=SECOND_TURN)) == held)
    body = {"model": "auto", "messages": SECOND_TURN}
    other = proxy.post("/v1/chat/completions", body, headers={"authorization": "Bearer somebody-else"})
    assert layer(other)[0] == "default"


def test_a_tool_loop_keeps_its_target(proxy: Any) -> None:
    """The turn that brings a tool's result goes to the model that asked for it."""
    opening = [{"role": "user", "content": "Measure the fjords."}]
    assert layer(say(proxy, "", messages=opening))[2] == "big/geographer"
    call = {"id": "c1", "type": "function", "function": {"name": "measure", "arguments": "{}"}}
    loop = [
        *opening,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "42 poems"},
    ]
    held = ("conversation", "fjords", "big/geographer")
    proxy.until(lambda: layer(say(proxy, "", messages=loop)) == held)


def test_two_workers_decide_as_one(start: Any, big: Any, small: Any, claude: Any, judge: Any) -> None:
    """What rules decide is the same in every worker, and a conversation that one began, the other goes on with."""
    text = rules(big, small, claude, judge)
    one = start(text)
    two = start(text, {"DB_PATH": str(one.folder / "requests.db"), "BLOB_STORAGE_PATH": str(one.folder / "blobs")})
    for question, _ in ASKS:
        assert layer(say(one, question)) == layer(say(two, question))
    opening = [{"role": "user", "content": "Sing of fjords."}]
    assert layer(say(one, "", messages=opening))[0] == "route"
    follow = [*opening, {"role": "assistant", "content": "La."}, {"role": "user", "content": "Again!"}]
    held = ("conversation", "fjords", "big/geographer")
    two.until(lambda: layer(say(two, "", messages=follow)) == held)
