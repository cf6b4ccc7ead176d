"""A caller's own key that is bad or used up rests for that caller; what a client sends cannot make a server rest."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import ollama
import openai
import pytest

from switchman.addons.core.texts.masking import is_secret_name
from switchman.addons.testing import Behaviour, FakeUpstream

MESSAGES: Any = [{"role": "user", "content": "hi"}]
GOOD, OWN = "alices-good-key-0123456789", "our-own-key-0123456789"
MODELS = itertools.count()
USED_UP = Behaviour(status=429, headers={"retry-after": "60"}, message="You have no credit left.")


@pytest.fixture(scope="module")
def up(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    """One that takes Alice's key, and ours."""
    return upstream_factory(name="up")


@pytest.fixture(scope="module")
def picky(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="picky", api_key=GOOD)


@pytest.fixture(scope="module")
def spare(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory(name="spare")


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, up: FakeUpstream, picky: FakeUpstream, spare: FakeUpstream) -> Any:
    def aliases(server: str) -> str:
        return "".join(f"  {server}{n}: {{instances: [{server}/m{n}, spare/m]}}\n" for n in range(20))

    return start_shared(f"""
servers:
  up: {{url: "{up.url}", dialect: openai, retry_on: [401, 403]}}
  strict: {{url: "{up.url}/strict", dialect: openai}}
  picky: {{url: "{picky.url}", dialect: openai, retry_on: [401, 403]}}
  keyed: {{url: "{up.url}", dialect: openai, api_key: env:OWN, retry_on: [401, 403]}}
  claude: {{url: "{up.url}", dialect: anthropic, api_key: env:OWN, retry_on: [401, 403]}}
  azure: {{preset: azure, url: "{up.url}", api_key: env:OWN, retry_on: [401, 403]}}
  by-header: {{url: "{up.url}", dialect: openai, headers: {{Authorization: "Bearer {OWN}"}}, retry_on: [401, 403]}}
  spare: {{url: "{spare.url}", dialect: openai}}
aliases:
{aliases("up")}{aliases("strict")}{aliases("picky")}{aliases("keyed")}{aliases("claude")}{aliases("azure")}{aliases("by-header")}
routes:
  - match: {{model: looks-down, provider_health: {{picky: [yellow, red]}}}}
    route: {{model: spare/looks-down}}
  - match: {{model: looks-down, provider_health: {{picky: [green]}}}}
    route: {{model: spare/looks-well}}
""", {"OWN": OWN})  # fmt: skip


@pytest.fixture
def number() -> int:
    """Of an alias, and so of a model, that no other test has used."""
    return next(MODELS)


@pytest.fixture(autouse=True)
def calm(up: FakeUpstream) -> Iterator[None]:
    yield
    up.default = Behaviour()


def ask(proxy: Any, model: str, key: str = "", **headers: str) -> httpx.Response:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    fields |= {"authorization": f"Bearer {key}"} if key else {}
    found: httpx.Response = proxy.chat(model, headers=fields)
    return found


def went(answer: httpx.Response) -> tuple[str, str]:
    """The server that answered, and after how many attempts."""
    return answer.headers["x-switchman-target"].partition("/")[0], answer.headers["x-switchman-attempts"]


def test_a_bad_key_rests_for_its_caller_only(proxy: Any, number: int) -> None:
    """Bob's is refused again and again, and then skipped; Alice's server does not even look down."""
    model = f"picky{number}"
    assert went(ask(proxy, model, GOOD)) == ("picky", "1")
    assert went(ask(proxy, model, "bobs-bad-key")) == ("spare", "2")
    for _ in range(8):
        assert went(ask(proxy, model, "bobs-bad-key")) == ("spare", "1")
    for key in range(8):
        assert went(ask(proxy, model, f"made-up-{key}")) == ("spare", "2")
    assert went(ask(proxy, model)) == ("spare", "2")  # without a key
    assert went(ask(proxy, model, GOOD)) == ("picky", "1")
    row = proxy.row_of(ask(proxy, model, "bobs-bad-key"))
    assert any(line["layer"] == "credentials" and "picky" in line["detail"] for line in row["trace"])
    assert ask(proxy, "looks-down", GOOD).headers["x-switchman-target"] == "spare/looks-well"


def test_a_key_that_is_used_up_rests_for_its_caller_only(proxy: Any, up: FakeUpstream, number: int) -> None:
    """For as long as Retry-After says; where no other server is left its caller hears 429 each time."""
    model = f"up{number}"
    up.script([USED_UP])
    assert went(ask(proxy, model, "bob")) == ("spare", "2")
    assert went(ask(proxy, model, "bob")) == ("spare", "1")
    assert went(ask(proxy, model, "alice")) == ("up", "1")
    for _ in range(6):
        up.script([USED_UP])
        answer = ask(proxy, f"up/m{number}", "bob")
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        assert "no credit left" in answer.json()["error"]["message"]
    assert went(ask(proxy, model, "alice")) == ("up", "1")
    assert ask(proxy, f"up/m{number}", "bob").status_code == 200  # it rests, and is asked all the same
    assert went(ask(proxy, model, "bob")) == ("up", "1")  # so it rests no longer


@pytest.mark.parametrize("status", [401, 402])
def test_one_that_is_heard_as_the_server_said_it_rests_too(proxy: Any, up: FakeUpstream, status: int) -> None:
    """Without `retry_on` the caller hears it; then another server is asked first, for that caller only."""
    model, said = f"strict{next(MODELS)}", Behaviour(status=status, message="You have no credit left.")
    up.script([said])
    answer = ask(proxy, model, f"bob-{status}")
    assert (answer.status_code, went(answer)) == (status, ("strict", "1"))
    assert "no credit left" in answer.json()["error"]["message"]
    assert went(ask(proxy, model, f"bob-{status}")) == ("spare", "1")
    assert went(ask(proxy, model, f"alice-{status}")) == ("strict", "1") == went(ask(proxy, model))
    up.script([said])
    assert ask(proxy, model).status_code == status  # without a key it is nobody's
    assert went(ask(proxy, model)) == ("strict", "1")


