"""Edit JSON text in place: every byte outside of the edited values stays.

Parsing a request and serialising it again would drop duplicate keys, and reformat numbers and whitespace; a proxy must
pass on what it was given. So the text is parsed once, the spans of the top-level values are noted, and an edit replaces
exactly those characters.

1. parse() returns the object and the span of each top-level value; its ValueError is written for a person.
2. edit() returns new text. It raises ValueError for a path that cannot exist in that text.
3. Like Python's own decoder, both accept NaN and Infinity: the upstream decides whether to take them.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from switchman.addons.core.request.unambiguous.keys import repeated
from switchman.addons.core.texts.largejson import RepeatedKey, raw_decode, raw_decode_once
from switchman.addons.core.texts.unicode import dumps

type Spans = Mapping[str, tuple[int, int]]
"""Top-level key -> (start, end) of its value in the text; of a key that occurs twice, the last one."""

type Path = tuple[str | int, ...]


class TopSpans(dict[str, tuple[int, int]]):
    """The spans that parse() returns. `repeated`: some key occurs more than once, and has only its last span here.

    `repeated_within`: so does one in an object below the top; noticed only where parse() is told which keys are single.
    """

    __slots__ = ("repeated", "repeated_within")

    def __init__(self) -> None:
        super().__init__()
        self.repeated = self.repeated_within = False


class _Remove:
    """The type of REMOVE."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "REMOVE"


REMOVE: Final = _Remove()
"""As a value in edit(): delete this member."""

# At the top level. Requests have some twenty; parsing a million would block the event loop for half a minute.
MOST_MEMBERS: Final = 10_000

_space = re.compile(r"[ \t\n\r]*").match


def parse(text: str, single: Collection[str] = ()) -> tuple[dict[str, Any], TopSpans]:
    """The object in `text`, and the spans of its top-level values. ValueError (with line and column) if the text is not
    one object, or has more than MOST_MEMBERS members.

    `single`: keys that may occur once, and in whose values no object may have a key twice; else Ambiguous is raised. Of
    others the last counts.
    """
    start = _skip(text, 0)
    if text[start : start + 1] != "{":
        # Let the decoder tell broken JSON from a value of another kind.
        value, end = _value(text, start)
        _require_end(text, end)
        raise ValueError(f"expected a JSON object, not {_kind(value)}")
    obj: dict[str, Any] = {}
    spans = TopSpans()
    members, end = members_of(text, start, MOST_MEMBERS, _Once(single, spans) if single else None)
    for member in members:
        key = str(member.key)
        if key in obj:
            if key in single:
                raise repeated(key)
            spans.repeated = True
            del spans[key]  # so that the last span is also the last in order
        obj[key] = member.content
        spans[key] = (member.start, member.end)
    _require_end(text, end)
    return obj, spans


def edit(text: str, edits: Mapping[Path, Any], spans: Spans | None = None) -> str:
    """`text` with the value at each path replaced, added or (REMOVE) deleted; the rest stays unchanged.

    A path is object keys and array indices from the top: ("messages", 3, "content"). A missing key is added at the
    end of its object, missing parents are made as objects (a parent that is null or a scalar is replaced by one).
    Every occurrence of a repeated key is edited, but for those before the last, which readers overlook, where the edits
    do not fit. Deleting what is not there changes nothing. `spans`, from parse() of this very text, saves scanning it
    again. ValueError: an array index out of range or in an object, a key in an array, or one edit's path lying inside
    another's.
    """
    tree = _tree(edits)
    if not tree:
        return text
    cuts: list[tuple[int, int, str]] = []
    if isinstance(spans, TopSpans) and spans and not spans.repeated and not any(v is REMOVE for v in tree.values()):
        _edit_by_spans(text, tree, spans, cuts)
    else:
        start = _skip(text, 0)
        _edit_container(text, start, tree, cuts)
    return _splice(text, cuts)


