"""The tables of people and of what was changed by whom. Times are whole microseconds since 1970 UTC."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.metadata import metadata
from storage.tables import Id, Micros

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", Id, ForeignKey("organizations.id"), nullable=False),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("password_hash", Text),
    Column("created_at", Micros, nullable=False),
    Column("disabled_at", Micros),
    Index("ix_users_organization", "organization_id"),
)

grants = Table(
    "grants",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("role", String(40), nullable=False),
    Column("organization_id", Id, ForeignKey("organizations.id"), nullable=False),
    Column("account_id", Id, ForeignKey("accounts.id")),
    UniqueConstraint("user_id", "role", "organization_id", "account_id"),
    # Where there is no account the constraint above sees no two rows as alike.
    Index(
        "uq_grants_whole",
        "user_id",
        "role",
        "organization_id",
        unique=True,
        sqlite_where=text("account_id IS NULL"),
        postgresql_where=text("account_id IS NULL"),
    ),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey("users.id"), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created_at", Micros, nullable=False),
    Column("last_seen_at", Micros, nullable=False),
    Column("expires_at", Micros, nullable=False),
    Index("ix_sessions_user", "user_id"),
)

sign_in_tries = Table(
    "sign_in_tries",
    metadata,
    # A digest of an e-mail address or a network address: neither is kept.
    Column("whose", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", Micros, nullable=False),
    Column("blocked_until", Micros, nullable=False),
    Index("ix_sign_in_tries_last", "last_at"),
)

audit = Table(
    "audit",
    metadata,
    # Given by us, without gaps, so that a row that is missing shows; a sequence of the database would leave some.
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", Id, nullable=False, unique=True),
    Column("at", Micros, nullable=False),
    Column("actor", Text, nullable=False),
    Column("organization_id", Id),
    Column("account_id", Id),
    Column("action", String(40), nullable=False),
    Column("object", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_audit_organization", "organization_id", "seq"),
    Index("ix_audit_account", "account_id", "seq"),
)
