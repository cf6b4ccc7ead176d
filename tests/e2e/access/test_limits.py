"""Limits and budgets of a token, through a real router, as clients of each dialect see them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

from switchman.addons.core.access.caller import Allowance, Budget, Terms
from switchman.addons.core.access.limits.account import Account
from switchman.addons.core.access.limits.written import NO_LIMIT
from switchman.addons.state.access.sqliteledger import look_into
from switchman.addons.store.access.opening import open_access
from switchman.addons.testing import Behaviour, FakeUpstream, Usage

ROUTES = """
servers:
  up: {{url: "{up}", dialect: openai}}
  second: {{url: "{second}", dialect: openai}}
  dead: {{url: "http://127.0.0.1:9", dialect: openai}}
  own: {{url: "{up}", dialect: openai, free: true}}
models:
  up/gpt: {{input_cost: 1, output_cost: 2, context: 5000}}
  second/gpt: {{input_cost: 1, output_cost: 2}}
  dead/gpt: {{input_cost: 1, output_cost: 2}}
  up/mini: {{input_cost: 0.001, output_cost: 0.001}}
aliases:
  both: {{instances: [up/gpt, second/gpt]}}
  after-dead: {{instances: [dead/gpt, up/gpt]}}
  some-known: {{instances: [second/unpriced, up/gpt]}}
limits:
  groups:
    team: {{concurrent: 1}}
    small: {{body_bytes: 2000}}
cache: {{models: [cached]}}
routes:
  - {{match: {{model: cached}}, route: {{model: up/gpt}}}}
default: up/gpt
"""
SECRET = "a secret of the webhook"
PER_CALL = 11 * 1 + 7 * 2  # micro-dollars of an answer of the fake upstream

Proxy = Any


class Hook:
    """A webhook that fails once, and then takes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, str], bytes]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.told.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(503 if len(hook.told) == 1 else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?key=abcdefgh12345678"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def second(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="second")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream, second: FakeUpstream, hook: Hook) -> Proxy:
    routes = ROUTES.format(up=upstream.url, second=second.url)
    env = {"CLIENT_AUTH": "TOKENS", "ALERT_WEBHOOK": hook.url, "ALERT_WEBHOOK_SECRET": SECRET}
    return start_shared(routes, env)


@pytest.fixture(autouse=True)
def _well_behaved(upstream: FakeUpstream, second: FakeUpstream) -> None:
    for one in (upstream, second):
        one.default = Behaviour()
        one.requests.clear()


class Holder:
    """A token, and what its account says."""

    def __init__(self, proxy: Proxy, name: str, allowance: Allowance = NO_LIMIT, **terms: Any) -> None:
        access = open_access(None, proxy.folder / "requests.db")
        try:
            token, self.text = access.tokens.create(Terms(name, allowance=allowance, **terms), time.time())
        finally:
            access.close()
        self.proxy, self.name = proxy, f"token:{token.caller.id}"
        self.headers = {"authorization": f"Bearer {self.text}"}
        proxy.until(
            lambda: httpx.get(f"{proxy.url}/v1/models", headers=self.headers, trust_env=False).status_code == 200
        )

    def chat(self, model: str = "up/gpt", **more: Any) -> httpx.Response:
        headers = self.headers | more.pop("headers", {})
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 50} | more
        return self.proxy.post("/v1/chat/completions", body, headers=headers)

    @property
    def account(self) -> Account:
        found = look_into(self.proxy.folder / "requests.limits.db", [self.name])
        return found.get(self.name, Account())

    def used(self, unit: str = "usd") -> int:
        return sum(purse.used for name, purse in self.account.purses.items() if name.startswith(unit))

    def settled(self) -> Account:
        """The account as soon as nothing is held any more."""
        self.proxy.until(lambda: not self.account.held, "nothing is held")
        return self.account


def usd(dollars: float, downgrade: str | None = None) -> Allowance:
    return Allowance(budgets=(Budget(round(dollars * 1e6), "usd", "month", downgrade),))


def anthropic_client(proxy: Proxy, holder: Holder, **more: Any) -> anthropic.Anthropic:
    client = anthropic.Anthropic(base_url=proxy.url, api_key=holder.text, **more)
    proxy._clients.callback(client.close)
    return client


# What clients are told


