"""Callers: who asks, by the token that a request came with, and what it may.

A token is made by `switchman token create` or on the dashboard, and kept in the store. None of this holds the token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Capture = Literal["full", "redacted", "metadata"]
Unit = Literal["usd", "tokens"]
Period = Literal["day", "month"]


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be used up in a calendar day or month. `amount`: micro-dollars, or tokens."""

    amount: int
    unit: Unit
    period: Period
    downgrade: str | None = None  # the model that answers once it is used up; None: such a request is refused


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much one may ask for. None: as much as anybody."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None
    body_bytes: int | None = None
    budgets: tuple[Budget, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a token is made for: all of a Caller but its id, which the store gives it."""

    name: str
    groups: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    allowance: Allowance = Allowance()
    capture: Capture | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """One token's holder. `models`, `servers`: globs of names, one of which must fit; () for any."""

    id: str  # of the token: 12 hex digits, safe to show
    name: str
    groups: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()
    allowance: Allowance = Allowance()
    capture: Capture | None = None  # None: as the rest of the configuration says
    expires_at: float | None = None  # epoch seconds

    @property
    def terms(self) -> Terms:
        """What its token is for, without the id."""
        return Terms(
            name=self.name,
            groups=self.groups,
            models=self.models,
            servers=self.servers,
            allowance=self.allowance,
            capture=self.capture,
            expires_at=self.expires_at,
        )
