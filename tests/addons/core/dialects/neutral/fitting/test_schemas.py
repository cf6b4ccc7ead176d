"""JSON schemas in the part of them that Gemini reads."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel, Field

from switchman.addons.core.dialects.neutral.fitting.schemas import (
    FORMATS,
    KNOWN,
    narrowed,
    narrowed_parameters,
    narrowing_edits,
)
from switchman.addons.core.dialects.translate import Outbound, Quirks
from switchman.addons.core.request.jsonedit import REMOVE, edit

S = {"type": "string"}
OBJECT = {"type": "object", "properties": {"a": S}}


def obj(a: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": a}, **more}


@pytest.mark.parametrize(
    ("schema", "left"),
    [
        pytest.param(obj(S, additionalProperties=False), obj(S), id="additionalProperties"),
        pytest.param(obj(S, **{"$schema": "x", "$id": "y"}), obj(S), id="schema-and-id"),
        pytest.param(obj({**S, "format": "uri"}), obj(S), id="a-format"),
        pytest.param(obj({**S, "format": "date-time"}), obj({**S, "format": "date-time"}), id="a-known-format"),
        pytest.param(obj({"type": "integer", "exclusiveMinimum": 0}), obj({"type": "integer"}), id="exclusiveMinimum"),
        pytest.param(obj({"type": ["string", "null"]}), obj({**S, "nullable": True}), id="or-null"),
        pytest.param(
            obj({"type": ["string", "integer"]}), obj({"anyOf": [S, {"type": "integer"}]}), id="one-of-two-types"
        ),
        pytest.param(obj({"const": "x"}), obj({"type": "string", "enum": ["x"]}), id="const"),
        pytest.param(obj({"const": 5}), obj({"type": "integer"}), id="a-constant-number"),
        pytest.param(obj({"type": "integer", "enum": [1, 2]}), obj({"type": "integer"}), id="enum-of-numbers"),
        pytest.param(obj({"enum": ["a", None]}), obj({**S, "enum": ["a"], "nullable": True}), id="enum-with-null"),
        pytest.param(obj({"type": "array"}), obj({"type": "array", "items": S}), id="an-array-without-items"),
        pytest.param(
            obj({"type": "array", "prefixItems": [{"type": "number"}, S]}),
            obj({"type": "array", "items": {"type": "number"}}),
            id="a-tuple",
        ),
        pytest.param(obj({"oneOf": [S, {"type": "null"}]}), obj({**S, "nullable": True}), id="oneOf-with-null"),
        pytest.param(
            obj({"allOf": [obj(S, required=["a"]), {"description": "d"}]}),
            obj({**obj(S, required=["a"]), "description": "d"}),
            id="allOf",
        ),
        pytest.param(
            obj({**S, "enum": None, "anyOf": None, "format": None, "required": None}, required=[{}, "a"]),
            obj(S, required=["a"]),
            id="null-for-what-is-left-out",
        ),
        pytest.param(
            obj({"anyOf": None, "oneOf": [S], "required": None, "allOf": [obj(S, required=["a"])]}),
            obj({**obj(S, required=["a"]), **S}),
            id="null-beside-what-is-put-in",
        ),
        pytest.param(obj({}), obj(S), id="anything"),
        pytest.param(obj(True), obj(S), id="true"),
        pytest.param(obj(S, required=["a", "b"]), obj(S, required=["a"]), id="required-and-missing"),
        pytest.param(
            obj({"$ref": "#/$defs/T", "description": "d"}, **{"$defs": {"T": {**S, "format": "uri"}}}),
            obj({**S, "description": "d"}),
            id="a-reference",
        ),
        pytest.param(obj({"$ref": "#/definitions/T~1x"}, definitions={"T/x": S}), obj(S), id="an-odd-reference"),
        pytest.param(obj({"$ref": "https://e.org/x"}), obj({"type": "object"}), id="a-reference-elsewhere"),
        pytest.param(
            obj({"$ref": "#"}), obj(obj({"type": "object"})), id="itself"
        ),
        pytest.param(obj({"type": "object", "properties": {"format": S, "$ref": S}}), None, id="names-of-keywords"),
    ],
)  # fmt: skip
def test_what_gemini_refuses_is_left_out_or_said_otherwise(schema: dict[str, Any], left: Any) -> None:
    """Names of properties are nobody's keywords, and what fits stays as it is; twice is as once."""
    before = json.dumps(schema)
    out = narrowed(schema)
    assert out == (schema if left is None else left)
    assert narrowed(out) == out
    assert json.dumps(schema) == before


