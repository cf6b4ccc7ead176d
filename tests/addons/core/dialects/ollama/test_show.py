"""What an Ollama client is told of a model that no Ollama runs."""

import json

from ollama import ShowResponse

from switchman.addons.core.dialects.ollama.show import show
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
