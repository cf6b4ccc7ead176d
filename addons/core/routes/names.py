"""Names of models: an Ollama model's `name` and `name:latest` are one model.

Ollama's default tag is `latest` ("Model names" in docs/api.md of https://github.com/ollama/ollama): its clients leave
it out, and some (Open WebUI) add it to every name that has no tag. No other kind of server gives `:latest` a meaning,
so the two are one model for clients of all dialects.
"""

from __future__ import annotations

from collections.abc import Mapping

LATEST = ":latest"


def short(model: str) -> str:
    """The name without `:latest`, by which names are compared: `llama3` for `llama3` and for `llama3:latest`."""
    return model.removesuffix(LATEST) if len(model) > len(LATEST) else model


def twin(model: str) -> str:
    """The other way to write the name: `name:latest` for `name`, and the reverse. "" where it has another tag."""
    if (name := short(model)) != model:
        return name
    return "" if not model or ":" in model.rpartition("/")[2] else model + LATEST


def find[T](table: Mapping[str, T], model: str) -> T | None:
    """The entry of this name, else the one of its twin."""
    if (found := table.get(model)) is not None or not table:
        return found
    return table.get(twin(model))


def readings(model: str, ollama: bool = False) -> tuple[str, ...]:
    """The names that a pattern is tried on: as it is written, and without `:latest`; an Ollama client's also with it.

    `gpt-4o` of any other client has no tag: a pattern such as `/:/`, which means Ollama's names, must not match it.
    """
    other = twin(model)
    return (model, other) if other and (ollama or len(other) < len(model)) else (model,)
