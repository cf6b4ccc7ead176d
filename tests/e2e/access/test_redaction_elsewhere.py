"""Where else a request's texts may go: another plan, an arbiter, caches, another worker, and what nobody can search."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.core.access.caller import Allowance, Budget
from switchman.addons.testing import Behaviour, FakeUpstream

MAIL, NAME = "jane.doe@example.org", "Projekt Falke"
ASK = f"Write about {NAME} to {MAIL}"
PLACEHOLDER = re.compile(r"(?:EMAIL|WORD)_[0-9a-f]{10}")
JSON = {"content-type": "application/json"}
RULES = """
servers:
  up: {{url: "{up}", dialect: openai}}
  own: {{url: "{own}", dialect: ollama}}
aliases: {{house: {{instances: [up/gpt]}}}}
models:
  up/gpt: {{input_cost: 10, output_cost: 10}}
  up/mini: {{input_cost: 1, output_cost: 1}}
redact: {{patterns: [email]}}
routes:
  - {{name: house, match: {{model: unredacted}}, route: {{upstream: up, model: gpt}}, redact: {{patterns: []}}}}
  - {{name: worded, match: {{model: worded}}, route: {{upstream: up, model: gpt}}, redact: {{words: "{words}"}}}}
  - {{name: owned, match: {{model: owned}}, route: {{upstream: own, model: fake-model}}}}
