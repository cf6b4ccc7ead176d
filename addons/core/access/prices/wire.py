"""What a usage object says, in each dialect's own words, as whole parts that do not overlap.

It knows those of OpenAI (chat and legacy completions, responses, embeddings, images, audio), Anthropic, Ollama, and of
servers that speak as OpenAI does with words of their own (Gemini, DeepSeek, xAI, Mistral, Moonshot, OpenRouter).

    OpenAI      prompt_tokens and completion_tokens, input_tokens and output_tokens: wholes, of which the details are
                parts (cached, written to the cache, audio, images, thoughts; predictions are output as any other)
    Anthropic   input_tokens is what no cache had to do with; cache_read_input_tokens and cache_creation_input_tokens
                come on top, and so does what `iterations` tells of compactions
    DeepSeek    prompt_cache_hit_tokens is the cached part, prompt_cache_miss_tokens the rest of prompt_tokens
    xAI, Gemini thoughts that completion_tokens leaves out, as total_tokens shows
    Ollama      prompt_eval_count, eval_count

What is charged by the use, and not told in a usage object, is read from the items of the reply (use_of).

Sources: openai-python 3 (types/completion_usage.py, types/responses/response_usage.py, types/images_response.py,
types/audio/transcription.py), anthropic-python 2 (types/usage.py, types/beta/beta_usage.py), Ollama's docs/api.md,
https://api-docs.deepseek.com/guides/kv_cache, https://openrouter.ai/docs/use-cases/usage-accounting,
https://docs.x.ai/developers/cost-tracking, https://ai.google.dev/gemini-api/docs/openai.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from math import ceil
from typing import Any, Final

from switchman.addons.core.access.prices.price import MILLION, MOST, Usage

Parts = dict[str, Any]  # the members of a Usage by their names

# What Anthropic and OpenAI call being served as usual; the rest has a price of its own.
USUAL: Final = frozenset({"", "default", "standard", "auto", "on_demand", "global", "not_available"})

_SERVED: Final = ("service_tier", "speed", "inference_geo")
_ANTHROPICS: Final = ("cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation", "server_tool_use")
_DETAILS_IN: Final = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_DETAILS_OUT: Final = ("completion_tokens_details", "output_tokens_details", "output_token_details")
_CHARGED: Final = ("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call")
# Anthropic's names for a container at work; its other tools are in the usage, or cost tokens only.
_CODE: Final = ("code_execution", "bash_code_execution", "text_editor_code_execution")
_TICKS: Final = 10_000  # of xAI, to the micro-dollar


def number(value: Any) -> int | None:
    """A count; None for what is none, or cannot be true."""
    if type(value) is int:  # no bool
        return value if 0 <= value <= MOST else None
    return number(int(value)) if isinstance(value, float) and value.is_integer() else None


def count(usage: Mapping[str, Any], *names: str) -> int | None:
    """The first of these that is a count."""
    for name in names:
        if name in usage and (found := number(usage[name])) is not None:
            return found
    return None


def details(usage: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The first of these that is an object; an empty one if none is."""
    for name in names:
        if isinstance(found := usage.get(name), dict):
            return found
    return {}


def usage_of(said: Mapping[str, Any], tools: Iterable[tuple[str, int]] = (), images: int = 0) -> Usage | None:
    """Read a usage object. None: it counts nothing.

    `tools`: uses of the provider's tools that the reply shows elsewhere; `images`: how many pictures it holds.
    """
    if "prompt_eval_count" in said or "eval_count" in said:
        parts = _ollamas(said)
    elif "input_tokens" in said and any(name in said for name in _ANTHROPICS):
        parts = _anthropics(said)
    else:
        parts = _openais(said, images)
    if parts is None:
        return None
    return Usage(**parts, tools=_used(said, tools), service=_service(said), stated=_stated(said))


def _ollamas(said: Mapping[str, Any]) -> Parts | None:
    before, after = count(said, "prompt_eval_count"), count(said, "eval_count")
    if before is None and after is None:
        return None
    # Some versions leave the prompt out where all of it was in the cache.
    return {"input": before or 0, "output": after or 0, "partial": before is None}


