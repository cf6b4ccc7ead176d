"""The log: what was asked, decided, tried and answered, for as long as it is kept.

tables      what is stored                      migrations  changes an older database into that
database    engines, the write lock, the schema at start
writer      the one thread of a process that writes; rows makes a Record into rows
keeping/    bounds: heads, the spool, MAX_LOG_SIZE; signed-out tokens
blobs       bodies, by the hash of their content
retention   removes what is too old or too much
reading/    lists, details, menus: queries, and the filters and summaries that belong to them
figures/    sums per minute, hour and day, beside the rows
access/     tokens, keys that are kept encrypted, and who changed what
underway    what is not over yet, as each worker writes it down
opening     open_store(), where all this comes together

In it: the tables, their migrations, one writer, every query, and what follows when its file is deleted.
Door: `open_store`, `Store`, `Filters`.
May not import: mitmproxy, Flask, and all rooms but core.
"""

from __future__ import annotations

from switchman.addons.store.database import StoreError
from switchman.addons.store.opening import Store, open_store
from switchman.addons.store.reading.filters import Filters

__all__ = ["Filters", "Store", "StoreError", "open_store"]
