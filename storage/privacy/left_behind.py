"""Erasing for accounts without a channel, for which no job runs: what their deleted channels left, and what came from
no channel at all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, Row, Select, and_, exists, func, insert, or_, select, update

from broker.privacy import AccountTurn, Erased
from domain.channels import Channel, ChannelSettings
from domain.ids import new_id
from domain.moments import Clock, from_micros, to_micros, utc_now
from domain.periods import Period, next_due
from domain.synclog import Level, Trigger
from storage.care.daily import REDACTION, night_of
from storage.database import Database
from storage.privacy.eraser import erase_orders, erase_strays
from storage.privacy.strays import RETENTION, Group, deleted_channels, erase_rejections
from storage.privacy.traces import wipe
from storage.sql import upsert
from storage.tables import accounts, channels, cursors, sync_log

TURN = "account_redaction"
"""The name of the cursor that holds when an account is due; not one of those that are looked through anew."""
LEASE = 900_000_000
"""Microseconds after which another timer takes a turn whose timer died."""


class SqlAccountEraser:
    """:class:`broker.privacy.AccountEraser` on the database."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    def _now(self) -> int:
        return to_micros(self._clock())

    async def begin(self) -> AccountTurn | None:
        """Take the turn of an account that is due; nothing is written where none is."""
        now = self._now()
        row = await self._database.aanswer(lambda connection: connection.execute(_due(now)).first())
        if row is None or not await self._database.awrite(lambda connection: _take(connection, row.id, now)):
            return None
        return AccountTurn(row.id, row.code)

    async def erase(self, turn: AccountTurn) -> Erased:
        """Erase a bounded part of what is due, in one transaction."""
        now = self._now()
        return await self._database.awrite(lambda connection: erase(connection, turn, now))

    async def wipe(self) -> bool:
        """Overwrite what the database file still has of what was erased."""
        return await wipe(self._database)

    async def end(self, turn: AccountTurn, done: Erased, *, wiped: bool) -> None:
        """Write what was done into the sync log, and when the account is due again."""
        now = self._now()
        await self._database.awrite(lambda connection: _end(connection, turn, done, wiped, now))


def _due(now: int) -> Select[Any]:
    """An account without a channel, of which a threshold counts for something, and whose night it is."""
    mine = channels.c.account_id == accounts.c.id
    kept_to = channels.c.settings[RETENTION].as_integer().is_not(None)
    joined = accounts.outerjoin(cursors, and_(cursors.c.channel_id == accounts.c.id, cursors.c.job_type == TURN))
    due = func.coalesce(cursors.c.until, 0)
    return (
        select(accounts.c.id, accounts.c.code)
        .select_from(joined)
        .where(
            ~exists().where(mine, channels.c.deleted_at.is_(None)),
            or_(accounts.c.pii_retention_days.is_not(None), exists().where(mine, kept_to)),
            due <= now,
        )
        .order_by(due, accounts.c.id)
        .limit(1)
    )


def _take(connection: Connection, account_id: str, now: int) -> bool:
    """Whether this timer, and no other, has the turn now."""
    statement = upsert(connection, cursors).values(channel_id=account_id, job_type=TURN, until=now + LEASE)
    free = cursors.c.until <= now
    taken = statement.on_conflict_do_update(
        index_elements=["channel_id", "job_type"], set_={"until": now + LEASE}, where=free
    )
    return connection.execute(taken.returning(cursors.c.channel_id)).first() is not None


def erase(connection: Connection, turn: AccountTurn, now: int) -> Erased:
    """One step of the erasing for an account: orders of its deleted channels, then what no order leads to."""
    gone = deleted_channels(connection, turn.account_id)
    for made, code, days in gone:
        done = erase_orders(connection, _stand_in(turn, made, code), days, now)
        if done != Erased():
            return replace(done, more=True)
    groups = _groups(connection, turn, gone)
    done = erase_strays(connection, groups, now)
    if groups and not done.more:
        # A rejected message names no channel for sure, so the strictest threshold of its account counts.
        done += erase_rejections(connection, turn.account, min(group.days for group in groups), now)
    return done


def _stand_in(turn: AccountTurn, channel_id: str, code: str) -> Channel:
    """A deleted channel, as far as erasing asks for it."""
    return Channel(
        channel_id,
        turn.account_id,
        turn.account,
        code,
        name="",
        platform="",
        domain="",
        token=SecretStr(""),
        enabled=False,
        settings=ChannelSettings(),
    )


def _groups(connection: Connection, turn: AccountTurn, gone: Sequence[tuple[str, str, int]]) -> list[Group]:
    """A group for each threshold that counted when a channel was deleted, and one for that of the account."""
    query = select(accounts.c.pii_retention_days).where(accounts.c.id == turn.account_id)
    account_days = connection.scalar(query)
    codes: defaultdict[int, list[str]] = defaultdict(list)
    for _, code, days in gone:
        codes[days].append(code)
    wanted = codes.keys() | ({account_days} if account_days is not None else set())
    return [
        Group(turn.account_id, days, tuple(sorted(codes.get(days, ()))), days == account_days)
        for days in sorted(wanted)
    ]


def _end(connection: Connection, turn: AccountTurn, done: Erased, wiped: bool, now: int) -> None:
    account = connection.execute(select(accounts).where(accounts.c.id == turn.account_id)).one()
    _tell(connection, account, done, wiped, now)
    night = next_due(Period(night_of(account.id)), from_micros(now), schedule_id=account.id, timezone=account.timezone)
    until = now if done.more or night is None else to_micros(night)
    here = (cursors.c.channel_id == account.id) & (cursors.c.job_type == TURN)
    connection.execute(update(cursors).where(here).values(until=until))


def _tell(connection: Connection, account: Row[Any], done: Erased, wiped: bool, now: int) -> None:
    """A row of the sync log under the channel that was deleted last; an account that never had one has no such log."""
    query = select(channels.c.id).where(channels.c.account_id == account.id, channels.c.deleted_at.is_not(None))
    last = connection.scalar(query.order_by(channels.c.deleted_at.desc(), channels.c.id).limit(1))
    if last is None:
        return
    connection.execute(
        insert(sync_log).values(
            id=new_id(), account_id=account.id, channel_id=last, delivery_id="", message_id="", started_at=now,
            finished_at=now, job_type=REDACTION, trigger=str(Trigger.SCHEDULE), business_key=REDACTION, attempt=0,
            outcome="Done", level=str(Level.INFO if wiped else Level.WARNING), code="ok" if wiped else "log_in_use",
            sentence=f"The account has no channel left. {done.told('their threshold', wiped=wiped)}",
            counts={"updated": done.orders} if done.orders else {}, calls=[], call_count=0, actor="",
        )
    )  # fmt: skip