def test_openais_client_reads_its_own_words(proxy: Proxy) -> None:
    """429 with code, type, Retry-After and x-ratelimit-* fields; good answers have the fields, too."""
    holder = Holder(proxy, "openai's", Allowance(requests_per_minute=2, tokens_per_minute=10_000))
    client = proxy.openai(api_key=holder.text)
    asked: Any = {"model": "up/gpt", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}
    for left in (1, 0):
        good = client.chat.completions.with_raw_response.create(**asked)
        fields = {name: value for name, value in good.headers.items() if name.startswith("x-ratelimit")}
        assert fields["x-ratelimit-limit-requests"] == "2" and fields["x-ratelimit-remaining-requests"] == str(left)
        assert fields["x-ratelimit-limit-tokens"] == "10000" and int(fields["x-ratelimit-remaining-tokens"]) < 10_000
        assert fields["x-ratelimit-reset-requests"].endswith("s") and "x-ratelimit-reset-tokens" in fields
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**asked)
    error = caught.value
    assert (error.code, error.type) == ("rate_limit_exceeded", "requests")
    assert 0 < int(error.response.headers["retry-after"]) <= 61
    assert error.response.headers["x-ratelimit-remaining-requests"] == "0"
    assert "the token openai's is reached: 2 requests per minute" in str(error)


def test_anthropics_client_reads_its_own_words(proxy: Proxy) -> None:
    """rate_limit_error, and anthropic-ratelimit-* fields with times of RFC 3339."""
    holder = Holder(proxy, "anthropic's", Allowance(requests_per_minute=1))
    client = anthropic_client(proxy, holder, max_retries=0)
    asked: Any = {"model": "up/gpt", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}
    good = client.messages.with_raw_response.create(**asked)
    assert good.headers["anthropic-ratelimit-requests-limit"] == "1"
    assert good.headers["anthropic-ratelimit-requests-reset"].endswith("Z")
    assert not any(name.startswith("x-ratelimit") for name in good.headers)
    with pytest.raises(anthropic.RateLimitError) as caught:
        client.messages.create(**asked)
    assert caught.value.body["error"]["type"] == "rate_limit_error"  # type: ignore[index]
    assert caught.value.response.headers["anthropic-ratelimit-requests-remaining"] == "0"


def test_ollamas_client_reads_its_own_words(proxy: Proxy) -> None:
    """An error with status 429 and a text."""
    holder = Holder(proxy, "ollama's", Allowance(requests_per_minute=1))
    client = ollama.Client(proxy.url, headers=holder.headers, trust_env=False)
    proxy._clients.callback(client._client.close)
    client.chat("up/gpt", [{"role": "user", "content": "hi"}])
    with pytest.raises(ollama.ResponseError, match="1 requests per minute") as caught:
        client.chat("up/gpt", [{"role": "user", "content": "hi"}])
    assert caught.value.status_code == 429


def test_a_caller_sees_its_own_figures_and_not_those_of_the_routers_key(proxy: Proxy, upstream: FakeUpstream) -> None:
    """An upstream's fields give way where the caller has limits; where it has none they pass."""
    theirs = {"x-ratelimit-remaining-requests": "4999", "anthropic-ratelimit-tokens-limit": "1"}
    upstream.default = Behaviour(headers=theirs)
    holder = Holder(proxy, "figures", Allowance(requests_per_minute=5))
    for stream in (False, True):
        answer = holder.chat(stream=stream)
        assert answer.headers["x-ratelimit-limit-requests"] == "5"
        assert answer.headers["x-ratelimit-remaining-requests"] != "4999"
        assert "anthropic-ratelimit-tokens-limit" not in answer.headers
    free = Holder(proxy, "without")
    assert free.chat().headers["x-ratelimit-remaining-requests"] == "4999"


def test_lists_of_models_and_refusals_are_not_counted(proxy: Proxy) -> None:
    """What the router answers itself is no request of anybody's limits."""
    holder = Holder(proxy, "lists", Allowance(requests_per_minute=1))
    assert httpx.get(f"{proxy.url}/v1/models", headers=holder.headers, trust_env=False).status_code == 200
    assert holder.chat(model=7).status_code == 400
    assert holder.chat(messages=[{"role": "user", "content": "hi"}]).status_code == 200
    assert holder.chat().status_code == 429


def test_more_tokens_than_a_minute_has_are_refused_for_good(proxy: Proxy) -> None:
    """No Retry-After, and a sentence that says what to do."""
    answer = Holder(proxy, "large", Allowance(tokens_per_minute=1000)).chat(max_tokens=5000)
    assert answer.status_code == 429 and answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers and "max_tokens" in answer.json()["error"]["message"]
    assert answer.json()["error"]["type"] == "tokens"


