"""Alembic's entry: runs migrations on the connection that :func:`storage.schema.upgrade` hands over."""

from __future__ import annotations

from alembic import context

from storage import journal_tables, tables
from storage.metadata import metadata

assert tables.metadata is metadata
assert journal_tables.metadata is metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
