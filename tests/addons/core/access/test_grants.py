"""What a caller may use, by globs."""

from __future__ import annotations

import pytest

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.access.grants import is_restricted, may_use_model, may_use_server


def caller(models: tuple[str, ...] = (), servers: tuple[str, ...] = ()) -> Caller:
    return Caller("0" * 12, "c", models=models, servers=servers)


def test_who_is_restricted() -> None:
    """Whoever has no token, or one without globs, may use all."""
    assert not is_restricted(None) and not is_restricted(caller())
    assert is_restricted(caller(("x",))) and is_restricted(caller((), ("s",)))
    assert may_use_model(caller(), "any", "") and may_use_server(caller(), "any")


@pytest.mark.parametrize(
    ("globs", "server", "model", "may"),
    [
        (("gpt-*",), "openai", "gpt-4o", True),
        (("gpt-*",), "other", "gpt-4o", True),
        (("openai/*",), "openai", "gpt-4o", True),
        (("openai/*",), "other", "gpt-4o", False),
        (("openai/gpt-4o",), "openai", "gpt-4o", True),
        (("openai/gpt-4o",), "openai", "gpt-4o-mini", False),
        (("gpt-4o",), "openai", "GPT-4o", False),
        (("llama3",), "laptop", "llama3:latest", True),
        (("llama3:latest",), "laptop", "llama3", True),
        (("laptop/llama3",), "laptop", "llama3:latest", True),
        (("llama3",), "laptop", "llama3:70b", False),
        (("gpt-*",), "router", "openai/gpt-4o", False),
        (("*/gpt-*",), "router", "openai/gpt-4o", True),
        (("*",), "s", "anything", True),
        (("*",), "s", "", False),
        (("a", "b"), "s", "b", True),
    ],
)
def test_models(globs: tuple[str, ...], server: str, model: str, may: bool) -> None:
    """By the name, by `server/model`, with and without `:latest`; case counts."""
    assert may_use_model(caller(globs), server, model) is may


def test_servers_and_models_must_both_fit() -> None:
    """A glob of servers narrows that of models, and an alias opens no other server."""
    one = caller(("gpt-*", "fast"), ("open*",))
    assert may_use_model(one, "openai", "gpt-4o") and not may_use_model(one, "azure", "gpt-4o")
    assert may_use_model(one, "openai", "o3", ["slow", "fast"]) and not may_use_model(one, "openai", "o3", ["slow"])
    assert not may_use_model(one, "azure", "o3", ["fast"])
    assert may_use_model(caller((), ("a",)), "a", "") and not may_use_model(caller((), ("a",)), "b", "m")
