"""Patterns, matches and MODEL_MAP."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchman.addons.core.routes.patterns import compile_pattern, is_pattern
from switchman.addons.core.routes.routes import (
    Match,
    Rewrite,
    compile_model_map,
)


def match(model: str) -> Match:
    return Match(model, compile_pattern(model) if is_pattern(model) else None)


@pytest.mark.parametrize(
    ("model", "asked", "accepted"),
    [
        ("gpt-4", "gpt-4", True),
        ("gpt-4", "gpt-4o", False),
        ("llama", "llama3-8b", False),
        ("llama3-8b", "llama", False),
        ("gpt-4", "GPT-4", False),
        ("/.*-1.5b/", "qwen-1.5b", True),
        ("/-1.5b/", "qwen-1.5b-chat", True),
        ("/^qwen/", "my-qwen", False),
        ("/a/b/", "x/a/b", True),
        ("/", "/", True),
    ],
)
def test_exact_names_are_compared_whole_and_patterns_searched(model: str, asked: str, accepted: bool) -> None:
    """No name stands for another that only contains it; a pattern is not anchored."""
    assert match(model).accepts_model(asked) is accepted


def test_a_faulty_pattern_says_where() -> None:
    """The message names the pattern and the position."""
    with pytest.raises(ValueError, match=r"/\(/ does not compile: .*position 0"):
        compile_pattern("/(/")


def test_a_very_long_name_is_matched_by_its_beginning() -> None:
    """A quadratic pattern on a megabyte of a client's text must not stop the proxy."""
    began = time.perf_counter()
    assert not match("/.*.*=/").accepts_model("a" * 1_000_000)
    assert time.perf_counter() - began < 5


def test_model_map_prefers_exact_names() -> None:
    """An exact key wins wherever it stands; then patterns in order."""
    model_map = compile_model_map({"/gpt-.*/": "any", "/gpt-4.*/": "never", "gpt-4": "exact"})
    assert model_map.rewrite("gpt-4") == Rewrite("exact", "gpt-4")
    assert model_map.rewrite("gpt-4o") == Rewrite("any", "/gpt-.*/")
    assert model_map.rewrite("claude") is None
    assert len(model_map) == 3


def test_model_map_patterns_are_anchored_at_the_start_only() -> None:
    """`/gpt-4/` takes gpt-4-turbo, whole, but not my-gpt-4."""
    model_map = compile_model_map({"/gpt-4/": "llama3"})
    assert model_map.rewrite("gpt-4-turbo") == Rewrite("llama3", "/gpt-4/")
    assert model_map.rewrite("my-gpt-4") is None


def test_model_map_replacements_use_groups() -> None:
    """\\1 and \\g<name> stand for what the pattern found; a group that took no part is nothing."""
    model_map = compile_model_map({r"/gpt-(?P<size>\d+)(x)?/": r"llama-\g<size>-\1\2"})
    assert model_map.rewrite("gpt-70") == Rewrite("llama-70-70", r"/gpt-(?P<size>\d+)(x)?/")


@pytest.mark.parametrize("entries", [{"/(/": "x"}, {"/gpt/": r"\1"}, {"/gpt/": r"\g<size>"}])
def test_faulty_entries_of_model_map_are_refused(entries: dict[str, str]) -> None:
    """A pattern that does not compile, or a group that is not there, is found at the start, not on a request."""
    with pytest.raises(ValueError, match=r"does not compile|faulty"):
        compile_model_map(entries)


@given(st.text(max_size=20))
def test_an_empty_map_changes_nothing(model: str) -> None:
    """Without entries no name is rewritten."""
    assert compile_model_map({}).rewrite(model) is None
