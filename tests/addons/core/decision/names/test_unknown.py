"""What a client is told of a model that nothing knows."""

from __future__ import annotations

import time
from types import SimpleNamespace

from switchman.addons.core.decision.catalogue import read_models
from switchman.addons.core.decision.names.known import KnownModels, ServerModels, server_models
from switchman.addons.core.decision.names.unknown import nearest, refusal_of
from switchman.addons.core.rules.ruleset import Ruleset, parse_ruleset

FILE = """\
servers: {ollama: "http://localhost:11434", cloud: "https://cloud"}
aliases: {small: {instances: [ollama/qwen3:8b]}}
"""


def rules(text: str = FILE) -> Ruleset:
    environment = SimpleNamespace(
        default_upstream="http://localhost:8000", default_upstream_set=False, model_map={}, request_timeout=1.0,
        strip_thinking=True, strip_json_markdown=False, disable_thinking=False,
    )  # fmt: skip
    return parse_ruleset(text, "routes.yaml", environment)


def listed(*names: str) -> ServerModels:
    return server_models(read_models([{"id": name} for name in names]))


KNOWN = KnownModels(
    {"ollama": listed("llama3:latest", "qwen3:8b", "hf.co/unsloth/Qwen3-30B-GGUF:Q4"), "cloud": listed("gpt-4o")}
)


def test_the_nearest_names_come_first_and_are_few() -> None:
    """Aliases and what servers list; a vendor or a tag that was left out does not hide them."""
    assert nearest("smal", rules(), KNOWN) == ["small"]
    assert nearest("Qwen3", rules(), KNOWN)[0] == "qwen3:8b"
    assert nearest("gpt4o", rules(), KNOWN) == ["gpt-4o"]
    assert nearest("qwen3-30b-gguf", rules(), KNOWN)[0] == "hf.co/unsloth/Qwen3-30B-GGUF:Q4"
    assert nearest("olama/llama3", rules(), KNOWN)[0] == "ollama/llama3:latest"
    assert nearest("zzz", rules(), KNOWN) == nearest("", rules(), KNOWN) == []


def test_names_of_any_length_and_number_take_a_bounded_time() -> None:
    """They come from clients and servers, and are compared on the event loop."""
    many = KnownModels({"ollama": listed(*(f"vendor/some-model-with-a-long-name-{n}:{n}b" for n in range(20_000)))})
    began = time.process_time()
    assert len(nearest("some-model-with-a-long-name-" * 40_000, rules(), many)) <= 3
    assert time.process_time() - began < 1.0  # it takes some 10 ms


def test_lists_that_could_not_be_read_are_told_of() -> None:
    """And how to reach what they may have."""
    dark = KnownModels({"ollama": KNOWN.servers["ollama"], "cloud": ServerModels(problem="401 for /v1/models")})
    assert refusal_of("gpt-5", "gpt-5", rules(), dark).endswith(
        "These lists could not be read: cloud (401 for /v1/models). Models of such a server are reached as cloud/MODEL."
    )
    assert "ollama (not asked yet)" in refusal_of("gpt-5", "gpt-5", rules(), KnownModels())


def test_without_any_server_it_says_what_to_do() -> None:
    """That is the first thing that somebody sees who set nothing."""
    told = refusal_of("gpt-5", "gpt-5", rules(""), KnownModels({"default": ServerModels(problem="x", absent=True)}))
    assert told == (
        "The model 'gpt-5' was not found: no alias, no rule and no server's list has it. "
        "The routes file names no server, and nothing answers at "
        "http://localhost:8000: say there where your models are, or set DEFAULT_UPSTREAM."
    )
    assert refusal_of("", "", rules(), KNOWN) == "The request names no model."
