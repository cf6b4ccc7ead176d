"""How much is kept, and what of it holds: everything here has a bound.

In it: heads (cut to size), compressed (bodies in which a key cannot be masked), spool and backlog (records while the
database cannot be written), logsize and limits (MAX_LOG_SIZE), packing (heads and traces in SQLite), revocations,
capture (what is kept of a record), bodies (those of a batch), forgetting and elsewhere (what goes for good); beside/
(tables beside the rows).
Door: `Spool`, `Backlog`, `Limits`, `Revocations`, for the store.
May not import: what the store may not.
"""
