"""What a writer does for MAX_LOG_SIZE and MAX_TOTAL_STORAGE_SIZE with each batch. Trouble is a warning, no more."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from switchman.addons.store.blobs import BlobStore, pack
from switchman.addons.store.keeping.logsize import keep_within
from switchman.addons.store.retention import prune_to_size
from switchman.addons.store.rows import Prepared


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes, of all bodies and of the log in all (None: any). `warn(problem, sentence)` logs it now and then."""

    engine: Engine
    blobs: BlobStore
    bodies: int
    log: int | None
    warn: Callable[[str, str], object]

    def make_room(self, prepared: Sequence[Prepared], stored: Container[str], patience: float | None) -> None:
        """Before these are written; bodies whose hash is in `stored` take no more room."""
        if self.log is None:
            return
        bodies = [body for item in prepared for body in item.bodies if body.digest not in stored]
        pack(bodies)
        room = sum(item.row["stored_size"] for item in prepared) + sum(len(body.packed or b"") for body in bodies)
        try:
            keep_within(self.engine, self.blobs, self.log, room=room, patience=patience)
        except (SQLAlchemyError, OSError) as exc:
            self.warn("log size", f"what is beyond MAX_LOG_SIZE could not be removed yet: {exc!s:.300}")

    def prune(self) -> None:
        """After they were."""
        if not self.blobs.accounted:
            return
        try:
            prune_to_size(self.engine, self.blobs, self.bodies)
        except (SQLAlchemyError, OSError) as exc:
            self.warn("size", f"bodies beyond MAX_TOTAL_STORAGE_SIZE could not be removed yet: {exc!s:.300}")
