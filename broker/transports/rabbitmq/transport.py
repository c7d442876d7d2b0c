"""The transport on RabbitMQ."""

from __future__ import annotations

from collections.abc import Sequence

from broker.topology import Topology
from broker.transports.rabbitmq import declaring
from broker.transports.rabbitmq.consuming import Consumers
from broker.transports.rabbitmq.publishing import Publisher
from broker.transports.rabbitmq.settings import AmqpSettings
from broker.transports.routing import Router
from broker.transports.seam import Outgoing, Receipt, Subscription
from domain.errors import TransportUnavailable


class RabbitTransport:
    """Publishes on one connection and consumes on another; both come back by themselves.

    Raises:
        ConfigurationError: the settings cannot work.
    """

    def __init__(self, settings: AmqpSettings, shape: Topology) -> None:
        self.place = settings.place
        self._shape = shape
        self._router = Router(shape)
        self._publisher = Publisher(settings, self._router)
        self._consumers = Consumers(settings, self._router)
        self._open = False

    async def start(self) -> None:
        """See the seam."""
        await self._publisher.start()
        try:
            await self._consumers.start()
        except TransportUnavailable:
            await self._publisher.close()
            raise
        self._open = True

    async def publish(self, batch: Sequence[Outgoing]) -> list[Receipt]:
        """See the seam; :class:`Publisher` says when what is refused."""
        return await self._publisher.publish(batch)

    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        """See the seam. A queue that is not there yet is waited for in the background."""
        if not self._open:
            raise TransportUnavailable("The transport to RabbitMQ is closed.")
        return await self._consumers.subscribe(queue, prefetch)

    async def depth(self, queue: str) -> int:
        """See the seam."""
        ready, _consumers = await self._consumers.count(self._router.queue(queue).name)
        return ready

    async def declare(self) -> list[str]:
        """See the seam. Needs the configure right.

        Raises:
            ConfigurationError: something is there with other properties, or the user lacks the right.
            TransportUnavailable: RabbitMQ does not answer.
        """
        return await declaring.declare(self._consumers.channel, self._shape)

    async def check(self) -> list[str]:
        """See the seam; bindings and queue arguments cannot be asked for over AMQP.

        Raises:
            TransportUnavailable: RabbitMQ does not answer.
        """
        return await declaring.check(self._consumers.channel, self._shape)

    @property
    def healthy(self) -> bool:
        """See the seam."""
        return self._open and self._publisher.healthy and self._consumers.healthy

    @property
    def blocked(self) -> bool:
        """Whether RabbitMQ takes no messages at the moment because it lacks memory or disk."""
        return self._publisher.blocked

    async def close(self) -> None:
        """See the seam."""
        self._open = False
        await self._consumers.close()
        await self._publisher.close()
