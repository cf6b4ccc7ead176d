"""A request becomes a Call, once, or is refused with what is wrong."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest
from mitmproxy import http

from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.features import features_of
from switchman.addons.flow.exchange import exchange
from switchman.addons.hooks.inbound.intake import Intake

CHAT = "/v1/chat/completions"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
TEXT = json.dumps(BODY).encode()


def refused(flow: http.HTTPFlow) -> tuple[int, Any]:
    assert flow.response is not None and flow.response.content is not None
    return flow.response.status_code, json.loads(flow.response.content)["error"]


def test_the_call_has_what_the_client_sent(make_runtime: Any, make_exchange: Any) -> None:
    """To the byte, with the spans into its text, and the query apart from the path."""
    raw = b'{ "model":"m",\t"messages": [] }'
    flow, x = make_exchange(make_runtime(), f"{CHAT}?api-version=1", raw, headers={"X-A": "1"})
    assert flow.response is None and x.call is not None and x.sent is not None
    assert (x.sent.method, x.sent.path, x.sent.content) == ("POST", f"{CHAT}?api-version=1", raw)
    assert (b"X-A", b"1") in x.sent.fields
    assert (x.call.endpoint.path, x.call.query, x.call.model) == (CHAT, "api-version=1", "m")
    start, end = x.call.spans["model"]
    assert x.call.text.encode() == raw and x.call.text[start:end] == '"m"'


@pytest.mark.parametrize(
    ("path", "given", "streams"),
    [
        (CHAT, {}, False),
        (CHAT, {"stream": True}, True),
        (CHAT, {"stream": None}, False),
        ("/api/chat", {}, True),
        ("/api/chat", {"stream": False}, False),
        ("/api/embed", {}, False),
        ("/v1/messages", {}, False),
    ],
)
def test_a_request_streams_as_its_dialect_does(
    path: str, given: dict[str, Any], streams: bool, make_runtime: Any, make_exchange: Any
) -> None:
    """Ollama's chat by itself, the others where they are asked to."""
    _, x = make_exchange(make_runtime(), path, {**BODY, **given})
    assert x.call is not None and x.call.stream is streams


@pytest.mark.parametrize("path", ["/v1/files", "/login", "/v1/models"])
def test_what_is_no_llm_call_is_kept_and_left_alone(path: str, make_runtime: Any, make_exchange: Any) -> None:
    """Whatever its body is: it is passed through later, to the byte."""
    flow, x = make_exchange(make_runtime(), path, b"\xff{")
    assert flow.response is None and x.call is None
    assert x.sent is not None and x.sent.content == b"\xff{"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "cannot be read"),
        (b"{", "cannot be read"),
        (b"[1]", "cannot be read"),
        (b'"text"', "cannot be read"),
        (b"{" + b'"a":{' * 100_000, "cannot be read"),
        (b'{"a": "\xff"}', "byte 7"),
        (b"\xef\xbb\xbf{}", "cannot be read"),
    ],
    ids=["empty", "cut", "list", "text", "deep", "no UTF-8", "BOM"],
)
def test_a_body_that_cannot_be_read_is_refused(body: bytes, words: str, make_runtime: Any, make_exchange: Any) -> None:
    """400 in the client's dialect, with a reason; nothing of it becomes a Call."""
    flow, x = make_exchange(make_runtime(), CHAT, body)
    status, error = refused(flow)
    assert status == 400 and words in error["message"]
    assert (x.call, x.outcome) == (None, "refused")


@pytest.mark.parametrize(
    ("model", "kind"),
    [(7, "a number"), (1.5, "a number"), (True, "a boolean"), (["m"], "an array"), ({}, "an object")],
)
def test_a_model_that_is_no_name_is_refused(model: Any, kind: str, make_runtime: Any, make_exchange: Any) -> None:
    """With the name of the parameter, as clients show it."""
    flow, _ = make_exchange(make_runtime(), CHAT, {"model": model})
    status, error = refused(flow)
    assert (status, error["param"]) == (400, "model") and kind in error["message"]


@pytest.mark.parametrize("body", [{}, {"model": None}, {"model": ""}])
def test_no_model_is_a_model_to_be_chosen(body: dict[str, Any], make_runtime: Any, make_exchange: Any) -> None:
    """It is no mistake here: the router may choose."""
    flow, x = make_exchange(make_runtime(), CHAT, body)
    assert flow.response is None and x.call is not None and x.call.model == ""


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(TEXT)),
        (" GZIP ", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT)),
        ("deflate", zlib.compress(TEXT)),
        ("identity", TEXT),
    ],
    ids=["gzip", "GZIP", "x-gzip", "deflate", "identity"],
)
def test_a_packed_body_is_unpacked_to_be_read(
    encoding: str, packed: bytes, make_runtime: Any, make_exchange: Any
) -> None:
    """What was sent is kept as it was sent."""
    flow, x = make_exchange(make_runtime(), CHAT, packed, headers={"content-encoding": encoding})
    assert flow.response is None and x.call is not None and x.call.body == BODY
    assert x.sent is not None and x.sent.content == packed


