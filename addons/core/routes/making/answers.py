"""What somebody answered who wants rules: as a value, whoever asked.

A server of one's own (`own`) is one on this machine or network: what is asked of it stays in the house, and costs
nothing by itself. All others are providers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

Use = Literal["chat", "coding", "long", "pictures", "translation", "background"]
Spending = Literal["unlimited", "monthly", "own", "cheapest"]
Priority = Literal["quality", "price", "speed", "privacy"]
USES: Final[tuple[Use, ...]] = get_args(Use)


class NotMakeable(ValueError):
    """No rules follow from these answers. `kind`: no model is chosen, or none of one's own where nothing may leave."""

    def __init__(self, kind: Literal["no_model", "no_own"]) -> None:
        super().__init__(REASONS[kind])
        self.kind = kind


REASONS: Final = {
    "no_model": "Choose at least one server, and a model of it.",
    "no_own": "Nothing is to leave the house, and no server of your own is chosen.",
}


@dataclass(frozen=True, slots=True)
class Model:
    """A model on a server, with what is known of it. None: not known.

    `input_cost` and `output_cost`: micro-dollars per million tokens. `context`: tokens. `pictures`: whether it sees
    them. `billions`: of parameters, where the server's list says it.
    """

    name: str
    input_cost: int | None = None
    output_cost: int | None = None
    context: int | None = None
    pictures: bool | None = None
    billions: float | None = None


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """A server and those of its models that may answer. `written`: what `servers:` of the file says of it.

    `known`: the file has it already, so that it stays as it is there. `has_key`: the router has a key for it; without
    one, clients' own keys go to it where it is the first choice, and it can take nobody's place. `vendor`: of whom,
    as the presets call it.
    """

    name: str
    written: Mapping[str, Any] | str = field(hash=False)
    models: tuple[Model, ...]
    own: bool = False
    has_key: bool = True
    known: bool = False
    vendor: str = ""


@dataclass(frozen=True, slots=True)
class Answers:
    """`dollars`: of a month, for `monthly`. `taken`: names that rules and aliases must not have."""

    uses: frozenset[Use]
    servers: tuple[ServerChoice, ...]
    spending: Spending = "unlimited"
    dollars: int = 0
    priority: Priority = "quality"
    taken: frozenset[str] = frozenset()

    @property
    def stays(self) -> bool:
        """Whether nothing may leave the house."""
        return self.priority == "privacy" or self.spending == "own"
