"""Layer 2 on a real model: what it answers, and when it has none."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from importlib.resources import files
from pathlib import Path

import pytest

from switchman.addons.config.settings import Settings
from switchman.addons.core.request.features import features_of
from switchman.addons.core.request.tasktype import TASK_TYPES, TaskRules
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset
from switchman.addons.hooks.routing.layers import LayerAnswer, LayerRequest, Miss
from switchman.addons.hooks.routing.semantic_layer import SemanticLayer, shipped_utterances
from switchman.addons.semantics.client import SemanticClient
from switchman.addons.semantics.service import OwnProcess, Wanted

PATIENCE = 180.0
SERVER = 'servers: {a: "http://127.0.0.1:9"}\n'
ALL = SERVER + "semantic_routes: {threshold: 0.5, categories: {" + ", ".join(f"{t}: a/{t}" for t in TASK_TYPES) + "}}"
TASKS = TaskRules.of(json.loads(files("switchman.rules").joinpath("tasktype.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """Vectors of the categories, made once for all tests here."""
    with tempfile.TemporaryDirectory(prefix="sm-") as name:
        yield Path(name)


def rules(text: str) -> Ruleset:
    return parse_ruleset(text, "routes.yaml", Settings())


def asked(text: str) -> LayerRequest:
    body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
    return LayerRequest("auto", features_of(body, "openai", "chat", TASKS), body, {}, "127.0.0.1", "")


async def verdict(layer: SemanticLayer, text: str) -> LayerAnswer | str:
    """The answer, or the reason for none; waits for vectors that are being made, and for a machine that is busy."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                answer = await layer.answer(asked(text))
                assert answer is not None
                return answer
            except Miss as miss:
                if "still being made" not in str(miss) and "No embedding within" not in str(miss):
                    return str(miss)
            await asyncio.sleep(0.05)


def with_layer(model: Path, state: Path, text: str, work: Callable[[SemanticLayer], Awaitable[None]]) -> None:
    async def run() -> None:
        process, current = OwnProcess(Wanted("onnx", str(model), state)), rules(text)
        client = SemanticClient(process.socket, end=process.close)
        try:
            await work(SemanticLayer(lambda: client, lambda: current))
        finally:
            await client.close()

    asyncio.run(run())


ASKS = {
    "coding": "Please write a TypeScript function that merges two sorted arrays.",
    "translation": "Translate this note into Italian: the meeting starts at nine.",
    "math": "A baker has 48 rolls and sells 17 of them. How many rolls are left?",
    "creative": "Write a short poem about a lighthouse keeper.",
    "chat": "hey there, how are you today?",
    "summarization": "Summarize the following article in three sentences: The city council met on Monday ...",
    "general": "Why do leaves turn red in autumn?",
    "analysis": "Compare the strengths and weaknesses of these two business plans and evaluate the risks.",
}


def test_each_task_type_can_be_reached(prepared_model: Path, state: Path) -> None:
    """A plain ask of each type goes to that type's target, with a score and a reason."""

    async def work(layer: SemanticLayer) -> None:
        for task, text in ASKS.items():
            found = await verdict(layer, text)
            assert isinstance(found, LayerAnswer), f"{task}: {found}"
            assert (found.route, found.target) == (task, f"a/{task}")
            assert found.score is not None and 0.5 <= found.score <= 1 and task in found.detail

    with_layer(prepared_model, state, ALL, work)


@pytest.mark.parametrize("text", ["Let's go to dinner", "fix my essay", "what class should I take"])
def test_words_of_programmers_in_other_senses_are_not_coding(prepared_model: Path, state: Path, text: str) -> None:
    """The classic mistakes of keyword lists."""

    async def work(layer: SemanticLayer) -> None:
        found = await verdict(layer, text)
        assert "coding" not in (found.route if isinstance(found, LayerAnswer) else found)

    with_layer(prepared_model, state, ALL, work)


def test_chinese_is_judged_by_cues_alone(prepared_model: Path, state: Path) -> None:
    """The model knows no Chinese, and the cues do."""

    async def work(layer: SemanticLayer) -> None:
        found = await verdict(layer, "请用Python写一个函数，判断一个字符串是不是回文。")
        assert isinstance(found, LayerAnswer) and found.route == "coding"
        assert "by cues alone" in found.detail

    with_layer(prepared_model, state, ALL, work)


def test_a_category_of_ones_own_is_reached_and_the_rest_is_a_miss(prepared_model: Path, state: Path) -> None:
    """Its three utterances draw what is like them; a task type without a target takes what is not."""
    text = (
        SERVER
        + """
semantic_routes:
  threshold: 0.6
  categories:
    legal:
      target: a/lawyer
      utterances: [Is this clause enforceable?, Draft a non-disclosure agreement., May my landlord evict me?]
"""
    )

    async def work(layer: SemanticLayer) -> None:
        found = await verdict(layer, "Can my landlord throw me out without notice?")
        assert isinstance(found, LayerAnswer) and found.target == "a/lawyer"
        other = await verdict(layer, ASKS["coding"])
        assert isinstance(other, str) and "coding" in other and "no target" in other

    with_layer(prepared_model, state, text, work)


def test_a_score_below_the_threshold_is_a_miss_that_says_so(prepared_model: Path, state: Path) -> None:
    """With the score, so that the threshold can be chosen."""

    async def work(layer: SemanticLayer) -> None:
        found = await verdict(layer, "things")
        assert isinstance(found, str) and "1 is needed" in found

    with_layer(prepared_model, state, ALL.replace("0.5", "1.0"), work)


@pytest.mark.parametrize(
    ("text", "client", "why"),
    [
        (SERVER, SemanticClient(None, "x"), "no semantic routes"),
        (ALL, None, "Embeddings are off"),
        (ALL, SemanticClient(None, "no prepared model"), "no prepared model"),
        (ALL, SemanticClient.at(Path("/nowhere/at/all")), "No embedding"),
    ],
)
def test_what_is_off_or_down_is_a_miss(text: str, client: SemanticClient | None, why: str) -> None:
    """Never an error: the next layer is asked."""

    async def work() -> None:
        current = rules(text)
        with pytest.raises(Miss, match=why):
            await SemanticLayer(lambda: client, lambda: current).answer(asked("Hello there"))

    asyncio.run(work())


def test_shipped_categories_are_the_task_types_in_two_languages() -> None:
    """Every type has at least thirty utterances of each, and none stands in two categories."""
    shipped = shipped_utterances()
    assert tuple(shipped) == TASK_TYPES
    said = [text for utterances in shipped.values() for text in utterances]
    assert len(said) == len(set(said))
    for utterances in shipped.values():
        chinese = sum(any("一" <= character <= "鿿" for character in text) for text in utterances)
        assert chinese >= 30 and len(utterances) - chinese >= 30
