"""Alembic migrations, applied by `database.upgrade()` when a store is opened."""
