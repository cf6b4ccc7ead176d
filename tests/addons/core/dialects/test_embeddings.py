"""Embeddings: inputs as texts, vectors as numbers or packed, between three endpoints."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from switchman.addons.core.dialects.embeddings import (
    DECODERS,
    ENCODERS,
    PATHS,
    EmbeddingFormat,
    EmbeddingRequest,
    Vectors,
    decode_ollama,
    decode_openai,
    decode_request,
    encode_embed,
    encode_embeddings,
    encode_openai,
    encode_request,
    pack,
    unpack,
)
from switchman.addons.core.dialects.neutral.limits import Malformed, Untranslatable

ENDPOINTS: list[Any] = [
    pytest.param("openai.embedding", "input", id="v1-embeddings"),
    pytest.param("ollama.embed", "input", id="api-embed"),
    pytest.param("ollama.embeddings", "prompt", id="api-embeddings"),
]


@pytest.mark.parametrize(("origin", "field"), ENDPOINTS)
@pytest.mark.parametrize(
    ("value", "texts"),
    [
        pytest.param("a", ("a",), id="a-text"),
        pytest.param("", ("",), id="an-empty-text"),
        pytest.param(["a"], ("a",), id="a-list-of-one"),
        pytest.param(["b", "a"], ("b", "a"), id="a-list"),
        pytest.param([], (), id="an-empty-list"),
    ],
)
def test_an_input_is_texts_in_order(origin: EmbeddingFormat, field: str, value: Any, texts: tuple[str, ...]) -> None:
    """One text goes out as a text, several as a list."""
    request = decode_request(origin, {"model": "e", field: value}, "ollama")
    assert request == EmbeddingRequest("e", texts, None, False, {})
    sent = texts[0] if len(texts) == 1 else list(texts)
    assert encode_request(request, "ollama") == ({"model": "e", "input": sent}, [])


@pytest.mark.parametrize(("origin", "field"), ENDPOINTS)
@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param({}, Malformed, id="absent"),
        pytest.param({"value": None}, Malformed, id="null"),
        pytest.param({"value": 5}, Malformed, id="a-number"),
        pytest.param({"value": {"text": "a"}}, Malformed, id="an-object"),
        pytest.param({"value": [1, 2]}, Untranslatable, id="token-numbers"),
        pytest.param({"value": [[1], [2]]}, Untranslatable, id="several-of-token-numbers"),
        pytest.param({"value": ["a", 1]}, Untranslatable, id="mixed"),
    ],
)
def test_an_input_that_is_no_text(
    origin: EmbeddingFormat, field: str, body: dict[str, Any], error: type[Malformed | Untranslatable]
) -> None:
    """The error names the endpoint's own field; the other endpoint's name is none."""
    body = {field: body["value"]} if "value" in body else {"prompt" if field == "input" else "input": "a"}
    with pytest.raises(error) as raised:
        decode_request(origin, body, "ollama")
    assert raised.value.field == field


def test_what_is_asked_beside_the_input() -> None:
    """Dimensions go along; packed floats are packed here; what has no place is warned of, but for nulls."""
    body = {"input": "a", "dimensions": 8, "encoding_format": "base64", "user": "u", "truncate": True, "options": None}
    request = decode_request("openai.embedding", body, "ollama")
    assert (request.model, request.dimensions, request.as_base64) == ("", 8, True)
    out, warnings = encode_request(request, "ollama")
    assert out == {"model": "", "input": "a", "dimensions": 8}
    assert [warning.partition(" was ")[0] for warning in warnings] == ["user", "truncate"]
    odd = decode_request("openai.embedding", {"input": "a", "dimensions": "8", "encoding_format": "float"}, "ollama")
    assert (odd.dimensions, odd.as_base64, odd.others) == (None, False, {})


# ---- replies -----------------------------------------------------------------------------------------------------


def test_openais_vectors_are_in_the_order_of_their_index() -> None:
    """Not in that of the list; objects only, and without an index the list's order holds."""
    data = [{"index": 1, "embedding": [2.0]}, "x", {"index": 0, "embedding": [1.0]}]
    reply = {"model": "e", "data": data, "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    assert decode_openai(reply) == Vectors("e", ((1.0,), (2.0,)), 3)
    assert decode_openai({"data": [{"embedding": [2]}, {"embedding": [1]}]}).vectors == ((2,), (1,))


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"data": None, "embeddings": None, "usage": None},
        {"data": {"embedding": [1]}, "embeddings": {"0": [1]}, "usage": [], "model": 5},
        {"data": 5, "embeddings": "AAAA", "usage": {"prompt_tokens": True}, "prompt_eval_count": 1.5},
    ],
    ids=["empty", "nulls", "other-shapes", "other-types"],
)
def test_a_reply_of_another_shape_has_no_vectors(obj: dict[str, Any]) -> None:
    """Every client still gets an object of its own format."""
    for decode in DECODERS.values():
        reply = decode(obj)
        assert reply == Vectors("", (), None)
        assert encode_openai(reply, "asked", True) == {"object": "list", "data": [], "model": "asked"}
        assert encode_embed(reply, "asked", False) == {"model": "asked", "embeddings": []}
        assert encode_embeddings(reply, "asked", False) == {"embedding": []}


