"""The most tokens that a request can take, before it goes out; and an estimate of those that its answer took.

A budget must hold the most: of a text every tokenizer of today makes at most one token of each byte of UTF-8, and what
a chat template puts around a message is shorter than the JSON that it comes in. What a request only names (pictures,
files, an earlier conversation) is not in its bytes, and is bounded by the model's context length, or by FAR.

Tokens a minute are counted by an estimate first, as providers do it: the most would be four times as many.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any, Final, NamedTuple

from switchman.addons.core.request.call import GENERATING, Call, Operation
from switchman.addons.core.request.tokens import COUNTED, PER_IMAGE, estimated_total

# Operations whose cost tokens bound. Others have a price per picture, second or page.
COUNTED_IN_TOKENS: Final[frozenset[Operation]] = frozenset(
    {*GENERATING, "embedding", "embedding_legacy", "infill", "count_tokens", "tokenize", "moderation", "show"}
)
FREE: Final[frozenset[Operation]] = frozenset({"count_tokens", "tokenize", "moderation", "show"})

TEMPLATE: Final = 256  # tokens of a system prompt that a server adds by itself
TOOLS: Final = 1_024  # the same where tools are offered (Anthropic's takes up to 735)
PICTURE: Final = 50_000  # the dearest way to count one (gpt-4o-mini's: 8 tiles of 5,667 and 2,833)
FAR: Final = 1_000_000  # where there is no other bound: the longest context on offer
OUTPUT: Final = 36_864  # of an answer whose length the request does not bound: what translation asks Anthropic for
OUTPUT_ESTIMATE: Final = 1_024  # the same, for tokens a minute
MOST: Final = 10**12  # keeps what a client writes into max_tokens within whole numbers of Redis and SQLite

# By operation of OpenAI's: what bounds an answer. Another one's name bounds nothing, as no server has to look at it.
_SIZES: Final[Mapping[str, tuple[str, ...]]] = {
    "chat": ("max_completion_tokens", "max_tokens"),
    "completion": ("max_tokens",),
    "responses": ("max_output_tokens",),
    "infill": ("n_predict",),
}
_OTHERS: Final = {"anthropic": ("max_tokens",), "ollama": ("num_predict",)}  # Ollama's in its `options`
_ALL_SIZES: Final = ("max_completion_tokens", "max_tokens", "max_output_tokens", "n_predict", "num_predict")
# Parts of a message by their type: a picture; and what is not in the bytes of the request, or packed in them.
_PICTURES: Final = frozenset({"image", "image_url", "input_image"})
_FAR: Final = frozenset(
    {"document", "file", "input_file", "audio_url", "video", "video_url", "input_video", "item_reference"}
)
_NAMED: Final = ("previous_response_id", "conversation", "container", "mcp_servers", "web_search_options")
# Types of tools that the client itself runs; Anthropic's have a date behind them.
_OWN_TOOLS: Final = (
    "function",
    "custom",
    "bash",
    "text_editor",
    "computer",
    "memory",
    "local_shell",
    "shell",
    "apply_",
)
_LONGEST: Final = 40  # digits of a number that is written as text
_FEW: Final = 16_384  # characters: reading so many anew costs less than the features of a request


class Bound(NamedTuple):
    """Tokens. `most_in`, `most_out`: what a budget holds. `about_in`, `about_out`: estimates, for tokens a minute."""

    most_in: int = 0
    most_out: int = 0
    about_in: int = 0
    about_out: int = 0

    def within(self, context: int | None) -> int:
        """`most_in` on a model of this context length."""
        return self.most_in if context is None else min(self.most_in, context)


def bound_of(call: Call, estimated: int | None = None) -> Bound:
    """The bounds of a request. `estimated`: tokens of its prompt, where somebody has counted them already."""
    asked, times = _asked(call), _times(call.body)
    generates = call.endpoint.operation in GENERATING or call.endpoint.operation in ("infill", "other")
    most_out = min(MOST, (OUTPUT if asked is None else asked) * times) if generates else 0
    about_out = min(MOST, (OUTPUT_ESTIMATE if asked is None else asked) * times) if generates else 0
    return Bound(_most_in(call), most_out, _about(call.text) if estimated is None else estimated, about_out)


def _most_in(call: Call) -> int:
    text, body = call.text, call.body
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if call.form is not None or _is_far(body):
        return max(size, FAR)
    pictures = 0
    for message in _messages(body):
        found = _pictures(message)
        if found is None:
            return max(size, FAR)
        pictures += found
    return size + PICTURE * pictures + (TOOLS if body.get("tools") else TEMPLATE)


def _is_far(body: Mapping[str, Any]) -> bool:
    """Whether more goes in than the request holds: an earlier conversation, or what the provider's own tools bring."""
    if any(body.get(name) for name in _NAMED) or isinstance(body.get("prompt"), dict):
        return True
    tools = body.get("tools")
    kinds = [tool.get("type", "custom") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    return not all(isinstance(kind, str) and kind.startswith(_OWN_TOOLS) for kind in kinds)


def _messages(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if isinstance(body.get("images"), list):  # Ollama's generate
        yield body
    for key in ("messages", "input"):
        listed = body.get(key)
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict) and not (len(one) == 2 and isinstance(one.get("content"), str)):
                yield one


def _pictures(message: Mapping[str, Any], depth: int = 0) -> int | None:
    """How many pictures a message or part has; None where it names what is not there."""
    kind = str(message.get("type"))
    if kind in _PICTURES:
        return 1
    if kind in _FAR or depth > 4:
        return None
    images = message.get("images")
    count = len(images) if isinstance(images, list) else 0
    for key in ("content", "output"):
        parts = message.get(key)
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                if (found := _pictures(part, depth + 1)) is None:
                    return None
                count += found
    return count


def _asked(call: Call) -> int | None:
    """The most tokens that the request lets an answer have; None for no bound."""
    body, options = call.body, call.body.get("options")
    inner: Mapping[str, Any] = options if isinstance(options, Mapping) else {}
    source = inner if call.dialect == "ollama" else body
    names = _SIZES.get(call.endpoint.operation, ()) if call.dialect == "openai" else _OTHERS[call.dialect]
    bounds = [_count(source[name]) for name in names if source.get(name) is not None]
    most = 0
    for where in (body, inner) if inner else (body,):
        for name in _ALL_SIZES:
            if (value := where.get(name)) is not None:
                most = max(most, _count(value) or 0)
    is_bound = bounds and None not in bounds  # what is no number of tokens may be taken as no bound
    return most if is_bound or most > OUTPUT else None


def _count(value: Any) -> int | None:
    """What a server may read as a number of tokens, or of answers: many take `"50"` and 50.0 as well. None: as none."""
    if type(value) is int:
        return min(value, MOST) if value > 0 else None
    if isinstance(value, bool) or not isinstance(value, float | str):
        return None
    if isinstance(value, str) and len(value) > _LONGEST:
        return MOST
    try:
        number = float(value)
    except ValueError:
        return None
    return ceil(min(number, MOST)) if number > 0 else None


def _times(body: Mapping[str, Any]) -> int:
    """How many answers are asked for: `n`, or `best_of`, of which only some are given; for each of several prompts."""
    prompts = body.get("prompt")
    times = 1
    for name in ("n", "best_of"):
        if (value := body.get(name)) is not None:
            times = max(times, _count(value) or 1)
    if isinstance(prompts, list) and len(prompts) > 1 and isinstance(prompts[0], str | list):
        times *= len(prompts)
    return min(times, 10_000)


def _about(text: str) -> int:
    """Tokens of a body as JSON: a few more than of its prompt. One with pictures in it is not read as text."""
    if len(text) > _FEW and (";base64," in text or '"base64"' in text or '"images"' in text):
        return COUNTED // 4 + PER_IMAGE
    return estimated_total([text])


def passed(events: int, size: int, least: int) -> int:
    """About how many tokens a stream had brought that broke off: one for each event, and one for each four bytes by
    which events are longer than the shortest.
    """
    return events + max(0, size - events * least) // 4 if events else 0
