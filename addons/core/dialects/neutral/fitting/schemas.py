"""Schemas: JSON schemas in the part of them that Gemini reads.

Gemini's function declarations take a part of OpenAPI's schemas (https://ai.google.dev/api/caching#Schema), also behind
its endpoint in OpenAI's dialect, and answer 400 to the rest: `Unknown name "additionalProperties": Cannot find field`,
`only 'enum' and 'date-time' are supported for STRING type`, `enum: only allowed for STRING type`. So `$ref` is
resolved, several types become one or `anyOf`, and keywords that it does not know are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from switchman.addons.core.dialects.neutral.fields import object_of
from switchman.addons.core.dialects.neutral.form import Request, Tool
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.request.jsonedit import REMOVE

KNOWN: Final = frozenset(
    {"type", "format", "title", "description", "nullable", "enum", "maxItems", "minItems", "properties", "required",
     "minProperties", "maxProperties", "minLength", "maxLength", "pattern", "anyOf", "items", "minimum", "maximum"}
)  # fmt: skip
FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("enum", "date-time"),
    "number": ("float", "double"),
    "integer": ("int32", "int64"),
}
REASON: Final = "keywords of the schema that Gemini refuses are left out (`narrow_schemas`)"
MOST: Final = 10_000  # schemas within one; what refers to itself twice at each level would have no end
ANYTHING: Final[Mapping[str, Any]] = {"type": "object"}
ANY_VALUE: Final[Mapping[str, Any]] = {"type": "string"}  # a type must be said


def narrowed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema as Gemini takes it."""
    return _Narrower(schema).narrow(schema, ANYTHING, ())


class _Narrower:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self.left = MOST

    def narrow(self, schema: Any, empty: Mapping[str, Any], seen: tuple[str, ...]) -> dict[str, Any]:
        """One schema. `empty`: what stands for one that says nothing. `seen`: the references that led here."""
        self.left -= 1
        if not isinstance(schema, Mapping) or self.left < 0:
            return dict(empty)
        ref = schema.get("$ref")
        if isinstance(ref, str):
            found = None if ref in seen else _at(ref, self.root)
            return {**self.narrow(found, ANYTHING, (*seen, ref)), **_described(schema)}
        whole = _merged(schema, self.root)
        out = {key: value for key, value in whole.items() if key in KNOWN and value is not None}
        if not isinstance(out.get("anyOf"), list):
            out.pop("anyOf", None)
        _one_type(out, empty)
        _values(out, whole)
        self._members(out, whole, seen)
        if "anyOf" in out:
            _alternatives(out, [self.narrow(one, ANY_VALUE, seen) for one in out["anyOf"]], schema)
        return out

    def _members(self, out: dict[str, Any], whole: Mapping[str, Any], seen: tuple[str, ...]) -> None:
        """Properties, of which only existing ones are required, and the items that an array must have."""
        given = out.pop("properties", None)
        if isinstance(given, Mapping):
            out["properties"] = {str(name): self.narrow(value, ANY_VALUE, seen) for name, value in given.items()}
        required = out.pop("required", None)
        known: Collection[str] = out.get("properties", {}).keys()
        names = (
            [name for name in required if isinstance(name, str) and name in known] if isinstance(required, list) else []
        )
        if names:
            out["required"] = names
        items = out.pop("items", None) or whole.get("prefixItems")
        if out.get("type") == "array":
            first = items[0] if isinstance(items, list) and items else items  # a tuple: one schema for all
            out["items"] = self.narrow(first, ANY_VALUE, seen)


def _described(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: schema[key] for key in ("description", "title") if key in schema}


