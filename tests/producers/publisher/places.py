"""Where publishers publish to, and what arrived there."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from kombu.transport.pyamqp import Connection

from broker.topology import EVENTS, INBOX, UNROUTED, Binding, Exchange, Queue, Topology
from broker.transports.journal import JournalTransport
from broker.transports.rabbitmq import AmqpSettings, RabbitTransport
from broker.transports.seam import Outgoing, Receipt
from domain.envelope import Envelope
from producers.publisher import AmqpPublisher, JournalPublisher, Publisher, PublisherTimes, new_event
from producers.publisher.address import address_of
from storage.database import Database
from storage.journal_store import SqlJournalStore
from storage.metadata import metadata

T = TypeVar("T")
PATIENCE = 15.0
QUICK = PublisherTimes(connect=0.3, write=0.3, confirm=0.3, deadline=1.0)
BRAVE = PublisherTimes(connect=2.0, confirm=0.3, deadline=PATIENCE)

SHAPE = Topology(
    exchanges=(Exchange(UNROUTED, "fanout"), Exchange(EVENTS, "topic", alternate=UNROUTED)),
    queues=(
        Queue(UNROUTED, dead_letter=None, delivery_limit=None, max_bytes=None),
        Queue(INBOX, dead_letter=None),
    ),
    bindings=(Binding(UNROUTED, UNROUTED, "#"), Binding(EVENTS, INBOX, "order.created.#")),
)


@dataclass(frozen=True)
class Arrived:
    """One message found in a queue."""

    message_id: str
    body: bytes
    routing_key: str
    properties: dict[str, Any] = field(default_factory=dict)


def order(number: int = 1, **attributes: Any) -> Envelope:
    """An event that SHAPE binds."""
    data = {"external_order_id": str(number)}
    return new_event("order.created", data, source="upstream", account="acme", **attributes)


def unbound() -> Envelope:
    """A valid event that SHAPE does not bind."""
    data = {"external_order_id": "1", "status": "packed"}
    return new_event("order.status_changed", data, source="upstream", account="acme")


class Place(Protocol):
    """A broker of one kind with SHAPE."""

    def open(self) -> Publisher:
        """A publisher; closed with the place."""

    def arrived(self, queue: str, count: int) -> list[Arrived]:
        """Take everything out of a queue, waiting until there are at least ``count`` messages."""

    def close(self) -> None:
        """End everything."""


class AmqpPlace:
    """A virtual host of a RabbitMQ server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._opened: list[Publisher] = []
        asyncio.run(_declare(url))

    def open(self) -> Publisher:
        self._opened.append(AmqpPublisher(self.url))
        return self._opened[-1]

    def arrived(self, queue: str, count: int) -> list[Arrived]:
        return amqp_arrived(self.url, queue, count)

    def close(self) -> None:
        for publisher in self._opened:
            publisher.close()


class LoopedJournal:
    """A journal transport on an event loop of its own, for threads that know of no loop."""

    def __init__(self, path: Path) -> None:
        self._database = Database(f"sqlite:///{path}")
        metadata.create_all(self._database.engine)
        self._transport = JournalTransport(SqlJournalStore(self._database, SHAPE))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._run(self._transport.start())

    def append(self, batch: Sequence[Outgoing]) -> Sequence[Receipt]:
        return self._run(self._transport.publish(batch))

    def arrived(self, queue: str, count: int) -> list[Arrived]:
        return self._run(self._arrived(queue, count))

    def close(self) -> None:
        self._run(self._transport.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        self._database.close()

    async def _arrived(self, queue: str, count: int) -> list[Arrived]:
        taken: list[Arrived] = []
        subscription = await self._transport.subscribe(queue, 5000)
        until = time.monotonic() + PATIENCE
        while more := await subscription.take(5000, 0.1 if len(taken) >= count else PATIENCE):
            assert time.monotonic() < until
            taken += [Arrived(one.message_id or "", one.body, one.routing_key) for one in more]
            await subscription.acknowledge(more)
        await subscription.release()
        return taken

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)


class JournalPlace:
    """A journal in a SQLite file."""

    def __init__(self, path: Path) -> None:
        self._journal = LoopedJournal(path)

    def open(self) -> Publisher:
        return JournalPublisher(self._journal)

    def arrived(self, queue: str, count: int) -> list[Arrived]:
        return self._journal.arrived(queue, count)

    def close(self) -> None:
        self._journal.close()


def connected(url: str, heartbeat: int = 0) -> Any:
    """A plain connection, to prepare and to look."""
    connection: Any = Connection(**address_of(url).options(), heartbeat=heartbeat)
    connection.connect()
    return connection


def amqp_arrived(url: str, queue: str, count: int) -> list[Arrived]:
    """Take everything out of a queue of RabbitMQ; waits until there are at least ``count`` messages."""
    connection = connected(url)
    channel = connection.channel()
    found: list[Arrived] = []
    until = time.monotonic() + PATIENCE
    while (message := channel.basic_get(queue, no_ack=True)) or len(found) < count:
        assert time.monotonic() < until, f"{len(found)} of {count} messages arrived in {queue}"
        if message:
            body = message.body if isinstance(message.body, bytes) else message.body.encode()
            name, key = message.properties["message_id"], message.delivery_info["routing_key"]
            found.append(Arrived(name, body, key, message.properties))
    connection.close()
    return found


async def _declare(url: str) -> None:
    transport = RabbitTransport(AmqpSettings(url), SHAPE)
    await transport.start()
    await transport.declare()
    await transport.close()
