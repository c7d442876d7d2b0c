"""The tally of a channel's calls in the row of its gate, the days before it, and the log rows that tell of marks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, insert, select, update

from broker.breaker import WHOLE
from domain.budget import Budget, BudgetLevel, Standing, stand
from domain.budget_tally import Tally
from domain.budget_windows import Calendar
from domain.channels import Channel
from domain.ids import new_id
from domain.moments import to_micros
from storage.sql import chunks, locking, upsert
from storage.tables import call_days, gates, sync_log

BUDGET_JOB = "call_budget"
"""Stands where a job type stands in log rows about a budget."""
BUDGET_ACTOR = "budget"
COLUMNS: tuple[Column[Any], ...] = tuple(gates.c[name] for name in Tally.__slots__)
CALENDAR = Calendar()


def tally_of(row: Any) -> Tally:
    """The tally in a row that has :data:`COLUMNS`, as it was written."""
    return Tally(*(getattr(row, name) for name in Tally.__slots__))


def values_of(tally: Tally) -> dict[str, Any]:
    """The values of :data:`COLUMNS`."""
    return {name: getattr(tally, name) for name in Tally.__slots__}


def tallies(connection: Connection, channels: Sequence[Channel], now: datetime) -> dict[str, Tally]:
    """The tally of each channel as it stands at a moment, by channel id."""
    found: dict[str, Tally] = {}
    for part in chunks([channel.id for channel in channels]):
        query = select(gates.c.channel_id, *COLUMNS).where(gates.c.channel_id.in_(part), gates.c.operation == WHOLE)
        found |= {row.channel_id: tally_of(row) for row in connection.execute(query)}
    return {
        channel.id: found.get(channel.id, Tally()).at(CALENDAR.windows(now, channel.settings.timezone), now)
        for channel in channels
    }


def standing_of(channel: Channel, tally: Tally, now: datetime) -> Standing:
    """How a channel's budget stands; one without any limit where none is set."""
    return stand(channel.settings.budget or Budget(), tally.usage(now), now, channel.settings.timezone)


def turn(connection: Connection, channel: Channel, before: Tally, now: datetime) -> Tally:
    """The tally at this moment; the count of a day that is over is kept."""
    tally = before.at(CALENDAR.windows(now, channel.settings.timezone), now)
    if tally.day != before.day and before.day_calls:
        statement = upsert(connection, call_days).values(channel_id=channel.id, day=before.day, calls=before.day_calls)
        kept = {"calls": statement.excluded.calls}
        connection.execute(statement.on_conflict_do_update(index_elements=["channel_id", "day"], set_=kept))
    return tally


def tell(connection: Connection, channel: Channel, budget: Budget, tally: Tally, now: datetime) -> Tally:
    """Write one row of the sync log where a mark is passed that was not told of yet; the tally that remembers that."""
    told = tally.told(budget)
    if told != tally:
        standing = stand(budget, tally.usage(now), now, channel.settings.timezone)
        level = "Error" if standing.level is BudgetLevel.SPENT else "Warning"
        write_line(connection, channel, f"budget_{standing.level}", level, standing.sentence, now)
    return told


def write_line(
    connection: Connection,
    channel: Channel,
    code: str,
    level: str,
    sentence: str,
    now: datetime,
    whose: tuple[str, str] = (BUDGET_JOB, BUDGET_ACTOR),
) -> None:
    """A row of the sync log about the budget of a channel, or what else slows its polling; no message belongs to it.

    ``whose`` are the job and the actor.
    """
    job, actor = whose
    at = to_micros(now)
    values = {
        "id": new_id(), "account_id": channel.account_id, "channel_id": channel.id, "delivery_id": "", "message_id": "",
        "started_at": at, "finished_at": at, "job_type": job, "trigger": "event", "business_key": "",
        "attempt": 0, "outcome": "Done", "level": level, "code": code, "sentence": sentence, "counts": {}, "calls": [],
        "call_count": 0, "actor": actor,
    }  # fmt: skip
    connection.execute(insert(sync_log).values(**values))


def spend(connection: Connection, channel: Channel, calls: int, now: datetime) -> None:
    """Count calls that no permit was asked for, or (negative) that were not made after all."""
    connection.execute(upsert(connection, gates).values(channel_id=channel.id).on_conflict_do_nothing())
    mine = (gates.c.channel_id == channel.id) & (gates.c.operation == WHOLE)
    row = connection.execute(locking(connection, select(*COLUMNS).where(mine))).one()
    tally = turn(connection, channel, tally_of(row), now).plus(calls)
    if channel.settings.budget is not None:
        tally = tell(connection, channel, channel.settings.budget, tally, now)
    connection.execute(update(gates).where(mine).values(**values_of(tally)))


def give_back(connection: Connection, channel_id: str, day: int, calls: int) -> None:
    """Take back the count of permits that were asked for on a day and not used; too late when that day is over."""
    same_day = (gates.c.channel_id == channel_id) & (gates.c.operation == WHOLE) & (gates.c.day == day)
    row = connection.execute(locking(connection, select(*COLUMNS).where(same_day))).first()
    if row is not None:
        tally = tally_of(row).plus(-calls)
        connection.execute(update(gates).where(same_day).values(**values_of(tally)))
