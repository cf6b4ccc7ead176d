"""The vault: keys of providers by name, encrypted in the log's database (sealing.py).

1. Every row is sealed by one master key, whose id it has. `Vault` is given those that there are, the one that seals
   first; more than one only while a new one takes the place of the old (config/secrets/masterkey.py).
2. `check` opens every row: a wrong master key, or a row that somebody changed, is seen at the start.
3. Whoever wants to know whether anything changed compares what `state_of` makes of `rows`.
4. All of `rekey` is one transaction: what interrupts it leaves every row as it was.
No message, and no KeyEntry, has any of a value.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, delete, insert, inspect, select, update
from sqlalchemy.exc import DBAPIError

from switchman.addons.core.servers.reaching.fields import field_value
from switchman.addons.core.texts.masking import mask_url
from switchman.addons.store.access.sealing import MasterKey, Unopened
from switchman.addons.store.access.tables import provider_keys as table
from switchman.addons.store.database import StoreError, writing
from switchman.addons.store.tables import totals

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

BEGUN: Final = "vault_begun"  # of totals: the database has had keys

State = tuple[tuple[str, bytes], ...]  # (name, nonce) of every row, in the order of names


class VaultError(StoreError):
    """The vault cannot do this, or cannot be opened at all; the message says what to do."""


class WrongMaster(VaultError):
    """There are keys that none of the master keys opens."""


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """What may be shown of a key. Times are epoch seconds. `master`: the id of the master key that sealed it."""

    name: str
    version: int
    fingerprint: str
    created_at: float
    set_at: float
    master: str


class Vault:
    """The keys in one database. `masters`: the first one seals; any of them opens. Empty: names can be listed only."""

    def __init__(self, engine: Engine, masters: Sequence[MasterKey] = ()) -> None:
        self.engine = engine
        self._masters = {master.id: master for master in reversed(masters)}
        self._sealing = masters[0] if masters else None

    def entries(self) -> list[KeyEntry]:
        """All keys, by name."""
        return [_entry(row) for row in self._rows()]

    def set(self, name: str, value: str, now: float | None = None) -> KeyEntry:
        """Add a key. Raises VaultError where there is one of this name, or the value is none."""
        return self._write(name, value, now, rotate=False)

    def rotate(self, name: str, value: str, now: float | None = None) -> KeyEntry:
        """Put another value in the place of the one that a key has. Raises VaultError where there is no such key."""
        return self._write(name, value, now, rotate=True)

    def delete(self, name: str) -> None:
        """Raises VaultError where there is no such key."""
        with self._transaction() as conn:
            if conn.execute(delete(table).where(table.c.name == name)).rowcount != 1:
                raise VaultError(_missing(name, _names(conn)))

    def read(self, name: str) -> str:
        """The value of a key. Raises VaultError."""
        return self.read_in(self.rows(), name)

    def read_in(self, rows: Sequence[Mapping[str, Any]], name: str) -> str:
        """Likewise, of what `rows` gave before: values that were all in force at one time. Asks no database."""
        row = next((row for row in rows if row["name"] == name), None)
        if row is None:
            raise VaultError(_missing(name, [row["name"] for row in rows]))
        return self._open(row)

    def check(self) -> int:
        """How many keys there are; each is opened. Raises WrongMaster."""
        rows = self.rows()
        for row in rows:
            self._open(row)
        return len(rows)

    def rekey(self, new: MasterKey) -> int:
        """Seal every key by `new`, which seals from now on: all or, where anything goes wrong, none."""
        with self._transaction() as conn:
            rows = conn.execute(select(table)).all()
            for row in rows:
                value = self._open(row._asdict())
                nonce, sealed = new.seal(row.name, row.version, value)
                fresh = {"nonce": nonce, "sealed": sealed, "master": new.id, "fingerprint": new.fingerprint(value)}
                conn.execute(update(table).where(table.c.name == row.name).values(fresh))
        self._masters, self._sealing = {new.id: new}, new
        return len(rows)

    def rows(self) -> list[dict[str, Any]]:
        """Every row as it is stored, sealed."""
        return [dict(row._mapping) for row in self._rows()]

    def has_begun(self) -> bool:
        """Whether this database ever had a key. A vault that is empty and has not begun is that of another file."""
        with _told(self.engine), self.engine.connect() as conn:
            return inspect(conn).has_table(totals.name) and _begun(conn)

    def restore(self, rows: Sequence[dict[str, Any]]) -> None:
        """Put rows back that a database lost with its file. Those that are there by now stay as they are."""
        with self._transaction() as conn:
            known = set(_names(conn))
            _begin(conn)
            for row in rows:
                if row["name"] not in known:
                    conn.execute(insert(table).values(row))

    def _write(self, name: str, value: str, now: float | None, *, rotate: bool) -> KeyEntry:
        if not NAME.fullmatch(name):
            raise VaultError(f"{name!r} is no name of a key: letters, digits, dot, underscore and hyphen, at most 100")
        if mask_url(name) != name:
            raise VaultError(
                "this name looks like a key itself, which is read from standard input: give it another name"
            )
        value, now = _checked(value), time.time() if now is None else now
        with self._transaction() as conn:
            rows = {row.name: row for row in conn.execute(select(table))}
            for row in rows.values():  # not a second master key beside the first
                self._open(row._asdict())
            if (master := self._sealing) is None:
                raise VaultError("there is no master key to seal with")
            _begin(conn)
            before = rows.get(name)
            if before is None and rotate:
                raise VaultError(_missing(name, list(rows)))
            if before is not None and not rotate:
                raise VaultError(f"there is a key {name} already: `switchman key rotate {name}` gives it another value")
            version = before.version + 1 if before is not None else 1
            nonce, sealed = master.seal(name, version, value)
            created = before.created_at if before is not None else now
            entry = KeyEntry(name, version, master.fingerprint(value), created, now, master.id)
            fresh = {**asdict(entry), "nonce": nonce, "sealed": sealed}
            if before is not None:
                conn.execute(update(table).where(table.c.name == name).values(fresh))
            else:
                conn.execute(insert(table).values(fresh))
        return entry

    def _open(self, row: Mapping[str, Any]) -> str:
        master = self._masters.get(row["master"])
        if master is None:
            given = ", ".join(dict.fromkeys(one.source for one in self._masters.values()))
            raise WrongMaster(
                f"the vault's key {row['name']} was sealed by another master key (id {row['master']}) than "
                + (f"that of {given} (id {', '.join(self._masters)})" if given else "any there is")
            )
        try:
            return master.open(row["name"], row["version"], bytes(row["nonce"]), bytes(row["sealed"]))
        except Unopened:
            raise WrongMaster(
                f"the vault's key {row['name']} (version {row['version']}) does not open: its row in the database was "
                "changed"
            ) from None

    def _rows(self) -> Sequence[Row[Any]]:
        with _told(self.engine), self.engine.connect() as conn:
            if not inspect(conn).has_table(table.name):  # a database that no newer process has opened yet
                return []
            return conn.execute(select(table).order_by(table.c.name)).all()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with _told(self.engine), writing(self.engine) as conn:
            yield conn


def state_of(rows: Sequence[Mapping[str, Any]]) -> State:
    """What tells one state of the vault from the next, however it came about. `rows`: as Vault.rows has them."""
    return tuple((row["name"], bytes(row["nonce"])) for row in rows)


@contextmanager
def _told(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise VaultError(f"the database {where}, which has the vault, does not answer: {error.orig!s:.200}") from None


def _checked(value: str) -> str:
    try:
        value = field_value(value, "the value")
    except ValueError as fault:
        raise VaultError(str(fault)) from None
    if not value:
        raise VaultError("the value is empty")
    return value


def _begun(conn: Connection) -> bool:
    return conn.scalar(select(totals.c.value).where(totals.c.name == BEGUN)) is not None


def _begin(conn: Connection) -> None:
    if not _begun(conn):
        conn.execute(insert(totals).values(name=BEGUN, value=1))


def _names(conn: Connection) -> list[str]:
    return list(conn.scalars(select(table.c.name).order_by(table.c.name)))


def _missing(name: str, known: Sequence[str]) -> str:
    listed = f"; there are: {', '.join(known[:20])}" if known else ", which is empty"
    return f"no key {name} is in the vault{listed}. `switchman key set {name}` puts one there"


def _entry(row: Row[Any]) -> KeyEntry:
    return KeyEntry(row.name, row.version, row.fingerprint, row.created_at, row.set_at, row.master)
