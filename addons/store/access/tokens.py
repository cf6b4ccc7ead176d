"""Tokens: made, listed, changed, rotated and revoked, by their id or name, and found by their digest.

The text of a token is returned once, by what makes it, and kept nowhere. All methods ask the database, and so belong
into a thread where there is an event loop. They raise sqlalchemy.exc.DBAPIError when it is away, and TokenError, with
a sentence for a person, for what cannot be done.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, delete, insert, or_, select, update

from switchman.addons.core.access import apitoken
from switchman.addons.core.access.caller import Allowance, Budget, Caller, Terms
from switchman.addons.store.access.generations import Generation, count_up, generation
from switchman.addons.store.access.tables import token_secrets, tokens
from switchman.addons.store.database import writing

KIND = "tokens"  # of the generation
KEPT = 90 * 86_400.0  # seconds that a revoked token is still listed, and told to be revoked

_LIMITS = ("requests_per_minute", "tokens_per_minute", "concurrent", "body_bytes")


class TokenError(ValueError):
    """It cannot be done; the message says why."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What opens a token: its SHA-256 in hex, and the last characters of it. `valid_until`: epoch seconds."""

    digest: str
    hint: str
    created_at: float
    valid_until: float | None = None  # None: for as long as the token


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept. Times are epoch seconds."""

    caller: Caller
    created_at: float
    revoked_at: float | None
    secrets: tuple[Secret, ...]  # the newest first

    def state(self, now: float) -> str:
        """`active`, `expired` or `revoked`."""
        if self.revoked_at is not None:
            return "revoked"
        expires = self.caller.expires_at
        return "expired" if expires is not None and expires <= now else "active"


@dataclass(frozen=True, slots=True)
class Changes:
    """What was changed up to a generation. `whole`: these are all tokens, and no others are left."""

    generation: Generation
    tokens: tuple[Token, ...]
    whole: bool


class TokenStore:
    """The tokens of one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, terms: Terms, now: float) -> tuple[Token, str]:
        """Make a token. Returns it with its text, which nobody can read again."""
        text = apitoken.make(secrets.token_bytes(apitoken.RANDOM_BYTES))
        token_id = secrets.token_hex(6)
        with writing(self._engine) as conn:
            _purge(conn, now)
            _check_free(conn, terms.name)
            row = {**_row(terms), "id": token_id, "created_at": now, "generation": count_up(conn, KIND)}
            conn.execute(insert(tokens).values(row))
            _add_secret(conn, token_id, text, now)
            return _one(conn, token_id), text

    def list(self) -> tuple[Token, ...]:
        """All tokens, by name; of one name the newest first. Those that were revoked are among them for KEPT."""
        with self._engine.connect() as conn:
            return _read(conn, select(tokens).order_by(tokens.c.name, tokens.c.created_at.desc()))

    def get(self, which: str) -> Token:
        """By id, or by name: the one that is not revoked, else the newest. Raises TokenError where there is none."""
        with self._engine.connect() as conn:
            return _find(conn, which)

    def by_digest(self, digest: str) -> Token | None:
        """The token that this opens, or opened once."""
        with self._engine.connect() as conn:
            found = conn.scalar(select(token_secrets.c.token_id).where(token_secrets.c.digest == digest))
            return _one(conn, found) if found is not None else None

    def update(self, which: str, terms: Terms) -> tuple[Token, Token]:
        """Change what a token is for; it keeps its id and its text. Returns it as it was and as it is."""
        return self.amend(which, lambda before: terms)

    def amend(self, which: str, change: Callable[[Terms], Terms]) -> tuple[Token, Token]:
        """Change some of what a token is for. Returns it as it was and as it is; where that is one, nothing was done.

        `change` gets what it is for now; nobody else changes it meanwhile. What it raises is raised, and nothing done.
        """
        with writing(self._engine) as conn:
            before = _live(conn, which)
            terms = change(before.caller.terms)
            if terms == before.caller.terms:
                return before, before
            if terms.name != before.caller.name:
                _check_free(conn, terms.name)
            return before, _changed(conn, before.caller.id, **_row(terms))

    def revoke(self, which: str, now: float) -> Token:
        """End a token at once, and for good. One that is revoked already stays as it is."""
        with writing(self._engine) as conn:
            token = _find(conn, which)
            return token if token.revoked_at is not None else _changed(conn, token.caller.id, revoked_at=now)

    def rotate(self, which: str, grace: float, now: float) -> tuple[Token, str]:
        """A new text for a token, which keeps its id and all else; the old one holds for `grace` seconds more."""
        text = apitoken.make(secrets.token_bytes(apitoken.RANDOM_BYTES))
        with writing(self._engine) as conn:
            token_id, until = _live(conn, which).caller.id, now + grace
            mine = token_secrets.c.token_id == token_id
            conn.execute(delete(token_secrets).where(mine, token_secrets.c.valid_until <= now - KEPT))
            later = or_(token_secrets.c.valid_until.is_(None), token_secrets.c.valid_until > until)
            conn.execute(update(token_secrets).where(mine, later).values(valid_until=until))
            _add_secret(conn, token_id, text, now)
            return _changed(conn, token_id), text

    def changes(self, since: Generation | None) -> Changes | None:
        """What was changed since; None for nothing, which costs one short question. `since` None: all there is."""
        with self._engine.connect() as conn:
            now = generation(conn, KIND)
            if now == since:
                return None
            whole = since is None or since.origin != now.origin or since.value > now.value
            wanted = select(tokens) if whole or since is None else select(tokens).where(_after(since))
            return Changes(now, _read(conn, wanted), whole)