# The size of a request


def test_a_body_that_is_too_large_for_its_caller_is_refused_before_it_is_read(
    proxy: Proxy, upstream: FakeUpstream
) -> None:
    """413 by the length it tells, and by what has come where it tells none."""
    holder = Holder(proxy, "sized", groups=frozenset({"small"}))
    assert holder.chat().status_code == 200
    told = socket.create_connection(("127.0.0.1", proxy.port), timeout=30)
    with told:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {holder.text}\r\n"
        told.sendall(
            f"{head.replace('host: a', f'host: 127.0.0.1:{proxy.port}')}content-length: 90000\r\n\r\n{{".encode()
        )
        answer = told.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 413") and b"larger than 2000 bytes" in answer

    def pieces() -> Iterator[bytes]:
        yield b'{"model": "up/gpt", "messages": [{"role": "user", "content": "'
        yield b"x" * 3000
        yield b'"}]}'

    url = f"{proxy.url}/v1/chat/completions"
    chunked = httpx.post(url, content=pieces(), headers=holder.headers, trust_env=False, timeout=60)
    assert chunked.status_code == 413 and "larger than 2000 bytes" in chunked.json()["error"]["message"]
    assert len(upstream.inferences) == 1


# Budgets


def test_a_budget_refuses_what_it_does_not_hold_in_each_dialects_words(proxy: Proxy) -> None:
    """insufficient_quota, billing_error, and a sentence; clients' libraries do not try again."""
    holder = Holder(proxy, "poor", usd(0.0001))
    answer = holder.chat(max_tokens=500)
    assert answer.status_code == 429 and answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["code"] == answer.json()["error"]["type"] == "insufficient_quota"
    assert "$0.0001 per month" in answer.json()["error"]["message"] and int(answer.headers["retry-after"]) > 0
    client = anthropic_client(proxy, holder)
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.create(model="up/gpt", max_tokens=500, messages=[{"role": "user", "content": "hi"}])
    assert (caught.value.status_code, caught.value.body["error"]["type"]) == (402, "billing_error")  # type: ignore[index]
    assert holder.chat(model="own/anything", max_tokens=500).status_code == 200  # a server that is free
    assert holder.settled().purses == {} or holder.used() == 0


@pytest.mark.parametrize("stream", [False, True])
def test_what_an_answer_used_is_settled_to_the_micro_dollar(proxy: Proxy, stream: bool) -> None:
    """Used is what the row says it cost, and nothing stays reserved."""
    holder = Holder(
        proxy, f"settled {stream}", Allowance(budgets=(Budget(10**6, "usd", "day"), Budget(10**6, "tokens", "day")))
    )
    for _ in range(3):
        assert holder.chat(stream=stream).status_code == 200
    holder.settled()
    assert (holder.used(), holder.used("tokens")) == (3 * PER_CALL, 3 * 18)
    rows = proxy.until(lambda: len(r := proxy.rows(token=f"settled {stream}", operation="chat")) == 3 and r)
    assert sum(row["cost_microdollars"] for row in rows) == holder.used()


def test_a_model_whose_price_is_not_known_is_not_asked_on_a_budget(proxy: Proxy, second: FakeUpstream) -> None:
    """A 403 says what to do; of several candidates those whose price is known remain."""
    holder = Holder(proxy, "unpriced", usd(1))
    refused = holder.chat(model="second/unpriced")
    assert refused.status_code == 403 and "input_cost and output_cost" in refused.json()["error"]["message"]
    assert not second.inferences
    assert holder.chat(model="some-known").headers["x-switchman-target"] == "up/gpt"
    assert (
        Holder(proxy, "unpriced in tokens", Allowance(budgets=(Budget(10**6, "tokens", "day"),)))
        .chat(model="second/unpriced")
        .is_success
    )


