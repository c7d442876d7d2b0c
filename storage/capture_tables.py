"""What manual logging keeps."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text

from storage.metadata import metadata
from storage.tables import Id, Micros, key_text

call_captures = Table(
    "call_captures",
    metadata,
    Column("id", Id, primary_key=True),
    Column("account_id", Id, nullable=False),
    Column("channel_id", Id, nullable=False),
    Column("job_type", key_text(40), nullable=False),
    Column("delivery_id", Id, nullable=False),
    Column("message_id", Id, nullable=False),
    Column("business_key", key_text(200), nullable=False),
    Column("about", Text, nullable=False),
    Column("at", Micros, nullable=False),
    Column("expires_at", Micros, nullable=False),
    Column("method", String(8), nullable=False),
    Column("path", Text, nullable=False),
    Column("status", Integer),
    Column("request", Text, nullable=False),
    Column("response", Text, nullable=False),
    Index("ix_call_captures_key", "account_id", "business_key"),
    Index("ix_call_captures_expires", "expires_at"),
)
