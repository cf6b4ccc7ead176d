"""Requests of one dialect for servers of another, and what comes back: exact bodies, warnings and refusals."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from ollama._types import ChatRequest, GenerateRequest

from switchman.addons.core.dialects import endpoint_of
from switchman.addons.core.dialects.neutral.limits import Malformed, Untranslatable
from switchman.addons.core.dialects.translate import Outbound, Stamp, StreamFailed, needs_translation, translate_request
from switchman.addons.core.request.call import DialectName, Endpoint
from switchman.addons.core.streams.events import EVENT_LIMIT, MOST_VALUES
from switchman.addons.core.streams.pipe import Framing, Pipe, Stage

STAMP = Stamp("abc", 1_700_000_000.0, "client-name")
PNG = "iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def at(path: str) -> Endpoint:
    endpoint = endpoint_of("POST", path)
    assert endpoint is not None
    return endpoint


def translate(path: str, body: dict[str, Any], server: DialectName, **rest: Any) -> Outbound:
    before = json.dumps(body)
    out = translate_request(at(path), body, server, STAMP, **rest)
    assert json.dumps(body) == before, "the client's body was changed"
    return out


OPENAI_CHAT = "/v1/chat/completions"
CHAT: dict[str, Any] = {
    "model": "gpt",
    "messages": [
        {"role": "developer", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"city":"Rome"}'}},
                {"id": "c2", "type": "function", "function": {"name": "hear", "arguments": ""}},
            ],
        },
        {"role": "tool", "tool_call_id": "c2", "content": "noise"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a tower"}]},
        {"role": "user", "content": "so?"},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "description": "see", "parameters": SCHEMA}}],
    "tool_choice": "auto",
    "max_tokens": 50,
    "temperature": 0.5,
    "top_p": 0.9,
    "stop": "END",
    "stream": True,
    "stream_options": {"include_usage": True},
}


def test_openai_chat_for_ollama() -> None:
    """Images as base64, arguments as objects, results by name, options gathered; everything can be said."""
    out = translate(OPENAI_CHAT, CHAT, "ollama", model="llama3")
    assert (out.path, out.stream, out.warnings) == ("/api/chat", True, ())
    assert out.body == {
        "model": "llama3",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "what is this?", "images": [PNG]},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"function": {"name": "look", "arguments": {"city": "Rome"}}},
                    {"function": {"name": "hear", "arguments": {}}},
                ],
            },
            {"role": "tool", "content": "a tower", "tool_name": "look"},
            {"role": "tool", "content": "noise", "tool_name": "hear"},
            {"role": "user", "content": "so?"},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "description": "see", "parameters": SCHEMA}}],
        "stream": True,
        "options": {"num_predict": 50, "temperature": 0.5, "top_p": 0.9, "stop": ["END"]},
    }
    ChatRequest.model_validate(out.body)


def test_openai_chat_for_anthropic() -> None:
    """System apart, results of parallel calls in one user message, stop_sequences; temperature, not top_p."""
    out = translate(OPENAI_CHAT, CHAT, "anthropic")
    assert (out.path, out.stream) == ("/v1/messages", True)
    assert out.warnings == ("top_p was dropped for the anthropic dialect: not beside thinking or temperature",)
    assert out.body == {
        "model": "gpt",
        "max_tokens": 50,
        "stop_sequences": ["END"],
        "temperature": 0.5,
        "system": "be brief",
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "what is this?"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "c1", "name": "look", "input": {"city": "Rome"}},
                    {"type": "tool_use", "id": "c2", "name": "hear", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "a tower"}]},
                    {"type": "tool_result", "tool_use_id": "c2", "content": "noise"},
                    {"type": "text", "text": "so?"},
                ],
            },
        ],
        "tools": [{"name": "look", "description": "see", "input_schema": SCHEMA}],
        "tool_choice": {"type": "auto"},
        "stream": True,
    }


ANTHROPIC_CHAT: dict[str, Any] = {
    "model": "claude",
    "max_tokens": 9000,
    "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}},
                {"type": "text", "text": "look"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "I see"},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"city": "Rome"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "a tower"},
                {"type": "text", "text": "so?"},
            ],
        },
    ],
    "tools": [{"name": "look", "description": "see", "input_schema": SCHEMA}],
    "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 4096},
    "stop_sequences": ["END"],
    "metadata": {"user_id": "u"},
}


def test_anthropic_messages_for_openai() -> None:
    """Results become messages of their own before the text; the budget becomes an effort; losses are named."""
    out = translate("/v1/messages", ANTHROPIC_CHAT, "openai")
    assert (out.path, out.stream) == (OPENAI_CHAT, False)
    assert out.body == {
        "model": "claude",
        "messages": [
            {"role": "system", "content": "be brief"},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/"}},
                    {"type": "text", "text": "look"},
                ],
            },
            {
                "role": "assistant",
                "content": "I see",
                "tool_calls": [
                    {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"city":"Rome"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "a tower"},
            {"role": "user", "content": "so?"},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "description": "see", "parameters": SCHEMA}}],
        "tool_choice": "required",
        "parallel_tool_calls": False,
        "max_tokens": 9000,
        "stop": ["END"],
        "reasoning_effort": "medium",
        "stream": False,
        "user": "u",
    }
    assert [warning.split(" was ")[0] for warning in out.warnings] == [
        "system.content[0].cache_control",
        "messages[1].thinking",
        "thinking",
    ]


def test_anthropic_messages_for_ollama() -> None:
    """Thoughts are kept; a call cannot be forced, and the trace says so."""
    out = translate("/v1/messages", ANTHROPIC_CHAT, "ollama")
    assert out.body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "look", "images": ["/9j/"]},
        {
            "role": "assistant",
            "content": "I see",
            "thinking": "hm",
            "tool_calls": [{"function": {"name": "look", "arguments": {"city": "Rome"}}}],
        },
        {"role": "tool", "content": "a tower", "tool_name": "look"},
        {"role": "user", "content": "so?"},
    ]
    assert (out.body["think"], out.body["stream"]) == ("medium", False)
    assert out.body["options"] == {"num_predict": 9000, "stop": ["END"]}
    named = {warning.split(" was ")[0] for warning in out.warnings}
    assert {"tool_choice", "tool_choice.disable_parallel_tool_use", "metadata", "thinking"} <= named
    ChatRequest.model_validate(out.body)


OLLAMA_CHAT: dict[str, Any] = {
    "model": "llama3",
    "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "look", "images": [PNG]},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"function": {"name": "look", "arguments": {"city": "Rome"}}},
                {"function": {"name": "hear", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "noise", "tool_name": "hear"},
        {"role": "tool", "content": "a tower"},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "parameters": SCHEMA}}],
    "format": SCHEMA,
    "think": "high",
    "options": {"num_predict": 20000, "temperature": 0.2, "top_k": 40, "num_ctx": 8192, "seed": 7},
    "keep_alive": "5m",
}


def test_ollama_chat_for_openai() -> None:
    """Streams as Ollama does by default; calls get ids, and results are tied to them by name, then by order."""
    out = translate("/api/chat", OLLAMA_CHAT, "openai")
    assert (out.path, out.stream) == (OPENAI_CHAT, True)
    assert out.body == {
        "model": "llama3",
        "messages": [
            {"role": "system", "content": "be brief"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "look"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                ],
            },
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "id": "call00001",
                        "type": "function",
                        "function": {"name": "look", "arguments": '{"city":"Rome"}'},
                    },
                    {"id": "call00002", "type": "function", "function": {"name": "hear", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "call00001", "content": "a tower"},
            {"role": "tool", "tool_call_id": "call00002", "content": "noise"},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": SCHEMA}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "response", "schema": SCHEMA}},
        "reasoning_effort": "high",
        "max_tokens": 20000,
        "temperature": 0.2,
        "seed": 7,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert [warning.split(" was ")[0] for warning in out.warnings] == ["top_k", "options.num_ctx", "keep_alive"]


def test_ollama_chat_for_anthropic() -> None:
    """The effort becomes a budget, but not right after tools; beside thinking no temperature is allowed."""
    out = translate("/api/chat", OLLAMA_CHAT, "anthropic")
    assert "thinking" not in out.body and out.body["temperature"] == 0.2
    more = [*OLLAMA_CHAT["messages"], {"role": "assistant", "content": "A tower."}, {"role": "user", "content": "So?"}]
    out = translate("/api/chat", {**OLLAMA_CHAT, "messages": more}, "anthropic")
    assert out.body["thinking"] == {"type": "enabled", "budget_tokens": 8192}
    assert out.body["max_tokens"] == 20000
    assert out.body["output_config"] == {"format": {"type": "json_schema", "schema": SCHEMA}}
    assert out.body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "call00001", "content": "a tower"},
        {"type": "tool_result", "tool_use_id": "call00002", "content": "noise"},
    ]
    assert "temperature" not in out.body and "top_k" not in out.body
    named = {warning.split(" was ")[0] for warning in out.warnings}
    assert {"temperature", "top_k", "seed", "options.num_ctx", "keep_alive"} <= named


# ---- prompts -----------------------------------------------------------------------------------------------------


def test_ollama_generate_is_a_conversation_elsewhere() -> None:
    """/api/generate applies the chat template, so for others it is a chat with one user message."""
    body = {
        "model": "m",
        "prompt": "hi",
        "system": "s",
        "images": [PNG],
        "stream": False,
        "options": {"num_predict": 5},
    }
    openai = translate("/api/generate", body, "openai")
    assert openai.path == OPENAI_CHAT and openai.body["messages"][0] == {"role": "system", "content": "s"}
    anthropic = translate("/api/generate", body, "anthropic")
    assert anthropic.body["system"] == "s" and len(anthropic.body["messages"]) == 1
    assert openai.warnings == anthropic.warnings == ()


def test_a_raw_prompt_goes_to_legacy_completions() -> None:
    """`raw` and `suffix` skip the template; only the completions endpoint does that."""
    out = translate("/api/generate", {"model": "m", "prompt": "def f(", "suffix": "return", "raw": True}, "openai")
    assert out.path == "/v1/completions"
    assert (out.body["prompt"], out.body["suffix"], out.body["stream"]) == ("def f(", "return", True)
    assert len(out.warnings) == 1


def test_a_legacy_completion_is_a_raw_generate() -> None:
    """The prompt is continued as it is, without Ollama's template."""
    out = translate("/v1/completions", {"model": "m", "prompt": "Once", "max_tokens": 9}, "ollama")
    assert out.path == "/api/generate" and out.warnings == ()
    assert out.body == {"model": "m", "prompt": "Once", "raw": True, "stream": False, "options": {"num_predict": 9}}
    GenerateRequest.model_validate(out.body)