def test_a_budget_that_is_used_up_has_another_model_answer(proxy: Proxy, upstream: FakeUpstream) -> None:
    """The trace says so, the other model's cost goes on being counted, and its answers are not kept for the first."""
    holder = Holder(proxy, "downgraded", usd(0.0015, "up/mini"))
    first = holder.chat(max_tokens=400)
    assert first.headers["x-switchman-target"] == "up/gpt"
    holder.settled()
    upstream.default = Behaviour(usage=Usage(500, 490))
    assert holder.chat(max_tokens=400).headers["x-switchman-target"] == "up/gpt"
    holder.settled()
    used = holder.used()
    upstream.default = Behaviour(usage=Usage(1000, 1000))
    second_answer = holder.chat(max_tokens=400)
    assert (second_answer.status_code, second_answer.headers["x-switchman-target"]) == (200, "up/mini")
    assert second_answer.headers["x-switchman-layer"] == "limits"
    row = proxy.row_of(second_answer)
    assert any("up/mini answers in place of what was asked" in line["detail"] for line in row["trace"])
    holder.settled()
    assert holder.used() == used + 2


def test_an_answer_from_a_cache_counts_as_a_request_and_costs_nothing(proxy: Proxy) -> None:
    """A budget that is used up does not stop it; requests a minute do."""
    holder = Holder(proxy, "cached", Allowance(requests_per_minute=2, budgets=(Budget(1000, "usd", "day"),)))
    assert holder.chat(model="cached").headers["x-switchman-cache"] == "miss"
    holder.settled()
    used = holder.used()
    hit = proxy.until(lambda: (r := holder.chat(model="cached")).status_code == 429 or r)
    assert hit is not True and hit.headers["x-switchman-cache"] == "hit"
    assert hit.headers["x-ratelimit-remaining-requests"] == "0"
    assert holder.chat(model="cached").status_code == 429
    holder.settled()
    assert holder.used() == used == PER_CALL


# However a request ends


def test_a_stream_that_its_client_leaves_is_settled_by_what_had_passed(proxy: Proxy, upstream: FakeUpstream) -> None:
    """More than nothing, less than was reserved, and nothing stays reserved."""
    upstream.default = Behaviour(text="word " * 40, stall_after=10)
    holder = Holder(proxy, "leaver", usd(1))
    body = {"model": "up/gpt", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 1000, "stream": True}
    with httpx.stream(
        "POST", f"{proxy.url}/v1/chat/completions", json=body, headers=holder.headers, trust_env=False, timeout=60
    ) as answer:
        chunks = answer.iter_bytes()
        next(chunks)
        assert holder.account.held and holder.account.reserved(next(iter(_purses(holder)))) > 2000
    holder.settled()
    assert 0 < holder.used() < 2 * 1000


def test_a_stream_that_breaks_off_is_settled_by_what_had_passed(proxy: Proxy, upstream: FakeUpstream) -> None:
    """As where the client leaves."""
    upstream.default = Behaviour(text="word " * 40, cut_after=10)
    holder = Holder(proxy, "broken", usd(1))
    holder.chat(stream=True, max_tokens=1000)
    holder.settled()
    assert 10 <= holder.used() < 2 * 1000


def test_who_leaves_before_an_answer_began_is_settled_as_it_was_reserved(proxy: Proxy, upstream: FakeUpstream) -> None:
    """Nobody tells what the server did meanwhile."""
    upstream.default = Behaviour(never_answer=True)
    holder = Holder(proxy, "impatient", usd(1))
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{proxy.url}/v1/chat/completions", headers=holder.headers, trust_env=False, timeout=1.5,
            json={"model": "up/gpt", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 100},
        )  # fmt: skip
    holder.settled()
    assert 200 < holder.used() < 1000


@pytest.mark.parametrize("how", [Behaviour(status=400, message="no"), Behaviour(status=500, message="no")])
def test_an_error_of_the_server_costs_nothing(proxy: Proxy, upstream: FakeUpstream, how: Behaviour) -> None:
    """Nothing is used, and nothing stays reserved."""
    upstream.default = how
    holder = Holder(proxy, f"error {how.status}", usd(1))
    assert holder.chat().status_code == how.status
    holder.settled()
    assert holder.used() == 0


def test_a_server_that_cannot_be_reached_costs_nothing(proxy: Proxy) -> None:
    """The next one answers, and is paid once."""
    holder = Holder(proxy, "after dead", usd(1))
    assert holder.chat(model="after-dead").headers["x-switchman-target"] == "up/gpt"
    holder.settled()
    assert holder.used() == PER_CALL


