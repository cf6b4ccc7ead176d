"""Usage objects as they come on the wire: whole parts, nothing counted twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from switchman.addons.core.access.prices.cost import cost_of
from switchman.addons.core.access.prices.price import INPUTS, MILLION, MOST, OUTPUTS, PARTS, Price, Usage
from switchman.addons.core.access.prices.wire import count, number, usage_of, use_of

OPENAI: dict[str, tuple[dict[str, Any], Usage]] = {
    "plain": ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}, Usage(input=10, output=5)),
    "cached, thoughts, predictions": (
        {
            "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 20, "audio_tokens": 0, "accepted_prediction_tokens": 9,
                                          "rejected_prediction_tokens": 3},
        },
        Usage(input=70, cached=30, output=30, reasoning=20),
    ),
    "audio": (
        {
            "prompt_tokens": 100, "completion_tokens": 50, "prompt_tokens_details": {"audio_tokens": 60},
            "completion_tokens_details": {"audio_tokens": 40, "text_tokens": 10},
        },
        Usage(input=40, audio_in=60, output=10, audio_out=40),
    ),
    "audio, cached by kind": (
        {
            "prompt_tokens": 100, "completion_tokens": 0,
            "prompt_tokens_details": {"cached_tokens": 50, "audio_tokens": 60,
                                      "cached_tokens_details": {"text_tokens": 20, "audio_tokens": 30}},
        },
        Usage(input=20, cached=20, audio_in=30, audio_cached=30),
    ),
    "pictures that go in": (
        {"prompt_tokens": 100, "completion_tokens": 1, "prompt_tokens_details": {"image_tokens": 80}},
        Usage(input=20, image_in=80, output=1),
    ),
    "responses": (
        {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 50,
         "output_tokens_details": {"reasoning_tokens": 50}, "total_tokens": 150},
        Usage(input=60, cached=40, reasoning=50),
    ),
    "written to the cache": (
        {"input_tokens": 100, "output_tokens": 1,
         "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 50}},
        Usage(input=10, cached=40, cache_write_5m=50, output=1),
    ),
    "written for longer": (
        {"input_tokens": 100, "output_tokens": 1, "input_tokens_details": {
            "cache_write_tokens": 50, "cache_write_tokens_details": {"ttl_30m_tokens": 20, "ttl_12h_tokens": 30}}},
        Usage(input=50, cache_write_5m=20, cache_write_1h=30, output=1),
    ),
    "embeddings": ({"prompt_tokens": 9, "total_tokens": 9}, Usage(input=9)),
    "transcription": (
        {"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
         "output_tokens": 45, "total_tokens": 59},
        Usage(input=4, audio_in=10, output=45),
    ),
    "transcription by its length": ({"type": "duration", "seconds": 7.25}, Usage(audio_ms=7250)),
    "mistral's audio": (
        {"prompt_audio_seconds": 203, "prompt_tokens": 4, "completion_tokens": 6, "total_tokens": 10},
        Usage(input=4, output=6, audio_ms=203_000),
    ),
    "deepseek": (
        {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105, "prompt_cache_hit_tokens": 64,
         "prompt_cache_miss_tokens": 36, "prompt_tokens_details": {"cached_tokens": 64}},
        Usage(input=36, cached=64, output=5),
    ),
    "deepseek of before": (
        {"prompt_tokens": 100, "completion_tokens": 5, "prompt_cache_hit_tokens": 64, "prompt_cache_miss_tokens": 36},
        Usage(input=36, cached=64, output=5),
    ),
    "xai, thoughts apart": (
        {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 135,
         "completion_tokens_details": {"reasoning_tokens": 30}},
        Usage(input=100, output=5, reasoning=30),
    ),
    "gemini, thoughts in the total only": (
        {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}, Usage(input=20, output=198, reasoning=405)
    ),
    "a total that has the cached tokens twice": (
        {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 165,
         "prompt_tokens_details": {"cached_tokens": 60}},
        Usage(input=40, cached=60, output=5),
    ),
    "more details than there are tokens": (
        {"prompt_tokens": 10, "completion_tokens": 5,
         "prompt_tokens_details": {"cached_tokens": 99, "audio_tokens": 99},
         "completion_tokens_details": {"reasoning_tokens": 99}},
        Usage(cached=10, reasoning=5),
    ),
    "only what came out": ({"completion_tokens": 5}, Usage(output=5, partial=True)),
}  # fmt: skip

ANTHROPIC: dict[str, tuple[dict[str, Any], Usage]] = {
    "the split": (
        {"input_tokens": 10, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 30,
         "cache_creation": {"ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 18}, "output_tokens": 5},
        Usage(input=10, cached=20, cache_write_5m=12, cache_write_1h=18, output=5),
    ),
    "no split": (
        {"input_tokens": 10, "cache_creation_input_tokens": 30, "output_tokens": 5},
        Usage(input=10, cache_write_5m=30, output=5),
    ),
    "a split without its total": (
        {"input_tokens": 10, "cache_creation": {"ephemeral_5m_input_tokens": 12, "ephemeral_1h_input_tokens": 18},
         "output_tokens": 5},
        Usage(input=10, cache_write_5m=12, cache_write_1h=18, output=5),
    ),
    "thoughts": (
        {"input_tokens": 10, "cache_read_input_tokens": 0, "output_tokens": 50,
         "output_tokens_details": {"thinking_tokens": 40}},
        Usage(input=10, output=10, reasoning=40),
    ),
    "thoughts, and no cache": (
        {"input_tokens": 10, "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 40}},
        Usage(input=10, output=10, reasoning=40),
    ),
    "tools": (
        {"input_tokens": 10, "cache_read_input_tokens": 0, "output_tokens": 1,
         "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 0}},
        Usage(input=10, output=1, tools=(("web_search", 3),)),
    ),
    "compaction": (
        {"input_tokens": 23, "cache_read_input_tokens": 1, "output_tokens": 1, "iterations": [
            {"type": "compaction", "input_tokens": 180, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 0,
             "output_tokens": 3},
            {"type": "message", "input_tokens": 23, "output_tokens": 1}]},
        Usage(input=23, cached=1, output=1, more=(Usage(input=180, cached=5, output=3),)),
    ),
    "a compaction of few words": (
        {"input_tokens": 23, "cache_read_input_tokens": 1, "output_tokens": 1, "iterations": [
            {"type": "compaction", "input_tokens": 180, "output_tokens": 3}]},
        Usage(input=23, cached=1, output=1, more=(Usage(input=180, output=3),)),
    ),
    "an advisor": (
        {"input_tokens": 23, "cache_read_input_tokens": 0, "output_tokens": 1, "iterations": [
            {"type": "advisor_message", "model": "x", "input_tokens": 180, "output_tokens": 3}]},
        Usage(input=23, output=1, partial=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [*OPENAI, *ANTHROPIC])
def test_the_words_of_each_dialect(name: str) -> None:
    """Each token in one part."""
    said, usage = {**OPENAI, **ANTHROPIC}[name]
    assert usage_of(said) == usage


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({"prompt_eval_count": 26, "eval_count": 298, "eval_duration": 1}, Usage(input=26, output=298)),
        ({"eval_count": 298}, Usage(output=298, partial=True)),
        ({"prompt_eval_count": 8}, Usage(input=8)),
    ],
)
def test_ollama(said: dict[str, Any], usage: Usage) -> None:
    """Some versions leave the prompt out: then that is not all."""
    assert usage_of(said) == usage


@pytest.mark.parametrize("said", [{}, {"total_tokens": 9}, {"prompt_tokens": "9"}, {"seconds": -1}, {"eval_count": -1}])
def test_what_counts_nothing_is_no_usage(said: dict[str, Any]) -> None:
    """It is not one of zero tokens."""
    assert usage_of(said) is None


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (0, 0),
        (3.0, 3),
        (MOST, MOST),
        (MOST + 1, None),
        (-1, None),
        (True, None),
        (2.5, None),
        ("3", None),
        (1e300, None),
    ],
)
def test_counts(value: Any, found: int | None) -> None:
    """What cannot be true is not said, so that no sum of it overflows."""
    assert number(value) == found
    assert count({"a": value, "b": 7}, "a", "b") == (7 if found is None else found)


@pytest.mark.parametrize(
    ("said", "service"),
    [
        ({}, ""),
        ({"service_tier": "default"}, ""),
        ({"service_tier": "standard", "speed": "standard", "inference_geo": "not_available"}, ""),
        ({"service_tier": "flex"}, "flex"),
        ({"service_tier": "Priority"}, "priority"),
        ({"speed": "fast", "inference_geo": "us"}, "fast+us"),
        ({"service_tier": 3}, ""),
    ],
)
def test_how_it_was_served(said: dict[str, Any], service: str) -> None:
    """Only what is not as usual has a name."""
    usage = usage_of({"prompt_tokens": 1, "completion_tokens": 1, **said})
    assert usage is not None and usage.service == service


@pytest.mark.parametrize(
    ("said", "stated"),
    [
        ({}, None),
        ({"cost": 0.00014}, 140),
        ({"cost": 0}, 0),
        ({"cost": 1.2e-7}, 1),
        ({"cost": 0.0000143}, 15),
        ({"cost": 0.5, "is_byok": True, "cost_details": {"upstream_inference_cost": 1.5}}, 2_000_000),
        ({"cost": 0.5, "is_byok": True}, None),
        ({"cost": "0.5"}, None),
        ({"cost": -1}, None),
        ({"cost": float("nan")}, None),
        ({"cost": {"total_cost": 1}}, None),
        ({"cost_in_usd_ticks": 37_756_000}, 3776),
        ({"cost_in_usd_ticks": -1}, None),
    ],
)
def test_what_it_says_it_cost(said: dict[str, Any], stated: int | None) -> None:
    """In micro-dollars, rounded up: exactly, though it comes as a floating number."""
    usage = usage_of({"prompt_tokens": 1, "completion_tokens": 1, **said})
    assert usage is not None and usage.stated == stated


def test_pictures_that_are_made() -> None:
    """The first models of the kind do not say which tokens were the picture's: all that came out."""
    said = {"input_tokens": 50, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}, "output_tokens": 4160}
    assert usage_of(said, images=1) == Usage(input=10, image_in=40, image_out=4160)
    later = {**said, "output_tokens": 5000, "output_tokens_details": {"image_tokens": 4160, "text_tokens": 840}}
    assert usage_of(later, images=1) == Usage(input=10, image_in=40, image_out=4160, output=840)