def test_the_older_endpoint_has_one_vector() -> None:
    """And the newer one all of them, with the count; OpenAI's has the usage twice."""
    reply = decode_ollama({"model": "e", "embeddings": [[1, 2.5], [3]], "prompt_eval_count": 0})
    assert encode_embeddings(reply, "", False) == {"embedding": [1, 2.5]}
    assert encode_embed(reply, "", False) == {"model": "e", "embeddings": [[1, 2.5], [3]], "prompt_eval_count": 0}
    whole = encode_openai(reply, "", False)
    assert whole["usage"] == {"prompt_tokens": 0, "total_tokens": 0}
    assert [(item["index"], item["embedding"]) for item in whole["data"]] == [(0, [1, 2.5]), (1, [3])]


@pytest.mark.parametrize(
    ("value", "vector"),
    [
        pytest.param([1, 0.5, -2], (1, 0.5, -2), id="numbers"),
        pytest.param([], (), id="none"),
        pytest.param(base64.b64encode(struct.pack("<2f", 0.5, 1)).decode(), (0.5, 1.0), id="packed"),
        pytest.param(base64.b64encode(b"\0\0\0\x3f\0\0").decode(), (0.5,), id="packed-and-cut"),
        pytest.param("A", (), id="no-base64"),
        pytest.param("é", (), id="no-ascii"),
        pytest.param(None, (), id="null"),
        pytest.param({"0": 1}, (), id="an-object"),
        pytest.param(5, (), id="a-number"),
    ],
)
def test_a_vector_is_unpacked(value: Any, vector: tuple[float, ...]) -> None:
    """Base64 of little-endian 32-bit floats, or a list; anything else is empty."""
    assert unpack(value) == vector


@pytest.mark.parametrize(
    ("vector", "again"),
    [
        pytest.param((), (), id="none"),
        pytest.param((0.5, -2, 1), (0.5, -2.0, 1.0), id="numbers"),
        pytest.param((1e300, -(10**400)), (3.4028234663852886e38, -3.4028234663852886e38), id="too-large"),
        pytest.param((float("inf"),), (3.4028234663852886e38,), id="infinite"),
    ],
)
def test_a_vector_is_packed(vector: tuple[float, ...], again: tuple[float, ...]) -> None:
    """A number that no 32-bit float holds is the largest one, and no error."""
    assert unpack(pack(vector)) == again


def test_every_endpoint_and_server_is_in_the_tables() -> None:
    """One that is not would be a KeyError at its first request."""
    assert set(ENCODERS) == {"openai.embedding", "ollama.embed", "ollama.embeddings"}
    assert set(DECODERS) == set(PATHS) == {"openai", "ollama"}


# ---- whole requests ----------------------------------------------------------------------------------------------


def test_openai_embeddings_from_ollama(translate: Any) -> None:
    """Lists go through in order; packed floats are packed here, as Ollama knows none."""
    body = {"model": "e", "input": ["a", "b"], "dimensions": 2, "encoding_format": "base64", "user": "u"}
    out = translate("/v1/embeddings", body, "ollama")
    assert (out.path, out.body) == ("/api/embed", {"model": "e", "input": ["a", "b"], "dimensions": 2})
    assert [warning.split(" was ")[0] for warning in out.warnings] == ["user"]
    reply = out.answer.whole({"model": "e", "embeddings": [[0.5, 1], [2, 4]], "prompt_eval_count": 7})
    assert reply == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": "AAAAPwAAgD8="},
            {"object": "embedding", "index": 1, "embedding": "AAAAQAAAgEA="},
        ],
        "model": "e",
        "usage": {"prompt_tokens": 7, "total_tokens": 7},
    }


@pytest.mark.parametrize(
    ("path", "field", "expected"),
    [
        ("/api/embed", "input", {"model": "e", "embeddings": [[0.5, 1.0]], "prompt_eval_count": 7}),
        ("/api/embeddings", "prompt", {"embedding": [0.5, 1.0]}),
    ],
)
@pytest.mark.parametrize("vector", [[0.5, 1.0], "AAAAPwAAgD8="])
def test_ollama_embeddings_from_openai(
    translate: Any, path: str, field: str, expected: dict[str, Any], vector: Any
) -> None:
    """Both of Ollama's endpoints, from vectors as numbers or packed."""
    out = translate(path, {"model": "e", field: "a"}, "openai")
    assert (out.path, out.body) == ("/v1/embeddings", {"model": "e", "input": "a"})
    reply = {"model": "e", "data": [{"index": 0, "embedding": vector}], "usage": {"prompt_tokens": 7}}
    assert out.answer.whole(reply) == expected
