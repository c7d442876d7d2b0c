"""From what was put to what counts: the settings that workers read, and the schedules of the jobs.

Both are written whenever something that they come from changes, so that nobody who runs deliveries ever puts them
together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from domain.ids import new_id
from domain.moments import from_micros, to_micros
from domain.periods import NEVER, Period, next_due
from domain.product_source import EVENT_JOB, PRODUCT_JOBS, source_refusal
from domain.setting_fields import PERIOD
from domain.settings import Effective, settings_of
from domain.synclog import Level, Trigger
from storage.care.daily import RENEWAL, hold
from storage.privacy.cursors import look_again
from storage.sql import upsert
from storage.tables import channels, schedules, sync_log

RETENTION = "pii_retention_days"


def defaults_of(account: Row[Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What an account's settings give to its channels, by name."""
    days = account.pii_retention_days
    given = {"timezone": account.timezone} if days is None else {"timezone": account.timezone, RETENTION: days}
    return {**chosen, **given}


def write_settings(connection: Connection, channel_id: str, values: Mapping[str, Effective]) -> dict[str, Any]:
    """Write the settings of a channel that count; they are returned as they stand in the row.

    Raises:
        InputError: they cannot be, as a whole.
    """
    made = settings_of({name: each.value for name, each in values.items()}).model_dump(mode="json")
    query = select(channels.c.account_id, channels.c.settings).where(channels.c.id == channel_id)
    before = connection.execute(query).one()
    if before.settings.get(RETENTION) != made[RETENTION]:
        look_again(connection, before.account_id)
    connection.execute(update(channels).where(channels.c.id == channel_id).values(settings=made))
    return made


def write_periods(
    connection: Connection,
    channel: Row[Any],
    account: Row[Any],
    periods: Mapping[str, str],
    now: int,
) -> None:
    """Write the schedules of these jobs; the next due instant of each lies after ``now``, so none fires retroactively.

    A job that contradicts the account's source of products keeps its period and is never due. Without a period for
    *Authorization Refresh* every call of a channel whose token is renewed is held (sales channels, section 3).
    """
    for job, text in periods.items():
        query = select(schedules.c.id).where(schedules.c.channel_id == channel.id, schedules.c.job_type == job)
        made = connection.scalar(query) or new_id()
        refused = source_refusal(account.product_source, job, channel.id, channel.code)
        following = next_due(Period(text), from_micros(now), schedule_id=made, timezone=account.timezone)
        values = {"period": text, "next_due": to_micros(following) if following and refused is None else None}
        statement = upsert(connection, schedules).values(
            id=made, account_id=account.id, channel_id=channel.id, job_type=job, last_due=None, **values
        )
        connection.execute(statement.on_conflict_do_update(index_elements=["channel_id", "job_type"], set_=values))
        if job == RENEWAL and channel.renews:
            hold(connection, channel.id, held=Period(text).never, now=now)


def periods_of(values: Mapping[str, Effective]) -> dict[str, str]:
    """The periods that count, by job."""
    return {name.removeprefix(PERIOD): each.value for name, each in values.items() if name.startswith(PERIOD)}


def changed_periods(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Those of ``after`` that were others."""
    return {job: text for job, text in after.items() if before.get(job, NEVER.text) != text}


def tell_suppressed(
    connection: Connection, channel: Row[Any], sources: tuple[str, str], periods: Mapping[str, str], by: tuple[str, int]
) -> None:
    """One line of the sync log for each job of a channel that went on until the source of products changed.

    ``sources`` are the one before and the one now; ``by`` is who changed it, and when. An import that had no period
    was not going on; products are exported whenever the OMS changes one.
    """
    actor, now = by
    for job in PRODUCT_JOBS:
        before, after = (source_refusal(source, job, channel.id, channel.code) for source in sources)
        idle = job != EVENT_JOB and periods.get(job, NEVER.text) == NEVER.text
        if after is None or before is not None or idle:
            continue
        connection.execute(
            insert(sync_log).values(
                id=new_id(), account_id=channel.account_id, channel_id=channel.id, delivery_id="", message_id="",
                started_at=now, finished_at=now, job_type=job, trigger=str(Trigger.MANUAL), business_key=job,
                attempt=0, outcome="Skipped", level=str(Level.WARNING), code="not_product_source",
                sentence=f"{after} Until then this job is suppressed, and told here this once.", counts={}, calls=[],
                call_count=0, actor=actor[:64],
            )
        )  # fmt: skip
