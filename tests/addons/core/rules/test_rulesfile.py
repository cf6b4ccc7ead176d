"""The rules file as it is written: what each section takes, what it defaults to, and its schema."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from switchman.addons.core.rules.matchfile import Written
from switchman.addons.core.rules.rulesfile import (
    InstanceFile,
    KeepAliveFile,
    ModelFile,
    RouteFile,
    RulesFileModel,
    ServerFile,
    TargetFile,
    TimeoutFile,
    json_schema,
)


def fault(model: type[BaseModel], written: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(written)
    return str(caught.value)


def test_sections_that_are_not_there() -> None:
    """No server, no rule; `auto` is the one name that means it; caches and layers as shipped."""
    model = RulesFileModel.model_validate({})
    assert (model.servers, model.models, model.aliases, model.routes) == ({}, {}, {}, [])
    assert (model.fallbacks, model.local_only, model.auto_names) == ([], [], ["auto"])
    assert (model.default, model.semantic_routes, model.arbiter) == (None, None, None)


def test_sections_with_nothing_under_them() -> None:
    """`routes:` is YAML's null; a section that has no empty form is refused."""
    empty = dict.fromkeys(("servers", "models", "aliases", "routes", "keepalive"))
    assert RulesFileModel.model_validate(empty) == RulesFileModel.model_validate({})
    assert "local_only" in fault(RulesFileModel, {"local_only": None})


@pytest.mark.parametrize(
    "written",
    [
        {"x-mine": 1},
        {"x-": {"any": ["thing"]}},
        {"servers": {"s": {"url": "http://h", "x-note": 1, "timeout": {"x-why": 2}}}},
        {"routes": [{"x-ticket": 7, "match": {"x-a": 1, "not": {"x-b": 1, "model": "m"}}, "route": {"model": "m"}}]},
        {"cache": {"x-c": 1, "exact": {"x-d": 1}}},
    ],
)
def test_a_users_own_keys_are_passed_over(written: Any) -> None:
    """Those that begin with x-, in every mapping of the file."""
    RulesFileModel.model_validate(written)


def test_keys_that_are_no_text_are_refused() -> None:
    """YAML has numbers and null as keys; they are unknown keys, and nothing worse."""
    for key in (1, None, True, ("a", "b")):
        fault(ServerFile, {"url": "http://h", key: 1})


@pytest.mark.parametrize("name", ["a", "A-1_b.c", "0", "-", "."])
def test_names_of_servers(name: str) -> None:
    """Letters, digits, dot, underscore and hyphen."""
    assert name in RulesFileModel.model_validate({"servers": {name: "http://h"}}).servers


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "a\n", "a:b"])
def test_what_is_no_name_of_a_server(name: str) -> None:
    """A slash would be read as server/model, and a header takes no line break."""
    fault(RulesFileModel, {"servers": {name: "http://h"}})


def test_a_server_by_its_url() -> None:
    """Short for a mapping with url."""
    assert ServerFile.model_validate("http://h") == ServerFile.model_validate({"url": "http://h"})
    assert "expected url or preset" in fault(ServerFile, {})
    assert "expected url or preset" in fault(ServerFile, {"url": None, "preset": None})
    assert "http:// or https://" in fault(ServerFile, "h:8000")
    fault(ServerFile, 3)
    fault(ServerFile, ["http://h"])


@pytest.mark.parametrize("statuses", [[], [401], [401, 403, 404], [404, 404]])
def test_statuses_that_may_fail_over(statuses: list[int]) -> None:
    """Those by which a server says that it has no such model, or no such key."""
    assert ServerFile.model_validate({"url": "http://h", "retry_on": statuses}).retry_on == statuses


@pytest.mark.parametrize(
    ("statuses", "wrong"), [([400], "400"), ([401, 500, 200], "200, 500"), ([-1], "-1"), ([422, 422], "422")]
)
def test_statuses_that_may_not(statuses: list[int], wrong: str) -> None:
    """Each is named once, in order."""
    assert f"not {wrong}" in fault(ServerFile, {"url": "http://h", "retry_on": statuses})


@pytest.mark.parametrize("seconds", [0.001, 1, 86_400, 86_400.0])
def test_deadlines(seconds: float) -> None:
    """More than nothing, and up to a day."""
    assert TimeoutFile.model_validate({"idle": seconds}).idle == seconds


@pytest.mark.parametrize("seconds", [0, -1, 86_400.1, float("inf"), float("nan"), "5", True, None])
def test_what_is_no_deadline(seconds: Any) -> None:
    """No text is taken for a number, and no switch for one second."""
    fault(TimeoutFile, {"idle": seconds})


def test_the_total_may_be_left_to_the_environment() -> None:
    """None is REQUEST_TIMEOUT, in this deadline only."""
    assert TimeoutFile.model_validate({"total": None}).total is None
    assert TimeoutFile().model_dump() == {"connect": 10.0, "first_byte": 600.0, "idle": 300.0, "total": None}


def test_pings_may_be_never() -> None:
    """0 is never, which no deadline can be."""
    assert KeepAliveFile.model_validate({"after": 0}).after == 0
    fault(KeepAliveFile, {"after": -0.1})
    fault(KeepAliveFile, {"before_answer": "yes"})


