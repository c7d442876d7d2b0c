"""The relay: one of it is active at a time; it carries events in, and lanes, announcements and ticks out.

Every cause of waiting ends here in the same way: a lane becomes due, workers are told of it. With the journal,
workers read due lanes from the ledger themselves, and the relay only announces to the OMS.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping

import structlog

from broker.bell import Bell, comes
from broker.crash import crash_point
from broker.intake import Intake, Taker
from broker.lease import Lease
from broker.ledger import Ledger
from broker.meters import Meters
from broker.sources import LANES_PER_TICKET
from broker.topology import JOBS, OMS, job_queue
from broker.transports.seam import Outgoing, Receipt, Transport
from broker.transports.waiting import Backoff
from domain.envelope import STRUCTURED
from domain.errors import ConfigurationError, StorageUnavailable, TransportUnavailable
from domain.ids import new_id

log = structlog.get_logger(__name__)

LEASE_NAME = "relay"
LEASE_SECONDS = 10.0
POLL_SECONDS, IDLE_SECONDS = 0.02, 0.06
"""How long the relay rests between two looks into the ledger: at first, and where there was nothing to tell for
:data:`CALM_SECONDS`, for each look takes time from what comes in.
"""
CALM_SECONDS = 2.0
LEAST_SECONDS = 0.005
"""A bell that never stops ringing must not make the relay ask the database without pause."""
RECOVER_SECONDS = 1.0
AWAY_SECONDS = 1.0
"""How long a database or transport that is away is left alone before it is asked again."""
BATCH = 500
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
"""Seconds for which a queue that took nothing is left alone, at first and at the most."""
MOST_TICKETS = 8
"""Tickets of a job type that lie ready at a time."""


class Pauses:
    """Which destinations are left alone for a while, because they did not take what they were last given."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._backoff: dict[str, Backoff] = defaultdict(lambda: Backoff(FIRST_PAUSE, LONGEST_PAUSE))

    def now(self, name: str) -> bool:
        """Whether this one is left alone right now."""
        return self._until.get(name, 0.0) > time.monotonic()

    def learn(self, name: str, *, took: bool) -> None:
        """Begin a pause, longer than the one before; or end them, for it took what it was given."""
        if took:
            self._until.pop(name, None)
            self._backoff.pop(name, None)
        else:
            self._until[name] = time.monotonic() + self._backoff[name].pause()


