"""Redaction before something is stored: what is private becomes `[email]` and the like, and cannot be had back.

    Redactor(kinds, patterns).text(text)     any text
    .body(data, streamed)                    a body; None where nobody can look into it

1. What JSON or a URL has escaped (`anna\\u0040example.org`, `anna%40example.org`) is found as well, also in JSON
   that is a string in JSON, as the arguments of tools are.
2. The text of a stream is searched as a whole, over the borders of its events.
3. A word of BASE64 or more letters without a break is what nobody reads (a picture, a document): it becomes `[data]`.
4. What is no UTF-8 is not looked into. A body that was cut loses its last CUT characters, where half of
   a number may be.
5. A search holds the interpreter for one window only, so an event loop beside this goes on.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from switchman.addons.core.texts.redaction.finding import KINDS, find

ALWAYS: Final = frozenset({"secret", "jwt", "credentials"})  # kinds that are always looked for
OWN: Final = "private"  # what a pattern of the operator's found
DATA: Final = "data"
QUOTED: Final = '"'  # before a kind: its place in JSON is that of a number
WINDOW: Final = 16_384  # characters that are searched at once, and in front of and behind them:
OVERLAP: Final = 2_048
MOST_OVERLAP: Final = 65_536  # behind, where something reaches to the window's end
LEVELS: Final = 3  # so often are escapes undone
CUT: Final = 1_000
BASE64: Final = 256

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|([\"\\/bfnrt]))|%([2-7][0-9a-fA-F])")
_SAID = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_DATA = re.compile(rf"[A-Za-z0-9+/_-]{{{BASE64},}}={{0,2}}")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NUMBER = re.compile(r"[-+0-9.eE]+")
# Fields of a stream's events that say the same in each of them: no pieces of a text.
_NO_PIECES = frozenset(
    """id object model type role created created_at system_fingerprint service_tier item_id call_id status event
    finish_reason stop_reason done_reason response_id""".split()  # noqa: SIM905 - words, and many
)
# What tells texts apart that run beside each other.
_PLACES = ("type", "index", "output_index", "content_index", "summary_index", "item_id", "choice_index")


def kinds_of(names: Iterable[str]) -> frozenset[str]:
    """Of names as people write them; ALWAYS are among them. Raises ValueError."""
    kinds = frozenset(filter(None, (name.strip().lower() for name in names)))
    if wrong := sorted(kinds - KINDS):
        raise ValueError(f"{wrong[0][:80]!r} is none of {', '.join(sorted(KINDS))}")
    return kinds | ALWAYS


class Span(NamedTuple):
    start: int
    end: int
    kind: str


class Sought(Protocol):
    """A pattern of the operator's: core.routes.patterns.Pattern is one."""

    def spans(self, text: str) -> Iterable[tuple[int, int]]: ...


@dataclass(frozen=True, slots=True)
class Redactor:
    """`kinds`: of KINDS. Equal where kinds and patterns are."""

    kinds: frozenset[str] = KINDS
    patterns: tuple[Sought, ...] = ()

    def text(self, text: str) -> str:
        """The text with `[kind]` for what is private."""
        return replaced(text, self.spans(text))

    def body(self, data: bytes, *, streamed: bool = False, cut: bool = False) -> bytes | None:
        """A body as it may be stored. `streamed`: it is SSE or NDJSON. `cut`: there is more of it than this."""
        if b"\0" in data:
            return None  # UTF-16 is valid UTF-8, too
        try:
            text = getincrementaldecoder("utf-8")().decode(data, final=not cut)  # its last character may be cut
        except UnicodeDecodeError:
            return None
        if cut:
            text = text[:-CUT]
        if streamed:
            text = self._events(text)
        spans = self.spans(text)
        return replaced(text, _fitting(text, spans) if _is_json(text) else spans).encode()

    def spans(self, text: str) -> list[Span]:
        """What is private, not overlapping, in order."""
        found: list[Span] = []
        for start in range(0, len(text), WINDOW):
            found += self._in_window(text, start)
        return _merged(found)

    def _in_window(self, text: str, start: int) -> list[Span]:
        before, behind = min(start, OVERLAP), OVERLAP
        while True:
            end = min(len(text), start + WINDOW + behind)
            found = [
                Span(s + start - before, e + start - before, kind)
                for s, e, kind in self._seen(text[start - before : end])
            ]
            more = [span for span in found if span.end > start]
            if end == len(text) or behind >= MOST_OVERLAP or all(span.end < end for span in more):
                return more
            behind *= 4

    def _seen(self, piece: str) -> Iterator[Span]:
        """In a piece of text as it stands, or with its escapes undone."""
        units = Units(piece)
        if not units:
            yield from self._found(piece)
            return
        for _ in range(LEVELS):
            for start, end, kind in self._found(units.plain):
                yield Span(units.place(start), units.place(end), kind)
            if not (units := units.undone()):
                return

    def _found(self, text: str) -> Iterator[Span]:
        for span in find(text, self.kinds):
            yield Span(span.start, span.end, span.kind)
        for match in _DATA.finditer(text):
            yield Span(*match.span(), DATA)
        for pattern in self.patterns:
            for start, end in pattern.spans(text):
                if start < end:
                    yield Span(start, end, OWN)

    def _events(self, text: str) -> str:
        """A stream's text, without what is private in the texts that its events make together."""
        lines, read = text.split("\n"), {}
        pieces: dict[tuple[Any, ...], list[_Piece]] = {}
        for at, line in enumerate(lines):
            begin = line.find("{")
            if begin < 0 or not (begin == 0 or line.startswith("data:")):
                continue
            try:
                event = json.loads(line[begin:])
            except (ValueError, RecursionError):
                continue
            read[at] = (line[:begin], event)
            for key, holder, place in _texts(event):
                pieces.setdefault(key, []).append(_Piece(at, holder, place))
        changed: set[int] = set()
        for run in pieces.values():
            if len(run) > 1:
                changed |= self._rejoined(run)
        for at in changed:
            head, event = read[at]
            end = "\r" if lines[at].endswith("\r") else ""
            lines[at] = head + json.dumps(event, ensure_ascii=False, separators=(",", ":")) + end
        return "\n".join(lines)

    def _rejoined(self, run: Sequence[_Piece]) -> set[int]:
        """Take what is private out of the pieces of one text; the lines that changed."""
        texts = [piece.holder[piece.place] for piece in run]
        spans = self.spans("".join(texts))
        changed, begin, at = set(), 0, 0
        for piece, text in zip(run, texts, strict=True):
            end = begin + len(text)
            while at < len(spans) and spans[at].end <= begin:
                at += 1
            inside = []
            for span in spans[at:]:
                if span.start >= end:
                    break
                inside.append((max(span.start, begin) - begin, min(span.end, end) - begin, span))
            if inside:
                kept, last = [], 0
                for start, stop, span in inside:
                    kept += [text[last:start], f"[{span.kind}]" if span.start >= begin else ""]
                    last = stop
                piece.holder[piece.place] = "".join((*kept, text[last:]))
                changed.add(piece.line)
            begin = end
        return changed