# --- reading --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Member:
    """One member of an object or array: from its first character to the end of its value."""

    key: str | int
    begin: int  # of the key, or of the value in an array
    start: int  # of the value
    end: int
    content: Any


def _skip(text: str, at: int) -> int:
    match = _space(text, at)
    assert match is not None  # the pattern matches the empty string
    return match.end()


class _Once:
    """Reads the value of a top-level key, and notices where an object in it has a key twice."""

    def __init__(self, single: Collection[str], spans: TopSpans) -> None:
        self._single, self._spans = single, spans

    def __call__(self, text: str, at: int, key: str | int) -> tuple[Any, int]:
        try:
            return _value(text, at, raw_decode_once)
        except RepeatedKey as error:
            if key in self._single:
                raise repeated(error.key, str(key)) from None
        self._spans.repeated_within = True
        return _value(text, at)


def _value(text: str, at: int, decode: Callable[[str, int], tuple[Any, int]] = raw_decode) -> tuple[Any, int]:
    try:
        return decode(text, at)
    except json.JSONDecodeError as error:
        raise _broken(text, error.pos, error.msg[:1].lower() + error.msg[1:].removesuffix(" at")) from None
    except RecursionError:
        raise _broken(text, at, "nested too deeply") from None
    except RepeatedKey:
        raise
    except ValueError:  # int() refuses more than 4300 digits (sys.set_int_max_str_digits)
        raise _broken(text, at, "a number has too many digits") from None


def _broken(text: str, at: int, why: str) -> ValueError:
    if text.startswith("\ufeff"):
        why = "begins with a byte order mark"
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    return ValueError(f"not valid JSON: {why} at line {line}, column {column}")


def _require_end(text: str, end: int) -> None:
    end = _skip(text, end)
    if end != len(text):
        raise _broken(text, end, "more text after the end of the value")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    names = {
        list: "an array",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        dict: "an object",
    }
    return names[type(value)]


def members_of(text: str, at: int, most: int = sys.maxsize, once: _Once | None = None) -> tuple[list[Member], int]:
    """The members of the object or array that begins at `at`, and its end. ValueError if it is invalid, or has more
    than `most` members. `once` reads their values, where it is given.
    """
    is_object = text[at] == "{"
    closer = "}" if is_object else "]"
    members: list[Member] = []
    at = _skip(text, at + 1)
    if text[at : at + 1] == closer:
        return members, at + 1
    while True:
        begin, key = at, len(members)
        if is_object:
            if text[at : at + 1] != '"':
                raise _broken(text, at, "expecting a property name in double quotes")
            key, at = _value(text, at)
            at = _skip(text, at)
            if text[at : at + 1] != ":":
                raise _broken(text, at, "expecting ':'")
            at = _skip(text, at + 1)
        content, end = _value(text, at) if once is None else once(text, at, key)
        members.append(Member(key, begin, at, end, content))
        at = _skip(text, end)
        mark = text[at : at + 1]
        if mark == closer:
            return members, at + 1
        if mark != ",":
            raise _broken(text, at, f"expecting ',' or '{closer}'")
        if len(members) == most:
            raise ValueError(f"the object has more than {most} members")
        at = _skip(text, at + 1)


# --- editing --------------------------------------------------------------------------------------------------------


class _Branch(dict[str | int, Any]):
    """Edits below one container: key -> value, REMOVE, or another _Branch (never confused with a value that is a
    dict).
    """


def _tree(edits: Mapping[Path, Any]) -> _Branch:
    root = _Branch()
    for path, value in edits.items():
        if not path:
            raise ValueError("an edit needs a path")
        branch = root
        for key in path[:-1]:
            below = branch.setdefault(key, _Branch())
            if not isinstance(below, _Branch):
                raise ValueError(f"the edit {path!r} lies inside another one")
            branch = below
        if path[-1] in branch:
            raise ValueError(f"another edit lies inside {path!r}")
        branch[path[-1]] = value
    return root


