"""A worker's lease: the right to hold lanes, renewed in time or lost for good."""

from __future__ import annotations

import asyncio
import time

import structlog

from broker.bell import comes
from broker.ledger import Ledger
from domain.errors import LeaseLost, StorageUnavailable
from domain.ids import new_id

log = structlog.get_logger(__name__)


class Lease:
    """Renews the lease of one worker and knows, by the monotonic clock, how much of it is left.

    ``seconds`` is the length of the lease, ``margin`` what must be left to begin another outbound call: more than a
    call can take, so that no call of ours is under way when another worker takes over.
    """

    def __init__(self, ledger: Ledger, roles: str, seconds: float = 60.0, margin: float = 35.0) -> None:
        self.worker = new_id()
        self._ledger = ledger
        self._roles = roles
        self._seconds = seconds
        self._margin = margin
        self._until = float("-inf")
        self.term = 0
        """Counts how often the lease began anew because it may have been over: what was claimed in an earlier term may
        be in somebody else's hand, however fresh the lease is now.
        """

    async def begin(self) -> None:
        """Take the lease. Raises StorageUnavailable."""
        await self._renew()

    async def keep(self, stop: asyncio.Event) -> None:
        """Renew until ``stop`` is set; a database that is away is asked again every second."""
        while not stop.is_set():
            wait = self._seconds / 4
            try:
                await self._renew()
            except StorageUnavailable as error:
                log.warning("lease_not_renewed", remaining=round(self.remaining, 1), reason=error.sentence)
                wait = 1.0
            await comes(stop, wait)

    async def _renew(self) -> None:
        asked = time.monotonic()
        await self._ledger.beat(self.worker, self._roles, self._seconds)
        if time.monotonic() >= self._until:
            self.term += 1
        self._until = asked + self._seconds

    @property
    def remaining(self) -> float:
        """Seconds left."""
        return self._until - time.monotonic()

    @property
    def sufficient(self) -> bool:
        """Whether there is time for another call."""
        return self.remaining >= self._margin

    def ensure(self, term: int) -> None:
        """Check that there is time for another call of a run whose lane was claimed in ``term``.

        Raises:
            LeaseLost: there is not, or the lease was over in the meantime; the run must stop and write nothing.
        """
        if term != self.term:
            raise LeaseLost("The lease was over for a while: another worker may have taken this lane.")
        if not self.sufficient:
            raise LeaseLost(
                f"Only {max(self.remaining, 0):.0f} s of the lease are left; {self._margin:.0f} s are needed for a "
                f"call."
            )

    async def end(self) -> None:
        """Give the lease back; what is still held becomes free at once."""
        self._until = float("-inf")
        await self._ledger.leave(self.worker)
