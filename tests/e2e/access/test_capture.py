"""CAPTURE by all its ways: what was said is nowhere on disk and in no line of the log."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import anthropic
import pytest
import sqlalchemy
import zstandard

from switchman.addons.store.keeping.packing import read_json
from switchman.addons.store.tables import blobs
from switchman.addons.testing import Behaviour

Proxy = Any
ASKED = "zq-asked.person@example.org"
TOLD = "zq-told.person@example.org"
LIVELY = ("zq-", "told.person@exa", "mple.or", "g is who")
ROUTES = """
servers:
  up: {{url: "{up}", dialect: openai}}
  closed: {{url: "{up}", dialect: openai, capture: metadata}}
aliases:
  down-first: {{instances: [{{server: closed, model: m}}]}}
routes:
  - {{name: private, match: {{model: by-rule}}, route: {{model: up/m, capture: metadata}}}}
  - {{name: tidy, match: {{model: by-redacting}}, route: {{model: up/m, capture: redacted}}}}
  - {{name: open, match: {{model: kept}}, route: {{model: up/m}}}}
capture: {{redact: [email, "/ORD-[0-9]{{4,}}/"]}}
cache: {{models: ["by-*", kept]}}
"""


@pytest.fixture(scope="module")
def shared_proxy(start_shared: Any, upstream: Any) -> Proxy:
    return start_shared(ROUTES.format(up=upstream.url))


def stored(proxy: Proxy) -> str:
    """All that the router has written: files, what is packed in them, and its lines."""
    packed = zstandard.ZstdDecompressor()
    files = [path for path in proxy.folder.rglob("*") if path.is_file()]
    texts = [path.read_bytes().decode("latin-1") for path in files if path.name != "routes.yaml"]
    texts += [
        packed.decompress(path.read_bytes()).decode("latin-1")
        for path in Path(proxy.blobs.root).rglob("*")
        if path.is_file()
    ]
    engine = sqlalchemy.create_engine(f"sqlite:///{proxy.folder / 'requests.db'}", json_deserializer=read_json)
    with engine.connect() as conn:
        texts += [
            packed.decompress(data).decode("latin-1") for data in conn.scalars(sqlalchemy.select(blobs.c.data)) if data
        ]
    engine.dispose()
    return "\n".join(texts)


def said(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": f"{ASKED} ORD-12345"}], **more}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("model", "by"), [("by-rule", "rule private"), ("closed/m", "server closed"), ("down-first", "server closed")]
)
def test_metadata_by_rule_and_server_leaves_no_word(
    proxy: Proxy, upstream: Any, model: str, by: str, stream: bool
) -> None:
    """Neither prompt nor answer, query nor header is kept, and the row says why."""
    upstream.script([Behaviour(text=f"{TOLD} is who", pieces=LIVELY)])
    answer = proxy.post(f"/v1/chat/completions?who={ASKED}", said(model, stream=stream), headers={"x-who": ASKED})
    assert answer.status_code == 200 and "is who" in answer.text
    row = proxy.row_of(answer)
    assert (row["capture"], row["capture_by"], row["request"], row["response"]) == ("metadata", by, b"", b"")
    assert row["request_size"] > 50 and row["response_size"] > 50 and row["kept_as"] is None
    assert "zq-" not in stored(proxy)


@pytest.mark.parametrize("status", [400, 500])
def test_errors_that_quote_the_request_are_not_kept(proxy: Proxy, upstream: Any, status: int) -> None:
    """The client reads what the server said; row, attempts and log do not have it."""
    upstream.script([Behaviour(status=status, message=f"cannot read {ASKED}")])
    answer = proxy.post("/v1/chat/completions", said("by-rule"))
    assert ASKED in answer.text
    row = proxy.row_of(answer)
    assert row["capture"] == "metadata" and len(row["attempts"]) == 1
    assert "zq-" not in stored(proxy)


def test_what_the_router_refuses_itself_quotes_nothing(proxy: Proxy) -> None:
    """A rule cannot be known then, so this is by the rest; here a body that is none, to a server that keeps nothing."""
    answer = proxy.post("/v1/chat/completions", said("closed/m", tools=[{"type": "function", "function": {"name": 7}}]))
    row = proxy.row_of(answer)
    assert row["capture"] == "metadata" and "zq-" not in stored(proxy)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_redacted_bodies_are_kept_without_what_is_private(proxy: Proxy, upstream: Any, stream: bool) -> None:
    """Also where the answer's pieces split it; own patterns, too; the client gets all of it."""
    upstream.script([Behaviour(text=f"{TOLD} is who", pieces=LIVELY)])
    answer = proxy.post("/v1/chat/completions", said("by-redacting", stream=stream), headers={"x-who": ASKED})
    row = proxy.row_of(answer)
    assert (row["capture"], row["capture_by"]) == ("redacted", "rule tidy")
    assert json.loads(row["request"])["messages"][0]["content"] == "[email] [private]"
    assert b"[email]" in row["response"] and b" is who" in row["response"]
    assert "zq-" not in stored(proxy) and "ORD-12345" not in stored(proxy)


