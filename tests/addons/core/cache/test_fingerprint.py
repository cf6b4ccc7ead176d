"""What has one key in the caches, and what must not."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.cache.fingerprint import Fingerprint, fingerprint_of, policy_digest
from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call

BASE: dict[str, Any] = {
    "model": "auto",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is a fjord?"}],
    "temperature": 0.5,
    "max_tokens": 100,
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}],
    "response_format": {"type": "json_object"},
    "seed": 7,
    "stop": ["END"],
    "x_provider": {"deep": [1, 2]},
}


def call_of(body: Mapping[str, Any], path: str = "/v1/chat/completions", text: str | None = None) -> Call:
    text = json.dumps(body) if text is None else text
    parsed, spans = jsonedit.parse(text)
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    return Call(endpoint, "", text, parsed, spans, "auto", bool(body.get("stream")))


def fp(
    body: Mapping[str, Any], path: str = "/v1/chat/completions", policy: str = "p", caller: str = "c"
) -> Fingerprint:
    found = fingerprint_of(call_of(body, path), policy, caller)
    assert found is not None
    return found


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every scalar."""
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]
    if isinstance(value, list):
        return [leaf for key, item in enumerate(value) for leaf in leaves(item, (*path, key))]
    return [path]


MEANINGFUL = [
    path for path in leaves(BASE) if path not in (("model",), ("messages", 0, "role"), ("messages", 1, "role"))
]


@given(st.sampled_from(MEANINGFUL), st.text(min_size=1, max_size=6) | st.integers(200, 300) | st.floats(3, 9))
@settings(max_examples=100, deadline=None)
def test_any_change_counts(path: tuple[Any, ...], value: Any) -> None:
    """Another value anywhere in the request is another key."""
    changed = copy.deepcopy(BASE)
    *way, last = path
    holder: Any = changed
    for step in way:
        holder = holder[step]
    if holder[last] == value:
        return
    holder[last] = value
    found = fingerprint_of(call_of(changed), "p", "c")
    assert found is None or found.key != fp(BASE).key


@given(st.sampled_from([name for name in BASE if name not in ("model", "messages")]))
def test_leaving_out_counts(name: str) -> None:
    """A parameter that is missing is another request."""
    assert fp({key: value for key, value in BASE.items() if key != name}).key != fp(BASE).key


@given(st.randoms(use_true_random=False), st.sampled_from([None, 1, 4]))
def test_order_and_blanks_do_not_count(rng: random.Random, indent: int | None) -> None:
    """The order of members and the blanks between them change nothing."""

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = [(key, shuffled(item)) for key, item in value.items()]
            rng.shuffle(items)
            return dict(items)
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    text = json.dumps(shuffled(BASE), indent=indent)
    found = fingerprint_of(call_of(BASE, text=text), "p", "c")
    assert found == fp(BASE)


@pytest.mark.parametrize(
    "more",
    [{"stream": True}, {"stream_options": {"include_usage": True}}, {"user": "u1"}, {"metadata": {"a": "b"}}],
    ids=str,
)
def test_how_it_is_sent_does_not_count(more: dict[str, Any]) -> None:
    """Stream or whole, and who the client's own user is, make no other answer."""
    assert fp({**BASE, **more}) == fp(BASE)


def test_caller_and_policy_count() -> None:
    """Another caller or another policy is another key, and another scope."""
    keys = [fp(BASE, policy=p, caller=c) for p in ("p", "q") for c in ("c", "d")]
    assert len({f.key for f in keys}) == len({f.scope for f in keys}) == 4


def test_a_policy_is_named_by_all_its_parts() -> None:
    """Each part counts, its place and its end too; of what it is made from nothing can be read."""
    names = {
        policy_digest(*parts) for parts in ((), ("a",), ("b",), ("a", "b"), ("b", "a"), ("ab",), ("a", ""), (None,))
    }
    assert len(names) == 8
    assert policy_digest("a", 1) == policy_digest("a", 1)
    assert all(len(name) == 64 for name in names)


@pytest.mark.parametrize(("one", "other", "same"), [(1, 1.0, True), (0, 0.2, False), (1, 1.5, False), (2, 2.0, True)])
def test_a_number_is_the_same_however_it_is_written(one: float, other: float, same: bool) -> None:
    """1 and 1.0 are one temperature, 0 and 0.2 are two; so it is with parameters that nobody knows."""
    for name in ("temperature", "x_heat"):
        assert (fp({**BASE, name: one}).key == fp({**BASE, name: other}).key) is same


def test_the_same_question_in_every_dialect() -> None:
    """OpenAI, Ollama and Anthropic clients share an answer where nothing but the wire format differs."""
    said = [{"role": "user", "content": "hi"}]
    parts = [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]
    openai = fp({"model": "auto", "messages": said, "max_tokens": 9})
    assert fp({"model": "auto", "messages": parts, "max_tokens": 9}).key == openai.key
    assert fp({"model": "auto", "messages": parts, "max_tokens": 9}, "/v1/messages").key == openai.key
    assert fp({"model": "auto", "messages": said, "options": {"num_predict": 9}}, "/api/chat").key == openai.key


def test_what_a_decoder_passes_over_counts() -> None:
    """Shapes that no format defines are compared as they are written; what cannot be read at all is never cached."""
    odd = {"model": "auto", "messages": [{"role": "user", "content": ["one"]}]}
    assert fingerprint_of(call_of(odd, "/v1/chat/completions"), "p", "c") is None
    calls = [
        [{"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": f}]}]
        for f in ({"name": "a", "arguments": {"x": 1}}, {"name": "a", "arguments": {"x": 2}})
    ]
    keys = {fp({"model": "auto", "messages": messages}).key for messages in calls}
    assert len(keys) == 2


