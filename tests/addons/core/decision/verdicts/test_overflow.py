"""Whether an error says that the prompt is too long, in the words of each provider, and the window that it tells."""

from __future__ import annotations

import pytest

from switchman.addons.core.decision.verdicts.overflow import SIGNS, Overflow, mentions_length, overflow_in

# Status, message, type or code, and the window: as the sources in SIGNS have them.
SAID: list[tuple[int, str, str, int | None]] = [
    (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
     "context_length_exceeded", 8192),
    (400, "Your input exceeds the context window of this model. Please adjust your input.", "", None),
    (400, "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 509178.", "", 272000),
    (400, "prompt is too long: 213462 tokens > 200000 maximum", "invalid_request_error", 200000),
    (400, "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease", "", 200000),
    (400, "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576).", "", 1048576),
    (400, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length", "", 32768),
    (400, "This model's maximum context length is 131072 tokens. However, you requested 131134 tokens",
     "invalid_request_error", 131072),
    (400, "Please reduce the length of the messages or completion.", "context_length_exceeded", None),
    (400, "This model's maximum prompt length is 131072 but the request contains 136973 tokens.", "", 131072),
    (400, "The input (516368 tokens) is longer than the model's context length (262144 tokens).", "", 262144),
    (400, "Requested token count exceeds the model's maximum context length of 40960 tokens.", "", 40960),
    (400, "This endpoint's maximum context length is 128000 tokens. However, you requested about 130000", "", 128000),
    (400, "Input is too long for requested model.", "ValidationException", None),
    (400, "The decoder prompt (length 10127) is longer than the maximum model length of 8192.", "", 8192),
    (400, "request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it",
     "exceed_context_size_error", 8192),
    (500, "the request exceeds the available context size. try increasing the context size", "server_error", None),
    (400, "Requested tokens (5000) exceed context window of 4096", "", 4096),
    (400, "the input length exceeds the context length", "", None),
    (500, "input exceeds context length", "", None),
    (400, "Trying to keep the first 111490 tokens when context the overflows. However, the model is loaded with "
     "context length of only 32768 tokens, which is not enough.", "", 32768),
    (400, "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: 13055>= "
     "n_ctx: 4096). Try to load the model with a larger context length", "", 4096),
    (400, "Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)", "", 7424),
    (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 2019 `inputs` tokens", "",
     2048),
    (422, "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000", "validation", 4096),
    (400, "prompt token count of 200000 exceeds the limit of 128000", "model_max_prompt_tokens_exceeded", 128000),
    (400, "invalid params, context window exceeds limit", "", None),
    (400, "Your request exceeded model token limit: 262144 (requested: 270000)", "", 262144),
    (400, "litellm.ContextWindowExceededError: litellm.BadRequestError", "", None),
]  # fmt: skip
RATES = [
    (413, "Request too large for model `llama-3.3-70b-versatile` in organization `org_x` service tier `on_demand` on "
     "tokens per minute (TPM): Limit 12000, Requested 14137, please reduce your message size and try again."),
    (429, "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Requested 61337."),
]  # fmt: skip
# What a server may say that is no overflow.
OTHERS = [
    (400, "Unrecognized request argument supplied: context_window", ""),
    (400, "max_tokens (384000) exceeds model's maximum output tokens (65536)", ""),
    (400, "Invalid 'temperature': the value is too large", "invalid_request_error"),
    (429, "Rate limit reached for gpt-4.1 on tokens per min (TPM): Limit 30000, Used 28039, Requested 3906.", "tokens"),
    (413, "<html>413 Request Entity Too Large</html>", ""),
    (422, '[{"loc":["body"],"input":"this model\'s maximum context length is 8192 tokens"}]', ""),
    (422, "value is wrong in: prompt is too long: 5 tokens > 4 maximum", ""),
    (401, "This model's maximum context length is 8192 tokens", ""),
    (503, "This model's maximum context length is 8192 tokens", "context_length_exceeded"),
]


@pytest.mark.parametrize(("status", "message", "code", "window"), SAID)
def test_what_providers_say_is_an_overflow(status: int, message: str, code: str, window: int | None) -> None:
    """With its window where it is told; and within a stream, which has no status of its own."""
    assert overflow_in(status, message, code, None) == Overflow("context", window)
    assert overflow_in(None, message, code) == Overflow("context", window)
    assert overflow_in(status, f"Error: {message}".upper()[:20] + message) is not None or status == 422


@pytest.mark.parametrize("code", ["context_length_exceeded", "exceed_context_size_error"])
def test_a_code_is_enough(code: str) -> None:
    """Whatever the words beside it are."""
    assert overflow_in(400, "no", code) == overflow_in(413, "no", None, code) == Overflow()
    assert overflow_in(400, f"no {code} was seen here") is None


@pytest.mark.parametrize(("status", "message"), RATES)
def test_a_request_larger_than_a_minutes_tokens_is_no_matter_of_context(status: int, message: str) -> None:
    """The number in it is no window."""
    assert overflow_in(status, message, "tokens", "rate_limit_exceeded") == Overflow("rate")
    assert overflow_in(None, message) == Overflow("rate")


def test_a_request_of_too_many_bytes_is_no_matter_of_context_either() -> None:
    """Anthropic says so by a type of its own."""
    assert overflow_in(413, "Request exceeds the maximum size", "request_too_large") == Overflow("size")


@pytest.mark.parametrize(("status", "message", "code"), OTHERS)
def test_what_is_said_of_other_things_is_none(status: int, message: str, code: str) -> None:
    """Nor what a text from the request says, which a server repeats."""
    assert overflow_in(status, message, code) is None


@pytest.mark.parametrize("number", ["0", "99999999999", "9" * 400, "1,000,000,001"])
def test_a_number_that_is_no_window_is_none(number: str) -> None:
    """It is an overflow all the same."""
    assert overflow_in(400, f"maximum context length is {number} tokens") == Overflow()


def test_a_long_error_is_read_at_its_beginning() -> None:
    """What follows may be the request itself."""
    assert overflow_in(400, "x" * 3000 + "prompt is too long") is None
    assert mentions_length("x" * 3000 + "prompt is too long") is False


def test_every_sign_has_its_source() -> None:
    """Of each provider that is spoken to."""
    assert all(sign.source and (sign.words or sign.codes) for sign in SIGNS)
    named = " ".join(sign.provider for sign in SIGNS)
    for provider in (
        "OpenAI", "Anthropic", "Azure", "Gemini", "Mistral", "DeepSeek", "Groq", "xAI", "Together", "OpenRouter",
        "Bedrock", "vLLM", "llama.cpp", "Ollama", "LM Studio", "SGLang", "TGI",
    ):  # fmt: skip
        assert provider in named


def test_in_words() -> None:
    """For the trace."""
    assert str(Overflow()) == "the prompt is too long for its context"
    assert str(Overflow(window=8192)) == "the prompt is too long for its context, which holds 8192 tokens"
    assert "minute" in str(Overflow("rate")) and "bytes" in str(Overflow("size"))
