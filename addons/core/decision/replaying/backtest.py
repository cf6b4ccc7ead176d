"""A back-test: recorded requests, decided by two sets of rules, and what the difference comes to."""

from __future__ import annotations

from collections.abc import Callable

from switchman.addons.core.decision.replaying.decided import Place
from switchman.addons.core.decision.replaying.prices import PriceTable, server_in_log
from switchman.addons.core.decision.replaying.recorded import MOST_UNPACKED, Asked, LocalTimeOf, Recorded, was_decided
from switchman.addons.core.decision.replaying.replayer import Replayer, as_recorded
from switchman.addons.core.decision.replaying.report import Report
from switchman.addons.core.decision.replaying.tally import Tally
from switchman.addons.core.request.tasktype import TaskRules
from switchman.addons.core.rules.ruleset import Ruleset

EXAMPLES = 10
LEFT_OUT = ("answered by the router", "no request to a model", "refused before a decision")  # why one is not replayed

MedianOf = Callable[[str, str], float | None]
"""The median duration of a model's answers on a server of this name, in milliseconds; None where it gave none."""


class Backtest:
    """`rules` against `against`; None: against what became of each request. `base`: the rules in force.

    `local_time` is that of the proxy. `has_plugins`: some plug-in layer is installed. `most_body`: bytes of a
    body that is read.
    """

    def __init__(
        self,
        rules: Ruleset,
        against: Ruleset | None,
        base: Ruleset,
        tasks: TaskRules | None,
        local_time: LocalTimeOf,
        *,
        has_plugins: bool = False,
        examples: int = EXAMPLES,
        most_body: int = MOST_UNPACKED,
    ) -> None:
        self._most_body = most_body
        self._after = Replayer(rules, base, has_plugins=has_plugins)
        self._before = None if against is None else Replayer(against, base, has_plugins=has_plugins)
        self._known = tuple(each for each in (rules, against, base) if each is not None)
        self._base, self._tasks, self._local_time = base, tasks, local_time
        self._tally = Tally(PriceTable(self._known), examples)
        self.seen = 0

    def add(self, one: Recorded) -> None:
        """Take a request. They come in the order of their start."""
        self.seen += 1
        if was_decided(one):
            asked = Asked(one, self._tasks, self._local_time(one.started_at), self._most_body)
            # What is recorded is of the rules in force first: their servers are those of the log.
            before = self._before.decided(asked) if self._before else as_recorded(one, (self._base, *self._known))
            self._tally.add(one, before, self._after.decided(asked))
        else:
            self._tally.leave_out(_why_not(one))
        for replayer in (self._before, self._after):
            if replayer is not None:
                replayer.note(one)

    def report(self, median_of: MedianOf, stopped: str = "", names: tuple[str, str] = ("", "")) -> Report:
        """`median_of` is given a server's name in the log, and a model."""

        def median(place: Place) -> float | None:
            server = server_in_log(place, self._base)
            return median_of(server, place.model) if server is not None else None

        return self._tally.report(median, stopped, names)


def _why_not(one: Recorded) -> str:
    answered, no_request, refused = LEFT_OUT
    if one.outcome == "answered":
        return answered
    return no_request if one.dialect is None else refused
