"""The shared side of the gates: pace and closure of each channel in one row, each closed operation of it in another
(see :mod:`broker.gates`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, select, update

from broker.breaker import WHOLE, Closure
from broker.gates import Hold, Reservation, Spending
from domain.budget import Budget, reserve, stand
from domain.budget_tally import Tally
from domain.moments import Clock, to_micros, utc_now
from storage.database import Database
from storage.sql import locking, upsert
from storage.tables import channels, gates
from storage.tally_rows import give_back, tally_of, tell, turn, values_of

_own, _closed = gates.alias("own"), gates.alias("closed")
PROCESSES = 4
"""About so many share the calls of a channel; where there are more, the last calls of a budget go to fewer of them."""


class SqlGateStore:
    """:class:`broker.gates.GateStore` on the database."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def reserve(
        self, channel_id: str, count: int, per_second: float, burst: int, spending: Spending | None = None
    ) -> Reservation:
        """Take permits by the generic cell rate algorithm: one theoretical arrival time per channel, for all
        processes. What is closed comes with the same query, and the calls are counted in the same statement.
        """
        now = self._clock()
        asked = _Asked(channel_id, count, per_second, burst, spending)
        return await self._database.awrite(lambda connection: _reserve(connection, asked, now))

    async def give_back(self, unused: Sequence[tuple[str, int, int]]) -> None:
        """Count permits no more that were not used."""

        def work(connection: Connection) -> None:
            for channel_id, day, calls in unused:
                give_back(connection, channel_id, day, calls)

        await self._database.awrite(work)

    async def close(self, channel_id: str, closure: Closure, token_version: int | None = None) -> None:
        """Close the gate for all processes; an earlier, longer closure stays."""
        until = to_micros(self._clock()) + int(closure.seconds * 1e6)

        def work(connection: Connection) -> None:
            if token_version is not None and _token_version(connection, channel_id) not in (None, token_version):
                return
            statement = upsert(connection, gates).values(
                channel_id=channel_id,
                operation=closure.operation,
                arrival=0,
                closed_until=until,
                cause=closure.cause,
                strikes=closure.closings,
                sentence=closure.sentence[:500],
            )
            new = statement.excluded
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["channel_id", "operation"],
                    set_={name: new[name] for name in ("closed_until", "cause", "strikes", "sentence")},
                    where=gates.c.closed_until <= new.closed_until,
                )
            )

        await self._database.awrite(work)

    async def open(self, channel_id: str, operation: str) -> None:
        """Open what was closed. The row of an operation goes; that of the channel keeps its pace."""
        which = and_(gates.c.channel_id == channel_id, gates.c.operation == operation)
        opened = update(gates).where(which).values(closed_until=0, cause="", strikes=0, sentence="")
        statement = opened if operation == WHOLE else delete(gates).where(which)

        def work(connection: Connection) -> None:
            connection.execute(statement)

        await self._database.awrite(work)


def _token_version(connection: Connection, channel_id: str) -> int | None:
    query = select(channels.c.token_version).where(channels.c.id == channel_id)
    found: int | None = connection.scalar(locking(connection, query))
    return found


