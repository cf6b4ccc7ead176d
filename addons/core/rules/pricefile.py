"""The price of a server's model: as `models:` says it, else as the server does, else by the shipped table."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, model_validator

from switchman.addons.core.access.prices.price import FREE, Price
from switchman.addons.core.access.prices.table import Prices, per_million
from switchman.addons.core.access.prices.written import WrittenPrice
from switchman.addons.core.rules.matchfile import Text, Written
from switchman.addons.core.servers.servers import ModelFacts, Server

Dollars = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]  # per million tokens
Each = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]  # per use

# The keys of the file, with the part of a price that each one is, and how many of it make what the file counts.
_KEYS: Final = {
    "input_cost": ("input", 1),
    "output_cost": ("output", 1),
    "cached_cost": ("cached", 1),
    "cache_write_5m_cost": ("cache_write_5m", 1),
    "cache_write_1h_cost": ("cache_write_1h", 1),
    "reasoning_cost": ("reasoning", 1),
    "audio_input_cost": ("audio_in", 1),
    "audio_output_cost": ("audio_out", 1),
    "image_input_cost": ("image_in", 1),
    "image_output_cost": ("image_out", 1),
    "image_cost": ("images", 1_000_000),
    "audio_second_cost": ("audio_ms", 1_000),
}


class CostsFile(Written):
    """What the parts of an answer cost."""

    input_cost: Dollars | None = Field(default=None, description="$ per million input tokens")
    output_cost: Dollars | None = Field(default=None, description="$ per million output tokens")
    cached_cost: Dollars | None = Field(
        default=None, description="$ per million input tokens that the provider had in its cache; else as input_cost"
    )
    cache_write_5m_cost: Dollars | None = Field(
        default=None, description="$ per million tokens written to it for the usual time; else as input_cost"
    )
    cache_write_1h_cost: Dollars | None = Field(
        default=None, description="$ per million tokens written to it for longer; else as cache_write_5m_cost"
    )
    reasoning_cost: Dollars | None = Field(
        default=None, description="$ per million tokens of thought; else as output_cost"
    )
    audio_input_cost: Dollars | None = Field(default=None, description="$ per million audio tokens that go in")
    audio_output_cost: Dollars | None = Field(default=None, description="$ per million audio tokens that come out")
    image_input_cost: Dollars | None = Field(
        default=None, description="$ per million image tokens that go in; else as input_cost"
    )
    image_output_cost: Dollars | None = Field(default=None, description="$ per million image tokens that come out")
    image_cost: Each | None = Field(default=None, description="$ per picture, where no tokens are counted for it")
    audio_second_cost: Each | None = Field(default=None, description="$ per second of audio, likewise")


class TierFile(CostsFile):
    """The costs of an answer to a long prompt. What it does not name costs as below."""

    above: Annotated[int, Field(gt=0, le=1_000_000_000)] = Field(
        description="input tokens, cached ones included, of which there are more"
    )


class PriceFile(CostsFile):
    """What a model costs."""

    tool_costs: dict[Text, Each] = Field(
        default_factory=dict, description="$ per use of the provider's own tools, such as web_search"
    )
    tiers: list[TierFile] = Field(default_factory=list, description="other costs of longer prompts")

    @model_validator(mode="after")
    def _in_order(self) -> PriceFile:
        above = [tier.above for tier in self.tiers]
        if above != sorted(set(above)):
            raise ValueError("expected tiers in the order of above, each once")
        return self


def price_of(written: PriceFile) -> WrittenPrice | None:
    """The figures of an entry; None where it has none."""
    parts = _parts(written)
    tools = {name: per_million(each, 1_000_000) for name, each in written.tool_costs.items()}
    bands = tuple((tier.above, _parts(tier)) for tier in written.tiers)
    return WrittenPrice(parts, tools, bands) if parts or tools or bands else None


def _parts(written: CostsFile) -> dict[str, int]:
    given = {part: (getattr(written, key), units) for key, (part, units) in _KEYS.items()}
    return {part: per_million(dollars, units) for part, (dollars, units) in given.items() if dollars is not None}


def price_for(facts: ModelFacts, server: Server, model: str, prices: Prices) -> Price | None:
    """What a model costs on a server; None where it is not known, which is not zero.

    1. An entry of `models:` with input_cost or output_cost stands alone: what it leaves out is not the table's.
    2. A server that is `free: true` costs nothing.
    3. The table's price, by whose server it is and the model's name there. What an entry of `models:` names that has
       neither input_cost nor output_cost takes the place of the table's.
    """
    written = facts.price
    if written is not None and written.whole:
        return written.over(None)
    if server.free:
        return FREE
    listed = prices.find(prices.provider(server.preset, server.url.host), model)
    return listed if written is None else written.over(listed)
