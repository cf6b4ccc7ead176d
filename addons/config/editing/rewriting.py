"""rewritten(): put new values into a rules file's text, and leave all else as it is, byte for byte.

1. Takes the text, and the values that it is to have; returns the new text. What has not changed is not touched:
   comments, order, quotes, indentation, anchors, line ends.
2. Where items of a list move, the comment lines right above an item (no blank line between) go with it, as does what
   stands behind its values; a comment that a blank line separates stays where it is.
3. What is written is read again: a text that would not have exactly the wanted values raises NotEditable, as where
   an anchor that is to change has aliases elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Final

from switchman.addons.config.editing import emitting
from switchman.addons.config.editing.tree import Node, tree_of
from switchman.addons.core.rules.problems import RulesError
from switchman.addons.core.rules.reading.yamltext import Path, load
from switchman.addons.core.texts.aligning import Bounded

BOM: Final = "\ufeff"
MERGE: Final = "<<"
Order = Sequence[int | None]


class NotEditable(ValueError):
    """The text is written in a way that only a person can change; the message says so."""


@dataclass(frozen=True, slots=True)
class Edit:
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class _Region:
    """An item of a list in block style, as whole lines: its comments above it, its dash, and where its lines end."""

    start: int
    dash: int
    end: int


def rules_in(text: str, *, sound: bool = False) -> tuple[dict[str, Any], list[Any]]:
    """What a rules file's text says, and its routes. `sound`: one with problems is a RulesError; else an edit may be
    what mends it. Raises NotEditable with a sentence, and RulesError for a text that cannot be read.
    """
    document = load(text, "")
    data: Any = document.data if document.data is not None else {}
    routes = data.get("routes") or [] if isinstance(data, dict) else None
    if not isinstance(routes, list):
        raise NotEditable("`routes` is no list")
    if sound and document.problems:
        raise RulesError(document.problems)
    return data, routes


def rewritten(text: str, wanted: dict[str, Any], orders: Mapping[Path, Order] | None = None) -> str:
    """`orders`: for lists by their path, which item of before each item is now (None: a new one); found out elsewhere.

    Raises NotEditable, and RulesError for a text that cannot be read.
    """
    mark, body = (BOM, text[1:]) if text.startswith(BOM) else ("", text)
    before = load(body, "").data
    if before is not None and not isinstance(before, dict):
        raise NotEditable("the file is no mapping with servers, aliases and routes")
    root = tree_of(body)
    writer = _Rewriter(body, orders or {})
    if root is None or not before:
        made = _from_nothing(body, wanted, root, writer)
    else:
        made = apply(body, writer.value(root, before, wanted, (), 0))
    try:
        read = load(made, "")
    except RulesError:
        raise NotEditable(_WHY) from None
    if read.problems or not same(read.data or {}, wanted):
        raise NotEditable(_WHY)
    return mark + made


_WHY: Final = (
    "this cannot be changed by itself, as the file uses anchors and aliases (&, *, <<) or a form of YAML that only a "
    "person can change: edit it as text"
)


def _from_nothing(body: str, wanted: dict[str, Any], root: Node | None, writer: _Rewriter) -> str:
    if root is not None:  # `{}`, or `null`
        return apply(body, [Edit(root.start, root.end, writer.lines(emitting.pairs(wanted, 0)))])
    begin = body if not body or body.endswith("\n") else body + writer.newline
    return begin + writer.lines(emitting.pairs(wanted, 0)) + writer.newline


def canonical(value: Any) -> str:
    """Tells 1, 1.0, true and "1" apart."""
    return json.dumps(value, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return str(value)


def same(one: Any, other: Any) -> bool:
    return one is other or canonical(one) == canonical(other)


def apply(text: str, edits: list[Edit], start: int = 0, end: int | None = None) -> str:
    """The text from `start` to `end` with the edits in it, which do not overlap."""
    parts, at = [], start
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join([*parts, text[at:end]])


class _Rewriter:
    def __init__(self, text: str, orders: Mapping[Path, Order]) -> None:
        self._text, self._orders = text, orders
        self._flows: tuple[Node, ...] = ()  # the values within brackets or braces that are being looked at
        self._json = text.lstrip().startswith("{")
        self.newline = "\r\n" if "\r\n" in text else "\n"

    def lines(self, lines: list[str]) -> str:
        return self.newline.join(lines)

    def value(self, node: Node, old: Any, new: Any, path: Path, column: int) -> list[Edit]:
        """The edits that make `new` of `old`. `column`: of the key that it belongs to."""
        if same(old, new) and path not in self._orders:
            return []
        if node.kind == "mapping" and isinstance(new, dict) and isinstance(old, dict) and new and node.pairs:
            return self._flow_mapping(node, old, new, path) if node.flow else self._mapping(node, old, new, path)
        if node.kind == "sequence" and isinstance(new, list) and isinstance(old, list) and new and node.items:
            order = self._orders.get(path) or aligned(old, new)
            if node.flow:
                return self._flow_sequence(node, old, new, path, order)
            if (regions := self._regions(node)) is not None:
                return self._sequence(node, regions, old, new, path, order)
        return [self._replaced(node, new, column)]

    def _replaced(self, node: Node, new: Any, column: int) -> Edit:
        """The whole value anew."""
        within = self._is_within_flow(node)
        written = emitting.flow(new, self._json)
        is_bulky = isinstance(new, dict | list) and bool(new) and not within
        if is_bulky and (len(written) + column > emitting.WIDTH or self._is_routes(node)):
            indent = column + emitting.STEP
            head = self._text[_line_start(self._text, node.start) : node.start]
            if isinstance(new, dict) and head.strip() == "-":
                return Edit(node.start, node.end, self.lines(emitting.pairs(new, len(head))))
            if isinstance(new, dict):
                first, *rest = emitting.pairs(new, indent)
                lines = [" " * indent + first, *rest]
            else:
                lines = [line for one in new for line in emitting.item(one, indent)]
            start = len(self._text[: node.start].rstrip(" "))
            return Edit(start, node.end, self.newline + self.lines(lines))
        gap = " " if node.start == node.end and self._text[node.start - 1 : node.start] == ":" else ""
        if node.kind in ("mapping", "sequence") and not node.flow:  # it begins on a line of its own
            above = len(self._text[: node.start].rstrip())
            if self._text[above - 1 : above] == ":":
                return Edit(above, node.end, f" {written}")
        return Edit(node.start, node.end, gap + written)

    def _is_routes(self, node: Node) -> bool:
        """Routes are written as a block, however short the first one is."""
        return node.start == node.end or (node.kind == "sequence" and node.flow and not node.items and not self._json)

    def _is_within_flow(self, node: Node) -> bool:
        return self._json or any(node is one for one in self._flows)

    # ---- mappings

    def _own(self, node: Node) -> dict[str, tuple[Node, Node]]:
        return {key.value: (key, value) for key, value in node.pairs if not (key.plain and key.value == MERGE)}

    def _mapping(self, node: Node, old: dict[str, Any], new: dict[str, Any], path: Path) -> list[Edit]:
        own, text = self._own(node), self._text
        first = node.pairs[0][0]
        column = first.start - _line_start(text, first.start)
        edits: list[Edit] = []
        for key, (key_node, value_node) in own.items():
            if key in new:
                edits += self.value(value_node, old.get(key), new[key], (*path, key), column)
            else:
                edits.append(self._without(key_node, value_node))
        after = own[next(iter(own))] if own else node.pairs[-1]  # new keys follow the one that is before them in `new`
        for key, value in new.items():
            if key in own:
                after = own[key]
            elif key not in old or not same(old[key], value):
                entry = emitting.pairs({key: value}, column)
                edits.append(self._added(after, [" " * column + entry[0], *entry[1:]], edits))
        return _merged(edits)

    def _without(self, key: Node, value: Node) -> Edit:
        start = _line_start(self._text, key.start)
        if self._text[start : key.start].strip():  # behind a dash: what follows goes on below it
            return Edit(key.start, _line_end(self._text, max(key.end, value.end)) - self._ending(value), "")
        return Edit(start, _line_end(self._text, max(key.end, value.end)), "")

    def _ending(self, value: Node) -> int:
        """Characters of the line end that the value's last line has."""
        end = _line_end(self._text, value.end)
        return len(self._text[:end]) - len(self._text[:end].rstrip("\r\n"))

    def _added(self, after: tuple[Node, Node], lines: list[str], edits: list[Edit]) -> Edit:
        end = max(after[0].end, after[1].end)
        place = _line_end(self._text, end)
        place = max([place, *(edit.end for edit in edits if edit.start < place < edit.end)])
        text = self.lines(lines)
        if self._text[place - 1 : place] == "\n":
            return Edit(place, place, text + self.newline)
        return Edit(place, place, self.newline + text)

    def _flow_mapping(self, node: Node, old: dict[str, Any], new: dict[str, Any], path: Path) -> list[Edit]:
        own, spans = self._own(node), [(key.start, max(key.end, value.end)) for key, value in node.pairs]
        kept: list[tuple[int | None, str]] = []
        merges = [at for at, (key, _) in enumerate(node.pairs) if key.plain and key.value == MERGE]
        kept += [(at, self._text[slice(*spans[at])]) for at in merges]
        places = {key.value: at for at, (key, _) in enumerate(node.pairs)}
        for key in [*(key for key in own if key in new), *(key for key in new if key not in own)]:
            if key in own:
                edits = self._inner(own[key][1], old.get(key), new[key], (*path, key), node)
                kept.append((places[key], apply(self._text, edits, *spans[places[key]])))
            elif key not in old or not same(old[key], new[key]):
                entry = f"{emitting.scalar(key, self._json)}: {emitting.flow(new[key], self._json)}"
                kept.append((None, entry))
        return [self._composed(node, spans, kept)]

    def _inner(self, node: Node, old: Any, new: Any, path: Path, outer: Node) -> list[Edit]:
        before, self._flows = self._flows, (*self._flows, node)
        try:
            return self.value(node, old, new, path, 0)
        finally:
            self._flows = before

    def _composed(self, node: Node, spans: list[tuple[int, int]], kept: list[tuple[int | None, str]]) -> Edit:
        """A list or mapping in brackets, of other entries; what stands between two is kept where they are."""
        text = self._text
        opening, closing = text[node.start : spans[0][0]], text[spans[-1][1] : node.end]
        between = [text[one[1] : other[0]] for one, other in pairwise(spans)]
        usual = between[0] if between and "#" not in between[0] else "," + (opening[1:] if "\n" in opening else " ")
        if "#" in usual:
            usual = ", "
        parts = [opening]
        for place, (at, written) in enumerate(kept):
            if place:
                parts.append(between[at - 1] if at else usual)
            parts.append(written)
        return Edit(node.start, node.end, "".join([*parts, closing]))

    # ---- lists

    def _flow_sequence(self, node: Node, old: list[Any], new: list[Any], path: Path, order: Order) -> list[Edit]:
        spans = [(one.start, one.end) for one in node.items]
        kept: list[tuple[int | None, str]] = []
        for place, at in enumerate(order):
            if at is None:
                kept.append((None, emitting.flow(new[place], self._json)))
            else:
                edits = self._inner(node.items[at], old[at], new[place], (*path, at), node)
                kept.append((at, apply(self._text, edits, *spans[at])))
        return [self._composed(node, spans, kept)]

    def _regions(self, node: Node) -> list[_Region] | None:
        """None where an item does not begin its line, as in `- - a`."""
        text, found, floor = self._text, list[_Region](), 0
        for one in node.items:
            dash = self._dash(one, floor)
            if dash is None:
                return None
            column = dash - _line_start(text, dash)
            start = _line_start(text, dash)
            while start > floor and _is_comment(above := _line_before(text, start)) and _indent(above) <= column:
                start -= len(above)
            end = _line_end(text, max(one.end, dash + 1))
            while end < len(text) and _is_comment(below := _line_at(text, end)) and _indent(below) > column:
                end += len(below)
            found.append(_Region(start, dash, end))
            floor = end
        return found

    def _dash(self, item: Node, floor: int) -> int | None:
        at = item.start
        while at > floor:
            begin = _line_start(self._text, at)
            head = self._text[begin:at]
            if head.strip():
                is_dash = head.lstrip().startswith("-") and not _beyond(head).strip(" \t")
                return begin + _indent(head) if is_dash else None
            at = begin - 1
        return None

    def _sequence(
        self, node: Node, regions: list[_Region], old: list[Any], new: list[Any], path: Path, order: Order
    ) -> list[Edit]:
        text = self._text
        column = regions[0].dash - _line_start(text, regions[0].dash)
        gaps = [text[one.end : other.start] for one, other in pairwise(regions)] + [""]
        apart = len(gaps) > 1 and all(gap and not gap.strip() for gap in gaps[:-1])
        moved = sorted(at for at in order if at is not None) == list(range(len(regions))) and len(order) == len(regions)
        parts: list[str] = []
        for place, at in enumerate(order):
            if at is None:
                written = self.lines(emitting.item(new[place], column)) + self.newline
                if apart:
                    written = self.newline + written if place == len(order) - 1 else written + self.newline
                parts.append(written)
                continue
            edits = self.value(node.items[at], old[at], new[place], (*path, at), column + emitting.STEP)
            written = apply(text, edits, regions[at].start, regions[at].end)
            if not written.endswith("\n"):
                written += self.newline
            parts.append(written + gaps[place if moved else at])
        made = "".join(parts)
        if not text[: regions[-1].end].endswith("\n"):  # the file's last line has no end, and keeps none
            made = made.rstrip("\r\n")
        return [Edit(regions[0].start, regions[-1].end, made)]


