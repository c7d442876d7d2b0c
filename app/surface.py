"""The operator surface of a house, wired."""

from __future__ import annotations

from app.house import House
from broker.operations import Operations
from broker.operations.surface import Parts
from connectors.registry import MANIFESTS
from storage.calls import SqlCalls
from storage.captures import SqlCaptures
from storage.care.sql_care import SqlCare
from storage.desk.sql_desk import SqlDesk
from storage.mappings.sql_mappings import SqlMappings
from storage.people.sql_people import SqlPeople


def open_surface(house: House) -> Operations:
    """Everything that people may ask of a house."""
    database, directory, vault = house.database, house.directory, house.vault
    return Operations(
        Parts(
            house.ledger,
            SqlDesk(database, directory, vault, lambda platform: MANIFESTS[platform].version, house.clock),
            SqlMappings(database, directory),
            SqlPeople(database),
            house.transport,
            house.connectors.manifest,
            house.connectors.open,
            house.meters,
            house.bell,
            SqlCalls(database, directory),
            SqlCaptures(database, directory),
            SqlCare(database, directory, vault),
            frozenset(f"{host}:{port}" for host, port in house.settings.hosts()),
            tuple(MANIFESTS.values()),
        )
    )
