"""The exact cache from the client's side: who gets a kept answer, in which form, and who never does."""

from __future__ import annotations

import contextlib
import itertools
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import pytest

from switchman.addons.state.learned.openings import SPACE
from switchman.addons.testing import Behaviour, FakeUpstream, ToolCall
from switchman.addons.testing.rawclient import RawClient, request_bytes

PATIENCE = 60.0


@pytest.fixture(scope="module")
def big(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="big")


def rules(big: FakeUpstream, more: str = "") -> str:
    return f"""
servers:
  big: {{url: "{big.url}", dialect: openai}}
default: big/gpt
cache: {{exact: {{ttl: 1h}}, models: ["big/cached-*"]}}
{more}
"""


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, big: FakeUpstream) -> Any:
    return start_shared(rules(big))


@pytest.fixture(autouse=True)
def calm(big: FakeUpstream) -> Iterator[None]:
    """Each test finds the upstream well, and leaves it so."""
    yield
    big.default = Behaviour()


def say(proxy: Any, text: str, stream: bool = False, token: str = "a", headers: Any = None, **more: Any) -> Any:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}], "stream": stream} | more
    headers = {"authorization": f"Bearer {token}", **(headers or {})}
    return proxy.post("/v1/chat/completions", body, headers=headers)


def kept(proxy: Any, text: str, **more: Any) -> Any:
    """The answer from the cache, as soon as it is there: it is stored after the client has its last byte."""
    return proxy.until(lambda: (r := say(proxy, text, **more)).headers["x-switchman-cache"] == "hit" and r, "a hit")


def unasked[T](proxy: Any, big: FakeUpstream, ask: Callable[[], T]) -> tuple[T, T]:
    """The last answer of the upstream's own, and the first one that came without it.

    Answers are stored after the client has their last byte, and on a busy machine the store may be too slow for a
    request that does not wait for it.
    """
    answers = [ask()]

    def again() -> bool:
        before = len(big.inferences)
        answers.append(ask())
        return len(big.inferences) == before

    proxy.until(again, "an answer that the upstream was not asked for")
    return answers[-2], answers[-1]


def test_the_second_time_it_is_kept(proxy: Any, big: FakeUpstream, question: str) -> None:
    """An equal request gets the same answer without the upstream, and the record says who gave it first."""
    first, second = unasked(proxy, big, lambda: say(proxy, question))
    assert [answer.headers["x-switchman-cache"] for answer in (first, second)] == ["miss", "hit"]
    assert second.json() == first.json()
    assert second.json()["model"] == "big/gpt"
    assert second.headers["x-switchman-layer"] == "exact_cache"
    assert second.headers["x-switchman-target"] == "big/gpt"
    row = proxy.row_of(second)
    assert (row["outcome"], row["layer"], row["server"], row["model"]) == ("cached", "exact_cache", "big", "gpt")
    assert row["attempts"] == []