def _at(ref: str, root: Mapping[str, Any]) -> Any:
    """What a reference within the schema points to; None for any other (RFC 6901)."""
    found: Any = root
    for part in ref.removeprefix("#").split("/")[1:] if ref.startswith("#") else ["\0"]:
        key = part.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its `allOf` in it, and `oneOf` as `anyOf`."""
    out = {key: value for key, value in schema.items() if key not in ("allOf", "oneOf")}
    if isinstance(schema.get("oneOf"), list):
        out["anyOf"] = [*_list_of(out, "anyOf"), *schema["oneOf"]]
    for part in _list_of(schema, "allOf"):
        found = _at(part["$ref"], root) if isinstance(part, Mapping) and isinstance(part.get("$ref"), str) else part
        for key, value in found.items() if isinstance(found, Mapping) else ():
            if key == "properties" and isinstance(value, Mapping):
                out[key] = {**value, **object_of(out, key)}
            elif key == "required" and isinstance(value, list):
                out[key] = [*_list_of(out, key), *value]
            else:
                out.setdefault(key, value)
    return out


def _list_of(schema: Mapping[str, Any], key: str) -> list[Any]:
    """A list member; none if it is absent or of another type: some programs write null for what they leave out."""
    value = schema.get(key)
    return value if isinstance(value, list) else []


def _one_type(out: dict[str, Any], empty: Mapping[str, Any]) -> None:
    """`["string", "null"]` is a string that may be null; several other types are alternatives. One must be said."""
    kinds = out.get("type")
    if isinstance(kinds, list):
        real = [kind for kind in kinds if kind != "null"]
        if "null" in kinds:
            out["nullable"] = True
        out.pop("type")
        if len(real) == 1:
            out["type"] = real[0]
        elif real:
            out["anyOf"] = [{"type": kind} for kind in real]
    if "type" not in out and "anyOf" not in out:
        for key, kind in (("properties", "object"), ("items", "array"), ("enum", "string")):
            if key in out:
                out["type"] = kind
                return
        out["type"] = empty["type"]


def _values(out: dict[str, Any], whole: Mapping[str, Any]) -> None:
    """`enum`, for texts only; `const` is one of one. Formats that it does not know go."""
    if "const" in whole and "enum" not in out:
        out["enum"] = [whole["const"]]
        if "type" not in whole:
            out["type"] = _type_of(whole["const"])
    if "enum" in out:
        if any(value is None for value in _list_of(out, "enum")):
            out["nullable"] = True
        out["enum"] = [value for value in _list_of(out, "enum") if isinstance(value, str) and value]
        if out.get("type") != "string" or not out["enum"]:
            del out["enum"]
    kind = out.get("type")
    if "format" in out and out["format"] not in FORMATS.get(kind if isinstance(kind, str) else "", ()):
        del out["format"]


def _type_of(value: Any) -> str:
    kinds = ((str, "string"), (bool, "boolean"), (int, "integer"), (float, "number"), (list, "array"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "object")


def _alternatives(out: dict[str, Any], found: list[dict[str, Any]], schema: Mapping[str, Any]) -> None:
    """`anyOf` without null, which is `nullable`; one alternative is no alternative."""
    real = [one for one in found if one.get("type") != "null"]
    if len(real) < len(found):
        out["nullable"] = True
    del out["anyOf"]
    if len(real) == 1:
        out.update({**real[0], **_described(schema), **({"nullable": True} if out.get("nullable") else {})})
    elif real:
        out["anyOf"] = real


# ---- in requests -------------------------------------------------------------------------------------------------


def narrowed_parameters(parameters: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A function's parameters; None for none at all, as Gemini refuses an object without properties there."""
    out = narrowed(parameters) if parameters is not None else {}
    return out if out.get("properties") or out.get("anyOf") else None


def with_narrow_schemas(request: Request, notes: Notes) -> Request:
    """The request with the schemas of its functions and of its answer as Gemini takes them."""
    tools, format = request.tools, request.format
    if tools is not None:
        tools = tuple(_tool(tool, notes) for tool in tools)
    if format is not None and format.schema is not None:
        format = replace(format, schema=narrowed(format.schema))
    return replace(request, tools=tools, format=format)


def _tool(tool: Tool, notes: Notes) -> Tool:
    if tool.opaque is not None or tool.parameters is None:
        return tool
    parameters = narrowed_parameters(tool.parameters)
    if parameters is not None and parameters != tool.parameters:
        notes.change(f"tools ({tool.name})", REASON)
    return replace(tool, parameters=parameters)


def narrowing_edits(body: Mapping[str, Any]) -> dict[tuple[str | int, ...], Any]:
    """The edits by which a chat completion of an OpenAI client has such schemas; none where it has them already."""
    edits: dict[tuple[str | int, ...], Any] = {}
    tools = body.get("tools")
    for index, tool in enumerate(tools if isinstance(tools, list) else ()):
        function = object_of(tool, "function") if isinstance(tool, dict) else {}
        parameters = function.get("parameters")
        if isinstance(parameters, dict) and (found := narrowed_parameters(parameters)) != parameters:
            edits[("tools", index, "function", "parameters")] = REMOVE if found is None else found
    schema = object_of(object_of(body, "response_format"), "json_schema").get("schema")
    if isinstance(schema, dict) and (found := narrowed(schema)) != schema:
        edits[("response_format", "json_schema", "schema")] = found
    return edits
