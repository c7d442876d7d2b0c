"""A taker of one RabbitMQ queue."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from sys import intern
from typing import Any

import structlog
from pika import exceptions as pika_errors

from broker.transports.bell import Ear
from broker.transports.rabbitmq.line import Line
from broker.transports.rabbitmq.unsettled import Unsettled
from broker.transports.rabbitmq.wire import Channel, Link, explain
from broker.transports.routing import Router
from broker.transports.seam import Taken
from broker.transports.waiting import Backoff, Deadline
from domain.errors import TransportUnavailable

log = structlog.get_logger(__name__)

_STEADY_SECONDS = 10.0


class RabbitSubscription:
    """Consumes on a channel of its own and opens the next one, a new generation, when that is lost."""

    def __init__(self, line: Line, router: Router, queue: str, prefetch: int) -> None:
        self.queue = router.queue(queue)
        self.proven_at = time.monotonic()
        self._line = line
        self._router = router
        self._prefetch = prefetch
        self._ear = Ear()
        self._generation = 0
        self._channel: Channel | None = None
        self._buffer: deque[Taken] = deque()
        self._unsettled = Unsettled()
        self._attached = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = asyncio.create_task(self._keep())

    @property
    def attached(self) -> bool:
        """Whether the broker has accepted the consumer and its channel is open."""
        return self._attached.is_set()

    async def wait_attached(self, seconds: float) -> None:
        """Wait, bounded, until it consumes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._attached.wait()

    async def take(self, most: int, wait: float) -> list[Taken]:
        """See the seam."""
        deadline = Deadline(wait)
        if self._keeper is None:
            raise TransportUnavailable(f"The subscription of {self.queue.name} was released.")
        while not self._buffer:
            self._ear.forget()
            if deadline.over or self.released:
                return []
            await self._ear.wait(deadline.left)
        return [self._buffer.popleft() for _ in range(min(most, len(self._buffer)))]

    async def acknowledge(self, taken: Sequence[Taken]) -> None:
        """See the seam."""
        with contextlib.suppress(pika_errors.AMQPError):
            for tag, multiple in self._unsettled.settle(self._current(taken)):
                self._raw.basic_ack(tag, multiple)

    async def reject(self, taken: Sequence[Taken]) -> None:
        """See the seam."""
        self._router.dead_letter(self.queue.name)
        with contextlib.suppress(pika_errors.AMQPError):
            for tag in self._unsettled.drop(self._current(taken)):
                self._raw.basic_reject(tag, requeue=False)

    async def release(self) -> None:
        """See the seam."""
        if self._keeper is None:
            return
        keeper, self._keeper = self._keeper, None
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        if channel := self._detach():
            await channel.wait_closed()

    def restart(self, reason: str) -> None:
        """Open a new channel, because this one does not consume although it looks open."""
        log.warning("consumer_restarted", queue=self.queue.name, reason=reason)
        self._detach()

    @property
    def _raw(self) -> Any:
        """The open channel; only asked for while messages of its generation are in hand."""
        return self._channel.raw if self._channel else None

    @property
    def released(self) -> bool:
        """Whether it takes no more."""
        return self._keeper is None

    async def _keep(self) -> None:
        backoff = Backoff()
        while True:
            link = await self._line.wait_up()
            if link is None:
                continue
            began = time.monotonic()
            try:
                reason = await self._consume(link)
            except Exception as error:  # noqa: BLE001 - a keeper that ends would leave the queue untaken
                reason = explain(error)
            self._detach()
            log.warning("consumer_lost", queue=self.queue.name, reason=reason)
            if time.monotonic() - began > _STEADY_SECONDS:
                backoff.reset()
            await asyncio.sleep(backoff.pause())

    async def _consume(self, link: Link) -> str:
        """Consume until the channel is gone; the reason."""
        channel = self._channel = await link.channel()
        generation = self._generation
        raw = channel.raw

        def on_message(_channel: Any, said: Any, properties: Any, body: bytes) -> None:
            if generation == self._generation:
                self._unsettled.delivered(said.delivery_tag)
                self._buffer.append(self._taken(said, properties, body))
                self._ear.hear()

        raw.add_on_cancel_callback(lambda _frame: self.restart("the broker cancelled the consumer"))
        await channel.ask(raw.basic_qos, prefetch_count=self._prefetch)
        await channel.ask(raw.basic_consume, self.queue.name, on_message)
        self.proven_at = time.monotonic()
        self._attached.set()
        return (await asyncio.shield(channel.closed)).sentence

    def _taken(self, said: Any, properties: Any, body: bytes) -> Taken:
        headers: dict[str | bytes, Any] = properties.headers or {}
        # What thousands of buffered messages have in common is kept once.
        return Taken(
            queue=self.queue.name,
            body=body,
            routing_key=intern(_text(said.routing_key)),
            exchange=intern(said.exchange),
            message_id=None if properties.message_id is None else _text(properties.message_id),
            content_type=None if properties.content_type is None else intern(_text(properties.content_type)),
            headers={_text(name): value for name, value in headers.items()},
            redelivered=said.redelivered,
            tag=said.delivery_tag,
            generation=self._generation,
        )

    def _detach(self) -> Channel | None:
        """Close the channel, which is returned: what is in hand belongs to the broker again."""
        channel, self._channel = self._channel, None
        self._generation += 1
        self._attached.clear()
        self._buffer.clear()
        self._unsettled = Unsettled()
        self._ear.hear()
        if channel is not None:
            channel.close()
        return channel

    def _current(self, taken: Sequence[Taken]) -> list[int]:
        return [one.tag for one in taken if one.generation == self._generation]


def _text(found: str | bytes) -> str:
    """A short string of AMQP, which should be UTF-8 (AMQP 0-9-1, section 4.2.5.3) and is handed on as bytes when it is
    not.
    """
    return found if isinstance(found, str) else found.decode(errors="replace")
