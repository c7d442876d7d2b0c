"""The timer: due schedules become ticks. Any number of timers may run; a due instant is fired once."""

from __future__ import annotations

import asyncio

import structlog

from broker.bell import Bell, comes
from broker.ledger import Ledger
from broker.meters import Meters
from domain.errors import StorageUnavailable

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.5
BATCH = 1_000


class Timer:
    """Fires due schedules until told to stop."""

    def __init__(self, ledger: Ledger, meters: Meters, bell: Bell) -> None:
        self._ledger = ledger
        self._meters = meters
        self._bell = bell

    async def run(self, stop: asyncio.Event) -> None:
        """Look every half second, at once again while a full batch was due."""
        while not stop.is_set():
            fired = 0
            try:
                fired = await self._ledger.fire_due(BATCH)
            except StorageUnavailable as error:
                log.warning("timer_waits", reason=error.sentence)
            if fired:
                self._meters.ticks.inc(fired)
                self._bell.ring()
            if fired < BATCH:
                await comes(stop, POLL_SECONDS)
