"""The warehouse mappings that runs ask for."""

from __future__ import annotations

from sqlalchemy import Connection, select

from domain.mappings import MappingKind, WarehouseMapping, WarehouseMappings
from storage.mapping_tables import mappings


def known_warehouses(connection: Connection, channel_id: str) -> WarehouseMappings:
    """What runs of a channel know of its warehouses."""
    query = select(mappings.c.row).where(mappings.c.channel_id == channel_id, mappings.c.kind == MappingKind.WAREHOUSE)
    return WarehouseMappings(WarehouseMapping(**row) for row in connection.scalars(query))
