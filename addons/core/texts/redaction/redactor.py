"""Redactor: writes placeholders for what is private in the texts of one request, and remembers what stood there.

A placeholder is `EMAIL_7f3a9c21d0`: letters, digits and one `_`, which JSON, URLs, Markdown and code leave as they are,
and which a model copies as it does a name. The digits are BLAKE2b of the original under a key that only this
installation has, and only for this caller. So an original has the same placeholder in all turns of a conversation, a
provider's cache of the prompt stays good, and nobody else can make a placeholder, or try out what one stands for.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from switchman.addons.core.texts.redaction.finding import KINDS, Span, find
from switchman.addons.core.texts.redaction.words import Several, Words

DIGITS: Final = 10  # hexadecimal, of a placeholder
# A text is searched by windows, as each pass is one call into C in which no other thread runs.
WINDOW: Final = 128 * 1024  # characters
OVERLAP: Final = 16 * 1024  # of two windows: what is longer is not found where it lies across the end of one
BEFORE: Final = 64  # characters that are looked at before anything
# A string of JSON; one without an end as well, or each quote in it would be tried as the beginning of another.
_LITERAL: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Redact:
    """What a rule has redacted. `kinds`: of finding.KINDS. `words`: of its file. `rule`: its name, for people."""

    kinds: frozenset[str]
    words: Words | None = None
    rule: str = ""

    def __bool__(self) -> bool:
        return bool(self.kinds) or self.words is not None


def merged(several: Sequence[Redact]) -> Redact:
    """What any of them has redacted."""
    if len(several) == 1:
        return several[0]
    words = [one.words for one in several if one.words is not None]
    kinds = frozenset[str]().union(*(one.kinds for one in several))
    return Redact(kinds, Several(words) if words else None, ", ".join(dict.fromkeys(one.rule for one in several)))


def redact_of(
    patterns: Collection[str],
    words: str | None,
    rule: str,
    read: Callable[[str], str],
    error: Callable[[str], None],
) -> Redact:
    """As a rule says it. `words`: the name of a file, which `read` reads or raises ValueError for."""
    found = None
    if words is not None:
        try:
            found = Words(read(words).splitlines())
        except ValueError as fault:
            error(str(fault))
        else:
            for line, fault_of in found.faults[:10]:
                error(f"{words}, line {line}, {fault_of}")
            if not found.count and not found.faults:
                error(f"{words} holds no word")
    return Redact(KINDS if "all" in patterns else frozenset(patterns), found, rule)


@dataclass(slots=True)
class Redactor:
    """For one request. `originals`: by placeholder; `counts`: by kind, how often one stands in the request."""

    what: Redact
    key: bytes  # at most 64 bytes
    originals: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _given: dict[str, str] = field(default_factory=dict)  # placeholder by original

    def text(self, text: str, but: frozenset[str] = frozenset()) -> str:
        """`text` with placeholders; itself where nothing in it is private. `but`: kinds that are not looked for."""
        what = replace(self.what, kinds=self.what.kinds - but) if but else self.what
        return self._replaced(text, search(text, what)) if text else text

    def json_text(self, text: str) -> str:
        """The same for a text that is JSON, as a tool's arguments: with what is escaped in it, and numbers as well."""
        parts: list[str] = []
        at, quote = 0, text.lstrip()[:1] in ("{", "[")
        for match in _LITERAL.finditer(text):
            parts.append(self._bare(text[at : match.start()], quote=quote))
            parts.append(self._literal(match[0]))
            at = match.end()
        parts.append(self._bare(text[at:], quote=quote))
        return "".join(parts)

    def _literal(self, literal: str) -> str:
        try:
            value = json.loads(literal, strict=False)
        except ValueError:
            return self.text(literal)
        found = self.text(value)
        return literal if found == value else json.dumps(found, ensure_ascii=False)

    def _bare(self, text: str, *, quote: bool) -> str:
        """What stands between strings: numbers. A placeholder is a string, as no number can be one."""
        if len(text) < 4:
            return text
        return self._replaced(text, search(text, self.what), '"' if quote else "")

    def _replaced(self, text: str, spans: list[Span], mark: str = "") -> str:
        if not spans:
            return text
        parts: list[str] = []
        at = 0
        for span in spans:
            parts += (text[at : span.start], mark, self._placeholder(text[span.start : span.end], span.kind), mark)
            self.counts[span.kind] += 1
            at = span.end
        parts.append(text[at:])
        return "".join(parts)

    def _placeholder(self, original: str, kind: str) -> str:
        if (known := self._given.get(original)) is not None:
            return known
        data, again = original.encode("utf-8", "surrogatepass"), 0
        while True:
            digest = hashlib.blake2b(data, digest_size=DIGITS // 2, key=self.key, salt=again.to_bytes(8)).hexdigest()
            placeholder = f"{kind.upper()}_{digest}"
            if placeholder not in self.originals:  # else another original has it
                self.originals[placeholder], self._given[original] = original, placeholder
                return placeholder
            again += 1


def search(text: str, what: Redact) -> list[Span]:
    """As find(), in windows that overlap."""
    if len(text) <= WINDOW + OVERLAP:
        return find(text, what.kinds, what.words)
    found: list[Span] = []
    at = 0
    while at < len(text):
        first = max(0, at - BEFORE)
        for start, end, kind in find(text[first : at + WINDOW + OVERLAP], what.kinds, what.words):
            begins = first + start
            if at <= begins < at + WINDOW and (not found or begins >= found[-1].end):
                found.append(Span(begins, first + end, kind))
        at = max(at + WINDOW, found[-1].end if found else 0)
    return found


def told(counts: Counter[str]) -> str:
    """`3 email, 1 card`, the most frequent kind first."""
    return ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
