"""What a mirror is asked, and what is read of its answer; tests/e2e/test_mirror.py has it run beside real requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from switchman.addons.core.access.prices.price import MILLION, Price
from switchman.addons.core.dialects.rendering import Rendered
from switchman.addons.core.request.call import DialectName, Endpoint
from switchman.addons.core.servers.servers import Server, ServerKey
from switchman.addons.core.servers.urls import parse
from switchman.addons.flow.exchange import MAX_REPLY
from switchman.addons.hooks.outbound.mirroring import Heard, _headers

SSE = {"content-type": "text/event-stream"}
JSON = {"content-type": "application/json"}
CHUNK = {"choices": [{"index": 0, "delta": {"content": "é"}, "finish_reason": None}]}
LAST = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}  # fmt: skip
STREAM = b"".join(b"data: %s\n\n" % json.dumps(one).encode() for one in (CHUNK, CHUNK, LAST)) + b"data: [DONE]\n\n"
WHOLE = json.dumps(
    {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}], "usage": LAST["usage"]}
)


class Pieces(httpx.AsyncByteStream):
    def __init__(self, data: bytes, size: int) -> None:
        self.pieces = [data[at : at + size] for at in range(0, len(data), size)]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


def heard(status: int, data: bytes | str, headers: dict[str, str], size: int = 1 << 20) -> Heard:
    found = Heard()
    raw = data if isinstance(data, bytes) else data.encode()
    asyncio.run(found.read(httpx.Response(status, headers=headers, stream=Pieces(raw, size))))
    return found


@pytest.mark.parametrize("size", range(1, 60, 7))
def test_a_stream_is_read_however_it_is_cut(size: int) -> None:
    """Its figures, and its bytes."""
    found = heard(200, STREAM, SSE, size)
    assert (found.outcome, found.kind, found.streamed, bytes(found.body)) == ("ok", "ok", True, STREAM)
    assert (found.reply.input_tokens, found.reply.output_tokens, found.reply.finish_reason) == (3, 2, "stop")


@pytest.mark.parametrize(
    ("status", "data", "headers", "outcome", "kind", "error"),
    [
        (200, WHOLE, JSON, "ok", "ok", None),
        (200, STREAM[:40], SSE, "stream_error", "stream", "the stream ended before its reply did"),
        (200, b'data: {"error": {"message": "busy"}}\n\n', SSE, "stream_error", "stream", "busy"),
        (500, '{"error": {"message": "broken"}}', JSON, "upstream_error", "status", "broken"),
        (401, "who?", {"content-type": "text/plain"}, "upstream_error", "status", "who?"),
        (200, "<html>", JSON, "upstream_error", "unreadable", "its answer cannot be read"),
        (200, "[1]", JSON, "upstream_error", "unreadable", "its answer cannot be read"),
        (200, "", JSON, "upstream_error", "unreadable", "its answer cannot be read"),
    ],
)
def test_how_it_ended(
    status: int, data: Any, headers: dict[str, str], outcome: str, kind: str, error: str | None
) -> None:
    """As a request's own answer would be judged."""
    found = heard(status, data, headers)
    assert (found.status, found.outcome, found.kind, found.error) == (status, outcome, kind, error)


def test_of_a_large_answer_the_beginning_is_kept() -> None:
    """And its size, so that no mirror takes up memory."""
    found = heard(200, b" " * (MAX_REPLY + 5), JSON, 4096)
    assert (len(found.body), found.size, found.outcome) == (MAX_REPLY, MAX_REPLY + 5, "ok")


def test_what_it_cost() -> None:
    """As its usage says; nothing where no model was asked; not known where one was, and says nothing."""
    price = Price({"input": 1 * MILLION, "output": 10 * MILLION})
    assert heard(200, WHOLE, JSON).cost_by(price) == 23
    assert heard(500, "no", JSON).cost_by(price) == 0 and not heard(500, "no", JSON).may_be_billed
    late = Heard()
    late.fails("timeout", "no whole answer within 1 s")
    assert (late.outcome, late.cost_by(price), late.may_be_billed) == ("failed", None, True)
    gone = Heard()
    gone.fails("connect", "refused")
    assert (gone.cost_by(price), gone.may_be_billed) == (0, False)
    assert Heard("refused", "no").cost_by(price) == 0


@pytest.mark.parametrize(
    ("dialect", "field"), [("openai", (b"authorization", b"Bearer k")), ("anthropic", (b"x-api-key", b"k"))]
)
def test_it_is_asked_with_what_the_rules_have(dialect: DialectName, field: tuple[bytes, bytes]) -> None:
    """The key where the dialect looks for it, and the headers of the server, which win."""
    rendered = Rendered("/v1", "{}", False, Endpoint(dialect, "chat", "/v1"))
    server = Server("s", parse("http://s:1"), keys=(ServerKey(SecretStr("k"), "env:K"),), headers={"X-Team": "ö"})
    fields = _headers(server, rendered)
    assert field in fields and (b"x-team", "ö".encode()) in fields
    assert (b"anthropic-version" in dict(fields)) == (dialect == "anthropic")
    bare = dict(_headers(Server("s", parse("http://s:1")), rendered))
    assert b"authorization" not in bare and b"x-api-key" not in bare
