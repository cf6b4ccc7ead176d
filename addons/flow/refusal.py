"""Answers that the router gives on its own account: errors in the client's dialect, lists, answers from a cache.

Writes: outcome, error.
"""

from __future__ import annotations

import time
from typing import Literal

from mitmproxy import http
from mitmproxy.net.http import http1, status_codes

from switchman.addons.core.dialects import error_body
from switchman.addons.core.dialects.neutral.form import Failed
from switchman.addons.core.dialects.translate import Translation
from switchman.addons.core.paths.reading import Reading, read
from switchman.addons.core.request.call import DialectName
from switchman.addons.core.request.hopbyhop import Fields
from switchman.addons.core.routes.plan import Plan
from switchman.addons.flow.exchange import LEFT, Crowded, Exchange

# What a client, and the record, are told of a request that the router did not let end.
STOPPED = "The router was stopped before the answer was complete."
# What a client is told whose connection is taken from it, or that gets none.
CROWDED = "The router has too many connections open (MAX_CONNECTIONS). Try again in a moment."
CROWDED_ADDRESS = (
    "Too many connections come from your address (MAX_CONNECTIONS_PER_ADDRESS; a proxy or gateway with many clients "
    "behind it belongs into TRUSTED_PROXIES). Try again when some of them are closed."
)


def dialect_of(request: http.Request, reading: Reading | None = None) -> DialectName:
    """The dialect a request is written in, from its path, else its headers; OpenAI's where nothing tells."""
    found = reading or read(request.method, request.path)
    if found.endpoint is not None:
        return found.endpoint.dialect
    if "anthropic-version" in request.headers:
        return "anthropic"
    return found.dialect or "openai"


def refusal(
    x: Exchange, status: int, message: str, *, param: str | None = None, headers: dict[str, str] | None = None
) -> http.Response:
    """An error response for this exchange, which from now on counts as refused (4xx) or failed (5xx)."""
    x.outcome = "refused" if status < 500 else "failed"
    x.error = message
    return error_response(x, status, message, param=param, headers=headers)


def crowded(x: Exchange, why: Crowded) -> http.Response:
    """The answer to a request for which no server has room. Of one whose client left meanwhile nobody gets it."""
    response = refusal(x, why.status, why.message, headers={"retry-after": str(why.retry_in)})
    if why is LEFT:
        x.outcome = "cancelled"
    return response


def worded_refusal(
    x: Exchange, status: int, message: str, type: str, code: str, headers: dict[str, str]
) -> http.Response:
    """The same, where the dialect has words of its own for what is the matter."""
    x.outcome, x.error = "refused", message
    fields = http.Headers(content_type="application/json")
    for name, value in headers.items():
        fields[name] = value
    return _response(status, error_body(x.dialect or "openai", status, message, type=type, code=code), fields)


def unknown_model(x: Exchange, message: str) -> http.Response:
    """The 404 for a model that nothing knows."""
    x.outcome, x.error = "refused", message
    body = error_body(x.dialect or "openai", 404, message, param="model", code="model_not_found")
    return _response(404, body, http.Headers(content_type="application/json"))


def no_plan(x: Exchange, plan: Plan) -> http.Response:
    """The answer to a request that nobody is asked: 403 for its token, 503 where all servers are off, else 404."""
    if plan.is_off:
        return refusal(x, 503, plan.refusal or "")
    if plan.forbidden:
        return refusal(x, 403, plan.refusal or "", param="model")
    return unknown_model(x, plan.refusal or "")


def own_answer(
    x: Exchange,
    response: http.Response,
    outcome: Literal["answered", "cached", "refused"] = "answered",
    error: str | None = None,
) -> http.Response:
    """Mark `response` as the router's own, and return it. `outcome` and `error` are what the record says."""
    x.outcome, x.error = outcome, error
    return response


def error_response(
    x: Exchange, status: int, message: str, *, param: str | None = None, headers: dict[str, str] | None = None
) -> http.Response:
    """An error in the client's dialect."""
    fields = http.Headers(content_type="application/json")
    for name, value in (headers or {}).items():
        fields[name] = value
    return _response(status, error_body(x.dialect or "openai", status, message, param=param), fields)


def relayed_error(x: Exchange, failed: Failed, head: http.Response | None) -> http.Response:
    """A server's error that came with a good status, with the status it should have had, and its Retry-After."""
    kept = [] if head is None else [f for f in head.headers.fields if f[0].lower().startswith(b"retry-after")]
    fields = http.Headers([*kept, (b"content-type", b"application/json")])
    translated = x.attempt is not None and x.attempt.answer is not None
    kind = None if translated else failed.type  # a word of the server's dialect
    body = error_body(x.dialect or "openai", failed.status, failed.message, type=kind, code=failed.code)
    return _response(failed.status, body, fields)


def translate_error(response: http.Response, answer: Translation) -> None:
    """Say a server's error in the client's dialect: the same status and Retry-After, its message, the client's form."""
    content = response.get_content(strict=False) or b""
    response.headers.pop("content-encoding", None)
    response.headers["content-type"] = "application/json"
    response.content = answer.error(response.status_code, content)


def raw_refusal(request: http.Request, status: int, message: str, more: Fields = ()) -> bytes:
    """An error response as bytes on the wire, for a request that never became a flow; it closes the connection.

    `more`: further header fields.
    """
    fields = http.Headers([(b"content-type", b"application/json"), (b"connection", b"close"), *more])
    raw: bytes = http1.assemble_response(_response(status, error_body(dialect_of(request), status, message), fields))
    return raw


def _response(status: int, body: bytes, fields: http.Headers) -> http.Response:
    fields["content-length"] = str(len(body))
    reason = status_codes.RESPONSES.get(status, "")
    now = time.time()
    return http.Response(b"HTTP/1.1", status, reason.encode(), fields, body, None, now, now)