@pytest.mark.parametrize("written", [{"server": "s"}, {"url": "http://h"}, {"server": "s", "model": "m"}])
def test_an_instance_is_in_one_place(written: dict[str, str]) -> None:
    """A server's name or an address; the model may stay the client's."""
    assert InstanceFile.model_validate(written).model == written.get("model")


@pytest.mark.parametrize("written", [{}, {"model": "m"}, {"server": "s", "url": "http://h"}])
def test_an_instance_that_is_nowhere_or_in_two_places(written: dict[str, str]) -> None:
    """Either would have to be guessed."""
    assert "expected either server or url" in fault(InstanceFile, written)


def test_an_instance_may_be_text_or_a_mapping() -> None:
    """And nothing else."""
    written = {"aliases": {"a": {"instances": ["s/m", {"server": "s"}]}}}
    first, second = RulesFileModel.model_validate(written).aliases["a"].instances
    assert (first, second) == ("s/m", InstanceFile(server="s"))
    for wrong in (3, None, ["s/m"], ""):
        fault(RulesFileModel, {"aliases": {"a": {"instances": [wrong]}}})
    fault(RulesFileModel, {"aliases": {"a": {"instances": []}}})
    fault(RulesFileModel, {"aliases": {"a": {}}})


@pytest.mark.parametrize("written", [{}, {"fallbacks": ["s/m"]}, {"upstream": None, "model": None}])
def test_a_route_leads_somewhere(written: dict[str, Any]) -> None:
    """Fallbacks alone are no target."""
    assert "a route needs upstream, model, or both" in fault(TargetFile, written)


def test_a_target_that_says_nothing_more() -> None:
    """Thinking is the request's own, nothing sticks, and fallbacks may go anywhere."""
    target = TargetFile.model_validate({"model": "m"})
    assert (target.thinking, target.stick, target.local_only, target.fallbacks) == ("auto", None, False, [])
    fault(TargetFile, {"model": "m", "stick": "client"})
    fault(TargetFile, {"model": "m", "thinking": "on"})


@pytest.mark.parametrize(("priority", "taken"), [(0, True), (1000, True), (-1, False), (1001, False), (500.0, False)])
def test_priorities(priority: Any, taken: bool) -> None:
    """Whole numbers from 0 to 1000."""
    written = {"priority": priority, "route": {"model": "m"}}
    if taken:
        assert RouteFile.model_validate(written).priority == priority
    else:
        fault(RouteFile, written)


def test_a_route_that_says_nothing_more() -> None:
    """Enabled, in the middle, for everything."""
    route = RouteFile.model_validate({"route": {"model": "m"}})
    assert (route.enabled, route.priority, route.name) == (True, 500, None)
    assert not [value for _, value in route.match if value is not None]


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("input_cost", [0, 0.15, 3], [-0.1, float("inf"), float("nan"), "3", True]),
        ("context", [1, 10**9], [0, -5, 1.5, "8192", True]),
        ("modalities", [[], ["text", "vision", "audio", "video", "tools", "image"]], ["text", ["Text"], ["txt"]]),
        ("thinking_output", ["strip", "reasoning", "keep", None], ["stripped", True, ""]),
    ],
)
def test_facts_about_a_model(key: str, good: list[Any], bad: list[Any]) -> None:
    """What is no figure is refused, and not read as one."""
    for value in good:
        assert getattr(ModelFile.model_validate({key: value}), key) == value
    for value in bad:
        fault(ModelFile, {key: value})


def test_the_schema_takes_short_forms_and_own_keys() -> None:
    """As editors read it: a server may be text, keys that begin with x- are anybody's, and nothing else is."""
    schema = json_schema()
    assert schema["patternProperties"] == {"^x-": True}
    assert schema["additionalProperties"] is False
    assert {"type": "string", "minLength": 1} in schema["$defs"]["ServerFile"]["anyOf"]
    assert "not" in schema["$defs"]["MatchFile"]["properties"]
    assert set(schema["properties"]) == set(RulesFileModel.model_fields)


def _models(of: type[Written] = Written) -> Iterator[type[Written]]:
    for model in of.__subclasses__():
        yield model
        yield from _models(model)


def _numbers() -> list[tuple[str, Any]]:
    """Every key of the rules file that takes a number, with what checks it."""
    found = []
    for model in dict.fromkeys(_models()):
        for name, info in model.model_fields.items():
            if name == "retry_on":  # one of three numbers
                continue
            if "float" in repr(info.annotation) + repr(info.metadata) or re.search(r"\bint\b", repr(info.annotation)):
                adapter = TypeAdapter(Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation)
                found.append((f"{model.__name__}.{name}", adapter))
    return found


@pytest.mark.parametrize(("key", "adapter"), _numbers(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_number_has_bounds(key: str, adapter: TypeAdapter[Any]) -> None:
    """Not a number, no end, negative or beyond all measure: each is refused, with a message."""
    for value in (math.nan, math.inf, -math.inf, 1e30, 10**30, -(10**30), -1):
        with pytest.raises(ValidationError):
            adapter.validate_python(value, strict=True)


def test_the_rules_have_numbers() -> None:
    """The test above runs on them."""
    assert {"TimeoutFile.connect", "RangeFile.min", "ModelFile.context", "MatchFile.max_cost", "ExactCache.ttl"} <= {
        key for key, _ in _numbers()
    }
