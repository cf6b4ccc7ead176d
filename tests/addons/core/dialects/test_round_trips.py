"""Request -> internal form -> the same format is the identity on everything the format defines."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from switchman.addons.core.dialects.codecs import CODECS
from switchman.addons.core.dialects.neutral.form import FormatName
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.neutral.sampling import STANDARD

text = st.text(alphabet='aé😀 \n<{"', max_size=6)
word = st.sampled_from(["alpha", "beta", "gamma"])
number = st.floats(0, 2, allow_nan=False) | st.integers(0, 2)
count = st.integers(1, 9000)
boolean = st.booleans()
value = st.recursive(
    st.none() | boolean | count | text, lambda x: st.lists(x, max_size=2) | st.dictionaries(word, x, max_size=2)
)
schema = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(word, st.just({"type": "string"}))}
)
arguments = st.dictionaries(word, value, max_size=2)
base64 = st.sampled_from(["iVBORw0KGgo=", "/9j/4AAQ", "AAAA"])
media = st.sampled_from(["image/png", "image/jpeg"])


def obj(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


def again(name: FormatName, body: dict[str, Any]) -> dict[str, Any]:
    codec = CODECS[name]
    assert codec.encode_request is not None
    notes = Notes(name, codec.dialect)
    out = codec.encode_request(codec.decode_request(body), notes, STANDARD)
    assert notes.warnings == []
    return out


def assert_same(name: FormatName, body: dict[str, Any]) -> None:
    before = json.dumps(body, sort_keys=True)
    assert json.dumps(again(name, body), sort_keys=True) == before
    assert json.dumps(body, sort_keys=True) == before, "the body itself was changed"


# ---- OpenAI ------------------------------------------------------------------------------------------------------

image_url = st.builds("data:{};base64,{}".format, media, base64) | st.just("https://example.org/a.png")
openai_part = (
    obj({"type": st.just("text"), "text": text})
    | obj({"type": st.just("image_url"), "image_url": obj({"url": image_url}, detail=st.just("low"))})
    | obj({"type": st.just("input_audio"), "input_audio": st.just({"data": "AA==", "format": "wav"})})
)
openai_call = obj(
    {
        "id": word,
        "type": st.just("function"),
        "function": obj({"name": word, "arguments": arguments.map(json.dumps) | st.just("")}),
    }
)
custom_call = obj({"id": word, "type": st.just("custom"), "custom": st.just({"name": "x", "input": "y"})})
openai_message = (
    obj(
        {"role": st.sampled_from(["system", "developer", "user"]), "content": text | st.lists(openai_part, max_size=3)},
        name=word,
    )
    | obj(
        {"role": st.just("assistant")},
        content=st.none() | text | st.lists(obj({"type": st.just("text"), "text": text}), max_size=2),
        tool_calls=st.lists(openai_call | custom_call, min_size=1, max_size=2),
        reasoning_content=text,
        refusal=st.none() | text,
        name=word,
    )
    | obj({"role": st.just("tool"), "tool_call_id": word, "content": text | st.just([{"type": "text", "text": "a"}])})
)
openai_tool = obj(
    {
        "type": st.just("function"),
        "function": obj({"name": word}, description=text, parameters=schema, strict=boolean | st.none()),
    }
) | st.just({"type": "custom", "custom": {"name": "x"}})
openai_format = st.sampled_from([{"type": "text"}, {"type": "json_object"}]) | obj(
    {
        "type": st.just("json_schema"),
        "json_schema": obj({"name": word}, schema=schema, strict=boolean | st.none(), description=text),
    }
)
openai_chat = obj(
    {"model": word, "messages": st.lists(openai_message, max_size=4)},
    max_tokens=count | st.none(),
    max_completion_tokens=count,
    temperature=number | st.none(),
    top_p=number,
    n=count,
    seed=count,
    stop=text | st.lists(text, max_size=2) | st.none(),
    presence_penalty=number,
    frequency_penalty=number,
    logit_bias=st.just({"5": 1}),
    logprobs=boolean,
    top_logprobs=count,
    tools=st.lists(openai_tool, max_size=2),
    tool_choice=st.sampled_from(
        [
            "auto",
            "none",
            "required",
            {"type": "function", "function": {"name": "alpha"}},
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
        ]
    ),
    parallel_tool_calls=boolean,
    response_format=openai_format,
    reasoning_effort=st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh"]) | st.none(),
    stream=boolean | st.none(),
    stream_options=st.just({"include_usage": True, "x": 1}) | st.none(),
    user=word,
    metadata=st.just({"a": "b"}),
    store=boolean,
    service_tier=word,
    top_k=count,
    min_p=number,
    repetition_penalty=number,
    some_extension=value,
)


@settings(max_examples=100, deadline=None)
@given(openai_chat)
def test_chat_completions(body: dict[str, Any]) -> None:
    """Every documented member, nulls, custom tools and a provider's own extension."""
    assert_same("openai.chat", body)


@settings(max_examples=50, deadline=None)
@given(
    obj(
        {"model": word, "prompt": text | st.lists(text, max_size=2) | st.just([1, 2])},
        suffix=text | st.none(),
        max_tokens=count,
        temperature=number,
        n=count,
        best_of=count,
        echo=boolean,
        logprobs=count,
        stop=text | st.lists(text, max_size=2),
        stream=boolean,
        stream_options=st.just({"include_usage": True}),
        seed=count,
        user=word,
        logit_bias=st.just({"5": 1}),
    )
)
def test_legacy_completions(body: dict[str, Any]) -> None:
    """Prompts as text, lists and token numbers."""
    assert_same("openai.completion", body)


