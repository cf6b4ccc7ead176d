"""The table of prices that is shipped (rules/prices.json): whose entry a server's model has.

    {"date", "source", "providers": {NAME: {"hosts", "states", "tools", "models": {MODEL: ENTRY}}}}

ENTRY has figures in dollars: per million tokens by the names of Price's parts, per picture ("images"), per second of
audio ("audio_s"), and where it is from ("from"). What it says nothing of is not known; but thoughts cost what other
output does, and pictures what text does, where no price apart is given. "bands", "services" and "off_peak" hold further
entries, which replace only what they name. The caller reads the file and passes its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from switchman.addons.core.access.prices.price import DEAREST, FREE, INPUTS, MILLION, OUTPUTS, STATED, Price, Window

# What providers put behind a name, to mean one version of the model. A version that has another price has an entry.
_VERSION: Final = re.compile(r"(?:-latest|[-@]20\d\d-?[01]\d-?[0-3]\d)$")
_NUMBERED: Final = re.compile(r"-0\d\d$")  # gemini-2.5-flash-001


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by provider and model. `hosts`: the providers' own hosts. `date`: when the figures were read.

    An entry is read when it is first asked for: few of the hundreds ever are.
    """

    providers: Mapping[str, Mapping[str, Any]] = field(repr=False)
    hosts: Mapping[str, str]
    date: str = ""
    source: str = ""
    _read: dict[tuple[str, str], Price] = field(default_factory=dict, repr=False, compare=False)

    def provider(self, preset: str, host: str) -> str | None:
        """Whose prices a server has: as its preset says, else by its host. None: nobody's that is known.

        Another host of the provider's own (eu.api.openai.com) has prices of its own, whatever the preset.
        """
        host = host.rstrip(".")
        own = self.hosts.get(host)
        if own is not None or not preset:
            return own if preset in ("", own) else None
        if preset not in self.providers:
            return None
        near = [_domain(own) for own in self.providers[preset]["hosts"]]
        return None if any(host.endswith(f".{domain}") for domain in near) else preset

    def find(self, provider: str | None, model: str) -> Price | None:
        """The price of a model by the name that its provider knows it by, or by one of its versions."""
        if provider is None or (rows := self.providers.get(provider)) is None:
            return None
        for name in _names(model):
            if name in rows["models"]:
                return self._entry(provider, name)
        return STATED if rows.get("states") else None

    def names(self) -> Iterator[tuple[str, str]]:
        """Each entry's provider and model."""
        return ((provider, name) for provider, rows in self.providers.items() for name in rows["models"])

    def _entry(self, provider: str, name: str) -> Price:
        if (price := self._read.get((provider, name))) is None:
            price = self._read[provider, name] = _price(self.providers[provider], name)
        return price


def _domain(host: str) -> str:
    """What a provider's other hosts end in: openai.com for api.openai.com."""
    return ".".join(host.split(".")[-2:])


NO_PRICES: Final = Prices({}, {})


def _names(model: str) -> Iterator[str]:
    """The name as it is, and those that mean the same model."""
    name = model.lower().removeprefix("models/")
    if name.startswith("ft:"):  # ft:gpt-4o-mini-2024-07-18:organization:suffix:id; the model is what is priced
        yield ":".join(name.split(":")[:2])
        return
    yield name
    if (bare := _VERSION.sub("", name)) != name or (bare := _NUMBERED.sub("", name)) != name:
        yield bare


def parse_prices(text: str) -> Prices:
    """Read the table. Raises ValueError or KeyError: it ships with the program."""
    table = json.loads(text)
    hosts = {host: provider for provider, rows in table["providers"].items() for host in rows["hosts"]}
    return Prices(table["providers"], hosts, table["date"], table["source"])


def _price(provider: Mapping[str, Any], name: str) -> Price:
    row = provider["models"][name]
    tools = {**provider.get("tools", {}), **row.get("tools", {})}
    uses = {tool: per_million(each, MILLION) for tool, each in tools.items()}
    base = Price(_parts(row), uses, states=provider.get("states", False))
    if not any(base.parts.values()) and not row.keys() - {"input", "output", "from"}:
        return FREE  # moderation
    return replace(
        base,
        bands=_bands(row, base),
        services={service: _served(more) for service, more in row.get("services", {}).items()},
        off_peak=Price({**base.parts, **_parts(row["off_peak"])}) if "off_peak" in row else None,
        off_peak_at=tuple(_window(when) for when in row.get("off_peak", {}).get("at", ())),
    )


def _served(row: Mapping[str, Any]) -> Price:
    """Of a service all figures are its own."""
    own = Price(_parts(row))
    return replace(own, bands=_bands(row, own))


def _bands(row: Mapping[str, Any], base: Price) -> tuple[tuple[int, Price], ...]:
    """Each band's price, of more tokens than its key says. An empty one is not known at all."""
    bands = sorted((int(above), _parts(more)) for above, more in row.get("bands", {}).items())
    return tuple((above, Price({**base.parts, **parts}) if parts else Price()) for above, parts in bands)


def _parts(row: Mapping[str, Any]) -> dict[str, int]:
    figures = {part: per_million(row[part]) for part in (*INPUTS, *OUTPUTS) if part in row}
    for part, usual in (("reasoning", "output"), ("image_in", "input"), ("image_cached", "cached")):
        if usual in figures:
            figures.setdefault(part, figures[usual])
    if "images" in row:
        figures["images"] = per_million(row["images"], MILLION)
    if "audio_s" in row:
        figures["audio_ms"] = per_million(row["audio_s"], 1000)
    return figures


def _window(when: Mapping[str, Any]) -> Window:
    start, end = (_minute(time) for time in when["hours"].split("-"))
    return Window(frozenset(int(day) for day in when["days"]), start, end or 24 * 60)


def _minute(time: str) -> int:
    hours, minutes = time.split(":")
    return int(hours) * 60 + int(minutes)


def per_million(dollars: float, units: int = 1) -> int:
    """A price in dollars as micro-dollars per million: of dollars per million, or for one of so many `units` of it.

    Exact: a figure has at most six decimals. Raises ValueError for one that is no price.
    """
    figure = round(Decimal(repr(dollars)) * units * MILLION)
    if not 0 <= figure <= DEAREST:
        raise ValueError(f"a price of {dollars} dollars")
    return figure
