"""Servers on this machine asked what models they have: on loopback only, never another address, and not for long.

What is asked are the ports that presets.yaml has for servers of one's own, and servers whose address is this machine.
The router's own port is left out, and what is another Switchman. No key is sent: a server that wants one has no list
here. Redirects are not followed, and no proxy is gone through.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

import httpx

from switchman.addons.config.configuration import well_known
from switchman.addons.core.decision.catalogue import OWNER, read_models
from switchman.addons.core.servers import urls
from switchman.addons.core.servers.urls import BaseURL
from switchman.webui.admin.wizard import MOST_MODELS, ModelIn, ServerIn

DEADLINE: Final = 2.0  # seconds, for all of an answer
MOST_BYTES: Final = 2 * 1024 * 1024
LONGEST_NAME: Final = 200
ANTHROPIC: Final = {"anthropic-version": "2023-06-01"}  # without it, its API answers 400


class Asked(NamedTuple):
    """What a server says: its models, or, as `refused`, that it is there and does not say."""

    models: list[ModelIn]
    refused: bool = False


def found_here(left_out: Sequence[int] = ()) -> list[ServerIn]:
    """The servers that answer on the usual ports of this machine. `left_out`: ports of our own."""
    local = {
        name: url
        for name, preset in well_known().items()
        if preset.url and is_here(url := urls.parse(preset.url)) and url.port not in left_out
    }
    answers = asked({name: (url, well_known()[name].dialect) for name, url in local.items()})
    return [ServerIn(name=name, preset=name, models=answer.models) for name, answer in answers.items() if answer.models]


def is_here(url: BaseURL) -> bool:
    """Whether an address is on loopback by itself, without any name being looked up."""
    try:
        return ip_address(url.host).is_loopback
    except ValueError:
        return url.host == "localhost"


def asked(servers: Mapping[str, tuple[BaseURL, str | None]]) -> dict[str, Asked]:
    """By name, each server's address and dialect; those that are not here, or do not answer, are left out."""
    here = {name: one for name, one in servers.items() if is_here(one[0])}
    if not here:
        return {}
    with ThreadPoolExecutor(max_workers=min(8, len(here))) as pool:
        answers = dict(zip(here, pool.map(lambda one: ask(*one), here.values()), strict=True))
    return {name: answer for name, answer in answers.items() if answer is not None}


def ask(url: BaseURL, dialect: str | None) -> Asked | None:
    """None where nothing answers that has models."""
    host = "127.0.0.1" if url.host == "localhost" else f"[{url.host}]" if ":" in url.host else url.host
    path = "/api/tags" if dialect == "ollama" else "/v1/models"
    address = f"{url.scheme}://{host}:{url.port}{urls.join(url, path)}"
    until = time.monotonic() + DEADLINE
    try:
        with (
            httpx.Client(timeout=DEADLINE, trust_env=False, follow_redirects=False) as client,
            client.stream("GET", address, headers=ANTHROPIC if dialect == "anthropic" else None) as answer,
        ):
            if answer.status_code in (401, 403):
                return Asked([], refused=True)
            if answer.status_code != 200:
                return None
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MOST_BYTES or time.monotonic() > until:
                    return None
        return models_in(json.loads(bytes(body)))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, RecursionError):
        return None


def models_in(answer: Any) -> Asked | None:
    """The models of a list that answer chats, with what it tells of them. Raises ValueError for what is no list."""
    listed = read_models(answer)
    if any(one.owner == OWNER for one in listed):
        return None  # a Switchman, this one perhaps: its models would lead to itself
    entries = answer.get("data") or answer.get("models") if isinstance(answer, dict) else answer
    facts = {name: one for one in entries or () if isinstance(one, dict) for name in _names(one)}
    chats = [one.id for one in listed if one.chat and one.id.isprintable() and len(one.id) <= LONGEST_NAME]
    return Asked([model_in(name, facts.get(name, {})) for name in chats[:MOST_MODELS]])


def _names(entry: Mapping[str, Any]) -> list[str]:
    return [entry[key] for key in ("id", "model", "name") if isinstance(entry.get(key), str)]


def model_in(name: str, entry: Mapping[str, Any]) -> ModelIn:
    """What lists tell: vLLM's max_model_len, OpenRouter's context_length, Mistral's max_context_length, LM Studio's
    loaded_context_length and type vlm, Ollama's details.parameter_size ("7.6B") and capabilities.
    """
    contexts = (entry.get(key) for key in ("max_model_len", "loaded_context_length", "context_length",
                                           "max_context_length"))  # fmt: skip
    context = next((one for one in contexts if isinstance(one, int) and 0 < one <= 10**9), None)
    return ModelIn(name=name, context=context, pictures=_sees(entry), billions=_billions(entry.get("details")))


def _sees(entry: Mapping[str, Any]) -> bool | None:
    able, architecture = entry.get("capabilities"), entry.get("architecture")
    if isinstance(able, list):
        return "vision" in able
    if isinstance(able, Mapping) and isinstance(able.get("vision"), bool):
        return bool(able["vision"])
    if isinstance(architecture, Mapping) and isinstance(architecture.get("input_modalities"), list):
        return "image" in architecture["input_modalities"]
    return True if entry.get("type") == "vlm" else None


def _billions(details: Any) -> float | None:
    size = details.get("parameter_size") if isinstance(details, Mapping) else None
    if not isinstance(size, str) or size[-1:].upper() not in ("B", "M"):
        return None
    try:
        found = float(size[:-1]) / (1 if size[-1].upper() == "B" else 1000)
    except ValueError:
        return None
    return found if 0 < found <= 10**6 else None
