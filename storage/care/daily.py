"""Schedules that follow from something else: the daily redaction, the renewal before a token expires."""

from __future__ import annotations

import hashlib

from sqlalchemy import Connection, select, update

from domain.authorization import renew_at
from domain.ids import new_id
from domain.moments import from_micros, to_micros
from domain.periods import Period, next_due
from storage.channel_tables import authorizations
from storage.sql import upsert
from storage.tables import accounts, channels, schedules

REDACTION = "pii_redaction"
RENEWAL = "authorization_refresh"


def run_daily(connection: Connection, channel_id: str, now: int) -> None:
    """Let the redaction of a channel run daily, at night in the account's time, where nobody has set a period for it.

    The minute is the channel's own and always the same, so that not all run at once.
    """
    query = select(channels.c.account_id, accounts.c.timezone).join(accounts, accounts.c.id == channels.c.account_id)
    row = connection.execute(query.where(channels.c.id == channel_id)).one()
    minute = int.from_bytes(hashlib.blake2b(channel_id.encode(), digest_size=4).digest()) % 180
    period = Period(f"daily@{1 + minute // 60:02d}:{minute % 60:02d}")
    made = new_id()
    due = next_due(period, from_micros(now), schedule_id=made, timezone=row.timezone)
    statement = upsert(connection, schedules).values(
        id=made,
        account_id=row.account_id,
        channel_id=channel_id,
        job_type=REDACTION,
        period=period.text,
        next_due=to_micros(due) if due else None,
    )
    connection.execute(statement.on_conflict_do_nothing(index_elements=["channel_id", "job_type"]))


def plan_renewal(connection: Connection, channel: str, now: int) -> None:
    """Bring the next tick of the renewal forward to before the token expires; None stays never."""
    query = select(authorizations.c.expires_at).where(authorizations.c.channel_id == channel)
    expires_at = connection.scalar(query)
    if expires_at is None or expires_at <= now:
        return
    due = to_micros(renew_at(from_micros(expires_at), from_micros(now)))
    mine = (schedules.c.channel_id == channel) & (schedules.c.job_type == RENEWAL) & (schedules.c.next_due > due)
    connection.execute(update(schedules).where(mine).values(next_due=due))
