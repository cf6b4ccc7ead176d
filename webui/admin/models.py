"""What goes in and out of /api/admin, as JSON. Times are epoch seconds, money is dollars with at most six decimals.

What goes in is exact: a field that is not known is refused, and no text is taken for a number.
"""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, SecretStr, field_validator, model_validator

from switchman.addons.core.access.caller import Allowance, Budget, Capture, Period, Terms, Unit
from switchman.addons.core.access.written import MICRO, check_name
from switchman.addons.store.access.audit import Line
from switchman.addons.store.access.tokens import Token
from switchman.addons.store.access.vault import KeyEntry
from switchman.addons.store.keeping.forgetting import Wanted

MOST = 2**50
LONGEST_KEY = 8_192

Count = Annotated[int, Field(gt=0, le=MOST, strict=True)]
Glob = Annotated[str, Field(min_length=1, max_length=300)]
Money = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
Name = Annotated[str, Field(min_length=1, max_length=64)]


def money_of(amount: int, unit: Unit) -> Decimal:
    """Micro-dollars as dollars; tokens as they are."""
    return Decimal(amount) / (MICRO if unit == "usd" else 1)


class In(BaseModel):
    """What a program sends."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True)

    @field_validator("*")
    @classmethod
    def _is_one_line(cls, value: Any) -> Any:
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not text.isprintable():
                raise ValueError("expected one line, without control characters")
        return value


class BudgetModel(In):
    """How much may be used up in a calendar day or month: dollars, or tokens."""

    amount: Money = Field(gt=0, le=MOST, max_digits=16, decimal_places=6)
    unit: Unit = "usd"
    period: Period = "month"
    downgrade: Annotated[str, Field(min_length=1, max_length=300)] | None = Field(
        None, description="the model that answers once it is used up; without one, requests are refused"
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.unit == "tokens" and self.amount != self.amount.to_integral_value():
            raise ValueError("tokens are counted whole")
        return self

    def value(self) -> Budget:
        return Budget(int(self.amount * (MICRO if self.unit == "usd" else 1)), self.unit, self.period, self.downgrade)

    @classmethod
    def of(cls, budget: Budget) -> BudgetModel:
        return cls(
            amount=money_of(budget.amount, budget.unit),
            unit=budget.unit,
            period=budget.period,
            downgrade=budget.downgrade,
        )


class TokenIn(In):
    """What a token is for. What is left out is without a limit."""

    name: Name
    groups: list[Name] = Field(default_factory=list, max_length=64)
    models: list[Glob] = Field(default_factory=list, max_length=256, description="globs; empty: any")
    servers: list[Glob] = Field(default_factory=list, max_length=256, description="globs; empty: any")
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    concurrent: Count | None = None
    body_bytes: Count | None = None
    budgets: list[BudgetModel] = Field(default_factory=list, max_length=8)
    capture: Capture | None = Field(None, description="what is kept of its requests; without one, as all others'")
    expires_at: float | None = Field(None, gt=0, le=2**40, strict=True)

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        return check_name(name)

    @field_validator("groups")
    @classmethod
    def _are_names(cls, names: list[str]) -> list[str]:
        return [check_name(name) for name in names]

    def terms(self) -> Terms:
        return Terms(
            name=self.name,
            groups=frozenset(self.groups),
            models=tuple(self.models),
            servers=tuple(self.servers),
            allowance=Allowance(
                requests_per_minute=self.requests_per_minute,
                tokens_per_minute=self.tokens_per_minute,
                concurrent=self.concurrent,
                body_bytes=self.body_bytes,
                budgets=tuple(budget.value() for budget in self.budgets),
            ),
            capture=self.capture,
            expires_at=self.expires_at,
        )


class TokenChange(TokenIn):
    """What is to change; what is left out stays. null takes a limit away, and an empty list all of what it is for."""

    name: Name = ""

    def applied_to(self, before: Terms) -> Terms:
        """The terms with what was sent in place of what was there."""
        sent, said = self.model_fields_set, self.terms()
        limits = {one.name: getattr(said.allowance, one.name) for one in fields(Allowance) if one.name in sent}
        rest = {one.name: getattr(said, one.name) for one in fields(Terms) if one.name in sent}
        return replace(before, **rest, allowance=replace(before.allowance, **limits))


class RotateIn(In):
    """How long the old token holds besides the new one."""

    grace_seconds: float = Field(3600.0, ge=0, le=30 * 86_400, strict=True)


class KeyIn(In):
    """A provider's key. It is encrypted before it is stored, and returned by nothing."""

    value: SecretStr = Field(min_length=1, max_length=LONGEST_KEY)


class DeleteKeyIn(In):
    """Whether a key goes even if the rules name it."""

    force: bool = Field(False, strict=True)