@pytest.mark.parametrize(
    ("item", "use"),
    [
        ({"type": "web_search_call", "action": {"type": "search"}}, "web_search"),
        ({"type": "web_search_call"}, "web_search"),
        ({"type": "web_search_call", "action": {"type": "open_page"}}, None),
        ({"type": "file_search_call"}, "file_search"),
        ({"type": "code_interpreter_call"}, "code_interpreter"),
        ({"type": "shell_call", "environment": {"type": "container_reference", "container_id": "c"}}, "shell"),
        ({"type": "shell_call", "environment": {"type": "local"}}, None),
        ({"type": "shell_call", "environment": None}, None),
        ({"type": "server_tool_use", "name": "bash_code_execution"}, "code_execution"),
        ({"type": "server_tool_use", "name": "web_search"}, None),  # the usage tells it
        ({"type": "server_tool_use", "name": ["code_execution"]}, None),
        ({"type": "function_call"}, None),
        ({"type": "message"}, None),
        ({"type": ["web_search_call"]}, None),
        ({}, None),
    ],
)
def test_uses_of_the_providers_tools(item: dict[str, Any], use: str | None) -> None:
    """Those that are charged for."""
    assert use_of(item) == use


@pytest.mark.parametrize(
    ("said", "shown", "tools"),
    [
        ({}, {"web_search": 2}, (("web_search", 2),)),
        ({"server_tool_use": {"web_search_requests": 2}}, {}, (("web_search", 2),)),
        ({"server_tool_use": {"web_search_requests": 0}}, {"code_execution": 1}, (("code_execution", 1),)),
        ({"server_tool_use": {"web_fetch_requests": 3}}, {"code_execution": 1}, (("web_fetch", 3),)),
        ({"num_sources_used": 7}, {}, (("live_search", 7),)),
        ({"num_sources_used": 0}, {}, ()),
        ({"num_sources_used": "7"}, {}, ()),
    ],
)
def test_uses_that_are_charged(said: dict[str, Any], shown: dict[str, int], tools: Any) -> None:
    """What the usage tells and what the reply shows; of Anthropic's code what no search makes free."""
    usage = usage_of({"prompt_tokens": 1, "completion_tokens": 1, **said}, shown.items())
    assert usage is not None and usage.tools == tools


