"""The list of models: what upstreams send, merged, and written in three formats."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.decision.catalogue import (
    Model,
    anthropic_entry,
    anthropic_list,
    merge,
    ollama_tags,
    openai_entry,
    openai_list,
    read_models,
)
from switchman.addons.core.decision.decide import RoutingQuery, decide
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset


class Environment:
    """The environment's defaults, with the default upstream given or not."""

    default_upstream = "http://localhost:8000"
    model_map: Mapping[str, str] = {}
    request_timeout = 3000.0
    strip_thinking = True
    strip_json_markdown = False
    disable_thinking = False

    def __init__(self, default_upstream_set: bool) -> None:
        self.default_upstream_set = default_upstream_set


def rules(text: str = "", default: bool = True) -> Ruleset:
    return parse_ruleset(text, "routes.yaml", Environment(default))


RULES = """
servers:
  fast-box: http://192.168.1.100:8000
  laptop: {url: http://localhost:11434, dialect: ollama}
aliases:
  git-commit-model: {instances: ["fast-box/llama3-8b", "laptop/llama3:3b"]}
"""


def ids(ruleset: Ruleset, lists: dict[str, list[str]], auto: bool = False) -> list[str]:
    models = {name: [Model(i) for i in listed] for name, listed in lists.items()}
    return [entry.id for entry in merge(ruleset, models, auto)]


# Reading


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"object": "list", "data": [{"id": "a", "created": 5, "owned_by": "x"}]}, [Model("a", 5, "x")]),
        ([{"id": "a"}, {"id": "b"}], [Model("a"), Model("b")]),
        ({"data": [{"type": "model", "id": "a", "created_at": "1970-01-01T00:01:00Z"}]}, [Model("a", 60)]),
        ({"data": []}, []),
        ({"data": [{"id": "a"}], "models": [{"name": "a"}]}, [Model("a")]),
        ({"data": [{"id": "a"}, {"id": "a"}, {"id": ""}, {"id": 7}, "b", None]}, [Model("a")]),
        ({"data": [{"id": "a", "created": True, "owned_by": 7}]}, [Model("a")]),
        ({"data": [{"id": "a", "created_at": "soon"}]}, [Model("a")]),
        ({"data": [{"id": "a", "created": float("inf")}]}, [Model("a")]),
    ],
)
def test_known_formats_are_read(answer: Any, expected: list[Model]) -> None:
    """OpenAI's, Anthropic's and bare lists are read; entries without a name are passed over, and a name occurs once."""
    assert list(read_models(answer)) == expected


def test_ollama_tags_are_read_whole() -> None:
    """Of an Ollama server's entry nothing is lost; its time may have nanoseconds and an offset."""
    entry = {
        "name": "a:latest",
        "model": "a:latest",
        "modified_at": "1970-01-01T01:00:01.123456789+01:00",
        "size": 3,
        "x": 1,
    }
    (model,) = read_models({"models": [entry]})
    assert (model.id, model.created, model.tag) == ("a:latest", 1, entry)


@pytest.mark.parametrize("answer", [None, 5, "models", {}, {"data": None}, {"models": {"a": 1}}, {"error": "no"}])
def test_what_is_no_list_is_an_error(answer: Any) -> None:
    """An answer that lists nothing raises, so that the last good list is kept."""
    with pytest.raises(ValueError, match="not a list of models"):
        read_models(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "models", "id", "name", "model", "created", "modified_at"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=100)
@given(JSON)
def test_no_answer_breaks_it(answer: Any) -> None:
    """Whatever an upstream sends, it is a list or a ValueError, and what is listed can be written in every format."""
    try:
        models = read_models(answer)
    except ValueError:
        return
    entries = merge(rules(), {"default": models}, auto=False)
    for written in (openai_list(entries)["data"], anthropic_list(entries)["data"], ollama_tags(entries)["models"]):
        assert len(json.loads(json.dumps(written))) == len(entries)


# Merging


def test_everything_by_the_name_it_is_asked_for() -> None:
    """`auto` first, then aliases, then the default upstream's models by their own names, then `server/model`."""
    lists = {"default": ["llama3"], "fast-box": ["llama3-8b"], "laptop": ["llama3:3b", "qwen"]}
    assert ids(rules(RULES), lists, auto=True) == [
        "auto", "git-commit-model", "llama3", "fast-box/llama3-8b", "laptop/llama3:3b", "laptop/qwen",
    ]  # fmt: skip


