"""Several keys of one server: whose turn it is, which rest, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from switchman.addons.testing import Behaviour, FakeUpstream
from switchman.addons.testing.wire import Received

ONE, TWO, THREE = "sk-one-1111111111111111", "sk-two-2222222222222222", "sk-three-33333333333333"
ENV = {"ONE": ONE, "TWO": TWO, "THREE": THREE}
CHAT = "/v1/chat/completions"


class Keyed(FakeUpstream):
    """One whose answer hangs on the key that it is asked with."""

    by_key: dict[str, Behaviour]

    def _choose(self, request: Received) -> Behaviour:
        return self.by_key.get(key_of(request)) or super()._choose(request)

    @property
    def keys(self) -> list[str]:
        return [key_of(request) for request in self.inferences]


def key_of(request: Received) -> str:
    return request.header("x-api-key") or (request.header("authorization") or "").removeprefix("Bearer ")


class Pool:
    """One server of the router's that has several keys: `ask` goes there, and to `spare` after it."""

    def __init__(self, proxy: Any, up: Keyed, spare: FakeUpstream, model: str) -> None:
        self.proxy, self.up, self.spare, self.model = proxy, up, spare, model
        self._before, self._spares = len(up.inferences), len(spare.inferences)

    def ask(self, stream: bool = False, **more: Any) -> Any:
        return self.proxy.chat(self.model, stream, **more)

    @property
    def keys(self) -> list[str]:
        """Those that the server was asked with, in this test."""
        return self.up.keys[self._before :]

    @property
    def spared(self) -> int:
        """How often the other server was asked."""
        return len(self.spare.inferences) - self._spares


POOLS = 18
WEIGHED = "[{key: 'env:ONE', weight: 3}, env:TWO]"


@pytest.fixture(scope="module")
def up() -> Iterator[Keyed]:
    keyed = Keyed(name="keyed")
    keyed.by_key = {}
    with keyed:
        yield keyed


@pytest.fixture(scope="module")
def spare(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="spare")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, up: Keyed, spare: FakeUpstream) -> Any:
    """A router with many servers of three keys each, so that each test has one whose keys are fresh."""
    routes = f'servers:\n  spare: {{url: "{spare.url}", dialect: openai}}\n'
    aliases = "aliases:\n"
    for number in range(POOLS):
        keys = WEIGHED if number == 0 else "[env:ONE, env:TWO, env:THREE]"
        routes += f'  many{number}: {{url: "{up.url}", dialect: openai, api_keys: {keys}, pass_through: true}}\n'
        aliases += f"  m{number}: {{instances: [many{number}/fake-model, spare/fake-model]}}\n"
    return start_shared(routes + aliases, ENV)


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return iter(range(1, POOLS))


@pytest.fixture
def pool(proxy: Any, up: Keyed, spare: FakeUpstream, numbers: Iterator[int]) -> Iterator[Pool]:
    yield Pool(proxy, up, spare, f"m{next(numbers)}")
    up.by_key, up.default = {}, Behaviour()


def test_in_turn(pool: Pool) -> None:
    """Each once, then again; whole and streamed, from clients of three dialects, and the client's key goes nowhere."""
    for stream in (False, True):
        assert pool.ask(stream).status_code == 200
    said = {"model": pool.model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}
    assert pool.proxy.post("/v1/messages", said, headers={"x-api-key": "client-key"}).status_code == 200
    assert pool.proxy.post("/api/chat", said, headers={"authorization": "Bearer client-key"}).status_code == 200
    assert pool.keys == [ONE, TWO, THREE, ONE]


def test_by_weight(proxy: Any, up: Keyed, spare: FakeUpstream) -> None:
    """As often as said, and never all of one in a row."""
    pool = Pool(proxy, up, spare, "m0")
    for _ in range(8):
        pool.ask()
    assert pool.keys == [ONE, ONE, TWO, ONE] * 2


@pytest.mark.parametrize("status", [401, 402, 429])
@pytest.mark.parametrize("stream", [False, True])
def test_one_that_is_refused_rests_alone(status: int, stream: bool, pool: Pool) -> None:
    """Another key answers the same request, before any other server; the next requests leave the bad one alone."""
    pool.up.by_key[ONE] = Behaviour(status=status, message=f"bad key {ONE}", headers={"retry-after": "600"})
    answers = [pool.ask(stream) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert pool.keys == [ONE, TWO, THREE, TWO, THREE] and not pool.spared
    first, second = pool.proxy.row_of(answers[0])["attempts"]
    assert (first["status"], second["status"], first["server"]) == (status, 200, second["server"])
    assert "env:ONE (1 of 3)" in str(first["changes"]) and "env:TWO (2 of 3)" in str(second["changes"])
    everything = [json.dumps(pool.proxy.row_of(one), default=str) + one.text + str(one.headers) for one in answers]
    assert not [text for text in (*everything, pool.proxy.output) if ONE in text or TWO in text]
    assert f"{first['server']} answered {status} to env:ONE, which rests for 600 s" in pool.proxy.output


def test_an_error_within_a_stream_counts_likewise(pool: Pool) -> None:
    """A status of 200, and behind it nothing but that the limit is used up."""
    error = {"message": "Rate limit reached", "type": "rate_limit_error", "code": "rate_limit_exceeded"}
    pool.up.by_key[ONE] = Behaviour(events=[b"data: " + json.dumps({"error": error}).encode() + b"\n\n"])
    answers = [pool.ask(True) for _ in range(3)]
    assert all(answer.status_code == 200 and "keyed" in answer.text for answer in answers)
    assert pool.keys == [ONE, TWO, THREE, TWO] and not pool.spared


def test_all_rest(pool: Pool) -> None:
    """The next server answers, and while all rest it is the first that is asked."""
    used_up = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "10m0s"}
    pool.up.by_key = {
        ONE: Behaviour(status=429, headers={"retry-after": "600"}),
        TWO: Behaviour(status=401),
        THREE: Behaviour(status=429, headers=used_up),
    }
    assert pool.ask().status_code == 200 and pool.spared == 1
    assert pool.keys == [ONE, TWO, THREE] and "env:THREE, which rests for 600 s" in pool.proxy.output
    second = pool.ask()
    assert second.status_code == 200 and pool.spared == 2 and len(pool.keys) == 3
    assert "All keys rest that the rules have for many" in str(pool.proxy.row_of(second)["trace"])