@pytest.mark.parametrize("then", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_every_form_from_every_form(proxy: Any, big: FakeUpstream, question: str, first: bool, then: bool) -> None:
    """Kept from a stream or a whole answer, given as a stream or whole: the official client reads the same text."""
    client = proxy.openai()
    said: Any = {"model": "auto", "messages": [{"role": "user", "content": question}]}

    def ask(stream: bool) -> tuple[str, str, Any]:
        if not stream:
            whole = client.chat.completions.create(**said)
            return whole.choices[0].message.content or "", whole.model, whole.usage
        text, model, usage = "", "", None
        with client.chat.completions.create(**said, stream=True, stream_options={"include_usage": True}) as chunks:
            for chunk in chunks:
                text += "".join(choice.delta.content or "" for choice in chunk.choices)
                model, usage = chunk.model, chunk.usage or usage
        return text, model, usage

    fresh = ask(first)
    _, again = unasked(proxy, big, lambda: ask(then))
    assert again[:2] == fresh[:2] == ("Hello from big.", "big/gpt")
    assert again[2] is not None
    assert again[2].completion_tokens == fresh[2].completion_tokens


def test_a_kept_answer_in_another_dialect(proxy: Any, big: FakeUpstream, question: str) -> None:
    """What OpenAI's client asked first, Ollama's and Anthropic's get from the cache, in their own form."""
    said: Any = [{"role": "user", "content": question}]
    headers = {"authorization": "Bearer client-key"}
    body = {"model": "auto", "messages": said, "max_tokens": 20}
    proxy.post("/v1/chat/completions", body, headers=headers)
    kept(proxy, question, token="client-key", max_tokens=20)
    ollama = {"model": "auto", "messages": said, "options": {"num_predict": 20}, "stream": False}
    _, answer = unasked(proxy, big, lambda: proxy.post("/api/chat", ollama, headers=headers))
    assert answer.json()["message"]["content"] == "Hello from big."
    client = anthropic.Anthropic(base_url=proxy.url, auth_token="client-key", api_key=None, max_retries=0)

    def ask() -> Any:
        with client.messages.stream(model="auto", max_tokens=20, messages=said) as stream:
            return stream.get_final_message()

    with client:
        _, message = unasked(proxy, big, ask)
    assert message.content[0].text == "Hello from big."
    assert message.model == "big/gpt"


def test_another_caller_never_gets_it(proxy: Any, big: FakeUpstream, question: str) -> None:
    """Token A's answer never reaches token B, nor anybody without a token, streamed or not."""
    big.default = Behaviour(text="secret of a")
    say(proxy, question, token="a")
    assert kept(proxy, question, token="a").json()["choices"][0]["message"]["content"] == "secret of a"
    big.default = Behaviour(text="for others")
    body = {"model": "auto", "messages": [{"role": "user", "content": question}]}
    for answer in (
        say(proxy, question, token="b"),
        say(proxy, question, stream=True, token="c"),
        proxy.post("/v1/chat/completions", body),
        proxy.post("/v1/chat/completions", body, headers={"x-api-key": "a"}),
        proxy.post("/v1/chat/completions", body, headers={"authorization": "Bearer a", "openai-organization": "other"}),
        proxy.post("/v1/chat/completions", body, headers={"authorization": "Bearer a", "cookie": "session=other"}),
    ):
        assert answer.headers["x-switchman-cache"] == "miss"
        assert b"secret" not in answer.content


@pytest.mark.parametrize(
    ("place", "others"),
    [("?key={}", {}), ("?api_key={}", {}), ("", {"x-goog-api-key": "{}"}), ("", {"x-auth-token": "{}"})],
    ids=str,
)
def test_a_key_tells_callers_apart_wherever_it_is(
    proxy: Any, big: FakeUpstream, question: str, place: str, others: dict[str, str]
) -> None:
    """Two callers at one address with keys in the query, or in a provider's own header, have a cache each."""
    body = {"model": "auto", "messages": [{"role": "user", "content": question}]}

    def ask(key: str) -> Any:
        headers = {name: value.format(key) for name, value in others.items()}
        return proxy.post("/v1/chat/completions" + place.format(key), body, headers=headers)

    big.default = Behaviour(text="secret of a")
    proxy.until(lambda: ask("a").headers["x-switchman-cache"] == "hit", "a hit")
    big.default = Behaviour(text="for others")
    answer = ask("b")
    assert answer.headers["x-switchman-cache"] == "miss"
    assert b"secret" not in answer.content


@pytest.mark.parametrize(
    "more", [{"temperature": 0.1}, {"seed": 1}, {"max_tokens": 5}, {"x_unknown": 1}, {"stop": ["x"]}], ids=str
)
def test_another_parameter_is_another_request(proxy: Any, question: str, more: dict[str, Any]) -> None:
    """Whatever can change the answer is part of the key."""
    say(proxy, question)
    kept(proxy, question)
    assert say(proxy, question, **more).headers["x-switchman-cache"] == "miss"


UNFIT = [
    Behaviour(finish="length"),
    Behaviour(finish="content_filter"),
    Behaviour(tool_calls=[ToolCall("look", {})]),
    Behaviour(status=401),
    Behaviour(status=500),
    Behaviour(malformed=True),
    Behaviour(text=""),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("behaviour", UNFIT, ids=range(len(UNFIT)))
def test_what_is_not_kept(proxy: Any, big: FakeUpstream, question: str, behaviour: Behaviour, stream: bool) -> None:
    """Truncated, filtered, tool-calling, failed, unreadable and empty answers are asked for again."""
    big.script([behaviour])
    say(proxy, question, stream)
    unasked(proxy, big, lambda: say(proxy, f"{question} And then?"))  # what came later is kept by now
    before = len(big.inferences)
    assert say(proxy, question, stream).headers["x-switchman-cache"] == "miss"
    assert len(big.inferences) == before + 1


def test_a_stream_that_broke_is_not_kept(proxy: Any, big: FakeUpstream, question: str) -> None:
    """Half an answer is not given to the next one."""
    big.script([Behaviour(cut_after=3, cut="rst")])
    say(proxy, question, True)
    unasked(proxy, big, lambda: say(proxy, f"{question} And then?"))
    assert say(proxy, question, True).headers["x-switchman-cache"] == "miss"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"cache-control": "no-cache"}, "refresh"),
        ({"cache-control": "max-age=0"}, "refresh"),
        ({"x-switchman-cache": "refresh"}, "refresh"),
        ({"cache-control": "no-store"}, "bypass"),
        ({"x-switchman-cache": "bypass"}, "bypass"),
    ],
    ids=str,
)
def test_regenerate(proxy: Any, big: FakeUpstream, question: str, headers: dict[str, str], status: str) -> None:
    """A client that asks for a fresh answer gets one; a refresh replaces what is kept, a bypass does not."""
    big.default = Behaviour(text="old")
    say(proxy, question)
    kept(proxy, question)
    big.default = Behaviour(text="new")
    fresh = say(proxy, question, headers=headers)
    assert fresh.headers["x-switchman-cache"] == status
    assert fresh.json()["choices"][0]["message"]["content"] == "new"

    wanted = "new" if status == "refresh" else "old"
    big.default = Behaviour(text=wanted)  # should the store be too slow for a look, what is kept stays as it is
    proxy.until(lambda: kept(proxy, question).json()["choices"][0]["message"]["content"] == wanted)