def _anthropics(said: Mapping[str, Any]) -> Parts | None:
    if (before := count(said, "input_tokens")) is None:
        return None
    written, lasting = _anthropics_writes(said)
    after = count(said, "output_tokens") or 0
    thoughts = min(number(details(said, *_DETAILS_OUT).get("thinking_tokens")) or 0, after)
    parts: Parts = {
        "input": before,
        "cached": count(said, "cache_read_input_tokens") or 0,
        "cache_write_5m": written,
        "cache_write_1h": lasting,
        "output": after - thoughts,
        "reasoning": thoughts,
    }
    if steps := list(_list(said.get("iterations"))):
        compacted = [_anthropics({**step, "iterations": None}) for step in steps if step.get("type") == "compaction"]
        parts["more"] = tuple(Usage(**step) for step in compacted if step is not None)
        parts["partial"] = any(step.get("type") == "advisor_message" for step in steps)  # another model, at its price
    return parts


def _anthropics_writes(said: Mapping[str, Any]) -> tuple[int, int]:
    """Tokens written to the cache for 5 minutes, and for an hour. The total is there even where the split is not."""
    split = details(said, "cache_creation")
    lasting = number(split.get("ephemeral_1h_input_tokens")) or 0
    brief = number(split.get("ephemeral_5m_input_tokens")) or 0
    total = count(said, "cache_creation_input_tokens")
    return (brief if total is None else max(total - lasting, 0)), lasting


def _openais(said: Mapping[str, Any], images: int) -> Parts | None:
    before, after = count(said, "prompt_tokens", "input_tokens"), count(said, "completion_tokens", "output_tokens")
    heard = _milliseconds(said)
    if before is None and after is None:
        return {"audio_ms": heard} if heard else None
    outer = details(said, *_DETAILS_OUT)
    after = after or 0  # embeddings have no output
    thoughts = count(outer, "reasoning_tokens", "thinking_tokens") or 0
    parts = _openais_input(said, details(said, *_DETAILS_IN), before or 0)
    hidden = _left_out(said, parts, after, thoughts)
    spoken = min(number(outer.get("audio_tokens")) or 0, after)
    drawn = min(number(outer.get("image_tokens")) or 0, after)
    if images and "image_tokens" not in outer:
        drawn = after  # the first models of the kind drew, and said nothing
    thoughts = min(thoughts, after)
    parts["output"] = max(after - spoken - drawn - (0 if hidden else thoughts), 0)
    parts["reasoning"] = hidden or thoughts
    parts["audio_out"], parts["image_out"] = spoken, drawn
    parts["audio_ms"] = heard
    parts["partial"] = before is None
    return parts


def _left_out(said: Mapping[str, Any], put_in: Parts, after: int, thoughts: int) -> int:
    """Thoughts that are in the total only: xAI counts them apart, and Gemini does not count them at all. Where the
    cached tokens are in the total twice, as in Bedrock's, they are no thoughts.
    """
    total = count(said, "total_tokens")
    if total is None or number(said.get("prompt_tokens")) is None:
        return 0
    missing = total - sum(put_in.values()) - after
    if missing <= 0 or (thoughts and thoughts != missing):
        return 0
    cached = put_in["cached"] + put_in.get("audio_cached", 0) + put_in.get("image_cached", 0)
    twice = (cached, cached + put_in["cache_write_5m"] + put_in["cache_write_1h"])
    return missing if thoughts or missing not in twice else 0


