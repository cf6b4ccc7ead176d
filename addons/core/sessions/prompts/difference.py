"""Where two JSON values differ first, and where that stands in the text.

    first_difference(before, after) -> Difference | None
    positions(before, old, after, new, found) -> the characters of the two texts at which it stands

Keys count in their order: it is another prompt where a tool's schema has them in another one. White space between
values and the way in which characters are escaped do not count: the provider reads the values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, Literal

from switchman.addons.core.request.jsonedit import members_of

Kind = Literal[
    "value",  # a text, a number, another kind of value
    "order",  # the same keys in another order
    "keys",  # a key more, or less
    "longer",  # a list has more members, behind those that were there
    "shorter",  # it has fewer
]
Path = tuple[str | int, ...]
WHOLE: Final = -1


@dataclass(frozen=True, slots=True)
class Difference:
    """`path`: from the value to the one that differs. `index`: of a text, the first character that differs, or WHOLE
    where only one of the two is a text; of a list or an object with more members or less, how many come before.
    `name`: of an object whose members have other names or another order, (the member's number in the later one, how
    many characters the two names have in common).
    """

    kind: Kind
    path: Path
    index: int = 0
    name: tuple[int, int] | None = None


def first_difference(before: Any, after: Any, ignored: Collection[str] = (), path: Path = ()) -> Difference | None:
    """None: they are the same. `ignored`: names of members that do not count, wherever they stand. Raises
    RecursionError for what is nested too deeply.
    """
    if isinstance(before, dict) and isinstance(after, dict):
        return _objects(before, after, ignored, path)
    if isinstance(before, list) and isinstance(after, list):
        return _lists(before, after, ignored, path)
    if isinstance(before, str) and isinstance(after, str):
        return None if before == after else Difference("value", path, common(before, after))
    if path and path[-1] == "content" and {type(before), type(after)} == {str, list}:
        # one text, or a list with one text
        found = _lists(_as_list(before), _as_list(after), ignored, path)
        return found if found is None or found.path == path else Difference("value", path, WHOLE)
    same = type(before) is type(after) and before == after
    return None if same else Difference("value", path, WHOLE)


def common(before: str, after: str) -> int:
    """How many characters two texts have in common at their beginning."""
    low, high = 0, min(len(before), len(after))
    while low < high:
        middle = (low + high + 1) // 2
        if before[low:middle] == after[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def positions(before: str, old: int, after: str, new: int, found: Difference) -> tuple[int, int]:
    """The characters of both texts at which the difference stands; `old` and `new` are where the values begin that it
    was found in.
    """
    old, new = _position(before, old, found, later=False), _position(after, new, found, later=True)
    if found.kind == "value" and '"' not in (before[old : old + 1], after[new : new + 1]):
        while before[old : old + 1] == after[new : new + 1] not in ("", *",]}"):  # numbers may begin alike
            old, new = old + 1, new + 1
    return old, new


def path_text(path: Path) -> str:
    """As people write it: `messages[3].content[0].text`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path).lstrip(".")


def _objects(
    before: Mapping[str, Any], after: Mapping[str, Any], ignored: Collection[str], path: Path
) -> Difference | None:
    names = [[key for key in value if key not in ignored] for value in (before, after)]
    for number, (old, new) in enumerate(zip_longest(*names)):
        if old is None or new is None:
            return Difference("keys", path, number)
        if old != new:
            kind: Kind = "order" if sorted(names[0]) == sorted(names[1]) else "keys"
            return Difference(kind, path, number, (list(after).index(new), common(old, new)))
        if (found := first_difference(before[old], after[old], ignored, (*path, old))) is not None:
            return found
    return None


def _lists(before: list[Any], after: list[Any], ignored: Collection[str], path: Path) -> Difference | None:
    for number, (old, new) in enumerate(zip(before, after, strict=False)):
        if (found := first_difference(old, new, ignored, (*path, number))) is not None:
            return found
    if len(before) == len(after):
        return None
    return Difference("longer" if len(before) < len(after) else "shorter", path, min(len(before), len(after)))


def _as_list(content: Any) -> list[Any]:
    return content if isinstance(content, list) else [{"type": "text", "text": content}]


def _position(text: str, at: int, found: Difference, later: bool) -> int:
    for key in found.path:
        if text[at] not in "{[":
            break  # one text, where the other has a list
        member = next((one for one in members_of(text, at)[0] if one.key == key), None)
        if member is None:
            return at
        at = member.start
    if text[at] == '"':
        return at if found.index == WHOLE else at + 1 + raw_length(text, at, found.index)
    if text[at] not in "{[" or found.kind == "value":
        return at
    members, _ = members_of(text, at)
    if found.name is not None:
        number, letters = found.name
        member = members[number if later else min(found.index, len(members) - 1)]
        return member.begin + 1 + raw_length(text, member.begin, letters)
    return members[min(found.index, len(members)) - 1].end if members and found.index else at + 1


def raw_length(text: str, quote: int, characters: int) -> int:
    """How many characters of a JSON string's text stand for its first so many ones."""
    if "\\" not in text[quote + 1 : quote + 1 + characters]:
        return characters
    at = quote + 1
    for _ in range(characters):
        if text[at] != "\\":
            at += 1
        elif text[at + 1] != "u":
            at += 2
        else:
            at += 12 if _is_pair(text, at) else 6
    return at - quote - 1


def _is_pair(text: str, at: int) -> bool:
    """Whether two escapes stand for one character."""
    if text[at + 6 : at + 8] != "\\u":
        return False
    high, low = int(text[at + 2 : at + 6], 16), int(text[at + 8 : at + 12], 16)
    return 0xD800 <= high < 0xDC00 <= low < 0xE000
