"""The bodies of a batch of records: new ones are kept, others are noted as used again, in the batch's transaction."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy import Connection, select, update

from switchman.addons.store.blobs import BlobStore, Body, pack
from switchman.addons.store.database import insert_rows
from switchman.addons.store.keeping.logsize import BLOB_BYTES, FILE_BYTES, add_to_total
from switchman.addons.store.rows import Prepared, blob_row
from switchman.addons.store.tables import blobs

INLINE_BYTES = 16_384  # bodies that are no larger when compressed live in the blobs table
RENEW_SECONDS = 600.0  # a body's last use is noted this far ahead, so that one that keeps coming is not noted each time
RECENT = 4096  # hashes remembered as stored, so their content is not compressed again


class BodyKeeper:
    """Used by the writer's thread only. `lost`: called for each body whose file cannot be written.

    `recent`: hashes that were stored not long ago.
    """

    def __init__(self, store: BlobStore, lost: Callable[[OSError], object]) -> None:
        self.recent: OrderedDict[str, None] = OrderedDict()
        self._store, self._lost = store, lost

    def keep(self, conn: Connection, prepared: Sequence[Prepared], bodies: Mapping[str, Body]) -> None:
        """Keep the bodies that are new, and note that the others are used again. A row whose body is lost names none.

        `bodies`: those of `prepared`, by their hashes.
        """
        if not bodies:
            return
        if self._store.accounted:
            newest = max(item.row["started_at"] for item in prepared)
            lost = self._keep_listed(conn, bodies, newest)
        else:
            lost = {digest for digest, body in bodies.items() if not self.keep_file(body)}
        for item in prepared if lost else ():
            for which in ("request", "response"):
                if item.row[f"{which}_hash"] in lost:
                    item.row[f"{which}_hash"] = None

    def keep_file(self, body: Body) -> bool:
        """Whether it is in the blob store now."""
        try:
            if not self._store.refresh(body.digest):
                pack([body])
                self._store.put(body.digest, body.packed or b"")
            return True
        except OSError as exc:
            self._lost(exc)
            return False

    def remember(self, digests: Iterable[str]) -> None:
        """These are committed."""
        for digest in digests:
            self.recent[digest] = None
            self.recent.move_to_end(digest)
        while len(self.recent) > RECENT:
            self.recent.popitem(last=False)

    def _keep_listed(self, conn: Connection, bodies: Mapping[str, Body], newest: float) -> set[str]:
        """By the blobs table: small ones in it, larger ones as files; returns those that could not be kept.

        `last_used` may be later than the newest request with that body, never earlier.
        """
        listed = select(blobs.c.hash, blobs.c.last_used, blobs.c.data.is_(None).label("is_file"))
        known = {row.hash: row for row in conn.execute(listed.where(blobs.c.hash.in_(list(bodies))))}
        if stale := [row.hash for row in known.values() if row.last_used < newest]:
            conn.execute(update(blobs).where(blobs.c.hash.in_(stale)).values(last_used=newest + RENEW_SECONDS))
        fresh = [body for digest, body in bodies.items() if digest not in known]
        pack(fresh)
        lost = set()
        for body in bodies.values():
            is_file = known[body.digest].is_file if body.digest in known else len(body.packed or b"") > INLINE_BYTES
            if is_file and not self.keep_file(body):
                lost.add(body.digest)
        if rows := [blob_row(body, newest, INLINE_BYTES) for body in fresh if body.digest not in lost]:
            insert_rows(conn, blobs, rows)
            add_to_total(conn, BLOB_BYTES, sum(row["stored_size"] for row in rows))
            add_to_total(conn, FILE_BYTES, sum(row["stored_size"] for row in rows if row["data"] is None))
        return lost
