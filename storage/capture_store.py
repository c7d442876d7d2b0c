"""What manual logging keeps, and its end.

``business_key`` of a row is the order number where the call says it, else that of its delivery: by it the rows of an
order are found when its personal data must go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert

from broker.ledger import Claim
from domain.captures import KEPT, Capture
from domain.ids import new_id
from domain.moments import Clock, to_micros, utc_now
from storage.capture_tables import call_captures
from storage.database import Database


class SqlCaptureStore:
    """:class:`broker.recording.CaptureStore` on the database."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, claim: Claim, captures: Sequence[Capture]) -> None:
        """Keep what a run's calls asked and answered; what is too old goes with it."""
        now = to_micros(self._clock())
        rows = [_row_of(claim, each) for each in captures]

        def work(connection: Connection) -> None:
            purge(connection, now)
            if rows:
                connection.execute(insert(call_captures), rows)

        await self._database.awrite(work)

    async def purge(self) -> int:
        """Delete what was kept for its time; how many captures. Raises StorageUnavailable."""
        now = to_micros(self._clock())
        return await self._database.awrite(lambda connection: purge(connection, now))


def purge(connection: Connection, now: int) -> int:
    """Delete captures whose time is over; how many."""
    return connection.execute(delete(call_captures).where(call_captures.c.expires_at <= now)).rowcount


def _row_of(claim: Claim, capture: Capture) -> dict[str, Any]:
    first = claim.deliveries[0]
    at = to_micros(capture.at)
    return {
        "id": new_id(),
        "account_id": first.account_id,
        "channel_id": first.channel_id,
        "job_type": first.job_type,
        "delivery_id": first.id,
        "message_id": first.message_id,
        "business_key": capture.order or first.business_key,
        "about": capture.about,
        "at": at,
        "expires_at": to_micros(capture.at + KEPT),
        "method": capture.method,
        "path": capture.path,
        "status": capture.status,
        "request": capture.request,
        "response": capture.response,
    }
