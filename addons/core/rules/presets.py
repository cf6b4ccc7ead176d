"""Presets: what is known of well-known servers, and how a server of the rules file builds on one. Pure.

The table is rules/presets.yaml; the edge reads it and hands its text in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from switchman.addons.core.request.call import DialectName
from switchman.addons.core.rules.rulesfile import KeepAliveFile, QuirksFile
from switchman.addons.core.rules.yamltext import load
from switchman.addons.core.servers import urls
from switchman.addons.core.servers.servers import KeepAlive, Quirks


class Preset(BaseModel):
    """One row of the table. `also`: dialects it speaks beside `dialect`. `docs`: where this was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    dialect: DialectName
    also: tuple[DialectName, ...] = ()
    api_key_env: str | None = None
    quirks: QuirksFile = Field(default_factory=QuirksFile)
    docs: str

    @field_validator("url")
    @classmethod
    def _url(cls, text: str) -> str:
        urls.parse(text)
        return text


Presets = Mapping[str, Preset]


def parse_presets(text: str, filename: str) -> dict[str, Preset]:
    """The table by name. Raises RulesError or ValidationError: it is part of the program, and a fault in it a bug."""
    document = load(text, filename)
    return {str(name): Preset.model_validate(row) for name, row in (document.data or {}).items()}


def quirks_of(preset: Preset | None, written: QuirksFile) -> Quirks:
    """What the file says, else the preset, else the reference."""
    return Quirks(**(_said(preset.quirks) if preset else {}) | _said(written))


def keepalive_of(general: KeepAliveFile, written: KeepAliveFile) -> KeepAlive:
    """What the server's own section says, else the file's general one."""
    return KeepAlive(**_said(general) | _said(written))


def _said(written: BaseModel) -> dict[str, Any]:
    return {name: value for name, value in written if value is not None}
