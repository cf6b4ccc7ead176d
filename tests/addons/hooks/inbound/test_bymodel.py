"""A request that names a model is a Call, also where its path is not known, wherever the model stands."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import urlencode

import pytest

FORM = "multipart/form-data; boundary=b"
URLENCODED = "application/x-www-form-urlencoded"
UNKNOWN = ("/v1/audio/isolation", "/some/thing", "/api/thing", "/v1beta/x")
KNOWN = ("/v1/rerank", "/infill", "/tokenize", "/v1/videos", "/v1/audio/speech", "/v1/moderations")


def multipart(**fields: str) -> bytes:
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    file = '--b\r\nContent-Disposition: form-data; name="file"; filename="model"\r\n\r\nmodel=no\r\n'
    return (file + "".join(parts) + "--b--\r\n").encode()


BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "JSON": (json.dumps({"model": "m", "input": "x"}).encode(), {"content-type": "application/json"}),
    "JSON without a type": (b' {"model":"m"}', {}),
    "JSON as curl sends it": (b'{"model":"m","x":"&a=1"}', {"content-type": URLENCODED}),
    "gzip": (gzip.compress(b'{"model":"m"}'), {"content-type": "application/json", "content-encoding": "gzip"}),
    "a form": (multipart(x="1", model="m"), {"content-type": FORM}),
    "an urlencoded form": (urlencode({"a": "1", "model": "m"}).encode(), {"content-type": URLENCODED}),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", [*UNKNOWN, *KNOWN])
def test_the_model_is_found_in_every_body(path: str, body: str, make_runtime: Any, make_exchange: Any) -> None:
    """The path and the query stay as they are; what is not known has an operation of its own."""
    content, headers = BODIES[body]
    flow, x = make_exchange(make_runtime(), f"{path}?x=1", content, headers=headers)
    assert flow.response is None and x.call is not None
    assert (x.call.model, x.call.endpoint.path, x.call.query) == ("m", path, "x=1")
    assert (x.call.endpoint.operation == "other") is (path in UNKNOWN)
    assert x.call.dialect == ("ollama" if path == "/api/thing" else "openai")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "POST", "PUT"])
def test_the_model_may_stand_in_the_query(method: str, make_runtime: Any, make_exchange: Any) -> None:
    """Whatever the body is; the body is not read as text."""
    for path in UNKNOWN:
        flow, x = make_exchange(make_runtime(), f"{path}?a=1&model=org%2Fm", b"\xffRIFF", method=method)
        assert flow.response is None and x.call is not None
        assert (x.call.model, x.call.text, x.call.endpoint.operation) == ("org/m", "", "other")


def test_the_bodys_model_goes_before_the_querys(make_runtime: Any, make_exchange: Any) -> None:
    """Servers read the body; where it names none, the query's counts for known operations too."""
    for path in ("/v1/chat/completions", "/v1/rerank", "/some/thing"):
        _, x = make_exchange(make_runtime(), f"{path}?model=two", {"model": "one"})
        assert x.call is not None and x.call.model == "one"
        _, x = make_exchange(make_runtime(), f"{path}?model=two", {"input": "x"})
        assert x.call is not None and x.call.model == "two"


@pytest.mark.parametrize(
    ("path", "model", "query", "version"),
    [
        ("/openai/deployments/gpt%204/chat/completions?api-version=v&x=1", "gpt 4", "x=1", "v"),
        ("/openai/deployments/d/embeddings", "d", "", ""),
        ("/openai/deployments/d/some/thing?model=other", "d", "model=other", ""),
    ],
)
def test_azures_path_names_the_model(
    path: str, model: str, query: str, version: str, make_runtime: Any, make_exchange: Any
) -> None:
    """Whatever the body says; the version is for Azure's own servers."""
    flow, x = make_exchange(make_runtime(), path, {"model": "body", "messages": []})
    assert flow.response is None and x.call is not None
    assert (x.call.model, x.call.query, x.call.api_version) == (model, query, version)


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/some/thing", {"input": "x"}, {}),
        ("/some/thing", {"model": ""}, {}),
        ("/some/thing", {"model": 3}, {}),
        ("/some/thing", {"model": None}, {}),
        ("/some/thing", b'{"model": "m"', {"content-type": "application/json"}),
        ("/some/thing", b'["model"]', {"content-type": "application/json"}),
        ("/some/thing", b"\xff\xfe", {}),
        ("/some/thing", b"model=m", {"content-type": "text/plain"}),
        ("/some/thing", b"model=m", {"content-type": FORM}),
        ("/some/thing", b"", {}),
        ("/some/thing?model=", b"", {}),
        ("/api/pull", {"model": "m"}, {}),
        ("/api/show", {"model": "m"}, {}),
    ],
)
def test_what_names_no_model_is_no_call(
    path: str, body: Any, headers: dict[str, str], make_runtime: Any, make_exchange: Any
) -> None:
    """It is passed on to the byte, or answered otherwise; nobody is told that its body cannot be read."""
    flow, x = make_exchange(make_runtime(), path, body, headers=headers)
    assert flow.response is None and x.call is None


def test_a_websocket_is_no_call(make_runtime: Any, make_exchange: Any, handshake: dict[str, str]) -> None:
    """Whatever its query names: its frames go to one server."""
    flow, x = make_exchange(make_runtime(), "/v1/realtime?model=m", b"", method="GET", headers=handshake)
    assert flow.response is None and x.call is None and x.handshake is not None


def test_another_upgrade_does_not_hide_a_model(make_runtime: Any, make_exchange: Any) -> None:
    """Else it would be a way around the rules."""
    headers = {"upgrade": "websocket", "content-type": "application/json"}
    _, x = make_exchange(make_runtime(), "/some/thing", {"model": "m"}, headers=headers)
    assert x.call is not None and x.call.model == "m"


@pytest.mark.parametrize("path", ["/v1/rerank", "/infill", "/openai/deployments/d/some/thing"])
def test_a_known_path_has_a_body_that_can_be_read(path: str, make_runtime: Any, make_exchange: Any) -> None:
    """Else it is a 400 with the reason."""
    flow, x = make_exchange(make_runtime(), path, b"{", headers={"content-type": "application/json"})
    assert flow.response is not None and flow.response.status_code == 400 and x.call is None


def test_what_cannot_be_read_for_its_size_is_said(make_runtime: Any, make_exchange: Any) -> None:
    """It may name a model; where there is a DEFAULT_UPSTREAM for what names none, it is passed on as it came."""
    many = b'{"model": "m", "x": [' + b"1," * 50 + b"1]}"
    packed = {"content-type": "application/json", "content-encoding": "br"}
    for content, headers, status in [(many, {"content-type": "application/json"}, 413), (b"x", packed, 415)]:
        flow, x = make_exchange(make_runtime(max_body_values=20), "/some/thing", content, headers=headers)
        assert flow.response is not None and flow.response.status_code == status
        runtime = make_runtime(max_body_values=20, default_upstream="http://127.0.0.1:9")
        flow, x = make_exchange(runtime, "/some/thing", content, headers=headers)
        assert flow.response is None and x.call is None
