"""Combine conditions: `all`, `any` and `not`, which are conditions themselves.

Logic is three-valued: `not` of unknown is unknown; `all` is False if one part is False, else unknown if one part is;
`any` is True if one part is True, else unknown if one part is. A rule matches only where the whole is True.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from switchman.addons.core.routes.subject import Condition, Subject, Truth

Test = Callable[[Subject], Truth]


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds. Without parts it holds."""

    parts: tuple[Condition, ...]
    tests: tuple[Test, ...] = field(init=False, repr=False, compare=False)  # of the parts: looked up once

    def __post_init__(self) -> None:
        object.__setattr__(self, "tests", tuple(part.test for part in self.parts))

    def test(self, subject: Subject) -> Truth:
        truth: Truth = True
        for test in self.tests:
            found = test(subject)
            if found is False:
                return False
            if found is None:
                truth = None
        return truth

    def __str__(self) -> str:
        return " and ".join(map(_inner, self.parts)) or "anything"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds. Without parts it never holds."""

    parts: tuple[Condition, ...]
    tests: tuple[Test, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tests", tuple(part.test for part in self.parts))

    def test(self, subject: Subject) -> Truth:
        truth: Truth = False
        for test in self.tests:
            found = test(subject)
            if found:
                return True
            if found is None:
                truth = None
        return truth

    def __str__(self) -> str:
        return " or ".join(map(_inner, self.parts)) or "nothing"


@dataclass(frozen=True, slots=True)
class Not:
    """The part is known not to hold."""

    part: Condition

    def test(self, subject: Subject) -> Truth:
        found = self.part.test(subject)
        return None if found is None else not found

    def __str__(self) -> str:
        return f"not {_inner(self.part)}"


def _inner(part: Condition) -> str:
    return f"({part})" if isinstance(part, (AllOf, AnyOf)) and len(part.parts) > 1 else str(part)
