"""The OpenAPI document of /api/admin (version 3.1.0), made from the operations. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from switchman.webui.admin.models import PageIn, Problem
from switchman.webui.admin.operations import Operation

BASE = "/api/admin"
VARIABLE = re.compile(r"\{(\w+)\}")

# Why an operation may be refused; each is answered with a Problem.
_REFUSALS = {
    "400": "It cannot be read.",
    "401": "No token, or one that is not valid.",
    "403": "The token's role is too low, or a browser's request has no CSRF word.",
    "404": "There is no such thing.",
    "409": "It cannot be done, as something is in its way.",
    "415": "The body is not said to be JSON.",
    "422": "A field is not as it must be; `fields` says which.",
    "429": "Too many wrong tokens came from this address: Retry-After says how long to wait.",
    "503": "The database does not answer.",
}
_DESCRIPTION = (
    "What the dashboard's pages and the `switchman` command do. Send `Authorization: Bearer <token>`, made with "
    "`switchman token jwt --role admin`. A page that uses its cookie sends `X-CSRF-Token` with each change."
)


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The document as JSON has it."""
    models: list[tuple[type[BaseModel], Any]] = [(Problem, "serialization")]
    models += [(one.answer, "serialization") for one in operations]
    models += [(one.body, "validation") for one in operations if one.body is not None]
    template = "#/components/schemas/{model}"
    names, defined = models_json_schema(list(dict.fromkeys(models)), ref_template=template)
    paths: dict[str, dict[str, Any]] = {}
    for one in operations:
        paths.setdefault(BASE + one.path, {})[one.method.lower()] = _operation(one, names)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Switchman", "version": version, "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": defined["$defs"],
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"bearer": []}],
    }


def _operation(one: Operation, names: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": one.name,
        "summary": one.summary,
        "description": f"For the role {one.role.word}.",
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
                for name in VARIABLE.findall(one.path)
            ),
            *(_query(PageIn) if one.paged else ()),
        ],
        "responses": {
            str(one.status): {"description": one.summary, "content": _json(names[one.answer, "serialization"])},
            **{
                status: {"description": why, "content": _json(names[Problem, "serialization"])}
                for status, why in _REFUSALS.items()
            },
        },
    }
    if one.body is not None:
        is_needed = any(field.is_required() for field in one.body.model_fields.values())
        told["requestBody"] = {"required": is_needed, "content": _json(names[one.body, "validation"])}
    return told


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _query(model: type[BaseModel]) -> list[dict[str, Any]]:
    properties = model.model_json_schema()["properties"]
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in properties.items()]
