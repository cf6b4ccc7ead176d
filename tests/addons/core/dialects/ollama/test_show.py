"""What an Ollama client is told of a model that no Ollama runs."""

import json

import pytest
from ollama import ShowResponse

from switchman.addons.core.dialects.ollama.show import NO_DETAILS, show
from switchman.addons.core.servers.servers import ModelFacts


def test_the_official_client_reads_it() -> None:
    """Context length and capabilities as the rules have them."""
    facts = ModelFacts(context=32768, modalities=frozenset({"text", "vision"}))
    answer = ShowResponse(**json.loads(json.dumps(show("gpt-x", facts, "cloud"))))
    assert answer.capabilities == ["completion", "vision"]
    assert answer.modelinfo is not None
    architecture = answer.modelinfo["general.architecture"]
    assert answer.modelinfo[f"{architecture}.context_length"] == 32768


def test_what_is_not_known_is_not_made_up() -> None:
    """No context length; tools, as clients would hide the model otherwise."""
    answer = show("gpt-x", ModelFacts(), "cloud")
    assert not any(key.endswith("context_length") for key in answer["model_info"])
    assert answer["capabilities"] == ["completion", "tools"]


@pytest.mark.parametrize(
    ("modalities", "capabilities"),
    [
        (frozenset[str](), ["completion", "tools"]),
        (frozenset({"text"}), ["completion"]),
        (frozenset({"vision", "tools", "audio"}), ["completion", "vision", "tools"]),
    ],
    ids=["nothing-said", "text-only", "vision-and-tools"],
)
def test_capabilities_are_what_the_rules_say(modalities: frozenset[str], capabilities: list[str]) -> None:
    """In Ollama's words, and no others."""
    assert show("gpt-x", ModelFacts(modalities=modalities), "cloud")["capabilities"] == capabilities


def test_who_runs_it_is_said() -> None:
    """A user who looks at the model file sees it; the details have every member that Ollama's have."""
    answer = show("gpt-x", ModelFacts(context=0), "cloud")
    assert answer["modelfile"] == "# gpt-x is not run by Ollama, but by the server cloud\n"
    assert answer["model_info"] == {
        "general.architecture": "unknown",
        "general.basename": "gpt-x",
        "unknown.context_length": 0,
    }
    assert answer["details"] == NO_DETAILS and ShowResponse(**answer).details is not None
