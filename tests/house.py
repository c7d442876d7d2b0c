"""A small house for tests: a real ledger, one account, one channel, and a worker in one line.

``house`` is a fixture where a conftest imports it; :func:`small_house` opens one on any database, with any transport.
The channel ``main`` of account ``acme`` is called at ``domain``: a sandbox shop's address, or one nobody calls.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import Executable

from broker.bell import Bell
from broker.gates import Gates
from broker.handling import Answer, Handler, Run
from broker.heart import Organs, Pace, Worker
from broker.lease import Lease
from broker.ledger import Admission, Incoming
from broker.meters import Meters
from broker.operations import DeliveryRow, LogFilter, LogRow, NewChannel, Operations
from broker.operations.surface import Parts
from broker.sources import LaneSource, PolledLanes
from broker.transports.memory import InMemoryTransport
from broker.transports.seam import Transport
from connectors.http import HttpLimits
from connectors.registry import MANIFESTS, Connectors, pushed_jobs
from consumers import HANDLERS, all_handlers
from domain.access import Actor
from domain.channels import ChannelSettings
from domain.envelope import Envelope
from domain.events import payload_of
from domain.ids import new_id
from domain.mappings import CarrierCode, CarrierMapping, SkuMapping
from domain.outcomes import Done
from domain.settings import Changes
from domain.synclog import Trigger
from storage.calls import SqlCalls
from storage.capture_store import SqlCaptureStore
from storage.captures import SqlCaptures
from storage.care.renewals import SqlRenewals
from storage.care.sql_care import SqlCare
from storage.database import Database
from storage.desk.sql_desk import SqlDesk
from storage.directory import Directory
from storage.gate_store import SqlGateStore
from storage.ledger.memory import SqlMemory
from storage.mappings.sql_mappings import SqlMappings
from storage.people.sql_people import SqlPeople
from storage.privacy.eraser import SqlEraser
from storage.schema import upgrade
from storage.vault import Vault
from tests.moody import PATIENCE, HandClock, MoodyLedger, until

FAST: dict[str, Any] = {"calls_per_second": 10_000.0, "burst": 10_000}
READ_WRITE = "sandbox-read-write"
READ_ONLY = "sandbox-read-only"
PACE = Pace(capacity=16)
AFTER_A_CRASH = 2.5
"""Seconds after which a lane is due again whose worker died with it for the first time in a row."""
SHIPPED_AT = "2026-03-01T09:30:00Z"


@dataclass(frozen=True, slots=True)
class Shift:
    """A worker at work, and the event that tells it to stop."""

    worker: Worker
    stop: asyncio.Event


class SmallHouse:
    """What :func:`small_house` gives: the real parts, and short ways to use them."""

    def __init__(self, url: str, clock: HandClock, domain: str, transport: Transport | None = None) -> None:
        self.clock = clock
        self.domain = domain
        self.database = Database(url, exclusive=False)
        vault = Vault([b"k" * 32])
        self.directory = Directory(vault, clock=clock, pushed=pushed_jobs)
        self.ledger = MoodyLedger(self.database, self.directory, clock)
        self.memory = SqlMemory(self.database)
        self.gates = Gates(SqlGateStore(self.database, clock))
        self.mappings = SqlMappings(self.database, self.directory, clock)
        self.desk = SqlDesk(self.database, self.directory, vault, lambda name: MANIFESTS[name].version, clock)
        self.captures = SqlCaptureStore(self.database, clock)
        self.care = SqlCare(self.database, self.directory, vault, clock)
        self.renewals = SqlRenewals(self.database, self.directory, vault, clock)
        self.transport = transport or InMemoryTransport()
        self.meters, self.bell = Meters(), Bell()
        trusted = domain if ":" in domain else "127.0.0.1:1"
        host, port = trusted.split(":")
        self.connectors = Connectors(HttpLimits(connect_seconds=1.0, total_seconds=5.0), [(host, int(port))])
        self.operations = Operations(
            Parts(
                self.ledger, self.desk, self.mappings, SqlPeople(self.database, clock), self.transport,
                self.connectors.manifest, self.connectors.open, self.meters, self.bell,
                SqlCalls(self.database, self.directory, clock), SqlCaptures(self.database, self.directory, clock),
                self.care, frozenset({trusted}),
            )
        )  # fmt: skip
        self.channel_id = ""

    async def add_channel(self, code: str, domain: str, token: str = READ_WRITE, **settings: Any) -> str:
        """A further channel of the account; its id."""
        chosen = ChannelSettings.model_validate({**FAST, **settings})
        return await self.operations.create_channel(
            NewChannel("acme", code, code.title(), "bright_sites", domain, token, chosen)
        )

    async def change(self, code: str = "main", *, token: str | None = None, **settings: Any) -> None:
        """Change the settings of a channel, or its token."""
        chosen = ChannelSettings.model_validate({**FAST, **settings}) if settings else None
        await self.desk.change_channel("acme", code, token=token, settings=chosen)

    async def products_from(self, source: str) -> None:
        """Make ``oms``, ``upstream`` or a channel the account's *Master Product Source*."""
        changes = Changes({"master_product_source": source})
        await self.operations.settings.change_account(Actor.installation("tester"), "acme", changes)

    async def map_carriers(self, methods: Mapping[str, str], code: str = "main") -> int:
        """Map OMS carriers (``ups`` or ``ups:ground``) to shipping methods; how many deliveries that let go."""
        released = 0
        for carrier, method in methods.items():
            oms = CarrierCode.of(carrier)
            row = CarrierMapping(method, "", oms.carrier, oms.service)
            released += (await self.mappings.save("acme", code, row, "tester")).deliveries
        return released

    async def map_skus(self, oms: Mapping[str, str | tuple[str, int]], code: str = "main") -> int:
        """Map SKUs of the channel to those of the OMS, some with a multiplier; how many deliveries that let go."""
        released = 0
        for channel_sku, found in oms.items():
            row = SkuMapping(channel_sku, *((found,) if isinstance(found, str) else found))
            released += (await self.mappings.save("acme", code, row, "tester")).deliveries
        return released

    async def product_event(self, *skus: str, **more: Any) -> str:
        """Products of the OMS, each with one SKU; the id of the last message."""
        return [
            await self.event("product.changed", {"product": {"sku": sku, "name": sku, "price": "9.50", **more}})
            for sku in skus
        ][-1]

    async def event(self, kind: str, data: Mapping[str, Any], **attributes: Any) -> str:
        """Admit an event for channel ``main`` (or another ``channel``); the message id."""
        (answer,) = await self.admit([self.incoming(kind, data, **attributes)])
        assert answer.message_id and answer.error is None, answer
        return answer.message_id

    def incoming(
        self, kind: str, data: Mapping[str, Any], *, trigger: Trigger = Trigger.EVENT, **attributes: Any
    ) -> Incoming:
        """A decoded event with attributes of its own or sensible ones."""
        plain: dict[str, Any] = {"id": new_id(), "source": "test", "account": "acme", "channel": "main"}
        plain["time"] = self.clock()
        envelope = Envelope.model_validate({**plain, **attributes, "type": kind, "data": dict(data)})
        return Incoming(envelope, payload_of(envelope), envelope.to_json(), trigger)

    async def admit(self, batch: Sequence[Incoming]) -> list[Admission]:
        """Admit events and ring for the worker."""
        answers = await self.ledger.admit(batch)
        self.bell.ring()
        return answers

    async def order_event(self, number: object = 1001, kind: str = "order.created", **data: Any) -> str:
        """An event of the shop about one order; the message id."""
        return await self.event(kind, {"external_order_id": str(number), **data})

    async def stock_event(self, sku: str, total: int, *, version: int | None = None, **more: Any) -> str:
        """A stock level of the OMS; the message id."""
        data = {"sku": sku, "warehouse": "main", "total": total, "allocated": 0, "version": version, **more}
        return await self.event("stock.changed", data)

    async def shipment_event(self, order: object, lines: Sequence[Mapping[str, Any]], **more: Any) -> str:
        """A parcel of the OMS; the message id."""
        data = {
            "shipment_id": "P-1", "external_order_id": str(order), "carrier": "UPS", "service": "Ground",
            "tracking_number": "1Z-1", "shipped_at": SHIPPED_AT, "notify_customer": False, "lines": list(lines),
        }  # fmt: skip
        return await self.event("shipment.created", {**data, **more})

    async def delivery(self, message_id: str) -> DeliveryRow:
        """The only delivery of a message."""
        life = await self.desk.message(message_id)
        assert life is not None and len(life.message.deliveries) == 1, life
        return life.message.deliveries[0]

    async def attempts(self, message_id: str) -> tuple[LogRow, ...]:
        """The sync log rows of a message, oldest first."""
        life = await self.desk.message(message_id)
        assert life is not None
        return life.attempts

    async def logs(self, **wanted: Any) -> Sequence[LogRow]:
        """Sync log rows, newest first."""
        return await self.desk.logs(LogFilter(**wanted))

    async def until_state(self, message_id: str, *states: str) -> DeliveryRow:
        """Wait until the delivery of a message stands in one of these shown states."""

        async def there() -> DeliveryRow | None:
            row = await self.delivery(message_id)
            return row if row.state in states else None

        found: DeliveryRow = await until(there)
        return found

    async def lease(self, **times: float) -> Lease:
        """A worker's lease, begun."""
        lease = Lease(self.ledger, "test", **times)
        await lease.begin()
        return lease

    def organs(self, handlers: Mapping[str, Handler] | None = None) -> Organs:
        """What a worker of this house works with; the real consumers unless told otherwise."""
        return Organs(
            self.ledger, self.memory, self.gates, self.connectors.open,
            handlers or all_handlers(
                SqlEraser(self.database, self.clock), self.renewals, self.connectors, self.connectors.locations
            ),
            self.meters, self.clock, self.bell, self.captures,
        )  # fmt: skip

    @asynccontextmanager
    async def at_work(
        self,
        handlers: Mapping[str, Handler] | None = None,
        *,
        lease: Lease | None = None,
        source: LaneSource | None = None,
        pace: Pace = PACE,
    ) -> AsyncIterator[Shift]:
        """A worker that works inside the block and finishes what is in hand at its end."""
        organs, lease = self.organs(handlers), lease or await self.lease()
        source = source or PolledLanes(self.ledger, lease.worker, list(organs.handlers), self.bell)
        worker, stop = Worker(organs, source, lease, pace), asyncio.Event()
        task = asyncio.create_task(worker.work(stop))
        try:
            yield Shift(worker, stop)
        finally:
            stop.set()
            async with asyncio.timeout(PATIENCE):
                await task

    async def work_off(self, handlers: Mapping[str, Handler] | None = None) -> None:
        """Let a worker run until nothing can run any more."""
        async with self.at_work(handlers):
            await until(self.idle)

    async def idle(self) -> bool:
        """Whether nothing runs and nothing is due."""
        numbers = await self.desk.statistics()
        return not numbers.lanes.get("running") and numbers.oldest_due_seconds == 0

    async def execute(self, statement: Executable) -> Any:
        """Run one SQL statement, for what no operation does; its rows where it gives some."""

        def work(connection: Any) -> Any:
            result = connection.execute(statement)
            return result.all() if result.returns_rows else result.rowcount

        found = await self.database.awrite(work)
        self.directory.forget()
        return found

    async def close(self) -> None:
        """Close connections and the database."""
        await self.transport.close()
        await self.connectors.close()
        self.database.close()