def test_responses_become_a_chat() -> None:
    """Instructions, flat items, tools and formats, for a server without the Responses endpoint."""
    body = {
        "model": "gpt",
        "instructions": "be brief",
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "look"}]},
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "x"},
            {"type": "function_call_output", "call_id": "c2", "output": "y"},
        ],
        "tools": [{"type": "function", "name": "look", "parameters": SCHEMA, "strict": True}],
        "text": {"format": {"type": "json_schema", "name": "r", "schema": SCHEMA, "strict": True}},
        "reasoning": {"effort": "low"},
        "max_output_tokens": 70,
        "store": False,
    }
    out = translate("/v1/responses", body, "openai")
    assert (out.path, out.stream) == (OPENAI_CHAT, False)
    call = {"type": "function", "function": {"name": "look", "arguments": "{}"}}
    assert out.body == {
        "model": "gpt",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "look"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", **call}, {"id": "c2", **call}]},
            {"role": "tool", "tool_call_id": "c1", "content": "x"},
            {"role": "tool", "tool_call_id": "c2", "content": "y"},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": SCHEMA, "strict": True}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": SCHEMA, "strict": True}},
        "reasoning_effort": "low",
        "max_tokens": 70,
        "stream": False,
    }
    assert [warning.split(" was ")[0] for warning in out.warnings] == ["input[1].thinking"]


