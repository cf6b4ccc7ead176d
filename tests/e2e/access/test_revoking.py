"""A token that is revoked, rotated or made holds in every worker within a second; a stream that runs goes on."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from typing import Any

import httpx
import openai
import pytest

from switchman.addons.state.access import tokens
from switchman.addons.testing import Behaviour, FakeUpstream
from tests.e2e.access.conftest import access_of

MESSAGES: Any = [{"role": "user", "content": "hi"}]
CONNECTIONS = 24  # the chance that one worker has all of them is 1 in 8 million


def by_two_workers(proxy: Any) -> list[str]:
    return ["-m", "switchman.addons.cli", "serve", "--no-ui", "--port", "0", "--workers", "2"]


def test_both_workers_refuse_it_while_a_stream_runs_to_its_end(
    start: Any, upstream: FakeUpstream, make_token: Any
) -> None:
    """All connections of all workers are refused; the answer that had begun comes whole, and is written down."""
    proxy = start("", {"CLIENT_AUTH": "TOKENS", "DEFAULT_UPSTREAM": upstream.url}, by_two_workers)
    secret, other = make_token(proxy, "leaver"), make_token(proxy, "stayer")
    resume = threading.Event()
    upstream.script([Behaviour(text="one two three four five six", stall_after=2, resume=resume)])
    with ExitStack() as held:
        client = held.enter_context(openai.OpenAI(base_url=f"{proxy.url}/v1", api_key=secret, max_retries=0))
        stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        heard = [next(stream)]
        made = (httpx.Client(base_url=proxy.url, trust_env=False, timeout=60) for _ in range(CONNECTIONS))
        connections = [held.enter_context(one) for one in made]

        def statuses(token: str) -> set[int]:
            headers = {"x-api-key": token}
            return {one.get("/v1/models", headers=headers).status_code for one in connections}

        proxy.until(lambda: statuses(secret) == {200} and statuses(other) == {200}, "both workers to know both")
        with access_of(proxy) as access:
            access.tokens.revoke("leaver", time.time())
        proxy.until(lambda: not statuses(secret) & {200}, "both workers to refuse it")
        assert statuses(other) == {200}
        assert not resume.is_set()
        resume.set()
        heard += list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in heard if chunk.choices)
    assert text == "one two three four five six" and heard[-1].choices[0].finish_reason == "stop"
    row = proxy.until(lambda: proxy.rows(token="leaver", streamed=True))[0]
    assert row["outcome"] == "ok"
    assert tokens.EVERY <= 0.5  # seconds: a look takes well under a millisecond more


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: FakeUpstream) -> Any:
    return start_shared("", {"CLIENT_AUTH": "TOKENS", "DEFAULT_UPSTREAM": upstream.url})


def test_rotation_with_a_grace_time(proxy: Any, make_token: Any) -> None:
    """Old and new are the same caller, until the old one's time is over."""
    old = make_token(proxy, "ci")

    def status(token: str) -> int:
        return proxy.chat("m", headers={"x-api-key": token}).status_code

    with access_of(proxy) as access:
        _, new = access.tokens.rotate("ci", 3600, time.time())
        proxy.until(lambda: status(new) == 200, "the new one")
        assert status(old) == 200
        proxy.until(lambda: len(proxy.rows(token="ci", method="POST")) >= 2, "the rows of both")
        assert len({row["token_id"] for row in proxy.rows(token="ci")}) == 1
        access.tokens.rotate("ci", 0, time.time())
        proxy.until(lambda: status(new) == 401 and status(old) == 401, "the end of both")


def test_without_a_log_there_is_a_database_for_tokens(start: Any, upstream: FakeUpstream, make_token: Any) -> None:
    """Nothing is logged into it."""
    env = {"DEFAULT_UPSTREAM": upstream.url, "ENABLE_LOGGING": "false"}
    proxy = start("", {**env, "CLIENT_AUTH": "TOKENS"})
    secret = make_token(proxy, "quiet")
    assert proxy.chat("m", headers={"x-api-key": secret}).status_code == 200
    assert proxy.chat("m").status_code == 401 and proxy.rows() == []


def test_a_database_that_is_deleted_takes_its_tokens_with_it(proxy: Any, make_token: Any) -> None:
    """It is made anew, empty: who had a token is refused, and the log says so."""
    secret = make_token(proxy, "lost")
    for file in proxy.folder.glob("requests.db*"):
        file.unlink()
    proxy.until(lambda: proxy.chat("m", headers={"x-api-key": secret}).status_code == 401, "the end of it")
    proxy.wait_output("tokens that it does not have are refused")
    proxy.forget_log()
    again = make_token(proxy, "lost")
    assert proxy.chat("m", headers={"x-api-key": again}).status_code == 200
