"""What the log keeps of a request: all, all without what is private, or no content. The strictest that applies wins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, get_args

from switchman.addons.core.access.caller import Capture
from switchman.addons.core.texts.redaction.atrest import Redactor, Sought
from switchman.addons.core.texts.redaction.finding import KINDS

# Layers whose lines in a trace say what the configuration has, and no word of a prompt.
TELLING_LAYERS: Final = frozenset(
    {"model_map", "alias", "route", "server", "list", "default", "fallbacks", "local_only", "off", "capability"}
    | {"credentials", "redirect", "facade", "exact_cache", "conversation", "websocket", "reply", "redaction", "limits"}
)

CAPTURES: Final[tuple[Capture, ...]] = get_args(Capture)  # the least strict first


@dataclass(frozen=True, slots=True)
class Captured:
    """`by`: what asked for it, as `token anna`, `server cloud`, `rule private`, or "" for the setting CAPTURE."""

    mode: Capture = "full"
    by: str = ""

    def __str__(self) -> str:
        """`CAPTURE=metadata by token anna`."""
        return f"CAPTURE={self.mode}" + (f" by {self.by}" if self.by else "")


FULL: Final = Captured()


@dataclass(frozen=True, slots=True)
class WrittenCapture:
    """`capture:` of the rules file. `kinds` None: as CAPTURE_REDACT says."""

    mode: Capture | None = None
    kinds: frozenset[str] | None = None
    patterns: tuple[Sought, ...] = ()

    def redactor(self, by_setting: frozenset[str] | None) -> Redactor:
        """By the kinds of both, or all kinds where neither says any."""
        named = [kinds for kinds in (self.kinds, by_setting) if kinds is not None]
        return Redactor(frozenset().union(*named) if named else KINDS, self.patterns)


NOTHING_WRITTEN: Final = WrittenCapture()


def strictest(wanted: Iterable[tuple[Capture | None, str]]) -> Captured:
    """Of modes, each with what asks for it, the strictest; of equal ones the first. None asks for nothing."""
    found = FULL
    for mode, by in wanted:
        if mode is not None and CAPTURES.index(mode) > CAPTURES.index(found.mode):
            found = Captured(mode, by)
    return found