def _edit_by_spans(text: str, tree: _Branch, spans: TopSpans, cuts: list[tuple[int, int, str]]) -> None:
    missing = _Branch()
    for key, change in tree.items():
        span = spans.get(key) if isinstance(key, str) else None
        if span is not None:
            _edit_value(text, span[0], span[1], change, cuts)
        elif isinstance(key, str):
            missing[key] = change
        else:
            raise ValueError(f"the index {key} in an object")
    end = next(reversed(spans.values()))[1]
    _add(missing, end, cuts, first=False)


def _edit_value(text: str, start: int, end: int, change: Any, cuts: list[tuple[int, int, str]]) -> None:
    if not isinstance(change, _Branch):
        cuts.append((start, end, dumps(change)))
    elif text[start] in "{[":
        _edit_container(text, start, change, cuts)
    elif (made := _made(change)) is not None:
        cuts.append((start, end, dumps(made)))


def _edit_container(text: str, at: int, branch: _Branch, cuts: list[tuple[int, int, str]]) -> None:
    members, _ = members_of(text, at)
    is_object = text[at] == "{"
    if not is_object:
        _check_indices(branch, len(members))
    elif any(not isinstance(key, str) for key in branch):
        raise ValueError("an index in an object")
    last_kept = max((i for i, member in enumerate(members) if branch.get(member.key) is not REMOVE), default=-1)
    kept_end = members[last_kept].end if last_kept >= 0 else None
    if last_kept + 1 < len(members):
        # Removing members at the end also removes the comma before them.
        cuts.append((members[0].begin if kept_end is None else kept_end, members[-1].end, ""))
    last = {member.key: i for i, member in enumerate(members)}
    for i, member in enumerate(members[: last_kept + 1]):
        change = branch.get(member.key, _KEEP)
        if change is REMOVE:
            cuts.append((member.begin, members[i + 1].begin, ""))
            continue
        if change is not _KEEP:
            here: list[tuple[int, int, str]] = []
            try:
                _edit_value(text, member.start, member.end, change, here)
            except ValueError:
                if last[member.key] == i:
                    raise
            else:
                cuts += here
    present = {member.key for member in members}
    missing = _Branch((key, change) for key, change in branch.items() if key not in present)
    if kept_end is None:
        # No member stays: the new ones go where the first one stood, or right after the brace.
        _add(missing, members[0].begin if members else at + 1, cuts, first=True)
    else:
        _add(missing, kept_end, cuts, first=False)


_KEEP: Final = object()


def _check_indices(branch: _Branch, length: int) -> None:
    for key in branch:
        if not isinstance(key, int) or isinstance(key, bool):
            raise ValueError(f"the key {key!r} in an array")
        if not 0 <= key < length:
            raise ValueError(f"the index {key} in an array of {length}")


def _add(missing: _Branch, at: int, cuts: list[tuple[int, int, str]], *, first: bool) -> None:
    parts: list[str] = []
    for key, change in missing.items():
        value = _made(change) if isinstance(change, _Branch) else change
        if change is not REMOVE and not (isinstance(change, _Branch) and value is None):
            parts.append(f"{dumps(key)}:{dumps(value)}")
    if parts:
        cuts.append((at, at, ("" if first else ",") + ",".join(parts)))


def _made(branch: _Branch) -> dict[str, Any] | None:
    """The object that a branch creates where there was none; None if it only deletes."""
    made: dict[str, Any] = {}
    for key, change in branch.items():
        if not isinstance(key, str):
            raise ValueError(f"the index {key} in an array that is not there")
        value = _made(change) if isinstance(change, _Branch) else change
        if value is not REMOVE and not (isinstance(change, _Branch) and value is None):
            made[key] = value
    return made or None


def _splice(text: str, cuts: list[tuple[int, int, str]]) -> str:
    parts: list[str] = []
    at = 0
    # An insertion sorts before a cut that begins at the same place, as (3, 3) < (3, 9).
    for start, end, new in sorted(cuts, key=lambda cut: cut[:2]):
        parts += (text[at:start], new)
        at = end
    parts.append(text[at:])
    return "".join(parts)
