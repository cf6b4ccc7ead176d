"""One caller does not get what is another's: kept answers, answers under way, conversations. And gets its own again."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import ollama
import openai
import pytest

from switchman.addons.testing import Behaviour, FakeUpstream

PATIENCE = 60.0
CLIENTS = Path(__file__).parents[2] / "data" / "clients"

# What tells Alice from Bob: header fields, or a query, with {} for who asks. All bring the same key, but for the last.
TELLING: list[dict[str, Any]] = [
    *({"headers": {name: "{}"}} for name in (
        "x-forwarded-user", "x-openwebui-user-id", "x-goog-authenticated-user-email", "x-session-id",
        "tailscale-user-login", "x-portkey-config", "x-never-heard-of", "cookie", "proxy-authorization",
    )),
    *({"query": f"?{name}={{}}"} for name in ("code", "api-version", "x")),
    {"body": {"user": "{}"}},
    {"headers": {"x-forwarded-user": "{}", "authorization": ""}},
]  # fmt: skip


@pytest.fixture(scope="module")
def big(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="big")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, big: FakeUpstream) -> Any:
    return start_shared(f"""
servers:
  big: {{url: "{big.url}", dialect: openai, api_key: env:OWN_KEY}}
routes:
  - match: {{model: auto, keywords: [fjords]}}
    route: {{model: big/geographer, stick: conversation}}
default: big/gpt
""", {"OWN_KEY": "our-own-key-0123456789"})  # fmt: skip


@pytest.fixture(autouse=True)
def calm(big: FakeUpstream) -> Iterator[None]:
    yield
    big.default = Behaviour()


def say(proxy: Any, said: Any, who: str = "", headers: Any = None, query: str = "", body: Any = None) -> Any:
    messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
    asked = {"model": "auto", "messages": messages, **{k: v.format(who) for k, v in (body or {}).items()}}
    fields = {"authorization": "Bearer of-all"} | {k: v.format(who) for k, v in (headers or {}).items()}
    fields = {name: value for name, value in fields.items() if value}
    return proxy.post("/v1/chat/completions" + query.format(who), asked, headers=fields)


def cache(answer: Any) -> str:
    found: str = answer.headers["x-switchman-cache"]
    return found


def text_of(answer: Any) -> str:
    said: str = answer.json()["choices"][0]["message"]["content"]
    return said


@pytest.mark.parametrize("telling", TELLING, ids=str)
def test_bob_does_not_get_alices_answer(proxy: Any, big: FakeUpstream, question: str, telling: dict[str, Any]) -> None:
    """Whatever it is that tells them apart; and Alice still gets hers."""
    big.default = Behaviour(text="for Alice")
    say(proxy, question, "alice", **telling)
    proxy.until(lambda: cache(say(proxy, question, "alice", **telling)) == "hit", "a hit")
    big.default = Behaviour(text="for Bob")
    answer = say(proxy, question, "bob", **telling)
    assert (cache(answer), text_of(answer)) == ("miss", "for Bob")
    if telling != {"headers": {"x-forwarded-user": "{}", "authorization": ""}}:
        answer = say(proxy, question)
        assert (cache(answer), text_of(answer)) == ("miss", "for Bob")
    answer = say(proxy, question, "alice", **telling)
    assert (cache(answer), text_of(answer)) == ("hit", "for Alice")


def test_bob_does_not_wait_for_alices_answer(proxy: Any, big: FakeUpstream, question: str) -> None:
    """Equal requests at once are one only where they come from one caller."""
    big.default = Behaviour(latency=1.5)
    before, gate = len(big.inferences), threading.Barrier(6)

    def one(who: str) -> str:
        gate.wait(PATIENCE)
        return cache(say(proxy, question, who, headers={"x-forwarded-user": "{}"}))

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(one, ["alice", "bob"] * 3))
    assert len(big.inferences) == before + 2
    assert sorted(found) == ["hit"] * 4 + ["miss"] * 2


def test_bob_is_not_in_alices_conversation(proxy: Any, big: FakeUpstream, question: str) -> None:
    """The same words of another caller are another conversation; a second try of the same caller's SDK is not."""
    first = [{"role": "user", "content": f"Tell me about fjords. {question}"}]
    then = [*first, {"role": "assistant", "content": "They are deep."}, {"role": "user", "content": "How deep?"}]
    telling = {"headers": {"x-session-id": "{}", "x-stainless-retry-count": "0", "x-request-id": "r-1"}}
    assert say(proxy, first, "alice", **telling).json()["model"] == "big/geographer"
    telling = {"headers": {"x-session-id": "{}", "x-stainless-retry-count": "1", "x-request-id": "r-2"}}
    proxy.until(
        lambda: say(proxy, then, "alice", **telling).headers["x-switchman-layer"] in ("conversation", "exact_cache")
    )
    answer = say(proxy, then, "bob", **telling)
    assert (answer.headers["x-switchman-layer"], answer.json()["model"]) == ("default", "big/gpt")


# Its own


