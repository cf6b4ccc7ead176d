"""Tokens of consumer subscriptions are told from keys of an API, by their form alone."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from switchman.addons.core.servers.reaching.subscriptions import subscription


def jwt(payload: Any) -> str:
    parts = (json.dumps({"alg": "RS256"}), json.dumps(payload))
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + ".c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("sk-ant-oat01-abcDEF", "Claude subscription"), ("Bearer sk-ant-oat01-abcDEF", "Claude subscription"),
        ("sk-ant-ort01-abcDEF", "Claude subscription"), ("sk-ant-sid01-abc", "claude.ai"),
        ("sess-abcdef0123", "ChatGPT"),
        ("ya29.a0AfH6SMB", "Google"), ("gho_16C7e42F292c", "GitHub"), ("ghu_16C7e42F292c", "GitHub"),
        (jwt({"iss": "https://auth.openai.com", "aud": ["https://api.openai.com/v1"]}), "JWT"),
        (jwt({"iss": "x", "https://api.openai.com/auth": {"chatgpt_plan_type": "plus"}}), "JWT"),
        ("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..abc.def.ghi", "encrypted token of a session"),
        ("eyJhbGciOi.!!!.x", "cannot be read"), (jwt(["a"]), "cannot be read"),
    ],
)  # fmt: skip
def test_subscriptions(key: str, what: str) -> None:
    """Claude's, ChatGPT's, Google's, GitHub's."""
    assert what in (subscription(key) or "")


@pytest.mark.parametrize(
    "key",
    [
        "sk-ant-api03-abcDEF", "sk-proj-abcDEF", "sk-or-v1-abc", "gsk_abc", "AIzaSyabc", "github_pat_abc", "hf_abc",
        "any", "a.b.c", jwt({"iss": "https://login.microsoftonline.com/tenant/v2.0"}), jwt({"sub": "own gateway"}),
    ],
)  # fmt: skip
def test_keys_of_an_api(key: str) -> None:
    """Among them tokens of a company's own gateway, and of Entra."""
    assert subscription(key) is None
