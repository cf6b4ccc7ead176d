"""Further models that a request names beside its own: servers turn to them by themselves.

`models` is OpenRouter's (https://openrouter.ai/docs/features/model-routing), `fallbacks` LiteLLM's
(https://docs.litellm.ai/docs/proxy/reliability); tools with a model of their own are OpenAI's `image_generation` and
Anthropic's `advisor`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

_LISTS: Final = ("models", "fallbacks", "fallback_models", "context_window_fallbacks", "content_policy_fallbacks")


def further_models(body: Mapping[str, Any]) -> tuple[str, ...]:
    """All names of models in these members, whatever form they are written in: some readers do not look at case."""
    found: list[str] = []
    for key, value in body.items():
        if (member := key.lower()) in _LISTS:
            found += _names(value)
        elif member == "tools" and isinstance(value, list):
            found += [tool["model"] for tool in value if isinstance(tool, dict) and isinstance(tool.get("model"), str)]
    return tuple(dict.fromkeys(found))


def _names(value: Any, depth: int = 4) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, list):
        for one in value:
            yield from _names(one, depth - 1)
    elif depth and isinstance(value, dict):  # {"model": NAME, ...}, or {NAME: [NAME, ...]}
        if isinstance(value.get("model"), str):
            yield value["model"]
        else:
            for one in value.values():
                yield from _names(one, depth - 1)
