"""Publishing with windowed confirms."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from collections.abc import Sequence
from typing import Any

import pika
import structlog
from pika import exceptions as pika_errors

from broker.transports.rabbitmq.line import Line
from broker.transports.rabbitmq.settings import AmqpSettings
from broker.transports.rabbitmq.window import Ticket, Window
from broker.transports.rabbitmq.wire import Channel, Link
from broker.transports.routing import Router
from broker.transports.seam import Outgoing, Receipt
from broker.transports.waiting import Deadline

log = structlog.get_logger(__name__)

_PERSISTENT = 2


class Publisher:
    """Publishes on a connection of its own, because the broker may block it.

    ``REFUSED`` means that the broker said no, or that nothing was sent: no connection or a blocked one for as
    long as the confirm timeout, an exchange that is not in the topology, texts or headers that AMQP cannot
    carry, or the rest of a batch whose connection was lost (sending it on another one would overtake what is
    ``UNKNOWN``). A confirm that does not come in time costs the connection, except while the broker blocks
    it: there is nothing wrong with the connection then, and a new one would only carry second copies into the
    blocked broker.
    """

    def __init__(self, settings: AmqpSettings, router: Router) -> None:
        self._settings = settings
        self._router = router
        self._line = Line(settings, "publishing", self._prepare, self._on_gone)
        self._turn = asyncio.Lock()
        self._moved = asyncio.Event()
        self._window = Window(settings.window)
        self._channel: Channel | None = None
        self._clerk: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Whether a message would be sent right now."""
        return self._line.link is not None and not self._line.link.blocked

    @property
    def blocked(self) -> bool:
        """Whether the broker takes no messages at the moment (a memory or disk alarm)."""
        return self._line.link is not None and self._line.link.blocked

    async def start(self) -> None:
        """Connect; raises TransportUnavailable."""
        await self._line.start()
        self._clerk = asyncio.create_task(self._watch_confirms())

    async def close(self) -> None:
        """Disconnect; what has no confirm yet becomes ``UNKNOWN``."""
        if self._clerk:
            self._clerk.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._clerk
            self._clerk = None
        await self._line.close()

    async def publish(self, batch: Sequence[Outgoing]) -> list[Receipt]:
        """See the seam."""
        ticket = Ticket([Receipt.REFUSED] * len(batch))
        async with self._turn:
            await self._send(batch, ticket)
        await ticket.done.wait()
        return ticket.receipts

    async def _send(self, batch: Sequence[Outgoing], ticket: Ticket) -> None:
        try:
            channel = await self._ready(self._channel)
            for index, message in enumerate(batch):
                if self._channel is not channel or self._waits:
                    channel = await self._ready(channel)
                if channel is None:
                    return
                if self._router.carries(message):
                    self._put(channel, ticket, index, message)
        finally:
            ticket.seal()

    @property
    def _waits(self) -> bool:
        link = self._line.link
        usable = self._channel is not None and self._channel.raw.is_open and link is not None
        return not usable or self.blocked or self._window.full

    async def _ready(self, begun: Channel | None) -> Channel | None:
        """The channel as soon as it can be used; nothing after the confirm timeout, or when ``begun`` is
        gone.
        """
        deadline = Deadline(self._settings.confirm_timeout)
        while self._clerk is not None and not deadline.over and (begun is None or begun is self._channel):
            if not self._waits:
                return self._channel
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline.left):
                    await self._moved.wait()
        return None

    def _put(self, channel: Channel, ticket: Ticket, index: int, message: Outgoing) -> None:
        properties = pika.BasicProperties(
            content_type=message.content_type,
            headers=dict(message.headers),
            delivery_mode=_PERSISTENT,
            message_id=message.message_id,
        )
        try:
            channel.raw.basic_publish(message.exchange, message.routing_key, message.body, properties, mandatory=True)
        except (pika_errors.AMQPError, struct.error, TypeError, ValueError) as error:
            # Pika encodes the whole message before it writes a byte of it.
            log.warning("publish_refused", message_id=message.message_id, reason=type(error).__name__)
            return
        self._window.sent(ticket, index, message)

    async def _prepare(self, link: Link) -> None:
        channel = await link.channel()
        window = Window(self._settings.window)

        def on_confirm(frame: Any) -> None:
            said = frame.method
            settle = window.confirmed if isinstance(said, pika.spec.Basic.Ack) else window.refused
            settle(said.delivery_tag, said.multiple)
            self._moved.set()

        def on_return(_channel: Any, said: Any, properties: Any, _body: bytes) -> None:
            window.came_back(properties.message_id, said.exchange, said.routing_key)

        def on_close(_closed: asyncio.Future[Any]) -> None:
            window.abandon()
            link.abort("The publishing channel was closed.")

        channel.raw.add_on_return_callback(on_return)
        await channel.ask(channel.raw.confirm_delivery, on_confirm)
        channel.closed.add_done_callback(on_close)
        link.on_block = self._on_block
        self._window, self._channel = window, channel
        self._moved.set()

    def _on_block(self) -> None:
        log.warning("broker_blocks_publishing" if self.blocked else "broker_takes_messages_again")
        self._moved.set()

    def _on_gone(self) -> None:
        if self._channel and self._channel.closed.done():
            log.warning("publishing_channel_closed", reason=self._channel.closed.result().sentence)
        self._channel = None
        self._window.abandon()
        self._moved.set()

    async def _watch_confirms(self) -> None:
        """Give up on confirms that do not come."""
        patience = self._settings.confirm_timeout
        while True:
            oldest = self._window.oldest
            left = patience if oldest is None else oldest + patience - time.monotonic()
            if left > 0:
                await asyncio.sleep(min(left, patience / 4))
                continue
            link = self._line.link
            log.warning("confirms_missing", seconds=patience, blocked=self.blocked)
            self._window.abandon()
            if link is not None and not link.blocked:
                self._channel = None
                link.abort(f"RabbitMQ confirmed nothing for {patience:g} s.")
            self._moved.set()