def test_the_routers_own_header_stays_here(proxy: Any, big: FakeUpstream, question: str) -> None:
    """x-switchman-cache is for the router; cache-control is the client's, and goes on."""
    say(proxy, question, headers={"x-switchman-cache": "bypass", "cache-control": "no-store"})
    sent = big.inferences[-1]
    assert sent.header("x-switchman-cache") is None
    assert sent.header("cache-control") == "no-store"


def test_named_models_only_where_asked_for(proxy: Any, big: FakeUpstream) -> None:
    """`cache: models:` adds models by name; any other named model is never cached, and says nothing of a cache."""
    first, again = unasked(proxy, big, lambda: proxy.chat("big/cached-one"))
    assert again.json() == first.json()
    assert again.json()["model"] == "cached-one"
    before = len(big.inferences)
    for _ in range(2):
        assert "x-switchman-cache" not in proxy.chat("big/other").headers
    assert len(big.inferences) == before + 2


def at_once(proxies: list[Any], text: str, each: int, stream: bool = False) -> list[Any]:
    """Equal requests that all set out together."""
    gate = threading.Barrier(each * len(proxies))

    def one(proxy: Any) -> Any:
        gate.wait(PATIENCE)
        return say(proxy, text, stream)

    with ThreadPoolExecutor(each * len(proxies)) as pool:
        return list(pool.map(one, proxies * each))


@pytest.mark.parametrize("stream", [False, True])
def test_identical_requests_at_once_ask_once(proxy: Any, big: FakeUpstream, question: str, stream: bool) -> None:
    """Ten at the same time: one goes to the upstream, nine wait for its answer."""
    big.default = Behaviour(latency=0.5)
    before = len(big.inferences)
    answers = at_once([proxy], question, 10, stream)
    assert len(big.inferences) == before + 1
    assert sorted(answer.headers["x-switchman-cache"] for answer in answers) == ["hit"] * 9 + ["miss"]
    assert all(b"big" in answer.content for answer in answers)


def test_a_leader_that_fails_costs_nobody_an_answer(proxy: Any, big: FakeUpstream, question: str) -> None:
    """The first fails: one of the others asks again, and the rest wait for that one."""
    big.script([Behaviour(latency=0.5, status=500)])
    before = len(big.inferences)
    answers = at_once([proxy], question, 6)
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [500]
    assert len(big.inferences) == before + 2


def test_a_leader_that_leaves_costs_nobody_an_answer(proxy: Any, big: FakeUpstream, question: str) -> None:
    """The first one's client hangs up: those who waited go on."""
    big.script([Behaviour(never_answer=True)])
    before = len(big.inferences)
    body = {"model": "auto", "messages": [{"role": "user", "content": question}], "stream": False}
    headers = [("content-type", "application/json"), ("authorization", "Bearer a")]
    with ThreadPoolExecutor(3) as pool:
        with RawClient(proxy.port) as leader:
            leader.send(request_bytes("/v1/chat/completions", json.dumps(body).encode(), headers))
            big.wait_for(lambda: len(big.inferences) > before, PATIENCE)
            followers = [pool.submit(say, proxy, question) for _ in range(3)]
        assert [follower.result(PATIENCE).status_code for follower in followers] == [200] * 3


def test_a_changed_policy_finds_nothing(start: Any, big: FakeUpstream) -> None:
    """After a change of the rules the old answers are not served, and the new target is asked."""
    proxy = start(rules(big))
    say(proxy, "hello")
    kept(proxy, "hello")
    proxy.routes_file.write_text(rules(big).replace("default: big/gpt", "default: big/other"))
    answer = proxy.until(lambda: (r := say(proxy, "hello")).json()["model"] == "big/other" and r)
    assert answer.status_code == 200


