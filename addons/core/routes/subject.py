"""The request as conditions see it: costly values are derived once, when first needed.

Texts are compared by whole words and without case. Scripts that put no spaces between words (Han, kana, Hangul, Thai)
are compared by substring.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from switchman.addons.core.access.caller import Caller
from switchman.addons.core.request.clients import Address
from switchman.addons.core.request.features import Features
from switchman.addons.core.routes.live import NO_FIGURES, Live
from switchman.addons.core.routes.patterns import utf8

Truth = bool | None  # None: not known

UNSPACED: Final = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
WORD: Final = re.compile(rf"[^\W{UNSPACED}]+")
ASCII_WORD: Final = re.compile(r"\w+", re.ASCII)  # the same, and twice as fast
HAS_UNSPACED: Final = re.compile(f"[{UNSPACED}]")


@dataclass(frozen=True, slots=True)
class LocalTime:
    """A local time of day: `minute` 0 to 1439, `weekday` 0 (Monday) to 6."""

    minute: int
    weekday: int


@dataclass(slots=True)
class Subject:
    """One request as conditions see it. Words are derived once, when a condition first needs them.

    `models`: the model names that the request matches. `headers`: by lower-case name. `token`: the SHA-256 of the
    client's own key, "" for none. `caller`: by a token of ours, None for none.
    """

    models: tuple[str, ...]
    address: Address | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str = ""
    features: Features | None = None
    now: LocalTime | None = None
    live: Live = NO_FIGURES
    caller: Caller | None = None
    _ask: bytes | None = None
    _folded: str | None = None
    _words: frozenset[str] | None = None
    _found: Sequence[str] = ()
    _spaced: str | None = None

    @property
    def ask(self) -> bytes:
        """The ask as patterns read it."""
        if self._ask is None:
            self._ask = utf8(self.features.ask) if self.features else b""
        return self._ask

    @property
    def folded(self) -> str:
        """The ask, casefolded."""
        if self._folded is None:
            self._folded = self.features.ask.casefold() if self.features else ""
        return self._folded

    @property
    def words(self) -> frozenset[str]:
        """The distinct words of the casefolded ask."""
        if self._words is None:
            self._found = (ASCII_WORD if self.folded.isascii() else WORD).findall(self.folded)
            self._words = frozenset(self._found)
        return self._words

    @property
    def spaced(self) -> str:
        """The ask's words in order, each between two spaces, so that a phrase is a substring."""
        if self._spaced is None:
            self._spaced = f" {' '.join(self._found)} " if self.words else " "
        return self._spaced


class Condition(Protocol):
    """A test of a request."""

    def test(self, subject: Subject) -> Truth: ...
