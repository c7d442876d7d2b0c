"""The carrier mappings that runs ask for."""

from __future__ import annotations

from sqlalchemy import Connection, select

from domain.mappings import CarrierMapping, CarrierMappings, KnownCarriers, MappingKind, ShippingMethods
from storage.mapping_tables import mappings
from storage.mappings.tasks import ignored


def known_carriers(connection: Connection, channel_id: str) -> KnownCarriers:
    """What runs of a channel know of its carriers."""
    query = select(mappings.c.row).where(mappings.c.channel_id == channel_id, mappings.c.kind == MappingKind.CARRIER)
    rows = [CarrierMapping(**row) for row in connection.scalars(query)]
    return KnownCarriers(CarrierMappings(rows), ignored(connection, channel_id), ShippingMethods(rows))
