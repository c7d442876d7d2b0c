"""The wiring, by hand and once: from settings to everything that a process needs."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from app.settings import Settings
from broker.bell import Bell
from broker.gates import Gates
from broker.handling import Handler
from broker.heart import Organs
from broker.ledger import Ledger
from broker.meters import Meters
from broker.renewal import Renewals
from broker.topology import topology
from broker.transports.seam import Transport
from broker.transports.urls import open_transport
from connectors.http import HttpLimits
from connectors.registry import Connectors, pushed_jobs
from consumers import all_handlers
from domain.jobs import job_type
from domain.moments import Clock, utc_now
from storage.capture_store import SqlCaptureStore
from storage.care.renewals import SqlRenewals
from storage.database import Database
from storage.directory import Directory
from storage.gate_store import SqlGateStore
from storage.journal_store import SqlJournalStore
from storage.ledger import SqlLedger
from storage.ledger.memory import SqlMemory
from storage.privacy.eraser import SqlEraser
from storage.schema import ensure_current, upgrade
from storage.vault import Vault

if TYPE_CHECKING:
    from broker.operations import Operations


@dataclass(frozen=True)
class House:
    """What the roles of one process share. ``clock`` tells the time of what people change."""

    settings: Settings
    database: Database
    directory: Directory
    vault: Vault
    ledger: Ledger
    transport: Transport
    connectors: Connectors
    meters: Meters
    bell: Bell
    captures: SqlCaptureStore
    renewals: Renewals
    clock: Clock

    @cached_property
    def operations(self) -> Operations:
        """What people may ask; made when it is first asked for, for most processes never are."""
        from app.surface import open_surface  # noqa: PLC0415 - takes memory from roles that nobody asks

        return open_surface(self)

    def organs(self, jobs: Sequence[str]) -> Organs:
        """What a worker of these job types works with; all job types where none is named."""
        known = all_handlers(SqlEraser(self.database), self.renewals, self.connectors, self.connectors.locations)
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
        directory = Directory(vault, pushed=pushed_jobs)
        ledger = SqlLedger(database, directory)
        journal = SqlJournalStore(database, topology(), reclaim_all=exclusive and database.dialect == "sqlite")
        url = settings.broker_url.get_secret_value()
        transport = open_transport(url, journal=journal, ca_file=settings.broker_ca_file)
        connectors = Connectors(HttpLimits(total_seconds=settings.call_seconds), settings.hosts())
        closing.push_async_callback(connectors.close)
        closing.push_async_callback(_close_quietly, transport)
        meters, bell = Meters(), Bell()
        if connect:
            await transport.start()
        captures, renewals = SqlCaptureStore(database), SqlRenewals(database, directory, vault)
        yield House(
            settings,
            database,
            directory,
            vault,
            ledger,
            transport,
            connectors,
            meters,
            bell,
            captures,
            renewals,
            clock,
        )


async def _close_quietly(transport: Transport) -> None:
    with contextlib.suppress(Exception):
        await transport.close()