class _Piece(NamedTuple):
    """Where a piece of a text stands: the line, and the container in its event with the key."""

    line: int
    holder: Any
    place: Any


class Units:
    """A text with its escapes undone, and where each character was. False where it has none."""

    def __init__(self, text: str, before: Units | None = None) -> None:
        self._before = before
        self._plain_at, self._raw_at, parts, last, length = [0], [0], [], 0, 0
        for match in _ESCAPE.finditer(text):
            begin, end = match.span()
            length += begin - last + 1
            parts += [text[last:begin], _character(match)]
            self._plain_at += [length - 1, length]
            self._raw_at += [begin, end]
            last = end
        parts.append(text[last:])
        self.plain = "".join(parts)
        self._any = last > 0

    def __bool__(self) -> bool:
        return self._any

    def place(self, at: int) -> int:
        """The place in the first text of a place in `plain`."""
        known = bisect_right(self._plain_at, at) - 1
        raw = self._raw_at[known] + at - self._plain_at[known]
        return raw if self._before is None else self._before.place(raw)

    def undone(self) -> Units:
        """What stands in `plain` as an escape, undone as well."""
        return Units(self.plain, self)


def _character(match: re.Match[str]) -> str:
    code, letter, percent = match.groups()
    if letter is not None:
        return _SAID[letter]
    number = int(code or percent, 16)
    return "\ufffd" if 0xD800 <= number < 0xE000 else chr(number)


def replaced(text: str, spans: Sequence[Span]) -> str:
    if not spans:
        return text
    kept, last = [], 0
    for start, end, kind in spans:
        kept += [text[last:start], _label(kind)]
        last = end
    return "".join((*kept, text[last:]))


def _label(kind: str) -> str:
    return f'"[{kind.removeprefix(QUOTED)}]"' if kind.startswith(QUOTED) else f"[{kind}]"


def _merged(found: list[Span]) -> list[Span]:
    """Those that overlap as one, with the kind of the longest."""
    merged: list[Span] = []
    longest = 0
    for span in sorted(set(found)):
        if merged and span.start < merged[-1].end:
            kind = span.kind if span.end - span.start > longest else merged[-1].kind
            longest = max(longest, span.end - span.start)
            merged[-1] = Span(merged[-1].start, max(span.end, merged[-1].end), kind)
        else:
            longest = span.end - span.start
            merged.append(span)
    return merged


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in ("{", "[", "") or text.startswith(("data:", "event:", ":"))


def _fitting(text: str, spans: Sequence[Span]) -> list[Span]:
    """Of a number that stands outside of all strings only a card, or what the operator named; with quotes, as JSON
    wants them. Others are times and counts."""
    if not any(_NUMBER.fullmatch(text, span.start, span.end) for span in spans):
        return list(spans)
    strings = _STRING.finditer(text)
    inside, kept = next(strings, None), []
    for span in spans:
        while inside is not None and inside.end() <= span.start:
            inside = next(strings, None)
        is_inside = inside is not None and inside.start() < span.start
        if is_inside or not _NUMBER.fullmatch(text, span.start, span.end):
            kept.append(span)
        elif span.kind in ("card", OWN):
            kept.append(Span(span.start, span.end, QUOTED + span.kind))
    return kept


def _texts(event: Any) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """Each text of an event that may go on in another one: what it is known by, its container, its key there."""
    waiting: list[tuple[tuple[Any, ...], Any]] = [((), event)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict):
            path = (*path, *(value[name] for name in _PLACES if isinstance(value.get(name), str | int)))
            items: Iterable[tuple[Any, Any]] = value.items()
        else:
            items = enumerate(value)
        for place, one in items:
            if isinstance(one, dict | list):
                waiting.append(((*path, place), one))
            elif isinstance(one, str) and one and place not in _NO_PIECES:
                yield (*path, place), value, place
