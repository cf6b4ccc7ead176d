"""References: a value of the rules file that stands somewhere else, so that the file holds no secret.

    env:NAME      a variable of the environment, read when the rules are
    file:PATH     a file that holds nothing but the value; read again when it changes
    vault:NAME    a key of the vault, which `switchman key set NAME` keeps encrypted in the database; likewise

`resolve` gives the value, or says what is wrong: a request is never sent without the key that it should have. A name
that looks like a key is not repeated then: somebody may have written `env:` before the key itself. Where
files and the vault are read is the edge's matter: it brings SecretSources along.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from switchman.addons.core.texts.masking import mask_text, mask_url

KINDS: Final = ("env", "file", "vault")

Fault = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Secret:
    """A value, and what is to be said about how it is kept."""

    value: str = field(repr=False)
    warning: str = ""


class SecretSources(Protocol):
    """Reads secrets. Each raises ValueError with a sentence that says what to do, and has nothing of the value."""

    def file(self, path: str) -> Secret:
        """What the file holds."""

    def vault(self, name: str) -> Secret:
        """A key of the vault."""


class NoSources:
    """For rules that are read where there are neither files nor a vault: every reference to them is a fault."""

    def file(self, path: str) -> Secret:
        raise ValueError(f"{path} cannot be read here")

    def vault(self, name: str) -> Secret:
        raise ValueError(f"the vault cannot be read here; {name} is not known")


def is_reference(text: str) -> bool:
    return text.partition(":")[0] in KINDS and ":" in text


def resolve(text: str, env: Mapping[str, str], sources: SecretSources, error: Fault, warn: Fault) -> str | None:
    """The value that a text stands for: of a reference what it refers to, else the text itself. None after an error."""
    if not is_reference(text):
        return text
    kind, _, name = text.partition(":")
    name = name.strip()
    if not name:
        error(f"{kind}: is followed by {'a path' if kind == 'file' else 'a name'}")
        return None
    if kind == "env":
        value = env.get(name, "").strip()
        if not value:
            error(f"the environment variable {mask_url(name)} is not set, or empty")
        return value or None
    try:
        found = sources.file(name) if kind == "file" else sources.vault(name)
    except ValueError as fault:
        error(str(fault).replace(name, mask_text(name) if kind == "file" else mask_url(name)))
        return None
    if found.warning:
        warn(found.warning)
    return found.value
