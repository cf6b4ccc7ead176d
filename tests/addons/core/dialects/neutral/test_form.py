"""The internal form: frozen values, and the few questions they answer about themselves."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import pytest

from switchman.addons.core.dialects.codecs import CODECS
from switchman.addons.core.dialects.neutral import form
from switchman.addons.core.dialects.neutral.form import (
    EMPTY,
    Choice,
    FormatName,
    Image,
    Message,
    Opaque,
    Part,
    Request,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    text_in,
)

VALUES = [item for item in vars(form).values() if isinstance(item, type) and dataclasses.is_dataclass(item)]
PARTS: tuple[Part, ...] = (
    Thinking("hm"),
    Text("a"),
    Image(data="AA"),
    Text("b", refusal=True),
    ToolCall("1", "f", "{}"),
    ToolResult("1", "f", (Text("inside"),)),
    Opaque("document", {"text": "no"}),
    ToolCall("2", "g", ""),
)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.__name__)
def test_every_value_is_frozen(value: Any) -> None:
    """A request may be rendered for several servers: what one translation makes of it, another must not see."""
    assert value.__dataclass_params__.frozen and "__slots__" in vars(value)


def test_the_empty_mapping_cannot_be_filled() -> None:
    """It is the default of many values at once."""
    with pytest.raises(TypeError):
        EMPTY["a"] = 1  # type: ignore[index]
    assert Text("a").extra is Request("openai.chat", "m", ()).extras is EMPTY


def test_the_text_of_a_message_is_its_own_plain_text() -> None:
    """Refusals are text; thoughts, results and parts of other kinds are not. Nothing is put in between."""
    assert Message("assistant", PARTS).text() == Choice(0, PARTS, "stop").text() == text_in(PARTS) == "ab"
    assert Message("user", ()).text() == ""


def test_the_calls_of_a_message_are_in_its_order() -> None:
    """Results are no calls."""
    assert [call.id for call in Message("assistant", PARTS).calls()] == ["1", "2"]


def test_every_format_has_a_codec() -> None:
    """A name in the type that no table knows would be a KeyError at the first request."""
    assert set(typing.get_args(FormatName)) == set(CODECS)