class Leaf(BaseModel):
    url: str = Field(json_schema_extra={"format": "uri"})
    tags: dict[str, int] = {}
    kind: int | str | None = None


class Tree(BaseModel):
    left: Tree | None = None
    leaves: list[Leaf] = Field(min_length=1)
    pair: tuple[int, str] = (1, "a")


def schemas_in(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for below in (*schema.get("properties", {}).values(), *schema.get("anyOf", ())):
        yield from schemas_in(below)
    if "items" in schema:
        yield from schemas_in(schema["items"])


def test_a_models_schema_is_of_known_keywords_only() -> None:
    """As pydantic writes it, with references, unions, a tuple and a model that holds itself."""
    for one in schemas_in(narrowed(Tree.model_json_schema())):
        assert set(one) <= KNOWN
        assert "type" in one or "anyOf" in one
        assert one.get("format") in (None, *FORMATS.get(one.get("type", ""), ()))


def test_references_that_grow_without_end_have_one() -> None:
    """Each level refers to the next one twice: two to the power of forty schemas."""
    levels: dict[str, Any] = {
        f"L{n}": {"type": "object", "properties": {k: {"$ref": f"#/$defs/L{n + 1}"} for k in "ab"}} for n in range(40)
    }
    began = time.process_time()
    out = narrowed({"$ref": "#/$defs/L0", "$defs": levels})
    assert out["properties"]["a"]["type"] == "object"
    assert time.process_time() - began < 5


def test_a_function_without_parameters_has_none() -> None:
    """Gemini refuses an object without properties there."""
    assert narrowed_parameters({"type": "object", "properties": {}}) is None
    assert narrowed_parameters(None) is None
    assert narrowed_parameters(OBJECT) == OBJECT


def test_a_passing_request_is_edited_where_it_would_be_refused_only() -> None:
    """The rest of its text stays byte for byte."""
    wide = {"type": "object", "properties": {"a": {"type": "string", "format": "uri"}}}
    text = '{"model": "g",  "tools": [{"type": "function", "function": {"name": "f", "parameters": %s}}, %s]}'
    text %= (json.dumps(wide), json.dumps({"type": "function", "function": {"name": "g", "parameters": OBJECT}}))
    edits = narrowing_edits(json.loads(text))
    assert edits == {("tools", 0, "function", "parameters"): OBJECT}
    assert edit(text, edits).startswith('{"model": "g",  "tools": [{"type": "function", "function": {"name": "f", ')
    assert narrowing_edits(json.loads(edit(text, edits))) == {}
    bare = {
        "tools": [{"function": {"parameters": {"type": "object"}}}, 5],
        "response_format": {"json_schema": {"schema": wide}},
    }
    assert narrowing_edits(bare) == {
        ("tools", 0, "function", "parameters"): REMOVE,
        ("response_format", "json_schema", "schema"): OBJECT,
    }


def test_a_translated_request_has_narrow_schemas_where_the_server_wants_them(
    translate: Callable[..., Outbound],
) -> None:
    """With a line in the trace; other servers get all of the schema."""
    wide = {"type": "object", "properties": {"a": S}, "additionalProperties": False}
    body = {
        "model": "gemini-2.5-pro",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "Hi."}],
        "tools": [{"name": "f", "input_schema": wide}, {"name": "1st", "input_schema": OBJECT}],
        "output_config": {"format": {"type": "json_schema", "schema": wide}},
    }
    out = translate("/v1/messages", body, "openai", quirks=Quirks(narrow_schemas=True))
    assert out.body["tools"][0]["function"]["parameters"] == OBJECT
    assert out.body["tools"][1]["function"]["name"].startswith("_1st_")
    assert out.body["response_format"]["json_schema"]["schema"] == OBJECT
    assert next(line for line in out.warnings if "Gemini" in line).startswith("tools (f) was changed")
    out = translate("/v1/messages", body, "openai")
    assert out.body["tools"][0]["function"]["parameters"] == wide
    assert out.body["tools"][1]["function"]["name"] == "1st"