@pytest.mark.parametrize("name", ["id", "phase", "status"])
def test_an_item_of_responses_counts_as_it_is_written(name: str) -> None:
    """The decoder passes over members that it has no use for; a server may not."""

    def item(value: str) -> Fingerprint:
        said = [{"type": "message", "role": "user", "content": "hi", name: value}]
        return fp({"model": "auto", "store": False, "input": said}, "/v1/responses")

    assert item("a").key != item("b").key
    assert item("a").scope != item("b").scope


def test_only_its_own_format_says_what_an_unknown_member_of_a_message_means() -> None:
    """The same messages with the same unknown member in two dialects are two requests."""
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi", "thing": 1}]}
    assert fp(body).key != fp(body, "/api/chat").key


def test_what_stands_beside_a_text_counts_for_its_surroundings() -> None:
    """A part that says more than its text has no neighbours among those that say something else, or nothing."""

    def part(**more: Any) -> str:
        said = [{"role": "user", "content": [{"type": "text", "text": "hi", **more}]}]
        return fp({"model": "auto", "messages": said, "max_tokens": 9}, "/v1/messages").scope

    assert len({part(), part(citations=[1]), part(citations=[2])}) == 3


def test_only_a_single_ask_has_neighbours() -> None:
    """What was said before may change what the same words mean: a later turn is its own surroundings."""

    def later(text: str) -> Fingerprint:
        before = [{"role": "user", "content": "Tell me of Rome."}, {"role": "assistant", "content": "It is old."}]
        return fp({"model": "auto", "messages": [*before, {"role": "user", "content": text}]})

    assert later("And how big?").scope != later("and how big").scope


@pytest.mark.parametrize("systems", [(), ("s",), ("s", "t")])
def test_a_single_ask_has_neighbours_whatever_the_system_texts(systems: tuple[str, ...]) -> None:
    """None, one or several of them before it: another ask in their place has the same surroundings."""

    def asked(text: str) -> Fingerprint:
        before = [{"role": "system", "content": system} for system in systems]
        return fp({"model": "auto", "messages": [*before, {"role": "user", "content": text}]})

    assert asked("a").scope == asked("b").scope
    assert asked("a").key != asked("b").key


def test_scope_leaves_out_the_ask_only() -> None:
    """Two asks in the same surroundings share a scope, and nothing else does."""

    def asked(text: str, system: str = "s", **more: Any) -> Fingerprint:
        said = [{"role": "system", "content": system}, {"role": "user", "content": text}]
        return fp({"model": "auto", "messages": said, **more})

    assert asked("a").scope == asked("b").scope
    assert asked("a").key != asked("b").key
    assert len({asked("a").scope, asked("a", "t").scope, asked("a", temperature=1).scope}) == 3
    assert asked("What?").ask == "What?"


@pytest.mark.parametrize(
    "name",
    ["logit_bias", "truncation", "top_k", "max_tool_calls", "verbosity", "prediction", "x_provider_thing"],
)
def test_what_has_no_name_of_its_own_counts(name: str) -> None:
    """A parameter that the internal form has no place for is another key and another scope, by name and by value."""
    plain, one, other = fp(BASE), fp({**BASE, name: {"50256": 1}}), fp({**BASE, name: {"50256": 2}})
    assert len({plain.key, one.key, other.key}) == len({plain.scope, one.scope, other.scope}) == 3


def test_only_its_own_format_says_what_an_unknown_parameter_means() -> None:
    """The same question with the same unknown parameter in two dialects is two."""
    said = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
    assert fp(said).key == fp(said, "/api/chat").key
    assert fp({**said, "x_mode": 1}).key != fp({**said, "x_mode": 1}, "/api/chat").key


@pytest.mark.parametrize(
    "more",
    [
        {"previous_response_id": "r"}, {"conversation": "c"}, {"background": True}, {"context": [1, 2]},
        {"container": "c"}, {"mcp_servers": [{}]}, {"logprobs": True}, {"top_logprobs": 2}, {"audio": {"voice": "v"}},
        {"modalities": ["text", "audio"]}, {"web_search_options": {"x": 1}}, {"plugins": [{"id": "web"}]},
    ],
    ids=str,
)  # fmt: skip
def test_what_depends_on_more_than_the_request_has_none(more: dict[str, Any]) -> None:
    """No key for a request whose answer hangs on a server's memory, or cannot be given again in full."""
    assert fingerprint_of(call_of({**BASE, **more}), "p", "c") is None


def test_unreadable_requests_have_none() -> None:
    """What its own format does not allow, and what is no text operation, is not cached."""
    assert fingerprint_of(call_of({"model": "auto", "messages": "hi"}), "p", "c") is None
    assert fingerprint_of(call_of({"model": "auto", "input": "hi"}, "/v1/embeddings"), "p", "c") is None
    assert fingerprint_of(call_of({"model": "auto", "input": "hi"}, "/v1/responses"), "p", "c") is None
    assert fingerprint_of(call_of({"model": "auto", "input": "hi", "store": False}, "/v1/responses"), "p", "c")


@pytest.mark.parametrize(
    "more",
    [
        {"include": ["reasoning.encrypted_content"]},
        {"truncation": "auto"},
        {"reasoning": {"effort": "low", "summary": "auto"}},
    ],
)
def test_what_only_responses_has_counts(more: dict[str, Any]) -> None:
    base = {"model": "auto", "input": "Hi", "store": False, "reasoning": {"effort": "low"}}
    plain = fingerprint_of(call_of(base, "/v1/responses"), "p", "c")
    other = fingerprint_of(call_of(base | more, "/v1/responses"), "p", "c")
    assert plain is not None and other is not None
    assert plain.key != other.key and plain.scope != other.scope
