"""The servers' lists of models, as decisions use them: known at once, and fetched anew for a name that they lack.

1. At the start, and when the rules change, every list is fetched; then each is kept warm in the background. An explicit
   DEFAULT_UPSTREAM gets every bare name, so that only `auto` may need them: they are then fetched with its first
   request.
2. A request whose name a list has goes by what is known, and waits for nobody.
3. A request whose name no list has makes the lists that are older than MAX_AGE be fetched, once for all who wait, and
   waits for them: no longer than PATIENCE, and only GRACE longer than until one has the name.
4. Right after the start, when a server was never asked, a request that goes by the lists waits as in 3: what comes
   first must not depend on which server was the quickest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from switchman.addons.core.decision.names.known import KnownModels, asked_servers, server_models
from switchman.addons.core.routes.plan import Plan
from switchman.addons.core.rules.ruleset import Ruleset
from switchman.addons.core.servers.credentials import is_on_own_network
from switchman.addons.core.servers.servers import Server
from switchman.addons.state.learned.listings import TIMEOUT, Listings
from switchman.addons.state.reloads import Reloads

MAX_AGE = 2.0  # seconds; a model that was just installed is found within this
PATIENCE = TIMEOUT  # seconds; each fetch ends by itself within this, too
GRACE = 0.25  # seconds for servers that come earlier in the rules file
WARM = 60.0  # seconds between two fetches in the background of a server on our own network
PUBLIC = 10  # times as many for a public one, whose models hardly change

DecideBy = Callable[[KnownModels], Plan]


class RoutingLists:
    """Decides by the lists that `listings` keeps. Belongs to the event loop."""

    def __init__(self, listings: Listings, patience: float = PATIENCE, warm: float = WARM) -> None:
        self._listings, self._patience, self._warm = listings, patience, warm
        self._last: tuple[Ruleset, int, KnownModels] | None = None

    def known(self, rules: Ruleset) -> KnownModels:
        """What is known now. A look-up, unless a list or the rules changed."""
        if self._last is None or self._last[0] is not rules or self._last[1] != self._listings.fetched:
            kept = ((server.name, self._listings.kept(server)) for server in asked_servers(rules))
            known = {
                name: server_models(one.models, one.problem, one.absent)
                for name, one in kept
                if one is not None and one.reached is not None
            }
            self._last = (rules, self._listings.fetched, KnownModels(known))
        return self._last[2]

    async def plan(self, rules: Ruleset, decide_by: DecideBy) -> Plan:
        """The plan that `decide_by` makes of what is known; what it lacks is fetched first, as said above."""
        plan = decide_by(self.known(rules))
        if not plan.lists:
            return plan
        fetches = set(self._fetches(rules, plan))
        end = time.monotonic() + (GRACE if plan.lists == "used" else self._patience)
        while fetches and (left := end - time.monotonic()) > 0:
            # They are not cancelled with the request that waits for them.
            _, fetches = await asyncio.wait(fetches, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            plan = decide_by(self.known(rules))
            if plan.lists == "used":
                end = min(end, time.monotonic() + GRACE)
        return plan

    def _fetches(self, rules: Ruleset, plan: Plan) -> Iterator[asyncio.Task[None]]:
        """The fetches that may change the plan; those that are due are started."""
        for server in asked_servers(rules):
            kept = self._listings.kept(server)
            if kept is None or kept.reached is None:
                fetch = self._listings.ask(server).fetch
            elif plan.lists == "missed" and not _goes_there_anyway(plan, server):
                # Whether anything listens on the assumed default is seen at once, and may change at any time.
                assumed = server == rules.default and not rules.default_set
                age = 0.0 if assumed and kept.absent else None if kept.problem else MAX_AGE
                fetch = self._listings.ask(server, max_age=age).fetch
            else:
                continue
            if fetch is not None:
                yield fetch

    async def keep_warm(self, current: Callable[[], Ruleset], reloads: Reloads) -> None:
        """Fetch every list now, after each change of the rules, and again and again. Runs until it is cancelled."""
        known: Ruleset | None = None
        rounds = 0
        while True:
            rules = current()
            rounds = 0 if rules is not known else rounds + 1
            for server in asked_servers(rules) if not rules.default_set else ():
                if rounds % PUBLIC == 0 or is_on_own_network(server.url.host):
                    self._listings.ask(server)
            known = rules
            with suppress(TimeoutError):
                await asyncio.wait_for(reloads.after(known), self._warm)


def _goes_there_anyway(plan: Plan, server: Server) -> bool:
    """Whether the plan leads to this server, whatever its list says: the assumed default, which answers."""
    return any(candidate.server == server for candidate in plan.candidates)
