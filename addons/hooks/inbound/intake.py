"""Intake: reads an LLM request once and makes it a Call, or refuses what cannot be read."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

from mitmproxy import http

from switchman.addons.core.access.apitoken import masked_in
from switchman.addons.core.dialects import stream_default
from switchman.addons.core.dialects.rendering import TRANSLATED
from switchman.addons.core.keys.owntoken import in_path, without_tokens
from switchman.addons.core.paths.advice import not_allowed
from switchman.addons.core.paths.reading import Reading
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call, Endpoint, Form
from switchman.addons.core.request.features import Features, features_of
from switchman.addons.core.request.unambiguous.keys import DECISIVE, MODEL, check_keys
from switchman.addons.core.request.unambiguous.mediatypes import check_charset, read_media_type
from switchman.addons.core.request.unambiguous.multipart import boundary_of, find_fields, text_of
from switchman.addons.core.request.unambiguous.names import Ambiguous, problem_of_name
from switchman.addons.core.texts.largejson import count_values, mark_count
from switchman.addons.core.texts.longtext import decode_utf8
from switchman.addons.flow.exchange import Exchange, Sent, exchange, reading_of
from switchman.addons.flow.refusal import refusal
from switchman.addons.hooks.inbound.bymodel import (
    TRUE,
    begins_with_model,
    call_by_model,
    check_other_reading,
    is_urlencoded,
    read_urlencoded,
    with_model,
)
from switchman.addons.state.runtime import Runtime

# From here on a body is read off the event loop: at either, reading and translating it takes some 30 ms.
LARGE_BYTES = 256 * 1024
LARGE_VALUES = 3_000  # a thousand messages

PLAIN = ("", "identity")  # content-encodings
TOKEN_IN_PATH = "The path has a token of the dashboard in it, which goes to no server: leave it out."  # noqa: S105


class BadRequest(ValueError):
    """The request cannot be understood; `status` and `param` go into the client's error."""

    def __init__(self, message: str, status: int = 400, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param


class Intake:
    """Path and body become a Call. What is no LLM operation and names no model is left alone, and passed through later.

    Writes: sent, call, features.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def request(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """An awaitable where the body is read off the event loop."""
        if (x := exchange(flow)) is None or flow.response:
            return None
        request = flow.request
        if self.runtime.settings.has_tokens and not self._is_without_token(request):
            flow.response = refusal(x, 400, TOKEN_IN_PATH)
            return None
        content = request.raw_content or b""
        is_long = len(content) > LARGE_BYTES
        x.sent = Sent(request.method, request.path, request.headers.fields, content)
        if not is_long:
            _mask_tokens(x, request)
        if request.method.upper() == "TRACE":  # its answer would be all that the server got, with our key
            flow.response = refusal(x, 405, "TRACE is not passed on.")
            return None
        reading = reading_of(x, request)
        reads = reading.kind in ("operation", "other") and not _is_form(request)
        if is_long or (reads and self._is_large(content, request)):
            return self._take_large(flow, x, reading)
        try:
            x.call = self._call(x, request, reading)
        except (BadRequest, Ambiguous) as e:
            _refuse(flow, x, e)
        return None

    def _is_without_token(self, request: http.Request) -> bool:
        """Take tokens of our own dashboard out: no server may see one. False where that cannot be."""
        is_own = self.runtime.is_own_token
        fields, path = without_tokens(request.headers.fields, request.path, is_own)
        if fields is not request.headers.fields:
            request.headers.fields = fields
        if path != request.path:
            request.path = path
        return not in_path(path, is_own)

    def _is_large(self, content: bytes, request: http.Request) -> bool:
        """Whether reading it may take long: it is long, has many values, or is compressed."""
        if len(content) > LARGE_BYTES or _coding(request) not in PLAIN:
            return True
        return mark_count(content) >= min(LARGE_VALUES, self.runtime.settings.max_body_values)

    async def _take_large(self, flow: http.HTTPFlow, x: Exchange, reading: Reading) -> None:
        try:
            call, features = await self.runtime.background.run(self._call_large, x, flow.request, reading)
        except (BadRequest, Ambiguous) as e:
            _refuse(flow, x, e)
        else:
            x.call, x.features = call, features

    def _call_large(self, x: Exchange, request: http.Request, reading: Reading) -> tuple[Call | None, Features | None]:
        _mask_tokens(x, request)
        call = self._call(x, request, reading)
        if call is None or (len(call.text) <= LARGE_BYTES and mark_count(call.text.encode()) < LARGE_VALUES):
            return call, None  # it was small, and compressed
        features = features_of(call.body, call.dialect, call.endpoint.operation, self.runtime.tasks)
        return replace(call, large=True), features

    def _call(self, x: Exchange, request: http.Request, reading: Reading) -> Call | None:
        """The Call, None for what is passed through or answered by the router itself. Raises BadRequest, Ambiguous."""
        call = self._read_call(x, request, reading)
        problem = problem_of_name(call.model) if call is not None else None
        if call is not None and problem is not None and call.model not in self.runtime.rules.current.aliases:
            message = f"The model's name {call.model[:200]!r} may be read in more than one way: {problem}."
            raise Ambiguous(message, "model")
        return call

    def _read_call(self, x: Exchange, request: http.Request, reading: Reading) -> Call | None:
        query, method = request.path.partition("?")[2], request.method.upper()
        if reading.kind == "malformed":
            raise BadRequest(reading.problem)
        if reading.endpoint is not None and method == "POST":
            return with_model(self._read_any(reading.endpoint, query, x, request), reading)
        if reading.kind == "operation" and method not in ("GET", "HEAD", "OPTIONS"):
            raise BadRequest(not_allowed(method, reading.path), 405)
        if reading.kind not in ("operation", "other"):
            return None
        passes = self.runtime.rules.current.default_set
        return call_by_model(request, x, reading, query, lambda at, q: self._read_any(at, q, x, request), passes)

    def _read_any(self, endpoint: Endpoint, query: str, x: Exchange, request: http.Request) -> Call:
        kind = read_media_type(request.headers.get_all("content-type"))
        if _is_form(request):
            if endpoint.operation in TRANSLATED:
                raise Ambiguous("A form was sent where JSON is expected.", "content-type")
            return _read_form(endpoint, query, x, request)
        if endpoint.operation not in TRANSLATED:
            if is_urlencoded(request):
                check_charset(kind.params.get("charset", ""), x.sent.content if x.sent else b"")
                return read_urlencoded(endpoint, query, request.raw_content or b"")
            check_other_reading(request)
        return self._read(endpoint, query, x, request, kind.params.get("charset", ""))

    def _read(self, endpoint: Endpoint, query: str, x: Exchange, request: http.Request, charset: str) -> Call:
        assert x.sent is not None
        settings = self.runtime.settings
        content = _decoded(x.sent.content, _coding(request), settings.max_body_bytes)
        most = settings.max_body_values
        if len(content) > most and count_values(content, most) > most:  # a value is a byte or more
            raise BadRequest(f"The request's body has more than {most} values.", 413)
        decisive = MODEL if endpoint.operation == "other" else DECISIVE
        try:
            text = decode_utf8(content)
            body, spans = jsonedit.parse(text, decisive)
        except Ambiguous:
            raise
        except ValueError as e:
            if endpoint.operation == "other" and begins_with_model(content):
                raise Ambiguous(
                    f"Some servers find a model in this body, although it is broken: {e}.", "model"
                ) from None
            if isinstance(e, UnicodeDecodeError):
                raise BadRequest(f"The body is not valid UTF-8: byte {e.start} cannot be read.") from None
            raise BadRequest(f"The body cannot be read: {e}.") from None
        check_charset(charset, content)
        check_keys(body, decisive)
        return Call(
            endpoint=endpoint,
            query=query,
            text=text,
            body=body,
            spans=spans,
            model=_model_of(body),
            stream=_stream_of(body, endpoint),
            repeats=spans.repeated or spans.repeated_within,
        )


def _mask_tokens(x: Exchange, request: http.Request) -> None:
    """Write asterisks for API tokens of ours in the body: an agent may have found its own in a file. Takes 2 ms a MB.

    One that is compressed, or escaped, is not found.
    """
    assert x.sent is not None
    masked = masked_in(x.sent.content)
    if masked is not x.sent.content:
        x.sent = replace(x.sent, content=masked)
        request.raw_content = masked


def _refuse(flow: http.HTTPFlow, x: Exchange, e: BadRequest | Ambiguous) -> None:
    status = e.status if isinstance(e, BadRequest) else 400
    headers = {"allow": "POST"} if status == 405 else None
    flow.response = refusal(x, status, str(e), param=e.param, headers=headers)


def _read_form(endpoint: Endpoint, query: str, x: Exchange, request: http.Request) -> Call:
    """Read the few fields of a form that matter here; its files are not copied."""
    assert x.sent is not None
    content = x.sent.content
    if _coding(request) not in PLAIN:
        raise BadRequest("A form with a content-encoding is not supported; send it plain.", 415)
    try:
        boundary = boundary_of(request.headers["content-type"])
        spans = find_fields(content, boundary, ("model", "stream"))
    except Ambiguous:
        raise
    except ValueError as e:
        raise BadRequest(f"The body is not a multipart form that can be read: {e}.") from None
    model, stream = text_of(content, spans, "model"), text_of(content, spans, "stream").lower() in TRUE
    return Call(
        endpoint=endpoint,
        query=query,
        text="",
        body={"model": model, "stream": stream},
        spans={},
        model=model,
        stream=stream,
        form=Form(content, spans.get("model"), boundary),
    )


def _is_form(request: http.Request) -> bool:
    content_type: str = request.headers.get("content-type", "")
    return content_type.lower().startswith("multipart/form-data")


def _model_of(body: dict[str, Any]) -> str:
    model = body.get("model")
    if model is None:
        return ""
    if not isinstance(model, str):
        raise BadRequest(f"`model` must be a string, not {_json_type(model)}.", param="model")
    return model


def _stream_of(body: dict[str, Any], endpoint: Endpoint) -> bool:
    """Whether a stream is asked for. Of an unknown operation nobody knows what its `stream` means."""
    stream = body.get("stream", stream_default(endpoint))
    if not isinstance(stream, bool | None) and endpoint.operation != "other":
        # `"false"` is true to some servers, false to others, and an error to the rest.
        raise Ambiguous(f"stream: expected true or false, not {_json_type(stream)}.", "stream")
    return bool(stream)


def _json_type(value: object) -> str:
    names = {
        bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "an array", dict: "an object"
    }  # fmt: skip
    return names.get(type(value), "null")


def _coding(request: http.Request) -> str:
    coding: str = request.headers.get("content-encoding", "")
    return coding.strip().lower()


def _decoded(content: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content-encoding, at most `limit` bytes: a small body may unpack to gigabytes."""
    if encoding in PLAIN:
        return content
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise BadRequest(f"A body with content-encoding {encoding!r} is not supported; send it plain or gzip.", 415)
    unpacker = zlib.decompressobj(wbits=47)  # 32 + 15: gzip or zlib, told apart by the header
    try:
        plain = unpacker.decompress(content, limit + 1)
    except zlib.error as e:
        raise BadRequest(f"The body is not valid {encoding}: {e}.") from None
    if len(plain) > limit:
        raise BadRequest(f"The request's body is larger than {limit} bytes.", 413)
    if not unpacker.eof:
        raise BadRequest(f"The body is not valid {encoding}: it ends too early.")
    return plain
