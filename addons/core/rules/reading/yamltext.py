"""Read YAML or JSON text into plain values, with the position of each in the text.

1. `load` returns a Document: dicts, lists, text, numbers, booleans and None, with the position of every key and value.
2. Duplicate keys and unreadable values are in its `problems`: reading goes on, so that all are found.
   RulesError is raised only for the one fault that stops the reader.
3. Messages never repeat the text around a fault: a configuration may hold secrets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer, MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from switchman.addons.core.rules.problems import Problem, RulesError, hint
from switchman.addons.core.texts.masking import MASK, mask_text
from switchman.addons.core.texts.unicode import shown

Path = tuple[str | int, ...]
Position = tuple[int, int]  # line and column, from 1

MAX_VALUES = 200_000  # a few lines of nested YAML anchors can expand to billions of values
MAX_DEPTH = 64  # of values within values: ruamel takes the square of it for lists in brackets
# What of a server is a secret, and the names that may stand under it. A header has a name of its own.
_SECRET_PLACES: dict[str | int, tuple[str, ...]] = {"api_key": (), "api_keys": ("key", "weight"), "proxy": ()}
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)
_MERGE = "tag:yaml.org,2002:merge"
_NEVER_CLOSED = ("found unexpected end of stream", "but got '<stream end>'")
_TOO_DEEP = f"nested too deeply: more than {MAX_DEPTH} levels"


@dataclass(frozen=True, slots=True)
class Document:
    """A text, read. `values` and `keys` map a path such as ("servers", "fast-box", "url") to its position."""

    file: str
    data: Any
    values: dict[Path, Position]
    keys: dict[Path, Position]
    problems: tuple[Problem, ...] = ()

    def problem(self, path: Path, message: str, *, at_key: bool = False, warning: bool = False) -> Problem:
        """A Problem at a path, or at the nearest enclosing place that the text has."""
        line, column = self._position(path, at_key)
        return Problem(self.file, line, column, dotted(path), message, "warning" if warning else "error")

    def _position(self, path: Path, at_key: bool) -> Position:
        if not at_key and path in self.values:
            return self.values[path]
        for length in range(len(path), -1, -1):
            # Take the key of the enclosing value: a block's value begins on the line below, where nobody would look.
            if place := self.keys.get(path[:length]) or self.values.get(path[:length]):
                return place
        return (0, 0)


def dotted(path: Path) -> str:
    """A path as it is usually written: `routes[2].match.model`, counting from 0. A name in it may be a secret that
    stands in the wrong place: `...` is told of it.
    """
    text = ""
    for at, part in enumerate(path):
        word = part if isinstance(part, int) else _told(path, at, part)
        text += f"[{word}]" if isinstance(word, int) else f".{word}" if text else word
    return text


def _told(path: Path, at: int, name: str) -> str:
    if path[0] == "servers" and at > 2 and (known := _SECRET_PLACES.get(path[2])) is not None:
        return name if name in known or hint(name, known) else MASK  # a slip of the pen is told
    if path[0] == "servers" and at == 3 and path[2] == "headers" and not _TOKEN.fullmatch(name):
        return MASK
    return mask_text(name)


def load(text: str, file: str) -> Document:
    """Read the text of `file`. Text that starts with a brace is JSON: tabs may indent it, which YAML forbids."""
    text = text.removeprefix("\ufeff")
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # the same columns; a JSON string cannot hold a bare tab
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = MAX_DEPTH
    yaml.Composer = _Composer
    try:
        return _read(yaml, text, file)
    except (MaxDepthExceededError, _TooMany) as error:
        what = f"more than {MAX_VALUES} values" if isinstance(error, _TooMany) else _TOO_DEEP
        raise RulesError([Problem(file, *_place(error), "", what)]) from None
    except MarkedYAMLError as error:
        raise RulesError([_syntax_problem(error, file)]) from None
    except YAMLError:  # characters that YAML does not allow; ruamel's words quote the text
        raise RulesError([Problem(file, *_bad_character(text), "", "a character that YAML does not allow")]) from None
    except RecursionError:
        raise RulesError([Problem(file, 1, 1, "", _TOO_DEEP)]) from None


def _read(yaml: YAML, text: str, file: str) -> Document:
    root = yaml.compose(text)
    reader = _Reader(file, yaml.constructor)
    data = reader.value(root, ()) if root is not None else None
    # It keeps each scalar by its node, and is in a cycle with the other parts of `yaml`.
    yaml.constructor.constructed_objects.clear()
    return Document(file, data, reader.values, reader.keys, tuple(reader.problems))


class _TooMany(MarkedYAMLError):
    """The text itself, before anchors are expanded, has more values than MAX_VALUES."""


class _Composer(Composer):
    """ruamel's, which gives up at once: a value takes it a tenth of a millisecond."""

    composed = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.composed += 1
        if self.composed > MAX_VALUES:
            raise _TooMany(problem_mark=self.parser.peek_event().start_mark)
        return super().compose_node(parent, index)


