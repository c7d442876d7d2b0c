"""Where the conformance suite runs: each place opens transports that meet each other, and can let one die."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from broker.topology import Topology
from broker.transports.journal import JournalTransport
from broker.transports.memory import InMemoryTransport, MemoryBroker
from broker.transports.rabbitmq import AmqpSettings, RabbitTransport
from broker.transports.seam import Subscription, Taken, Transport
from storage.database import Database
from storage.journal_store import JournalTimes, SqlJournalStore
from storage.metadata import metadata
from tests.broker.transports.proxy import Proxy

PATIENCE = 20.0


class Site(Protocol):
    async def open(self) -> Transport:
        """A started transport; all transports of a site share the queues."""

    async def drop(self, transport: Transport) -> None:
        """Let a transport die without a word to the other side."""

    async def close(self) -> None:
        """Close everything that was opened."""


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class MemorySite:
    def __init__(self, shape: Topology) -> None:
        self._broker = MemoryBroker(shape)
        self._open: list[Transport] = []

    async def open(self) -> Transport:
        transport = InMemoryTransport(self._broker)
        await transport.start()
        self._open.append(transport)
        return transport

    async def drop(self, transport: Transport) -> None:
        await transport.close()

    async def close(self) -> None:
        for transport in self._open:
            await transport.close()


class JournalSite:
    """Each transport has a store of its own, as if it lived in another process."""

    def __init__(self, url: str, shape: Topology) -> None:
        self.clock = Clock()
        self.database = Database(url)
        metadata.create_all(self.database.engine)
        self._shape = shape
        self._open: list[JournalTransport] = []
        self._dropped: list[Transport] = []

    def store(self) -> SqlJournalStore:
        store = SqlJournalStore(
            self.database, self._shape, clock=self.clock, times=JournalTimes(30.0, 0.05), reclaim_all=False
        )
        store.shared = True
        return store

    async def open(self) -> Transport:
        transport = JournalTransport(self.store())
        await transport.start()
        self._open.append(transport)
        return transport

    async def drop(self, transport: Transport) -> None:
        assert isinstance(transport, JournalTransport)
        assert transport._upkeep
        transport._upkeep.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await transport._upkeep
        self._dropped.append(transport)
        # A renewal already on its way to the database comes before the clock moves on: the dead send none later.
        await self.database.awrite(lambda connection: None)
        self.clock.advance(31)

    async def close(self) -> None:
        for transport in self._open:
            if transport not in self._dropped:
                await transport.close()
        self.database.close()


class RabbitSite:
    """Each transport reaches the server through a proxy of its own, whose end is its death."""

    def __init__(self, url: str, shape: Topology) -> None:
        self._url = url
        self._shape = shape
        self._open: list[tuple[RabbitTransport, Proxy]] = []

    async def open(self) -> Transport:
        proxy = Proxy(self._url)
        await proxy.start()
        transport = RabbitTransport(AmqpSettings(url=proxy.url), self._shape)
        await transport.start()
        if not self._open:
            await transport.declare()
        self._open.append((transport, proxy))
        return transport

    async def drop(self, transport: Transport) -> None:
        await next(proxy for opened, proxy in self._open if opened is transport).close()

    async def close(self) -> None:
        for transport, proxy in self._open:
            await transport.close()
            await proxy.close()


async def collect(subscription: Subscription, count: int, *, most: int = 500) -> list[Taken]:
    """Take until ``count`` messages are in hand; fails after a while."""
    taken: list[Taken] = []
    async with asyncio.timeout(PATIENCE):
        while len(taken) < count:
            taken += await subscription.take(most, 0.2)
    return taken


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the other side has made it so; fails after a while."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)


async def until_depth(transport: Transport, queue: str, depth: int) -> None:
    """Wait until so many messages are ready; fails after a while."""
    async with asyncio.timeout(PATIENCE):
        while await transport.depth(queue) != depth:  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)


def bodies(taken: list[Taken]) -> list[bytes]:
    return [one.body for one in taken]
