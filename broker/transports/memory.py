"""The in-memory twin: keeps every promise of the seam but durability. For unit tests and trials."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from broker.topology import Topology, topology
from broker.transports.bell import Bell
from broker.transports.routing import DELIVERY_LIMIT_REACHED, REJECTED, Router, death_headers
from broker.transports.seam import Outgoing, Receipt, Subscription, Taken
from broker.transports.waiting import Deadline
from domain.errors import TransportUnavailable


@dataclass(order=True, slots=True)
class _Stored:
    position: int
    queue: str = field(compare=False)
    exchange: str = field(compare=False)
    routing_key: str = field(compare=False)
    body: bytes = field(compare=False)
    message_id: str | None = field(compare=False)
    content_type: str | None = field(compare=False)
    headers: Mapping[str, Any] = field(compare=False)
    deliveries: int = field(compare=False, default=0)


class MemoryBroker:
    """The queues; share one object between transports to let them meet, as processes meet at a server."""

    def __init__(self, shape: Topology | None = None) -> None:
        self.router = Router(shape or topology())
        self.bell = Bell()
        self.takers: dict[str, list[InMemorySubscription]] = {}
        self._ready: dict[str, list[_Stored]] = {}
        self._positions = itertools.count(1)

    def put(self, message: Outgoing) -> Receipt:
        """Store a message in every queue that wants it."""
        if not self.router.carries(message):
            return Receipt.REFUSED
        targets = self.router.targets(message.exchange, message.routing_key)
        for queue in targets:
            self._add(queue, message.exchange, message)
        return Receipt.CONFIRMED if targets else Receipt.UNROUTABLE

    def pop(self, queue: str, most: int) -> list[_Stored]:
        """Take the oldest ready messages of a queue."""
        ready = self._ready.get(queue, [])
        taken = [heapq.heappop(ready) for _ in range(min(most, len(ready)))]
        for stored in taken:
            stored.deliveries += 1
        return taken

    def give_back(self, stored: _Stored) -> None:
        """Put a message back in its place, or among the dead when it was delivered too often."""
        limit = self.router.queue(stored.queue).delivery_limit
        if limit is not None and stored.deliveries > limit:
            self.bury(stored, DELIVERY_LIMIT_REACHED)
        else:
            heapq.heappush(self._ready.setdefault(stored.queue, []), stored)
            self.bell.ring([stored.queue])

    def bury(self, stored: _Stored, reason: str = REJECTED) -> None:
        """Give a message to the dead letter exchange of its queue."""
        exchange = self.router.dead_letter(stored.queue)
        stored.headers = death_headers(stored.headers, stored.queue, stored.exchange, reason)
        for queue in self.router.targets(exchange, stored.routing_key):
            self._add(queue, exchange, stored)

    def depth(self, queue: str) -> int:
        """How many messages are ready."""
        return len(self._ready.get(self.router.queue(queue).name, ()))

    def _add(self, queue: str, exchange: str, source: Outgoing | _Stored) -> None:
        stored = _Stored(
            next(self._positions),
            queue,
            exchange,
            source.routing_key,
            source.body,
            source.message_id,
            source.content_type,
            dict(source.headers),
        )
        heapq.heappush(self._ready.setdefault(queue, []), stored)
        self.bell.ring([queue])


class InMemorySubscription:
    """A taker of one queue of a :class:`MemoryBroker`."""

    def __init__(self, broker: MemoryBroker, queue: str, prefetch: int) -> None:
        self._broker = broker
        self._queue = broker.router.queue(queue)
        self._prefetch = prefetch
        self._in_hand: dict[int, _Stored] = {}
        self._ear = broker.bell.listen(queue)
        self._live = True
        broker.takers.setdefault(queue, []).append(self)

    async def take(self, most: int, wait: float) -> list[Taken]:
        """See the seam."""
        deadline = Deadline(wait)
        if not self._live:
            raise TransportUnavailable(f"The subscription of {self._queue.name} was released.")
        await asyncio.sleep(0)  # as with a real server, others get their turn between two takes
        while True:
            self._ear.forget()
            taken = self._claim(most)
            if taken or self._released or deadline.over:
                return taken
            await self._ear.wait(deadline.left)

    async def acknowledge(self, taken: Sequence[Taken]) -> None:
        """See the seam."""
        for one in taken:
            self._in_hand.pop(one.tag, None)
        self._ear.wake()

    async def reject(self, taken: Sequence[Taken]) -> None:
        """See the seam."""
        self._broker.router.dead_letter(self._queue.name)
        for one in taken:
            if stored := self._in_hand.pop(one.tag, None):
                self._broker.bury(stored)
        self._ear.wake()

    async def release(self) -> None:
        """See the seam."""
        if not self._live:
            return
        self._live = False
        self._broker.takers[self._queue.name].remove(self)
        self._broker.bell.leave(self._queue.name, self._ear)
        for stored in self._in_hand.values():
            self._broker.give_back(stored)
        self._in_hand.clear()
        self._ear.wake()
        self._broker.bell.ring([self._queue.name])

    @property
    def _released(self) -> bool:
        return not self._live

    def _claim(self, most: int) -> list[Taken]:
        stand_by = self._queue.single_active and self._broker.takers[self._queue.name][:1] != [self]
        if not self._live or stand_by:
            return []
        claimed = self._broker.pop(self._queue.name, min(most, self._prefetch - len(self._in_hand)))
        self._in_hand.update((stored.position, stored) for stored in claimed)
        return [_taken(stored) for stored in claimed]


class InMemoryTransport:
    """A transport on a :class:`MemoryBroker`; a new one unless given."""

    def __init__(self, broker: MemoryBroker | None = None) -> None:
        self._broker = broker or MemoryBroker()
        self._subscriptions: list[InMemorySubscription] = []
        self._open = False

    async def start(self) -> None:
        """See the seam."""
        self._open = True

    async def publish(self, batch: Sequence[Outgoing]) -> list[Receipt]:
        """See the seam."""
        await asyncio.sleep(0)
        return [self._broker.put(message) if self._open else Receipt.REFUSED for message in batch]

    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        """See the seam."""
        if not self._open:
            raise TransportUnavailable("The in-memory transport is closed.")
        subscription = InMemorySubscription(self._broker, queue, prefetch)
        self._subscriptions.append(subscription)
        return subscription

    async def depth(self, queue: str) -> int:
        """See the seam."""
        return self._broker.depth(queue)

    async def declare(self) -> list[str]:
        """Nothing to make: the topology is part of the program."""
        return ["Queues in memory need no declaration."]

    async def check(self) -> list[str]:
        """Nothing can be missing."""
        return []

    @property
    def healthy(self) -> bool:
        """See the seam."""
        return self._open

    async def close(self) -> None:
        """See the seam."""
        self._open = False
        for subscription in self._subscriptions:
            await subscription.release()
        self._subscriptions.clear()


def _taken(stored: _Stored) -> Taken:
    return Taken(
        queue=stored.queue,
        body=stored.body,
        routing_key=stored.routing_key,
        exchange=stored.exchange,
        message_id=stored.message_id,
        content_type=stored.content_type,
        headers=stored.headers,
        redelivered=stored.deliveries > 1,
        tag=stored.position,
    )