def _place(error: MarkedYAMLError) -> Position:
    mark = error.problem_mark or error.context_mark
    return (mark.line + 1, mark.column + 1) if mark else (0, 0)


def _syntax_problem(error: MarkedYAMLError, file: str) -> Problem:
    words = " ".join(part for part in (error.context, error.problem) if part)
    if words.endswith(_NEVER_CLOSED) and (mark := error.context_mark) is not None:
        line, column = mark.line + 1, mark.column + 1  # where it was opened: nobody would look at the text's end
    else:
        line, column = _place(error)
    return Problem(file, line, column, "", f"not valid YAML or JSON: {words}")


def _bad_character(text: str) -> Position:
    for number, line in enumerate(text.split("\n"), 1):
        for column, character in enumerate(line, 1):
            if not (character.isprintable() or character in "\t\r\x85"):
                return number, column
    return 0, 0


@dataclass
class _Reader:
    """Walks the node graph that the YAML composer made, gathering values, positions and problems."""

    file: str
    constructor: Any  # ruamel's: text of a scalar -> int, float, bool, None, date
    values: dict[Path, Position] = field(default_factory=dict)
    keys: dict[Path, Position] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    open_nodes: set[int] = field(default_factory=set)
    count: int = 0

    def value(self, node: Node, path: Path) -> Any:
        self.count += 1
        self.values[path] = _position(node)
        if self.count > MAX_VALUES:
            raise RulesError([self._problem(node, path, f"more than {MAX_VALUES} values: are anchors nested?")])
        if id(node) in self.open_nodes:
            self.problems.append(self._problem(node, path, "an anchor that holds itself"))
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        self.open_nodes.add(id(node))
        try:
            if isinstance(node, SequenceNode):
                return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._mapping(node, path) if isinstance(node, MappingNode) else None
        finally:
            self.open_nodes.discard(id(node))

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        try:
            return _joined(self.constructor.construct_object(node))
        except MarkedYAMLError:
            self.problems.append(self._problem(node, path, f"the tag {node.tag} is not known here"))
        except (ValueError, OverflowError):
            self.problems.append(
                self._problem(node, path, "a number or date that cannot be read: put it in quotes if it is text")
            )
        return None

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        # Merges first: the mapping's own keys win, and so do their positions.
        for source in (value_node for key_node, value_node in node.value if key_node.tag == _MERGE):
            merged = self._merged(source, path) | merged
        self.values[path] = _position(node)
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in result:
                first = self.keys[(*path, key)][0]
                self.problems.append(self._problem(key_node, (*path, key), f"this key is already on line {first}"))
                continue
            result[key] = None
            self.keys[(*path, key)] = _position(key_node)
            result[key] = self.value(value_node, (*path, key))
        return merged | result

    def _merged(self, node: Node, path: Path) -> dict[str, Any]:
        """The keys that `<<:` merges in. Their positions are the anchor's, unless the mapping has the key itself."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        merged: dict[str, Any] = {}
        for source in sources:
            value = self.value(source, path)
            if not isinstance(value, dict):
                self.problems.append(self._problem(source, path, "<< expects a mapping"))
                continue
            merged = value | merged
        return merged

    def _key(self, node: Node, path: Path) -> str | None:
        if not isinstance(node, ScalarNode):
            self.problems.append(self._problem(node, path, "a key is one word or text"))
            return None
        return str(_joined(node.value))  # `8b: ...` and `null: ...` are names here, whatever type YAML gives them

    def _problem(self, node: Node, path: Path, message: str) -> Problem:
        return Problem(self.file, *_position(node), dotted(path), message)


def _joined(value: Any) -> Any:
    """Join surrogates: JSON writes characters beyond U+FFFF as two escapes, which YAML reads as two characters."""
    return shown(value) if isinstance(value, str) else value


def _position(node: Node) -> Position:
    return node.start_mark.line + 1, node.start_mark.column + 1
