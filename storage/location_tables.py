"""Stock of shops that keep it at locations."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table

from domain.mappings import MOST_CHARACTERS
from storage.metadata import metadata
from storage.tables import Id, Micros, key_text

location_stock = Table(
    "location_stock",
    metadata,
    Column("channel_id", Id, primary_key=True),
    Column("sku", key_text(120), primary_key=True),
    Column("location", key_text(MOST_CHARACTERS), primary_key=True),
    Column("quantity", BigInteger, nullable=False),
    Column("confirmed_at", Micros, nullable=False),
)
"""What ``channel_stock`` is for a shop without locations, which is written in storms and stays as narrow as it is."""
