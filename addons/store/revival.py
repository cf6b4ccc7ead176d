"""A log whose SQLite file is deleted, or replaced by another one, while the router runs.

The system keeps a deleted file for as long as it is open: without a look at its name all that is written would go into
a file that nobody can open any more. So each time a connection is taken from the pool the name is looked at; if it now
means another file, or none, the connection is given up. A new one makes the file and its tables anew where they are
missing. Each process does so for itself, one after the other: a lock on the folder says whose turn it is.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import DBAPIError, InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from switchman.addons.store.database import StoreError, make_engine, upgrade

logger = logging.getLogger(__name__)

CANNOT_OPEN = 14  # SQLITE_CANTOPEN: it is tried again

Identity = tuple[int, int]  # device and inode


def identity(path: Path) -> Identity | None:
    """Which file the name means; None if it means none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def revive(engine: Engine) -> None:
    """From now on, make the SQLite file of this engine anew where it is gone. Other databases are left alone."""
    if engine.dialect.name != "sqlite" or not engine.url.database:
        return
    path = Path(engine.url.database)
    state = {"known": identity(path)}
    engine.dispose()  # the connections made so far are not known to be of this file

    @event.listens_for(engine, "do_connect")
    def prepare(
        dialect: Dialect, entry: ConnectionPoolEntry, arguments: Sequence[Any], options: dict[str, Any]
    ) -> None:
        if identity(path) != state["known"] or state["known"] is None:
            state["known"] = _made_anew(path, engine)

    @event.listens_for(engine, "connect")
    def note(connection: sqlite3.Connection, entry: ConnectionPoolEntry) -> None:
        entry.info["file"] = state["known"]

    @event.listens_for(engine, "checkout")
    def look(connection: sqlite3.Connection, entry: ConnectionPoolEntry, proxy: object) -> None:
        if entry.info.get("file") != identity(path):
            raise InvalidatePoolError  # it, and all that were made before it, are given up; the pool makes another one


def _made_anew(path: Path, engine: Engine) -> Identity | None:
    """Have the file there, with its tables. Raises sqlite3.OperationalError, which is tried again."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _turn(path.parent):
            gone = identity(path) is None
            if gone:
                for suffix in ("-wal", "-shm"):  # of the file that is gone: a new one must not go on with them
                    with suppress(FileNotFoundError):
                        path.with_name(path.name + suffix).unlink()
            plain = make_engine(engine.url)
            try:
                upgrade(plain)
            finally:
                plain.dispose()
    except (OSError, StoreError, DBAPIError) as error:
        failed = sqlite3.OperationalError(f"{path} is gone, and cannot be made anew: {error}")
        failed.sqlite_errorcode = CANNOT_OPEN
        raise failed from error
    if gone:
        logger.warning("the log's database %s was deleted; a new one is made. What it held is lost", path)
    else:
        logger.warning("the log's database %s was replaced by another file; that one is used from now on", path)
    return identity(path)


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Only one process at a time, for what has to be done in this folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
