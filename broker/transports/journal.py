"""The journal transport: queues in the ledger's own database, so that nothing but a file is needed."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence

import structlog

from broker.transports.journal_store import JournalEntry, JournalStore
from broker.transports.journal_taking import JournalSubscription
from broker.transports.routing import Router
from broker.transports.seam import Outgoing, Receipt, Subscription
from domain.errors import StorageUnavailable, TransportUnavailable

log = structlog.get_logger(__name__)


class JournalTransport:
    """A transport on a :class:`JournalStore`. Confirmed means committed; queues have no size limit but the
    disk.
    """

    def __init__(self, store: JournalStore) -> None:
        self._store = store
        self._router = Router(store.topology)
        self._subscriptions: list[JournalSubscription] = []
        self._upkeep: asyncio.Task[None] | None = None
        self._working = False

    async def start(self) -> None:
        """See the seam."""
        try:
            await self._store.open()
        except StorageUnavailable as error:
            raise TransportUnavailable(f"The journal cannot start: {error.sentence}") from error
        self._working = True
        self._upkeep = asyncio.create_task(self._keep_leases())

    async def publish(self, batch: Sequence[Outgoing]) -> list[Receipt]:
        """See the seam. The whole batch is committed at once."""
        if self._upkeep is None:
            return [Receipt.REFUSED] * len(batch)
        receipts: list[Receipt] = []
        entries: list[JournalEntry] = []
        for message in batch:
            receipt, wanted = self._route(message)
            receipts.append(receipt)
            entries += wanted
        if not entries:
            return receipts
        try:
            await self._store.put(entries)
        except StorageUnavailable as error:
            log.warning("publish_unknown", reason=error.sentence, messages=len(batch))
            self._working = False
            return [Receipt.UNKNOWN if receipt is Receipt.CONFIRMED else receipt for receipt in receipts]
        return receipts

    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        """See the seam."""
        if self._upkeep is None:
            raise TransportUnavailable("The journal was closed.")
        subscription = JournalSubscription(self._store, self._router.queue(queue), prefetch)
        await subscription.begin()
        self._subscriptions.append(subscription)
        return subscription

    async def depth(self, queue: str) -> int:
        """See the seam."""
        return await self._store.depth(self._router.queue(queue).name)

    async def declare(self) -> list[str]:
        """Nothing to make: tables come with the database schema, the topology is part of the program."""
        return ["The journal needs no declaration; its tables come with `towpath db upgrade`."]

    async def check(self) -> list[str]:
        """Queues that hold messages but are not in this version's topology."""
        known = {queue.name for queue in self._store.topology.queues}
        return [
            f"{count} messages lie in queue {name}, which this version does not know and nobody takes from."
            for name, count in sorted((await self._store.depths()).items())
            if name not in known
        ]

    @property
    def healthy(self) -> bool:
        """See the seam."""
        return self._upkeep is not None and self._working

    async def close(self) -> None:
        """See the seam."""
        if self._upkeep is None:
            return
        upkeep, self._upkeep = self._upkeep, None
        upkeep.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await upkeep
        for subscription in self._subscriptions:
            await subscription.release()
        self._subscriptions.clear()

    def _route(self, message: Outgoing) -> tuple[Receipt, list[JournalEntry]]:
        if not self._router.carries(message):
            return Receipt.REFUSED, []
        try:
            headers = json.dumps(dict(message.headers))
        except (TypeError, ValueError):
            log.warning("publish_refused", reason="headers are not JSON", message_id=message.message_id)
            return Receipt.REFUSED, []
        targets = self._router.targets(message.exchange, message.routing_key)
        entries = [
            JournalEntry(
                queue=queue,
                exchange=message.exchange,
                routing_key=message.routing_key,
                body=message.body,
                message_id=message.message_id,
                content_type=message.content_type,
                headers=headers,
            )
            for queue in targets
        ]
        return (Receipt.CONFIRMED if targets else Receipt.UNROUTABLE), entries

    async def _keep_leases(self) -> None:
        while True:
            live = {taker: sub for sub in self._subscriptions if (taker := sub.taker) is not None}
            try:
                forgotten = await self._store.keep(live)
                self._working = True
            except StorageUnavailable as error:
                self._working = False
                log.warning("leases_not_renewed", reason=error.sentence)
                forgotten = set()
            for taker in forgotten:
                live[taker].lose(taker)
            await asyncio.sleep(self._store.keep_seconds)
