"""What tests of the rules' modules share: a file compiled, its faults, its warnings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from switchman.addons.core.rules.ruleset import RulesError, Ruleset, parse_ruleset

KEYS = {"OPENAI_API_KEY": "sk-hunter2", "EMPTY": " "}


@dataclass(frozen=True)
class Environment:
    """The defaults that rules take from the environment."""

    default_upstream: str = "http://localhost:8000"
    default_upstream_set: bool = False
    model_map: dict[str, str] = field(default_factory=dict)
    request_timeout: float = 3000.0
    strip_thinking: bool = True
    strip_json_markdown: bool = False
    disable_thinking: bool = False


@pytest.fixture(scope="session")
def rules() -> Callable[..., Ruleset]:
    """rules(text, **environment): a file, compiled."""

    def compiled(text: str, **environment: object) -> Ruleset:
        return parse_ruleset(text, "r.yaml", Environment(**environment), KEYS)  # type: ignore[arg-type]

    return compiled


@pytest.fixture(scope="session")
def faults(rules: Callable[..., Ruleset]) -> Callable[[str], list[str]]:
    """faults(text): every problem of a bad file, as people see it."""

    def found(text: str) -> list[str]:
        with pytest.raises(RulesError) as caught:
            rules(text)
        return [str(problem) for problem in caught.value.problems]

    return found


@pytest.fixture(scope="session")
def warnings(rules: Callable[..., Ruleset]) -> Callable[..., list[str]]:
    """warnings(text, **environment): what is said of a file that can be used."""

    def found(text: str, **environment: object) -> list[str]:
        return [str(warning) for warning in rules(text, **environment).warnings]

    return found
