"""One back-test for whoever asks: bounded in requests and time, one at a time for each person, and others have turns.

It runs in a thread of the dashboard's process, beside the pages that others look at: it works for 5 ms, then gives the
interpreter away for as long, and a body that would keep it for longer is not read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Final

from switchman.addons.core.decision.replaying.report import Report
from switchman.webui.admin.changes import Refused
from switchman.webui.config import Backtests
from switchman.webui.looks.marked import N_

SECONDS: Final = 10.0  # to replay; what was done by then is told
LOOKING_UP: Final = 5.0  # seconds more for the targets' medians
TURN: Final = 0.005  # seconds of work, and of rest
MOST_BODY: Final = 1_000_000  # bytes of a body: reading it takes some 10 ms
MOST_AT_ONCE: Final = 2  # of the dashboard's eight threads
MOST_TEXT: Final = 900_000  # characters of rules
STOPPED: Final = N_("Stopped after %(seconds)s s: the newest %(left)s of %(rows)s requests are not in it.")

DAY: Final = 86_400.0
SINCE: Final[Mapping[str, tuple[str, float | None]]] = {
    "1h": (N_("the last hour"), 3600.0),
    "1d": (N_("the last day"), DAY),
    "7d": (N_("the last 7 days"), 7 * DAY),
    "all": (N_("all that is kept"), None),
}
LIMITS: Final = (500, 2_000, 10_000)
AGAINST: Final[Mapping[str, str]] = {"rules": N_("the rules in force"), "log": N_("what really happened")}


@dataclass(frozen=True, slots=True)
class Wanted:
    """`text`: the rules; None: as the file is saved. `since`: of SINCE. `against`: of AGAINST."""

    text: str | None
    since: str = "7d"
    limit: int = 2_000
    against: str = "rules"

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Wanted:
        """Of a form's, or a program's values; `which` is `saved` or `text`. Raises Refused."""
        known = cls(None)
        since, against = given.get("since") or known.since, given.get("against") or known.against
        limit = given.get("limit") or str(known.limit)
        if since not in SINCE:
            raise Refused(N_("since is one of %(names)s"), 422, "since", names=", ".join(SINCE))
        if against not in AGAINST:
            raise Refused(N_("against is one of %(names)s"), 422, "against", names=", ".join(AGAINST))
        if not (limit.isascii() and limit.isdecimal() and 0 < int(limit[:9]) <= LIMITS[-1]):
            raise Refused(N_("limit is a number from 1 to %(most)s"), 422, "limit", most=LIMITS[-1])
        text = given.get("rules", "") if given.get("which", "text") == "text" else None
        if text is not None and not text.strip():
            raise Refused(N_("there are no rules in it: paste a whole rules file"), 422, "rules")
        if text is not None and len(text) > MOST_TEXT:
            raise Refused(N_("the rules have more than %(most)s characters"), 422, "rules", most=MOST_TEXT)
        return cls(text, since, int(limit), against)


class Running:
    """Who has a back-test under way."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._people: set[str] = set()

    @contextmanager
    def place(self, person: str) -> Iterator[None]:
        """Raises Refused where there is none free."""
        with self._lock:
            if person in self._people:
                raise Refused(N_("a back-test of yours is still under way: wait until it ends"), 429)
            if len(self._people) >= MOST_AT_ONCE:
                raise Refused(N_("other people's back-tests are under way: try again in some seconds"), 503)
            self._people.add(person)
        try:
            yield
        finally:
            with self._lock:
                self._people.discard(person)


Say = Callable[[str, dict[str, str]], str]


def english(message: str, values: dict[str, str]) -> str:
    """As programs get it."""
    return message % values


def run(
    backtests: Backtests,
    wanted: Wanted,
    now: float,
    clock: Callable[[], float] = time.monotonic,
    seconds: float = SECONDS,
    say: Say = english,
) -> Report:
    """Raises RulesError for rules that are broken. `now`: epoch seconds. `say` makes a sentence of its values."""
    end = clock() + seconds
    backtest = backtests.start(wanted.text, against_log=wanted.against == "log", most_body=MOST_BODY)
    age = SINCE[wanted.since][1]
    span = backtests.recordings.span(None if age is None else now - age, wanted.limit)
    stopped = ""
    if span is not None:
        turn = clock()
        for one in backtests.recordings.of(span, most_body=MOST_BODY):
            if clock() >= end:
                left = span.rows - backtest.seen
                stopped = say(STOPPED, {"seconds": f"{seconds:g}", "left": f"{left:,}", "rows": f"{span.rows:,}"})
                break
            backtest.add(one)
            if clock() - turn >= TURN:
                time.sleep(TURN)
                turn = clock()

    def median(server: str, model: str) -> float | None:
        return backtests.recordings.median(server, model) if clock() < end + LOOKING_UP else None

    return backtest.report(median, stopped, (AGAINST[wanted.against], "the new rules"))
