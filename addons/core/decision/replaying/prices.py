"""What recorded requests cost at places where they were not answered: by the price table, and their known tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from switchman.addons.core.access.prices.cost import cost_of
from switchman.addons.core.access.prices.price import Price
from switchman.addons.core.decision.replaying.decided import Decided, Place
from switchman.addons.core.decision.replaying.recorded import Recorded
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.servers import Server

# As of flow/costs.py: no model generates anything.
FREE_OPERATIONS: Final = frozenset({"count_tokens", "tokenize", "show"})


class PriceTable:
    """Prices of places by several rules: the first that know one say it, on both sides of a comparison."""

    def __init__(self, rules: Sequence[Ruleset]) -> None:
        self._rules = [(each, {one.name: one for one in (each.default, *each.upstreams)}) for each in rules]

    def price(self, place: Place) -> Price | None:
        for rules, servers in self._rules:
            server = servers.get(place.server)
            if server is None or (place.url and str(server.url) != place.url):
                continue
            if (price := rules.price_for(server, place.model)) is not None:
                return price
        return None

    def cost(self, one: Recorded, where: Decided) -> int | None:
        """Micro-dollars; None where it is not known. What a cache answers costs nothing."""
        if where.kind == "cache" or one.operation in FREE_OPERATIONS:
            return 0
        price = self.price(where.place) if where.place is not None else None
        usage = one.usage
        cost = cost_of(usage, price, one.started_at)
        if cost is None and usage is not None and usage.cached and price is not None and "cached" not in price.parts:
            # It has no cache, as far as is known, so that all is read anew.
            cost = cost_of(replace(usage, input=usage.input + usage.cached, cached=0), price, one.started_at)
        return cost


def server_in_log(place: Place, base: Ruleset) -> str | None:
    """The name that the log has for the place's server: it may be called otherwise in other rules.

    None where the name is another machine's in the log.
    """
    servers: dict[str, Server] = {one.name: one for one in (base.default, *base.upstreams)}
    own = servers.get(place.server)
    if own is None:
        same = (name for name, server in servers.items() if place.url and str(server.url) == place.url)
        return next(same, place.server)
    if not place.url or str(own.url) == place.url:
        return place.server
    return next((name for name, server in servers.items() if str(server.url) == place.url), None)
