"""Price: what the parts of an answer cost. Usage: how much of each part an answer took.

Both have the same parts, which do not overlap: a token is of one part only. Money is whole micro-dollars (a million
to the dollar); a price is micro-dollars per million of what is counted, so that every published figure is exact:
$0.0375 per million tokens is 37,500.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

MILLION: Final = 1_000_000

# The most that is taken for a count: what is more is no count. Below it, no cost overflows a database's 64 bits.
MOST: Final = 10**10
DEAREST: Final = 10**12  # $1,000,000 per million tokens

# Tokens, by whether they went in or came out.
INPUTS: Final = (
    "input", "cached", "cache_write_5m", "cache_write_1h", "audio_in", "audio_cached", "image_in", "image_cached",
)  # fmt: skip
OUTPUTS: Final = ("output", "reasoning", "audio_out", "image_out")
PARTS: Final = (*INPUTS, *OUTPUTS, "images", "audio_ms")


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer took, in tokens: whole parts, which add up.

    `input`: text that no other part has. `cached`: text that was read from the provider's cache. `cache_write_5m`:
    written to it, to be kept for the provider's usual time (Anthropic: 5 minutes, OpenAI: 30). `cache_write_1h`: to be
    kept for longer (1 hour; 12 hours). `reasoning`: thoughts, shown or not. `output`: all other text.
    `images`: how many were made, where no tokens are counted for them. `audio_ms`: milliseconds, likewise.
    `tools`: uses of the provider's own tools, by name. `service`: how it was served ("flex", "priority", "fast", ...),
    "" for as usual. `stated`: what the answer itself says it cost, in micro-dollars.
    `more`: further calls of the same model on the way to the answer, such as Anthropic's compactions: each has a price
    of its own length. `partial`: the answer broke off before it told all, or does not tell all; the parts are the
    least that it took.
    """

    input: int = 0
    cached: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    audio_in: int = 0
    audio_cached: int = 0
    image_in: int = 0
    image_cached: int = 0
    output: int = 0
    reasoning: int = 0
    audio_out: int = 0
    image_out: int = 0
    images: int = 0
    audio_ms: int = 0
    tools: tuple[tuple[str, int], ...] = ()
    service: str = ""
    stated: int | None = None
    more: tuple[Usage, ...] = ()
    partial: bool = False

    @property
    def input_tokens(self) -> int:
        """All tokens that went in, cached ones and those written to the cache included."""
        return self.length + sum([step.input_tokens for step in self.more])

    @property
    def output_tokens(self) -> int:
        """All tokens that came out, thoughts included."""
        made = self.output + self.reasoning + self.audio_out + self.image_out
        return made + sum([step.output_tokens for step in self.more])

    @property
    def cached_tokens(self) -> int:
        """All tokens that were read from the provider's cache."""
        read = self.cached + self.audio_cached + self.image_cached
        return read + sum([step.cached_tokens for step in self.more])

    @property
    def length(self) -> int:
        """Tokens of the prompt, by which the price may differ."""
        text = self.input + self.cached + self.cache_write_5m + self.cache_write_1h
        return text + self.audio_in + self.audio_cached + self.image_in + self.image_cached


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of some days of the week, UTC. `days`: 1 (Monday) to 7. Minutes of the day, the end not included."""

    days: frozenset[int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Price:
    """What each part costs, in micro-dollars per million. One that is missing is not known, which is not zero.

    `parts`: by their names, PARTS. `tools`: per million uses. `bands`: prices from more than so many input tokens on,
    for the whole answer, in their order. `services`: prices where it is served otherwise than as usual. `off_peak`: the
    price in the hours of `off_peak_at`. `states`: the provider tells the cost in its answers, which counts more than
    the parts.
    """

    parts: Mapping[str, int] = field(default_factory=dict)
    tools: Mapping[str, int] = field(default_factory=dict)
    bands: tuple[tuple[int, Price], ...] = ()
    services: Mapping[str, Price] = field(default_factory=dict)
    off_peak: Price | None = None
    off_peak_at: tuple[Window, ...] = ()
    states: bool = False

    @property
    def input(self) -> int | None:
        """Of a million tokens of text that go in."""
        return self.parts.get("input")

    @property
    def output(self) -> int | None:
        """Of a million tokens of text that come out."""
        return self.parts.get("output")

    @property
    def is_free(self) -> bool:
        """Whether nothing costs anything."""
        return self is FREE or self == FREE

    def served(self, service: str) -> Price | None:
        """The price of an answer that was served so; None where it is not known."""
        return self if not service else self.services.get(service)

    def at(self, when: float | None) -> Price:
        """The price at a time (epoch seconds); None for the dearer one."""
        if self.off_peak is None or when is None or not any(_within(window, when) for window in self.off_peak_at):
            return self
        return self.off_peak

    def for_length(self, input_tokens: int) -> Price:
        """The price of an answer to so many tokens."""
        found = self
        for above, price in self.bands:
            if input_tokens > above:
                found = price
        return found

    def all_up_to(self, input_tokens: int) -> Iterator[Price]:
        """Each price that an answer to at most so many tokens may have."""
        yield self
        yield from (price for above, price in self.bands if input_tokens > above)


FREE: Final = Price(dict.fromkeys(PARTS, 0))
STATED: Final = Price(states=True)  # known by what its answers say, only


def _within(window: Window, when: float) -> bool:
    days, seconds = divmod(int(when), 86_400)
    minute = seconds // 60
    weekday = (days + 3) % 7 + 1  # the first of January 1970 was a Thursday
    return weekday in window.days and window.start <= minute < window.end