def _openais_input(said: Mapping[str, Any], inner: Mapping[str, Any], before: int) -> Parts:
    cached = number(inner.get("cached_tokens"))
    if cached is None:
        cached = count(said, "cached_tokens", "cache_read_input_tokens", "prompt_cache_hit_tokens") or 0
    cached = min(cached, before)
    written, lasting = _openais_writes(inner, before - cached)
    rest = before - cached - written - lasting
    parts = {"input": rest, "cached": cached, "cache_write_5m": written, "cache_write_1h": lasting}
    for kind, name in (("audio", "audio_tokens"), ("image", "image_tokens")):
        if tokens := number(inner.get(name)):
            kinds = details(inner, "cached_tokens_details")
            read = min(number(kinds.get(name)) or 0, tokens, parts["cached"])
            fresh = min(tokens - read, parts["input"])
            parts[f"{kind}_in"], parts[f"{kind}_cached"] = fresh, read
            parts["input"] -= fresh
            parts["cached"] -= read
    return parts


def _openais_writes(inner: Mapping[str, Any], most: int) -> tuple[int, int]:
    """Tokens written to the cache for the usual half hour, and for twelve."""
    written = min(count(inner, "cache_write_tokens", "cache_creation_tokens") or 0, most)
    if not written:
        return 0, 0
    split = details(inner, "cache_write_tokens_details")
    lasting = min(number(split.get("ttl_12h_tokens")) or 0, written)
    return written - lasting, lasting


def use_of(item: Mapping[str, Any]) -> str | None:
    """The provider's own tool that an item of a Responses reply shows a use of; None where nothing is charged for it.

    Of a web search's actions, `search` is charged; to open a page and to find something in it are not
    (https://platform.openai.com/docs/guides/tools-web-search). A shell is, where it runs in the provider's container.
    Also of a block of Anthropic's content: a container that runs code.
    """
    kind = item.get("type")
    if kind == "server_tool_use":
        return "code_execution" if item.get("name") in _CODE else None
    if kind == "shell_call":
        return "shell" if details(item, "environment").get("type") == "container_reference" else None
    if kind == "web_search_call" and details(item, "action").get("type", "search") != "search":
        return None
    return kind.removesuffix("_call") if isinstance(kind, str) and kind in _CHARGED else None


def _milliseconds(said: Mapping[str, Any]) -> int:
    """Audio that is charged by its length: OpenAI's `duration`, Mistral's `prompt_audio_seconds`."""
    for name in ("seconds", "prompt_audio_seconds"):
        value = said.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST // 1000:
            return round(value * 1000)
    return 0


def _used(said: Mapping[str, Any], shown: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """Uses of the provider's tools: those that the usage tells, and those that the reply shows.

    Anthropic's: {"web_search_requests": 2}; to run code beside these costs nothing more
    (https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool). xAI's `num_sources_used`.
    """
    found: list[tuple[str, int]] = []
    if told := details(said, "server_tool_use"):
        found = [(str(name).removesuffix("_requests"), uses) for name, value in told.items() if (uses := number(value))]
    found += [(name, uses) for name, uses in shown if name != "code_execution" or not found]
    if sources := number(said.get("num_sources_used")):
        found.append(("live_search", sources))
    return tuple(sorted(found)) if found else ()


def _service(said: Mapping[str, Any]) -> str:
    """How it was served, as far as that is not as usual: "flex", "fast+us"."""
    words = [said[name].lower() for name in _SERVED if isinstance(said.get(name), str)]
    return "+".join([word for word in words if word not in USUAL])


def _stated(said: Mapping[str, Any]) -> int | None:
    """What the answer says it cost: OpenRouter's `cost`, in dollars, and xAI's `cost_in_usd_ticks`."""
    ticks = said.get("cost_in_usd_ticks")
    if isinstance(ticks, int) and not isinstance(ticks, bool) and 0 <= ticks <= MOST * _TICKS:
        return -(-ticks // _TICKS)
    if (cost := _dollars(said.get("cost"))) is None or said.get("is_byok") is not True:
        return cost
    # The customer's own key: the provider's bill comes on top of OpenRouter's fee.
    upstream = _dollars(details(said, "cost_details").get("upstream_inference_cost"))
    return None if upstream is None else cost + upstream


def _dollars(value: Any) -> int | None:
    """In micro-dollars, rounded up."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= MOST:
        return None
    return ceil(Decimal(repr(value)) * MILLION)


def _list(value: Any) -> Iterable[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()
