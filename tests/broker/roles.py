"""Relay and intake at work inside a block, and a transport that answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

from broker.intake import Intake, Taker
from broker.lease import Lease
from broker.relay import Relay
from broker.topology import EVENTS
from broker.transports.memory import InMemoryTransport
from broker.transports.seam import Outgoing, Receipt, Subscription, Transport
from domain.envelope import STRUCTURED
from domain.ids import new_id
from tests.house import SmallHouse
from tests.moody import PATIENCE

Role = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


class ChoosyTransport(InMemoryTransport):
    """The twin in memory that gives receipts out of ``answers`` instead of publishing, and keeps what was published.

    ``broken`` is raised when somebody subscribes.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.answers: list[Receipt] = []
        self.published: list[Outgoing] = []
        self.broken: Exception | None = None

    async def publish(self, batch: Sequence[Outgoing]) -> list[Receipt]:
        receipts = []
        for message in batch:
            if self.answers:
                receipts.append(self.answers.pop(0))
            else:
                receipts += await super().publish([message])
                self.published.append(message)
        return receipts

    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        if self.broken is not None:
            raise self.broken
        return await super().subscribe(queue, prefetch)


@asynccontextmanager
async def at_work(role: Role) -> AsyncIterator[asyncio.Task[None]]:
    """A role that works inside the block and is told to stop at its end."""
    stop = asyncio.Event()
    task = asyncio.create_task(role(stop))
    try:
        yield task
    finally:
        stop.set()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def relay_at_work(
    house: SmallHouse,
    *,
    transport: Transport | None = None,
    lease: Lease | None = None,
    tickets: bool = True,
    taker: Taker | None = None,
) -> AsyncIterator[asyncio.Task[None]]:
    """A relay of a house; its task."""
    lease = lease or await house.lease()
    transport = transport or house.transport
    relay = Relay(house.ledger, transport, lease, house.meters, house.bell, tickets=tickets, taker=taker)
    async with at_work(relay.run) as task:
        yield task


@asynccontextmanager
async def intake_at_work(house: SmallHouse, taker: Taker | None = None) -> AsyncIterator[asyncio.Task[None]]:
    """An intake of a house; its task."""
    async with at_work(Intake(house.ledger, house.transport, house.meters, house.bell, taker).run) as task:
        yield task


async def send(house: SmallHouse, *bodies: bytes, key: str = "order.created.acme.main") -> None:
    """Publish events as an upstream does."""
    batch = [Outgoing(EVENTS, key, body, new_id(), STRUCTURED) for body in bodies]
    receipts = await house.transport.publish(batch)
    assert set(receipts) <= {Receipt.CONFIRMED}
