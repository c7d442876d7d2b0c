"""The consuming connection, its takers, and the watchdog that proves that they consume."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter

import structlog

from broker.transports.rabbitmq.line import Line
from broker.transports.rabbitmq.settings import AmqpSettings
from broker.transports.rabbitmq.taking import RabbitSubscription
from broker.transports.rabbitmq.wire import Channel, ChannelLost, Link
from broker.transports.routing import Router
from domain.errors import ConfigurationError, TransportUnavailable

log = structlog.get_logger(__name__)

NOT_FOUND = 404


class Consumers:
    """All takers of one transport on one connection.

    The watchdog asks the broker regularly how many consumers each queue has. A queue with fewer than there
    are takers here gets its takers restarted; a broker that does not answer costs the connection.
    """

    def __init__(self, settings: AmqpSettings, router: Router) -> None:
        self._settings = settings
        self._router = router
        self._line = Line(settings, "consuming", _as_it_is, _pass_over)
        self._takers: list[RabbitSubscription] = []
        self._watchdog: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """Whether there is a connection and every taker was proven to consume lately."""
        limit = time.monotonic() - 2 * self._settings.watchdog_seconds
        takers = self._live()
        return self._line.link is not None and all(taker.attached and taker.proven_at >= limit for taker in takers)

    async def start(self) -> None:
        """Connect; raises TransportUnavailable."""
        await self._line.start()
        self._watchdog = asyncio.create_task(self._watch())

    async def subscribe(self, queue: str, prefetch: int) -> RabbitSubscription:
        """A new taker. It goes on trying when it cannot consume at once."""
        taker = RabbitSubscription(self._line, self._router, queue, prefetch)
        self._takers.append(taker)
        await taker.wait_attached(self._settings.connect_timeout)
        return taker

    async def close(self) -> None:
        """Release all takers and disconnect."""
        if self._watchdog is None:
            return
        watchdog, self._watchdog = self._watchdog, None
        watchdog.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watchdog
        await asyncio.gather(*(taker.release() for taker in self._takers))
        self._takers.clear()
        await self._line.close()

    async def channel(self) -> Channel:
        """A channel for a question; the caller closes it.

        Raises:
            TransportUnavailable: not connected.
        """
        link = self._line.link
        if link is None:
            raise TransportUnavailable(f"There is no connection to RabbitMQ at {self._settings.place} at the moment.")
        return await link.channel()

    async def count(self, queue: str) -> tuple[int, int]:
        """How many messages are ready in a queue, and how many consumers it has.

        Raises:
            ConfigurationError: there is no such queue.
            TransportUnavailable: RabbitMQ cannot be asked.
        """
        channel = await self.channel()
        try:
            answer = await channel.ask(channel.raw.queue_declare, queue, passive=True)
        except ChannelLost as error:
            if error.reply_code != NOT_FOUND:
                raise
            raise ConfigurationError(
                f"RabbitMQ has no queue {queue!r}. Make it with `towpath topology declare`."
            ) from None
        finally:
            channel.close()
        return answer.message_count, answer.consumer_count

    def _live(self) -> list[RabbitSubscription]:
        self._takers = [taker for taker in self._takers if not taker.released]
        return self._takers

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._settings.watchdog_seconds)
            link = self._line.link
            if link is None:
                continue
            try:
                await self._prove()
            except ChannelLost as error:
                log.warning("watchdog_question_failed", reason=error.sentence)
            except TransportUnavailable as error:
                link.abort(f"The watchdog got no answer: {error.sentence}")

    async def _prove(self) -> None:
        expected = Counter(taker.queue.name for taker in self._live() if taker.attached)
        for queue, count in expected.items():
            asked_at = time.monotonic()
            try:
                _ready, consumers = await self.count(queue)
            except ConfigurationError:
                consumers = 0
            for taker in self._live():
                if taker.queue.name != queue or not taker.attached or taker.proven_at > asked_at:
                    continue
                if consumers >= count:
                    taker.proven_at = asked_at
                else:
                    taker.restart(f"the queue has {consumers} consumers, at least {count} expected")


async def _as_it_is(_link: Link) -> None:
    """A consuming connection needs no preparation; takers open their own channels."""


def _pass_over() -> None:
    """Takers notice a lost connection by their channels."""
