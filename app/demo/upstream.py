"""The upstream systems of the demo: they publish over HTTP, or as AMQP clients when there is a RabbitMQ."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Protocol

from app.demo.script import BAD_BODIES
from app.demo.talking import HttpTalker
from broker.topology import EVENTS
from broker.transports.seam import Outgoing, Receipt, Transport
from domain.envelope import BATCH, STRUCTURED, Envelope
from domain.ids import new_id
from producers.publisher import Publisher


class Upstream(Protocol):
    """Publishes events; returns only when each is accepted for good."""

    def send(self, events: Sequence[Envelope]) -> None:
        """Publish in order; an event whose fate is unknown is sent again with the same id."""

    async def send_bad(self, account: str) -> int:
        """Send the bad messages; how many were refused on the spot."""


class HttpUpstream:
    """``POST /v1/events`` in batches; a batch without an answer is sent again whole (the ids make copies harmless)."""

    def __init__(self, talker: HttpTalker) -> None:
        self._talker = talker

    def send(self, events: Sequence[Envelope]) -> None:
        """Publish in order."""
        for start in range(0, len(events), 200):
            body = b"[" + b",".join(event.to_json() for event in events[start : start + 200]) + b"]"
            while True:
                status, answer = self._talker.ask("POST", "/v1/events", body, kind=BATCH)
                if status == 202:
                    break
                if status not in (429, 503):
                    raise RuntimeError(f"events were refused with {status}: {answer}")
                time.sleep(0.5)

    async def send_bad(self, account: str) -> int:
        """Send the bad messages."""
        return await asyncio.to_thread(self._send_bad, account)

    def _send_bad(self, account: str) -> int:
        refused = 0
        for _, body in BAD_BODIES:
            status, _ = self._talker.ask("POST", "/v1/events", body.replace(b"%a", account.encode()), kind=STRUCTURED)
            refused += 400 <= status < 500
        return refused


class AmqpUpstream:
    """Confirmed publishing on ``towpath.events``; ``transport`` is for the bad messages, which the SDK refuses to
    send.
    """

    def __init__(self, publisher: Publisher, transport: Transport) -> None:
        self._publisher = publisher
        self._transport = transport

    def send(self, events: Sequence[Envelope]) -> None:
        """Publish in order, each until it is confirmed."""
        left = list(events)
        while left:
            results = self._publisher.publish_many(left)
            lost = [result for result in results if result.outcome is Receipt.UNROUTABLE]
            if lost:
                raise RuntimeError(lost[0].sentence)
            unsent = next(
                (at for at, result in enumerate(results) if result.outcome is not Receipt.CONFIRMED), len(left)
            )
            # Everything from the first doubtful one on goes again: order matters, and the ids make copies harmless.
            left = left[unsent:]

    async def send_bad(self, account: str) -> int:
        """Send the bad messages, and one whose routing key nobody binds; RabbitMQ takes them all."""
        bodies = [("stock.changed.demo.all", body.replace(b"%a", account.encode())) for _, body in BAD_BODIES]
        batch = [
            Outgoing(EVENTS, key, body, new_id(), STRUCTURED) for key, body in [*bodies, ("nobody.listens.here", b"{}")]
        ]
        await self._transport.start()
        try:
            receipts = await self._transport.publish(batch)
        finally:
            await self._transport.close()
        return sum(receipt is not Receipt.CONFIRMED for receipt in receipts)
