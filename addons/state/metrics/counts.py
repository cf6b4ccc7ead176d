"""RequestCounts: adds a request that is over to this worker's sheet. It runs on the event loop, for every request."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from switchman.addons.core.record import Record
from switchman.addons.state.metrics import catalogue as of
from switchman.addons.state.metrics.names import Names
from switchman.addons.state.metrics.sheet import Sheet

if TYPE_CHECKING:
    from switchman.addons.core.rules.ruleset import Ruleset

MICRO: Final = 1e-6  # dollars in a micro-dollar
MILLI: Final = 1e-3  # seconds in a millisecond
MOST_KINDS: Final = 4096  # of requests, whose slots are remembered; names come from clients
LONGEST: Final = 300  # characters of a model's name by which a kind is remembered

Key = tuple[str | None, str | None, str | None, str, str | None, str | None]


class Slots(NamedTuple):
    """Where requests of one kind are counted. `ones`: they count one each."""

    ones: tuple[int, ...]
    duration: int
    first_token: int
    overhead: int
    prompt: int
    completion: int
    cached: int
    reasoning: int
    cost: int
    saved: int


class RequestCounts:
    """Belongs to the event loop's thread. `rules`: those in force."""

    def __init__(self, sheet: Sheet, names: Names, rules: Callable[[], Ruleset]) -> None:
        self._sheet, self._names, self._rules = sheet, names, rules
        self._obeyed: Ruleset | None = None
        self._version = names.version
        self._kinds: dict[Key, Slots] = {}
        self._tries: dict[tuple[str, str], int] = {}

    def count(self, record: Record) -> None:
        """Add it. Three microseconds; a kind of request that has not been there before takes some more."""
        values = self._sheet.values
        key = (record.server, record.model, record.layer, record.outcome, record.error_class, record.cache)
        slots = self._kinds.get(key)
        if slots is None or self._rules() is not self._obeyed:
            slots = self._slots(key)
        for slot in slots.ones:
            values[slot] += 1.0
        observe(values, slots.duration, of.DURATIONS, record.duration_ms * MILLI)
        if record.overhead_ms is not None:
            observe(values, slots.overhead, of.OVERHEADS, record.overhead_ms * MILLI)
        if record.ttft_ms is not None:
            observe(values, slots.first_token, of.FIRST_TOKENS, record.ttft_ms * MILLI)
        if record.outcome != "cached":  # the tokens of a cached answer were used before
            use(values, slots, record)
        if record.saved_cost:
            values[slots.saved] += record.saved_cost * MICRO
        for attempt in record.attempts:
            tried = attempt.server, attempt.outcome
            if (place := self._tries.get(tried)) is None:
                place = self._try_slot(tried)
            values[place] += 1.0

    def unlogged(self) -> None:
        """A refusal that leaves no row."""
        self._sheet.add(of.UNLOGGED)

    def server(self, name: str) -> str:
        """The label of a server, of which nothing is known but its name."""
        return self._names.of("server", name, False)

    def label(self, target: str) -> tuple[str, str]:
        """The labels of a target, `server/model` or `server`, likewise."""
        server, _, model = target.partition("/")
        return self.server(server), self._names.of("model", model, False)

    def look(self) -> None:
        """Learn which names the rules have, and which other workers have taken: theirs and ours are one series."""
        self._obey()
        self._names.look()
        self._learn()

    def _obey(self) -> None:
        if (rules := self._rules()) is not self._obeyed:
            self._obeyed = rules
            self._names.obey(rules)
            self._forget()

    def _learn(self) -> None:
        if self._names.version != self._version:
            self._version = self._names.version
            self._forget()

    def _forget(self) -> None:
        self._kinds.clear()
        self._tries.clear()

    def _slots(self, key: Key) -> Slots:
        self._obey()
        server, model, layer, outcome, error, cache = key
        self._names.look()
        answered = outcome in ("ok", "cached")
        names = (
            self._names.of("server", server or "", answered),
            self._names.of("model", model or "", answered),
        )
        slot = self._sheet.slot
        ones = [slot(of.REQUESTS, (*names, layer or "", outcome))]
        if error is not None:
            ones.append(slot(of.ERRORS, (names[0], error)))
        if layer is not None:
            ones.append(slot(of.DECISIONS, (layer,)))
        if cache is not None:
            ones.append(slot(of.CACHE, (cache,)))
        if outcome == "cached":
            ones.append(slot(of.CACHE_HITS, (layer or "",)))
        found = Slots(
            tuple(ones),
            slot(of.DURATION, (*names, outcome)),
            slot(of.FIRST_TOKEN, names),
            slot(of.OVERHEAD, (layer or "",)),
            *(slot(metric, names) for metric in (of.PROMPT_TOKENS, of.COMPLETION_TOKENS, of.CACHED_TOKENS)),
            *(slot(metric, names) for metric in (of.REASONING_TOKENS, of.COST, of.SAVED)),
        )
        self._learn()  # of `found`, too: what was `other` may have a name now
        if len(self._kinds) >= MOST_KINDS:
            self._forget()
        if len(model or "") <= LONGEST:
            self._kinds[key] = found
        return found

    def _try_slot(self, tried: tuple[str, str]) -> int:
        server, outcome = tried
        slot = self._sheet.slot(of.ATTEMPTS, (self._names.of("server", server, outcome == "ok"), outcome))
        if len(self._tries) < MOST_KINDS:
            self._tries[tried] = slot
        return slot


def use(values: memoryview[float], slots: Slots, record: Record) -> None:
    """Count what an answer took."""
    if record.input_tokens:
        values[slots.prompt] += record.input_tokens
    if record.output_tokens:
        values[slots.completion] += record.output_tokens
    if record.cached_tokens:
        values[slots.cached] += record.cached_tokens
    if record.reasoning_tokens:
        values[slots.reasoning] += record.reasoning_tokens
    if record.cost:
        values[slots.cost] += record.cost * MICRO


def observe(values: memoryview[float], slot: int, bounds: tuple[float, ...], value: float) -> None:
    """Count a value in a histogram: its sum first, then a count for each bucket by its upper bound."""
    values[slot] += value
    values[slot + 1 + bisect_left(bounds, value)] += 1.0