class Relay:
    """Moves between ledger and transport while it holds the relay lease."""

    def __init__(
        self,
        ledger: Ledger,
        transport: Transport,
        lease: Lease,
        meters: Meters,
        bell: Bell,
        *,
        tickets: bool,
        taker: Taker | None = None,
    ) -> None:
        """``tickets`` is whether workers learn of due lanes by tickets on job queues (a broker) or by themselves
        (journal). ``taker`` is the worker of this process, if it has one.
        """
        self._ledger = ledger
        self._transport = transport
        self._lease = lease
        self._meters = meters
        self._bell = bell
        self._tickets = tickets
        self._pauses = Pauses()
        self._told_at = -math.inf
        self._intake = Intake(ledger, transport, meters, bell, taker)

    async def run(self, stop: asyncio.Event) -> None:
        """Try for the lease until ``stop``; with it, work until it is lost."""
        while not stop.is_set():
            try:
                if await self._ledger.hold(LEASE_NAME, self._lease.worker, LEASE_SECONDS):
                    log.info("relay_active")
                    await self._lead(stop)
            except (StorageUnavailable, TransportUnavailable) as error:
                log.warning("relay_waits", reason=error.sentence)
            await comes(stop, LEASE_SECONDS / 5)

    async def _lead(self, stop: asyncio.Event) -> None:
        over = asyncio.Event()
        stopped = asyncio.create_task(stop.wait())
        tasks = [
            asyncio.create_task(part)
            for part in (
                self._keep(over),
                self._intake.run(over),
                _every(self._rest, self._announce, over, self._bell),
                _every(lambda: RECOVER_SECONDS, self._recover, over),
            )
        ]
        # A part that ends, for whatever reason, ends the leadership: half a relay must not keep others from leading.
        try:
            await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.set()
            stopped.cancel()
            await asyncio.wait(tasks)
        for task in tasks:
            task.result()

    async def _keep(self, over: asyncio.Event) -> None:
        """Renew the lease until ``over``; ends before that when it cannot be renewed in time or another has it."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while not over.is_set():
            if await comes(over, LEASE_SECONDS / 4):
                return
            asked = loop.time()
            with contextlib.suppress(StorageUnavailable):
                if not await self._ledger.hold(LEASE_NAME, self._lease.worker, LEASE_SECONDS):
                    return
                renewed = asked
            if loop.time() - renewed > LEASE_SECONDS * 0.7:
                return

    def _rest(self) -> float:
        """Seconds until the next look into the ledger."""
        calm = self._tickets and time.monotonic() - self._told_at > CALM_SECONDS
        return IDLE_SECONDS if calm else POLL_SECONDS

    async def _announce(self) -> bool:
        """Tell workers of due lanes and the OMS of what happened; whether there was anything to do."""
        if not self._tickets:
            return await self._tell_oms()
        waiting = await self._ledger.waiting(MOST_TICKETS * LANES_PER_TICKET)
        if waiting.due or waiting.unsent:
            self._told_at = time.monotonic()
        busy = waiting.unsent and await self._tell_oms()
        await self._tell_workers(waiting.due)
        return busy

    async def _tell_workers(self, due: Mapping[str, int]) -> None:
        """See to it that tickets lie ready for the lanes that are due."""
        for job, count in due.items():
            if not self._pauses.now(job):
                await self._top_up(job, min(-(-count // LANES_PER_TICKET), MOST_TICKETS))

    async def _top_up(self, job: str, wanted: int) -> None:
        """Let at least ``wanted`` tickets lie ready in the queue of a job type."""
        try:
            missing = wanted - await self._transport.depth(job_queue(job))
        except ConfigurationError as error:
            log.error("queue_missing", queue=job_queue(job), reason=error.sentence)
            self._pauses.learn(job, took=False)
            return
        tickets = [Outgoing(JOBS, f"{job}.ticket.all", b"{}", new_id()) for _ in range(missing)]
        if tickets:
            receipts = await self._transport.publish(tickets)
            crash_point("relay.after_publish")
            self._meters.announced.inc(receipts.count(Receipt.CONFIRMED))
            self._pauses.learn(job, took=all(receipt is Receipt.CONFIRMED for receipt in receipts))
            self._complain(receipts, job_queue(job))

    async def _tell_oms(self) -> bool:
        if self._pauses.now(OMS):
            return False
        waiting = await self._ledger.unsent(BATCH)
        batch = [Outgoing(OMS, each.routing_key, each.body, each.id, STRUCTURED) for each in waiting]
        receipts = await self._transport.publish(batch) if batch else []
        # Nobody has to listen to the OMS exchange: what no queue wants stays readable in the ledger.
        sent = [
            each.seq
            for each, receipt in zip(waiting, receipts, strict=True)
            if receipt in (Receipt.CONFIRMED, Receipt.UNROUTABLE)
        ]
        if sent:
            crash_point("relay.after_announce")
            await self._ledger.mark_sent(sent)
        if waiting:
            self._pauses.learn(OMS, took=len(sent) == len(waiting))
        self._complain([receipt for receipt in receipts if receipt is not Receipt.UNROUTABLE], OMS)
        return bool(sent)

    def _complain(self, receipts: list[Receipt], destination: str) -> None:
        failed = [receipt for receipt in receipts if receipt is not Receipt.CONFIRMED]
        if failed:
            log.warning(
                "publish_failed",
                destination=destination,
                count=len(failed),
                receipt=str(failed[0]),
                next="they stay in the ledger and are published again",
            )

    async def _recover(self) -> bool:
        """Free the lanes of the dead, and what waits for SKUs that turned up."""
        freed = await self._ledger.rescue()
        if freed:
            log.warning("lanes_rescued", count=freed)
        if freed + await self._ledger.release_found():
            self._bell.ring()
        return False


async def _every(
    seconds: Callable[[], float], act: Callable[[], Awaitable[bool]], over: asyncio.Event, bell: Bell | None = None
) -> None:
    """Act until ``over``; at once again while there is work, else after ``seconds`` or a ring of ``bell``."""
    rest = bell or Bell()
    while not over.is_set():
        busy = False
        began = time.monotonic()
        try:
            busy = await act()
        except (StorageUnavailable, TransportUnavailable) as error:
            log.warning("relay_waits", reason=error.sentence)
            await asyncio.sleep(AWAY_SECONDS)
        if not busy:
            await rest.listen(seconds())
            await asyncio.sleep(began + LEAST_SECONDS - time.monotonic())
