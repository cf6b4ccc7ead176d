"""Whether an error says that the prompt is too long, as each provider says it, and how much would have fitted.

One table has them all (SIGNS): a code, which is compared whole, or words, which are searched for. Where the text tells
the window, the group `window` has it. Servers say it with 400 or 413; text-generation-inference with 422; llama.cpp
and Ollama's runner have said it with 500 as well; within a stream any status may stand.

A limit that is not the model's own says so in `of`: a request may be larger than all that an account may send in a
minute (Groq, OpenAI), or than the bytes that a server reads. Then the context of the next model does not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Limit = Literal["context", "rate", "size"]

STATUSES: Final = frozenset({400, 413, 422})  # of answers that may say so; 429 and 500 are looked at in any case
_OTHERS: Final = frozenset({429, 500})
_LOOKED_AT: Final = 2_000  # characters of an error; what follows may be the request itself
_LARGEST: Final = 1_000_000_000  # tokens; a larger number is none of a window


@dataclass(frozen=True, slots=True)
class Overflow:
    """A prompt was too long. `window`: the tokens that the server says it holds; None: it did not say."""

    of: Limit = "context"
    window: int | None = None

    def __str__(self) -> str:
        if self.of == "rate":
            return "the request is larger than what the account may send in a minute"
        if self.of == "size":
            return "the request has more bytes than the server takes"
        held = f", which holds {self.window} tokens" if self.window is not None else ""
        return f"the prompt is too long for its context{held}"


@dataclass(frozen=True, slots=True)
class Sign:
    """How one provider says it. `source`: where that was seen."""

    provider: str
    source: str
    words: re.Pattern[str] | None = None
    codes: frozenset[str] = frozenset()
    of: Limit = "context"
    statuses: frozenset[int] = frozenset()  # none: STATUSES without 422, and 500


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


_PI: Final = "pi-mono/packages/ai/src/utils/overflow.ts"
_N: Final = r"(?P<window>\d[\d,]*)"
SIGNS: Final[tuple[Sign, ...]] = (
    # Limits of an account first: their words are about tokens, too.
    Sign("Groq, OpenAI", "continuedev/continue#10218, vanna-ai/vanna-flask#11", of="rate",
         statuses=frozenset({413, 429}), words=_words(r"request too large for .{0,200}\btokens per min")),
    Sign("Anthropic", "platform.claude.com/docs/en/api/errors", codes=frozenset({"request_too_large"}), of="size"),
    Sign("OpenAI, Azure, Groq, vLLM", "FoundationAgents/OpenManus#62, OpenHands/OpenHands#1902", words=_words(
        rf"maximum context length (?:is|of) {_N}"), codes=frozenset({"context_length_exceeded"})),
    Sign("OpenAI Responses", _PI, words=_words(r"exceeds the context window")),
    Sign("Azure", "BerriAI/litellm, tests of exception_mapping_utils", words=_words(
        rf"input tokens exceed the configured limit of {_N}")),
    Sign("Anthropic", "stackblitz/bolt.new#1748", words=_words(rf"prompt is too long(?:: \d+ tokens > {_N} maximum)?")),
    Sign("Anthropic, Bedrock", "docker/docker-agent#569", words=_words(
        rf"input length and `?max_tokens`? exceed context limit(?:: \d+ \+ \d+ > {_N})?")),
    Sign("Gemini", "google-gemini/gemini-cli#6678", words=_words(
        rf"input token count.{{0,20}} exceeds the maximum number of tokens allowed(?: \({_N}\))?")),
    Sign("Mistral", _PI, words=_words(rf"too large for model with {_N} maximum context length")),
    Sign("DeepSeek", "evalstate/fast-agent#621", words=_words(rf"maximum context length is {_N} tokens")),
    Sign("Groq", "OpenHands/OpenHands#1902", words=_words(r"reduce the length of the (?:messages|prompt|input)")),
    Sign("xAI", "cline/cline#3120", words=_words(rf"maximum prompt length is {_N}")),
    Sign("Together, SGLang", "QwenLM/Qwen3#1321", words=_words(
        rf"longer than the model'?s context length(?: \({_N} tokens\))?")),
    Sign("SGLang", "sgl-project/sglang", words=_words(
        rf"token count exceeds the model'?s maximum context length(?: of {_N})?")),
    Sign("OpenRouter", "ThinkInAIXYZ/deepchat#1320", words=_words(rf"endpoint'?s maximum context length is {_N}")),
    Sign("Bedrock", "strandsagents.com, strands.models.bedrock", words=_words(
        r"input is too long for requested model|too many total text bytes|input length exceeds context window")),
    Sign("vLLM", "Gabesarch/grounded-rl#16", words=_words(
        rf"prompt \(length \d+\) is longer than the maximum model length of {_N}")),
    Sign("llama.cpp", "ggml-org/llama.cpp, tools/server/server-context.cpp", words=_words(
        rf"exceeds? the available context size(?: \({_N} tokens\))?"),
        codes=frozenset({"exceed_context_size_error"})),
    Sign("llama-cpp-python", "abetlen/llama-cpp-python#416", words=_words(
        rf"requested tokens (?:\(\d+\) )?exceed context window of {_N}")),
    Sign("Ollama", "nano-step/nano-brain#208, ITSpecialist111/ai_automation_suggester#37", words=_words(
        r"input (?:length )?exceeds (?:the |maximum )?context length")),
    Sign("LM Studio", "lmstudio-ai/lmstudio-bug-tracker#546", words=_words(
        rf"loaded with context length of only {_N} tokens")),
    Sign("LM Studio", "Gitlawb/openclaude#353, anomalyco/opencode#2259", words=_words(
        rf"greater than the context length(?: \(n_keep: \d+ ?>= ?n_ctx: {_N}\))?")),
    Sign("LM Studio", "anomalyco/opencode#11141", words=_words(
        rf"cannot truncate prompt with n_keep \(\d+\) >= n_ctx \({_N}\)")),
    Sign("TGI, Together", "stanford-crfm/helm#2079, huggingface/chat-ui#1149",
         statuses=frozenset({400, 413, 422, 424}),
         words=_words(rf"\A.{{0,60}}`inputs` tokens \+ `max_new_tokens` must be <= {_N}")),
    Sign("TGI", "huggingface/text-generation-inference, router/src/validation.rs",
         statuses=frozenset({400, 413, 422, 424}),
         words=_words(rf"\A.{{0,60}}`inputs` must have less than {_N} tokens")),
    Sign("GitHub Copilot", _PI, words=_words(rf"prompt token count of \d+ exceeds the limit of {_N}"),
         codes=frozenset({"model_max_prompt_tokens_exceeded"})),
    Sign("MiniMax, Kimi, Zhipu", _PI, words=_words(
        rf"context window exceeds limit|exceeded model token limit(?:: {_N})?|prompt exceeds max length")),
    Sign("LiteLLM proxy", "docs.litellm.ai/docs/exception_mapping", words=_words(r"ContextWindowExceededError")),
)  # fmt: skip
_USUAL: Final = (STATUSES - {422}) | {500}
# What a chart counts as such an error: also what is said less exactly than a decision needs.
_BROAD: Final = _words(
    r"context.{0,2}(length|window|size)|(maximum|max).{0,20}context|prompt.{0,8}(is )?too long|input.{0,12}too long"
    r"|too many (input )?tokens|input token count|reduce the length of the (messages|prompt|input)"
)


def overflow_in(status: int | None, message: str, *codes: str | None) -> Overflow | None:
    """The overflow that an error tells of; None where it tells of none.

    `status`: of the answer; None for an error within a stream, or behind a good status. `codes`: its type and code.
    """
    if status is not None and status not in STATUSES | _OTHERS and status != 424:
        return None
    text = message[:_LOOKED_AT]
    found: Overflow | None = None
    for sign in SIGNS:
        if status is not None and status not in (sign.statuses or _USUAL):
            continue
        said = sign.words.search(text) if sign.words is not None else None
        if said is None and sign.codes.isdisjoint(code for code in codes if code):
            continue
        window = _window(said)
        if sign.of != "context" or window is not None:
            return Overflow(sign.of, window)
        found = found or Overflow()  # another sign may tell the window
    return found


def mentions_length(text: str) -> bool:
    """Whether the text of an error is about the length of a prompt, for what needs no certainty."""
    return _BROAD.search(text[:_LOOKED_AT]) is not None


def _window(said: re.Match[str] | None) -> int | None:
    digits = said.groupdict().get("window") if said is not None else None
    if not digits or len(digits) > len(f"{_LARGEST:,}"):
        return None
    tokens = int(digits.replace(",", ""))
    return tokens if 0 < tokens <= _LARGEST else None
