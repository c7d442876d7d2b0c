"""A taker of one journal queue."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Sequence

import structlog

from broker.topology import Queue
from broker.transports.journal_store import Claimed, JournalStore
from broker.transports.seam import Taken
from broker.transports.waiting import Backoff, Deadline
from domain.errors import LeaseLost, StorageUnavailable, TransportUnavailable
from domain.ids import new_id

log = structlog.get_logger(__name__)

SHARED_POLL_SECONDS = 0.05
OWN_POLL_SECONDS = 1.0


class JournalSubscription:
    """Takes with a lease. When the lease is lost it goes on under a new taker name, which is a new
    generation.
    """

    def __init__(self, store: JournalStore, queue: Queue, prefetch: int) -> None:
        self._store = store
        self._queue = queue
        self._prefetch = prefetch
        self._poll = SHARED_POLL_SECONDS if store.shared else OWN_POLL_SECONDS
        self._ear = store.bell.listen(queue.name)
        self._generation = 0
        self._taker: str | None = None
        self._in_hand: set[int] = set()
        self._claimed: deque[Taken] = deque()
        self._given_up: list[str] = []
        self._claiming: asyncio.Task[None] | None = None
        self._more = False
        self._backoff = Backoff(most=2.0)
        self._live = True

    @property
    def taker(self) -> str | None:
        """The name under which it holds its lease; none between two generations and after the release."""
        return self._taker

    async def begin(self) -> None:
        """Get the first lease, so that the order of subscribing decides who is active.

        Where the database does not answer, taking gets it.
        """
        try:
            await self._register()
        except StorageUnavailable as error:
            log.warning("take_failed", queue=self._queue.name, reason=error.sentence)

    async def take(self, most: int, wait: float) -> list[Taken]:
        """See the seam."""
        deadline = Deadline(wait)
        if not self._live:
            raise TransportUnavailable(f"The subscription of {self._queue.name} was released.")
        certain = self._ear.heard or self._more
        while True:
            self._ear.forget()
            if not self._claimed:
                await self._claim(min(most, self._prefetch - len(self._in_hand)), certain)
            if self._claimed:
                return self._hand_out(most)
            if self._released or deadline.over:
                return []
            certain = await self._ear.wait(min(deadline.left, self._poll))

    async def acknowledge(self, taken: Sequence[Taken]) -> None:
        """See the seam."""
        taker, tags = self._current(taken)
        if taker is None or not tags:
            return
        try:
            await asyncio.shield(self._store.settle(taker, tags))
        except StorageUnavailable as error:
            self._give_up(taker, error)
        else:
            self._forget(taker, tags)

    async def reject(self, taken: Sequence[Taken]) -> None:
        """See the seam."""
        taker, tags = self._current(taken)
        if taker is None or not tags:
            return
        try:
            await asyncio.shield(self._store.reject(taker, self._queue.name, tags))
        except StorageUnavailable as error:
            self._give_up(taker, error)
        else:
            self._forget(taker, tags)

    async def release(self) -> None:
        """See the seam."""
        if not self._live:
            return
        self._live = False
        self._ear.wake()
        if self._claiming:
            await asyncio.wait([self._claiming])
        self._store.bell.leave(self._queue.name, self._ear)
        self._reset()
        try:
            await asyncio.shield(self._retire_given_up())
        except StorageUnavailable as error:
            log.warning("release_failed", queue=self._queue.name, reason=error.sentence)

    def lose(self, taker: str) -> None:
        """The lease of ``taker`` ended or is not to be trusted: what was in hand belongs to others now."""
        if taker == self._taker:
            log.warning("lease_lost", queue=self._queue.name, in_hand=len(self._in_hand))
            self._reset()
            self._ear.wake()

    @property
    def _released(self) -> bool:
        return not self._live

    async def _claim(self, room: int, certain: bool) -> None:
        """Fill ``_claimed``. The work goes on when the caller is cancelled, so that nothing is claimed for
        nobody.
        """
        if self._claiming is None and room > 0 and self._live:
            self._claiming = asyncio.create_task(self._claim_now(room, certain))
        if self._claiming:
            await asyncio.shield(self._claiming)

    async def _claim_now(self, room: int, certain: bool) -> None:
        try:
            await self._retire_given_up()
            taker = self._taker or await self._register()
            if certain or await self._store.ready(taker, self._queue.name):
                await self._claim_as(taker, room)
            self._backoff.reset()
        except StorageUnavailable as error:
            log.warning("take_failed", queue=self._queue.name, reason=error.sentence)
            await asyncio.sleep(self._backoff.pause())
        finally:
            self._claiming = None

    async def _claim_as(self, taker: str, room: int) -> None:
        try:
            claimed = await self._store.claim(taker, self._queue.name, room)
        except LeaseLost:
            self.lose(taker)
        except StorageUnavailable:
            # It may have been committed: what nobody knows to be in hand must not stay with a living taker.
            self.lose(taker)
            raise
        else:
            self._more = len(claimed) == room
            self._keep(taker, claimed)

    def _keep(self, taker: str, claimed: Sequence[Claimed]) -> None:
        if taker != self._taker:
            return
        for one in claimed:
            self._in_hand.add(one.position)
            self._claimed.append(_taken(one, self._generation))

    async def _register(self) -> str:
        taker = new_id()
        await self._store.register(taker, self._queue.name)
        self._generation += 1
        self._taker = taker
        return taker

    async def _retire_given_up(self) -> None:
        """Give back what earlier takers of this subscription still hold, without waiting for their leases."""
        while self._given_up:
            await self._store.retire(self._given_up[0])
            del self._given_up[0]

    def _hand_out(self, most: int) -> list[Taken]:
        return [self._claimed.popleft() for _ in range(min(most, len(self._claimed)))]

    def _current(self, taken: Sequence[Taken]) -> tuple[str | None, list[int]]:
        """The tags of this generation that are in hand."""
        tags = [one.tag for one in taken if one.generation == self._generation and one.tag in self._in_hand]
        return self._taker, tags

    def _forget(self, taker: str, tags: Sequence[int]) -> None:
        if taker == self._taker:
            self._in_hand.difference_update(tags)
            self._ear.wake()

    def _give_up(self, taker: str, error: StorageUnavailable) -> None:
        """Whether the write happened is unknown: let everything go, as after a lost connection."""
        log.warning("settle_unknown", queue=self._queue.name, reason=error.sentence)
        self.lose(taker)

    def _reset(self) -> None:
        if self._taker is not None:
            self._given_up.append(self._taker)
        self._taker = None
        self._generation += 1
        self._in_hand.clear()
        self._claimed.clear()


def _taken(one: Claimed, generation: int) -> Taken:
    entry = one.entry
    return Taken(
        queue=entry.queue,
        body=entry.body,
        routing_key=entry.routing_key,
        exchange=entry.exchange,
        message_id=entry.message_id,
        content_type=entry.content_type,
        headers=json.loads(entry.headers),
        redelivered=one.deliveries > 1,
        tag=one.position,
        generation=generation,
    )
