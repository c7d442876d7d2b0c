"""The tables of the ledger. Times are whole microseconds since 1970 UTC; ids are UUIDv7 text."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from storage.metadata import metadata

Micros = BigInteger


def key_text(length: int) -> String:
    """Text that is looked up and ordered by its bytes on every database, whatever language it was set up for."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


Id = key_text(36)

organizations = Table(
    "organizations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Micros, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organization_id", Id, ForeignKey("organizations.id"), nullable=False),
    Column("code", key_text(64), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("timezone", String(64), nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", Micros, nullable=False),
    Column("disable_at", Micros),
    Column("product_source", key_text(36), nullable=False, server_default=text("'oms'")),
    Column("catalogued", Boolean, nullable=False, server_default=text("false")),
    Column("pii_retention_days", Integer),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("prefix", String(16), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("scopes", JSON, nullable=False),
    Column("created_at", Micros, nullable=False),
    Column("revoked_at", Micros),
    Column("name", Text, nullable=False, server_default=text("''")),
)

channels = Table(
    "channels",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("code", key_text(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("platform", String(40), nullable=False),
    Column("domain", String(255), nullable=False),
    Column("token", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("settings", JSON, nullable=False),
    Column("created_at", Micros, nullable=False),
    Column("mapped_at", Micros, nullable=False, server_default=text("0")),
    Column("deleted_at", Micros),
    Column("sku_mapped", Boolean, nullable=False, server_default=text("false")),
    Column("manual_logging", Text, nullable=False, server_default=text("''")),
    Column("token_version", BigInteger, nullable=False, server_default=text("0")),
    Column("renews", Boolean, nullable=False, server_default=text("false")),
    Column("held", Boolean, nullable=False, server_default=text("false")),
    UniqueConstraint("account_id", "code"),
    Index(
        "ix_channels_living",
        "domain",
        unique=True,
        sqlite_where=text("deleted_at IS NULL"),
        postgresql_where=text("deleted_at IS NULL"),
    ),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("source", key_text(200), nullable=False),
    Column("event_id", key_text(200), nullable=False),
    Column("type", String(100), nullable=False),
    Column("channel", String(64)),
    Column("business_key", key_text(200), nullable=False),
    Column("correlation_id", String(200)),
    Column("trace_id", String(64)),
    Column("trigger", String(16), nullable=False),
    Column("event_time", Micros),
    Column("received_at", Micros, nullable=False),
    Column("digest", LargeBinary(16), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("copies", Integer, nullable=False, server_default=text("0")),
    UniqueConstraint("account_id", "source", "event_id"),
    Index("ix_messages_key", "account_id", "business_key"),
    Index("ix_messages_received", "received_at"),
)

rejections = Table(
    "rejections",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary(16), nullable=False, unique=True),
    Column("origin", String(40), nullable=False),
    Column("routing_key", key_text(255), nullable=False),
    Column("code", key_text(40), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("headers", JSON, nullable=False),
    Column("first_seen_at", Micros, nullable=False),
    Column("last_seen_at", Micros, nullable=False),
    Column("seen", Integer, nullable=False),
    Index("ix_rejections_seen", "last_seen_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("message_id", Id, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("channel_id", Id, nullable=False),
    Column("job_type", key_text(40), nullable=False),
    Column("business_key", key_text(200), nullable=False),
    Column("lane", key_text(300), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("state", key_text(12), nullable=False),
    Column("trigger", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("due_at", Micros, nullable=False),
    Column("cause", String(16), nullable=False, server_default=text("''")),
    Column("code", key_text(40), nullable=False, server_default=text("''")),
    Column("sentence", Text, nullable=False, server_default=text("''")),
    Column("unsure", Boolean, nullable=False, server_default=text("false")),
    Column("token", BigInteger),
    Column("coalesce_key", key_text(300)),
    Column("version", BigInteger),
    Column("event_time", Micros, nullable=False),
    Column("superseded_by", Id),
    Column("created_at", Micros, nullable=False),
    Column("settled_at", Micros),
    UniqueConstraint("message_id", "job_type", "channel_id"),
    Index(
        "ix_deliveries_open",
        "lane",
        "seq",
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    Index(
        "ix_deliveries_coalesce",
        "lane",
        "coalesce_key",
        sqlite_where=text("state = 'open' AND coalesce_key IS NOT NULL"),
        postgresql_where=text("state = 'open' AND coalesce_key IS NOT NULL"),
    ),
    Index("ix_deliveries_key", "account_id", "business_key"),
    Index(
        "ix_deliveries_failed",
        "state",
        "created_at",
        sqlite_where=text("state IN ('dead', 'unknown')"),
        postgresql_where=text("state IN ('dead', 'unknown')"),
    ),
)

lanes = Table(
    "lanes",
    metadata,
    Column("key", key_text(300), primary_key=True),
    Column("kind", String(4), nullable=False),
    Column("channel_id", Id, nullable=False),
    Column("job_type", key_text(40), nullable=False),
    Column("state", key_text(8), nullable=False),
    Column("due_at", Micros, nullable=False),
    Column("next_seq", BigInteger, nullable=False),
    Column("holder", Id),
    Column("token", BigInteger, nullable=False, server_default=text("0")),
    Column("crashes", Integer, nullable=False, server_default=text("0")),
    Column("since", Micros, nullable=False),
    Index(
        "ix_lanes_due",
        "due_at",
        sqlite_where=text("state IN ('ready', 'waiting')"),
        postgresql_where=text("state IN ('ready', 'waiting')"),
    ),
    Index(
        "ix_lanes_holder",
        "holder",
        sqlite_where=text("holder IS NOT NULL"),
        postgresql_where=text("holder IS NOT NULL"),
    ),
    Index(
        "ix_lanes_turn",
        "channel_id",
        "due_at",
        sqlite_where=text("state IN ('ready', 'waiting')"),
        postgresql_where=text("state IN ('ready', 'waiting')"),
    ),
    Index(
        "ix_lanes_suspect",
        "due_at",
        sqlite_where=text("crashes >= 2 AND state IN ('ready', 'waiting')"),
        postgresql_where=text("crashes >= 2 AND state IN ('ready', 'waiting')"),
    ),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("roles", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("process", Text, nullable=False),
    Column("started_at", Micros, nullable=False),
    Column("seen_at", Micros, nullable=False),
    Column("lease_until", Micros, nullable=False),
)

sync_log = Table(
    "sync_log",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("channel_id", Id, nullable=False),
    Column("delivery_id", Id, nullable=False),
    Column("message_id", Id, nullable=False),
    Column("started_at", Micros, nullable=False),
    Column("finished_at", Micros, nullable=False),
    Column("job_type", key_text(40), nullable=False),
    Column("trigger", String(16), nullable=False),
    Column("business_key", key_text(200), nullable=False),
    Column("correlation_id", String(200)),
    Column("trace_id", String(64)),
    Column("attempt", Integer, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("level", String(8), nullable=False),
    Column("code", key_text(40), nullable=False),
    Column("sentence", Text, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("calls", JSON, nullable=False),
    Column("call_count", Integer, nullable=False),
    Column("superseded_by", Id),
    Column("actor", String(64), nullable=False),
    Index("ix_sync_log_key", "account_id", "business_key"),
    Index("ix_sync_log_time", "finished_at"),
    Index("ix_sync_log_delivery", "delivery_id"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", Id, nullable=False, unique=True),
    Column("account_id", Id, nullable=False),
    Column("channel", String(64)),
    Column("type", String(100), nullable=False),
    Column("routing_key", key_text(255), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", Micros, nullable=False),
    Column("sent_at", Micros),
    Column("failure", Text),
    Column("order_key", key_text(100)),
    Index(
        "ix_outbox_unsent",
        "seq",
        sqlite_where=text("sent_at IS NULL"),
        postgresql_where=text("sent_at IS NULL"),
    ),
    Index(
        "ix_outbox_order",
        "account_id",
        "order_key",
        sqlite_where=text("order_key IS NOT NULL"),
        postgresql_where=text("order_key IS NOT NULL"),
    ),
    sqlite_autoincrement=True,
)

schedules = Table(
    "schedules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("channel_id", Id, nullable=False),
    Column("job_type", key_text(40), nullable=False),
    Column("period", String(16), nullable=False),
    Column("next_due", Micros),
    Column("last_due", Micros),
    Column("stretch", Integer, nullable=False, server_default=text("1")),
    UniqueConstraint("channel_id", "job_type"),
    Index(
        "ix_schedules_due",
        "next_due",
        sqlite_where=text("next_due IS NOT NULL"),
        postgresql_where=text("next_due IS NOT NULL"),
    ),
)

orders = Table(
    "orders",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("external_order_id", key_text(100), primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("updated_at", Micros, nullable=False),
    Column("status", String(20), nullable=False),
    Column("document", JSON, nullable=False),
    Column("recorded_at", Micros, nullable=False),
    Column("created_at", Micros),
    Column("closed_at", Micros),
    Column("erased_at", Micros),
    Index("ix_orders_external", "account_id", "external_order_id"),
    Index(
        "ix_orders_personal",
        "channel_id",
        "created_at",
        sqlite_where=text("erased_at IS NULL"),
        postgresql_where=text("erased_at IS NULL"),
    ),
)

shipments = Table(
    "shipments",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("shipment_id", key_text(100), primary_key=True),
    Column("external_order_id", key_text(100), nullable=False),
    Column("external_shipment_id", String(100), nullable=False),
    Column("recorded_at", Micros, nullable=False),
)

stock_levels = Table(
    "stock_levels",
    metadata,
    Column("account_id", Id, primary_key=True),
    Column("sku", key_text(120), primary_key=True),
    Column("warehouse", key_text(100), primary_key=True),
    Column("total", BigInteger, nullable=False),
    Column("allocated", BigInteger, nullable=False),
    Column("version", BigInteger),
    Column("time", Micros, nullable=False),
    Column("message_id", Id),
)

channel_stock = Table(
    "channel_stock",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("sku", key_text(120), primary_key=True),
    Column("quantity", BigInteger, nullable=False),
    Column("confirmed_at", Micros, nullable=False),
)

cursors = Table(
    "cursors",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("job_type", key_text(40), primary_key=True),
    Column("until", Micros, nullable=False),
)

gates = Table(
    "gates",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("operation", key_text(200), primary_key=True, server_default=text("''")),
    Column("arrival", Micros, nullable=False, server_default=text("0")),
    Column("closed_until", Micros, nullable=False, server_default=text("0")),
    Column("cause", String(16), nullable=False, server_default=text("''")),
    Column("strikes", Integer, nullable=False, server_default=text("0")),
    Column("sentence", Text, nullable=False, server_default=text("''")),
    # The tally of the channel's calls (domain/budget_tally.py): here, so that permit and count are one statement.
    Column("day", Integer, nullable=False, server_default=text("0")),
    Column("day_calls", BigInteger, nullable=False, server_default=text("0")),
    Column("month", Integer, nullable=False, server_default=text("0")),
    Column("month_calls", BigInteger, nullable=False, server_default=text("0")),
    Column("hour", Integer, nullable=False, server_default=text("0")),
    Column("hour_calls", BigInteger, nullable=False, server_default=text("0")),
    Column("recent", Text, nullable=False, server_default=text("''")),
    Column("day_told", Integer, nullable=False, server_default=text("0")),
    Column("month_told", Integer, nullable=False, server_default=text("0")),
)

call_counts = Table(
    "call_counts",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("job_type", key_text(40), primary_key=True),
    Column("cause", key_text(16), primary_key=True),
    Column("calls", BigInteger, nullable=False),
)

call_days = Table(
    "call_days",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("calls", BigInteger, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", Id, nullable=False),
    Column("until", Micros, nullable=False),
)
