"""Put originals back where an answer has their placeholders.

A model may write one in capitals, in small letters, or with a `\\` before its `_`, as in Markdown: it is known, too.
What looks like a placeholder and is none of this request's stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from switchman.addons.core.texts.redaction.redactor import DIGITS

_LONGEST: Final = 32  # characters of a placeholder, and more
# What each has; found in a tenth of the time that it takes to look for a whole one.
_DIGITS: Final = re.compile(rf"_[0-9a-fA-F]{{{DIGITS}}}")
# Members that hold JSON as a text, whatever the dialect.
JSON_TEXTS: Final = frozenset({"arguments", "partial_json"})
# Members that hold what the model answers, which may be asked for as JSON.
TEXTS: Final = frozenset({"content", "text", "response", "output_text", "delta"})
MOST_DEPTH: Final = 200


class Restorer:
    """For the answer to one request. `restored`: how many were put back. `in_json`: texts of the answer are JSON."""

    def __init__(self, originals: Mapping[str, str], *, in_json: bool = False) -> None:
        self._originals = originals
        self.in_json = in_json
        self.restored = 0
        self.pattern, self.beginning = _patterns(frozenset(one.rpartition("_")[0] for one in originals))

    def text(self, text: str, *, in_json: bool = False) -> str:
        """A whole text. `in_json`: it is JSON, in whose strings originals are escaped."""
        if _DIGITS.search(text) is None:
            return text
        return self.pattern.sub(lambda match: self.original(match, in_json=in_json), text)

    def original(self, match: re.Match[str], *, in_json: bool) -> str:
        original = self._originals.get(f"{match[1].upper()}_{match[2].lower()}")
        if original is None:
            return match[0]
        self.restored += 1
        return json.dumps(original, ensure_ascii=False)[1:-1] if in_json else original

    def value(self, value: Any, key: str = "", depth: int = 0) -> Any:
        """`value` with all its texts restored; lists and objects in place. `key`: of the member that it is."""
        if isinstance(value, str):
            return self.text(value, in_json=key in JSON_TEXTS or (self.in_json and key in TEXTS))
        if depth > MOST_DEPTH:
            return value
        if isinstance(value, dict):
            for name in list(value):
                member = value[name]
                if isinstance(member, str | dict | list):
                    changed = self.value(member, name, depth + 1)
                    if changed is not member:
                        value[name] = changed
                if "_" in name and (other := self.text(name)) != name:
                    value[other] = value.pop(name)
        elif isinstance(value, list):
            for place, member in enumerate(value):
                if isinstance(member, str | dict | list):
                    value[place] = self.value(member, key, depth + 1)
        return value


@lru_cache(maxsize=128)
def _patterns(kinds: frozenset[str]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Of a whole placeholder; and, to be matched from a text's end backwards, of what may be the beginning of one."""
    names = "|".join(f"{kind[0]}(?i:{kind[1:]})|(?<![A-Za-z0-9]){kind[0].lower()}(?i:{kind[1:]})" for kind in kinds)
    whole = re.compile(rf"({names})\\{{0,2}}_([0-9a-fA-F]{{{DIGITS}}})")
    beginnings = sorted({kind[:length] for kind in kinds for length in range(1, len(kind) + 1)}, key=len, reverse=True)
    behind = rf"(?:[0-9a-fA-F]{{0,{DIGITS - 1}}}_\\{{0,2}}|\\{{1,2}})"
    ends = (rf"{behind}(?:{'|'.join(map(_backwards, kinds))})", *map(_backwards, beginnings))
    return whole, re.compile("|".join(ends))


def _backwards(name: str) -> str:
    last = f"(?:{name[0]}|{name[0].lower()}(?![A-Za-z0-9]))"
    return f"(?i:{name[:0:-1]}){last}" if len(name) > 1 else last


class Tail:
    """One text that comes in pieces. Only what may be the beginning of a placeholder is held."""

    __slots__ = ("_before", "_held", "_in_json", "_restorer")

    def __init__(self, restorer: Restorer, *, in_json: bool = False) -> None:
        self._restorer, self._in_json = restorer, in_json
        self._before = self._held = ""

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def feed(self, text: str) -> str:
        """The text up to which it is settled."""
        if not text:
            return ""
        whole, at = self._before + self._held + text, len(self._before)
        parts: list[str] = []
        if _DIGITS.search(whole, at) is not None:
            for match in self._restorer.pattern.finditer(whole, at):
                parts += (whole[at : match.start()], self._restorer.original(match, in_json=self._in_json))
                at = match.end()
        begins = self._restorer.beginning.match(whole[: -_LONGEST - 1 : -1])
        end = len(whole) - (begins.end() if begins else 0)
        if end < at:  # it would begin within a placeholder, whose last digit is an E or the like: what is behind may
            begins = self._restorer.beginning.match(whole[: at - len(whole) - 1 : -1])
            end = len(whole) - (begins.end() if begins else 0)
        self._held = whole[end:]
        self._before = whole[end - 1 : end] if end else ""
        parts.append(whole[at:end])
        return "".join(parts)

    def end(self) -> str:
        """What is held: nothing follows that would make a placeholder of it."""
        held, self._held = self._held, ""
        self._before = held[-1:] or self._before
        return held
