"""A session's requests as turns: what is new in each, the tools that it called with their results, and its branches.

    words_since(prompt, at) -> str              what the person said in the messages from that one on
    calls_since(prompt, at) -> (Called, ...)    the tools called in them, each with its result
    arranged(turns) -> Branch                   the main conversation with the others below it

A turn's own calls are read from the next turn's prompt, which has them with their results: the answer itself may have
been a stream, translated, or cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from switchman.addons.core.request.boilerplate import own_words
from switchman.addons.core.sessions.prompts.reading import Item, Prompt
from switchman.addons.core.texts.unicode import dumps

LONGEST: Final = 4_000  # characters of words, arguments and results

_CALLS: Final = frozenset({"function_call", "custom_tool_call", "local_shell_call", "mcp_call"})
_RESULTS: Final = frozenset({"function_call_output", "custom_tool_call_output", "local_shell_call_output"})


@dataclass(frozen=True, slots=True)
class Called:
    """One use of a tool. `result` None: there is none in the messages. `failed`: the client calls it an error."""

    id: str
    name: str
    arguments: str
    result: str | None = None
    failed: bool = False


class Turn(Protocol):
    """One request of a session."""

    @property
    def branch(self) -> str | None: ...
    @property
    def parent(self) -> str | None: ...
    @property
    def started_at(self) -> float: ...


@dataclass(slots=True)
class Branch[T: Turn]:
    """`name`: its digest, None for requests of none. `below`: by the number of the turn during or after which they
    began; -1: before the first one.
    """

    name: str | None
    turns: list[T]
    below: dict[int, list[Branch[T]]] = field(default_factory=dict)

    def all_turns(self) -> Iterator[T]:
        """Its own, and those below it."""
        yield from self.turns
        for branches in self.below.values():
            for branch in branches:
                yield from branch.all_turns()


def arranged[T: Turn](turns: Sequence[T]) -> Branch[T] | None:
    """`turns` in the order of time. A branch that names no parent among them belongs to the main one, which is the one
    with most turns among those that came from none. None: there are no turns.
    """
    branches: dict[str | None, Branch[T]] = {}
    for turn in turns:
        branches.setdefault(turn.branch, Branch(turn.branch, [])).turns.append(turn)
    if not branches:
        return None
    parents = {name: branch.turns[0].parent for name, branch in branches.items()}
    named = set(parents.values()) - {None}
    main = max(branches.values(), key=lambda one: (parents[one.name] is None, one.name in named, len(one.turns)))
    for name, branch in branches.items():
        if branch is main:
            continue
        above = branches.get(parents[name], main) if parents[name] is not None else main
        if above is branch or _is_below(above, branch, branches, parents, main):
            above = main
        began = branch.turns[0].started_at
        after = sum(turn.started_at <= began for turn in above.turns) - 1
        above.below.setdefault(after, []).append(branch)
    return main


def _is_below[T: Turn](
    one: Branch[T], other: Branch[T], branches: Mapping[str | None, Branch[T]],
    parents: Mapping[str | None, str | None], main: Branch[T],
) -> bool:  # fmt: skip
    """Whether the parents that clients tell lead from `one` to `other`, which would be a circle."""
    seen: set[str | None] = set()
    while one is not main and one.name not in seen:
        seen.add(one.name)
        above = branches.get(parents[one.name]) if parents[one.name] is not None else None
        if above is None:
            return False
        if above is other:
            return True
        one = above
    return one is not main


def words_since(prompt: Prompt, at: int) -> str:
    """What the person said in the messages from number `at` on, the last such message; "" where nobody did."""
    for item in reversed(prompt.messages[at:]):
        if _role(item) == "user" and (words := "\n".join(filter(None, map(own_words, _texts(_content(item)))))):
            return words[:LONGEST]
    return ""


def calls_since(prompt: Prompt, at: int) -> tuple[Called, ...]:
    """In their order. Of calls without ids (Ollama), the results come in the same order."""
    calls: list[Called] = []
    results: dict[str, tuple[str, bool]] = {}
    loose: list[tuple[str, bool]] = []
    for item in prompt.messages[at:]:
        if isinstance(item.value, Mapping):
            calls += _calls(item.value)
            for name, result in _results(item.value):
                if name:
                    results[name] = result
                else:
                    loose.append(result)
    return tuple(_paired(calls, results, loose))


def _paired(
    calls: Sequence[Called], results: Mapping[str, tuple[str, bool]], loose: list[tuple[str, bool]]
) -> Iterator[Called]:
    for call in calls:
        found = results.get(call.id) if call.id else (loose.pop(0) if loose else None)
        yield call if found is None else Called(call.id, call.name, call.arguments, *found)


def _calls(message: Mapping[str, Any]) -> Iterator[Called]:
    if message.get("type") in _CALLS:
        name = message.get("name") or message.get("type")
        asked = next((message[key] for key in ("arguments", "input", "action") if key in message), "")
        yield _called(message.get("call_id") or message.get("id"), name, asked)
    for call in _mappings(message.get("tool_calls")):
        function = call.get("function")
        inner = function if isinstance(function, Mapping) else call
        yield _called(call.get("id"), inner.get("name"), inner.get("arguments", inner.get("input", "")))
    for block in _mappings(message.get("content")):
        if block.get("type") in ("tool_use", "server_tool_use"):
            yield _called(block.get("id"), block.get("name"), block.get("input", ""))


def _results(message: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, bool]]]:
    if message.get("type") in _RESULTS:
        yield str(message.get("call_id") or ""), (_told(message.get("output")), message.get("status") == "failed")
    elif message.get("role") in ("tool", "function"):
        yield str(message.get("tool_call_id") or ""), (_told(message.get("content")), False)
    for block in _mappings(message.get("content")):
        if block.get("type") == "tool_result":
            yield str(block.get("tool_use_id") or ""), (_told(block.get("content")), block.get("is_error") is True)


def _called(id: Any, name: Any, arguments: Any) -> Called:
    text = arguments if isinstance(arguments, str) else dumps(arguments, spaced=True)
    return Called(str(id or "")[:200], str(name or "?")[:200], text[:LONGEST])


def _told(content: Any) -> str:
    if isinstance(content, str):
        return content[:LONGEST]
    return "\n".join(_texts(content))[:LONGEST] or ("" if content is None else dumps(content, spaced=True)[:LONGEST])


def _role(item: Item) -> str:
    return str(item.value.get("role", "")) if isinstance(item.value, Mapping) else "user"


def _content(item: Item) -> Any:
    return item.value.get("content") if isinstance(item.value, Mapping) else item.value


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    return [text for text in texts if isinstance(text, str)]


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