def test_an_attempt_that_may_be_billed_is_counted_beside_the_one_that_answers(
    proxy: Proxy, upstream: FakeUpstream, second: FakeUpstream
) -> None:
    """Reset without an answer: as it was reserved. Where the budget holds one attempt only, no other is made."""
    upstream.default = Behaviour(reset=True)
    rich = Holder(proxy, "two attempts", usd(1))
    assert rich.chat(model="both").headers["x-switchman-target"] == "second/gpt"
    rich.settled()
    assert rich.used() > PER_CALL + 100
    second.requests.clear()
    poor = Holder(proxy, "one attempt", usd(0.0007))
    refused = poor.chat(model="both", max_tokens=50)
    assert refused.status_code == 502 and not second.inferences
    poor.settled()
    assert 0 < poor.used() <= 700
    row = proxy.row_of(refused)
    assert any("no other server is asked" in line["detail"] for line in row["trace"])


def test_a_group_shares_its_places(proxy: Proxy, upstream: FakeUpstream) -> None:
    """While one of the group streams, another waits its turn; then it may go."""
    upstream.default = Behaviour(text="word " * 30, stall_after=5)
    one, two = (Holder(proxy, f"team {n}", groups=frozenset({"team"})) for n in (1, 2))
    body = {"model": "up/gpt", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    with httpx.stream(
        "POST", f"{proxy.url}/v1/chat/completions", json=body, headers=one.headers, trust_env=False, timeout=60
    ) as answer:
        chunks = answer.iter_bytes()
        next(chunks)
        refused = two.chat()
        assert refused.status_code == 429 and "the group team is reached: 1 requests at a time" in refused.text
    upstream.default = Behaviour()
    assert proxy.until(lambda: two.chat().status_code == 200)


# Alerts


def test_alerts_are_logged_kept_and_posted_once_each(proxy: Proxy, upstream: FakeUpstream, hook: Hook) -> None:
    """50, 80 and 100 %: signed, without a secret, and again where the webhook failed."""
    before = len(hook.told)
    holder = Holder(proxy, "alerted", usd(0.01))
    for used in (5000, 3000, 1500):
        upstream.default = Behaviour(usage=Usage(used, 0))
        assert holder.chat(max_tokens=10).status_code == 200
        holder.settled()
    assert holder.chat(max_tokens=4000).status_code == 429
    for words in ("is used up to 50 %: $0.005", "is used up to 80 %: $0.008", "is used up: $0.0095"):
        proxy.wait_output(f"The budget of the token alerted, $0.01 per month, {words}")
    proxy.until(lambda: len({json.loads(body)["id"] for _, body in hook.told[before:]}) == 3, "three webhooks")
    sent = {json.loads(body)["percent"]: (headers, body) for headers, body in hook.told[before:]}
    assert sorted(sent) == [50, 80, 100]
    headers, body = sent[80]
    stamp, digest = (part.split("=")[1] for part in headers["x-switchman-signature"].split(","))
    assert digest == hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert abs(int(stamp) - time.time()) < 600
    told = json.loads(body)
    assert (told["used"], told["amount"], told["unit"], told["period"]) == (8000, 10_000, "usd", "month")
    assert holder.text.encode() not in body and b"sk-" not in body
    with contextlib.closing(sqlite3.connect(proxy.folder / "requests.db")) as db:
        proxy.until(
            lambda: len(db.execute("SELECT 1 FROM budget_alerts WHERE account = ?", (holder.name,)).fetchall()) == 3
        )
    assert hook.url not in proxy.output and SECRET not in proxy.output


# Where nobody can count


def test_where_the_counts_cannot_be_read_budgets_are_refused_and_other_limits_do_not_hold(
    start: Any, upstream: FakeUpstream
) -> None:
    """A 503 that says so, and a line in the log."""
    proxy = start(ROUTES.format(up=upstream.url, second=upstream.url), {"CLIENT_AUTH": "TOKENS"})
    (proxy.folder / "requests.limits.db").write_bytes(b"this is no database" * 1000)
    held = Holder(proxy, "budget", usd(1)).chat()
    assert held.status_code == 503 and "how much of a budget is left" in held.json()["error"]["message"]
    assert held.headers["retry-after"] == "5"
    assert Holder(proxy, "rate", Allowance(requests_per_minute=1)).chat().status_code == 200
    assert Holder(proxy, "without").chat().status_code == 200
    proxy.wait_output("Limits cannot be counted")
    assert (proxy.folder / "requests.limits.db").read_bytes().startswith(b"this is no database")


def _purses(holder: Holder) -> Iterator[str]:
    for held in holder.account.held.values():
        yield from held.reserved
