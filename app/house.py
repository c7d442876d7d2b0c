"""The wiring, by hand and once: from settings to everything that a process needs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from app.settings import Settings
from broker.bell import Bell
from broker.gates import Gates
from broker.handling import Handler
from broker.heart import Organs
from broker.ledger import Ledger
from broker.meters import Meters
from broker.operations import Operations
from broker.operations.surface import Parts
from broker.renewal import Renewals
from broker.topology import topology
from broker.transports.seam import Transport
from broker.transports.urls import open_transport
from connectors.http import HttpLimits
from connectors.registry import MANIFESTS, Connectors
from consumers import all_handlers
from domain.jobs import job_type
from domain.moments import Clock, utc_now
from storage.calls import SqlCalls
from storage.captures import SqlCaptures
from storage.care.renewals import SqlRenewals
from storage.care.sql_care import SqlCare
from storage.database import Database
from storage.desk import SqlDesk
from storage.directory import Directory
from storage.gate_store import SqlGateStore
from storage.journal_store import SqlJournalStore
from storage.ledger import SqlLedger
from storage.ledger.memory import SqlMemory
from storage.mappings.sql_mappings import SqlMappings
from storage.people import SqlPeople
from storage.privacy import SqlEraser
from storage.schema import ensure_current, upgrade
from storage.vault import Vault


@dataclass(frozen=True, slots=True)
class House:
    """What the roles of one process share."""

    settings: Settings
    database: Database
    ledger: Ledger
    transport: Transport
    operations: Operations
    connectors: Connectors
    meters: Meters
    bell: Bell
    captures: SqlCaptures
    renewals: Renewals

    def organs(self, jobs: Sequence[str]) -> Organs:
        """What a worker of these job types works with; all job types where none is named."""
        known = all_handlers(SqlEraser(self.database), self.renewals, self.connectors)
        handlers: dict[str, Handler] = {job_type(job).name: known[job] for job in jobs or known}
        return Organs(
            ledger=self.ledger,
            memory=SqlMemory(self.database),
            gates=Gates(SqlGateStore(self.database)),
            shops=self.connectors.open,
            handlers=handlers,
            meters=self.meters,
            bell=self.bell,
            captures=self.captures,
        )


def open_database(settings: Settings, *, exclusive: bool) -> Database:
    """The database with a fitting schema: upgraded at once when it is embedded, else checked.

    Raises:
        ConfigurationError: another process works on the SQLite file, or the schema does not fit.
        StorageUnavailable: it does not answer.
    """
    database = Database(settings.database, exclusive=exclusive)
    try:
        if database.dialect == "sqlite":
            database.write(upgrade)
        else:
            database.read(ensure_current)
    except BaseException:
        database.close()
        raise
    return database


@contextlib.asynccontextmanager
async def open_house(
    settings: Settings, *, exclusive: bool = False, connect: bool = True, clock: Clock = utc_now
) -> AsyncIterator[House]:
    """Everything wired, and closed again at the end.

    ``exclusive`` takes the instance lock of a SQLite database (for the roles that work); without ``connect`` the
    transport is not started (for looking and for storing only). ``clock`` tells the time of what people change.
    """
    async with contextlib.AsyncExitStack() as closing:
        database = open_database(settings, exclusive=exclusive)
        closing.callback(database.close)
        vault = Vault(settings.keys())
        directory = Directory(vault)
        ledger = SqlLedger(database, directory)
        journal = SqlJournalStore(database, topology(), reclaim_all=exclusive and database.dialect == "sqlite")
        url = settings.broker_url.get_secret_value()
        transport = open_transport(url, journal=journal, ca_file=settings.broker_ca_file)
        connectors = Connectors(HttpLimits(total_seconds=settings.call_seconds), settings.hosts())
        closing.push_async_callback(connectors.close)
        closing.push_async_callback(_close_quietly, transport)
        meters, bell = Meters(), Bell()
        desk = SqlDesk(database, directory, vault, lambda platform: MANIFESTS[platform].version, clock)
        people = SqlPeople(database)
        captures = SqlCaptures(database, directory)
        trusted = frozenset(f"{host}:{port}" for host, port in settings.hosts())
        parts = Parts(
            ledger,
            desk,
            SqlMappings(database, directory),
            people,
            transport,
            connectors.manifest,
            connectors.open,
            meters,
            bell,
            SqlCalls(database, directory),
            captures,
            SqlCare(database, directory, vault),
            trusted,
            tuple(MANIFESTS.values()),
        )
        if connect:
            await transport.start()
        operations, renewals = Operations(parts), SqlRenewals(database, directory, vault)
        yield House(settings, database, ledger, transport, operations, connectors, meters, bell, captures, renewals)


async def _close_quietly(transport: Transport) -> None:
    with contextlib.suppress(Exception):
        await transport.close()
