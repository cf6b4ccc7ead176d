"""What an account keeps, in requests that name it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from switchman.addons.core.keys.accounts import earlier_response, of_first_key


@pytest.mark.parametrize(
    ("body", "first"),
    [
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]}, True),
        ({"messages": [{"content": [{"source": {"type": "file", "file_id": "file_1"}}]}]}, True),
        ({"input": "hi", "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}, True),
        ({"input": "hi", "tools": [{"type": "code_interpreter", "container": {"file_ids": ["file-1"]}}]}, True),
        ({"input": "hi", "conversation": "conv_1"}, True),
        ({"input": "hi", "conversation": {"id": "conv_1"}}, True),
        ({"prompt": {"id": "pmpt_1"}}, True),
        ({"prompt": "a text"}, False),
        ({"conversation": None, "input": "hi"}, False),
        ({"messages": [{"role": "user", "content": 'what does "file_id" mean?'}]}, False),
        ({"input": "hi", "previous_response_id": "resp_1"}, False),
    ],
)
def test_what_was_made_with_the_first_key(body: dict[str, Any], first: bool) -> None:
    """Files, stores, prompts and conversations, wherever they stand; words in a message are none."""
    assert of_first_key(body, json.dumps(body)) is first


@pytest.mark.parametrize(
    ("named", "found"), [("resp_1", "resp_1"), ("", None), (None, None), (3, None), ("x" * 201, None)]
)
def test_the_response_that_it_goes_on_from(named: Any, found: str | None) -> None:
    """By its id, where that is one."""
    assert earlier_response({"previous_response_id": named}) == found
    assert earlier_response({}) is None
