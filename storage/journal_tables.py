"""The tables of the journal transport. Times are whole microseconds since 1970 UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, text

from storage.metadata import metadata

journal_entries = Table(
    "journal_entries",
    metadata,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("queue", String(255), nullable=False),
    Column("exchange", String(255), nullable=False),
    Column("routing_key", String(255), nullable=False),
    Column("message_id", String(255)),
    Column("content_type", String(255)),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("taker", String(36)),
    Column("deliveries", Integer, nullable=False, server_default=text("0")),
    Index(
        "ix_journal_entries_ready",
        "queue",
        "position",
        sqlite_where=text("taker IS NULL"),
        postgresql_where=text("taker IS NULL"),
    ),
    Index(
        "ix_journal_entries_held",
        "taker",
        sqlite_where=text("taker IS NOT NULL"),
        postgresql_where=text("taker IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

journal_takers = Table(
    "journal_takers",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("queue", String(255), nullable=False),
    Column("lease_until", BigInteger, nullable=False),
)

journal_active = Table(
    "journal_active",
    metadata,
    Column("queue", String(255), primary_key=True),
    Column("taker", String(36), nullable=False),
)
