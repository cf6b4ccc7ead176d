"""Check the shape of a rules file: turn a Document into a RulesFileModel, or a list of Problems in plain words."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from pydantic import BaseModel, ValidationError

from switchman.addons.core.rules.layersfile import (
    AllowanceFile,
    ArbiterFile,
    BudgetFile,
    CacheSettings,
    CaptureFile,
    Category,
    ExactCache,
    LimitsFile,
    RedactFile,
    SemanticCache,
    SemanticRoutes,
)
from switchman.addons.core.rules.matchfile import MatchFile, RangeFile, TaskFile, TimeFile
from switchman.addons.core.rules.problems import Problem, hint
from switchman.addons.core.rules.reading.limitsfile import QueueFile
from switchman.addons.core.rules.reading.yamltext import Document, Path
from switchman.addons.core.rules.rulesfile import (
    AliasFile,
    InstanceFile,
    KeepAliveFile,
    KeyFile,
    ModelFile,
    QuirksFile,
    RouteFile,
    RulesFileModel,
    ServerFile,
    TargetFile,
    TimeoutFile,
    TlsFile,
)

_SECRET_KEYS = ("api_key", "api_keys", "headers", "proxy")

# pydantic's error types -> what was expected; {name} is filled from the error's own context.
_EXPECTED = {
    "string_type": "expected text",
    "string_too_short": "expected text, not nothing",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "bool_type": "expected true or false",
    "list_type": "expected a list",
    "dict_type": "expected a mapping of names to values",
    "model_type": "expected a mapping of keys to values",
    "model_attributes_type": "expected a mapping of keys to values",
    "literal_error": "expected {expected}",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected {ge} or more",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected {le} or less",
    "too_short": "expected at least {min_length} entry",
    "missing": "this key is missing",
    "string_pattern_mismatch": "expected a name of letters, digits, dot, underscore and hyphen",
}

# Place in the file -> the model that describes it; None stands for any name or index.
_PLACES: dict[tuple[str | None, ...], type[BaseModel]] = {
    (): RulesFileModel,
    ("servers", None): ServerFile,
    ("servers", None, "api_keys", None): KeyFile,
    ("servers", None, "timeout"): TimeoutFile,
    ("servers", None, "tls"): TlsFile,
    ("servers", None, "quirks"): QuirksFile,
    ("servers", None, "keepalive"): KeepAliveFile,
    ("servers", None, "queue"): QueueFile,
    ("keepalive",): KeepAliveFile,
    ("models", None): ModelFile,
    ("aliases", None): AliasFile,
    ("aliases", None, "instances", None): InstanceFile,
    ("routes", None): RouteFile,
    ("routes", None, "match"): MatchFile,
    ("routes", None, "match", "task"): TaskFile,
    ("routes", None, "match", "tokens"): RangeFile,
    ("routes", None, "match", "depth"): RangeFile,
    ("routes", None, "match", "time"): TimeFile,
    ("routes", None, "redact"): RedactFile,
    ("redact",): RedactFile,
    ("routes", None, "route"): TargetFile,
    ("routes", None, "route", "fallbacks", None): InstanceFile,
    ("default",): InstanceFile,
    ("fallbacks", None): InstanceFile,
    ("cache",): CacheSettings,
    ("cache", "exact"): ExactCache,
    ("cache", "semantic"): SemanticCache,
    ("semantic_routes",): SemanticRoutes,
    ("semantic_routes", "categories", None): Category,
    ("arbiter",): ArbiterFile,
    ("capture",): CaptureFile,
    ("limits",): LimitsFile,
    ("limits", "total"): AllowanceFile,
    ("limits", "total", "budgets", None): BudgetFile,
    ("limits", "groups", None): AllowanceFile,
    ("limits", "groups", None, "budgets", None): BudgetFile,
}

_SHORT_FORMS: dict[type[BaseModel] | None, str] = {
    ServerFile: "expected a URL, or a mapping with url or preset",
    InstanceFile: "expected server/model, or a mapping with server and model",
    KeyFile: "expected env:NAME, file:PATH or vault:NAME, or a mapping with key and weight",
    TaskFile: "expected a type of task, a list of them, or a mapping with types",
    RangeFile: "expected a mapping with min, max, or both",
    TimeFile: "expected two times such as 09:00-17:30, or a mapping with between and days",
    Category: "expected a target, or a mapping with target and utterances",
    BudgetFile: "expected a budget such as 20/month, or a mapping with amount and downgrade",
}

# Replacements for entries with faults while the rest is checked, so that their names stay known.
_STAND_INS: dict[str, Any] = {
    "servers": "http://unreadable.invalid",
    "models": {},
    "instances": {"url": "http://unreadable.invalid"},
    "aliases": {"instances": [{"url": "http://unreadable.invalid"}]},
    "routes": {"route": {"model": "unreadable"}},
}


def check_shape(document: Document) -> tuple[RulesFileModel | None, list[Problem]]:
    """Validate a document. With problems, the model holds the rest of the file, to search it for more; or is None."""
    data = {} if document.data is None else document.data
    if not isinstance(data, dict):
        return None, [document.problem((), "expected a mapping with servers, aliases and routes")]
    try:
        return RulesFileModel.model_validate(data), []
    except ValidationError as error:
        found = [dict(one) for one in error.errors(include_url=False)]
    return _readable(data, found), [_problem(document, one) for one in found]


def _readable(data: dict[str, Any], errors: list[dict[str, Any]]) -> RulesFileModel | None:
    """The file without its faults: first without the faulty keys, then, if keys are missing, without whole entries."""
    rest = deepcopy(data)
    for repair in (_leave_out, _stand_in):
        for error in errors:
            repair(rest, error["loc"])
        try:
            return RulesFileModel.model_validate(rest)
        except ValidationError as error_again:
            errors = [dict(one) for one in error_again.errors(include_url=False)]
    return None


def _leave_out(rest: dict[str, Any], location: Path) -> None:
    parent: Any = rest
    place: str | int | None = None
    inside: Any = rest
    for part in (part for part in location if not _is_tag(part)):
        if not _has(inside, part):
            if isinstance(inside, dict | list):
                return
            break  # a short form: there is less in the text than in the model
        parent, place, inside = inside, part, inside[part]
    if isinstance(parent, dict):
        parent.pop(place, None)
    elif isinstance(parent, list) and isinstance(place, int):
        instance = "instances" in location or "fallbacks" in location
        parent[place] = _STAND_INS["instances"] if instance else None


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _stand_in(rest: dict[str, Any], location: Path) -> None:
    section, *inside = location
    if inside and section in _STAND_INS:
        rest[section][inside[0]] = _STAND_INS[str(section)]
    else:
        rest.pop(str(section), None)


def _problem(document: Document, error: dict[str, Any]) -> Problem:
    # "[key]" follows the name of an entry whose key, not value, is wrong.
    path: Path = tuple(part for part in error["loc"] if not _is_tag(part))
    if path[2:3] == ("match",) and error["type"] != "missing":
        path = _as_written(document, path)  # a short form has fewer levels than the model
    if path[:1] == ("servers",) and path[2:] == ("url",) and isinstance(document.data["servers"][path[1]], str):
        path = path[:2]  # the short form has the URL in place of the mapping
    if error["type"] == "extra_forbidden":
        return document.problem(path, _unknown_key(path), at_key=True)
    message = _message(error, path)
    at_key = "[key]" in error["loc"]
    return document.problem(path, message, at_key=at_key)


def _as_written(document: Document, path: Path) -> Path:
    while len(path) > 3 and path not in document.values:
        path = path[:-1]
    return path


def _unnested(path: Path) -> Path:
    """The path without the levels of all, any and not, as if its conditions stood in `match` itself."""
    if path[:1] != ("routes",) or path[2:3] != ("match",):
        return path
    rest = path[3:]
    while rest and rest[0] in ("all", "any", "not"):
        rest = rest[1:] if rest[0] == "not" else rest[2:]
    return (*path[:3], *rest)


def _is_tag(part: str | int) -> bool:
    return part in ("<text>", "<mapping>", "[key]")


def _message(error: dict[str, Any], path: Path) -> str:
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    expected = _EXPECTED.get(error["type"])
    if error["type"] in ("model_type", "model_attributes_type") and (short := _SHORT_FORMS.get(_model_at(path))):
        expected = short
    if expected is None:  # a type that no model here can produce today; pydantic's own words do not hold the input
        return str(error["msg"])
    return expected.format(**context) + _got(error, path)


def _got(error: dict[str, Any], path: Path) -> str:
    """`, not 'x'` for the message, where that helps and the value cannot be a secret."""
    if error["type"] == "missing" or any(key in path for key in _SECRET_KEYS):
        return ""
    got = error.get("input")
    if got is None:
        return ", not nothing" if error["type"] != "string_too_short" else ""
    if isinstance(got, bool):
        return f", not {str(got).lower()}"
    if isinstance(got, (int, float)):
        quoted = " (in quotes it would be text)" if error["type"] == "string_type" else ""
        return f", not {got}{quoted}"
    if isinstance(got, str):
        return f", not {got[:80]!r}" if got and "://" not in got else ""
    if error["type"] == "too_short":
        return ""
    return ", not a list" if isinstance(got, list) else ", not a mapping" if isinstance(got, dict) else ""


def _unknown_key(path: Path) -> str:
    key = str(path[-1])
    model = _model_at(path[:-1])
    known = [field.alias or name for name, field in model.model_fields.items()] if model else []
    return f"unknown key{hint(key, known) or '.'} Known here: {', '.join(known)}"


def _model_at(path: Path) -> type[BaseModel] | None:
    path = _unnested(path)
    for place, model in _PLACES.items():
        if len(place) == len(path) and all(a is None or a == b for a, b in zip(place, path, strict=True)):
            return model
    return None
