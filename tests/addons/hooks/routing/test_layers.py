"""What a layer is: its promise, as the docstring gives it to those who write one."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import textwrap
from typing import Any

import pytest

from switchman.addons.core.request.features import features_of
from switchman.addons.hooks.routing import layers
from switchman.addons.hooks.routing.layers import Layer, LayerAnswer, LayerRequest, Miss


def request_of(text: str, **more: Any) -> LayerRequest:
    body = {"messages": [{"role": "user", "content": text}]}
    features = features_of(body)
    return LayerRequest(
        **{"model": "auto", "features": features, "body": body, "headers": {}, "source": "", "token": "", **more}
    )


def test_the_example_is_a_layer_that_works() -> None:
    """Whoever copies it has a layer: it answers a short request, and misses a long one."""
    example = textwrap.dedent(re.search(r"( {4}class .*?)\n\n[^ ]", layers.__doc__ or "", re.DOTALL)[1])  # type: ignore[index]
    names: dict[str, Any] = {"LayerRequest": LayerRequest, "LayerAnswer": LayerAnswer}
    exec(example, names)
    layer = names["Cheapest"]()
    assert isinstance(layer, Layer) and layer.budget_ms > 0
    answer = asyncio.run(layer.answer(request_of("hi")))
    assert (answer.target, answer.route) == ("laptop/llama3", "night tariff")
    assert asyncio.run(layer.answer(request_of("word " * 2000))) is None


@pytest.mark.parametrize("missing", ["name", "budget_ms", "answer"])
def test_what_lacks_a_part_is_no_layer(missing: str) -> None:
    """So that it is found out at the start, and not with the first request."""
    parts: dict[str, Any] = {"name": "x", "budget_ms": 1.0, "answer": lambda self, request: None}
    assert isinstance(type("Whole", (), parts)(), Layer)
    del parts[missing]
    assert not isinstance(type("Broken", (), parts)(), Layer)


def test_a_layer_cannot_change_what_the_next_one_sees() -> None:
    """Neither the request nor an answer can be edited."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        request_of("hi").model = "other"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        LayerAnswer("a/b").target = "c/d"  # type: ignore[misc]


def test_a_miss_says_why_and_how_near_it_was() -> None:
    """The sentence and the score of the trace."""
    miss = Miss("It is too dark.", 0.4)
    assert (str(miss), miss.score, Miss("No.").score) == ("It is too dark.", 0.4, None)