def test_it_is_off_with_no_time_to_live(start: Any, big: FakeUpstream) -> None:
    """`ttl: 0` switches it off: nothing is kept of requests and answers, and no header speaks of it."""
    proxy = start(rules(big).replace("ttl: 1h", "ttl: 0"))
    before = len(big.inferences)
    for _ in range(2):
        assert "x-switchman-cache" not in say(proxy, "hello").headers
    assert len(big.inferences) == before + 2
    proxy.stop()  # what was learned of models is kept in the same file
    if (file := proxy.folder / "requests.cache.db").exists():
        with contextlib.closing(sqlite3.connect(file)) as db:
            assert db.execute("SELECT count(*) FROM entries WHERE space != ?", (SPACE,)).fetchone() == (0,)


def test_it_can_be_shared_among_callers(start: Any, big: FakeUpstream) -> None:
    """`scope: shared`: what one caller asked serves all."""
    proxy = start(rules(big).replace("ttl: 1h", "ttl: 1h, scope: shared"))
    callers = itertools.count()  # a new one each time: none meets what it has asked itself
    first = say(proxy, "hello", token=f"caller-{next(callers)}")
    assert first.headers["x-switchman-cache"] == "miss"
    served = proxy.until(
        lambda: (r := say(proxy, "hello", token=f"caller-{next(callers)}")).headers["x-switchman-cache"] == "hit" and r,
        "a hit for one who has not asked before",
    )
    assert served.json()["choices"] == first.json()["choices"]


def test_without_a_log_it_is_in_memory_only(start: Any, big: FakeUpstream) -> None:
    """ENABLE_LOGGING=false: the cache works, and no file is written."""
    proxy = start(rules(big), {"ENABLE_LOGGING": "false"})
    say(proxy, "hello")
    kept(proxy, "hello")
    assert not list(proxy.folder.glob("*.db*"))


def test_two_workers_are_as_one(start: Any, big: FakeUpstream) -> None:
    """Two processes over one file: what one keeps the other serves, equal requests to both ask once, and they decide
    alike."""
    one = start(rules(big))
    two = start(
        rules(big), {"DB_PATH": str(one.folder / "requests.db"), "BLOB_STORAGE_PATH": str(one.folder / "blobs")}
    )
    two.folder = one.folder
    say(one, "hello")
    kept(two, "hello")
    big.default = Behaviour(latency=0.5)
    before = len(big.inferences)
    answers = at_once([one, two], "both at once", 4)
    assert len(big.inferences) == before + 1
    assert len({json.dumps(answer.json()) for answer in answers}) == 1


def test_a_sick_store_costs_no_answer(start: Any, big: FakeUpstream, tmp_path: Path) -> None:
    """The cache's file is a folder: every request is served all the same."""
    (tmp_path / "requests.cache.db").mkdir()
    proxy = start(rules(big), {"DB_PATH": str(tmp_path / "requests.db")})
    for _ in range(2):
        answer = say(proxy, "hello")
        assert (answer.status_code, answer.headers["x-switchman-cache"]) == (200, "miss")


def test_rules_about_the_caller_keep_answers_apart(start: Any, big: FakeUpstream) -> None:
    """Where a rule looks at a header, an answer kept under one value does not serve a request it treats otherwise."""
    more = "routes:\n  - match: {model: auto, header: {x-team: blue}}\n    route: {model: big/blue}\n"
    proxy = start(rules(big, more))
    say(proxy, "hello")
    kept(proxy, "hello")
    blue = say(proxy, "hello", headers={"x-team": "blue"})
    assert (blue.headers["x-switchman-cache"], blue.json()["model"]) == ("miss", "big/blue")
    assert kept(proxy, "hello", headers={"x-team": "red"}).json()["model"] == "big/gpt"


def test_rules_about_the_name_keep_answers_apart(start: Any, big: FakeUpstream) -> None:
    """Where a rule is for one of the names that stand for `auto`, its answers do not serve the others."""
    route = "routes: [{match: {model: smart}, route: {model: big/other}}]"
    proxy = start(rules(big, f"auto_names: [auto, smart]\n{route}"))
    assert kept(proxy, "hello", model="smart").json()["model"] == "big/other"
    answer = say(proxy, "hello", model="auto")
    assert (answer.headers["x-switchman-cache"], answer.json()["model"]) == ("miss", "big/gpt")


def test_a_page_in_the_place_of_an_answer_is_not_cached(proxy: Any, big: FakeUpstream) -> None:
    """Though it came with a status of 200; the next one is asked for, and kept."""
    page = Behaviour(body=b"<html>Sign in</html>", headers={"content-type": "text/html"})
    for stream in (False, True):
        big.script([page])
        assert proxy.chat(f"big/cached-page{stream}", stream).status_code == 502
        before = len(big.inferences)
        answers = [proxy.chat(f"big/cached-page{stream}", stream) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 200]
        assert len(big.inferences) == before + 1 and "Sign in" not in answers[0].text + answers[1].text