def _after(since: Generation) -> Any:
    return tokens.c.generation > since.value


def _check_free(conn: Connection, name: str) -> None:
    if conn.scalar(select(tokens.c.id).where(tokens.c.name == name, tokens.c.revoked_at.is_(None))) is not None:
        raise TokenError(f"there is a token named {name!r} already: revoke it first, or choose another name")


def _find(conn: Connection, which: str) -> Token:
    newest = (tokens.c.revoked_at.is_not(None), tokens.c.created_at.desc())
    wanted = select(tokens).where(or_(tokens.c.id == which, tokens.c.name == which)).order_by(*newest).limit(1)
    found = _read(conn, wanted)
    if not found:
        raise TokenError(f"there is no token with the name or id {which[:80]!r}")
    return found[0]


def _live(conn: Connection, which: str) -> Token:
    token = _find(conn, which)
    if token.revoked_at is not None:
        raise TokenError(f"the token {token.caller.name!r} is revoked, for good: make another one")
    return token


def _one(conn: Connection, token_id: str) -> Token:
    return _read(conn, select(tokens).where(tokens.c.id == token_id))[0]


def _changed(conn: Connection, token_id: str, **values: Any) -> Token:
    values["generation"] = count_up(conn, KIND)
    conn.execute(update(tokens).where(tokens.c.id == token_id).values(values))
    return _one(conn, token_id)


def _add_secret(conn: Connection, token_id: str, text: str, now: float) -> None:
    values = {"digest": apitoken.digest_of(text), "hint": apitoken.hint_of(text)}
    conn.execute(insert(token_secrets).values(**values, token_id=token_id, created_at=now, valid_until=None))


def _purge(conn: Connection, now: float) -> None:
    """Let revoked tokens go in the end. Their names stay in the log, for as long as its rows do."""
    conn.execute(delete(tokens).where(tokens.c.revoked_at < now - KEPT))


def _row(terms: Terms) -> dict[str, Any]:
    allowance = terms.allowance
    return {
        "name": terms.name,
        "groups": sorted(terms.groups),
        "models": list(terms.models),
        "servers": list(terms.servers),
        **{name: getattr(allowance, name) for name in _LIMITS},
        "budgets": [asdict(budget) for budget in allowance.budgets],
        "capture": terms.capture,
        "expires_at": terms.expires_at,
    }


def _read(conn: Connection, wanted: Any) -> tuple[Token, ...]:
    """Tokens with their secrets, in two questions however many they are."""
    rows = conn.execute(wanted).mappings().all()
    few = token_secrets.c.token_id.in_([row["id"] for row in rows]) if len(rows) <= 100 else None
    asked = select(token_secrets).order_by(token_secrets.c.created_at.desc())
    found: dict[str, list[Secret]] = {}
    for one in conn.execute(asked if few is None else asked.where(few)).mappings() if rows else ():
        secret = Secret(one["digest"], one["hint"], one["created_at"], one["valid_until"])
        found.setdefault(one["token_id"], []).append(secret)
    return tuple(_token(row, found.get(row["id"], ())) for row in rows)


def _token(row: RowMapping, opened_by: Sequence[Secret]) -> Token:
    return Token(_caller(row), row["created_at"], row["revoked_at"], tuple(opened_by))


def _caller(row: RowMapping) -> Caller:
    limits = {name: row[name] for name in _LIMITS}
    return Caller(
        id=row["id"],
        name=row["name"],
        groups=frozenset(row["groups"]),
        models=tuple(row["models"]),
        servers=tuple(row["servers"]),
        allowance=Allowance(**limits, budgets=_budgets(row["budgets"])),
        capture=row["capture"],
        expires_at=row["expires_at"],
    )


def _budgets(written: Iterable[Mapping[str, Any]]) -> tuple[Budget, ...]:
    return tuple(Budget(one["amount"], one["unit"], one["period"], one.get("downgrade")) for one in written)
