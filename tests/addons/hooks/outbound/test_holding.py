"""Which requests go on with a conversation, so that its key is looked up and kept."""

from __future__ import annotations

from typing import Any

import pytest

from switchman.addons.hooks.outbound.holding import _goes_on, _unpacked


@pytest.mark.parametrize(
    ("body", "goes_on"),
    [
        ({"messages": [{"role": "user", "content": "hi"}]}, False),
        ({"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "hi"}]}, False),
        ({"messages": [{"role": "user"}, {"role": "assistant"}, {"role": "user"}]}, True),
        ({"messages": [{"role": "user"}, {"role": "tool"}]}, True),
        ({"input": "hi"}, False),
        ({"input": [{"role": "developer"}, {"role": "user"}]}, False),
        ({"input": [{"role": "user"}, {"type": "function_call_output"}]}, True),
        ({"messages": "x"}, False),
        ({"messages": ["x"]}, False),
        ({}, False),
    ],
)
def test_what_goes_on(body: dict[str, Any], goes_on: bool) -> None:
    """Of chat completions, messages and responses: an answer, a call or a tool's result has been."""
    assert _goes_on(body) is goes_on


@pytest.mark.parametrize(
    ("value", "held"),
    [(b'{"s": "env:A"}', {"s": "env:A"}), (None, {}), (b"", {}), (b"[]", {}), (b'{"s": 1}', {}), (b"\xff", {})],
)
def test_what_another_version_wrote(value: bytes | None, held: dict[str, str]) -> None:
    """It is taken for nothing, where it is no mapping of names to labels."""
    assert _unpacked(value) == held
