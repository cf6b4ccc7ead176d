"""Makes rules/tasktype.json: the weights of the task-type cues, from labelled prompts.

    scripts/bench/fit_tasktype.py [--data FILE.jsonl ...] [--out FILE] [--hold-out]

The prompts are those of scripts/bench/prompts (written for this, in the manner of many sources) and any --data files
in the format of evaldata (text, label, lang, source). --hold-out does not write: it leaves one whole source out at a
time, and prints how the rest does on it. Plain Python, no dependencies; softmax regression by AdaGrad with the L2
penalty that --hold-out favoured, examples weighted so that no type and no source rules by its number.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import evaldata
from ruamel.yaml import YAML

from switchman.addons.core.request.tasksignals import Cues
from switchman.addons.core.request.tasktype import TASK_TYPES, TaskRules, TaskType

ROOT = Path(__file__).resolve().parents[2]
PROMPTS = ROOT / "scripts/bench/prompts"
CUES = ROOT / "rules/taskcues.yaml"
OUT = ROOT / "rules/tasktype.json"
EPOCHS = 24
RATE = 0.25
PENALTY = {"w": 3.0, "b": 5.0, "z": 4.0, "q": 3.0, "y": 4.0, "o": 2.0, "p": 4.0, "f": 4.0}  # others 1: cues first
DECAY = 6e-4
SEEN_AT_LEAST = {"w": 3, "b": 4, "z": 3, "q": 3, "y": 3, "p": 3, "o": 2, "f": 3}


Scores = Mapping[TaskType, float]


@dataclass(frozen=True, slots=True)
class Prompt:
    text: str
    label: TaskType
    lang: str
    source: str


def _type(name: str, path: Path) -> TaskType:
    for task in TASK_TYPES:
        if name == task:
            return task
    raise ValueError(f"{path.name}: {name!r} is not a task type")


def own_prompts(folder: Path = PROMPTS) -> list[Prompt]:
    """The prompt files: `## label` lines, then one prompt a line."""
    found = []
    for path in sorted(folder.glob("*.txt")):
        label: TaskType = "general"
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("## "):
                label = _type(line[3:].strip(), path)
            elif line.strip() and not line.startswith("# "):
                text = line.replace("\\n", "\n")
                found.append(Prompt(text, label, "zh" if path.stem.endswith("_zh") else "en", path.stem))
    return found


def read_prompts(path: Path) -> list[Prompt]:
    return [
        Prompt(row["text"], row["label"], row["lang"], row["source"] or path.stem) for row in evaldata.labelled(path)
    ]


def read_cues(path: Path = CUES) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = YAML(typ="safe").load(path)
    return found


def _kind(name: str) -> str:
    return name.partition(":")[0]


def fit(examples: Sequence[tuple[Iterable[str], str, float]]) -> tuple[dict[str, list[float]], list[float]]:
    """Weights per signal and type, and the bias. Deterministic."""
    counts = Counter(name for names, _, _ in examples for name in names)
    kept = {name for name, count in counts.items() if count >= SEEN_AT_LEAST.get(_kind(name), 2)}
    size = len(TASK_TYPES)
    weights = {name: [0.0] * size for name in sorted(kept)}
    squares = {name: [1e-3] * size for name in weights}
    decays = {name: DECAY * PENALTY.get(_kind(name), 1.0) for name in weights}
    bias, bias_squares = [0.0] * size, [1e-3] * size
    rows = [(sorted(kept.intersection(names)), TASK_TYPES.index(label), weight) for names, label, weight in examples]
    order = random.Random(7)  # nosec B311  # the same order each time
    for _ in range(EPOCHS):
        order.shuffle(rows)
        for names, label, weight in rows:
            sums = bias[:]
            held = [weights[name] for name in names]
            for row in held:
                for index in range(size):
                    sums[index] += row[index]
            top = max(sums)
            parts = [exp(value - top) for value in sums]
            whole = sum(parts)
            errors = [weight * (part / whole - (index == label)) for index, part in enumerate(parts)]
            for name, row in zip(names, held, strict=True):
                square, decay = squares[name], decays[name]
                for index in range(size):
                    slope = errors[index] + decay * row[index] * 10
                    square[index] += slope * slope
                    row[index] -= RATE * slope / sqrt(square[index])
            for index in range(size):
                bias_squares[index] += errors[index] ** 2
                bias[index] -= RATE * errors[index] / sqrt(bias_squares[index])
    return weights, bias


def weighted(prompts: Sequence[Prompt]) -> list[float]:
    """One over the square root of how many share the type, and the same of the source; 1 on average."""
    labels = Counter(prompt.label for prompt in prompts)
    sources = Counter((prompt.source, prompt.label) for prompt in prompts)
    raw = [1 / sqrt(labels[p.label]) / sources[p.source, p.label] ** 0.25 for p in prompts]
    mean = sum(raw) / len(raw)
    return [value / mean for value in raw]


def fitted(prompts: Sequence[Prompt], cues: Cues, signals: dict[str, set[str]]) -> TaskRules:
    examples = [
        (signals[prompt.text], prompt.label, weight) for prompt, weight in zip(prompts, weighted(prompts), strict=True)
    ]
    weights, bias = fit(examples)
    return TaskRules(cues, {name: tuple(row) for name, row in weights.items()}, tuple(bias))


def sharpened(held_out: Sequence[tuple[Scores, TaskType]]) -> float:
    """The sharpness that makes the shares of held-out guesses most honest (least log loss)."""

    def loss(sharpness: float) -> float:
        total = 0.0
        for scores, label in held_out:
            whole = sum(score**sharpness for score in scores.values())
            total -= log(max(scores[label] ** sharpness / whole, 1e-9))
        return total

    return min((step / 20 for step in range(4, 41)), key=loss)


def hold_out(prompts: Sequence[Prompt], cues: Cues) -> list[tuple[Prompt, Scores]]:
    """Each prompt judged by weights that have not seen its source."""
    signals = {prompt.text: cues.signals(prompt.text) for prompt in prompts}
    by_source: dict[str, list[Prompt]] = defaultdict(list)
    for prompt in prompts:
        by_source[prompt.source].append(prompt)
    judged = []
    for source, held in by_source.items():
        rules = fitted([prompt for prompt in prompts if prompt.source != source], cues, signals)
        judged += [(prompt, rules.guess(prompt.text).scores) for prompt in held]
    return judged


def report(judged: Sequence[tuple[Prompt, Scores]]) -> None:
    print(f"{'source':<48}{'n':>5}{'accuracy':>10}")
    groups: dict[str, list[tuple[Prompt, Scores]]] = defaultdict(list)
    for prompt, scores in judged:
        groups[prompt.source].append((prompt, scores))
        groups["all " + prompt.lang].append((prompt, scores))
        groups["all"].append((prompt, scores))
        groups["type " + prompt.label].append((prompt, scores))
    for name, found in sorted(groups.items()):
        right = sum(max(scores, key=lambda task: scores[task]) == prompt.label for prompt, scores in found if scores)
        print(f"{name[:47]:<48}{len(found):>5}{right / len(found):>10.3f}")


def as_json(rules: TaskRules, groups: dict[str, dict[str, list[str]]], sharpness: float) -> str:
    """One line per signal, so that a change of the file can be read."""
    rows = {
        name: [round(weight, 2) for weight in row]
        for name, row in sorted(rules.weights.items())
        if max(abs(weight) for weight in row) >= 0.05
    }
    lines = [
        '"made_by": "scripts/bench/fit_tasktype.py, from rules/taskcues.yaml and labelled prompts"',
        f'"types": {json.dumps(TASK_TYPES)}',
        f'"sharpness": {sharpness}',
        f'"bias": {json.dumps([round(weight, 3) for weight in rules.bias])}',
        '"cues": {\n'
        + ",\n".join(f"{json.dumps(g)}: {json.dumps(c, ensure_ascii=False)}" for g, c in groups.items())
        + "\n}",
        '"weights": {\n'
        + ",\n".join(f"{json.dumps(n, ensure_ascii=False)}: {json.dumps(r)}" for n, r in rows.items())
        + "\n}",
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="*", default=[], help="more labelled prompts")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--hold-out", action="store_true", help="only report, source by source")
    args = parser.parse_args()
    groups = read_cues()
    cues = Cues.of(groups)
    prompts = own_prompts() + [prompt for path in args.data for prompt in read_prompts(path)]
    judged = hold_out(prompts, cues)
    report(judged)
    sharpness = sharpened([(scores, prompt.label) for prompt, scores in judged if scores])
    print("sharpness", sharpness)
    if not args.hold_out:
        signals: dict[str, Any] = {prompt.text: cues.signals(prompt.text) for prompt in prompts}
        args.out.write_text(as_json(fitted(prompts, cues, signals), groups, sharpness), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