@pytest.mark.parametrize(
    ("encoding", "packed", "status", "words"),
    [
        ("gzip", b"not zipped", 400, "not valid gzip"),
        ("gzip", gzip.compress(TEXT)[:-9], 400, "ends too early"),
        ("gzip", b"", 400, "ends too early"),
        ("br", b"x", 415, "'br' is not supported"),
        ("gzip, gzip", gzip.compress(gzip.compress(TEXT)), 415, "not supported"),
        ("gzip", gzip.compress(b" " * 10_000_000), 413, "larger than 1000 bytes"),
    ],
    ids=["broken", "cut", "empty", "brotli", "twice", "bomb"],
)
def test_a_body_that_cannot_be_unpacked_is_refused(
    encoding: str, packed: bytes, status: int, words: str, make_runtime: Any, make_exchange: Any
) -> None:
    """A small body may unpack to gigabytes: no more is unpacked than a plain body may have."""
    flow, x = make_exchange(make_runtime(max_body_bytes=1000), CHAT, packed, headers={"content-encoding": encoding})
    found, error = refused(flow)
    assert found == status and words in error["message"] and x.call is None


def test_the_largest_body_may_be_packed(make_runtime: Any, make_exchange: Any) -> None:
    """The limit is of the unpacked body, and it may have just as many bytes."""
    packed = gzip.compress(TEXT)
    headers = {"content-encoding": "gzip"}
    for limit, fits in ((len(TEXT), True), (len(TEXT) - 1, False)):
        flow, _ = make_exchange(make_runtime(max_body_bytes=limit), CHAT, packed, headers=headers)
        assert (flow.response is None) is fits


FORM = (
    b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper\r\n'
    b'--b\r\ncontent-disposition: form-data; name="stream"\r\n\r\ntrue\r\n'
    b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n\xff\x00\r\n--b--\r\n'
)
FORM_TYPE = {"content-type": "multipart/form-data; boundary=b"}


def test_of_a_form_only_the_few_fields_that_matter_are_read(make_runtime: Any, make_exchange: Any) -> None:
    """Its files stay where they are, whatever bytes they have."""
    _, x = make_exchange(make_runtime(), "/v1/audio/transcriptions", FORM, headers=FORM_TYPE)
    assert x.call is not None and x.call.form is not None
    assert (x.call.model, x.call.stream, x.call.text) == ("whisper", True, "")
    assert x.call.body == {"model": "whisper", "stream": True}
    start, end = x.call.form.model or (0, 0)
    assert x.call.form.content[start:end] == b"whisper"


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (FORM, {"content-type": "multipart/form-data"}, 400),
        (b"no form", FORM_TYPE, 400),
        (gzip.compress(FORM), {**FORM_TYPE, "content-encoding": "gzip"}, 415),
    ],
    ids=["no boundary", "no parts", "packed"],
)
def test_a_form_that_cannot_be_read_is_refused(
    content: bytes, headers: dict[str, str], status: int, make_runtime: Any, make_exchange: Any
) -> None:
    """With a reason."""
    flow, x = make_exchange(make_runtime(), "/v1/audio/transcriptions", content, headers=headers)
    assert refused(flow)[0] == status and x.call is None


@pytest.mark.parametrize(("method", "path"), [("TRACE", CHAT), ("trace", "/"), ("Trace", "/v1/models")])
def test_trace_is_not_passed_on(method: str, path: str, make_runtime: Any, make_exchange: Any) -> None:
    """In any case of its letters: a server that obeys tells the client what it was sent, its own key too."""
    flow, x = make_exchange(make_runtime(), path, method=method)
    assert refused(flow)[0] == 405 and x.outcome == "refused"


def test_answered_and_foreign_flows_are_left_alone(make_runtime: Any, make_flow: Any, make_exchange: Any) -> None:
    """A flow that has a response, or is not ours."""
    runtime = make_runtime()
    foreign = make_flow(CHAT, b"{")
    Intake(runtime).request(foreign)
    assert foreign.response is None
    answered, x = make_exchange(runtime, "/login")
    answered.response = given = http.Response.make(403)
    answered.request.path, x.sent = CHAT, None
    Intake(runtime).request(answered)
    assert answered.response is given and exchange(answered).sent is None


