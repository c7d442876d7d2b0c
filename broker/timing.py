"""The timer: due schedules become ticks. Any number of timers may run; a due instant is fired once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from broker.bell import Bell, comes
from broker.ledger import Ledger
from broker.meters import Meters
from domain.errors import StorageUnavailable

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5
PURGE_SECONDS = 600.0
"""How often what was kept for a time is looked through for what is too old."""
BATCH = 1_000


class Timer:
    """Fires due schedules until told to stop; now and then it lets ``purge`` delete what was kept for its time."""

    def __init__(
        self, ledger: Ledger, meters: Meters, bell: Bell, purge: Callable[[], Awaitable[int]] | None = None
    ) -> None:
        self._ledger = ledger
        self._meters = meters
        self._bell = bell
        self._purge = purge
        self._purged_at = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Look every half second, at once again while a full batch was due."""
        while not stop.is_set():
            fired = 0
            try:
                fired = await self._ledger.fire_due(BATCH)
                await self._delete_old()
            except StorageUnavailable as error:
                log.warning("timer_waits", reason=error.sentence)
            if fired:
                self._meters.ticks.inc(fired)
                self._bell.ring()
            if fired < BATCH:
                await comes(stop, POLL_SECONDS)

    async def _delete_old(self) -> None:
        if self._purge is not None and time.monotonic() - self._purged_at > PURGE_SECONDS:
            self._purged_at = time.monotonic()
            if count := await self._purge():
                log.info("captures_purged", count=count)