def aligned(old: list[Any], new: list[Any]) -> list[int | None]:
    """Which item of before each item of `new` is: the same one, or what stands in its place."""
    was, now = [canonical(one) for one in old], [canonical(one) for one in new]
    order: list[int | None] = [None] * len(new)
    for what, start, end, begin, stop in Bounded(was, now).get_opcodes():
        if what == "equal" or (what == "replace" and end - start == stop - begin):
            order[begin:stop] = range(start, end)
    return order


def _merged(edits: list[Edit]) -> list[Edit]:
    """Texts that are put in at one place follow each other in their order."""
    found: dict[tuple[int, int], Edit] = {}
    for edit in edits:
        key = (edit.start, edit.end)
        known = found.get(key)
        found[key] = edit if known is None else Edit(*key, known.text + edit.text)
    return list(found.values())


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, at: int) -> int:
    """Behind the end of the line that `at` is on."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _line_at(text: str, at: int) -> str:
    return text[at : _line_end(text, at)]


def _line_before(text: str, at: int) -> str:
    return text[_line_start(text, at - 1) : at] if at else ""


def _is_comment(line: str) -> bool:
    return line.lstrip(" \t").startswith("#")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _beyond(head: str) -> str:
    """What stands behind the dash, before the item; a comment there is the item's."""
    rest = head.lstrip()[1:]
    return "" if rest.lstrip().startswith("#") else rest
