"""Sampling options: taken out of a body by a format's own names, and only with the right type."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from switchman.addons.core.dialects.neutral.fields import is_count, is_number
from switchman.addons.core.dialects.neutral.form import Sampling
from switchman.addons.core.dialects.neutral.sampling import CHECKS, said, take, take_number, take_sampling, take_stop

NAMES = {"max_tokens": "num_predict", "temperature": "temperature", "seed": "seed"}


@pytest.mark.parametrize(
    ("rest", "taken", "left"),
    [
        pytest.param({"n": 5, "x": 1}, 5, {"x": 1}, id="fits"),
        pytest.param({"n": 0}, 0, {}, id="zero-fits"),
        pytest.param({"n": "5"}, None, {"n": "5"}, id="another-type-stays"),
        pytest.param({"n": None}, None, {"n": None}, id="null-stays"),
        pytest.param({}, None, {}, id="absent"),
    ],
)
def test_a_member_is_taken_out_if_it_fits(rest: dict[str, Any], taken: Any, left: dict[str, Any]) -> None:
    """What stays is told to be lost, or goes back to the same format."""
    assert take(rest, "n", is_count) == taken
    assert rest == left


def test_options_are_taken_by_their_wire_names() -> None:
    """One of another type stays where it was, and so does one that the format does not name."""
    rest: dict[str, Any] = {"num_predict": 9, "temperature": "hot", "seed": True, "max_tokens": 7, "top_p": 0.5}
    assert take_sampling(rest, NAMES) == {"max_tokens": 9}
    assert rest == {"temperature": "hot", "seed": True, "max_tokens": 7, "top_p": 0.5}


@pytest.mark.parametrize(
    ("value", "count", "number"),
    [
        pytest.param("100", 100, 100, id="a-count"),
        pytest.param(" 100 ", 100, 100, id="blanks-around-it"),
        pytest.param("-1", -1, -1, id="less-than-nothing"),
        pytest.param("0.5", None, 0.5, id="a-decimal"),
        pytest.param("100.0", 100, 100, id="a-whole-decimal"),
        pytest.param(100.0, 100, 100.0, id="no-text-but-a-decimal"),
        pytest.param(0.5, None, 0.5, id="a-part"),
        pytest.param("hot", None, None, id="a-word"),
        pytest.param("", None, None, id="nothing"),
        pytest.param("1e400", None, None, id="too-much"),
        pytest.param("NaN", None, None, id="no-number"),
        pytest.param(float("inf"), None, float("inf"), id="without-end"),
        pytest.param(True, None, None, id="true"),
    ],
)
def test_a_number_may_be_written_as_a_text(value: Any, count: Any, number: Any) -> None:
    """Forms give such ones; what is no number stays where it was."""
    for check, expected in ((is_count, count), (is_number, number)):
        rest = {"n": value}
        taken = take_number(rest, "n", check)
        assert (taken, type(taken)) == (expected, type(expected))
        assert rest == ({} if expected is not None else {"n": value})


@pytest.mark.parametrize(
    ("value", "found"),
    [
        pytest.param("END", {"stop": ("END",), "stop_plain": True}, id="a-text"),
        pytest.param("", {"stop": ("",), "stop_plain": True}, id="an-empty-text"),
        pytest.param(["a", "b"], {"stop": ("a", "b")}, id="a-list"),
        pytest.param([], {"stop": ()}, id="an-empty-list"),
        pytest.param(["a", 1], {}, id="not-only-texts"),
        pytest.param(None, {}, id="null"),
        pytest.param(5, {}, id="a-number"),
    ],
)
def test_stop_sequences_are_a_text_or_a_list(value: Any, found: dict[str, Any]) -> None:
    """It is remembered which; anything else stays in the body."""
    rest = {"stop": value, "x": 1}
    assert take_stop(rest, "stop") == found
    assert rest == ({"x": 1} if found else {"stop": value, "x": 1})
    assert take_stop({"x": 1}, "stop") == {}


def test_only_numbers_that_were_said_are_told() -> None:
    """0 was said; stop sequences are not numbers."""
    assert said(Sampling(temperature=0, seed=7, stop=("a",), counts_reasoning=True)) == {"temperature": 0, "seed": 7}
    assert said(Sampling()) == {}


def test_every_number_has_a_check() -> None:
    """A member of Sampling without one would be read by no format, and told to none."""
    others = {"stop", "stop_plain", "counts_reasoning"}
    assert {item.name for item in fields(Sampling)} - others == set(CHECKS)