class ForgetIn(In):
    """What is to be forgotten: all that is given must hold, and something must be given."""

    token: str | None = Field(None, min_length=1, max_length=200, description="its name or id")
    session: str | None = Field(
        None, min_length=1, max_length=1000, description="as its client named it, or its digest"
    )
    before: float | None = Field(None, gt=0, le=2**40, strict=True, description="epoch seconds, of a request's start")
    dry_run: bool = Field(False, strict=True, description="only count the requests")

    @model_validator(mode="after")
    def _says_what(self) -> ForgetIn:
        self.wanted()
        return self

    def wanted(self) -> Wanted:
        return Wanted(self.token, self.session, self.before)


class NoBody(In):
    """Nothing."""


class PageIn(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(extra="forbid")

    before: Annotated[int, Field(ge=0, le=MOST)] | None = Field(None, description="`next` of the page before")
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class Out(BaseModel):
    """What a program gets."""

    model_config = ConfigDict(extra="forbid")


class TokenOut(Out):
    """A token without its text. `hints`: the last characters of what opens it, the newest first."""

    id: str
    name: str
    state: Literal["active", "expired", "revoked"]
    groups: list[str]
    models: list[str]
    servers: list[str]
    requests_per_minute: int | None
    tokens_per_minute: int | None
    concurrent: int | None
    body_bytes: int | None
    budgets: list[BudgetModel]
    capture: Capture | None
    hints: list[str]
    created_at: float
    expires_at: float | None
    revoked_at: float | None

    @classmethod
    def of(cls, token: Token, now: float) -> TokenOut:
        caller, allowance = token.caller, token.caller.allowance
        return cls(
            id=caller.id,
            name=caller.name,
            state=token.state(now),  # type: ignore[arg-type]
            groups=sorted(caller.groups),
            models=list(caller.models),
            servers=list(caller.servers),
            requests_per_minute=allowance.requests_per_minute,
            tokens_per_minute=allowance.tokens_per_minute,
            concurrent=allowance.concurrent,
            body_bytes=allowance.body_bytes,
            budgets=[BudgetModel.of(budget) for budget in allowance.budgets],
            capture=caller.capture,
            hints=[one.hint for one in token.secrets if one.valid_until is None or one.valid_until > now],
            created_at=token.created_at,
            expires_at=caller.expires_at,
            revoked_at=token.revoked_at,
        )


class TokenMade(Out):
    """A token with its text, which is told this once."""

    token: TokenOut
    text: str


class Tokens(Out):
    """All tokens, by name; those that were revoked for as long as they are remembered. `next`: where to go on."""

    tokens: list[TokenOut]
    next: int | None


class KeyOut(Out):
    """What may be told of a key. `fingerprint` tells one value from another; `master` is the id of what encrypts it."""

    name: str
    version: int
    fingerprint: str
    created_at: float
    set_at: float
    master: str

    @classmethod
    def of(cls, entry: KeyEntry) -> KeyOut:
        return cls(**{name: getattr(entry, name) for name in cls.model_fields})


class Keys(Out):
    """All keys of the vault, by name."""

    keys: list[KeyOut]


class ChangeOut(Out):
    """A change: who made it, how (page, api, cli), what it was, and what was there before and after."""

    seq: int
    at: float
    who: str
    role: str | None
    address: str | None
    how: str
    what: str
    target: str
    before: Any
    after: Any

    @classmethod
    def of(cls, line: Line) -> ChangeOut:
        return cls(**{name: getattr(line, name) for name in cls.model_fields})


class ChangesOut(Out):
    """Newest first. `next`: where the following page begins."""

    changes: list[ChangeOut]
    next: int | None


class ForgottenOut(Out):
    """How much went. `leftover`: why some bytes may still be in a file for a while; "" where none are."""

    rows: int
    bodies: int
    elsewhere: int = Field(description="answers in the cache, and targets of conversations")
    waiting: int = Field(description="of `rows`, those that had waited to be written")
    leftover: str


class Status(Out):
    """How the router is."""

    version: str
    webui_security: str
    rules_error: str | None
    stored_bytes: int = Field(description="of the log, rows and bodies")
    waiting_records: int = Field(description="requests that wait on disk to be written into the log")
    underway: int = Field(description="requests that are not over yet")
    tokens: int = Field(description="those that are active")


class Me(Out):
    """Who sends this request, as the dashboard knows them."""

    name: str
    role: Literal["viewer", "operator", "admin"]
    how: str
    sees_bodies: bool


class Fault(Out):
    """What is wrong with one field."""

    field: str
    error: str


class Problem(Out):
    """What is wrong, in a sentence."""

    error: str
    fields: list[Fault] = Field(default_factory=list)