default: up/gpt
arbiter: {{url: "{judge}", model: tiny, timeout_ms: 20000, targets: {{house: up/judged}}}}
cache: {{exact: {{ttl: 1h, scope: shared}}, models: [worded, up/gpt]}}
"""


@pytest.fixture(scope="module")
def own(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("ollama", name="own")


@pytest.fixture(scope="module")
def judge(upstream_factory: Callable[..., FakeUpstream]) -> FakeUpstream:
    return upstream_factory("ollama", name="judge")


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("words") / "words.txt"
    file.write_text(f"{NAME}\nBo\n")
    return file


@pytest.fixture(scope="module")
def rules(upstream: FakeUpstream, own: FakeUpstream, judge: FakeUpstream, words: Path) -> str:
    return RULES.format(up=upstream.url, own=own.url, judge=judge.url, words=words)


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, rules: str) -> Iterator[Any]:
    yield start_shared(rules, {"CLIENT_AUTH": "TOKENS"})


@pytest.fixture(scope="module")
def key(shared_proxy: Any, make_token: Any) -> dict[str, str]:
    return {"x-api-key": make_token(shared_proxy, "anybody")}


def asking(model: str, text: str = ASK, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def test_a_model_that_answers_in_place_of_another_gets_no_more_than_the_file_says(
    proxy: Any, upstream: FakeUpstream, make_token: Any
) -> None:
    """A budget's `downgrade` leads away from the rule that redacts nothing; the first one's placeholders stay."""
    budget = Allowance(budgets=(Budget(1, "usd", "month", "up/mini"),))
    headers = {"x-api-key": make_token(proxy, "poor", allowance=budget)}
    for model, kept in (("unredacted", ()), ("worded", (NAME,))):
        before = len(upstream.requests)
        answer = proxy.post("/v1/chat/completions", asking(model, max_tokens=5), headers=headers)
        assert (answer.status_code, answer.headers["x-switchman-target"]) == (200, "up/mini")
        (sent,) = (request.body.decode() for request in upstream.requests[before:])
        assert MAIL not in sent and not any(word in sent for word in kept)
        (line,) = [line for line in proxy.row_of(answer)["trace"] if line["layer"] == "redaction"]
        assert line["detail"] == f"redacted: {'1 word, ' if kept else ''}1 email; 0 restored"


def test_what_has_the_name_of_a_rule_and_is_none_redacts_as_the_file_does(
    proxy: Any, upstream: FakeUpstream, key: dict[str, str]
) -> None:
    """An alias; the rule of that name redacts nothing, and decides over nothing here."""
    for model, redacted in (("house", True), ("unredacted", False)):
        assert proxy.post("/v1/chat/completions", asking(model), headers=key).status_code == 200
        assert (MAIL not in upstream.requests[-1].body.decode()) == redacted


def test_a_budget_holds_what_is_sent(proxy: Any, upstream: FakeUpstream, make_token: Any) -> None:
    """Placeholders may be longer than what they stand for: 400 words of two letters are 6,000 characters then."""
    budget = Allowance(budgets=(Budget(5_000, "tokens", "month"),))
    headers = {"x-api-key": make_token(proxy, "counted", allowance=budget)}
    before = len(upstream.requests)
    assert (
        proxy.post("/v1/chat/completions", asking("worded", "Bo " * 400, max_tokens=5), headers=headers).status_code
        == 429
    )
    assert (
        proxy.post("/v1/chat/completions", asking("worded", "So " * 400, max_tokens=5), headers=headers).status_code
        == 200
    )
    assert len(upstream.requests) == before + 1


def test_a_key_that_is_there_twice_hides_nothing(proxy: Any, upstream: FakeUpstream, key: dict[str, str]) -> None:
    """A server may take either value; only the last one was looked at, so only that one goes."""
    said = '"messages": [{"role": "user", "content": "hi"}]'
    for twice in ('"x": "%s", "x": 1', '"x": {"y": "%s", "y": 1}'):
        body = f'{{"model": "house", {said}, {twice % MAIL}}}'
        answer = proxy.post("/v1/chat/completions", content=body, headers=key | JSON)
        assert answer.status_code == 200, answer.text
        sent = upstream.requests[-1].body.decode()
        assert MAIL not in sent and json.loads(sent)["x"] in (1, {"y": 1})


def test_an_arbiter_sees_no_more_than_servers_do(
    proxy: Any, upstream: FakeUpstream, judge: FakeUpstream, key: dict[str, str]
) -> None:
    """What any rule calls private is not in what it is asked, as which rule it will be is not known yet."""
    judge.default = Behaviour(text='{"category": "house", "confidence": 1}')
    number = iter(range(10_000))

    def judged() -> Any:
        answer = proxy.post("/v1/chat/completions", asking("auto", f"{ASK}, draft {next(number)}"), headers=key)
        return answer if answer.headers["x-switchman-layer"] == "arbiter" else None

    proxy.until(judged, "the arbiter's client is made in the background")
    assert judge.inferences
    for request in judge.inferences:
        asked = request.body.decode()
        assert "draft" in asked and MAIL not in asked and NAME not in asked
        assert len(PLACEHOLDER.findall(asked)) >= 2
    assert MAIL not in upstream.requests[-1].body.decode()


def test_caches_keep_no_answer_for_others_that_has_originals(
    proxy: Any, upstream: FakeUpstream, make_token: Any
) -> None:
    """Of an exact cache with `scope: shared`: another caller's equal request is asked anew, where it was redacted."""
    one, two = ({"x-api-key": make_token(proxy, name)} for name in ("first", "second"))
    plain = asking("worded", "Nothing of anybody")
    proxy.post("/v1/chat/completions", plain, headers=one)
    proxy.until(
        lambda: proxy.post("/v1/chat/completions", plain, headers=two).headers["x-switchman-cache"] == "hit", "a hit"
    )
    before = len(upstream.requests)
    for headers in (one, two, one):
        answer = proxy.post("/v1/chat/completions", asking("worded"), headers=headers)
        assert answer.headers["x-switchman-cache"] == "miss"
    first, second, third = (PLACEHOLDER.findall(request.body.decode()) for request in upstream.requests[before:])
    assert first == third != second and not set(first) & set(second)