@functools.cache
def _empty_database() -> bytes:
    """A migrated SQLite file, made once and then copied: migrating takes longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        database = Database(f"sqlite:///{path}", exclusive=False)
        database.write(upgrade)
        database.close()
        return path.read_bytes()


def sqlite_url(folder: Path) -> str:
    """The URL of a fresh SQLite ledger in a folder."""
    path = folder / "towpath.db"
    path.write_bytes(_empty_database())
    return f"sqlite:///{path}"


@asynccontextmanager
async def small_house(
    url: str,
    *,
    clock: HandClock | None = None,
    domain: str = "shop.example.com",
    transport: Transport | None = None,
    **settings: Any,
) -> AsyncIterator[SmallHouse]:
    """A house on a database (migrated here), with account ``acme`` and channel ``main``; closed at the end."""
    house = SmallHouse(url, clock or HandClock(), domain, transport)
    try:
        await house.database.awrite(upgrade)
        await house.transport.start()
        if not await house.desk.accounts():
            organization = await house.desk.create_organization("Acme Group")
            await house.desk.create_account(organization, "acme", "Acme", "UTC")
            house.channel_id = await house.add_channel("main", domain, **settings)
        yield house
    finally:
        await house.close()


def answering(answer: Callable[[Run], Awaitable[Answer] | Answer]) -> dict[str, Handler]:
    """Handlers for all job types that give ``answer(run)`` for each item of a run."""

    async def handle(run: Run) -> Sequence[Answer]:
        found = answer(run)
        given = await found if inspect.isawaitable(found) else found
        return [given] * len(run.items)

    return dict.fromkeys(HANDLERS, handle)


DONE = Done("It is done.")


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> Iterator[None]:
    """Log lines without drawn tracebacks, which take longer than the tests that provoke them."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


@pytest.fixture
def clock() -> Iterator[HandClock]:
    """The clock of the house, and of its shop if there is one."""
    yield HandClock()


@pytest.fixture
async def house(tmp_path: Path, clock: HandClock) -> AsyncIterator[SmallHouse]:
    """A house on SQLite whose shop nobody calls."""
    async with small_house(sqlite_url(tmp_path), clock=clock) as opened:
        yield opened
