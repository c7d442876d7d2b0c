"""Thresholds that were put before version 0010 count for their account, and have a nightly job."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_RETENTION, _JOB = "pii_retention_days", "pii_redaction"

_accounts = sa.table(
    "accounts",
    sa.column("id", sa.String()),
    sa.column("timezone", sa.String()),
    sa.column(_RETENTION, sa.Integer()),
)
_channels = sa.table(
    "channels",
    sa.column("id", sa.String()),
    sa.column("account_id", sa.String()),
    sa.column("settings", sa.JSON()),
    sa.column("deleted_at", sa.BigInteger()),
)
_own = sa.table("own_settings", sa.column("owner_id", sa.String()), sa.column("chosen", sa.JSON()))
_cursors = sa.table("cursors", sa.column("channel_id", sa.String()), sa.column("job_type", sa.String()))
_schedules = sa.table(
    "schedules",
    sa.column("id", sa.String()),
    sa.column("account_id", sa.String()),
    sa.column("channel_id", sa.String()),
    sa.column("job_type", sa.String()),
    sa.column("period", sa.String()),
    sa.column("next_due", sa.BigInteger()),
)


def upgrade() -> None:
    connection = op.get_bind()
    _carry_thresholds(connection)
    _plan_nights(connection)


def _carry_thresholds(connection: sa.Connection) -> None:
    """What stands among the settings that were put on an account goes into its own column, where it is read."""
    query = sa.select(_accounts.c.id, _accounts.c[_RETENTION], _own.c.chosen).join(
        _own, _own.c.owner_id == _accounts.c.id
    )
    for row in connection.execute(query).all():
        if _RETENTION not in row.chosen:
            continue
        left = {name: value for name, value in row.chosen.items() if name != _RETENTION}
        connection.execute(sa.update(_own).where(_own.c.owner_id == row.id).values(chosen=left))
        if row.pii_retention_days is None:
            here = _accounts.c.id == row.id
            connection.execute(sa.update(_accounts).where(here).values({_RETENTION: row.chosen[_RETENTION]}))
            # The account's threshold covers what names no channel: all its events are looked through anew.
            looked = (_cursors.c.channel_id == row.id) & _cursors.c.job_type.startswith("pii/")
            connection.execute(sa.delete(_cursors).where(looked))


def _plan_nights(connection: sa.Connection) -> None:
    """Channels for which a threshold counts have the job that erases, unless somebody put a period."""
    chosen = {row.owner_id: row.chosen for row in connection.execute(sa.select(_own))}
    planned = sa.exists().where(_schedules.c.channel_id == _channels.c.id, _schedules.c.job_type == _JOB)
    query = sa.select(_channels, _accounts.c.timezone).join(_accounts, _accounts.c.id == _channels.c.account_id)
    for row in connection.execute(query.where(_channels.c.deleted_at.is_(None), ~planned)).all():
        if row.settings.get(_RETENTION) is None or _has_period(chosen, row):
            continue
        at = _night_of(row.id)
        connection.execute(
            sa.insert(_schedules).values(
                id=str(uuid.uuid4()),
                account_id=row.account_id,
                channel_id=row.id,
                job_type=_JOB,
                period=f"daily@{at:%H:%M}",
                next_due=_next(at, row.timezone),
            )
        )


def _has_period(chosen: Mapping[str, Mapping[str, Any]], row: Any) -> bool:
    return any(f"period.{_JOB}" in chosen.get(owner, {}) for owner in (row.id, row.account_id))


def _night_of(channel_id: str) -> time:
    """The minute at night that is the channel's own."""
    minute = int.from_bytes(hashlib.blake2b(channel_id.encode(), digest_size=4).digest()) % 180
    return time(1 + minute // 60, minute % 60)


def _next(at: time, timezone: str) -> int:
    """Microseconds at which the wall clock of the account shows this the next time."""
    zone = ZoneInfo(timezone)
    now = datetime.now(zone)
    due = datetime.combine(now.date(), at, tzinfo=zone)
    if due <= now:
        due = datetime.combine(now.date() + timedelta(days=1), at, tzinfo=zone)
    return (due.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def downgrade() -> None:
    """Nothing: version 0010 reads what this wrote."""
