"""What the router changed in a body, and how that is known."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.passing.conveyed import digest_of, written
from switchman.addons.core.dialects.rendering import ServerProfile, render
from switchman.addons.core.request.call import Endpoint
from switchman.addons.core.request.jsonedit import REMOVE
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.models.thinking import ThinkingChoice
from switchman.addons.core.servers.servers import Server
from switchman.addons.core.servers.urls import parse
from switchman.addons.store.reading.found import AttemptRow, RequestRow
from switchman.addons.testing.samples import make_call
from switchman.webui.pages.story.changed.differing import Difference, Edit, difference

BLANK = dict.fromkeys(RequestRow.__dataclass_fields__)
CHAT = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "think": True}
ENDPOINTS = {
    "openai": Endpoint("openai", "chat", "/v1/chat/completions"),
    "anthropic": Endpoint("anthropic", "chat", "/v1/messages"),
    "ollama": Endpoint("ollama", "chat", "/api/chat"),
}
BODIES: dict[str, dict[str, Any]] = {
    "openai": {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "stream": True},
    "anthropic": {"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]},
    "ollama": {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "options": {"seed": 3}},
}


def attempt(sent: str | None, edits: Any = None, url: str = "http://x/v1/chat/completions") -> AttemptRow:
    return AttemptRow(1, "box", "m", url, 0.0, 1.0, 200, "ok", None, None, (), None, sent=sent, edits=edits)


def row(path: str = "/v1/chat/completions") -> RequestRow:
    return RequestRow(**{**BLANK, "method": "POST", "path": path})


def of(one: AttemptRow, body: Any = CHAT) -> Difference:
    return difference(row(), one, None if body is None else json.dumps(body).encode(), None)


def test_edits_are_shown_with_what_was_there() -> None:
    """A value, one that was not there, one in a list, one that was taken out."""
    edits = written(
        {
            ("model",): "m",
            ("stream_options", "include_usage"): True,
            ("messages", 0, "role"): "system",
            ("think",): REMOVE,
        }
    )
    found = of(attempt("edited", edits))
    assert found.how == "edited"
    assert found.edits == (
        Edit("model", '"auto"', '"m"'),
        Edit("stream_options.include_usage", None, "true"),
        Edit("messages.0.role", '"user"', '"system"'),
        Edit("think", "true", None),
    )
    lines = {(line.kind, line.text.strip()) for line in found.lines}
    assert {("taken", '-  "model": "auto",'), ("added", '+  "model": "m",')} <= lines


def test_edits_of_a_body_that_is_not_kept_show_what_went_out() -> None:
    """And not what was there."""
    found = of(attempt("edited", written({("model",): "m"})), None)
    assert (found.how, found.edits, found.lines) == ("edited", (Edit("model", None, '"m"'),), ())


def test_edits_of_a_body_that_is_none_raise_nothing() -> None:
    """It is no JSON, or of another shape."""
    for body in (b"x", b"[]", b"\xff", b'{"model": {}}'):
        found = difference(row(), attempt("edited", written({("model", "a", 3): "m"})), body, None)
        assert found.how == "edited" and found.edits[0].after == '"m"'


@pytest.mark.parametrize(
    ("sent", "how"), [("as it came", "same"), ("redacted", "redacted"), ("otherwise", "otherwise"), (None, "unknown")]
)
def test_what_is_known_without_a_body_is_said(sent: str | None, how: str) -> None:
    """And a row of before says that it is not known."""
    assert of(attempt(sent)) == Difference(how)  # type: ignore[arg-type]


@pytest.mark.parametrize(("client", "server"), list(permutations(ENDPOINTS, 2)))
@pytest.mark.parametrize("think", [None, ThinkingChoice(False)], ids=["", "not to think"])
def test_a_translation_is_made_again_and_known_by_its_digest(client: Any, server: Any, think: Any) -> None:
    """From each dialect to each other one, with and without a word about thinking."""
    call = make_call(json.dumps(BODIES[client]), endpoint=ENDPOINTS[client])
    box = Server("box", parse("http://127.0.0.1:9"))
    made = render(call, Candidate(box, "m"), ServerProfile(server, think=think), Stamp("other id", 5.0, "auto"))
    one = attempt(digest_of(made.data), url=f"http://127.0.0.1:9{made.path}")
    found = difference(row(ENDPOINTS[client].path), one, json.dumps(BODIES[client]).encode(), None)
    assert found.how == "very" and any(line.kind == "added" for line in found.lines)
    other = difference(
        row(ENDPOINTS[client].path), replace(one, sent="0" * 32), json.dumps(BODIES[client]).encode(), None
    )
    assert other.how == "now" and other.lines


def test_a_translation_that_cannot_be_made_again_is_unknown() -> None:
    """An address that is no operation's, and a body that is none."""
    assert of(attempt("0" * 32, url="http://x/odd")).how == "unknown"
    assert of(attempt("0" * 32, url="http://x/v1/messages"), [1]).how == "unknown"
    assert of(attempt("0" * 32, url="http://x/v1/messages"), None).how == "unknown"


def test_credentials_are_masked_on_both_sides() -> None:
    """In values and in lines."""
    secret = "sk-0123456789abcdef"
    body = {"model": "m", "api_key": secret, "messages": []}
    found = of(attempt("edited", written({("api_key",): secret + "x", ("model",): "n"})), body)
    assert secret not in str(found)
