"""Features: all that the decision layers know of a request, as one value.

    features_of(body, dialect, operation, tasks) -> Features

Pure and bounded: a 2,000-character prompt takes well under a millisecond, and of a huge one head and tail are read.
`tasks` are the task-type rules (rules/tasktype.json, read by the caller); without them every task is `general`, with
confidence 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from switchman.addons.core.request.bodyfacts import BodyFacts, Modality, body_facts
from switchman.addons.core.request.call import DialectName, Operation
from switchman.addons.core.request.language import language_of
from switchman.addons.core.request.tasktype import UNKNOWN, TaskGuess, TaskRules, TaskType

__all__ = ["Features", "features_of"]


@dataclass(frozen=True, slots=True)
class Features:
    """The features of one request.

    `ask`: the person's last words ("" where there are none). `system`: the system text. `task` with `task_confidence`
    (0 to 1: how often such a guess is right) and `task_scores` per type (they add up to 1). `language`: ISO 639-1,
    "und" if unknown. `input_tokens` is an estimate of the whole prompt, tools included. `modalities`: those that occur
    in the conversation. `depth`: messages, system texts not counted; `turns`: the person's. `max_tokens`: the requested
    output size. `single_turn`: the only message is a person's. `tool_turn`: the last message is a tool's result.
    `truncated`: `ask` is the head and tail of a longer one, and must not be compared as if it were whole.
    """

    dialect: DialectName | None
    operation: Operation | None
    ask: str
    system: str
    task: TaskType
    task_confidence: float
    task_scores: Mapping[TaskType, float] = field(default_factory=lambda: MappingProxyType({}))
    language: str = "und"
    input_tokens: int = 0
    modalities: frozenset[Modality] = frozenset({"text"})
    tools: bool = False
    depth: int = 0
    turns: int = 0
    max_tokens: int | None = None
    single_turn: bool = False
    tool_turn: bool = False
    truncated: bool = False


def features_of(
    body: Mapping[str, Any],
    dialect: DialectName | None = None,
    operation: Operation | None = None,
    tasks: TaskRules | None = None,
) -> Features:
    """The features of a parsed request body. Never raises on JSON, whatever its shape."""
    facts: BodyFacts = body_facts(body)
    guess: TaskGuess = tasks.guess(facts.ask) if tasks is not None else UNKNOWN
    return Features(
        dialect=dialect,
        operation=operation,
        ask=facts.ask,
        system=facts.system,
        task=guess.task,
        task_confidence=guess.confidence,
        task_scores=guess.scores,
        language=language_of(facts.ask),
        input_tokens=facts.tokens,
        modalities=facts.modalities,
        tools=facts.tools,
        depth=facts.depth,
        turns=facts.turns,
        max_tokens=facts.max_tokens,
        single_turn=facts.single_turn,
        tool_turn=facts.tool_turn,
        truncated=facts.truncated,
    )
