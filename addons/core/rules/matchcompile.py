"""Compile a `match` as written into a Match: ranges are parsed once, patterns compiled once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from switchman.addons.core.routes.conditions import (
    DAYS,
    AskMatches,
    DepthBetween,
    GroupIs,
    HasModality,
    HeaderIs,
    HealthIs,
    LanguageIs,
    MaxCost,
    MaxLatency,
    ModelIs,
    SourceIn,
    Substrings,
    TaskIs,
    TimeBetween,
    TokenIs,
    TokensBetween,
    ToolsOffered,
    keywords,
)
from switchman.addons.core.routes.logic import AllOf, AnyOf, Not
from switchman.addons.core.routes.patterns import compile_pattern, is_pattern
from switchman.addons.core.routes.routes import MAX_MATCHED_CHARACTERS, Match
from switchman.addons.core.routes.subject import Condition
from switchman.addons.core.rules.matchfile import MatchFile, TimeFile, minutes_between, source_networks


@dataclass(frozen=True, slots=True)
class OwnTarget:
    """The target of max_cost and max_latency: the rule's first one ("" for no single one), and its price if known."""

    name: str = ""
    input_cost: float | None = None


def compile_match(written: MatchFile, target: OwnTarget) -> Match:
    """Compile a validated match; nothing here fails. Model and source stay apart: they are tested first."""
    text, host = written.model, written.source_host
    pattern = compile_pattern(text) if text is not None and is_pattern(text) else None
    parts = [part for key, part in _parts(written, target) if key not in ("model", "source_host")]
    condition = None if not parts else parts[0] if len(parts) == 1 else AllOf(tuple(parts))
    return Match(text, pattern, source_networks(host) if host is not None else None, host, condition)


def _condition(written: MatchFile, target: OwnTarget) -> Condition:
    parts = tuple(part for _, part in _parts(written, target))
    return parts[0] if len(parts) == 1 else AllOf(parts)


def _parts(written: MatchFile, target: OwnTarget) -> Iterable[tuple[str, Condition]]:
    """The conditions in the order of `_BUILDERS`: cheap ones first, nested ones last."""
    for key, build in _BUILDERS.items():
        value = getattr(written, key)
        if value is not None:
            yield key, build(value, target)


def _model(text: str, target: OwnTarget) -> Condition:
    return ModelIs(text, compile_pattern(text) if is_pattern(text) else None, MAX_MATCHED_CHARACTERS)


def _headers(wanted: Mapping[str, list[str]], target: OwnTarget) -> Condition:
    parts = []
    for name, values in wanted.items():
        plain = frozenset(value for value in values if not is_pattern(value))
        patterns = tuple(compile_pattern(value) for value in values if is_pattern(value))
        parts.append(HeaderIs(name.lower(), plain, patterns))
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _time(written: TimeFile, target: OwnTarget) -> Condition:
    start, end = minutes_between(written.between)
    return TimeBetween(start, end, frozenset(DAYS.index(day) for day in written.days))


def _health(wanted: Mapping[str, list[Any]], target: OwnTarget) -> Condition:
    parts = tuple(HealthIs(server, frozenset(states)) for server, states in wanted.items())
    return parts[0] if len(parts) == 1 else AllOf(parts)


def _all(parts: list[MatchFile], target: OwnTarget) -> Condition:
    return AllOf(tuple(_condition(part, target) for part in parts))


def _any(parts: list[MatchFile], target: OwnTarget) -> Condition:
    return AnyOf(tuple(_condition(part, target) for part in parts))


# key of MatchFile -> the function that builds the condition from its value
_BUILDERS: dict[str, Callable[[Any, OwnTarget], Condition]] = {
    "model": _model,
    "source_host": lambda host, target: SourceIn(host, source_networks(host)),
    "token": lambda tokens, target: TokenIs(frozenset(tokens)),
    "group": lambda groups, target: GroupIs(frozenset(groups)),
    "task": lambda task, target: TaskIs(frozenset(task.types), task.min_confidence),
    "language": lambda codes, target: LanguageIs(frozenset(code.lower() for code in codes)),
    "tools": lambda wanted, target: ToolsOffered(wanted),
    "modalities": lambda names, target: HasModality(frozenset(names)),
    "tokens": lambda size, target: TokensBetween(size.min, size.max),
    "depth": lambda size, target: DepthBetween(size.min, size.max),
    "time": _time,
    "header": _headers,
    "max_cost": lambda limit, target: MaxCost(limit, target.name, target.input_cost),
    "max_latency": lambda limit, target: MaxLatency(limit, target.name),
    "provider_health": _health,
    "keywords": lambda texts, target: keywords(texts),
    "keywords_substring": lambda texts, target: Substrings(tuple(text.casefold() for text in texts)),
    "regex": lambda text, target: AskMatches(compile_pattern(text)),
    "all": _all,
    "any": _any,
    "not_": lambda part, target: Not(_condition(part, target)),
}
