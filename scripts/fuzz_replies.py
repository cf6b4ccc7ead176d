"""What the fuzzer's client reads, and whether its library could.

read_reply(reader)         the next answer, as HTTP
check_reply(case, reply)   its body, by the dialect that the client speaks
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Final

from fuzz_cases import Case

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([2-5]\d\d) ?[\t\x20-\x7e]*")
_FIELD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")


class Failure(Exception):
    """What went wrong, in words; the first one is its kind. `case`: the one that showed it, where that is known."""

    case: Case | None = None


@dataclass(slots=True)
class Reply:
    """One answer. `complete`: its framing came to its end."""

    status: int
    fields: dict[str, str]
    body: bytes
    complete: bool


async def read_reply(reader: asyncio.StreamReader) -> Reply | None:
    """The next answer; None where the connection ends instead. Raises Failure for what is no HTTP."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise Failure(f"answer: the head is cut: {error.partial[:500]!r}") from None
        return None
    except ConnectionError:
        return None
    first, *lines = head[:-4].split(b"\r\n")
    if first.startswith((b"HTTP/1.1 100 ", b"HTTP/1.1 101 ")):
        return await read_reply(reader) if b" 100 " in first[:13] else None
    found = _STATUS.fullmatch(first)
    if found is None or not all(_FIELD.fullmatch(line) for line in lines):
        raise Failure(f"answer: no HTTP: {head[:1000]!r}")
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.decode("latin-1").partition(":")
        if name.lower() in ("content-length", "transfer-encoding") and name.lower() in fields:
            raise Failure(f"answer: two lengths: {head[:1000]!r}")
        fields[name.lower()] = value.strip()
    if "content-length" in fields and "transfer-encoding" in fields:
        raise Failure(f"answer: a length and a coding: {head[:1000]!r}")
    body, complete = await _read_body(reader, fields, int(found[1]))
    return Reply(int(found[1]), fields, body, complete)


async def _read_body(reader: asyncio.StreamReader, fields: dict[str, str], status: int) -> tuple[bytes, bool]:
    body = b""
    try:
        if status in (204, 304):
            return b"", True
        if "content-length" in fields:
            return await reader.readexactly(int(fields["content-length"])), True
        if "transfer-encoding" not in fields:
            return await reader.read(-1), True
        while True:
            line = await reader.readuntil(b"\r\n")
            if not re.fullmatch(rb"[0-9a-f]+\r\n", line):
                raise Failure(f"answer: a chunk's line is {line[:100]!r}")
            data = await reader.readexactly(int(line, 16) + 2)
            if not data.endswith(b"\r\n"):
                raise Failure("answer: a chunk does not end")
            if len(data) == 2:
                return body, True
            body += data[:-2]
    except asyncio.IncompleteReadError as error:
        return body + error.partial, False
    except ConnectionError:
        return body, False


def check_reply(case: Case, reply: Reply) -> None:
    """Raises Failure for an answer that the client's library could not read."""
    # One whose body is too large is refused by its head, before it has an id.
    if case.good_http and reply.status != 413 and "x-switchman-request-id" not in reply.fields:
        raise Failure(f"answer: no request's id: {reply.status} {reply.fields} {reply.body[:500]!r}")
    own = int(reply.fields.get("x-switchman-attempts", "0") or 0) == 0 or "x-switchman-request-id" not in reply.fields
    if reply.status >= 400 and (own or reply.status in (502, 504)):
        _check_error(case, reply)
    if case.dialect == case.server or reply.status >= 400 or "x-switchman-target" not in reply.fields:
        return
    if not b"".join(case.request).startswith(b"POST %b HTTP/1." % case.path.encode()):
        return  # a mutated path: another operation, whose answer is passed on as it is
    if not re.match(r"(op|ol|an)/", reply.fields["x-switchman-target"]):
        return  # a mutated name: another server
    if not case.server.startswith(reply.fields["x-switchman-target"][:2]):
        return
    kind = reply.fields.get("content-type", "")
    if kind.startswith("text/event-stream"):
        lines = [line[6:] for line in reply.body.split(b"\n") if line.startswith(b"data: ")]
        _check_json([line for line in lines if line != b"[DONE]"], reply)
    elif "ndjson" in kind:
        _check_json([line for line in reply.body.split(b"\n") if line], reply)
    elif kind.startswith("application/json"):
        _check_json([reply.body], reply)
    if not reply.complete and case.good_http:  # else the client itself may have closed
        raise Failure(f"answer: a translated answer is cut: {reply.body[-500:]!r}")


def _check_json(texts: list[bytes], reply: Reply) -> None:
    for text in texts:
        try:
            whole = isinstance(json.loads(text), dict)
        except ValueError:
            whole = False
        if not whole:
            raise Failure(f"answer: no object of its dialect: {text[:500]!r} in {reply.body[-1500:]!r}")


def _check_error(case: Case, reply: Reply) -> None:
    try:
        value = json.loads(reply.body)
        error = value["error"]
        if case.path.startswith("/api/"):
            good = isinstance(error, str)
        elif case.path.startswith("/v1/messages"):
            good = value["type"] == "error" and isinstance(error["message"], str)
        else:
            good = isinstance(error["message"], str) and "type" in error
    except (ValueError, KeyError, TypeError):
        good = False
    # Of a request whose line is mutated nobody can say which dialect it was in.
    if not good and case.good_http:
        raise Failure(f"answer: no error of its dialect: {reply.status} {reply.body[:500]!r}")
