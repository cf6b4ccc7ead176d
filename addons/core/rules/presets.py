"""Presets: the settings of well-known servers, on which a server of the rules file can build. Pure.

The table is rules/presets.yaml; the caller reads it and passes its text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from switchman.addons.core.request.call import DialectName
from switchman.addons.core.rules.pricefile import price_of
from switchman.addons.core.rules.reading.yamltext import load
from switchman.addons.core.rules.rulesfile import KeepAliveFile, ModelFile, QuirksFile
from switchman.addons.core.servers import urls
from switchman.addons.core.servers.servers import KeepAlive, ModelFacts, PathStyle, Quirks


class Preset(BaseModel):
    """One row of the table. `also`: dialects it speaks besides `dialect`. `docs`: the source of the row.

    `url` None: it differs from customer to customer, and the file says it; `url_form` shows what it looks like.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = None
    url_form: str = ""
    path: PathStyle = "join"
    dialect: DialectName
    also: tuple[DialectName, ...] = ()
    api_key_env: str | None = None
    quirks: QuirksFile = Field(default_factory=QuirksFile)
    docs: str

    @model_validator(mode="after")
    def _has_url(self) -> Preset:
        if not (self.url or self.url_form):
            raise ValueError("expected url or url_form")
        urls.parse(self.url or self.url_form)
        return self


Presets = Mapping[str, Preset]


def parse_presets(text: str, filename: str) -> dict[str, Preset]:
    """Read the table, by name. Raises RulesError or ValidationError: the table ships with the program."""
    document = load(text, filename)
    return {str(name): Preset.model_validate(row) for name, row in (document.data or {}).items()}


def quirks_of(preset: Preset | None, written: QuirksFile) -> Quirks:
    """The file's values, else the preset's, else the defaults."""
    return Quirks(**(_set_keys(preset.quirks) if preset else {}) | _set_keys(written))


def keepalive_of(general: KeepAliveFile, written: KeepAliveFile) -> KeepAlive:
    """The values of the server's own section, else of the file's general one, else the defaults."""
    return KeepAlive(**_set_keys(general) | _set_keys(written))


def _set_keys(written: BaseModel) -> dict[str, Any]:
    """The keys that are set, with their values."""
    return {name: value for name, value in written if value is not None}


def facts_of(written: ModelFile) -> ModelFacts:
    """What an entry of `models:` says."""
    return ModelFacts(
        thinking_output=written.thinking_output,
        strip_json_markdown=written.strip_json_markdown,
        disable_thinking=written.disable_thinking,
        thinking_opens=written.thinking_opens,
        input_cost=written.input_cost,
        output_cost=written.output_cost,
        price=price_of(written),
        context=written.context,
        modalities=frozenset(written.modalities),
    )
