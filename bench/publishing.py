"""Publishing what contenders take: confirmed, many at a time, or one by one at a steady rate."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence

from broker.topology import Binding, Exchange, Queue, Topology
from broker.transports.rabbitmq import AmqpSettings, RabbitTransport
from broker.transports.seam import Outgoing, Receipt

EXCHANGE = "bench"
QUEUE = "bench.work"
SHAPE = Topology(
    exchanges=(Exchange(EXCHANGE, "topic"),),
    queues=(Queue(QUEUE, dead_letter=None, delivery_limit=None, max_bytes=None),),
    bindings=(Binding(EXCHANGE, QUEUE, "#"),),
)
"""One durable quorum queue, for the contenders that bring no topology of their own."""

_CHUNK = 1000


class NotConfirmedError(Exception):
    """The broker did not take a message."""


def declare(broker_url: str) -> None:
    """Make :data:`SHAPE` be there."""

    async def run() -> None:
        async with _connected(broker_url, SHAPE) as transport:
            await transport.declare()

    asyncio.run(run())


def publish(broker_url: str, shape: Topology, messages: Sequence[Outgoing]) -> float:
    """Publish all; returns the seconds it took once every one is confirmed."""

    async def run() -> float:
        async with _connected(broker_url, shape) as transport:
            began = time.perf_counter()
            for start in range(0, len(messages), _CHUNK):
                _check(await transport.publish(messages[start : start + _CHUNK]))
            return time.perf_counter() - began

    return asyncio.run(run())


def publish_steadily(
    broker_url: str, shape: Topology, count: int, per_second: float, make: Callable[[int], Outgoing]
) -> list[float]:
    """Publish message 0..``count``-1 on an even beat; the clock time (Unix seconds) at which each was sent."""

    async def run() -> list[float]:
        sent: list[float] = []
        async with _connected(broker_url, shape) as transport, asyncio.TaskGroup() as group:
            began = time.perf_counter()
            for at in range(count):
                await asyncio.sleep(max(0.0, began + at / per_second - time.perf_counter()))
                message = make(at)
                sent.append(time.time())
                group.create_task(_one(transport, message))
        return sent

    return asyncio.run(run())


async def _one(transport: RabbitTransport, message: Outgoing) -> None:
    _check(await transport.publish([message]))


def _check(receipts: Sequence[Receipt]) -> None:
    if wrong := [receipt for receipt in receipts if receipt is not Receipt.CONFIRMED]:
        raise NotConfirmedError(f"{len(wrong)} messages were not confirmed: {wrong[0]}")


@contextlib.asynccontextmanager
async def _connected(broker_url: str, shape: Topology) -> AsyncIterator[RabbitTransport]:
    transport = RabbitTransport(AmqpSettings(broker_url, window=1000), shape)
    await transport.start()
    try:
        yield transport
    finally:
        await transport.close()
