"""Put originals back where an answer has their placeholders.

A model may write one in capitals, in small letters, or with a `\\` before its `_`, as in Markdown: it is known, too.
What looks like a placeholder and is none of this request's stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from switchman.addons.core.texts.redaction.redactor import DIGITS

_LONGEST: Final = 32  # characters of a placeholder, and more
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
        kinds = sorted({placeholder.rpartition("_")[0] for placeholder in originals})
        names = "|".join(f"{kind[0]}(?i:{kind[1:]})|(?<![A-Za-z0-9]){kind[0].lower()}(?i:{kind[1:]})" for kind in kinds)
        self.pattern = re.compile(rf"({names})\\{{0,2}}_([0-9a-fA-F]{{{DIGITS}}})")
        self.beginning = re.compile("(?:" + "|".join(map(_beginning, kinds)) + r")\Z")

    def text(self, text: str, *, in_json: bool = False) -> str:
        """A whole text. `in_json`: it is JSON, in whose strings originals are escaped."""
        if "_" not in text:
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


def _beginning(kind: str) -> str:
    """A pattern of what may be the beginning of a placeholder of this kind, and is not a whole one."""
    rest = rf"(?:\\{{1,2}}|\\{{0,2}}_[0-9a-fA-F]{{0,{DIGITS - 1}}})?"
    for letter in reversed(kind[1:]):
        rest = f"(?:(?i:{letter}){rest})?"
    return f"(?:{kind[0]}|(?<![A-Za-z0-9]){kind[0].lower()}){rest}"


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
        for match in self._restorer.pattern.finditer(whole, at):
            parts += (whole[at : match.start()], self._restorer.original(match, in_json=self._in_json))
            at = match.end()
        begins = self._restorer.beginning.search(whole, max(at, len(whole) - _LONGEST))
        end = begins.start() if begins else len(whole)
        self._held = whole[end:]
        self._before = whole[end - 1 : end] if end else ""
        parts.append(whole[at:end])
        return "".join(parts)

    def end(self) -> str:
        """What is held: nothing follows that would make a placeholder of it."""
        held, self._held = self._held, ""
        self._before = held[-1:] or self._before
        return held
