"""Task types: every one can be reached, the known traps are none, and unseen prompts are judged well enough."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from switchman.addons.core.request.tasksignals import Cues
from switchman.addons.core.request.tasktype import TASK_TYPES, UNKNOWN, TaskRules

ROOT = Path(__file__).parents[4]
DATA: dict[str, Any] = json.loads((ROOT / "rules/tasktype.json").read_text(encoding="utf-8"))
RULES = TaskRules.of(DATA)


def held_out(language: str) -> list[tuple[str, str]]:
    """(label, prompt) of the file that the weights have never seen."""
    found = []
    label = ""
    for line in (ROOT / f"tests/data/prompts/heldout_{language}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            label = line[3:]
        elif line and not line.startswith("#"):
            found.append((label, line.replace("\\n", "\n")))
    return found


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("coding", "Why does my Python script throw a KeyError when the dictionary is empty?"),
        ("coding", "这段代码为什么报错"),
        ("translation", "Translate this letter into Polish: I miss you."),
        ("translation", "把这句话翻译成英文：我明天来。"),
        ("analysis", "Classify the sentiment of this review as positive or negative: The soup was cold."),
        ("analysis", "分析这两个方案的优缺点"),
        ("math", "Solve 3x + 5 = 20 for x."),
        ("math", "一个长方形的长是12厘米，宽是4厘米，面积是多少？"),
        ("creative", "Write a poem about the sea in winter."),
        ("creative", "写一个关于月亮的童话故事"),
        ("chat", "hey, how was your day?"),
        ("chat", "你好呀，今天开心吗"),
        ("summarization", "Summarize this article in two sentences."),
        ("summarization", "请总结这篇文章的主要内容"),
        ("general", "What is the capital of Mongolia?"),
        ("general", "世界上最大的湖是哪个？"),
    ],
)
def test_every_type_is_reached_in_both_languages(task: str, text: str) -> None:
    """Each of the eight types is the answer to a plain ask for it, English and Chinese."""
    assert RULES.guess(text).task == task


@pytest.mark.parametrize(
    "text",
    [
        "Let's go to dinner",
        "fix my essay",
        "what class should I take",
        "Who played the violin in that string quartet?",
        "can I return a gift without a receipt",
        "there is a bug in my salad",
        "我想学一门乐器，哪一类比较容易",
    ],
)
def test_words_that_code_shares_are_not_coding(text: str) -> None:
    """Go, class, fix, string, return and their like are words of everyday first."""
    assert RULES.guess(text).task != "coding"


def test_cues_are_whole_words() -> None:
    """`hi` is not in `this`, nor `sum` in `resume`; case does not matter."""
    cues = Cues.of({"greeting": {"en": ["hi", "good morning"]}, "add": {"en": ["sum"]}, "ask": {"zh": ["翻译"]}})
    assert "g:greeting" not in cues.signals("this resume")
    assert "g:add" not in cues.signals("this resume")
    assert {"g:greeting", "g:add"} <= cues.signals("Good Morning, the SUM please")
    assert "g:ask" in cues.signals("请翻译这句话")


def test_what_is_asked_stands_at_the_ends() -> None:
    """In a long text the middle is material: its words count as such, not as the instruction."""
    cues = Cues.of({"summarize": {"en": ["summarize"]}, "code": {"en": ["python"]}})
    middle = "word " * 60 + "python " + "word " * 60
    assert {"g:summarize", "m:code"} <= cues.signals(f"Summarize this. {middle}")
    assert "g:summarize" in cues.signals(f"{middle} Now summarize that.")
    assert "g:code" not in cues.signals(f"Summarize this. {middle}")


def test_shares_add_up_and_name_the_best() -> None:
    """Scores are shares of all eight types; the confidence is the best one's."""
    found = RULES.guess("Write a haiku about frogs")
    assert set(found.scores) == set(TASK_TYPES)
    assert sum(found.scores.values()) == pytest.approx(1.0)
    assert found.confidence == max(found.scores.values()) == found.scores[found.task]


@pytest.mark.parametrize("text", ["", "   \n"])
def test_nothing_asked_is_unknown(text: str) -> None:
    """No words, no confidence: the guess is `general` at 0, which no rule with a minimum takes."""
    assert RULES.guess(text) == UNKNOWN


def test_every_process_has_the_same_shares() -> None:
    """Two workers agree to the last bit, whatever order their sets of names have."""
    code = (
        "import json, sys; from switchman.addons.core.request.tasktype import TaskRules;"
        "print(TaskRules.of(json.load(open(sys.argv[1]))).guess(sys.argv[2]).scores)"
    )
    text = "Compare Python and Go for a small web server, and say what 3 of them cost, please."
    runs = {
        subprocess.run(
            [sys.executable, "-c", code, str(ROOT / "rules/tasktype.json"), text],
            env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert len(runs) == 1


@pytest.mark.parametrize(("language", "least"), [("en", 0.75), ("zh", 0.75)])
def test_unseen_prompts(language: str, least: float) -> None:
    """On prompts that the weights were not fitted on, three in four are right at least, and no type is lost."""
    right: dict[str, list[bool]] = defaultdict(list)
    for label, text in held_out(language):
        right[label].append(RULES.guess(text).task == label)
    assert set(right) == set(TASK_TYPES)
    assert sum(map(sum, right.values())) / sum(map(len, right.values())) >= least
    assert {label: sum(found) for label, found in right.items() if sum(found) < len(found) / 2} == {}


def test_the_sure_half_is_right() -> None:
    """Confidence means something: of the half that it is surest of, more than nine in ten are right."""
    found = [(RULES.guess(text), label) for language in ("en", "zh") for label, text in held_out(language)]
    found.sort(key=lambda pair: -pair[0].confidence)
    half = found[: len(found) // 2]
    assert sum(guess.task == label for guess, label in half) / len(half) >= 0.92


def test_rules_that_do_not_fit_are_refused() -> None:
    """Other types, or a row of the wrong length, stop the loading with what is expected."""
    with pytest.raises(ValueError, match="types: expected coding, translation"):
        TaskRules.of({**DATA, "types": ["coding"]})
    with pytest.raises(ValueError, match="g:x: expected 8 weights, found 2"):
        TaskRules.of({**DATA, "weights": {"g:x": [1, 2]}})
    with pytest.raises(ValueError, match="is not 1 to 4 words"):
        Cues.of({"x": {"en": ["far too many words here"]}})


def test_shipped_cues_are_those_of_the_source_file() -> None:
    """rules/tasktype.json was made from rules/taskcues.yaml as it is: whoever edits cues runs the fitting script."""
    from ruamel.yaml import YAML

    assert DATA["cues"] == YAML(typ="safe").load(ROOT / "rules/taskcues.yaml")


def test_held_out_prompts_are_held_out() -> None:
    """None of the prompts that judge is among those that were fitted."""
    files = (ROOT / "scripts/bench/prompts").glob("*.txt")
    fitted = {line.strip() for path in files for line in path.read_text(encoding="utf-8").splitlines()}
    assert not fitted & {text.replace("\n", "\\n") for language in ("en", "zh") for _, text in held_out(language)}