# ---- Ollama ------------------------------------------------------------------------------------------------------

ollama_call = obj({"function": obj({"name": word, "arguments": arguments}, index=count)}, id=word)
ollama_message = (
    obj(
        {"role": st.sampled_from(["system", "user", "assistant"])},
        content=text | st.none(),
        images=st.lists(base64, min_size=1, max_size=2),
    )
    | obj(
        {"role": st.just("assistant"), "content": text},
        thinking=text,
        tool_calls=st.lists(ollama_call, min_size=1, max_size=2),
    )
    | obj({"role": st.just("tool"), "content": text}, tool_name=word, tool_call_id=word)
)
ollama_tool = obj(
    {"function": obj({"name": word}, description=text, parameters=schema)},
    type=st.just("function"),
)
options = obj(
    {},
    num_predict=count | st.sampled_from([-1, -2]),
    temperature=number,
    top_p=number,
    top_k=count,
    min_p=number,
    seed=count,
    stop=text | st.lists(text, max_size=2),
    presence_penalty=number,
    frequency_penalty=number,
    repeat_penalty=number,
    num_ctx=count,
    mirostat=count,
)
ollama_common = {
    "format": st.just("json") | schema,
    "options": options,
    "think": boolean | st.sampled_from(["low", "medium", "high"]),
    "stream": boolean,
    "keep_alive": count | word,
}


@settings(max_examples=100, deadline=None)
@given(
    obj(
        {"model": word, "messages": st.lists(ollama_message, max_size=4)},
        tools=st.lists(ollama_tool, max_size=2),
        **ollama_common,
    )
)
def test_ollama_chat(body: dict[str, Any]) -> None:
    """Messages with images, thoughts, calls and results; all options, also those that only the runner knows."""
    assert_same("ollama.chat", body)


@settings(max_examples=50, deadline=None)
@given(
    obj(
        {"model": word},
        prompt=text,
        system=text,
        suffix=text,
        images=st.lists(base64, min_size=1, max_size=2),
        template=text,
        context=st.just([1, 2]),
        raw=boolean,
        **ollama_common,
    )
)
def test_ollama_generate(body: dict[str, Any]) -> None:
    """A prompt with everything beside it; also none at all, which only loads the model."""
    assert_same("ollama.generate", body)


# ---- Anthropic ---------------------------------------------------------------------------------------------------

cache = st.just({"type": "ephemeral"})
text_block = obj({"type": st.just("text"), "text": text}, cache_control=cache)
image_block = obj(
    {
        "type": st.just("image"),
        "source": obj({"type": st.just("base64"), "media_type": media, "data": base64})
        | st.just({"type": "url", "url": "https://example.org/a.png"})
        | st.just({"type": "file", "file_id": "f"}),
    },
    cache_control=cache,
)
document = st.just({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}})
user_block = (
    text_block
    | image_block
    | document
    | obj(
        {"type": st.just("tool_result"), "tool_use_id": word},
        content=text | st.lists(text_block | image_block, max_size=2),
        is_error=boolean,
        cache_control=cache,
    )
)
assistant_block = (
    text_block
    | obj({"type": st.just("thinking"), "thinking": text, "signature": word})
    | obj({"type": st.just("redacted_thinking"), "data": word})
    | obj({"type": st.just("tool_use"), "id": word, "name": word, "input": arguments}, cache_control=cache)
    | st.just({"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})
)
anthropic_message = obj({"role": st.just("user"), "content": text | st.lists(user_block, max_size=3)}) | obj(
    {"role": st.just("assistant"), "content": text | st.lists(assistant_block, max_size=3)}
)
anthropic_tool = obj(
    {"name": word, "input_schema": schema},
    description=text,
    strict=boolean,
    cache_control=cache,
    type=st.just("custom"),
) | st.just({"type": "web_search_20250305", "name": "web_search", "max_uses": 2})
anthropic_choice = (
    obj({"type": st.sampled_from(["auto", "any"])}, disable_parallel_tool_use=boolean)
    | obj({"type": st.just("tool"), "name": word}, disable_parallel_tool_use=boolean)
    | st.just({"type": "none"})
)


@settings(max_examples=100, deadline=None)
@given(
    obj(
        {"model": word, "max_tokens": count, "messages": st.lists(anthropic_message, max_size=4)},
        system=text | st.lists(text_block, max_size=2),
        temperature=number,
        top_p=number,
        top_k=count,
        stop_sequences=st.lists(text, max_size=2),
        stream=boolean,
        tools=st.lists(anthropic_tool, max_size=2),
        tool_choice=anthropic_choice,
        thinking=st.sampled_from(
            [
                {"type": "enabled", "budget_tokens": 2048},
                {"type": "enabled", "budget_tokens": 2048, "display": "omitted"},
                {"type": "disabled"},
                {"type": "adaptive"},
            ]
        ),
        output_config=obj({}, effort=word, format=obj({"type": st.just("json_schema"), "schema": schema})),
        metadata=st.sampled_from([{"user_id": "u"}, {"user_id": None}, {}]),
        service_tier=word,
        container=word,
        betas=st.just(["x"]),
    )
)
def test_anthropic_messages(body: dict[str, Any]) -> None:
    """Blocks of all kinds with cache control, server tools, thinking in every form, structured output."""
    assert_same("anthropic.messages", body)