def test_what_may_be_about_the_request_rests_no_key(proxy: Any, up: FakeUpstream) -> None:
    """A 403 that nobody else is asked for: OpenRouter says so of what its moderation has flagged."""
    model = f"strict{next(MODELS)}"
    for _ in range(6):
        up.script([Behaviour(status=403, message="flagged")])
        assert went(ask(proxy, model, "carol")) == ("strict", "1")
    assert went(ask(proxy, model, "carol")) == ("strict", "1")


def test_each_client_hears_it_in_its_own_words(proxy: Any, up: FakeUpstream, number: int) -> None:
    """As the server said it, with Retry-After."""
    model = f"up/m{number}"
    for _ in range(3):
        up.script([USED_UP])
        with pytest.raises(openai.RateLimitError, match="no credit left") as caught:
            proxy.openai(api_key="bob").chat.completions.create(model=model, messages=MESSAGES)
        assert caught.value.response.headers["retry-after"] == "60"
        up.script([USED_UP])
        with (
            anthropic.Anthropic(base_url=proxy.url, api_key="bob", max_retries=0) as client,
            pytest.raises(anthropic.RateLimitError, match="no credit left") as refused,
        ):
            client.messages.create(model=model, max_tokens=9, messages=MESSAGES)
        assert refused.value.response.headers["retry-after"] == "60"
        up.script([USED_UP])
        client_of_ollama = ollama.Client(proxy.url, trust_env=False, headers={"authorization": "Bearer bob"})
        with (
            contextlib.closing(client_of_ollama),
            pytest.raises(ollama.ResponseError, match="no credit left") as told,
        ):
            client_of_ollama.chat(model, MESSAGES)
        assert told.value.status_code == 429
    assert went(ask(proxy, f"up{number}", "alice")) == ("up", "1")


def test_an_error_within_an_answer_rests_the_key_too(proxy: Any, up: FakeUpstream, number: int) -> None:
    """Of status 200, whole: five of them."""
    error = Behaviour(body={"error": {"message": "quota", "code": 429}})
    for _ in range(5):
        up.script([error])
        assert went(ask(proxy, f"up{number}", "bob")) == ("spare", "2")
    assert went(ask(proxy, f"up{number}", "bob")) == ("spare", "1")
    assert went(ask(proxy, f"up{number}", "alice")) == ("up", "1")


def test_with_our_own_key_it_is_the_server_that_rests(proxy: Any, up: FakeUpstream, number: int) -> None:
    """As before: whoever asks."""
    up.script([USED_UP])
    assert went(ask(proxy, f"keyed{number}", "bob")) == ("spare", "2")
    assert went(ask(proxy, f"keyed{number}", "alice")) == ("spare", "1")


@pytest.mark.parametrize("server", ["keyed", "claude", "azure", "by-header"])
def test_no_client_can_strip_our_key(proxy: Any, up: FakeUpstream, number: int, server: str) -> None:
    """By Connection, by a key of its own under any name, or by one that comes twice: the server gets ours, and one."""
    names = {"keyed": "authorization", "by-header": "authorization", "claude": "x-api-key", "azure": "api-key"}
    ours = OWN if names[server] != "authorization" else f"Bearer {OWN}"
    # Whoever comes without our key, or with another beside it, is refused.
    tricks: list[list[tuple[str, str]]] = [
        [("connection", "authorization, x-api-key, api-key, host, content-length")],
        [("Connection", "close"), ("connection", "Authorization"), ("CONNECTION", "X-API-Key,Api-Key")],
        [("keep-alive", "authorization"), ("proxy-connection", "authorization"), ("te", "authorization")],
        [("authorization", "Bearer evil"), ("Authorization", "Basic ZXZpbA=="), ("connection", "authorization")],
        [("x-api-key", "evil"), ("api-key", "evil"), ("x-goog-api-key", "evil"), ("X_Api_Key", "evil")],
        [("api_key", "evil"), ("X_Goog_Api_Key", "evil"), ("apikey", "evil"), ("Content_Length", "1"), ("Host_", "e")],
        [("authorization", ""), ("x-api-key", ""), ("api-key", "")],
    ]
    for trick in tricks:
        body = {"model": f"{server}{number}", "messages": MESSAGES}
        answer = httpx.post(f"{proxy.url}/v1/chat/completions", json=body, headers=trick, trust_env=False, timeout=60)
        assert went(answer) == (server, "1"), trick
        sent = up.inferences[-1]
        fields = [(n.decode().lower(), v.decode()) for n, v in sent.headers]
        given = [(n, v) for n, v in fields if is_secret_name(n)]
        assert not any(n == "content_length" for n, _ in fields)
        assert given == [(names[server], ours)], trick


def test_an_account_that_a_client_names_rests_for_it_alone(proxy: Any, up: FakeUpstream, number: int) -> None:
    """OpenAI refuses our key where it is not of the organization that the client asks for."""
    model = f"keyed{number}"
    up.script([Behaviour(status=401, message="mismatched_organization")])
    assert went(ask(proxy, model, "bob", openai_organization="org-of-nobody")) == ("spare", "2")
    assert went(ask(proxy, model, "bob", openai_organization="org-of-nobody")) == ("spare", "1")
    assert went(ask(proxy, model, "alice")) == ("keyed", "1") == went(ask(proxy, model, "bob"))
