"""The semantic process under `switchman serve`, and the line that says which layers of `auto` are on."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from switchman.addons.config.settings import Settings
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.semantics.manifest import Manifest
from switchman.addons.semantics.service import OFF, ONE_THREAD, SOCKET, Wanted, private_folder, wanted
from switchman.addons.serving.supervisor import Say, StartFailed, Supervisor

_VARIABLE = "SEMANTIC_SOCKET"


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The outcome of the start. `why_off` is "" where the process runs; `folder` then has to live as long as it."""

    why_off: str
    model: str = ""
    folder: tempfile.TemporaryDirectory[str] | None = None

    def close(self) -> None:
        if self.folder is not None:
            self.folder.cleanup()


async def start_embeddings(settings: Settings, rules: Ruleset, supervisor: Supervisor, say: Say) -> Embeddings:
    """Start the process if the rules want one, and tell the workers by environment. Never raises: without the process,
    the layers that need it are off, and everything else serves.
    """
    if settings.semantic_socket:
        return Embeddings("SEMANTIC_SOCKET=off" if settings.semantic_socket == OFF else "", settings.semantic_socket)
    found = wanted(settings, rules)
    if isinstance(found, str):
        os.environ[_VARIABLE] = OFF
        return Embeddings(found)
    folder = private_folder()
    socket = Path(folder.name) / SOCKET
    arguments = found.arguments(socket)
    os.environ.update(ONE_THREAD)  # inherited; no other process of ours has numpy
    try:
        await supervisor.start("semantics", lambda _: arguments, essential=False)
    except StartFailed as error:
        os.environ[_VARIABLE] = OFF
        folder.cleanup()
        say(f"warning: {error}; its layers are off")
        return Embeddings("it could not start")
    os.environ[_VARIABLE] = str(socket)
    return Embeddings("", _described(found), folder)


def _described(found: Wanted) -> str:
    if found.backend != "onnx":
        return found.model
    manifest = Manifest.of(Path(found.model))
    return f"{manifest.model}, {'/'.join(manifest.languages) or 'any language'}"


def layers_line(rules: Ruleset, embeddings: Embeddings) -> str:
    """`L0 exact cache, L1 rules, default; off: L3 (no arbiter), ...`: each layer of `auto`, and why one is off."""
    embedder = embeddings.why_off
    routes = rules.semantic_routes
    categories = routes is not None and routes.mode == "on" and any(one.target for one in routes.categories.values())
    unkept = "" if rules.cache.exact.ttl > 0 else "ttl: 0"  # the semantic cache finds what the exact one keeps
    off = {
        "L0 exact cache": unkept,
        f"L0.5 semantic cache ({rules.cache.semantic.mode})": _first(
            "mode: off" if rules.cache.semantic.mode == "off" else "", unkept, embedder
        ),
        "L1 rules": "",
        "L2 semantic routes": _first("" if categories else "no semantic_routes", embedder),
        "L3 arbiter": "" if rules.arbiter is not None else "no arbiter",
        "default": "",
    }
    line = ", ".join(name for name, why in off.items() if not why)
    if embeddings.model and not embeddings.why_off:
        line += f"; embeddings by {embeddings.model}"
    lost = [f"{name.partition(' (')[0]} ({why})" for name, why in off.items() if why]
    return line + (f"; off: {', '.join(lost)}" if lost else "")


def _first(*reasons: str) -> str:
    return next((reason for reason in reasons if reason), "")
