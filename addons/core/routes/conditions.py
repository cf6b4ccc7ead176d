"""Conditions of a rule: compiled once, each tested in about a microsecond.

1. `test(subject)` returns True, False, or None for "not known". It never raises.
2. A list within one condition means: any of these. `str()` of a condition is for traces.
3. logic.py combines them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from switchman.addons.core.request.bodyfacts import Modality
from switchman.addons.core.request.clients import Network, in_networks
from switchman.addons.core.request.tasktype import TaskType
from switchman.addons.core.routes.live import Health
from switchman.addons.core.routes.names import short
from switchman.addons.core.routes.patterns import Pattern
from switchman.addons.core.routes.subject import HAS_UNSPACED, WORD, Subject, Truth

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES: Final = 24 * 60


@dataclass(frozen=True, slots=True)
class ModelIs:
    """One of the model's names is `text`, or contains a match of `pattern`."""

    text: str
    pattern: Pattern | None = None
    longest: int = 256  # characters

    def test(self, subject: Subject) -> Truth:
        if self.pattern is None:
            return any(short(model) == short(self.text) for model in subject.models)
        return any(self.pattern.found(model[: self.longest]) for model in subject.models)

    def __str__(self) -> str:
        return f"model {self.text}"


@dataclass(frozen=True, slots=True)
class SourceIn:
    """The client's address lies in one of these networks."""

    text: str
    networks: tuple[Network, ...]

    def test(self, subject: Subject) -> Truth:
        return in_networks(subject.address, self.networks)

    def __str__(self) -> str:
        return f"source_host {self.text}"


@dataclass(frozen=True, slots=True)
class HeaderIs:
    """A request header is present and, where values or patterns are given, has one of them."""

    name: str  # lower-case
    values: frozenset[str] = frozenset()
    patterns: tuple[Pattern, ...] = ()
    longest: int = 1024  # characters

    def test(self, subject: Subject) -> Truth:
        value = subject.headers.get(self.name)
        if value is None:
            return False
        if not self.values and not self.patterns:
            return True
        return value in self.values or any(pattern.found(value[: self.longest]) for pattern in self.patterns)

    def __str__(self) -> str:
        wanted = [*sorted(self.values), *(f"/{pattern.pattern}/" for pattern in self.patterns)]
        return f"header {self.name}" + (f": {' or '.join(wanted)}" if wanted else "")


@dataclass(frozen=True, slots=True)
class TokenIs:
    """The caller's token has one of these names, globs of names, or ids; or the client's own key one of these digests
    (SHA-256, hex).
    """

    tokens: frozenset[str]

    def test(self, subject: Subject) -> Truth:
        caller = subject.caller
        if caller is not None and (caller.id in self.tokens or _fits(caller.name, self.tokens)):
            return True
        return subject.token in self.tokens

    def __str__(self) -> str:
        return f"token {_either(sorted(self.tokens))}"


@dataclass(frozen=True, slots=True)
class GroupIs:
    """The caller's token is in one of these groups; globs of names."""

    groups: frozenset[str]

    def test(self, subject: Subject) -> Truth:
        caller = subject.caller
        return caller is not None and any(_fits(group, self.groups) for group in caller.groups)

    def __str__(self) -> str:
        return f"group {_either(sorted(self.groups))}"


def _fits(name: str, globs: frozenset[str]) -> bool:
    return name in globs or any(fnmatchcase(name, glob) for glob in globs)


@dataclass(frozen=True, slots=True)
class LanguageIs:
    """The ask is in one of these languages. An ask without letters is in none."""

    codes: frozenset[str]

    def test(self, subject: Subject) -> Truth:
        return None if subject.features is None else subject.features.language in self.codes

    def __str__(self) -> str:
        return f"language {_either(sorted(self.codes))}"


@dataclass(frozen=True, slots=True)
class AskMatches:
    """The pattern matches somewhere in the ask, or in as much of it as `pattern.longest` says."""

    pattern: Pattern

    def test(self, subject: Subject) -> Truth:
        if subject.features is None:
            return None
        return self.pattern.found(subject.ask)

    def __str__(self) -> str:
        return f"regex /{self.pattern.pattern}/"


@dataclass(frozen=True, slots=True)
class Keywords:
    """The ask contains one of these words or phrases, as whole words. Made by `keywords`."""

    texts: tuple[str, ...]
    words: frozenset[str]
    phrases: tuple[tuple[str, str], ...]  # (first word, the words each between two spaces)
    unspaced: tuple[str, ...]
    marked: tuple[str, ...]  # with punctuation, such as c++

    def test(self, subject: Subject) -> Truth:
        if subject.features is None:
            return None
        words = subject.words
        if not self.words.isdisjoint(words):
            return True
        for first, phrase in self.phrases:
            if first in words and phrase in subject.spaced:
                return True
        for text in self.unspaced:
            if text in subject.folded:
                return True
        return bool(self.marked) and any(_bounded(text, subject.folded) for text in self.marked)

    def __str__(self) -> str:
        return f"keyword {_either(self.texts)}"


def keywords(texts: Sequence[str]) -> Keywords:
    """Compile keywords. Those with punctuation, or in scripts without spaces, are searched for as they stand."""
    words, phrases, unspaced, marked = [], [], [], []
    for text in texts:
        folded = " ".join(text.casefold().split())
        parts = WORD.findall(folded)
        if HAS_UNSPACED.search(folded):
            unspaced.append(folded)
        elif " ".join(parts) != folded:
            marked.append(folded)
        elif len(parts) == 1:
            words.append(folded)
        else:
            phrases.append((parts[0], f" {folded} "))
    return Keywords(tuple(texts), frozenset(words), tuple(phrases), tuple(unspaced), tuple(marked))


