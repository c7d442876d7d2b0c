"""What the journal transport needs from a database. ``storage/journal_store.py`` fills it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from broker.topology import Topology
from broker.transports.bell import Bell


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A message for one queue. ``headers`` is a JSON object as text."""

    queue: str
    exchange: str
    routing_key: str
    body: bytes
    message_id: str | None
    content_type: str | None
    headers: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """An entry that a taker holds. ``position`` orders the queue, ``deliveries`` counts this one too."""

    entry: JournalEntry
    position: int
    deliveries: int


class JournalStore(Protocol):
    """Durable queues with takers that hold leases. Every method has committed when it returns.

    A taker is a name used once. When its lease ends, anybody's :meth:`keep` gives its entries back to their
    places and forgets the taker, so whatever it still says afterwards changes nothing.

    All methods raise StorageUnavailable when the database cannot be reached or cannot write.
    """

    @property
    def topology(self) -> Topology:
        """The queues, with their limits and dead letter exchanges."""

    @property
    def bell(self) -> Bell:
        """Rings when this process made entries ready in a queue."""

    @property
    def shared(self) -> bool:
        """Whether other processes may publish too, so that polling is needed to hear of it."""

    @property
    def keep_seconds(self) -> float:
        """How often :meth:`keep` must be called; a part of the lease."""

    async def open(self) -> None:
        """Be ready to work; called by every transport that starts."""

    async def put(self, entries: Sequence[JournalEntry]) -> None:
        """Store entries in this order, all or none."""

    async def register(self, taker: str, queue: str) -> None:
        """Let a new taker in, with a fresh lease."""

    async def ready(self, taker: str, queue: str) -> bool:
        """Whether :meth:`claim` might find something; cheap."""

    async def claim(self, taker: str, queue: str, most: int) -> list[Claimed]:
        """Take up to ``most`` ready entries, oldest first. Nothing for a stand-by of a single-active queue.

        Raises:
            LeaseLost: the taker's lease ended and it was forgotten.
        """

    async def settle(self, taker: str, positions: Collection[int]) -> None:
        """Remove entries that the taker holds; others are passed over."""

    async def reject(self, taker: str, queue: str, positions: Collection[int]) -> None:
        """Give entries that the taker holds to the dead letter exchange; others are passed over."""

    async def retire(self, taker: str) -> None:
        """Give back what the taker holds and forget it."""

    async def keep(self, takers: Collection[str]) -> set[str]:
        """Renew these leases, give back what takers with an ended lease hold; those of ``takers`` that are
        forgotten.
        """

    async def depth(self, queue: str) -> int:
        """How many entries are ready."""

    async def depths(self) -> dict[str, int]:
        """All entries by queue name, in hand or not, also of queues that are not in the topology."""
