"""Answer Ollama's POST /api/show for a model that another server runs.

Source: docs/api.md of https://github.com/ollama/ollama, "Show Model Information", and ShowResponse of ollama-python.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from switchman.addons.core.servers.servers import ModelFacts

ARCHITECTURE: Final = "unknown"  # clients look up `<architecture>.context_length`
WHEN_UNKNOWN: Final = "1970-01-01T00:00:00Z"

NO_DETAILS: Final[Mapping[str, Any]] = {
    "parent_model": "",
    "format": "",
    "family": "",
    "families": None,
    "parameter_size": "",
    "quantization_level": "",
}


def show(model: str, facts: ModelFacts, server: str) -> dict[str, Any]:
    """The answer from what the rules say of the model. Leaves empty what they do not say, as Ollama's own answers do.

    `capabilities` are the rules' `modalities`. Without any, "tools" is among them: clients hide a model without it from
    their agents, while a server without tools says so itself.
    """
    info: dict[str, Any] = {"general.architecture": ARCHITECTURE, "general.basename": model}
    if facts.context is not None:
        info[f"{ARCHITECTURE}.context_length"] = facts.context
    return {
        "license": "",
        "modelfile": f"# {model} is not run by Ollama, but by the server {server}\n",
        "parameters": "",
        "template": "{{ .Prompt }}",
        "details": NO_DETAILS,
        "model_info": info,
        "capabilities": _capabilities(facts),
        "modified_at": WHEN_UNKNOWN,
    }


def _capabilities(facts: ModelFacts) -> list[str]:
    known = facts.modalities or {"tools"}
    return ["completion", *(name for name in ("vision", "tools") if name in known)]