@pytest.mark.parametrize("server", ["openai", "ollama"])
def test_a_system_message_that_says_nothing_is_none(server: DialectName) -> None:
    """Nothing is left of one that was only the note for the bill; templates would write an empty one."""
    note = [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=1;"}]
    body = {"model": "m", "max_tokens": 9, "system": note, "messages": [{"role": "user", "content": "hi"}]}
    out = translate("/v1/messages", body, server)
    assert out.body["messages"] == [{"role": "user", "content": "hi"}]


# ---- what cannot be said -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "more", "server", "field"),
    [
        (OPENAI_CHAT, {"n": 2}, "ollama", "n"),
        (OPENAI_CHAT, {"n": 2}, "anthropic", "n"),
        (OPENAI_CHAT, {"modalities": ["audio"]}, "ollama", "modalities"),
        (OPENAI_CHAT, {"functions": "f"}, "anthropic", "functions"),
        (OPENAI_CHAT, {"tools": [{"type": "web_search"}]}, "ollama", "tools (web_search)"),
        (
            OPENAI_CHAT,
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x/a"}}]}]},
            "ollama",
            "messages[0].content[0]",
        ),
        (
            OPENAI_CHAT,
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "anthropic",
            "messages[0].content[0] (input_audio)",
        ),
        ("/v1/completions", {"prompt": ["a", "b"]}, "ollama", "prompt"),
        ("/v1/completions", {"prompt": "a", "suffix": "b"}, "anthropic", "suffix"),
        ("/v1/responses", {"input": "a", "previous_response_id": "r"}, "openai", "previous_response_id"),
        ("/v1/responses", {"input": [{"type": "item_reference"}]}, "ollama", "input[0].content[0] (item_reference)"),
        ("/v1/responses", {"input": "a", "tools": [{"type": "web_search"}]}, "anthropic", "tools (web_search)"),
        ("/api/generate", {"prompt": "a", "template": "{{ .Prompt }}"}, "openai", "template"),
        ("/v1/messages", {"container": "c"}, "openai", "container"),
        (
            "/v1/messages",
            {"tools": [{"type": "web_search_20250305", "name": "w"}]},
            "ollama",
            "tools (web_search_20250305)",
        ),
        (
            "/v1/messages",
            {"messages": [{"role": "user", "content": [{"type": "document", "source": {}}]}]},
            "openai",
            "messages[0].content[0] (document)",
        ),
        ("/v1/embeddings", {"input": [1, 2]}, "ollama", "input"),
        ("/v1/embeddings", {"input": "a"}, "anthropic", "input"),
        ("/v1/messages/count_tokens", {}, "openai", "/v1/messages/count_tokens"),
    ],
)
def test_what_would_change_the_answer_is_refused(
    path: str, more: dict[str, Any], server: DialectName, field: str
) -> None:
    """The refusal names the field as the client wrote it."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **more}
    with pytest.raises(Untranslatable) as refused:
        translate(path, body, server)
    assert refused.value.field == field and server in str(refused.value)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (OPENAI_CHAT, {}, "messages"),
        (OPENAI_CHAT, {"messages": ["hi"]}, "messages[0].role"),
        (OPENAI_CHAT, {"messages": [{"role": "robot", "content": "hi"}]}, "messages[0].role"),
        ("/api/chat", {"messages": 3}, "messages"),
        ("/v1/messages", {"messages": [{"role": "tool"}]}, "messages[0].role"),
        ("/v1/responses", {}, "input"),
        ("/api/embed", {}, "input"),
    ],
)
def test_what_its_own_format_forbids_is_malformed(path: str, body: dict[str, Any], field: str) -> None:
    """The error says where, and what was expected there."""
    server: DialectName = "anthropic" if path.startswith("/api/chat") else "ollama"
    with pytest.raises(Malformed) as refused:
        translate(path, body, server)
    assert refused.value.field == field and "expected" in str(refused.value)


def test_an_unknown_extension_is_dropped_with_a_warning() -> None:
    """Never silently: the warning names the field."""
    body = {"model": "m", "messages": [], "chat_template_kwargs": {"x": 1}, "logit_bias": {"5": 1}, "metadata": None}
    out = translate(OPENAI_CHAT, body, "ollama")
    assert [warning.split(" was ")[0] for warning in out.warnings] == ["chat_template_kwargs", "logit_bias"]


@pytest.mark.parametrize("server", ["openai", "anthropic"])
def test_an_empty_list_of_tools_is_left_out(server: Any) -> None:
    """ollama-python always sends a list; the others refuse an empty one, and a choice without tools."""
    out = translate("/api/chat", {"model": "m", "messages": [], "tools": []}, server)
    assert "tools" not in out.body and out.warnings[1:] == ()
    asked = {"model": "m", "max_tokens": 9, "messages": [], "tools": [], "tool_choice": {"type": "auto"}}
    assert {"tools", "tool_choice"}.isdisjoint(translate("/v1/messages", asked, "openai").body)


# ---- numbers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thinking", "effort", "think"),
    [
        ({"type": "enabled", "budget_tokens": 1024}, "low", "low"),
        ({"type": "enabled", "budget_tokens": 4096}, "medium", "medium"),
        ({"type": "enabled", "budget_tokens": 8192}, "high", "high"),
        ({"type": "enabled", "budget_tokens": 31999}, "high", "high"),
        ({"type": "adaptive"}, "medium", "medium"),
        ({"type": "disabled"}, "none", False),
    ],
)
def test_a_budget_becomes_an_effort(thinking: dict[str, Any], effort: str, think: Any) -> None:
    """1024, 4096 and 8192 tokens are low, medium and high."""
    body = {"model": "m", "max_tokens": 1, "messages": [], "thinking": thinking}
    assert translate("/v1/messages", body, "openai").body["reasoning_effort"] == effort
    assert translate("/v1/messages", body, "ollama").body["think"] == think


# ---- answers -----------------------------------------------------------------------------------------------------


def pipe_for(framing: Framing, out: Outbound) -> Pipe:
    def fail(error: Exception, stage: Any) -> None:
        raise AssertionError(f"{stage} raised") from error

    stages: list[Stage] = [out.answer.stage()]
    return Pipe(framing, stages, None, 10_000, fail, time.monotonic, output=out.answer.framing)


def test_which_pairs_need_translation() -> None:
    """The same dialect passes through; Responses needs it where the server has no such endpoint."""
    assert not needs_translation(at(OPENAI_CHAT), "openai") and needs_translation(at(OPENAI_CHAT), "ollama")
    assert not needs_translation(at("/v1/responses"), "openai")
    assert needs_translation(at("/v1/responses"), "openai", has_responses=False)


def test_a_streamed_answer_goes_through_a_pipe() -> None:
    """Ollama's lines in, cut anywhere, OpenAI's chunks out; nothing but whole events, and [DONE] at the end."""
    out = translate(OPENAI_CHAT, CHAT, "ollama")
    lines = [
        {"model": "llama3", "message": {"role": "assistant", "content": "He"}, "done": False},
        {"model": "llama3", "message": {"role": "assistant", "content": "llo"}, "done": False},
        {
            "model": "llama3",
            "message": {"role": "assistant", "content": ""},
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 3,
            "eval_count": 2,
        },
    ]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    pipe = pipe_for("ndjson", out)
    sent = b"".join(piece for byte in body for piece in pipe(bytes([byte]))) + b"".join(pipe(b""))
    assert out.answer.content_type == "text/event-stream"
    *chunks, done = [event.removeprefix(b"data: ") for event in sent.split(b"\n\n")[:-1]]
    parsed = [json.loads(chunk) for chunk in chunks]
    assert done == b"[DONE]"
    assert "".join(c["choices"][0]["delta"].get("content", "") for c in parsed if c["choices"]) == "Hello"
    assert parsed[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
@pytest.mark.parametrize("done", [False, True])
def test_an_answer_without_its_last_line_end(ending: bytes, done: bool) -> None:
    """Ollama's client parses every line, so no blank one may come between the last pieces."""
    out = translate("/api/chat", {"model": "m", "messages": []}, "openai")
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": "Hi"}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    ]
    body = b"\n\n".join(b"data: " + json.dumps(chunk).encode() for chunk in chunks)
    body += (b"\n\ndata: [DONE]" if done else b"") + ending
    pipe = pipe_for("sse", out)
    sent = b"".join([*pipe(body), *pipe(b"")])
    lines = [json.loads(line) for line in sent.removesuffix(b"\n").split(b"\n")]
    assert [(line["message"]["content"], line["done"]) for line in lines] == [("Hi", False), ("", True)]