def again(proxy: Any, big: FakeUpstream, ask: Callable[[int], Any]) -> Any:
    """What a client gets without the upstream: it was asked before, in another request of the same client."""
    asked = itertools.count()
    answers = [ask(next(asked))]

    def unasked() -> bool:
        before = len(big.inferences)
        answers.append(ask(next(asked)))
        return len(big.inferences) == before

    proxy.until(unasked, "an answer that the upstream was not asked for")
    return answers[-1]


def test_openais_client_gets_its_own_answer_again(proxy: Any, big: FakeUpstream, question: str) -> None:
    """Also of another client with the same key, after a try that failed, streamed, and with a key for each request."""
    said: Any = {"model": "auto", "messages": [{"role": "user", "content": question}]}

    def ask(number: int) -> str:
        client = proxy.openai(max_retries=2, timeout=PATIENCE + number)
        headers = {"Idempotency-Key": f"once-{number}", "X-Client-Request-Id": f"r-{number}"}
        if number % 2:
            with client.chat.completions.create(**said, stream=True, extra_headers=headers) as chunks:
                return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        answer = client.chat.completions.create(**said, extra_headers=headers)
        return answer.choices[0].message.content or ""

    big.script([Behaviour(status=500)])
    assert again(proxy, big, ask) == "Hello from big."
    assert big.inferences[-1].header("x-stainless-retry-count") == "1"
    with openai.OpenAI(base_url=f"{proxy.url}/v1", api_key="another-key", max_retries=0) as other:
        before = len(big.inferences)
        other.chat.completions.create(**said)
        assert len(big.inferences) == before + 1


def test_anthropics_client_gets_its_own_answer_again(proxy: Any, big: FakeUpstream, question: str) -> None:
    """Streamed and whole, by each of its ways."""
    said: Any = {"model": "auto", "max_tokens": 20, "messages": [{"role": "user", "content": question}]}

    def ask(number: int) -> str:
        with anthropic.Anthropic(base_url=proxy.url, api_key="k", max_retries=2, timeout=PATIENCE + number) as client:
            if number % 2:
                with client.messages.stream(**said) as stream:
                    return stream.get_final_text()
            answer = client.messages.create(**said)
            assert answer.content[0].type == "text"
            return answer.content[0].text

    big.script([Behaviour(status=503)])
    assert again(proxy, big, ask) == "Hello from big."


def test_ollamas_client_gets_its_own_answer_again(proxy: Any, big: FakeUpstream, question: str) -> None:
    """It brings no key: the address counts, as before."""
    said: Any = [{"role": "user", "content": question}]

    def ask(number: int) -> str:
        client = ollama.Client(proxy.url, timeout=PATIENCE, trust_env=False)
        try:
            if number % 2:
                return "".join(part.message.content or "" for part in client.chat("auto", said, stream=True))
            return client.chat("auto", said).message.content or ""
        finally:
            client.close()

    assert again(proxy, big, ask) == "Hello from big."


@pytest.mark.parametrize(("name", "varying"), [
    ("claude_code", {"x-stainless-retry-count": "{}", "traceparent": "00-{}"}),
    ("codex", {"x-client-request-id": "{}", "x-codex-turn-metadata": '{{"turn_id": "{}"}}', "user-agent": "codex/{}"}),
])  # fmt: skip
def test_agents_get_their_own_answer_again(
    proxy: Any, big: FakeUpstream, question: str, name: str, varying: dict[str, str]
) -> None:
    """With the fields that they send, of which some are another each time."""
    sent = next(one for one in json.loads((CLIENTS / f"{name}.json").read_text()) if one["method"] == "POST")
    fields = {field.lower(): value for field, value in sent["headers"] if field.lower() != "accept-encoding"}
    asked = {"model": "auto", "messages": [{"role": "user", "content": question}]}

    def ask(number: int) -> str:
        headers = fields | {field: value.format(number) for field, value in varying.items()}
        return text_of(proxy.post("/v1/chat/completions", asked, headers=headers))

    assert again(proxy, big, ask) == "Hello from big."


def test_a_gateways_header_poisons_no_shared_answer(start: Any, big: FakeUpstream) -> None:
    """`scope: shared`: what one caller told a gateway decides over nobody else's answer; who asks does not matter."""
    proxy = start(f"""
servers: {{big: {{url: "{big.url}", dialect: openai}}}}
default: big/gpt
cache: {{exact: {{ttl: 1h, scope: shared}}}}
""")
    big.default = Behaviour(text="poisoned")
    bad = {"x-portkey-config": '{{"override": 1}}'}
    say(proxy, "hello", headers=bad)
    proxy.until(lambda: cache(say(proxy, "hello", headers=bad)) == "hit", "a hit")
    big.default = Behaviour(text="good")
    assert text_of(say(proxy, "hello", "alice", headers={"x-forwarded-user": "{}"})) == "good"
    answer = proxy.until(
        lambda: (
            cache(r := say(proxy, "hello", "bob", headers={"x-forwarded-user": "{}", "x-api-key": "{}"})) == "hit" and r
        )
    )
    assert text_of(answer) == "good"
