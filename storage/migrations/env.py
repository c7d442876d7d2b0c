"""Alembic's entry: runs migrations on the connection that :func:`storage.schema.upgrade` hands over."""

from __future__ import annotations

from alembic import context

import storage.capture_tables
import storage.channel_tables
import storage.journal_tables
import storage.location_tables
import storage.mapping_tables
import storage.people_tables
import storage.product_tables
import storage.settings_tables
import storage.tables  # noqa: F401 - same
from storage.metadata import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
