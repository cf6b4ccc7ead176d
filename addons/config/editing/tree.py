"""Where each value stands in a YAML or JSON text: a tree of the parser's events, whose spans lead back into the text.

A span ends where what is written ends: comments, blank lines and line ends that follow are not in it. An alias
(`*name`) is a leaf of its own here, so that a change of it does not reach the anchor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

Kind = Literal["scalar", "mapping", "sequence", "alias"]


@dataclass(slots=True)
class Node:
    """`start` and `end` are indexes into the text. `value`: a scalar's text. `flow`: written in brackets or braces."""

    kind: Kind
    start: int
    end: int
    flow: bool = False
    value: str = ""
    plain: bool = False
    items: list[Node] = field(default_factory=list)
    pairs: list[tuple[Node, Node]] = field(default_factory=list)


def tree_of(text: str) -> Node | None:
    """None for a text without a value. Raises ruamel's YAMLError; texts that yamltext.load takes do not.

    The text has no byte order mark.
    """
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # as yamltext.load does; the places stay the same
    yaml = YAML(typ="safe", pure=True)
    events = (event for event in yaml.parse(text) if isinstance(event, NodeEvent | SequenceEndEvent | MappingEndEvent))
    first = next(events, None)
    return None if first is None else _node(first, events, text)


def _node(event: Any, events: Iterator[Any], text: str) -> Node:
    start, end = event.start_mark.index, event.end_mark.index
    if isinstance(event, AliasEvent):
        return Node("alias", start, end)
    if isinstance(event, ScalarEvent):
        return _scalar(event, start, end, text)
    is_flow = bool(event.flow_style)
    if isinstance(event, SequenceStartEvent):
        found = Node("sequence", start, end, is_flow)
        while not isinstance(event := next(events), SequenceEndEvent):
            found.items.append(_node(event, events, text))
        last = found.items[-1].end if found.items else end
    else:
        assert isinstance(event, MappingStartEvent)
        found = Node("mapping", start, end, is_flow)
        while not isinstance(event := next(events), MappingEndEvent):
            key = _node(event, events, text)
            found.pairs.append((key, _value_of(key, _node(next(events), events, text), text)))
        last = found.pairs[-1][1].end if found.pairs else end
    found.end = event.end_mark.index if is_flow else last
    return found


def _scalar(event: Any, start: int, end: int, text: str) -> Node:
    if event.style in ("|", ">"):
        end = start + len(text[start:end].rstrip())
    return Node("scalar", start, end, value=event.value, plain=event.style is None)


def _value_of(key: Node, value: Node, text: str) -> Node:
    """A value that is not written gets the place behind its colon, or behind its key: the parser has a later one."""
    if value.kind == "scalar" and value.start == value.end:
        at = key.end
        while at < len(text) and text[at] in " \t":
            at += 1
        value.start = value.end = at + 1 if text[at : at + 1] == ":" else key.end
    return value
