"""How long personal data stay, as the settings say it, and when the job that erases them runs."""

from __future__ import annotations

from sqlalchemy import Connection, select

from broker.operations.care import ChannelRetention, Retention
from domain.periods import NEVER
from storage.care.daily import REDACTION
from storage.settings_tables import own_settings
from storage.tables import accounts, channels, schedules

_NAME = "pii_retention_days"


def retention(connection: Connection, account_id: str, account: str) -> Retention:
    """What counts in an account."""
    days = connection.scalar(select(accounts.c.pii_retention_days).where(accounts.c.id == account_id))
    scheduled = (schedules.c.channel_id == channels.c.id) & (schedules.c.job_type == REDACTION)
    joined = channels.outerjoin(schedules, scheduled).outerjoin(own_settings, own_settings.c.owner_id == channels.c.id)
    query = select(channels.c.code, channels.c.settings, own_settings.c.chosen, schedules.c.period).select_from(joined)
    mine = query.where(channels.c.account_id == account_id, channels.c.deleted_at.is_(None))
    found = [
        ChannelRetention(row.code, (row.chosen or {}).get(_NAME), row.settings.get(_NAME), row.period or NEVER.text)
        for row in connection.execute(mine.order_by(channels.c.code))
    ]
    return Retention(account, days, tuple(found))
