"""The database's edge: engines that behave the same on SQLite and PostgreSQL, one write lock, the schema at start.

There is one writer at a time per database (SQLite's own rule; on PostgreSQL an advisory lock held to the end of the
transaction). Batches make that cheap, and it buys three things: `requests.seq` grows in the order of commits, two
batches never deadlock over a shared blob, and a blob is never deleted while someone is about to use it.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, func, inspect, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from switchman.addons.store.keeping.packing import read_json

log = logging.getLogger(__name__)

TOLD_SECONDS = 1.0  # of waiting, until it is said
UPGRADE_SECONDS = 3600.0  # how long it waits for another process that brings the schema up to date
BUSY_SECONDS = 10.0  # how long SQLite waits for another process's lock before it says "database is locked"
WRITE_LOCK = 0x5357_4D4E  # "SWMN": the key of PostgreSQL's advisory lock

# The write-ahead log beside the file is cut back to this after it has grown.
# What is deleted is overwritten: nobody reads it in the file's free space.
PRAGMAS = ("synchronous=NORMAL", "foreign_keys=ON", "journal_size_limit=16777216", "secure_delete=ON")

LARGEST_INSERT = 64  # rows of one statement; 64 x 35 values is far below any database's limit
_MARKS = {"qmark": "?", "format": "%s", "pyformat": "%s"}

# SQLite's primary result codes that pass with time: busy, locked, no memory, read-only, I/O error, full, cannot open,
# locking protocol.
_SQLITE_PASSING = frozenset({5, 6, 7, 8, 10, 13, 14, 15})
# PostgreSQL error classes that do: connection, rollback (deadlock), resources (disk full), not ready, operator, system.
_POSTGRES_PASSING = frozenset({"08", "40", "53", "55", "57", "58"})


class StoreError(Exception):
    """The log cannot be used as configured; the message says what to do."""


def database_url(url: str | None, db_path: str | Path) -> URL:
    """DATABASE_URL where it is set, else the SQLite file DB_PATH (relative: to the working directory)."""
    if not url and str(db_path) == ":memory:":
        return URL.create("sqlite")  # refused by make_engine; as a path it would be a file of that name
    if not url:
        return URL.create("sqlite", database=str(Path(db_path).absolute()))
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise StoreError(
            "DATABASE_URL is not an SQLAlchemy URL; expected e.g. postgresql://user:password@host/name"
        ) from None
    if parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


def make_engine(url: URL) -> Engine:
    """An engine for reading; `writing(engine)` is the only way to write. Raises StoreError for what it cannot use."""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
    try:
        engine = create_engine(url, pool_pre_ping=True, hide_parameters=True)
        if engine.dialect.paramstyle not in _MARKS:
            raise StoreError(f"DATABASE_URL names a kind of database that is not supported: {url.drivername}")
        return engine
    except NoSuchModuleError:
        raise StoreError(f"DATABASE_URL names a kind of database that is not known: {url.drivername}") from None
    except ModuleNotFoundError as exc:
        raise StoreError(f"DATABASE_URL needs the Python package {exc.name!r}; install it next to switchman") from None


@contextmanager
def writing(engine: Engine, patience: float | None = None) -> Iterator[Connection]:
    """A transaction that holds the database's write lock from its first moment; commits at the end.

    `patience`: seconds to wait for somebody else's lock, then it is a DBAPIError that passes (None: BUSY_SECONDS; on
    PostgreSQL for as long as it takes).
    """
    options = {"sqlite_begin": "IMMEDIATE", "patience": BUSY_SECONDS if patience is None else patience}
    with engine.execution_options(**options).begin() as conn:
        if conn.dialect.name == "postgresql":
            if patience is not None:
                conn.exec_driver_sql(f"SET LOCAL lock_timeout = {max(1, round(1000 * patience))}")
            conn.execute(select(func.pg_advisory_xact_lock(WRITE_LOCK)))
        yield conn


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A transaction that reads, and sees one state of the database in all of its statements."""
    if engine.dialect.name == "postgresql":
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as conn:
        yield conn


def insert_rows(conn: Connection, table: Table, rows: Sequence[Mapping[str, Any]], conflict: str = "") -> None:
    """Insert many rows in few statements: all of the same columns, values as the driver takes them (JSON as text).
    `conflict`: what becomes of one that is there already, as SQL (ON CONFLICT ...).

    executemany() releases the interpreter's lock and waits for it once per row, which a writer beside a busy event loop
    cannot afford.
    """
    names = tuple(rows[0])
    insert_values(conn, table, names, list(map(itemgetter(*names), rows)), conflict)


def insert_values(
    conn: Connection, table: Table, names: tuple[str, ...], rows: Sequence[Sequence[Any]], conflict: str = ""
) -> None:
    """The same, where each row is its values in the order of `names`."""
    at = 0
    while at < len(rows):
        size = min(LARGEST_INSERT, 1 << (len(rows) - at).bit_length() - 1)  # few sizes, so few statements to prepare
        flat = tuple(chain.from_iterable(rows[at : at + size]))
        conn.exec_driver_sql(
            _insert_statement(table.name, names, size, _MARKS[conn.dialect.paramstyle], conflict), flat
        )
        at += size


