"""The shared side of the gates: pace and closure of each channel in one row, each closed operation of it in another
(see :mod:`broker.gates`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, Select, and_, delete, select, update

from broker.breaker import WHOLE, Closure
from broker.gates import Reservation
from domain.moments import Clock, to_micros, utc_now
from storage.database import Database
from storage.sql import locking, upsert
from storage.tables import channels, gates

_own, _closed = gates.alias("own"), gates.alias("closed")


class SqlGateStore:
    """:class:`broker.gates.GateStore` on the database."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def reserve(self, channel_id: str, count: int, per_second: float, burst: int) -> Reservation:
        """Take permits by the generic cell rate algorithm: one theoretical arrival time per channel, for all
        processes. What is closed comes with the same query.
        """
        now = to_micros(self._clock())
        return await self._database.awrite(
            lambda connection: _reserve(connection, channel_id, count, per_second, burst, now)
        )

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


def _reserve(
    connection: Connection, channel_id: str, count: int, per_second: float, burst: int, now: int
) -> Reservation:
    query = _rows(connection, channel_id, now)
    rows = connection.execute(query).all()
    if not rows:
        # The first of all processes that ask makes the row; the others wait for it.
        connection.execute(upsert(connection, gates).values(channel_id=channel_id).on_conflict_do_nothing())
        rows = connection.execute(query).all()
    row = rows[0]
    if row.closed_until > now:
        left = (row.closed_until - now) / 1e6
        return Reservation(0, closures=(Closure(row.cause, left, row.sentence, closings=row.strikes),))
    closures = tuple(_closure(each, now) for each in rows if each.of is not None)
    interval = 1e6 / per_second
    arrival = max(row.arrival, now)
    room = int((now + burst * interval - arrival) // interval)
    granted = max(0, min(count, room))
    if granted:
        moved = update(gates).where(gates.c.channel_id == channel_id, gates.c.operation == WHOLE)
        connection.execute(moved.values(arrival=int(arrival + granted * interval)))
        return Reservation(granted, closures=closures)
    return Reservation(0, wait=max((arrival - now - (burst - 1) * interval) / 1e6, 0.001), closures=closures)


def _closure(row: Row[Any], now: int) -> Closure:
    return Closure(row.of_cause, (row.of_until - now) / 1e6, row.of_sentence, row.of, row.of_strikes)
