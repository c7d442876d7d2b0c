"""The transport twin of one process: the real queues in memory behind connections that break."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from broker.topology import OMS, Binding, Queue, Topology, topology
from broker.transports.memory import InMemoryTransport, MemoryBroker
from broker.transports.seam import Outgoing, Receipt, Subscription, Taken
from tests.simulation.weather import Weather

OMS_QUEUE = "oms"
RECONNECT_SECONDS = 2.0
IDLE_SECONDS = 2.0
"""How long a take waits in vain at least: asking again and again costs real time here."""


def shape() -> Topology:
    """The real topology, with a queue for what the OMS is told."""
    real = topology()
    return replace(
        real,
        queues=(*real.queues, Queue(OMS_QUEUE, delivery_limit=None)),
        bindings=(*real.bindings, Binding(OMS, OMS_QUEUE, "#")),
    )


class StormySubscription:
    """A taker whose connection may break: what was in hand goes back, and later words about it are not heard."""

    def __init__(self, transport: StormyTransport, queue: str, prefetch: int, inner: Subscription) -> None:
        self._transport = transport
        self._weather = transport.weather
        self._queue = queue
        self._prefetch = prefetch
        self._inner: Subscription | None = inner
        self._generation = 0
        self._back_at = 0.0

    async def take(self, most: int, wait: float) -> list[Taken]:
        if self._inner is None:
            left = self._back_at - time.monotonic()
            if left > 0:
                await asyncio.sleep(min(wait, left))
                return []
            self._inner = await self._transport.plain(self._queue, self._prefetch)
        generation = self._generation
        taken = await self._inner.take(most, max(wait, IDLE_SECONDS))
        if taken:
            self._weather.note(f"transport took {len(taken)} from {self._queue}")
            await self._weather.point(f"take of {self._queue}")
            if self._weather.strikes("drop"):
                await self.break_off()
        return [replace(one, generation=generation) for one in taken]

    async def acknowledge(self, taken: Sequence[Taken]) -> None:
        if taken and self._weather.strikes("drop"):
            await self.break_off()
        mine = [one for one in taken if one.generation == self._generation]
        if mine and self._inner is not None:
            await self._inner.acknowledge(mine)
            self._weather.note(f"transport acknowledged {len(mine)} of {self._queue}")
            await self._weather.point(f"acknowledgement of {self._queue}")

    async def reject(self, taken: Sequence[Taken]) -> None:
        mine = [one for one in taken if one.generation == self._generation]
        if mine and self._inner is not None:
            await self._inner.reject(mine)

    async def release(self) -> None:
        self._generation += 1
        inner, self._inner = self._inner, None
        self._back_at = float("inf")
        if inner is not None:
            await inner.release()

    async def break_off(self) -> None:
        """The connection is lost: the broker gives what was in hand to others, or to us again when we are back."""
        inner, self._inner = self._inner, None
        if inner is not None:
            self._weather.note(f"transport lost its connection to {self._queue}")
            self._generation += 1
            self._back_at = time.monotonic() + RECONNECT_SECONDS
            await inner.release()


class StormyTransport(InMemoryTransport):
    """:class:`broker.transports.seam.Transport` of one process."""

    taker = StormySubscription

    def __init__(self, broker: MemoryBroker, weather: Weather) -> None:
        super().__init__(broker)
        self.weather = weather
        self._stormy: list[StormySubscription] = []

    async def publish(self, batch: Sequence[Outgoing]) -> list[Receipt]:
        await self.weather.point("publish")
        receipts = []
        cut = self.weather.chance.randrange(len(batch)) if batch and self.weather.strikes("cut") else len(batch)
        for at, message in enumerate(batch):
            if at >= cut:
                receipts.append(Receipt.UNKNOWN)
            elif self.weather.strikes("refuse"):
                receipts.append(Receipt.REFUSED)
            else:
                (receipt,) = await super().publish([message])
                receipts.append(Receipt.UNKNOWN if self.weather.strikes("mute") else receipt)
        words = ", ".join(f"{receipts.count(each)} {each}" for each in Receipt if each in receipts)
        self.weather.note(f"transport published to {batch[0].exchange if batch else 'nobody'}: {words}")
        await self.weather.point("confirm")
        return receipts

    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        subscription = self.taker(self, queue, prefetch, await self.plain(queue, prefetch))
        self._stormy.append(subscription)
        return subscription

    async def plain(self, queue: str, prefetch: int) -> Subscription:
        """A taker without any fault."""
        return await super().subscribe(queue, prefetch)

    def break_all(self) -> None:
        """All connections are lost."""
        for subscription in self._stormy:
            self.weather.loop.create_task(subscription.break_off())
