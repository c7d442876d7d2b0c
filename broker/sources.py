"""Where workers get lanes from: the ledger, which they ask when a bell rings or a ticket comes.

A **ticket** is a message on a job queue that says no more than: lanes of this job type are due. Whoever takes it claims
from the ledger, which alone knows which lanes are due, whose turn it is, and who has them. So nothing is lost with a
ticket, and one too many does no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from broker.bell import Bell
from broker.ledger import Claim, Ledger, Shares
from broker.topology import job_queue
from broker.transports.seam import Subscription, Taken, Transport
from broker.transports.waiting import Backoff

POLL_SECONDS = 0.05
LOOK_SECONDS = 1.0
"""How long a worker without tickets waits before it looks into the ledger by itself."""
FIRST_EMPTY, LONGEST_EMPTY = 0.005, 0.05
"""Seconds to wait after a claim that found nothing, at first and at the most: there may be tickets for what this worker
must leave to others, and they must not make it ask without pause.
"""
LANES_PER_TICKET = 16


class LaneSource(Protocol):
    """Gives claimed lanes."""

    async def start(self) -> None:
        """Begin to take."""

    async def ready(self) -> None:
        """Wait until a claim may find something, or for a moment."""

    async def claims(self, most: int, skip: Sequence[str], shares: Shares | None) -> list[Claim]:
        """Up to ``most`` claimed lanes, of each channel up to its share; channels in ``skip`` are left waiting."""

    def nudge(self) -> None:
        """Hear that lanes which were left out before may be claimed now."""

    async def stop(self) -> None:
        """Take no more."""


class PolledLanes:
    """The journal: due lanes are claimed as soon as the bell rings, and every :data:`POLL_SECONDS`."""

    def __init__(self, ledger: Ledger, worker: str, jobs: Sequence[str], bell: Bell) -> None:
        self._ledger = ledger
        self._worker = worker
        self._jobs = tuple(jobs)
        self._bell = bell
        self._empty = False

    async def start(self) -> None:
        """Nothing to begin."""

    async def ready(self) -> None:
        """Return at once while the last claim found something; else at a ring or after :data:`POLL_SECONDS`."""
        if self._empty:
            await self._bell.listen(POLL_SECONDS)

    async def claims(self, most: int, skip: Sequence[str], shares: Shares | None) -> list[Claim]:
        """Claim due lanes."""
        self._empty = True
        found = await self._ledger.claim(self._worker, self._jobs, most, skip, shares)
        self._empty = not found
        return found

    def nudge(self) -> None:
        """Look at once."""
        self._bell.ring()

    async def stop(self) -> None:
        """Nothing was begun."""


class TicketedLanes:
    """A broker: tickets on the job queues say when to claim.

    One ticket of each job type is kept at hand and acknowledged when it is used; the others stay in their queues for
    whoever is free, and while a worker finds enough without them it uses none.
    """

    def __init__(self, ledger: Ledger, worker: str, jobs: Sequence[str], transport: Transport) -> None:
        self._ledger = ledger
        self._worker = worker
        self._jobs = tuple(jobs)
        self._transport = transport
        self._subscriptions: dict[str, Subscription] = {}
        self._readers: list[asyncio.Task[None]] = []
        self._at_hand: list[Taken] = []
        self._heard = Bell()
        self._more = True
        self._in_vain = False
        self._pause = Backoff(FIRST_EMPTY, LONGEST_EMPTY)

    async def start(self) -> None:
        """Subscribe to the queue of each job type."""
        for job in self._jobs:
            subscription = await self._transport.subscribe(job_queue(job), 1)
            self._subscriptions[job_queue(job)] = subscription
            self._readers.append(asyncio.create_task(self._read(subscription)))

    async def _read(self, subscription: Subscription) -> None:
        while True:
            for ticket in await subscription.take(1, 1.0):
                self._at_hand.append(ticket)
                self._heard.ring()

    async def ready(self) -> None:
        """Return at once while there was more than fit; else with a ticket or after :data:`LOOK_SECONDS`."""
        if self._in_vain:
            await asyncio.sleep(self._pause.pause())
        if not self._more:
            await self._use_ticket()
        self._more = True

    async def claims(self, most: int, skip: Sequence[str], shares: Shares | None) -> list[Claim]:
        """Claim due lanes."""
        found = await self._ledger.claim(self._worker, self._jobs, most, skip, shares)
        self._more, self._in_vain = len(found) == most, not found
        if found:
            self._pause.reset()
        return found

    async def _use_ticket(self) -> None:
        await self._heard.listen(LOOK_SECONDS)
        used, self._at_hand = self._at_hand, []
        for ticket in used:
            await self._subscriptions[ticket.queue].acknowledge([ticket])
        for reader in self._readers:
            if reader.done():
                reader.result()

    def nudge(self) -> None:
        """Look at once."""
        self._heard.ring()

    async def stop(self) -> None:
        """Release the subscriptions: tickets that were not used go back to their queue."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for subscription in self._subscriptions.values():
            await subscription.release()
