"""Two witnesses, embeddings and cues, made one."""

from __future__ import annotations

import pytest

from switchman.addons.core.decision.fusion import competing, fuse, task_of
from switchman.addons.core.request.tasktype import TASK_TYPES

EVEN = dict.fromkeys(TASK_TYPES, 1 / 8)


def test_two_witnesses_that_agree_are_surer_than_either() -> None:
    """Both lean the same way: together they lean further, and the shares still add up to 1."""
    fused = fuse([("coding", 0.6), ("math", 0.4)], {**EVEN, "coding": 0.6, "math": 0.3})
    assert fused.best[0] == "coding" and fused.best[1] > 0.6
    assert sum(share for _, share in fused.scores) == pytest.approx(1)


def test_the_surer_witness_decides() -> None:
    """A faint lean of the embeddings does not outweigh a clear cue."""
    assert fuse([("coding", 0.55), ("math", 0.45)], {**EVEN, "coding": 0.02, "math": 0.9}).best[0] == "math"


def test_cues_have_no_voice_on_a_category_of_ones_own() -> None:
    """Cues know nothing of `legal`: however sure they are of a task type, they do not speak against it."""
    assert fuse([("legal", 0.8), ("creative", 0.2)], {**EVEN, "creative": 0.95}).best[0] == "legal"


def test_without_embeddings_the_cues_alone_answer_under_the_categories_names() -> None:
    """For a language the model does not know."""
    fused = fuse([], {**EVEN, "coding": 0.9}, ["code"])
    assert fused.best == ("code", 0.9) and fused.by_cues_alone


def test_nothing_known_is_no_category() -> None:
    """No embeddings, no cues: nobody is the best."""
    assert fuse([], {}).best == ("", 0.0)


def test_a_share_of_zero_does_not_silence_the_other_witness() -> None:
    """Rounded to nothing is not impossible."""
    fused = fuse([("coding", 0.0), ("math", 1.0)], {**EVEN, "coding": 1.0, "math": 0.0})
    assert all(0 < share < 1 for _, share in fused.scores)


@pytest.mark.parametrize(
    ("name", "task"), [("Coding", "coding"), ("code", "coding"), ("maths", "math"), ("legal", None)]
)
def test_a_category_stands_for_a_task_type_by_its_name(name: str, task: str | None) -> None:
    """Usual other names count; any other name is a category of one's own."""
    assert task_of(name) == task


def test_task_types_without_a_target_compete_too() -> None:
    """Else everything would fit the one category there is; and one that stands for a type has its utterances."""
    shipped = {"coding": ["fix my code"], "math": ["add this"], "chat": ["hi"]}
    found = competing({"code": ["deploy it"], "legal": ["is this lawful"]}, shipped)
    assert found == {
        "code": ("deploy it", "fix my code"),
        "legal": ("is this lawful",),
        "math": ("add this",),
        "chat": ("hi",),
    }