def _bounded(text: str, folded: str) -> bool:
    """Whether the text occurs on its own: no letter or digit touches an end of it that is one itself."""
    at = folded.find(text)
    while at >= 0:
        end = at + len(text)
        open_left = not text[0].isalnum() or at == 0 or not _is_word(folded[at - 1])
        if open_left and (not text[-1].isalnum() or end == len(folded) or not _is_word(folded[end])):
            return True
        at = folded.find(text, at + 1)
    return False


def _is_word(character: str) -> bool:
    return WORD.match(character) is not None


@dataclass(frozen=True, slots=True)
class Substrings:
    """The ask contains one of these texts, even within a word. `texts` are casefolded."""

    texts: tuple[str, ...]

    def test(self, subject: Subject) -> Truth:
        if subject.features is None:
            return None
        folded = subject.folded
        return any(text in folded for text in self.texts)

    def __str__(self) -> str:
        return f"text {_either(self.texts)}"


@dataclass(frozen=True, slots=True)
class TaskIs:
    """The task type guessed for the ask is one of these, with at least this confidence (0 to 1)."""

    tasks: frozenset[TaskType]
    min_confidence: float = 0.0

    def test(self, subject: Subject) -> Truth:
        features = subject.features
        if features is None:
            return None
        return features.task in self.tasks and features.task_confidence >= self.min_confidence

    def __str__(self) -> str:
        sure = f" (at least {self.min_confidence:g} sure)" if self.min_confidence else ""
        return f"task {_either(sorted(self.tasks))}{sure}"


@dataclass(frozen=True, slots=True)
class TokensBetween:
    """The whole prompt has an estimated size in this range of tokens, both ends included; None is open."""

    least: int | None
    most: int | None

    def test(self, subject: Subject) -> Truth:
        return None if subject.features is None else _within(subject.features.input_tokens, self.least, self.most)

    def __str__(self) -> str:
        return f"tokens {_range(self.least, self.most)}"


@dataclass(frozen=True, slots=True)
class DepthBetween:
    """The conversation has so many messages, system texts not counted; both ends included, None is open."""

    least: int | None
    most: int | None

    def test(self, subject: Subject) -> Truth:
        return None if subject.features is None else _within(subject.features.depth, self.least, self.most)

    def __str__(self) -> str:
        return f"depth {_range(self.least, self.most)}"


@dataclass(frozen=True, slots=True)
class ToolsOffered:
    """The request brings tools, or brings none: as `wanted` says."""

    wanted: bool

    def test(self, subject: Subject) -> Truth:
        return None if subject.features is None else subject.features.tools is self.wanted

    def __str__(self) -> str:
        return "tools" if self.wanted else "no tools"


@dataclass(frozen=True, slots=True)
class HasModality:
    """The conversation contains one of these modalities."""

    modalities: frozenset[Modality]

    def test(self, subject: Subject) -> Truth:
        return None if subject.features is None else not self.modalities.isdisjoint(subject.features.modalities)

    def __str__(self) -> str:
        return f"modality {_either(sorted(self.modalities))}"


@dataclass(frozen=True, slots=True)
class TimeBetween:
    """The local time of day is from `start` up to but without `end` (minutes); past midnight where end <= start.

    `days`: weekdays on which the period begins, 0 is Monday.
    """

    start: int
    end: int
    days: frozenset[int] = frozenset(range(7))

    def test(self, subject: Subject) -> Truth:
        if (now := subject.now) is None:
            return None
        if self.start < self.end:
            return self.start <= now.minute < self.end and now.weekday in self.days
        if now.minute >= self.start:
            return now.weekday in self.days
        return now.minute < self.end and (now.weekday - 1) % 7 in self.days

    def __str__(self) -> str:
        days = "" if len(self.days) == 7 else " on " + ", ".join(DAYS[day] for day in sorted(self.days))
        return f"time {_clock(self.start)}-{_clock(self.end)}{days}"


@dataclass(frozen=True, slots=True)
class MaxCost:
    """The rule's own target costs at most `limit` $ per million input tokens. `known`: its price in the rules file."""

    limit: float
    target: str
    known: float | None = None

    def test(self, subject: Subject) -> Truth:
        return None if self.known is None else self.known <= self.limit

    def __str__(self) -> str:
        return f"max_cost {self.limit:g}"


@dataclass(frozen=True, slots=True)
class MaxLatency:
    """The rule's own target has answered lately within `limit` milliseconds, at the 95th percentile."""

    limit: float
    target: str

    def test(self, subject: Subject) -> Truth:
        took = subject.live.p95_ms(self.target) if self.target else None
        return None if took is None else took <= self.limit

    def __str__(self) -> str:
        return f"max_latency {self.limit:g}"


@dataclass(frozen=True, slots=True)
class HealthIs:
    """The server's health is one of these."""

    server: str
    states: frozenset[Health]

    def test(self, subject: Subject) -> Truth:
        health = subject.live.health(self.server)
        return None if health is None else health in self.states

    def __str__(self) -> str:
        return f"provider_health {self.server} {_either(sorted(self.states))}"


def _within(number: int, least: int | None, most: int | None) -> bool:
    return (least is None or number >= least) and (most is None or number <= most)


def _range(least: int | None, most: int | None) -> str:
    return f"{least} to {most}" if None not in (least, most) else f"from {least}" if most is None else f"up to {most}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _either(texts: Sequence[str]) -> str:
    return " or ".join(texts[:6]) + (" ..." if len(texts) > 6 else "")