MANY = [{"role": "user", "content": f"number {n}, \ud83d é😀"} for n in range(2_000)]
LARGE = {
    "thousands-of-messages": {"messages": MANY},
    "megabytes-of-text": {"messages": [{"role": "user", "content": "wörds, and [more] {of} them. " * 50_000}]},
    "many-members-deep-within": {"messages": [], "stream_options": {"a": [{str(n): n for n in range(20_000)}]}},
}


@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/api/chat"])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("body", LARGE.values(), ids=LARGE)
def test_a_large_body_is_read_off_the_event_loop(
    body: dict[str, Any], encoding: str, path: str, make_runtime: Any, make_flow: Any, make_exchange: Any
) -> None:
    """As a small one is; its features, which take as long, come with it."""
    content = json.dumps({"model": "m", **body}).encode()
    packed = gzip.compress(content) if encoding == "gzip" else content
    runtime = make_runtime()
    _, x = make_exchange(runtime, path, packed, headers={"content-encoding": encoding})
    assert x.call is not None and x.call.large
    assert (x.call.body, x.call.spans) == jsonedit.parse(content.decode())
    assert x.features == features_of(x.call.body, x.call.dialect, x.call.endpoint.operation, runtime.tasks)


def test_a_usual_body_is_read_at_once(make_runtime: Any, make_exchange: Any) -> None:
    """Nobody waits for a thread without need, and no feature is looked for that nobody asks about."""
    body = {"model": "m", "messages": MANY[:200], "tools": [{"type": "function", "function": {"name": "f"}}] * 50}
    _, x = make_exchange(make_runtime(), CHAT, body)
    assert x.call is not None and not x.call.large and x.features is None


@pytest.mark.parametrize("path", [CHAT, "/v1/responses", "/v1/messages", "/api/chat", "/v1/embeddings"])
@pytest.mark.parametrize(
    "body",
    [
        b'{"messages":[' + b"{}," * 1_000_000 + b"{}]}",
        b'{"stream_options":{"a":{' + b'"k":1,' * 1_000_000 + b'"k":1}}}',
        b'{"tools":[[[[' + b"[]," * 1_000_000 + b"[]]]]]}",
        b'{"metadata":' + b"[" * 1_000_000,
    ],
    ids=["objects", "members", "lists", "deep"],
)
def test_a_body_of_absurdly_many_values_is_refused(
    body: bytes, path: str, make_runtime: Any, make_exchange: Any
) -> None:
    """413 in the client's dialect, before anything is made of them."""
    flow, x = make_exchange(make_runtime(), path, body)
    assert flow.response is not None and flow.response.status_code == 413
    error = json.loads(flow.response.content)["error"]
    assert (error if isinstance(error, str) else error["message"]) == "The request's body has more than 500000 values."
    assert (x.call, x.outcome) == (None, "refused")


@pytest.mark.parametrize(("most", "status"), [(7, None), (6, 413)])
def test_the_most_values_can_be_set(most: int, status: int | None, make_runtime: Any, make_exchange: Any) -> None:
    """The object, the model, the list, a message and its two texts are six; marks within a text are none."""
    body = {"model": "m", "messages": [{"role": "user", "content": 'a, b, [c], {d}, "e",' * 10}], "n": 1}
    flow, _ = make_exchange(make_runtime(max_body_values=most), CHAT, body)
    assert (flow.response.status_code if flow.response else None) == status


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "put"])
@pytest.mark.parametrize("path", [CHAT, "/api/chat", "/v1/v1/messages", "/messages", "/v1/rerank", "/x/v1/responses"])
def test_an_operation_is_asked_for_with_post(method: str, path: str, make_runtime: Any, make_exchange: Any) -> None:
    """By another method it would pass the rules by: 405, in the client's dialect, with the method that is right."""
    flow, x = make_exchange(make_runtime(), path, BODY, method=method)
    assert refused(flow)[0] == 405 and x.call is None
    assert flow.response is not None and flow.response.headers["allow"] == "POST"


@pytest.mark.parametrize("path", ["/v1/../admin", "/v1/%63hat/completions", "/x/%2e%2e/y", "/API/chat"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_path_that_is_not_canonical_is_refused(method: str, path: str, make_runtime: Any, make_exchange: Any) -> None:
    """Whatever comes after it."""
    flow, x = make_exchange(make_runtime(), path, BODY, method=method)
    status, error = refused(flow)
    assert status == 400 and x.call is None
    assert "path" in (error if isinstance(error, str) else error["message"])