def _rows(connection: Connection, channel_id: str, now: int) -> Select[Any]:
    """The channel's own row, locked where the database has row locks, once for each row of it that is closed."""
    shut = and_(_closed.c.channel_id == _own.c.channel_id, _closed.c.closed_until > now)
    query = (
        select(
            _own.c.arrival,
            _own.c.closed_until,
            _own.c.cause,
            _own.c.sentence,
            _own.c.strikes,
            *(_own.c[name] for name in Tally.__slots__),
            _closed.c.operation.label("of"),
            _closed.c.closed_until.label("of_until"),
            _closed.c.cause.label("of_cause"),
            _closed.c.sentence.label("of_sentence"),
            _closed.c.strikes.label("of_strikes"),
        )
        .select_from(_own.outerjoin(_closed, shut))
        .where(_own.c.channel_id == channel_id, _own.c.operation == WHOLE)
    )
    return query.with_for_update(of=_own) if connection.dialect.name == "postgresql" else query


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a reservation asks for; see :class:`broker.gates.GateStore`."""

    channel_id: str
    count: int
    per_second: float
    burst: int
    spending: Spending | None


def _reserve(connection: Connection, asked: _Asked, at: datetime) -> Reservation:
    now = to_micros(at)
    query = _rows(connection, asked.channel_id, now)
    rows = connection.execute(query).all()
    if not rows:
        # The first of all processes that ask makes the row; the others wait for it.
        connection.execute(upsert(connection, gates).values(channel_id=asked.channel_id).on_conflict_do_nothing())
        rows = connection.execute(query).all()
    row = rows[0]
    before = tally_of(row)
    tally = before if asked.spending is None else _counted(connection, asked.spending, before, at)
    if row.closed_until > now:
        _write(connection, asked, {}, before, tally)
        left = (row.closed_until - now) / 1e6
        closure = Closure(row.cause, left, row.sentence, closings=row.strikes)
        return Reservation(0, closures=(closure,), day=tally.day)
    closures = tuple(_closure(each, now) for each in rows if each.of is not None)
    interval = 1e6 / asked.per_second
    arrival = max(row.arrival, now)
    room = max(0, min(asked.count, int((now + asked.burst * interval - arrival) // interval)))
    hold = None
    if asked.spending is not None and asked.spending.channel.settings.budget is not None:
        room, hold = _affordable(asked.spending, asked.spending.channel.settings.budget, tally, room, at)
        # A budget that was set or lowered can be used up before anything is granted under it.
        tally = _told(connection, asked.spending, tally, at) if hold is not None else tally
    if room:
        granted = tally if asked.spending is None else _told(connection, asked.spending, tally.plus(room), at)
        _write(connection, asked, {"arrival": int(arrival + room * interval)}, before, granted)
        return Reservation(room, closures=closures, day=tally.day)
    _write(connection, asked, {}, before, tally)
    wait = max((arrival - now - (asked.burst - 1) * interval) / 1e6, 0.001)
    return Reservation(0, wait, closures, tally.day, hold)


def _counted(connection: Connection, spending: Spending, before: Tally, at: datetime) -> Tally:
    """The tally at this moment, without what is given back."""
    tally = turn(connection, spending.channel, before, at)
    return tally.plus(-spending.unused) if spending.unused and spending.day == tally.day else tally


def _affordable(spending: Spending, budget: Budget, tally: Tally, room: int, at: datetime) -> tuple[int, Hold | None]:
    """How many of so many calls the budget leaves to a class; why none."""
    left = tally.left(budget, spending.call_class)
    if left is None:
        return min(room, 1), None
    if left:
        return min(room, reserve(left, PROCESSES)), None
    standing = stand(budget, tally.usage(at), at, spending.channel.settings.timezone)
    until = standing.classes[spending.call_class].until
    # With nothing left there always is a window that ends.
    return 0, Hold(((until or at) - at).total_seconds(), standing.sentence)


def _told(connection: Connection, spending: Spending, tally: Tally, at: datetime) -> Tally:
    budget = spending.channel.settings.budget
    return tally if budget is None else tell(connection, spending.channel, budget, tally, at)


def _write(connection: Connection, asked: _Asked, values: dict[str, Any], before: Tally, tally: Tally) -> None:
    """Write what changed of the channel's own row, in one statement."""
    if tally != before:
        values |= values_of(tally)
    if values:
        mine = update(gates).where(gates.c.channel_id == asked.channel_id, gates.c.operation == WHOLE)
        connection.execute(mine.values(**values))


def _closure(row: Row[Any], now: int) -> Closure:
    return Closure(row.of_cause, (row.of_until - now) / 1e6, row.of_sentence, row.of, row.of_strikes)
