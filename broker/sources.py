"""Where workers get lanes from: references on the job queues of a transport, or the ledger itself (journal)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Protocol

from broker.bell import Bell
from broker.ledger import Claim, Ledger
from broker.topology import job_queue
from broker.transports.seam import Subscription, Taken, Transport

POLL_SECONDS = 0.05
PREFETCH_FACTOR = 3


class LaneSource(Protocol):
    """Gives claimed lanes; hears when they were settled."""

    async def start(self) -> None:
        """Begin to take."""

    async def claims(self, most: int, skip: Sequence[str]) -> list[Claim]:
        """Up to ``most`` claimed lanes, waiting a moment for the first; channels in ``skip`` are left waiting."""

    async def settled(self, lanes: Sequence[str]) -> None:
        """These claims are settled and committed: acknowledge what brought them."""

    async def stop(self) -> None:
        """Take no more; give back what was taken and not claimed."""


class PolledLanes:
    """The journal: due lanes are claimed straight from the ledger. ``bell`` shortens the wait within a process."""

    def __init__(self, ledger: Ledger, worker: str, jobs: Sequence[str], bell: Bell) -> None:
        self._ledger = ledger
        self._worker = worker
        self._jobs = tuple(jobs)
        self._bell = bell

    async def start(self) -> None:
        """Nothing to begin."""

    async def claims(self, most: int, skip: Sequence[str]) -> list[Claim]:
        """Claim due lanes; an empty answer comes after a ring or :data:`POLL_SECONDS`."""
        found = await self._ledger.claim(self._worker, self._jobs, most, skip=skip)
        if not found:
            await self._bell.listen(POLL_SECONDS)
        return found

    async def settled(self, lanes: Sequence[str]) -> None:
        """The settle itself freed the lanes: nothing more to do."""

    async def stop(self) -> None:
        """Nothing was taken ahead."""


class ReferencedLanes:
    """A broker: job queues carry references to lanes; a reference is acknowledged when its claim is settled.

    A reference to a lane that is not due any more, or that another worker holds, is acknowledged at once: the ledger
    knows the lane and the relay will tell of it again.
    """

    def __init__(self, ledger: Ledger, worker: str, jobs: Sequence[str], transport: Transport, capacity: int) -> None:
        self._ledger = ledger
        self._worker = worker
        self._jobs = tuple(jobs)
        self._transport = transport
        self._prefetch = capacity * PREFETCH_FACTOR
        self._subscriptions: dict[str, Subscription] = {}
        self._readers: list[asyncio.Task[None]] = []
        self._taken: asyncio.Queue[Taken] = asyncio.Queue(maxsize=capacity)
        self._unclaimed: list[Taken] = []
        self._in_hand: dict[str, list[Taken]] = {}

    async def start(self) -> None:
        """Subscribe to the queue of each job type."""
        for job in self._jobs:
            subscription = await self._transport.subscribe(job_queue(job), self._prefetch)
            self._subscriptions[job_queue(job)] = subscription
            self._readers.append(asyncio.create_task(self._read(subscription)))

    async def _read(self, subscription: Subscription) -> None:
        while True:
            for taken in await subscription.take(64, 1.0):
                await self._taken.put(taken)

    async def claims(self, most: int, skip: Sequence[str]) -> list[Claim]:
        """Claim the lanes that references name; those of a claim that failed are tried again first."""
        batch = self._unclaimed or await self._batch(most)
        if not batch:
            return []
        self._unclaimed = batch
        by_lane: dict[str, list[Taken]] = {}
        for taken in batch:
            by_lane.setdefault(lane_of(taken), []).append(taken)
        found = await self._ledger.claim(self._worker, self._jobs, len(by_lane), list(by_lane))
        self._unclaimed = []
        for claim in found:
            self._in_hand.setdefault(claim.lane, []).extend(by_lane.pop(claim.lane))
        await self._acknowledge([taken for useless in by_lane.values() for taken in useless])
        return found

    async def _batch(self, most: int) -> list[Taken]:
        try:
            batch = [await asyncio.wait_for(self._taken.get(), 1.0)]
        except TimeoutError:
            for reader in self._readers:
                if reader.done():
                    reader.result()
            return []
        while len(batch) < most and not self._taken.empty():
            batch.append(self._taken.get_nowait())
        return batch

    async def settled(self, lanes: Sequence[str]) -> None:
        """Acknowledge the references that brought these lanes."""
        await self._acknowledge([taken for lane in lanes for taken in self._in_hand.pop(lane, ())])

    async def _acknowledge(self, batch: Sequence[Taken]) -> None:
        for queue, subscription in self._subscriptions.items():
            mine = [taken for taken in batch if taken.queue == queue]
            if mine:
                await subscription.acknowledge(mine)

    async def stop(self) -> None:
        """Release the subscriptions: what is in hand goes back to its queue."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for subscription in self._subscriptions.values():
            await subscription.release()


def reference(lane: str) -> bytes:
    """The body of a reference to a lane."""
    return json.dumps({"lane": lane}).encode()


def lane_of(taken: Taken) -> str:
    """The lane a reference names; empty when it names none (such a message is nobody's and claims nothing)."""
    try:
        lane = json.loads(taken.body)["lane"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return lane if isinstance(lane, str) and "\0" not in lane else ""
