"""`mirror:` of a route: some of its requests are asked a second time, of a target whose answers nobody gets."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from switchman.addons.core.access.prices.price import MILLION
from switchman.addons.core.routes.plan import Plan
from switchman.addons.core.routes.routes import Alias, Instance
from switchman.addons.core.rules.matchfile import Text, Written

if TYPE_CHECKING:
    from switchman.addons.core.rules.rulescompile import Compiler
    from switchman.addons.core.rules.rulesfile import RulesFileModel

_WHOLE: Final = 2**64


class MirrorFile(Written):
    """A second server for some requests of a route; what it answers is written down, and goes to nobody."""

    target: Text = Field(description="server/model, or an alias, of which the first instance is asked")
    share: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        default=0.1, description="0 to 1: of how many conversations; each is mirrored whole, or not at all"
    )
    max_cost: Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)] = Field(
        default=1.0, description="$ a day, over all workers; then nothing is mirrored until the next"
    )


@dataclass(frozen=True, slots=True)
class Mirror:
    """`max_cost`: micro-dollars a day. `local_only`: the route's requests stay on its first server and local ones."""

    route: str
    target: Instance
    share: float
    max_cost: int
    local_only: bool = False

    def takes(self, conversation: str) -> bool:
        """Whether this conversation is mirrored: the same answer each time, on every worker."""
        digest = hashlib.sha256(f"{self.route}\0{conversation}".encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:8]) < self.share * _WHOLE

    def may_see(self, plan: Plan, local: frozenset[str]) -> bool:
        """Whether the target may get a request with this plan, as far as `local_only` goes."""
        first = plan.first_choice.name
        bound = self.local_only or first in local
        return not bound or self.target.server.name == first or self.target.server.name in local


def mirrors_of(compiler: Compiler, model: RulesFileModel, aliases: Mapping[str, Alias]) -> dict[str, Mirror]:
    """The mirrors by the names of their routes. That several routes have one name is a fault."""
    names = [written.name or f"route {index + 1}" for index, written in enumerate(model.routes)]
    times, found = Counter(names), dict[str, Mirror]()
    for index, (name, written) in enumerate(zip(names, model.routes, strict=True)):
        mirror = written.route.mirror
        if mirror is None:
            continue
        path = ("routes", index, "route", "mirror")
        if times[name] > 1:
            message = f"another route is called {name!r}, too: give this one a name of its own"
            compiler.problems.append(compiler.document.problem(path, message))
        instances = compiler.compile_target((*path, "target"), mirror.target, model, aliases)
        if not instances or not written.enabled:
            continue
        target, cost = instances[0], round(mirror.max_cost * MILLION)
        if not target.server.enabled:
            message = f"{target.server.name} is off (enabled: false), so nothing is mirrored"
            compiler.problems.append(compiler.document.problem((*path, "target"), message, warning=True))
        found[name] = Mirror(name, target, mirror.share, cost, written.route.local_only)
    return found