WORDS = (
    "prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "cache_read_input_tokens",
    "cache_creation_input_tokens", "prompt_cache_hit_tokens", "prompt_eval_count", "eval_count", "cached_tokens",
    "audio_tokens", "image_tokens", "reasoning_tokens", "thinking_tokens", "cache_write_tokens", "seconds", "cost",
    "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens", "ttl_12h_tokens", "web_search_requests", "service_tier",
    "speed", "cost_in_usd_ticks", "is_byok", "num_sources_used",
)  # fmt: skip
OBJECTS = (
    "prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details",
    "cache_creation", "cache_write_tokens_details", "cached_tokens_details", "server_tool_use", "cost_details",
)  # fmt: skip
values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.integers(0, 300)
flat = st.dictionaries(st.sampled_from(WORDS), values)
inner = st.dictionaries(st.sampled_from((*WORDS, *OBJECTS)), values | flat)
whole = st.dictionaries(st.sampled_from((*WORDS, *OBJECTS, "iterations")), values | inner | st.lists(inner, max_size=2))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(whole, st.integers(0, 3))
def test_nothing_that_a_server_sends_is_below_zero_or_counted_twice(said: dict[str, Any], images: int) -> None:
    """Nor does any of it raise: a usage object is whatever a server sent."""
    usage = usage_of(said, images=images)
    if usage is None:
        return
    assert all(getattr(usage, part) >= 0 for part in PARTS)
    tools = dict.fromkeys(("web_search", *dict(usage.tools)), MILLION)
    cost = cost_of(replace(usage, service=""), Price(dict.fromkeys(PARTS, MILLION), tools))
    steps = (usage, *usage.more)
    assert cost == sum(getattr(step, part) for step in steps for part in PARTS) + sum(dict(usage.tools).values())
    names = ("prompt_tokens", "input_tokens", "prompt_eval_count")
    cache = sum(number(said.get(name)) or 0 for name in ("cache_read_input_tokens", "cache_creation_input_tokens"))
    split = said.get("cache_creation")
    if isinstance(split, dict):
        cache += sum(number(each) or 0 for each in split.values())
    said_in = max((number(said.get(name)) or 0 for name in names), default=0)
    assert sum(getattr(usage, part) for part in INPUTS) <= said_in + cache
    said_out = sum(
        number(said.get(name)) or 0 for name in ("completion_tokens", "output_tokens", "eval_count", "total_tokens")
    )
    assert sum(getattr(usage, part) for part in OUTPUTS) <= said_out