def test_answers_that_are_not_to_be_kept_are_in_no_cache(proxy: Proxy, upstream: Any) -> None:
    """What is kept in the cache is kept on disk: only a `full` answer is given again."""
    upstream.script([Behaviour(text="again")] * 5)
    for model, status in (("by-rule", "miss"), ("by-redacting", "miss"), ("kept", "hit")):
        answers = []
        for _ in range(2):
            answers.append(
                proxy.post(
                    "/v1/chat/completions",
                    {"model": model, "messages": [{"role": "user", "content": "same"}], "temperature": 0},
                )
            )
            proxy.row_of(answers[-1])
            if model == "kept":
                proxy.until(lambda: b"again" in (proxy.folder / "requests.cache.db-wal").read_bytes(), "it is kept")
        assert answers[1].headers["x-switchman-cache"] == status


def test_the_strictest_wins_for_a_token(start: Any, upstream: Any, make_token: Any) -> None:
    """CAPTURE=redacted and a token of `metadata`: that wins for it, in Anthropic's dialect; others are redacted."""
    upstream.script([Behaviour(text=f"{TOLD} is who", pieces=LIVELY)] * 2)
    proxy = start(ROUTES.format(up=upstream.url), {"CAPTURE": "redacted", "CLIENT_AUTH": "TOKENS"})
    closed, plain = make_token(proxy, "closed-one", capture="metadata"), make_token(proxy, "plain", capture="full")
    with anthropic.Anthropic(base_url=proxy.url, api_key=closed, max_retries=0, timeout=60) as client:
        message = client.messages.create(model="up/m", max_tokens=50, messages=[{"role": "user", "content": ASKED}])
        assert TOLD in message.content[0].text
    proxy.until(
        lambda: proxy.rows(token="closed-one", operation="chat") or proxy.rows(token="closed-one", dialect="anthropic"),
        "its row",
    )
    (row,) = proxy.rows(token="closed-one", dialect="anthropic")
    assert (row["capture"], row["capture_by"]) == ("metadata", "token closed-one")
    answer = proxy.post("/v1/chat/completions", said("up/m"), headers={"authorization": f"Bearer {plain}"})
    row = proxy.row_of(answer)
    assert (row["capture"], row["capture_by"]) == ("redacted", None) and b"[email]" in row["request"]
    assert "zq-" not in stored(proxy)


def test_a_row_under_way_has_no_query(proxy: Proxy, upstream: Any) -> None:
    """The list of what runs shows the path of such a request, and no more."""
    resume = threading.Event()
    upstream.script([Behaviour(text="one two three", stall_after=1, resume=resume)])
    engine = sqlalchemy.create_engine(f"sqlite:///{proxy.folder / 'requests.db'}", json_deserializer=read_json)

    def underway() -> list[str]:
        with engine.connect() as conn:
            return [row.path for row in conn.execute(sqlalchemy.text("SELECT path FROM underway"))]

    path = f"/v1/chat/completions?who={ASKED}"
    sent = threading.Thread(target=proxy.post, args=(path, said("by-rule", stream=True)))
    sent.start()
    try:
        assert proxy.until(underway, "a row under way") == ["/v1/chat/completions"]
    finally:
        resume.set()
        sent.join(60)
        engine.dispose()
