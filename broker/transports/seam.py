"""The seam every transport fills: RabbitMQ, the journal, and the in-memory twin.

A transport moves messages and promises:

- a message whose receipt is ``CONFIRMED`` survives the death of any process, this one included (the twin: none);
- what was taken and not acknowledged is delivered again after its taker is gone, to the same or another taker;
- one queue gives messages in the order they came; what returns from a dead taker comes before newer messages;
- a queue with ``single_active`` feeds one taker at a time, another one takes over when it goes;
- nothing is dropped: what no queue wanted ends in ``towpath.unrouted``, what was rejected or killed its takers too
  often ends in ``towpath.dead``.

One conformance suite in ``tests/broker/transports`` holds all three to this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Receipt(StrEnum):
    """How a publish ended. ``UNKNOWN``: it may or may not have arrived; publish again with the same id."""

    CONFIRMED = "confirmed"
    UNROUTABLE = "unroutable"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to publish; always persistent and mandatory."""

    exchange: str
    routing_key: str
    body: bytes
    message_id: str
    content_type: str = "application/json"
    headers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """One message in hand. ``tag`` and ``generation`` belong to the transport; callers only hand them back."""

    queue: str
    body: bytes
    routing_key: str
    exchange: str
    message_id: str | None
    content_type: str | None
    headers: Mapping[str, Any]
    redelivered: bool
    tag: int
    generation: int = 0


class Subscription(Protocol):
    """A taker of one queue."""

    async def take(self, most: int, wait: float) -> list[Taken]:
        """1 to ``most`` messages as soon as there are any; an empty list when ``wait`` seconds passed without one.

        Survives reconnects; raises TransportUnavailable only when the transport was closed.
        """

    async def acknowledge(self, taken: Sequence[Taken]) -> None:
        """Say that these are settled. What belongs to a lost connection is passed over: it will be redelivered."""

    async def reject(self, taken: Sequence[Taken]) -> None:
        """Give these to the dead letter queue."""

    async def release(self) -> None:
        """Stop taking. What is in hand and not acknowledged goes back to its place in the queue."""


class Transport(Protocol):
    """A message transport; see the promises on top of this file."""

    async def start(self) -> None:
        """Connect. Raises TransportUnavailable with the reason after the settings' connect timeout."""

    async def publish(self, batch: Sequence[Outgoing]) -> list[Receipt]:
        """Publish all of ``batch`` in order and wait, bounded, for each receipt; one receipt per message."""

    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        """Take from a queue with at most ``prefetch`` messages in hand."""

    async def depth(self, queue: str) -> int:
        """How many messages lie ready in the queue."""

    async def declare(self) -> list[str]:
        """Make the topology be there; the sentences say what was made or already there. A privileged act."""

    async def check(self) -> list[str]:
        """What of the topology is missing or differs, one sentence each; empty when all is well."""

    @property
    def healthy(self) -> bool:
        """Whether the transport could publish and take right now."""

    async def close(self) -> None:
        """Release everything; unacknowledged messages are redelivered."""
