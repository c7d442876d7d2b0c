"""What follows from something else: the nightly redaction, the renewal before a token expires, calls that are held."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, select, update

from domain.authorization import renew_at
from domain.moments import from_micros, to_micros
from storage.channel_tables import authorizations
from storage.ledger.outward import unlock
from storage.tables import channels, schedules

REDACTION = "pii_redaction"
RENEWAL = "authorization_refresh"


def night_of(channel_id: str) -> str:
    """The period at which the personal data of a channel are erased where nobody put another: daily, at night.

    The minute is the channel's own and always the same, so that not all run at once.
    """
    minute = int.from_bytes(hashlib.blake2b(channel_id.encode(), digest_size=4).digest()) % 180
    return f"daily@{1 + minute // 60:02d}:{minute % 60:02d}"


def hold(connection: Connection, channel: str, *, held: bool, now: int) -> None:
    """Hold every call of a channel, or let them go on; its next renewal comes before its token expires."""
    connection.execute(update(channels).where(channels.c.id == channel).values(held=held))
    if not held:
        plan_renewal(connection, channel, now)
        unlock(connection, channel, "channel", now)


def plan_renewal(connection: Connection, channel: str, now: int) -> None:
    """Bring the next tick of the renewal forward to before the token expires; None stays never."""
    query = select(authorizations.c.expires_at).where(authorizations.c.channel_id == channel)
    expires_at = connection.scalar(query)
    if expires_at is None or expires_at <= now:
        return
    due = to_micros(renew_at(from_micros(expires_at), from_micros(now)))
    mine = (schedules.c.channel_id == channel) & (schedules.c.job_type == RENEWAL) & (schedules.c.next_due > due)
    connection.execute(update(schedules).where(mine).values(next_due=due))
