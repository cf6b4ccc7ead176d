"""`name` and `name:latest` are one model."""

import pytest

from switchman.addons.core.routes.names import find, readings, short, twin


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("llama3", "llama3:latest"),
        ("llama3:latest", "llama3"),
        ("llama3:8b", ""),
        ("org/llama3", "org/llama3:latest"),
        ("localhost:5000/llama3", "localhost:5000/llama3:latest"),  # a port is no tag
        ("hf.co/org/model:Q4_K_M", ""),
        ("chatgpt-4o-latest", "chatgpt-4o-latest:latest"),  # no tag, but a part of the name
        ("", ""),
        (":latest", ""),
    ],
)
def test_the_other_way_to_write_a_name(name: str, other: str) -> None:
    """A name with another tag has none."""
    assert twin(name) == other


def test_the_short_name_is_the_one_that_is_compared() -> None:
    """It is the same for both, and leaves other tags alone."""
    assert [short(name) for name in ("a", "a:latest", "a:8b", ":latest")] == ["a", "a", "a:8b", ":latest"]


def test_an_exact_name_wins_over_its_twin() -> None:
    """Where both are there, each is its own."""
    both = {"a": 1, "a:latest": 2}
    assert (find(both, "a"), find(both, "a:latest")) == (1, 2)
    assert find({"a:latest": 2}, "a") == find({"a": 2}, "a:latest") == 2
    assert find({"a:latest": 2}, "a:8b") is None
    assert find({}, "a") is None


@pytest.mark.parametrize(
    ("name", "ollama", "names"),
    [
        ("a:latest", False, ("a:latest", "a")),
        ("a:latest", True, ("a:latest", "a")),
        ("a", True, ("a", "a:latest")),
        ("gpt-4o", False, ("gpt-4o",)),  # `/:/` means names with a tag, and this one has none
        ("a:8b", True, ("a:8b",)),
    ],
)
def test_what_patterns_are_tried_on(name: str, ollama: bool, names: tuple[str, ...]) -> None:
    """Only an Ollama client's bare name is also the one with the tag."""
    assert readings(name, ollama) == names
