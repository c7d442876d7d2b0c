"""Intake: events from the transport's inbox become rows of the ledger, in the order they came.

    take -> decode -> admit -> acknowledge

One intake is active at a time (the inbox is a single-active queue and the relay's lease guards it), so the order of
arrival is the
order of the lanes, across all job types. The acknowledgement comes after the commit: a crash between the two means
that the events come again and are seen as duplicates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from broker.bell import Bell
from broker.crash import crash_point
from broker.decode import decode, rejection_of
from broker.ledger import Claim, Hands, Incoming, Ledger, Rejection, TakenIn
from broker.meters import Meters
from broker.topology import DEAD, INBOX, JOB_QUEUE_PREFIX, UNROUTED
from broker.transports.seam import Subscription, Taken, Transport
from domain.errors import InputError, MalformedEvent, StorageUnavailable, TransportUnavailable, UnknownName
from domain.events import StockChanged

log = structlog.get_logger(__name__)

BATCH = 500
"""How many events are stored together at most."""
STOCK_BATCH = 1500
"""The same for changes of stock: those that come together absorb one another at once, where of others more at a time
only need more memory.
"""
PREFETCH = 3000
AWAY_SECONDS = 1.0
"""How long a database that is away is left alone before it is asked again."""


class Taker(Protocol):
    """The worker of this process, which may begin at once with what comes in."""

    claiming: asyncio.Lock
    """Held while lanes may be on their way to this worker."""

    def hands(self) -> Hands:
        """What it is ready for."""

    def begin(self, claims: Sequence[Claim], stored: asyncio.Future[bool]) -> None:
        """Run these, which are claimed for it if they become ``stored``; nothing may come of them before that."""

    def miss(self) -> None:
        """Hear that it may hold lanes of which nobody told it."""


@dataclass(slots=True)
class Batch:
    """Messages in the order they came, and what they say."""

    taken: list[Taken] = field(default_factory=list)
    events: list[Incoming] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)

    @classmethod
    def of(cls, taken: Sequence[Taken]) -> Batch:
        """Decode these."""
        batch = cls()
        batch.add(taken)
        return batch

    def add(self, taken: Sequence[Taken]) -> None:
        """Decode further messages."""
        events, rejections = sort_out(taken)
        self.taken += taken
        self.events += events
        self.rejections += rejections


class Intake:
    """Takes the inbox into the ledger, and files what ended in the nets (unrouted, dead letters) as rejected.

    With a ``taker``, lanes that begin with an event are in its hands as soon as they are stored.
    """

    def __init__(
        self, ledger: Ledger, transport: Transport, meters: Meters, bell: Bell, taker: Taker | None = None
    ) -> None:
        self._taker = taker
        self._ledger = ledger
        self._transport = transport
        self._meters = meters
        self._bell = bell
        self._most = BATCH

    async def run(self, stop: asyncio.Event) -> None:
        """Take in until ``stop`` is set."""
        await asyncio.gather(
            self._line(INBOX, PREFETCH, stop),
            self._line(UNROUTED, 100, stop),
            self._line(DEAD, 100, stop),
        )

    async def _line(self, queue: str, prefetch: int, stop: asyncio.Event) -> None:
        subscription = await self._transport.subscribe(queue, prefetch)
        before: asyncio.Task[None] | None = None
        try:
            while not stop.is_set():
                try:
                    batch = await self._next(subscription, before)
                except TransportUnavailable:
                    return
                if batch.taken:
                    before = asyncio.create_task(self._admit(subscription, batch, stop))
        finally:
            if before is not None:
                await before
            await subscription.release()

    async def _next(self, subscription: Subscription, before: asyncio.Task[None] | None) -> Batch:
        """What comes next, decoded while the batch ``before`` is being stored; returns when that is over."""
        most = self._most
        batch = Batch.of(await subscription.take(most, 0.25))
        if batch.events:
            self._most = STOCK_BATCH if isinstance(batch.events[-1].payload, StockChanged) else BATCH
        if before is None:
            return batch
        waits = not before.done()
        await before
        if waits and 0 < len(batch.taken) < most:
            batch.add(await subscription.take(most - len(batch.taken), 0.0))
        return batch

    async def _admit(self, subscription: Subscription, batch: Batch, stop: asyncio.Event) -> None:
        """Store a batch, however long the database stays away; acknowledge it only then."""
        taken = await self._store(batch.events, batch.rejections, stop)
        if taken is None:
            return
        refused = [
            Rejection(incoming.body, answer.error, INBOX, incoming.envelope.routing_key)
            for incoming, answer in zip(batch.events, taken.answers, strict=True)
            if answer.error is not None
        ]
        if refused and await self._store((), refused, stop) is None:
            return
        crash_point("intake.after_commit")
        self._meters.admitted(taken.answers, len(batch.rejections))
        await subscription.acknowledge(batch.taken)
        if len(taken.claims) < sum(len(answer.jobs) for answer in taken.answers):
            # Somebody must be told of what did not begin at once.
            self._bell.ring()

    async def _store(
        self, events: Sequence[Incoming], rejections: Sequence[Rejection], stop: asyncio.Event
    ) -> TakenIn | None:
        """Admit again and again until the database took it; nothing where ``stop`` came first."""
        while not stop.is_set():
            try:
                return await self._take_in(events, rejections)
            except StorageUnavailable as error:
                log.warning("intake_waits", reason=error.sentence, events=len(events) + len(rejections))
                await asyncio.sleep(AWAY_SECONDS)
        return None

    async def _take_in(self, events: Sequence[Incoming], rejections: Sequence[Rejection]) -> TakenIn:
        if self._taker is None or not events:
            return TakenIn(await self._ledger.admit(events, rejections))
        taker, stored = self._taker, asyncio.get_running_loop().create_future()
        begun = False

        def begin(claims: Sequence[Claim]) -> None:
            nonlocal begun
            begun = True
            taker.begin(claims, stored)

        async with taker.claiming:
            try:
                taken = await self._ledger.take_in(events, rejections, replace(taker.hands(), early=begin))
            except BaseException:
                stored.set_result(False)
                taker.miss()
                raise
            stored.set_result(True)
            if not begun:
                begin(taken.claims)
            return taken


def sort_out(batch: Sequence[Taken]) -> tuple[list[Incoming], list[Rejection]]:
    """Decode what came to the inbox; what ended in a net is kept as a rejection.

    Two kinds of dead letters are none: an event that was only returned to the inbox too often (its takers were stopped
    again and again) is still good, and a ticket says nothing that the ledger does not know.
    """
    events: list[Incoming] = []
    rejections: list[Rejection] = []
    for taken in batch:
        origin = str(taken.headers.get("x-first-death-queue", "")) if taken.queue == DEAD else taken.queue
        if origin.startswith(JOB_QUEUE_PREFIX):
            log.warning("ticket_dead_lettered", queue=origin)
            continue
        decoded = decode(taken)
        if isinstance(decoded, Rejection) and taken.queue != UNROUTED:
            rejections.append(decoded)
        elif origin == INBOX and isinstance(decoded, Incoming):
            events.append(decoded)
        else:
            rejections.append(rejection_of(taken, _netted(taken)))
    return events, rejections


def _netted(taken: Taken) -> InputError:
    if taken.queue == UNROUTED:
        return UnknownName(
            f"No job listens to the routing key {taken.routing_key!r} on {taken.exchange or 'this exchange'}. "
            "Use <event type>.<account>.<channel or all>.",
            code="unrouted",
        )
    return MalformedEvent("The message was rejected or delivered too often without being settled.", code="dead_letter")
