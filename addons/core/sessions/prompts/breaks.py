"""What broke the provider's cache: where the prompt of a turn stops being how the next turn's begins.

    find_break(before, after) -> Break | None      None: the earlier prompt is the beginning of the later one

1. Appending is no break, whether messages or parts of the last message; nor is taking messages off the end.
2. Anything else is one, at the first byte that differs: another text or order in the tools, in a setting that stands
   before the messages, in the system prompt or in a message of before.
3. Marks for the cache (cache_control) are no part of the prompt: Claude Code moves its own along with each turn. But a
   provider that caches by marks looks for what was kept at the later request's marks and up to LOOK_BACK blocks before
   each of them. Where the last mark of before is out of their reach, its cache is lost.
4. Ids and states of the items of OpenAI's Responses API are no part of the prompt.
5. Caches are a model's on a server: another target has none of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, Literal

from switchman.addons.core.sessions.prompts.difference import (
    Difference,
    Kind,
    first_difference,
    path_text,
    positions,
)
from switchman.addons.core.sessions.prompts.reading import Item, Part, Prompt

LOOK_BACK: Final = 20  # blocks; https://platform.claude.com/docs/en/build-with-claude/prompt-caching
AROUND: Final = (80, 200)  # characters that are shown before and from the difference on

MARK: Final = "cache_control"
_NO_PART: Final = {"input": frozenset({MARK, "id", "status"})}
_MARKS_ONLY: Final = frozenset({MARK})
_ORDER: Final[dict[str, int]] = {"tools": 0, "settings": 1, "system": 2, "messages": 3}

Why = Literal[Kind, "marks", "target"]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What stands around the difference: `same` before it, `other` from it on."""

    same: str
    other: str


@dataclass(frozen=True, slots=True)
class Break:
    """`part`: of the prompt. `place`: the path in the later body, as `messages[3].content`. `title`: the tool's name or
    the message's role. `byte`: of the later body, the first that differs; `byte_before`: the same place in the earlier
    one. `kept`, `whole`: bytes of the earlier prompt before the difference, and all of them.
    """

    why: Why
    part: Part | Literal["target"]
    place: str
    title: str
    byte: int
    byte_before: int
    before: Excerpt
    after: Excerpt
    kept: int
    whole: int

    @property
    def only_digits(self) -> bool:
        """Whether the two texts are the same but for digits: a clock, a counter, an id."""
        texts = [
            "".join("0" if letter.isdigit() else letter for letter in one.other) for one in (self.before, self.after)
        ]
        return self.before.other != self.after.other and texts[0] == texts[1]


def find_break(before: Prompt, after: Prompt, targets: tuple[str, str] | None = None) -> Break | None:
    """`targets`: who answered the two, as `server/model`. Raises RecursionError for what is nested too deeply."""
    if targets is not None and targets[0] != targets[1]:
        was, now = (Excerpt("", target) for target in targets)
        return Break("target", "target", "", "", 0, 0, was, now, 0, _size(before, before.items))
    last = before.messages[-1] if before.messages else None
    for old, new in zip_longest(_prefix(before), _prefix(after)):
        if (old is None or new is None) or (old.part, old.place[0]) != (new.part, new.place[0]):
            return _more_or_less(before, after, old, new)
        if (found := first_difference(old.value, new.value, _ignored(new))) is not None:
            return _at(before, after, old, new, found)
    for old, new in zip(before.messages, after.messages, strict=False):
        found = first_difference(old.value, new.value, _ignored(new))
        if found is not None and not (old is last and _is_appended(found)):
            return _at(before, after, old, new, found)
    return _by_marks(before, after) if before.marked else None


def _prefix(prompt: Prompt) -> list[Item]:
    return [item for item in prompt.items if item.part != "messages"]


def _ignored(item: Item) -> frozenset[str]:
    return _NO_PART.get(str(item.place[0]), _MARKS_ONLY)


def _is_appended(found: Difference) -> bool:
    return found.kind == "longer" and found.path == ("content",)


def _at(before: Prompt, after: Prompt, old: Item, new: Item, found: Difference, why: Why | None = None) -> Break:
    places = positions(before.text, old.start, after.text, new.start, found)
    return _made(before, after, old, why or found.kind, (new, path_text((*new.place, *found.path))), places)


def _made(
    before: Prompt, after: Prompt, old: Item | None, why: Why, where: tuple[Item, str], places: tuple[int, int]
) -> Break:
    item, place = where
    reached = before.items.index(old) if old is not None else len(before.items)
    kept = _size(before, before.items[:reached])
    if old is not None:
        kept += _bytes(before.text[old.start : max(old.start, places[0])])
    return Break(
        why=why,
        part=item.part,
        place=place,
        title=item.title,
        byte=_bytes(after.text[: places[1]]),
        byte_before=_bytes(before.text[: places[0]]),
        before=_excerpt(before.text, places[0]),
        after=_excerpt(after.text, places[1]),
        kept=kept,
        whole=_size(before, before.items),
    )


def _more_or_less(before: Prompt, after: Prompt, old: Item | None, new: Item | None) -> Break:
    """A tool, a setting or a piece of the system prompt came in, or is gone."""
    came = new is not None and (old is None or _ORDER[new.part] <= _ORDER[old.part])
    item = new if came else old
    assert item is not None  # one of the two is there
    in_before = _behind(before, item) if came else item.start
    in_after = item.start if came else _behind(after, item)
    if isinstance(item.place[-1], int):  # a comma parts it from the one before
        in_before, in_after = _behind(before, item), _behind(after, item)
    return _made(
        before, after, old, "longer" if came else "shorter", (item, path_text(item.place)), (in_before, in_after)
    )


def _behind(prompt: Prompt, item: Item) -> int:
    """Behind the last item of the same list that comes before this one; where the list would stand, without any."""
    earlier = [one for one in prompt.items if one.part == item.part and one.place[0] == item.place[0]]
    if len(item.place) > 1:
        earlier = [one for one in earlier if len(one.place) > 1 and one.place[1] < item.place[1]]  # type: ignore[operator]
    if earlier:
        return earlier[-1].end
    following = [one for one in prompt.items if _ORDER[one.part] >= _ORDER[item.part]]
    return following[0].start if following else len(prompt.text)


def _by_marks(before: Prompt, after: Prompt) -> Break | None:
    """Whether what was kept at the last mark of before is out of the reach of the later marks."""
    kept, looked_for = [_marks(prompt) for prompt in (before, after)]
    if not kept or any(0 <= at - kept[-1] <= LOOK_BACK for at in looked_for):
        return None
    pairs = zip_longest(before.items, after.items)
    for old, new in pairs:
        if old is None or new is None:
            break
        if (found := first_difference(old.value, new.value, _ignored(new) - {MARK})) is not None:
            return _at(before, after, old, new, found, "marks")
    return None


def _marks(prompt: Prompt) -> list[int]:
    """The numbers of the blocks that have marks, in the order of the prompt."""
    return [number for number, block in enumerate(_blocks(prompt)) if isinstance(block, dict) and block.get(MARK)]


def _blocks(prompt: Prompt) -> Iterator[Any]:
    for item in prompt.items:
        content = item.value.get("content") if isinstance(item.value, dict) and item.part == "messages" else None
        if isinstance(content, list):
            yield from content
        else:
            yield item.value


def _excerpt(text: str, at: int) -> Excerpt:
    return Excerpt(text[max(0, at - AROUND[0]) : at], text[at : at + AROUND[1]])


def _size(prompt: Prompt, items: tuple[Item, ...]) -> int:
    return sum(_bytes(prompt.text[item.start : item.end]) for item in items)


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
