"""`/api/admin`: all that the pages and the command change, for programs. JSON in and out.

guard.py has looked at who asks: a bearer, or a cookie with a CSRF word for each change. Errors are JSON with the names
of the fields, and repeat no value.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ValidationError

from switchman.addons.core.access.roles import Role
from switchman.addons.core.texts.unicode import read_json
from switchman.webui.access.roles import least
from switchman.webui.access.sizes import takes
from switchman.webui.admin.changes import Refused
from switchman.webui.admin.models import PageIn
from switchman.webui.admin.openapi import BASE, VARIABLE, document
from switchman.webui.admin.operations import OPERATIONS, Operation

blueprint = Blueprint("admin", __name__, url_prefix=BASE)


@blueprint.get("/openapi.json")
@least(Role.VIEWER)
def openapi() -> Response:
    """What there is, for programs that read such a document."""
    return jsonify(document(OPERATIONS, version("switchman")))


def view_of(operation: Operation) -> Callable[..., Response]:
    def view(**variables: str) -> Response:
        try:
            given = _given(operation)
            answer = operation.run(*given, **variables)
        except ValidationError as error:
            return _problem(422, "Some fields are not as they must be.", faults(error))
        except Refused as error:
            fields = [(error.field, str(error))] if error.field else []
            return _problem(error.status, str(error), fields)
        told = jsonify(answer.model_dump(mode="json"))
        told.status_code = operation.status
        return told

    return least(operation.role)(takes(operation.most_bytes)(view))


def _given(operation: Operation) -> list[BaseModel]:
    if operation.paged:
        return [PageIn.model_validate(request.args.to_dict())]
    if operation.body is None:
        return []
    if not request.content_length and request.mimetype in ("", "application/json"):
        return [operation.body.model_validate({})]
    if not request.is_json:
        raise Refused("send the body as JSON, with Content-Type: application/json", 415)
    return [operation.body.model_validate(_body())]


def _body() -> Any:
    try:
        found = read_json(request.get_data())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused("the body is not one JSON object", 400)
    return found


def faults(error: ValidationError) -> list[tuple[str, str]]:
    """Field and sentence of each fault; no value is repeated, as it may be a key."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [(".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")[:300]) for one in found]


def _problem(status: int, text: str, fields: list[tuple[str, str]]) -> Response:
    answer = jsonify(error=text, fields=[{"field": name, "error": why} for name, why in fields])
    answer.status_code = status
    return answer


# Of several operations at one path the one for the fewest people answers OPTIONS, so that it asks for their role.
_HIGHEST = {one.path: one for one in sorted(OPERATIONS, key=lambda one: one.role)}
for _one in OPERATIONS:
    blueprint.add_url_rule(
        VARIABLE.sub(r"<\1>", _one.path),
        _one.name,
        view_of(_one),
        methods=[_one.method],
        provide_automatic_options=_HIGHEST[_one.path] is _one,
    )
