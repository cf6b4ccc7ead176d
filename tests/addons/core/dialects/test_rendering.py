"""Rendering: what goes out to one server, to the byte where the dialects are the same."""

import json
from typing import Any

import pytest

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.neutral.form import Stamp
from switchman.addons.core.dialects.rendering import Rendered, ServerProfile, render
from switchman.addons.core.request import jsonedit
from switchman.addons.core.request.call import Call, DialectName
from switchman.addons.core.routes.plan import Candidate
from switchman.addons.core.servers.servers import Quirks, Server
from switchman.addons.core.servers.thinking import ThinkingChoice
from switchman.addons.core.servers.urls import parse


def rendered(
    path: str, text: str, model: str, think: bool | None, dialect: DialectName | None = None, **quirks: Any
) -> Rendered:
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    body, spans = jsonedit.parse(text)
    call = Call(endpoint, "", text, body, spans, body["model"], False)
    asked = ThinkingChoice(think) if think is not None else None
    profile = ServerProfile(dialect, think=asked, usage=False, quirks=Quirks(**quirks))
    return render(call, Candidate(Server("s", parse("http://s")), model), profile, Stamp("id", 0.0, body["model"]))


OPENAI = '{"model": "m",  "x": 1.50, "messages": [{"role":"user","content":"hi\\u00e9"}], "reasoning_effort" : "high"}'
OLLAMA = '{"model":"qwen3", "messages":[{"role":"user","content":"hi"}], "options": {"seed":1}}'
CLAUDE = '{"model":"claude",  "max_tokens":9000, "temperature": 0.5, "messages":[{"role":"user","content":"hi"}]}'


@pytest.mark.parametrize(
    ("path", "text", "think", "expected"),
    [
        ("/v1/chat/completions", OPENAI, None, OPENAI),
        ("/v1/chat/completions", OPENAI, True, OPENAI),  # it asks for thoughts itself
        ("/v1/chat/completions", OPENAI, False, OPENAI.replace('"high"', '"none"')),
        ("/api/chat", OLLAMA, False, OLLAMA[:-1] + ',"think":false}'),
        ("/api/chat", OLLAMA, True, OLLAMA[:-1] + ',"think":true}'),
        ("/v1/messages", CLAUDE, False, CLAUDE),  # it does not think by itself
        (
            "/v1/messages",
            CLAUDE,
            True,
            CLAUDE.replace('"temperature": 0.5, ', "")[:-1] + ',"thinking":{"type":"enabled","budget_tokens":4096}}',
        ),
    ],
)
def test_only_what_says_whether_to_think_is_changed(path: str, text: str, think: bool | None, expected: str) -> None:
    """All else stays to the byte: spaces, numbers, escapes, unknown fields."""
    out = rendered(path, text, "", think)
    assert out.content == expected
    assert out.edited is (expected != text)


def test_a_template_is_told_where_the_server_has_one() -> None:
    """Qwen on vLLM; the words of the person stay as they are."""
    text = '{"model":"x","messages":[{"role":"user","content":"hi"}]}'
    out = rendered("/v1/chat/completions", text, "Qwen/Qwen3-8B", False, sampling_extensions=True)
    sent = json.loads(out.content)
    assert sent["chat_template_kwargs"] == {"enable_thinking": False}
    assert sent["messages"] == [{"role": "user", "content": "hi"}]
    soft = rendered("/v1/chat/completions", text, "Qwen/Qwen3-8B", False)
    assert json.loads(soft.content)["messages"][0]["content"] == "hi /no_think"


@pytest.mark.parametrize(
    ("dialect", "think", "key", "expected"),
    [
        ("ollama", False, "think", False),
        ("ollama", True, "think", "high"),
        ("anthropic", False, "thinking", {"type": "disabled"}),
        ("anthropic", True, "thinking", {"type": "enabled", "budget_tokens": 8192}),
        ("anthropic", None, "thinking", {"type": "enabled", "budget_tokens": 8192}),
    ],
)
def test_a_translated_request_is_told_in_the_servers_words(
    dialect: DialectName, think: bool | None, key: str, expected: Any
) -> None:
    """The request's own effort, high, is 8192 tokens of thinking, unless the rule says not to think."""
    out = rendered("/v1/chat/completions", OPENAI, "other", think, dialect)
    assert json.loads(out.content)[key] == expected


@pytest.mark.parametrize(
    ("model", "quirks", "how", "words"),
    [
        ("qwen3", {"sampling_extensions": True, "effort_none": False}, "chat_template_kwargs.enable_thinking", "false"),
        ("deepseek-chat", {"thinking_switch": "thinking", "effort_none": False}, "thinking", '"disabled"'),
        ("gpt-5.1", {"effort_none": False}, "reasoning_effort", '"none"'),
        ("gpt-4o", {"effort_none": False}, "There is no way to tell gpt-4o not to think", ""),
        ("gpt-4o", {}, "", '"reasoning_effort":"none"'),
    ],
)
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/api/chat", OLLAMA[:-1] + ', "think": false}'),
        ("/v1/messages", CLAUDE[:-1] + ', "thinking": {"type": "disabled"}}'),
    ],
)
def test_a_client_that_wants_no_thoughts_is_heard_in_the_servers_way(
    path: str, text: str, model: str, quirks: Any, how: str, words: str
) -> None:
    """Where the word for it is not known to the server, its own way is taken; without one, the trace says so."""
    out = rendered(path, text, model, None, "openai", **quirks)
    assert how in out.thinking.how
    assert words in out.content


def test_a_schema_is_narrowed_where_the_server_takes_no_other() -> None:
    """Gemini behind OpenAI's dialect: the rest of the text stays to the byte, and the trace has a line."""
    wide = '{"type":"object","properties":{"a":{"type":"string","format":"uri"}},"additionalProperties":false}'
    narrow = '{"type":"object","properties":{"a":{"type":"string"}}}'
    text = OPENAI[:-1] + ', "tools": [{"type":"function", "function": {"name":"f", "parameters": %s}}]}'
    out = rendered("/v1/chat/completions", text % wide, "", None, narrow_schemas=True)
    assert out.content == text % narrow
    assert ["Gemini" in line.detail for line in out.trace_lines("g/m")] == [True]
    assert rendered("/v1/chat/completions", text % narrow, "", None, narrow_schemas=True).content == text % narrow
    assert rendered("/v1/chat/completions", text % wide, "", None).content == text % wide
