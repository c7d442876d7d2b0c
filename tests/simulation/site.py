"""Everything that outlives a process: database, message broker, shop, and how an engine process is built on them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Engine

from broker.bell import Bell
from broker.gates import Gates
from broker.heart import Organs, Pace, Worker
from broker.lease import Lease
from broker.ledger import Ledger
from broker.meters import Meters
from broker.operations.values import NewChannel
from broker.relay import Relay
from broker.sources import LaneSource, PolledLanes, TicketedLanes
from broker.transports.memory import MemoryBroker
from connectors.bright_sites import BrightSitesShop, ChannelState, new_state
from connectors.bright_sites.channel_state import ShippingMethods
from connectors.bright_sites.inventory_cache import InventoryCache
from connectors.http import Caller
from consumers import HANDLERS
from domain.channels import Channel, ChannelSettings
from domain.errors import StorageUnavailable
from domain.ports import CallGuard, Shop
from sandbox.bright_sites.settings import ShopSettings
from sandbox.bright_sites.shop import Shop as Sandbox
from storage.database import Database
from storage.desk.setup import create_account, create_channel, create_organization
from storage.directory import Directory
from storage.gate_store import SqlGateStore
from storage.ledger import SqlLedger
from storage.ledger.memory import SqlMemory
from storage.vault import Vault
from tests.simulation.database import InlineDatabase, fresh_engine
from tests.simulation.loop import here
from tests.simulation.transport import StormyTransport, shape
from tests.simulation.weather import Weather
from tests.simulation.wire import ShopWire

Clock = Callable[[], datetime]
LEASE_SECONDS, MARGIN_SECONDS = 60.0, 35.0
CAPACITY = 8
SHOP = ShopSettings(
    products=3, variants=2, supplier_managed=0, one_source=0, gift_certificate_share=0.0, strict_transitions=False,
    buyers_take_stock=False,
)  # fmt: skip


def _plain_ledger(database: Database, directory: Directory, clock: Clock, _transport: object) -> Ledger:
    return SqlLedger(database, directory, clock)


@dataclass(frozen=True, slots=True)
class Makers:
    """What the parts of a process are made with; a planted fault is another one of them."""

    ledger: Callable[[InlineDatabase, Directory, Clock, StormyTransport], Ledger] = _plain_ledger
    transport: Callable[[MemoryBroker, Weather], StormyTransport] = StormyTransport
    lease: Callable[[Ledger, str, float, float], Lease] = Lease
    shop: Callable[[Caller, ChannelState], Shop] = BrightSitesShop


@dataclass(slots=True)
class Site:
    """The servers, and one account with one channel; made inside the virtual world."""

    weather: Weather
    clock: Clock
    makers: Makers = Makers()
    engine: Engine = field(default_factory=fresh_engine)
    broker: MemoryBroker = field(default_factory=lambda: MemoryBroker(shape()))
    vault: Vault = field(default_factory=lambda: Vault([b"k" * 32]))
    meters: Meters = field(default_factory=Meters)
    sandbox: Sandbox = field(init=False)
    channel_id: str = field(init=False)

    def __post_init__(self) -> None:
        self.sandbox = Sandbox(SHOP, self.clock)
        with self.engine.begin() as connection:
            organization = create_organization(connection, "Acme Group", 0)
            create_account(connection, organization, "acme", "Acme", "UTC", 0)
            settings = ChannelSettings(calls_per_second=100.0, burst=100)
            new = NewChannel(
                "acme", "main", "Main", "bright_sites", "shop.example.com", SHOP.read_write_token, settings
            )
            self.channel_id = create_channel(connection, self.vault, new, 0)


@dataclass(slots=True)
class Parts:
    """What the roles of one process share, as :mod:`app.house` wires it."""

    site: Site
    database: InlineDatabase
    ledger: Ledger
    transport: StormyTransport
    lease: Lease
    bell: Bell

    def roles(self, names: str, stop: asyncio.Event, *, tickets: bool) -> list[Coroutine[Any, Any, None]]:
        """As :func:`app.roles._parts`: whoever consumes can also lead."""
        worker = self._worker(tickets=tickets) if "consume" in names else None
        relay = Relay(
            self.ledger, self.transport, self.lease, self.site.meters, self.bell, tickets=tickets, taker=worker
        )
        return [relay.run(stop), *([worker.work(stop)] if worker else [])]

    def _worker(self, *, tickets: bool) -> Worker:
        site, states = self.site, dict[str, ChannelState]()
        wire = ShopWire(site.sandbox, site.weather)

        def open_shop(channel: Channel, guard: CallGuard) -> Shop:
            state = states.get(channel.id) or states.setdefault(channel.id, _state(channel))
            caller = Caller(wire, state.endpoint, channel, guard, site.clock)
            return site.makers.shop(caller, state)

        organs = Organs(
            self.ledger, SqlMemory(self.database), Gates(SqlGateStore(self.database, site.clock)), open_shop,
            HANDLERS, site.meters, site.clock, self.bell,
        )  # fmt: skip
        return Worker(organs, self._source(tickets), self.lease, Pace(capacity=CAPACITY))

    def _source(self, tickets: bool) -> LaneSource:
        if tickets:
            return TicketedLanes(self.ledger, self.lease.worker, list(HANDLERS), self.transport)
        return PolledLanes(self.ledger, self.lease.worker, list(HANDLERS), self.bell)


def _state(channel: Channel) -> ChannelState:
    """A channel's state whose memory grows old by the clock of the simulation."""
    made = new_state(channel, frozenset())
    made.inventory = InventoryCache(monotonic=time.monotonic)
    made.methods = ShippingMethods(monotonic=time.monotonic)
    return made


async def open_parts(site: Site, roles: str) -> Parts:
    """The parts of the process that runs now, its lease not yet begun."""
    database = InlineDatabase(site.engine, site.weather)
    transport = site.makers.transport(site.broker, site.weather)
    await transport.start()
    ledger = site.makers.ledger(database, Directory(site.vault), site.clock, transport)
    site.weather.when_silent(here(), transport.break_all)
    lease = site.makers.lease(ledger, roles, LEASE_SECONDS, MARGIN_SECONDS)
    return Parts(site, database, ledger, transport, lease, Bell())


async def play(site: Site, roles: str, stop: asyncio.Event, *, tickets: bool) -> None:
    """A process from its start to its end, as :func:`app.roles.play`; ``roles`` out of *relay*, *consume*."""
    parts = await open_parts(site, roles)
    try:
        await parts.ledger.rescue(alone=not tickets)
        await parts.lease.begin()
        site.weather.note(f"began as {parts.lease.worker[-6:]}")
        await _together(stop, [parts.lease.keep(stop), *parts.roles(roles, stop, tickets=tickets)])
        with contextlib.suppress(StorageUnavailable):
            await parts.lease.end()
        site.weather.note("ended in order")
    finally:
        await parts.transport.close()


async def _together(stop: asyncio.Event, work: list[Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.create_task(part) for part in work]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    stop.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