def test_what_the_rules_know_of_a_model_is_listed_with_it() -> None:
    """Of a server's model and of an alias's first instance; nothing is said of others."""
    text = """
servers: {laptop: "http://l:1"}
models: {laptop/qwen: {context: 32768, modalities: [vision, text]}}
aliases: {small: {instances: [laptop/qwen, laptop/other]}}
"""
    models = (Model("qwen"), Model("other"))
    entries = {entry.id: entry for entry in merge(rules(text), {"laptop": models}, auto=False)}
    for name in ("small", "laptop/qwen"):
        for said in (openai_entry(entries[name]), anthropic_entry(entries[name])):
            assert (said["context_length"], said["modalities"]) == (32768, ["text", "vision"])
    assert "context_length" not in openai_entry(entries["laptop/other"])


def test_auto_only_if_there_is_auto() -> None:
    """Without rules for it, `auto` is not listed."""
    assert ids(rules(RULES), {}) == ["git-commit-model"]


def test_a_missing_server_takes_nothing_with_it() -> None:
    """A server without a list leaves the others', and its aliases, as they are."""
    assert ids(rules(RULES), {"laptop": ["qwen"]}) == ["git-commit-model", "laptop/qwen"]


def test_an_assumed_default_is_not_listed() -> None:
    """With servers named and DEFAULT_UPSTREAM not given, what happens to listen on its default is not offered."""
    assert ids(rules(RULES, default=False), {"default": ["llama3"]}) == ["git-commit-model"]
    assert ids(rules("", default=False), {"default": ["llama3"]}) == ["llama3"]


def test_names_that_lead_elsewhere_are_left_out() -> None:
    """The default upstream's `laptop/x` would go to the server laptop: it is not offered unless that one has it."""
    lists = {"default": ["laptop/x", "other/x", "git-commit-model"], "laptop": ["y"]}
    assert ids(rules(RULES), lists) == ["git-commit-model", "other/x", "laptop/y"]


def test_an_alias_stays_an_alias_where_a_server_lists_its_name() -> None:
    """The name leads to the alias, and so the list says of it what is true of the alias."""
    listed = merge(
        rules(RULES), {"default": [Model("git-commit-model", 5, "somebody"), Model("x", 6, "them")]}, auto=False
    )
    assert [(entry.id, entry.owner, entry.created) for entry in listed] == [
        ("git-commit-model", "switchman", None),
        ("x", "them", 6),
    ]


def test_every_listed_name_is_routed_to_who_listed_it() -> None:
    """The router's own decision sends each listed name to the server that listed it, as that server calls it."""
    ruleset = rules(RULES)
    lists = {"default": ["llama3", "laptop/x", "a/b"], "fast-box": ["org/llama3", "x"], "laptop": ["x:1", "a b"]}
    for name in ids(ruleset, lists)[1:]:
        candidate = decide(RoutingQuery(name), ruleset).candidates[0]
        assert (candidate.model or name) in lists[candidate.server.name]


# Writing


def test_openai_format() -> None:
    """OpenAI's format has all its fields; the server is the owner where the upstream names none."""
    lists = {"laptop": [Model("a", 5), Model("b", None, "me")]}
    listed = openai_list(merge(rules(RULES), lists, auto=False))
    assert listed["object"] == "list"
    assert listed["data"][1:] == [
        {"id": "laptop/a", "object": "model", "created": 5, "owned_by": "laptop"},
        {"id": "laptop/b", "object": "model", "created": 0, "owned_by": "me"},
    ]


def test_anthropic_format() -> None:
    """Anthropic's format says that this is all, and has the first and the last id."""
    entries = merge(rules(RULES), {"laptop": [Model("a", 60)]}, auto=True)
    listed = anthropic_list(entries)
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("auto", "laptop/a", False)
    assert anthropic_entry(entries[-1])["created_at"] == "1970-01-01T00:01:00Z"
    assert anthropic_list(())["first_id"] is None


@pytest.mark.parametrize("created", [10**11 * 4, 10**18, 10**400, -(10**18), -(10**400)])
def test_a_year_that_no_calendar_has_is_the_epoch(created: int) -> None:
    """An upstream's number of any size is listed; that it means nothing is its own affair."""
    listed = merge(rules(RULES), {"laptop": read_models({"data": [{"id": "a", "created": created}]})}, auto=False)
    assert anthropic_entry(listed[-1])["created_at"] == "1970-01-01T00:00:00Z"
    assert ollama_tags(listed)["models"][-1]["modified_at"] == "1970-01-01T00:00:00Z"


def test_ollama_format() -> None:
    """An Ollama entry keeps its facts under its new name; others have all the fields that clients read."""
    tag = {
        "name": "a",
        "model": "a",
        "modified_at": "2023-11-14T22:13:20Z",
        "size": 3,
        "digest": "d" * 64,
        "details": {},
    }
    own, alias = ollama_tags(merge(rules(RULES), {"laptop": [Model("a", 5, "", tag)]}, auto=False))["models"][::-1]
    assert own == {**tag, "name": "laptop/a", "model": "laptop/a"}
    assert set(alias) == set(tag)
    assert len(alias["digest"]) == 64
