"""A request as an entry of a HAR log, version 1.2. Pure.

Source of the format: http://www.softwareishard.com/blog/har-12-spec/. Times there are milliseconds, sizes bytes, and -1
stands for what is not known. A body that is no text is base64, which only a response can say; a request's says it in
`_encoding`, as fields that begin with an underscore are the application's own.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from switchman.addons.store.reading.found import Detail
from switchman.webui.looks.formats import iso
from switchman.webui.looks.masked import masked_text

Pairs = Iterable[tuple[str, str]]


def entry(detail: Detail, base: str, request: bytes | None, response: bytes | None) -> dict[str, Any]:
    """One request, with what is secret in its bodies masked.

    `base`: the router's address, as `http://127.0.0.1:1234`. Bodies are None where they are not kept or hidden.
    """
    row = detail.row
    tried = detail.attempts[-1] if detail.attempts else None
    before = (tried.started_at - row.started_at) * 1000 if tried is not None else row.duration_ms
    blocked = min(max(0.0, before), row.duration_ms)
    rest = row.duration_ms - blocked
    connect = min(rest, tried.connect_ms) if tried is not None and tried.connect_ms is not None else None
    first = min(rest, tried.first_byte_ms if tried is not None and tried.first_byte_ms is not None else rest)
    wait = max(0.0, first - (connect or 0.0))
    return {
        "startedDateTime": iso(row.started_at),
        "time": row.duration_ms,
        "request": {
            "method": row.method,
            "url": base.rstrip("/") + row.path,
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _pairs(detail.request_headers),
            "queryString": _pairs(parse_qsl(urlsplit(row.path).query, keep_blank_values=True)),
            **({"postData": _posted(detail, request)} if request is not None else {}),
            "headersSize": -1,
            "bodySize": _size(row.request_size, request),
        },
        "response": {
            "status": row.status,
            "statusText": "",
            "httpVersion": "HTTP/1.1",
            "cookies": [],
            "headers": _pairs(detail.response_headers),
            "content": {
                "size": max(0, _size(row.response_size, response)),
                "mimeType": _type(detail.response_headers),
                **(_text(response) if response is not None else {}),
            },
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": _size(row.response_size, response),
        },
        "cache": {},
        "timings": {
            "blocked": blocked,
            "dns": -1,
            "connect": -1 if connect is None else connect,
            "send": 0,
            "wait": wait,
            "receive": rest - wait - (connect or 0.0),
            "ssl": -1,
        },
        "_id": row.id,
        "_outcome": row.outcome,
        "_server": row.server,
        "_model": row.model,
        **({"_target": f"{tried.server}/{tried.model}", "_upstream": tried.url} if tried is not None else {}),
    }


def _pairs(pairs: Pairs) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def _type(headers: Pairs) -> str:
    return next((value for name, value in headers if name.lower() == "content-type"), "x-unknown")


def _size(size: int | None, body: bytes | None) -> int:
    return size if size is not None else len(body) if body is not None else -1


def _text(body: bytes) -> dict[str, str]:
    try:
        return {"text": masked_text(body.decode())}
    except UnicodeDecodeError:
        return {"text": base64.b64encode(body).decode(), "encoding": "base64"}


def _posted(detail: Detail, body: bytes) -> dict[str, Any]:
    text = _text(body)
    packed = {"_encoding": text["encoding"]} if "encoding" in text else {}
    return {"mimeType": _type(detail.request_headers), "text": text["text"], **packed}
