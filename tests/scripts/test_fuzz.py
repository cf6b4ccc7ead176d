"""scripts/fuzz: a few hundred cases leave a router whole, and what is wrong with an answer is seen."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def fuzz() -> Iterator[Any]:
    """The script as a module; it finds what is beside it as it does when it is run."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        yield importlib.import_module("fuzz")
    finally:
        sys.path.remove(str(ROOT / "scripts"))


@pytest.mark.soak
def test_a_router_stays_whole(fuzz: Any, tmp_path: Path, full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of fixed cases in all dialects: no traceback, hang, missing row or invalid answer."""
    monkeypatch.delenv("RECORDED_STREAMS", raising=False)
    assert asyncio.run(fuzz.fuzz(9, 0, 2000 if full else 200, tmp_path, shrink=False)) == ("", None)


def test_a_seed_gives_the_same_cases_again(fuzz: Any) -> None:
    """And another one others; a case that was written is the same when it is read."""
    made = [fuzz.Maker(1).case(number) for number in range(200)]
    assert made == [fuzz.Maker(1).case(number) for number in range(200)]
    assert made != [fuzz.Maker(2).case(number) for number in range(200)]
    assert [fuzz.Case.from_json(case.to_json()) for case in made] == made
    assert {case.dialect for case in made} == {case.server for case in made} == {"openai", "ollama", "anthropic"}
    assert {level for case in made for level in case.mutated} == {"none", "bytes", "json", "http", "events"}


def test_a_case_is_small_enough_to_be_made(fuzz: Any) -> None:
    """What is repeated within what was repeated does not count for each of its copies: one case had 480 MB."""
    cases = importlib.import_module("fuzz_cases")
    long = cases._repeated("a" * 70_000, 300)
    again = cases._repeated(long, 300)
    assert (len(long), len(again)) == (300, 2)
    many = cases._repeated(["a"], 300)
    many[0].append("b")
    assert many[1] == ["a"]


def test_a_case_is_made_smaller(fuzz: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """To what it needs to fail, and where its request is well framed it stays so."""
    retrial = fuzz.Retrial()

    async def failure(case: Any) -> str:
        head, _, body = b"".join(case.request).partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % len(body) in head
        return "answer: x" if b"BAD" in body or not head else ""

    monkeypatch.setattr(retrial, "failure", failure)
    body = b"a" * 300 + b"BAD" + b"b" * 300
    request = [b"POST /v1/x HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body), body]
    case = replace(fuzz.Maker(1).case(0), request=request, answer=[b"c" * 100], good_http=True)
    small = asyncio.run(retrial.smallest(case, "answer: x"))
    assert small.answer == [b""]
    assert small.request == [b"POST /v1/x HTTP/1.1\r\nContent-Length: 3\r\n\r\nBAD"]


@pytest.fixture(name="Reply")
def reply_class(fuzz: Any) -> Any:
    return importlib.import_module("fuzz_replies").Reply


def read(fuzz: Any, data: bytes) -> Any:
    async def fed() -> Any:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        return await fuzz.read_reply(reader)

    return asyncio.run(fed())


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 O\x01K\r\n\r\n",
        b"HTTP/1.1 700 No\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\na",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\na",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\na",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc",
    ],
)
def test_what_is_no_http_is_seen(fuzz: Any, data: bytes) -> None:
    """A head, a length, a chunk."""
    with pytest.raises(fuzz.Failure, match="answer:"):
        read(fuzz, data)


def test_an_answer_is_read(fuzz: Any) -> None:
    """To its end, or with the word that it has none."""
    head = b"HTTP/1.1 200 OK\r\nX-A: b\r\ntransfer-encoding: chunked\r\n\r\n"
    whole, cut = read(fuzz, head + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n"), read(fuzz, head + b"1\r\na\r\n2\r\nb")
    assert (whole.status, whole.fields["x-a"], whole.body, whole.complete) == (200, "b", b"abc", True)
    assert not cut.complete and read(fuzz, b"") is None


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat"])
def test_an_error_in_another_dialect_is_seen(fuzz: Any, path: str, Reply: Any) -> None:
    """Each has its own form."""
    errors = {
        "/v1/chat/completions": {"error": {"message": "m", "type": "t"}},
        "/v1/messages": {"type": "error", "error": {"type": "t", "message": "m"}},
        "/api/chat": {"error": "m"},
    }
    case = replace(fuzz.Maker(1).case(0), path=path, good_http=True)
    for other, error in errors.items():
        reply = Reply(400, {"x-switchman-request-id": "i"}, json.dumps(error).encode(), True)
        if other == path or (path, other) == ("/v1/chat/completions", "/v1/messages"):
            fuzz.check_reply(case, reply)
        else:
            with pytest.raises(fuzz.Failure, match="no error of its dialect"):
                fuzz.check_reply(case, reply)


def test_a_translated_stream_with_something_else_in_it_is_seen(fuzz: Any, Reply: Any) -> None:
    """Its events are the router's own, so each is an object."""
    sent = [b"POST /v1/chat/completions HTTP/1.1\r\n\r\n"]
    case = replace(fuzz.Maker(1).case(0), path="/v1/chat/completions", dialect="openai", server="ollama", request=sent)
    case.good_http = True
    fields = {"x-switchman-target": "ol/m", "x-switchman-attempts": "1", "x-switchman-request-id": "i"}
    fields["content-type"] = "text/event-stream"
    fuzz.check_reply(case, Reply(200, fields, b"data: {}\n\ndata: [DONE]\n\n", True))
    for body, complete in [(b"data: {\n\n", True), (b"data: []\n\n", True), (b"data: {}\n\n", False)]:
        with pytest.raises(fuzz.Failure, match="answer:"):
            fuzz.check_reply(case, Reply(200, fields, body, complete))


def test_growth_is_told_from_a_level(fuzz: Any) -> None:
    """By the second half only, and whatever peaks and steps there are."""
    assert fuzz.grown([]) == 0
    level = [100_000_000 + (n % 3) * 1_000_000 for n in range(40)]
    assert abs(fuzz.grown(level)) < fuzz.GROWTH < fuzz.grown([size + n * 5_000_000 for n, size in enumerate(level)])
    steps = [size + 60_000_000 * (n > 25) + 60_000_000 * (n > 30) for n, size in enumerate(level)]
    assert abs(fuzz.grown(steps)) < fuzz.GROWTH


def test_an_answer_without_an_id_is_seen(fuzz: Any, Reply: Any) -> None:
    """Of a request that was well framed: nobody could find its row."""
    case = replace(fuzz.Maker(1).case(0), good_http=True)
    with pytest.raises(fuzz.Failure, match="no request's id"):
        fuzz.check_reply(case, Reply(200, {}, b"", True))


# What each thirtieth request meets in a router that is made worse.
FAULTS = {
    "hang": ("hooks.inbound.intake", "Intake", "request", "time.sleep(2); return real(*given)"),
    "traceback": ("hooks.inbound.intake", "Intake", "request", "raise KeyError(1)"),
    "row": ("hooks.recording.recording", "Recording", "_write", "return None"),
}


async def no_blame(*_: Any) -> None:
    """Whose fault it is would be asked of another router."""


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_noticed(kind: str, fuzz: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop that sleeps, an exception in an addon, a request that is not recorded."""
    module, owner, name, fault = FAULTS[kind]
    (tmp_path / "sitecustomize.py").write_text(
        f"""
import sys, time
if "switchman.addons.serving.worker" in sys.orig_argv:
    from switchman.addons.{module} import {owner}
    real, seen = {owner}.{name}, []
    def worse(*given):
        seen.append(1)
        if len(seen) % 30 == 0:
            {fault}
        return real(*given)
    {owner}.{name} = worse
"""
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("RECORDED_STREAMS", raising=False)
    monkeypatch.setattr(fuzz, "ROW_WAIT", 2.0)
    monkeypatch.setattr(fuzz, "blame", no_blame)
    told, _ = asyncio.run(fuzz.fuzz(9, 0, 60, tmp_path, shrink=False))
    assert told.startswith(f"{kind}:")
