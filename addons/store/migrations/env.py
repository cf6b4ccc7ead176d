"""What Alembic runs: the migrations, on the connection (and in the transaction) that `database.upgrade()` holds.

A new migration is a file written by hand after the last one in versions/;
tests/addons/store/test_migrations.py compares the outcome with tables.py.
"""

from __future__ import annotations

from alembic import context

from switchman.addons.store.access import tables  # noqa: F401 - its tables are in the same metadata
from switchman.addons.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # SQLite too: our connections begin transactions explicitly
)
with context.begin_transaction():
    context.run_migrations()
