"""What the rules, the request and the model's name say of an answer before it comes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.decision.verdicts.expecting import expected_opening, why_held
from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.rendering import ServerProfile, render
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.rules.ruleset import parse_ruleset
from switchman.addons.core.servers.models.thinking import ThinkingChoice

RULES = """
servers:
  box: {url: "http://box"}
  said: {url: "http://said", thinking_opens: true, thinking_output: reasoning}
  never: {url: "http://never", thinking_opens: false}
  kept: {url: "http://kept", thinking_output: keep, thinking_opens: true}
models:
  said/plain: {thinking_opens: false}
"""


class Environment:
    default_upstream, default_upstream_set, model_map = "http://d", True, {}
    request_timeout, strip_thinking, strip_json_markdown, disable_thinking = 9.0, True, False, False


LOADED = parse_ruleset(RULES, "routes.yaml", Environment())  # type: ignore[arg-type]


def held(
    target: str, path: str = "/v1/chat/completions", *, rule: bool | None = None, dialect: Any = None,
    learned: bool | None = None, **more: Any,
) -> str | None:  # fmt: skip
    """Why a stream of this answer would be held; None where it would not."""
    name, _, model = target.partition("/")
    body = {"model": model, "messages": [{"role": "user", "content": "Hi."}], "max_tokens": 99, **more}
    text = json.dumps(body)
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    call = Call(endpoint, "", text, body, jsonedit.parse(text)[1], model, True)
    candidate = Candidate(LOADED.servers[name], model)
    choice = None if rule is None else ThinkingChoice(rule)
    rendered = render(call, candidate, ServerProfile(dialect, choice), Stamp("", 0.0, model))
    line = why_held(expected_opening(call, rendered, candidate, LOADED, learned), candidate, call, LOADED)
    return None if line is None else line.detail


PROMPT = {"prompt": "Hi."}
OFF = {"type": "disabled"}


@pytest.mark.parametrize(
    ("target", "more", "why"),
    [
        ("box/deepseek-r1", {}, "its family's do"),
        ("box/llama3", {}, None),
        ("box/llama3", {"learned": True}, "an earlier reply"),
        ("said/llama3", {}, "thinking_opens"),
        ("said/plain", {"learned": True}, None),
        ("never/deepseek-r1", {"learned": True}, None),
        ("kept/deepseek-r1", {}, None),  # its thoughts are left where they are
        # told not to think, by a rule or by the client, in each dialect
        ("box/qwen3.5", {"path": "/api/chat", "rule": False}, None),
        ("box/qwen3.5", {"rule": False}, "its family's do"),  # nobody knows how to tell it there
        ("box/qwen3.5", {"chat_template_kwargs": {"enable_thinking": False}}, None),
        ("box/qwen3.5", {"reasoning_effort": "none"}, None),
        ("box/qwen3.5", {"path": "/api/chat", "think": False}, None),
        ("box/qwen3.5", {"path": "/v1/messages", "thinking": OFF}, None),
        ("box/qwen3.5", {"path": "/v1/messages", "thinking": OFF, "dialect": "ollama"}, None),
        ("box/qwen3.5", {"path": "/v1/messages", "thinking": OFF, "rule": True}, "its family's do"),
        ("box/deepseek-r1", {"path": "/v1/messages", "thinking": OFF}, "its family's do"),  # it thinks all the same
        ("said/qwen3.5", {"path": "/v1/messages", "thinking": OFF}, "thinking_opens"),
        # a prompt that the client has put together itself
        ("box/deepseek-r1", {"path": "/v1/completions", **PROMPT}, None),
        ("box/deepseek-r1", {"path": "/v1/completions", **PROMPT, "learned": True}, "an earlier reply"),
        ("box/deepseek-r1", {"path": "/api/generate", **PROMPT}, "its family's do"),
        ("box/deepseek-r1", {"path": "/api/generate", **PROMPT, "raw": True}, None),
    ],
)
def test_what_is_expected(target: str, more: dict[str, Any], why: str | None) -> None:
    """The key, the request, earlier replies, the model's name."""
    found = held(target, **more)
    assert (found is not None) == (why is not None) and (why is None or why in (found or "")), found


def test_the_line_names_the_model_and_what_becomes_of_its_text() -> None:
    """As the page of a request shows it."""
    assert held("box/deepseek-r1") == (
        "deepseek-r1's template opens its thinking (as its family's do): "
        "the text before a closing tag is held, as a thought."
    )
    assert (held("said/x") or "").endswith("is given as a thought at once.")
