"""The tables of settings, their versions, and warehouses."""

from __future__ import annotations

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from storage.metadata import metadata
from storage.tables import Id, Micros, key_text

own_settings = Table(
    "own_settings",
    metadata,
    Column("owner_id", Id, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("chosen", JSON, nullable=False),
)
"""What was put on a channel or an account itself, by name. The values that count stand in ``channels.settings``."""

setting_versions = Table(
    "setting_versions",
    metadata,
    Column("owner_id", Id, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("channel_id", Id),
    Column("at", Micros, nullable=False),
    Column("actor", Text, nullable=False),
    Column("changes", JSON, nullable=False),
)

warehouses = Table(
    "warehouses",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", Id, ForeignKey("organizations.id"), nullable=False),
    Column("code", key_text(100), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", Micros, nullable=False),
    UniqueConstraint("organization_id", "code"),
)

account_warehouses = Table(
    "account_warehouses",
    metadata,
    Column("account_id", Id, primary_key=True),
    Column("warehouse_id", Id, primary_key=True),
    Index("ix_account_warehouses_warehouse", "warehouse_id"),
)
