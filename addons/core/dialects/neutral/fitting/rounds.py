"""Rounds: bring the results of calls right behind them, in the order of the calls, one for each.

A round is one message of the assistant's with calls, and what they gave. OpenAI and Anthropic refuse a conversation
where anything stands between the two, or where a result is missing. Ollama ties results to calls by their order alone:
out of order, each of two calls of one tool reads what the other gave. Clients run calls at the same time, send each
result as it comes, and let their users speak or stop in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice

from switchman.addons.core.dialects.neutral.form import Message, Request, Role, ToolCall, ToolResult
from switchman.addons.core.dialects.neutral.limits import Notes
from switchman.addons.core.dialects.neutral.linking import link, with_places


def in_rounds(request: Request, notes: Notes) -> Request:
    """The request with each round whole and in order. Rounds that are so already stay as they are.

    A call without a result gets an empty one, but for Ollama, which needs none. Results without a call are left where
    they are (linking.without_orphans).
    """
    messages = link(with_places(request).messages)
    complete = notes.target != "ollama"
    wrong = [one for one in _rounds(messages) if not _is_in_order(one, messages) or (complete and one.missing())]
    if not wrong:
        return request
    moved = {(found.message, found.part) for one in wrong for found in one.results}
    behind = {one.at: _results(one, messages, complete, notes) for one in wrong}
    out: list[Message] = []
    for index, message in enumerate(messages):
        kept = tuple(part for place, part in enumerate(message.parts) if (index, place) not in moved)
        if len(kept) == len(message.parts):
            out.append(message)
        elif kept:
            out.append(replace(message, role=_speaker(message, kept), parts=kept))
        out += behind.get(index, ())
    return replace(request, messages=tuple(out))


@dataclass(frozen=True, slots=True)
class _Found:
    """A result that stands in message number `message` as part number `part`, -1 for one that is put in."""

    message: int
    part: int
    result: ToolResult


@dataclass(slots=True)
class _Round:
    """The calls of message number `at`, and their results in the order in which they came."""

    at: int
    calls: dict[str, tuple[int, ToolCall]]  # id -> place among the calls
    results: list[_Found] = field(default_factory=list)

    def place_of(self, found: _Found) -> int:
        return self.calls[found.result.id][0]

    def missing(self) -> list[ToolCall]:
        answered = {found.result.id for found in self.results}
        return [call for _, call in self.calls.values() if call.id not in answered]


def _rounds(messages: Sequence[Message]) -> list[_Round]:
    """The rounds. An id that is used again names the last call before the result."""
    rounds: list[_Round] = []
    asked: dict[str, _Round] = {}
    for index, message in enumerate(messages):
        if calls := message.calls():
            rounds.append(_Round(index, {call.id: (place, call) for place, call in enumerate(calls)}))
            asked |= dict.fromkeys(rounds[-1].calls, rounds[-1])
        for place, part in enumerate(message.parts):
            if isinstance(part, ToolResult) and part.id in asked:
                asked[part.id].results.append(_Found(index, place, part))
    return rounds


def _is_in_order(one: _Round, messages: Sequence[Message]) -> bool:
    """Whether the results stand right behind the calls, and in their order."""
    places = [one.place_of(found) for found in one.results]
    return places == sorted(places) and _is_together(one, messages)


def _is_together(one: _Round, messages: Sequence[Message]) -> bool:
    """Whether nothing else stands between the calls and their results."""
    stands = [(found.message, found.part) for found in one.results]
    return stands == list(islice(_behind(one.at, messages), len(stands)))


def _behind(at: int, messages: Sequence[Message]) -> Iterator[tuple[int, int]]:
    """The places of the results right behind a message, up to the first thing that is none."""
    for index in range(at + 1, len(messages)):
        for place, part in enumerate(messages[index].parts):
            if not isinstance(part, ToolResult):
                return
            yield index, place
        if not messages[index].parts:
            return


def _speaker(message: Message, kept: tuple[object, ...]) -> Role:
    """Who says what is left of a message."""
    has_results = any(isinstance(part, ToolResult) for part in kept)
    return "user" if message.role == "tool" and not has_results else message.role


def _results(one: _Round, messages: Sequence[Message], complete: bool, notes: Notes) -> list[Message]:
    """The messages with this round's results. Neighbours that came in one message stay in one."""
    found = list(one.results)
    if not _is_together(one, messages):  # to sort them loses nothing
        notes.lose("messages.order", messages[found[0].message].place)
    for call in one.missing() if complete else ():
        notes.lose("messages.no_result", f"{messages[one.at].place} ({call.name})")
        found.append(_Found(-1, -1, ToolResult(call.id, call.name, (), "absent")))
    found.sort(key=one.place_of)
    groups = [(source, tuple(each.result for each in group)) for source, group in groupby(found, lambda f: f.message)]
    return [
        Message("tool", results) if source < 0 else replace(messages[source], role="tool", parts=results)
        for source, results in groups
    ]
