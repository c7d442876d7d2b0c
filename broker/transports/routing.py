"""Where a message goes by the topology: for the transports that route themselves."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from broker.topology import Queue, Topology, matches
from broker.transports.seam import Outgoing
from domain.errors import ConfigurationError

DEATH_QUEUE = "x-first-death-queue"
DEATH_REASON = "x-first-death-reason"
DEATH_EXCHANGE = "x-first-death-exchange"
REJECTED = "rejected"
DELIVERY_LIMIT_REACHED = "delivery_limit"

_KEYS_REMEMBERED = 8192
_SHORT_STRING = 255


class Router:
    """Answers which queues get a message. Remembers recent answers, as routing keys repeat."""

    def __init__(self, topology: Topology) -> None:
        self._exchanges = {exchange.name: exchange for exchange in topology.exchanges}
        self._queues = {queue.name: queue for queue in topology.queues}
        self._bindings = {
            name: tuple(binding for binding in topology.bindings if binding.exchange == name)
            for name in self._exchanges
        }
        self.targets = lru_cache(maxsize=_KEYS_REMEMBERED)(self._targets)

    def carries(self, message: Outgoing) -> bool:
        """Whether a message could be published at all: a known exchange, and short strings that are short.

        AMQP 0-9-1 (section 4.2.5.3) allows 255 bytes and no zero byte in a routing key, id or content type.
        """
        texts = (message.routing_key, message.message_id, message.content_type)
        return message.exchange in self._exchanges and all(
            len(text.encode()) <= _SHORT_STRING and "\0" not in text for text in texts
        )

    def queue(self, name: str) -> Queue:
        """The queue of this name.

        Raises:
            ConfigurationError: the topology has none.
        """
        try:
            return self._queues[name]
        except KeyError:
            raise ConfigurationError(
                f"There is no queue {name!r} in the topology; `towpath topology show` lists those there are."
            ) from None

    def dead_letter(self, name: str) -> str:
        """The exchange for what a queue's takers reject.

        Raises:
            ConfigurationError: the queue has none, so rejecting would drop the message.
        """
        exchange = self.queue(name).dead_letter
        if exchange is None:
            raise ConfigurationError(
                f"Queue {name} has no dead letter exchange, so rejecting a message would drop it. "
                "Acknowledge or release it."
            )
        return exchange

    def _targets(self, exchange: str, routing_key: str) -> tuple[str, ...]:
        seen: set[str] = set()
        at: str | None = exchange
        while at is not None and at in self._exchanges and at not in seen:
            seen.add(at)
            fanout = self._exchanges[at].kind == "fanout"
            wanted = (b.queue for b in self._bindings[at] if fanout or matches(b.pattern, routing_key))
            if found := tuple(dict.fromkeys(wanted)):
                return found
            at = self._exchanges[at].alternate
        return ()


def death_headers(headers: Mapping[str, Any], queue: str, exchange: str, reason: str) -> dict[str, Any]:
    """Headers of a dead letter: where, out of which exchange and why it died first, named as RabbitMQ names
    them.
    """
    return {DEATH_QUEUE: queue, DEATH_EXCHANGE: exchange, DEATH_REASON: reason, **headers}
