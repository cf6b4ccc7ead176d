"""all, any and not, over answers that may be unknown."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product

import pytest

from switchman.addons.core.routes.logic import AllOf, AnyOf, Not
from switchman.addons.core.routes.subject import Condition, Subject, Truth

NOBODY = Subject(("auto",))


@dataclass
class Says:
    """A condition that answers `truth`, and counts how often it was asked."""

    truth: Truth
    asked: list[Subject] = field(default_factory=list)

    def test(self, subject: Subject) -> Truth:
        self.asked.append(subject)
        return self.truth

    def __str__(self) -> str:
        return f"says {self.truth}"


@pytest.mark.parametrize("truths", list(product((True, False, None), repeat=2)))
def test_all_and_any_of_two(truths: tuple[Truth, Truth]) -> None:
    """False decides `all` and True decides `any`, whatever is unknown; else the unknown part decides."""
    parts = tuple(map(Says, truths))
    both: Truth = False if False in truths else None if None in truths else True
    either: Truth = True if True in truths else None if None in truths else False
    assert AllOf(parts).test(NOBODY) is both
    assert AnyOf(parts).test(NOBODY) is either


def test_of_nothing() -> None:
    """All of nothing holds, one of nothing never does."""
    assert AllOf(()).test(NOBODY) is True
    assert AnyOf(()).test(NOBODY) is False


@pytest.mark.parametrize(("truth", "opposite"), [(True, False), (False, True), (None, None)])
def test_not(truth: Truth, opposite: Truth) -> None:
    """The opposite of unknown is unknown."""
    assert Not(Says(truth)).test(NOBODY) is opposite


def test_what_decides_ends_the_asking() -> None:
    """Parts are asked in their order, with the same subject, and none after the one that decides."""
    first, second, third = Says(None), Says(False), Says(True)
    AllOf((first, second, third)).test(NOBODY)
    assert (first.asked, second.asked, third.asked) == ([NOBODY], [NOBODY], [])
    AnyOf((third, first)).test(NOBODY)
    assert (third.asked, len(first.asked)) == ([NOBODY], 1)


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (AllOf(()), "anything"),
        (AnyOf(()), "nothing"),
        (AllOf((Says(True),)), "says True"),
        (AllOf((Says(True), AnyOf((Says(False), Says(None))))), "says True and (says False or says None)"),
        (AnyOf((Says(True), AllOf((Says(False),)))), "says True or says False"),
        (Not(AnyOf((Says(True), Says(False)))), "not (says True or says False)"),
        (Not(Not(Says(True))), "not not says True"),
    ],
)
def test_traces_show_how_they_are_nested(condition: Condition, text: str) -> None:
    """In brackets only where without them it would say something else."""
    assert str(condition) == text


def test_equal_parts_make_equal_conditions() -> None:
    """So that two rules that ask the same can be told to."""
    assert AllOf((Not(AnyOf(())),)) == AllOf((Not(AnyOf(())),))
    assert hash(AllOf(())) == hash(AllOf(()))
    assert AllOf(()) != AnyOf(())
