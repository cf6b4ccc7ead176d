"""Whether a provider's content filter refused a request: by an error, or by an answer without an answer.

That a model itself says no in its own words is an answer. Bedrock's guardrails put words of their own in its place,
and say so in the reason for its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from switchman.addons.core.streams.reply import ReplyCollector, filled

STATUSES: Final = frozenset({400, 403, 422, 451})  # of answers that may say so

# Codes and types of errors. Azure: BerriAI/litellm#16231, Oaklight/argo-proxy#91; Moonshot, MiMo: XiaomiMiMo/
# MiMo-V2-Flash#18; DashScope: camel-ai/owl#432, QwenLM/Qwen#938; OpenAI's images: its API reference.
CODES: Final = frozenset({
    "content_filter", "contentfilter", "content_policy", "content_policy_violation", "responsibleaipolicyviolation",
    "moderation_blocked", "data_inspection_failed", "datainspectionfailed", "guardrail_intervened",
    "prohibited_content",
})  # fmt: skip

# Words of errors, where there is no code of their own.
WORDS: Final = re.compile(
    r"content management policy"  # Azure: microsoft/sample-app-aoai-chatGPT#986
    r"|\AContent Exists Risk"  # DeepSeek: deepseek-ai/DeepSeek-V2#30
    r"|data may contain inappropriate content"  # DashScope: QwenLM/qwen-code#2905
    r"|flagged as potentially violating our usage policy"  # OpenAI, code invalid_prompt
    r"|requires moderation\b.{0,80}flagged"  # OpenRouter, 403: openrouter.ai/docs/errors
    r"|prompt was blocked.{0,40}(?:SAFETY|PROHIBITED_CONTENT|BLOCKLIST)"  # Gemini
    r"|ContentPolicyViolationError",  # LiteLLM's proxy: docs.litellm.ai/docs/exception_mapping
    re.IGNORECASE,
)
_LOOKED_AT: Final = 2_000  # characters of an error

# Reasons for the end of an answer, in lower case. OpenAI, Azure: content_filter; Anthropic: refusal
# (platform.claude.com, handle-streaming-refusals); Gemini passes its own on: HKUDS/Vibe-Trading#308; Bedrock:
# BerriAI/litellm#13321, can1357/oh-my-pi#7564; Zhipu: sensitive.
REASONS: Final = frozenset({
    "content_filter", "content_filtered", "refusal", "safety", "prohibited_content", "blocklist", "spii", "recitation",
    "image_safety", "image_prohibited_content", "sensitive",
})  # fmt: skip
_INTERVENED: Final = "guardrail_intervened"  # the text is the guardrail's own

FILTERED: Final = "the provider's content filter refused the request"


def filtered_in(status: int | None, message: str, *codes: str | None) -> bool:
    """Whether an error is a content filter's. Arguments as those of overflow_in()."""
    if status is not None and status not in STATUSES:
        return False
    return any(code.lower() in CODES for code in codes if code) or WORDS.search(message[:_LOOKED_AT]) is not None


def is_filters(reason: str | None) -> bool:
    """Whether a reason for the end of an answer is a content filter's."""
    if reason is None:
        return False
    short = reason.lower().partition(":")[0].strip()  # `content_filter: PROHIBITED_CONTENT`
    return short in REASONS or short == _INTERVENED


def filtered_answer(obj: Mapping[str, Any]) -> str | None:
    """The reason by which a whole answer says that a filter took its place; None for what is an answer."""
    reply = ReplyCollector()
    reply.feed_whole(dict(obj))
    feedback = obj.get("promptFeedback")
    blocked = feedback.get("blockReason") if isinstance(feedback, dict) else None
    reason = reply.finish_reason or (blocked if isinstance(blocked, str) else None)
    if reason is None or not (is_filters(reason) or reason is blocked):
        return None
    if reason.lower() != _INTERVENED and any(filled(part) for part in _said(obj)):
        return None
    return reason


def _said(obj: Mapping[str, Any]) -> Iterator[Any]:
    """What may hold text or calls in a whole answer of any dialect."""
    yield from (obj.get(name) for name in ("content", "response"))
    for choice in _dicts(obj.get("choices")):
        message = choice.get("message")
        body = message if isinstance(message, dict) else choice
        yield from (body.get(name) for name in ("content", "text", "tool_calls", "function_call", "audio"))
    if isinstance(message := obj.get("message"), dict):
        yield from (message.get(name) for name in ("content", "tool_calls"))
    for item in _dicts(obj.get("output")):
        if item.get("type") in ("function_call", "custom_tool_call"):
            yield item
        yield from (part.get("text") for part in _dicts(item.get("content")))


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())
