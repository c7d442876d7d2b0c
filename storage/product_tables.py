"""The tables of products. Times are whole microseconds since 1970 UTC."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, Table, text

from storage.metadata import metadata
from storage.tables import Id, Micros, key_text

products = Table(
    "products",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("external_id", key_text(100), primary_key=True),
    Column("document", JSON, nullable=False),
    Column("updated_at", Micros, nullable=False),
    Column("recorded_at", Micros, nullable=False),
)
"""``recorded_at`` is when the run began that read this state; ``document`` is empty where nothing came of it."""

product_skus = Table(
    "product_skus",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("sku", key_text(120), primary_key=True),
    Column("external_id", key_text(100), nullable=False),
    Column("seen_at", Micros, nullable=False, server_default=text("0")),
    Index("ix_product_skus_product", "channel_id", "external_id"),
)
"""``seen_at`` is when an import saw the SKU in the shop, or an export wrote it there, for the last time."""

catalogue_skus = Table(
    "catalogue_skus",
    metadata,
    Column("account_id", Id, primary_key=True),
    Column("sku", key_text(120), primary_key=True),
    Column("added_at", Micros, nullable=False),
)
"""The SKUs of the products that the OMS told of."""
