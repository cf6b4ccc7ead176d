"""The tables of paths agree with each other, and noise is no operation."""

from __future__ import annotations

import pytest

from switchman.addons.core.paths.tables import ANTHROPIC, BESIDE_VERSION, BY_MODEL, OLLAMA, OPENAI, is_noise, is_version


def test_no_path_is_in_two_tables() -> None:
    """The later one would win."""
    paths = [*OPENAI, *ANTHROPIC, *OLLAMA, *BY_MODEL]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize(
    "segment", ["v1", "v4", "v1beta", "api", "openai", "OpenAI", "V1", "ollama", "compatible-mode"]
)
def test_base_urls_are_noise(segment: str) -> None:
    """In whatever case."""
    assert is_noise(segment)


def test_no_operation_is_noise() -> None:
    """Nothing that an operation ends in, and nothing like a version."""
    ends = {path.rpartition("/")[2] for path in (*OPENAI, *ANTHROPIC, *OLLAMA, *BY_MODEL)}
    assert not any(is_noise(end) for end in (*ends, "models", "tags", "chat", "vision", "v", "deployments", "tenant"))


@pytest.mark.parametrize(("segment", "version"), [("v1", True), ("v1beta2", True), ("V1", False), ("v", False)])
def test_what_a_version_is(segment: str, version: bool) -> None:
    """A v and a number."""
    assert is_version(segment) is version


def test_what_is_beside_the_version_is_a_paths_first_segment() -> None:
    """Else nothing would ever be there."""
    firsts = {path.split("/")[1] for path in (*OLLAMA, *BY_MODEL)}
    assert firsts >= BESIDE_VERSION
