"""The tables of mappings: what stands for what, which codes are missing, and what waits for them."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, String, Table, UniqueConstraint, text

from storage.metadata import metadata
from storage.tables import Id, Micros, key_text

mappings = Table(
    "mappings",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("kind", key_text(12), primary_key=True),
    Column("key", key_text(500), primary_key=True),
    Column("channel_code", key_text(450), nullable=False),
    Column("oms_code", key_text(450), nullable=False),
    Column("row", JSON, nullable=False),
    Column("changed_at", Micros, nullable=False),
    Column("actor", String(64), nullable=False),
    Index("ix_mappings_oms", "channel_id", "kind", "oms_code"),
)

mapping_tasks = Table(
    "mapping_tasks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("channel_id", Id, nullable=False),
    Column("kind", key_text(12), nullable=False),
    Column("side", key_text(8), nullable=False),
    Column("code", key_text(450), nullable=False),
    Column("state", key_text(8), nullable=False),
    Column("first_at", Micros, nullable=False),
    Column("last_at", Micros, nullable=False),
    Column("answered_at", Micros),
    Column("actor", String(64), nullable=False, server_default=text("''")),
    UniqueConstraint("channel_id", "kind", "side", "code"),
    Index(
        "ix_mapping_tasks_open",
        "kind",
        "channel_id",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
)

mapping_waits = Table(
    "mapping_waits",
    metadata,
    Column("task_id", Id, primary_key=True),
    Column("delivery_id", Id, primary_key=True),
    Index("ix_mapping_waits_delivery", "delivery_id"),
)
