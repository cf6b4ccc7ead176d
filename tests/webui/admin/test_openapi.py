"""The OpenAPI document says what there is, and nothing else."""

from __future__ import annotations

import re
from typing import Any

from switchman.webui.access.roles import least_of
from switchman.webui.admin.openapi import BASE, document
from switchman.webui.admin.operations import OPERATIONS

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
# OpenAPI 3.1.0, sections 4.8.1 to 4.8.17: the fields that each kind of object may have, and those it must.
FIELDS = {
    "document": ({"openapi", "info", "paths", "components", "security"}, {"openapi", "info", "paths"}),
    "info": ({"title", "version", "description"}, {"title", "version"}),
    "operation": (
        {"operationId", "summary", "description", "parameters", "requestBody", "responses"},
        {"operationId", "responses"},
    ),
    "parameter": ({"name", "in", "required", "schema"}, {"name", "in", "schema"}),
    "body": ({"required", "content"}, {"content"}),
    "response": ({"description", "content"}, {"description"}),
    "media": ({"schema"}, {"schema"}),
}


def check(kind: str, value: dict[str, Any]) -> None:
    may, must = FIELDS[kind]
    assert must <= set(value) <= may, (kind, value)


def operations(told: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, one) for path, item in told["paths"].items() for method, one in item.items()]


def test_the_document_is_an_openapi_document() -> None:
    """Each object has what the specification asks for, and nothing that it does not know."""
    told = document(OPERATIONS, "1.2.3")
    check("document", told)
    check("info", told["info"])
    assert told["openapi"] == "3.1.0" and told["info"]["version"] == "1.2.3"
    names = [one["operationId"] for _, _, one in operations(told)]
    assert len(set(names)) == len(names) == len(OPERATIONS)
    for path, method, one in operations(told):
        assert path.startswith("/") and method in METHODS
        check("operation", one)
        for parameter in one["parameters"]:
            check("parameter", parameter)
            assert parameter["in"] in ("path", "query") and (parameter["in"] == "query" or parameter["required"])
        variables = {parameter["name"] for parameter in one["parameters"] if parameter["in"] == "path"}
        assert variables == set(re.findall(r"\{(\w+)\}", path))
        assert any(status.startswith("2") for status in one["responses"])
        for status, response in one["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d", status)
            check("response", response)
        for content in [one.get("requestBody"), *one["responses"].values()]:
            if content:
                check("media", content["content"]["application/json"])
        if body := one.get("requestBody"):
            check("body", body)


def test_every_reference_leads_somewhere() -> None:
    """And every schema is used."""
    told = document(OPERATIONS, "1")
    found = set(re.findall(r"'\$ref': '([^']+)'", str(told)))
    assert found == {f"#/components/schemas/{name}" for name in told["components"]["schemas"]}


def test_the_document_and_the_routes_are_one(client_of) -> None:
    """A route that is not in it is forgotten, one that is not there is promised; roles are told as they hold."""
    app = client_of().application
    told = client_of().get(f"{BASE}/openapi.json").json
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower(), rule.endpoint)
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(BASE) and not rule.rule.endswith("/openapi.json")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert {(path, method) for path, method, _ in routes} == {(path, method) for path, method, _ in operations(told)}
    words = {3: "admin", 2: "operator", 1: "viewer"}
    for path, method, endpoint in routes:
        assert told["paths"][path][method]["description"] == f"For the role {words[least_of(app, endpoint)]}."


def test_no_answer_has_a_place_for_a_keys_value() -> None:
    """And a token's text only where it is made."""
    told = document(OPERATIONS, "1")
    schemas = told["components"]["schemas"]
    assert "value" not in schemas["KeyOut"]["properties"]
    assert schemas["KeyIn"]["properties"]["value"]["writeOnly"] is True
    assert [name for name, schema in schemas.items() if "text" in schema.get("properties", {})] == ["TokenMade"]
