"""Guess the type of a task by weighted cues: a linear model whose cues and weights are data (rules/tasktype.json).

    TaskRules.of(data).guess(text) -> TaskGuess     the most likely type, its confidence, and the score of each type

Each signal of the text (tasksignals.py) adds its weights to the eight types; a softmax turns the sums into shares.
scripts/bench/fit_tasktype.py fits the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, fsum
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

from switchman.addons.core.request.tasksignals import Cues

TaskType = Literal["coding", "translation", "analysis", "math", "creative", "chat", "summarization", "general"]
TASK_TYPES: Final[tuple[TaskType, ...]] = get_args(TaskType)


@dataclass(frozen=True, slots=True)
class TaskGuess:
    """`confidence` is the share of the best type, 0 to 1; `scores` has all of them."""

    task: TaskType
    confidence: float
    scores: Mapping[TaskType, float]


UNKNOWN: Final = TaskGuess("general", 0.0, MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class TaskRules:
    """Cues, the weights of their signals (one per type, in the order of TASK_TYPES), and the softmax's sharpness."""

    cues: Cues
    weights: Mapping[str, tuple[float, ...]]
    bias: tuple[float, ...]
    sharpness: float = 1.0

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> TaskRules:
        """Compile the parsed rules file. ValueError where it does not fit these types."""
        types = data.get("types")
        if types is None or tuple(types) != TASK_TYPES:
            raise ValueError(f"types: expected {', '.join(TASK_TYPES)}, in this order")
        weights = {name: tuple(float(weight) for weight in row) for name, row in data["weights"].items()}
        bias = tuple(float(weight) for weight in data["bias"])
        for name, row in [("bias", bias), *weights.items()]:
            if len(row) != len(TASK_TYPES):
                raise ValueError(f"{name}: expected {len(TASK_TYPES)} weights, found {len(row)}")
        return cls(Cues.of(data["cues"]), weights, bias, float(data.get("sharpness", 1.0)))

    def guess(self, text: str) -> TaskGuess:
        """Guess the type of task that the text asks for. UNKNOWN for an empty text, or one without a known signal."""
        if not text or text.isspace():
            return UNKNOWN
        known = [row for name in self.cues.signals(text) if (row := self.weights.get(name)) is not None]
        if not known:
            return UNKNOWN
        sums = [fsum(column) for column in zip(self.bias, *known, strict=True)]
        # fsum does not depend on the order of the set, so every process has the same shares to the last bit.
        top = max(sums)
        parts = [exp((value - top) * self.sharpness) for value in sums]
        whole = sum(parts)
        scores = {task: part / whole for task, part in zip(TASK_TYPES, parts, strict=True)}
        best = max(range(len(parts)), key=lambda index: parts[index])
        return TaskGuess(TASK_TYPES[best], scores[TASK_TYPES[best]], MappingProxyType(scores))