def test_an_upstream_that_dies_leaves_whole_events() -> None:
    """What went out before ends with a whole event, so the caller can append the client's error event."""
    out = translate("/api/chat", {"model": "m", "messages": []}, "openai")
    pipe = pipe_for("sse", out)
    sent = b"".join([*pipe(b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\ndata: {"choi'), *pipe.abort()])
    assert [json.loads(line)["message"]["content"] for line in sent.removesuffix(b"\n").split(b"\n")] == ["Hi"]


def too_large(size: int) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": "x" * size}}]}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(lambda: json.dumps(too_large(EVENT_LIMIT)).encode(), id="bytes"),
        pytest.param(lambda: b'{"choices":[{"index":0,"logprobs":[' + b"0," * MOST_VALUES + b"0]}]}", id="values"),
    ],
)
def test_an_event_that_is_too_large_to_be_read_is_an_error(event: Callable[[], bytes]) -> None:
    """An answer without what is in it, that ends as if it were whole, would be a wrong one."""
    out = translate("/api/chat", {"model": "m", "messages": []}, "openai")
    begun = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n'
    body = begun + b"data: " + event() + b'\n\ndata: {"choices":[{"index":0,"finish_reason":"stop"}]}\n\n'
    pipe = pipe_for("sse", out)
    pieces = (body[at : at + 65_536] for at in range(0, len(body), 65_536))
    sent = b"".join([made for piece in pieces for made in pipe(piece)] + pipe(b""))
    first, last = (json.loads(line) for line in sent.removesuffix(b"\n").split(b"\n"))
    assert first["message"]["content"] == "Hi" and "which is not translated" in last["error"]
    with pytest.raises(StreamFailed):
        out.answer.gather(body, "sse")


def test_a_whole_answer() -> None:
    """A message object becomes a chat.completion, with the calls' arguments as text."""
    out = translate(OPENAI_CHAT, {"model": "m", "messages": []}, "anthropic")
    message = {
        "id": "msg_1",
        "model": "claude",
        "content": [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "cache_read_input_tokens": 4, "output_tokens": 2},
    }
    assert out.answer.whole(message) == {
        "id": "msg_1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "claude",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "a",
                    "refusal": None,
                    "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 5,
            "completion_tokens": 2,
            "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
    }


def test_a_whole_answer_to_a_streaming_client() -> None:
    """A server that answers in one piece although a stream was asked for."""
    out = translate("/api/chat", {"model": "m", "messages": []}, "openai")
    reply = {"model": "gpt", "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    lines = [json.loads(line) for line in out.answer.whole_as_stream(reply).splitlines()]
    assert [line["message"]["content"] for line in lines] == ["Hi", ""] and lines[-1]["done"] is True


@pytest.mark.parametrize(
    ("path", "server", "status", "body", "expected"),
    [
        (
            OPENAI_CHAT,
            "anthropic",
            529,
            {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
            {"error": {"message": "busy", "type": "server_error", "param": None, "code": None}},
        ),
        (
            OPENAI_CHAT,
            "ollama",
            404,
            {"error": "model 'x' not found"},
            {"error": {"message": "model 'x' not found", "type": "invalid_request_error", "param": None, "code": None}},
        ),
        (
            "/v1/messages",
            "openai",
            429,
            {"error": {"message": "slow down", "type": "insufficient_quota", "code": "insufficient_quota"}},
            {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}},
        ),
        ("/api/chat", "openai", 400, {"error": {"message": "bad", "type": "x", "param": "y"}}, {"error": "bad"}),
        ("/api/chat", "openai", 422, {"detail": [{"msg": "bad"}]}, {"error": '[{"msg": "bad"}]'}),
        ("/api/chat", "openai", 500, "it broke", {"error": "it broke"}),
        ("/api/chat", "openai", 502, "<html>", {"error": "the upstream answered 502 Bad Gateway"}),
        ("/api/chat", "openai", 599, "", {"error": "the upstream answered 599"}),
    ],
)
def test_errors_are_told_in_the_clients_dialect(
    path: str, server: DialectName, status: int, body: Any, expected: dict[str, Any]
) -> None:
    """Message, code and field are kept; the kind is the client's word for the status."""
    out = translate(path, {"model": "m", "messages": [], "max_tokens": 1}, server)
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert json.loads(out.answer.error(status, raw)) == expected


# ---- embeddings --------------------------------------------------------------------------------------------------


# ---- the table ---------------------------------------------------------------------------------------------------


def test_what_clients_write_in_other_shapes_is_not_lost() -> None:
    """Arguments as an object, and an image's URL without the object around it."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
    picture = {"type": "image_url", "image_url": "data:image/png;base64,aGk="}
    said = [{"role": "user", "content": [picture]}, {"role": "assistant", "content": None, "tool_calls": [call]}]
    user, assistant = translate(OPENAI_CHAT, {"model": "m", "messages": said}, "ollama").body["messages"]
    assert user["images"] == ["aGk="]
    assert assistant["tool_calls"] == [{"function": {"name": "f", "arguments": {"a": 1}}}]


def test_a_turn_of_thoughts_only_is_left_out() -> None:
    """What Codex CLI and Claude Code keep of a turn that was interrupted; Mistral refuses an empty message."""
    items = [{"role": "user", "content": "a"}, {"type": "reasoning", "summary": [], "encrypted_content": "x"}]
    blocks = [{"type": "thinking", "thinking": "h", "signature": "s"}]
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": blocks}]
    for path, body in (("/v1/responses", {"input": items}), ("/v1/messages", {"messages": said, "max_tokens": 9})):
        out = translate(path, {"model": "m", **body}, "openai")
        assert out.body["messages"] == [{"role": "user", "content": "a"}]
        assert any("thinking was dropped" in warning for warning in out.warnings)