def test_two_workers_make_the_same_placeholders(
    proxy: Any, start: Any, rules: str, upstream: FakeUpstream, key: dict[str, str]
) -> None:
    """And what the one has sent, the other puts back; so does the next one, after a restart."""
    folder = proxy.folder
    env = {"DB_PATH": str(folder / "requests.db"), "BLOB_STORAGE_PATH": str(folder / "blobs")}
    other = start(rules, {**env, "CLIENT_AUTH": "TOKENS"})
    found = []
    for router in (proxy, other):
        assert router.post("/v1/chat/completions", asking("house"), headers=key).status_code == 200
        found.append(PLACEHOLDER.findall(upstream.requests[-1].body.decode()))
    assert found[0] == found[1] and len(found[0]) == 1
    upstream.script([Behaviour(text=f"Ask {found[0][0]}.")])
    answer = other.post("/v1/chat/completions", asking("house"), headers=key)
    assert answer.json()["choices"][0]["message"]["content"] == f"Ask {MAIL}."


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files", "/v1/unheard/of"])
@pytest.mark.parametrize("kind", ["text/plain", "application/octet-stream", "application/json"])
def test_a_body_that_is_no_json_does_not_pass(
    proxy: Any, upstream: FakeUpstream, key: dict[str, str], path: str, kind: str
) -> None:
    """Whatever it says it is, and whoever would get it."""
    before = len(upstream.requests)
    answer = proxy.post(path, content=f"to {MAIL}", headers=key | {"content-type": kind})
    assert 400 <= answer.status_code < 500
    assert not any(MAIL.encode() in request.body for request in upstream.requests[before:])


def test_a_websocket_is_refused(proxy: Any, key: dict[str, str]) -> None:
    """Its frames cannot be searched."""
    head = (
        "GET /v1/realtime?model=up/gpt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"x-api-key: {key['x-api-key']}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", proxy.port), 60) as connection:
        connection.sendall(head.encode())
        answer = b""
        while b"}}" not in answer and (more := connection.recv(65536)):
            answer += more
    assert answer.startswith(b"HTTP/1.1 403 ") and b"what goes over a WebSocket" in answer


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_generate_and_embeddings(proxy: Any, own: FakeUpstream, key: dict[str, str], stream: bool) -> None:
    """Of Ollama: a prompt, its system text, and texts to embed."""
    asked = {"model": "owned", "prompt": ASK, "system": f"For {MAIL}", "stream": stream}
    assert proxy.post("/api/generate", asked, headers=key).status_code == 200
    sent = own.requests[-1].body.decode()
    placeholders = PLACEHOLDER.findall(sent)
    assert MAIL not in sent and len(placeholders) == 2 and len(set(placeholders)) == 1
    said = f"Dear {placeholders[0]}, hello"
    own.script([Behaviour(pieces=[said[at : at + 3] for at in range(0, len(said), 3)])])
    answer = proxy.post("/api/generate", asked, headers=key)
    text = "".join(json.loads(line).get("response", "") for line in answer.text.splitlines())
    assert text == f"Dear {MAIL}, hello"

    for path, body in (("/api/embed", {"input": [ASK, "x"]}), ("/api/embeddings", {"prompt": ASK})):
        assert proxy.post(path, {"model": "owned", **body}, headers=key).status_code == 200
        assert MAIL not in own.requests[-1].body.decode() and PLACEHOLDER.search(own.requests[-1].body.decode())


def test_the_words_are_read_again(proxy: Any, upstream: FakeUpstream, words: Path, key: dict[str, str]) -> None:
    """A word that is added is private from then on; a list that cannot be read leaves the old one in force."""
    words.write_text(f"{NAME}\nBo\nUnternehmen Adler\n")

    def sent() -> str:
        proxy.post(
            "/v1/chat/completions", asking("worded", "Unternehmen  Adler"), headers=key | {"cache-control": "no-cache"}
        )
        return upstream.requests[-1].body.decode()

    proxy.until(lambda: "Adler" not in sent(), "the new list")
    words.unlink()
    proxy.wait_output("words.txt")
    assert "Adler" not in sent()
    words.write_text(f"{NAME}\nBo\n")
    proxy.until(lambda: "Adler" in sent(), "the next list")
    proxy.overlook()
