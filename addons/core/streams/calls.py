"""Calls: tell the tool calls of a reply apart, however its server sends them in pieces.

    feed(place, id, name, arguments)     a piece, as it came                     -> what is sure by now
    begin(place, id, name, arguments)    the first piece of a call, where the format has a sign for that
    complete(place, name, arguments)     the whole call once more, as some formats repeat it at its end
    settle(), settle(place)              no more will come of all calls, or of this one

1. A piece belongs to the call with its id, else to the one at its place (the server's index), else to the last one.
2. It begins another call there if it has an id and a name of its own, a name that does not continue the call's, or if
   the call's arguments are a whole object and `{` follows. A name that is repeated in each piece changes nothing.
3. Nothing of a call goes out before its name is sure: with its arguments, or at once, if its id is there and no tool
   that was offered has a longer name that begins so. Calls go out in the order in which they began.
4. A call that `settle()` finds without a name has that of the call before it at its place, as a server that says a name
   once means it for both; else "": no tool was named, and its arguments are for whoever reads the text.
Nothing here raises, or loses a character of the arguments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

EMPTY: Final = ("", "{}")  # arguments that say nothing
_MARKS: Final = re.compile(r'["\\{}\[\]]')


class ObjectScan:
    """Tells when a JSON object that comes in pieces is whole, so that no more of it can follow. Looks at each character
    once."""

    def __init__(self) -> None:
        self.whole = False
        self._depth = 0
        self._quoted = False
        self._escapes = False  # the last character was a backslash in a string

    def feed(self, text: str, start: int = 0) -> int | None:
        """Read on from `start`. The place of a `{` that begins another object, where the scan stops; None for none."""
        skipped = start if self._escapes else -1
        for mark in _MARKS.finditer(text, start):
            at, sign = mark.start(), mark.group()
            if at == skipped:
                continue
            if self._quoted:
                if sign == "\\":
                    skipped = at + 1
                self._quoted = sign != '"'
            elif self.whole and sign == "{":
                return at
            elif sign == '"':
                self._quoted = True
            elif sign in "{[":
                self._depth += 1
            elif sign in "}]":
                self._depth -= 1
                self.whole = self._depth <= 0
        self._escapes = skipped == len(text)
        return None


def objects_apart(arguments: str) -> list[str]:
    """The arguments of each call in a text that should be those of one: `{"a":1}{"b":2}` are two."""
    out: list[str] = []
    start = 0
    while (at := ObjectScan().feed(arguments, start)) is not None:
        out.append(arguments[start:at])
        start = at
    return [*out, arguments[start:]]


def read_piece(piece: Mapping[str, Any]) -> tuple[int | None, str, str, str]:
    """Index, id, name and arguments of an item of OpenAI's `delta.tool_calls`; what has another type is not there."""
    inner = piece.get("function")
    function = inner if isinstance(inner, dict) else {}
    index, arguments = piece.get("index"), function.get("arguments")
    texts = [text if isinstance(text, str) else "" for text in (piece.get("id"), function.get("name"))]
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False, separators=(",", ":"))  # some servers send the object
    is_index = isinstance(index, int) and not isinstance(index, bool)
    return index if is_index else None, texts[0], texts[1], arguments or ""


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A piece of the call `number`, counted from 0. The first one has its name, and its id if there is one.

    `name` "" in the first piece: the call never got a name, has the number -1, and is all here.
    """

    number: int
    id: str
    name: str
    arguments: str


class _Call:
    def __init__(self, place: Hashable, id: str, heir: str) -> None:
        self.place = place
        self.id = id
        self.name = ""
        self.heir = heir  # the name of the call before it at its place
        self.scan = ObjectScan()
        self.held: list[str] = []  # arguments, until its name is sure
        self.started = False  # some of its arguments are here
        self.is_sure = False  # its name, or that it has none
        self.number: int | None = None  # None: nothing of it went out


class Calls:
    """The calls of one choice. `offered`: the names of the tools that the model could call, as far as is known."""

    def __init__(self, offered: Collection[str] = ()) -> None:
        self._offered = frozenset(offered)
        self._calls: list[_Call] = []
        self._places: dict[Hashable, _Call] = {}  # the last call at each of the server's indices
        self._ids: dict[str, _Call] = {}
        self._waiting = 0  # the place in `_calls` of the first one of which nothing went out
        self._numbered = 0

    def __len__(self) -> int:
        """The calls that have begun."""
        return len(self._calls)

    def feed(self, place: Hashable, id: str, name: str, arguments: str) -> list[CallPiece]:
        """A piece of a call. `place`: the server's index of it, None where it gave none; "" for what is not there."""
        call = self._find(place, id, name)
        if call is None or self._begins(call, place, id, name, arguments):
            if call is not None:
                self._close(call)
            call = self._new(place if call is None or place is not None else call.place, id, call)
        elif id and not call.id:
            call.id = id
            self._ids.setdefault(id, call)
        self._take_name(call, name)
        return self._take_arguments(call, arguments)

    def begin(self, place: Hashable, id: str, name: str, arguments: str = "") -> list[CallPiece]:
        """The first piece of a call, with its whole name."""
        call = self._new(place, id, None)
        call.name = name
        return self._take_arguments(call, arguments, named=True)

    def complete(self, place: Hashable, id: str, name: str, arguments: str) -> list[CallPiece]:
        """What the end of a call says of it: only what is not known yet counts."""
        call = self._places.get(place)
        if call is None:
            return self.begin(place, id, name, arguments)
        call.id, call.name = call.id or id, call.name or name
        return self._take_arguments(call, "" if call.started else arguments, named=True)

    def settle(self, place: Hashable = None) -> list[CallPiece]:
        """No more will come of the call at this place; None: of any call."""
        if place is None:
            for call in self._calls[self._waiting :]:
                self._close(call)
        elif place in self._places:
            self._close(self._places[place])
        return self._release()

    def has(self, place: Hashable) -> bool:
        return place in self._places

    def drop(self, place: Hashable) -> None:
        """Something that is no call has this place now."""
        self._places.pop(place, None)

    # --- which call

    def _find(self, place: Hashable, id: str, name: str) -> _Call | None:
        """The call that a piece belongs to, if it does not begin one."""
        known = self._ids.get(id) if id else None
        if known is not None and (place is None or known.place in (None, place)):
            return known
        last = self._calls[-1] if self._calls else None
        if place is None:
            return last
        if (at := self._places.get(place)) is not None:
            return at
        return last if last is not None and last.place is None and not (id or name) else None

    def _begins(self, call: _Call, place: Hashable, id: str, name: str, arguments: str) -> bool:
        """Whether a piece for the place of this call begins another one."""
        goes_on = arguments.lstrip()
        if id and call.id and id != call.id:
            if name:  # some servers make up an id for each piece
                within = call.started and not call.scan.whole and name == call.name
                return not (within and goes_on and not goes_on.startswith("{"))
            if call.scan.whole or place is None:
                return True
        if call.scan.whole and goes_on.startswith("{"):
            return True
        if not name or not call.name or name == call.name:
            return False
        return call.is_sure or not self._continues(call, id, name)

    def _continues(self, call: _Call, id: str, name: str) -> bool:
        """Whether `name` is a further piece of the call's name, or all of it so far once more."""
        if call.name in self._offered and (name in self._offered or call.scan.whole):
            return False
        if self._begins_one(call.name + name) or (name.startswith(call.name) and self._begins_one(name)):
            return True
        if call.scan.whole or name in self._offered or call.name in self._offered:
            return False
        return bool(call.id) and id in ("", call.id)

    def _begins_one(self, name: str) -> bool:
        return any(offered.startswith(name) for offered in self._offered)

    def _is_a_part(self, name: str) -> bool:
        """Whether a tool was offered whose name only begins so."""
        return name not in self._offered and self._begins_one(name)

    def _new(self, place: Hashable, id: str, before: _Call | None) -> _Call:
        if self._calls and (last := self._calls[-1]).name:
            last.is_sure |= not self._is_a_part(last.name)
        call = _Call(place, "" if id in self._ids else id, before.name or before.heir if before is not None else "")
        self._calls.append(call)
        if place is not None:
            self._places[place] = call
        if id:
            self._ids[id] = call
        return call

    # --- what goes out

    def _take_name(self, call: _Call, name: str) -> None:
        if call.is_sure or not name or name == call.name:
            return
        says_all = name.startswith(call.name) and not self._begins_one(call.name + name)
        call.name = name if says_all else call.name + name

    def _take_arguments(self, call: _Call, arguments: str, named: bool = False) -> list[CallPiece]:
        out: list[CallPiece] = []
        start = 0
        while (at := call.scan.feed(arguments, start)) is not None:
            out += self._add(call, arguments[start:at], named)
            self._close(call)
            start, call = at, self._new(call.place, "", call)
        return out + self._add(call, arguments[start:], named)

    def _add(self, call: _Call, arguments: str, named: bool) -> list[CallPiece]:
        call.started = call.started or bool(arguments)
        if call.number is not None:
            return [CallPiece(call.number, "", "", arguments)] if arguments else []
        call.held.append(arguments)
        call.is_sure = call.is_sure or (bool(call.name) and (named or self._is_whole(call)))
        return self._release()

    def _is_whole(self, call: _Call) -> bool:
        """Whether no more of the call's name can come."""
        if call.name in self._offered:
            longer = any(o != call.name and o.startswith(call.name) for o in self._offered)
            return call.started or call is not self._calls[-1] or (bool(call.id) and not longer)
        return (call.started or call is not self._calls[-1]) and not self._is_a_part(call.name)

    def _close(self, call: _Call) -> None:
        """No more of its name will come."""
        if not call.is_sure:
            call.name, call.is_sure = call.name or call.heir, True

    def _release(self) -> list[CallPiece]:
        """What is sure goes out, in the order in which the calls began."""
        out: list[CallPiece] = []
        while self._waiting < len(self._calls) and (call := self._calls[self._waiting]).is_sure:
            self._waiting += 1
            arguments, call.held = "".join(call.held), []
            call.number = self._numbered if call.name else -1
            self._numbered += bool(call.name)
            if call.name or arguments.strip() not in EMPTY:
                out.append(CallPiece(call.number, call.id, call.name, arguments))
        return out
