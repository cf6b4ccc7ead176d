"""By model: reads of a request, whose path need not be known, which model it names, so that this decides where it goes.

The model stands in the JSON body, in a form, or in the query; behind Azure's paths, in the path. Nothing else is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

from mitmproxy import http

from switchman.addons.core.paths import named
from switchman.addons.core.paths.reading import Reading
from switchman.addons.core.request.call import Call, Endpoint, Form
from switchman.addons.core.request.unambiguous.forms import check_fields
from switchman.addons.core.request.unambiguous.keys import MODEL
from switchman.addons.core.request.unambiguous.names import Ambiguous, folded
from switchman.addons.core.texts.largejson import raw_decode
from switchman.addons.flow.exchange import Exchange

URLENCODED = "application/x-www-form-urlencoded"
TRUE = ("true", "1", "yes", "on", "t", "y")  # of a form's field, as pydantic reads it
WITH_BODY = ("POST", "PUT", "PATCH")
_OBJECT = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?[ \t\r\n\0]*\{")

Read = Callable[[Endpoint, str], Call]


def with_model(call: Call, reading: Reading) -> Call:
    """The call with the model that its path or query names: the path's goes before the body's, the query's after."""
    if reading.azure:
        query = named.without(call.query, "api-version")
        return replace(call, model=reading.model, query=query, api_version=named.value(call.query, "api-version"))
    if not call.model:
        check_fields(call.query, MODEL)
    model = call.model or named.value(call.query, "model")
    return replace(call, model=model, prefix=reading.prefix) if model != call.model or reading.prefix else call


def call_by_model(
    request: http.Request, x: Exchange, reading: Reading, query: str, read: Read, passes: bool
) -> Call | None:
    """The call of a path that is no operation of ours; None where it names no model, or has a body we cannot read.

    `read` reads a body, and raises ValueError; with a `status` other than 400 that is the answer (too large, in an
    unknown coding), unless what names no model `passes` to DEFAULT_UPSTREAM. What another reader would find a model in
    is Ambiguous.
    """
    endpoint = Endpoint(x.dialect or "openai", "other", reading.path)
    if x.handshake is not None:
        return None  # its frames go to one server, and its head is passed on
    if request.method.upper() in WITH_BODY and is_readable(request):
        try:
            call = read(endpoint, query)
        except Ambiguous:
            raise
        except ValueError as error:
            if not passes and getattr(error, "status", 400) != 400:
                raise
            call = None
        if call is not None and call.model:
            return call
    check_fields(query, MODEL)
    model = named.value(query, "model")
    return Call(endpoint, query, "", {}, {}, model, stream=False) if model else None


def is_readable(request: http.Request) -> bool:
    """Whether a body may name a model: a form, or JSON, whatever its content-type calls it."""
    kind = kind_of(request)
    if kind in ("multipart/form-data", URLENCODED) or "json" in kind:
        return True
    return looks_like_json(request.raw_content or b"")


def kind_of(request: http.Request) -> str:
    """The type that the head gives the body, in lower case and without parameters."""
    kind: str = request.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


def looks_like_json(content: bytes) -> bool:
    return _OBJECT.match(content) is not None


def begins_with_model(content: bytes) -> bool:
    """Whether what is no JSON text begins with an object that names a model: Go's decoder reads no further, and others
    read UTF-16, or overlook a byte order mark.
    """
    if not looks_like_json(content):
        return False
    text = content.decode(json.detect_encoding(content), "replace")
    try:
        found, _ = raw_decode(text, text.index("{"))
    except (ValueError, RecursionError):
        return False
    return any(folded(key) in MODEL for key in found)


def check_other_reading(request: http.Request) -> None:
    """Raises Ambiguous for JSON that says of itself to be an urlencoded form, and has a model as that."""
    content = request.raw_content or b""
    if kind_of(request) == URLENCODED and b"model" in content.lower():
        text = content.decode("latin-1")
        if named.find(text, "model"):
            raise Ambiguous("The body is JSON, and its Content-Type says that it is a form.", "content-type")


def is_urlencoded(request: http.Request) -> bool:
    """A form by its content-type, and not JSON, which curl sends under that type too."""
    return kind_of(request) == URLENCODED and not looks_like_json(request.raw_content or b"")


def read_urlencoded(endpoint: Endpoint, query: str, content: bytes) -> Call:
    """The call of an urlencoded form; it is ASCII, so positions in its text are positions in its bytes."""
    text = content.decode("latin-1")
    check_fields(text, ("model", "stream"))
    model = named.value(text, "model")
    stream = named.value(text, "stream").lower() in TRUE
    span = named.find(text, "model")
    return Call(endpoint, query, "", {"model": model, "stream": stream}, {}, model, stream, Form(content, span))
