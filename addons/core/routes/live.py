"""Live figures of our own traffic, as the decision sees them: narrow, and None for whatever is not known.

`target` is `server/model` as records name it, `server` a server's name. No figure is ever assumed: a condition on one
that is None is *unknown* (conditions.py), and an unknown condition lets no rule match.
"""

from __future__ import annotations

from typing import Literal, Protocol

Health = Literal["green", "yellow", "red"]


class Live(Protocol):
    """Figures that conditions test. Called on the event loop for each such rule, so every answer is a look-up."""

    def p95_ms(self, target: str) -> float | None:
        """The 95th percentile of the duration of recent answers of a target, in milliseconds."""
        ...

    def health(self, server: str) -> Health | None:
        """A server's health: green, yellow (some requests fail) or red (all its breakers are open, or most fail)."""
        ...

    def ttft_ms(self, target: str) -> float | None:
        """How long a target takes until its first token, in milliseconds, by its last few answers and by what waits for
        one now.
        """
        ...

    def last_ttft_ms(self, target: str) -> float | None:
        """The same of its last answer alone."""
        ...

    def in_flight(self, target: str) -> int:
        """How many attempts run on a target now."""
        ...

    def lately(self, target: str) -> float:
        """How many requests were sent to a target lately; those of long ago count for less and less."""
        ...


class NoFigures:
    """No figure is known of any target: for dry runs without a proxy."""

    def p95_ms(self, target: str) -> float | None:
        return None

    def health(self, server: str) -> Health | None:
        return None

    def ttft_ms(self, target: str) -> float | None:
        return None

    def last_ttft_ms(self, target: str) -> float | None:
        return None

    def in_flight(self, target: str) -> int:
        return 0

    def lately(self, target: str) -> float:
        return 0.0


NO_FIGURES = NoFigures()
