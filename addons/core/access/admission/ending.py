"""How a WebSocket ended, and what the record says of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from switchman.addons.core.access.admission.frames import GOING_AWAY, NO_CODE
from switchman.addons.core.record import Outcome

Who = Literal["client", "server", "router"]

# A server's codes that say nothing of a fault: it has done, or its session is over.
_GOOD: Final = frozenset({1000, GOING_AWAY, NO_CODE})


@dataclass(frozen=True, slots=True)
class Ending:
    """Who ended it, and how. `code` None: the connection broke, without a closing frame. `guilty`: whose frame made the
    router end it; None where the router stops, or both were silent for too long (`is_idle`), which is nobody's fault.
    """

    by: Who
    code: int | None = None
    reason: str = ""
    guilty: Literal["client", "server"] | None = None
    is_idle: bool = False

    @property
    def outcome(self) -> Outcome:
        """What the request came to."""
        match self.by:
            case "client":
                return "ok" if self.code is not None else "cancelled"
            case "server":
                return "ok" if self.code in _GOOD else "stream_error"
            case "router":
                if self.is_idle:
                    return "ok"
                return "refused" if self.guilty == "client" else "stream_error"

    @property
    def said(self) -> str:
        """Why, in the client's or the server's own words, which may quote what was said; "" where it gave no reason."""
        return "" if self.by == "router" else self.reason

    @property
    def sentence(self) -> str:
        """For a person."""
        return self._told(self.reason)

    @property
    def fact(self) -> str:
        """The same without `said`."""
        return self._told("" if self.said else self.reason)

    def _told(self, reason: str) -> str:
        if self.code is None:
            return f"The {self.by} broke the WebSocket's connection off, without a closing frame."
        why = f": {reason}" if reason else ""
        code = "without a code" if self.code == NO_CODE else f"with {self.code}"
        whose = f" for what the {self.guilty} sent" if self.guilty else ""
        return f"The {self.by} closed the WebSocket {code}{whose}{why}".rstrip(".") + "."

    @property
    def error(self) -> str | None:
        """The record's error; None where it ended as it should."""
        return None if self.outcome == "ok" else self.sentence


def passed(messages: int, size: int, whose: Literal["client", "server"]) -> str:
    """How much came from one side."""
    return f"{messages} {'message' if messages == 1 else 'messages'} of {size} bytes from the {whose}"
