"""What a server was sent otherwise than the client sent it, as the story of a request tells it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.rendering import Rendered, ServerProfile, render
from switchman.addons.core.request.call import Call
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.models.thinking import ThinkingChoice
from switchman.addons.core.servers.servers import Server, ServerKey
from switchman.addons.core.servers.urls import parse
from switchman.addons.flow.exchange import Attempt
from switchman.addons.hooks.recording.changes import LONGEST_NAME, MOST_FIELDS, changes
from switchman.addons.testing import make_call

URL = parse("http://127.0.0.1:9")
PLAIN = Server("up", URL)


def attempt_at(server: Server, model: str = "", rendered: Rendered | None = None, **more: Any) -> Attempt:
    return Attempt(1, Candidate(server, model), "up/m", "http://up", 0.0, 0.0, rendered=rendered, **more)


def attempt_of(call: Call, profile: ServerProfile, model: str = "") -> Attempt:
    """With the request that is really made for such a server."""
    rendered = render(call, Candidate(PLAIN, model), profile, Stamp("id", 0.0, "up/m"))
    return attempt_at(PLAIN, model, rendered)


def test_nothing_changed_is_nothing_told() -> None:
    """A request that goes out to the byte; and what is no LLM call."""
    assert changes(make_call(), attempt_of(make_call(), ServerProfile("openai"))) == ()
    assert changes(None, attempt_at(PLAIN)) == ()


@pytest.mark.parametrize(
    ("named", "model", "told"),
    [
        ("auto", "llama3", ("model: auto → llama3",)),
        ("", "llama3", ("model: none → llama3",)),
        ("llama3", "llama3", ()),
        ("llama3", "", ()),
        ("x" * 900, "y" * 900, (f"model: {'x' * LONGEST_NAME} → {'y' * LONGEST_NAME}",)),
    ],
)
def test_another_model_is_told(named: str, model: str, told: tuple[str, ...]) -> None:
    """Once, and not again as a field that was set; names may be of any length."""
    call = make_call({"model": named})
    assert changes(call, attempt_of(call, ServerProfile("openai"), model)) == told


def test_each_field_that_was_set_is_told() -> None:
    """And why a stream is asked for its usage."""
    call = make_call(stream=True)
    told = changes(call, attempt_of(call, ServerProfile("openai", ThinkingChoice(False))))
    assert "stream_options.include_usage: set, so that the stream tells its usage" in told
    assert all(line.endswith(": set") for line in told if "usage" not in line)


def test_a_translation_is_told_with_both_paths() -> None:
    """In its direction."""
    call = make_call()
    assert changes(call, attempt_of(call, ServerProfile("ollama"))) == (
        "translated: openai /v1/chat/completions → ollama /api/chat",
    )


def test_many_fields_are_counted() -> None:
    """A conversation of a hundred messages may have a hundred edits."""
    call = make_call()
    rendered = attempt_of(call, ServerProfile("openai")).rendered
    assert rendered is not None
    many = replace(rendered, fields=("model", *(f"messages.{n}" for n in range(MOST_FIELDS + 3))))
    told = changes(call, attempt_at(PLAIN, rendered=many))
    assert len(told) == MOST_FIELDS + 1 and told[-1] == "3 more fields: set"


def test_credentials_and_headers_are_told_without_their_values() -> None:
    """The names of headers in one order; the server's own key counts more than that the client's was held back."""
    own = Server("up", URL, api_key=SecretStr("sk-own"), headers={"X-Team": "blue", "Authorization": "Basic secret"})
    told = changes(None, attempt_at(own, withheld=True))
    assert told == ("credentials: the server's own", "headers set by the rules: Authorization, X-Team")
    assert changes(None, attempt_at(PLAIN, withheld=True)) == ("credentials: the client's were held back",)
    assert "secret" not in json.dumps(told)


def test_which_of_several_keys() -> None:
    """By what the rules call it, never by its value; of one alone there is nothing to tell."""
    keys = tuple(ServerKey(SecretStr(f"value-{label}"), label) for label in ("env:A", "vault:b"))
    many = Server("up", URL, api_key=keys[0].value, keys=keys)
    assert changes(None, attempt_at(many, key=keys[1])) == ("credentials: the server's own, vault:b (2 of 2)",)
    one = Server("up", URL, api_key=keys[0].value, keys=keys[:1])
    assert changes(None, attempt_at(one, key=keys[0])) == ("credentials: the server's own",)
