"""Without a rules file and without DEFAULT_UPSTREAM: who has a server on localhost:8000 puts the router before it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from switchman.addons.testing import FakeUpstream


def test_who_has_a_server_on_port_8000_and_set_nothing_is_served(start: Any) -> None:
    """The contract of the router in front of one server: any name goes to it."""
    try:
        with FakeUpstream(name="vllm", models=["own"], port=8000):
            proxy = start("", {"DEFAULT_UPSTREAM": ""})
            for model in ("own", "not-listed", "auto"):
                answer = proxy.chat(model)
                assert answer.status_code == 200 and "Hello from vllm." in answer.text
            assert httpx.get(f"{proxy.url}/v1/models", trust_env=False).json()["data"][1]["id"] == "own"
    except OSError as error:
        pytest.skip(f"port 8000 is needed: {error}")
