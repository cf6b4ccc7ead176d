"""How much is kept, and what of it holds: everything here has a bound.

In it: heads (cut to size), spool (records while the database cannot be written), logsize (MAX_LOG_SIZE), revocations.
Door: `Spool`, `keep_within`, `Revocations`, for the store.
May not import: what the store may not.
"""
