"""How long personal data stay, and the daily run of the job that erases them."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from broker.operations.care import ChannelRetention, Retention
from domain.access import Place
from domain.errors import InputError
from domain.privacy import MOST_DAYS, Threshold
from storage.care.daily import REDACTION, run_daily
from storage.people.audit import Change, append
from storage.sql import locking
from storage.tables import accounts, channels, schedules


def retention(connection: Connection, account_id: str, account: str) -> Retention:
    """What counts in an account."""
    days = connection.scalar(select(accounts.c.pii_retention_days).where(accounts.c.id == account_id))
    joined = (schedules.c.channel_id == channels.c.id) & (schedules.c.job_type == REDACTION)
    query = select(channels.c.code, channels.c.settings, schedules.c.period)
    query = query.select_from(channels.outerjoin(schedules, joined)).where(channels.c.account_id == account_id)
    found = []
    for row in connection.execute(query.order_by(channels.c.code)):
        own = row.settings.get("pii_retention_days")
        found.append(ChannelRetention(row.code, own, Threshold(own, days).days, row.period or "none"))
    return Retention(account, days, tuple(found))


def set_account_days(
    connection: Connection, place: Place, account: str, days: int | None, now: int, actor: str
) -> None:
    """Set the account's days; its channels' redaction is set to run daily where it has no period yet.

    Raises:
        InputError: no such number of days can be.
    """
    check_days(days)
    before = connection.scalar(
        locking(connection, select(accounts.c.pii_retention_days).where(accounts.c.id == place.account_id))
    )
    connection.execute(update(accounts).where(accounts.c.id == place.account_id).values(pii_retention_days=days))
    if days is not None:
        for each in connection.scalars(select(channels.c.id).where(channels.c.account_id == place.account_id)).all():
            run_daily(connection, each, now)
    detail = {"pii_retention_days": {"before": before, "after": days}}
    append(connection, Change(actor, "account.changed", f"account:{account}", place, detail), now)


def check_days(days: int | None) -> None:
    """Check that a threshold can be.

    Raises:
        InputError: less than none, or more than a hundred years.
    """
    if days is not None and not 0 <= days <= MOST_DAYS:
        raise InputError(
            f"The PII retention threshold is 0 to {MOST_DAYS} days, or none to keep.", code="bad_retention"
        )