def test_all_rest_and_there_is_no_other_server(pool: Pool) -> None:
    """The client reads what the server said last, and the key that is back first is still tried."""
    pool.model = f"many{pool.model[1:]}/fake-model"
    pool.up.default = Behaviour(status=429, message="used up", headers={"retry-after": "600"})
    pool.up.by_key[TWO] = Behaviour(status=429, message="used up", headers={"retry-after": "200"})
    first = pool.ask()
    assert first.status_code == 429 and "used up" in first.text and pool.keys == [ONE, TWO, THREE]
    assert pool.ask().status_code == 429 and pool.keys[3:] == [TWO]


def test_breakers_do_not_count_it(pool: Pool) -> None:
    """However often a key is refused, the server's breaker stays closed."""
    used_up = Behaviour(status=429, headers={"retry-after": "0"})
    pool.up.by_key = {ONE: used_up, TWO: used_up}
    for _ in range(6):
        assert pool.ask().status_code == 200
    refused = [key for key in pool.keys if key != THREE]
    assert not pool.spared and len(refused) >= 6


def talk(pool: Pool, name: str, turns: int) -> None:
    said = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": f"I am {name}"}]
    for turn in range(turns):
        answer = pool.proxy.post(CHAT, {"model": pool.model, "messages": said})
        assert answer.status_code == 200
        said += [answer.json()["choices"][0]["message"], {"role": "user", "content": f"turn {turn}"}]


def test_a_conversation_keeps_its_key(pool: Pool) -> None:
    """While others take their turns; when its key is refused it goes on with another one, and stays there."""
    talk(pool, "Ada", 4)
    assert pool.keys == [ONE] * 4
    talk(pool, "Bo", 3)
    assert pool.keys[4:] == [TWO] * 3
    pool.up.by_key[THREE] = Behaviour(status=401)
    talk(pool, "Cy", 3)
    assert pool.keys[7:] == [THREE, ONE, ONE, ONE]


def test_what_the_caller_adds_is_the_callers_fault(pool: Pool) -> None:
    """An organization that our key does not have must not have all our keys rest."""
    pool.up.default = Behaviour(status=401, message="no such organization")
    body = {"model": f"many{pool.model[1:]}/fake-model", "messages": [{"role": "user", "content": "hi"}]}
    assert pool.proxy.post(CHAT, body, headers={"openai-organization": "org-wrong"}).status_code == 401
    pool.up.default = Behaviour()
    pool.ask()
    pool.ask()
    assert pool.keys == [ONE, TWO, THREE]


def test_what_is_no_operation_goes_with_one_key(pool: Pool) -> None:
    """A file that one account has is not known to another; that key rests, too, if it is refused."""
    headers = {"x-switchman-none": "1"}
    for _ in range(3):
        pool.proxy.post("/v1/files", {"model": f"many{pool.model[1:]}/fake-model"}, headers=headers)
    asked = [request for request in pool.up.requests if request.path == "/v1/files"]
    assert [key_of(request) for request in asked] == [ONE] * 3


def test_what_one_account_keeps_is_asked_with_its_key(pool: Pool) -> None:
    """An earlier response with the key that it was made with, a file with that of /v1/files."""
    with pool.proxy.openai() as client:
        made = [client.responses.create(model=pool.model, input=f"I am {name}").id for name in ("Ada", "Bo")]
        with client.responses.stream(model=pool.model, input="I am Cy") as stream:
            made.append(stream.get_final_response().id)
        assert pool.keys == [ONE, TWO, THREE]
        for turn in (1, 0, 2, 1):
            on = client.responses.create(model=pool.model, input="go on", previous_response_id=made[turn])
            made[turn] = on.id
        assert pool.keys[3:] == [TWO, ONE, THREE, TWO]
        for _ in range(2):
            client.responses.create(
                model=pool.model, input=[{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]
            )
    assert pool.keys[7:] == [ONE, ONE]


@pytest.mark.parametrize("status", [400, 403])
def test_a_fault_of_the_request_rests_no_key(status: int, pool: Pool) -> None:
    """A stray refusal is its client's to read: no other key is tried, and the key takes its next turn as before."""
    pool.up.by_key = {ONE: Behaviour(status=status, message="not this one", headers={"retry-after": "600"})}
    assert [pool.ask().status_code for _ in range(4)] == [status, 200, 200, status]
    assert pool.keys == [ONE, TWO, THREE, ONE] and not pool.spared