@lru_cache(maxsize=128)
def _insert_statement(table: str, columns: tuple[str, ...], rows: int, mark: str, conflict: str) -> str:
    row = f"({', '.join([mark] * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)} {conflict}"  # noqa: S608 - our own names  # nosec B608


def put_aside(conn: Connection, table: Table, now: float) -> str:
    """An empty table in place of the one that is there, which gets another name: this one. No page of it is read."""
    aside = f"{table.name}_aside_{now:.0f}"
    for index in table.indexes:
        index.drop(conn, checkfirst=True)
    if inspect(conn).has_table(table.name):
        conn.exec_driver_sql(f"ALTER TABLE {table.name} RENAME TO {aside}")
    table.create(conn)
    return aside


def is_passing(exc: DBAPIError) -> bool:
    """Whether the same statement may succeed later: after a lock, a lost connection, a full disk; not with bad data."""
    if exc.connection_invalidated:
        return True
    if not isinstance(exc, OperationalError):
        return False
    if isinstance(exc.orig, sqlite3.Error):
        return getattr(exc.orig, "sqlite_errorcode", 0) & 0xFF in _SQLITE_PASSING
    state = getattr(exc.orig, "sqlstate", None)
    return state is None or state[:2] in _POSTGRES_PASSING  # no state: it never reached a server


def upgrade(engine: Engine) -> None:
    """Bring the schema to this version's. When many processes start at once, the first one does it, the others wait.

    Raises StoreError for a database that a newer version has written.
    """
    config = _alembic_config()
    scripts = ScriptDirectory.from_config(config)
    with engine.connect() as conn:
        if _is_current(conn, scripts):
            return
    with _first_or_waiting(engine) as conn:
        if not _is_current(conn, scripts):
            config.attributes["connection"] = conn
            command.upgrade(config, "head")


@contextmanager
def _first_or_waiting(engine: Engine) -> Iterator[Connection]:
    """`writing`, for as long as another process migrates; that is said where it is not over at once."""
    told = threading.Timer(
        TOLD_SECONDS, log.info,
        args=("another process brings the log's database to this version, or writes to it: waiting for it",),
    )  # fmt: skip
    told.daemon = True
    told.start()
    try:
        with writing(engine, UPGRADE_SECONDS) as conn:
            told.cancel()
            yield conn
    finally:
        told.cancel()


def _is_current(conn: Connection, scripts: ScriptDirectory) -> bool:
    revision = MigrationContext.configure(conn).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        where = conn.engine.url.render_as_string(hide_password=True)
        raise StoreError(
            f"the database {where} was written by a newer version of Switchman (schema {revision}, this one knows up "
            f"to {scripts.get_current_head()}): upgrade Switchman, or use another DB_PATH or DATABASE_URL"
        )
    return revision == scripts.get_current_head()


def _alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _sqlite_engine(url: URL) -> Engine:
    if not url.database or url.database == ":memory:":
        raise StoreError("the log cannot be an in-memory database: set DB_PATH to a file, or ENABLE_LOGGING=false")
    _create_private(Path(url.database))
    engine = create_engine(
        url, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS}, json_deserializer=read_json
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        # sqlite3 would begin transactions by itself, late and never before DDL; `begin` below does it instead.
        connection.isolation_level = None
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(conn: Connection) -> None:
        options = conn.get_execution_options()
        conn.exec_driver_sql(f"PRAGMA busy_timeout = {round(1000 * options.get('patience', BUSY_SECONDS))}")
        conn.exec_driver_sql(f"BEGIN {options.get('sqlite_begin', 'DEFERRED')}")

    _use_wal(engine)
    return engine


def _create_private(path: Path) -> None:
    """Create the file for its owner only, as it will hold prompts. A file that exists keeps its mode.

    That one is not even opened: closing it would take away the locks of this process's other connections to it (POSIX
    has them by process and file), and the next process to leave would remove the write-ahead log under them.
    """
    if path.exists() and os.access(path, os.R_OK | os.W_OK):
        return
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as exc:
        raise StoreError(f"cannot open the database {path}: {exc.strerror}") from exc


def _use_wal(engine: Engine) -> None:
    """Write-ahead logging, kept in the file: readers and the writer do not block each other. A new file can also give
    back what is free in it (keeping/logsize.py); that can only be said before anything is in it.

    The switch needs the file alone and does not always wait for it, so processes that start together try again.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection = engine.raw_connection()
            try:
                plain = connection.driver_connection
                if plain.execute("PRAGMA page_count").fetchone() == (0,):  # type: ignore[union-attr]
                    plain.execute("PRAGMA auto_vacuum=INCREMENTAL")  # type: ignore[union-attr]
                plain.execute("PRAGMA journal_mode=WAL")  # type: ignore[union-attr]
                return
            finally:
                connection.close()
        except (sqlite3.Error, DBAPIError) as exc:
            cause = exc.orig if isinstance(exc, DBAPIError) else exc
            locked = getattr(cause, "sqlite_errorcode", 0) & 0xFF in (5, 6)
            if not locked or time.monotonic() > deadline:
                raise StoreError(f"cannot open the database {engine.url.database}: {cause}") from exc
            time.sleep(0.05)
