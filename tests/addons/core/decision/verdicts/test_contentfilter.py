"""Whether a provider's content filter refused a request: by an error, or by what stands in place of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.core.decision.verdicts.contentfilter import filtered_answer, filtered_in, is_filters

AZURE = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
ERRORS = [
    (400, AZURE, "content_filter"),
    (400, AZURE, ""),
    (400, "Your request was rejected as a result of our safety system.", "content_policy_violation"),
    (400, "Invalid prompt: your prompt was flagged as potentially violating our usage policy.", "invalid_prompt"),
    (400, "Content Exists Risk", "invalid_request_error"),
    (400, "Input data may contain inappropriate content.", "data_inspection_failed"),
    (400, "Moderation Block", "content_filter"),
    (403, 'openai/gpt-4 requires moderation on OpenAI. Your input was flagged for "violence".', "403"),
    (400, "The prompt was blocked: PROHIBITED_CONTENT", ""),
]
REASONS = [
    "content_filter", "content_filter: PROHIBITED_CONTENT", "SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "RECITATION",
    "refusal", "content_filtered", "guardrail_intervened", "sensitive",
]  # fmt: skip


def chat(reason: str, content: Any = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "finish_reason": reason, "message": {"content": content, **more}}]}


def message(reason: str, *texts: str) -> dict[str, Any]:
    blocks = [{"type": "text", "text": text} for text in texts]
    return {"type": "message", "content": blocks, "stop_reason": reason}


def response(reason: str, *texts: str) -> dict[str, Any]:
    parts = [{"type": "message", "content": [{"type": "output_text", "text": text}]} for text in texts]
    return {"object": "response", "status": "incomplete", "incomplete_details": {"reason": reason}, "output": parts}


@pytest.mark.parametrize(("status", "text", "code"), ERRORS)
def test_errors_of_filters(status: int, text: str, code: str) -> None:
    """By their codes, or their words; within a stream, too."""
    assert filtered_in(status, text, code) and filtered_in(None, text, None, code)
    assert not filtered_in(500, text, code) and not filtered_in(401, text, code)


@pytest.mark.parametrize("text", ["The value of content_filter is wrong", "You may not use this model", "refusal"])
def test_errors_of_others(text: str) -> None:
    """A word that is a code elsewhere says nothing in a sentence."""
    assert not filtered_in(400, text, "invalid_request_error") and not filtered_in(403, text)


@pytest.mark.parametrize("reason", REASONS)
def test_reasons_of_filters(reason: str) -> None:
    """As OpenAI, Azure, Gemini, Anthropic, Bedrock and Zhipu end such an answer."""
    assert is_filters(reason)


@pytest.mark.parametrize("reason", [None, "", "stop", "length", "tool_calls", "end_turn", "max_tokens", "completed"])
def test_reasons_of_answers(reason: str | None) -> None:
    """An answer that was cut short is an answer."""
    assert not is_filters(reason)


@pytest.mark.parametrize(
    "obj",
    [
        chat("content_filter"), chat("content_filter", ""), chat("SAFETY"), message("refusal"), message("refusal", ""),
        response("content_filter"), response("content_filter", ""), chat("guardrail_intervened", "Sorry, no."),
        {"choices": [], "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
        {"choices": [{"finish_reason": "content_filter", "text": ""}]},
    ],
)  # fmt: skip
def test_what_stands_in_place_of_an_answer(obj: dict[str, Any]) -> None:
    """Without text; a guardrail's text is no answer either."""
    assert filtered_answer(obj) is not None


@pytest.mark.parametrize(
    "obj",
    [
        chat("content_filter", "half an ans"), chat("stop", ""), message("refusal", "half"), message("end_turn"),
        response("content_filter", "half"), response("max_output_tokens"),
        chat("content_filter", tool_calls=[{"id": "1"}]),
        {"choices": [chat("content_filter")["choices"][0], chat("stop", "a")["choices"][0]]},
        {}, {"choices": None, "promptFeedback": []}, {"choices": [None], "output": [None], "message": "x"},
    ],
)  # fmt: skip
def test_what_is_an_answer(obj: dict[str, Any]) -> None:
    """Also where a filter ended it half way; the client has its own choices, too."""
    assert filtered_answer(obj) is None
