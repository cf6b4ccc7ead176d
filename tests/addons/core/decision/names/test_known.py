"""What the servers' lists tell: a bare name's servers, and how each of them writes it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from switchman.addons.core.decision.catalogue import read_models
from switchman.addons.core.decision.names.known import (
    NOTHING_KNOWN,
    KnownModels,
    asked_servers,
    places,
    server_models,
    spelled,
)
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset

FILE = """\
servers:
  b: "http://b"
  a: {url: "http://a", dialect: ollama}
  c: {url: "http://c", dialect: openai}
"""


def rules(text: str = FILE, default: str = "http://localhost:8000") -> Ruleset:
    environment = SimpleNamespace(
        default_upstream=default, default_upstream_set=False, model_map={}, request_timeout=1.0,
        strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
    )  # fmt: skip
    return parse_ruleset(text, "routes.yaml", environment)


def known(**lists: list[str]) -> KnownModels:
    return KnownModels({n: server_models(read_models([{"id": model} for model in one])) for n, one in lists.items()})


def test_servers_are_asked_in_the_order_of_the_file_and_the_default_last() -> None:
    """Once, where the file names the default's address."""
    assert [server.name for server in asked_servers(rules())] == ["b", "a", "c", "default"]
    assert [server.name for server in asked_servers(rules(default="http://a"))] == ["b", "a", "c"]


def test_a_bare_name_is_where_a_list_has_it() -> None:
    """Exactly, or with its twin's; a name with another tag is another model."""
    lists = known(a=["m", "n:8b"], b=["m:latest"], c=["m:8b"])
    found = places("m", rules(), lists)
    assert [(one.server.name, one.model) for one in found] == [("b", "m:latest"), ("a", "m")]
    assert places("n", rules(), lists) == places("", rules(), lists) == places("m", rules(), NOTHING_KNOWN) == ()


@pytest.mark.parametrize(
    ("server", "model", "lists", "ollama", "sent"),
    [
        ("a", "m", ["m:latest"], False, "m"),  # Ollama knows both
        ("a", "m:latest", ["m"], True, "m:latest"),
        ("b", "m", ["m:latest"], False, "m:latest"),  # as it lists it
        ("c", "m:latest", ["m"], False, "m"),
        ("c", "m:latest", ["m:latest", "m"], True, "m:latest"),
        ("c", "m:latest", ["x"], True, "m:latest"),  # it has neither: the client's words
    ],
)
def test_how_a_server_is_asked_for_it(server: str, model: str, lists: list[str], ollama: bool, sent: str) -> None:
    """An Ollama server as the client wrote it, any other as its list does."""
    assert spelled(rules().servers[server], model, known(**{server: lists}), ollama) == sent
