"""What the writer adds beside a batch of rows, in the transaction that writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import Connection

from switchman.addons.store.figures.keeping import add
from switchman.addons.store.keeping.beside.sessions import add_to_sessions
from switchman.addons.store.keeping.beside.sparing import (
    Kind,
    hours_of,
    is_left_out,
    of_words,
    raise_bad,
    sessions_named,
    spared,
)
from switchman.addons.store.keeping.beside.words import add_words
from switchman.addons.store.rows import Prepared


def add_beside(conn: Connection, prepared: Sequence[Prepared], now: float) -> None:
    """Figures, sessions and words. What fails is noted, and costs no row. Raises DBAPIError as `spared` does.

    One savepoint for all, as they hardly ever fail; else each has its own.
    """
    rows = [item.row for item in prepared]
    steps: dict[Kind, tuple[Callable[[], object], Callable[[Exception], Iterable[str]]]] = {
        "figures": (lambda: add(conn, rows, now), lambda _: hours_of(rows)),
        "sessions": (lambda: add_to_sessions(conn, rows), lambda _: sessions_named(rows)),
        "words": (lambda: add_words(conn, prepared), of_words),
    }
    if not any(is_left_out(conn, kind) for kind in steps):
        kind: Kind = "figures"
        try:
            with conn.begin_nested():
                for kind, (step, _) in steps.items():  # noqa: B007 - it says which one failed
                    step()
        except Exception as error:  # noqa: BLE001 - a boundary: no row is lost for what stands beside it
            raise_bad(conn, kind, error)
        else:
            return
    for kind, (step, names) in steps.items():
        spared(conn, kind, step, names)
