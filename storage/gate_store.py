"""The shared side of the gates: pace and closure of each channel, one row each (see :mod:`broker.gates`)."""

from __future__ import annotations

from sqlalchemy import Connection, select, update

from broker.gates import Reservation
from domain.moments import Clock, to_micros, utc_now
from storage.database import Database
from storage.sql import locking, upsert
from storage.tables import gates


class SqlGateStore:
    """:class:`broker.gates.GateStore` on the database."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def reserve(self, channel_id: str, count: int, per_second: float, burst: int) -> Reservation:
        """Take permits by the generic cell rate algorithm: one theoretical arrival time per channel, for all
        processes.
        """
        now = to_micros(self._clock())
        return await self._database.awrite(
            lambda connection: _reserve(connection, channel_id, count, per_second, burst, now)
        )

    async def close(self, channel_id: str, cause: str, seconds: float, strikes: int, sentence: str) -> None:
        """Close the gate for all processes; an earlier, longer closure stays."""
        until = to_micros(self._clock()) + int(seconds * 1e6)

        def work(connection: Connection) -> None:
            statement = upsert(connection, gates).values(
                channel_id=channel_id,
                arrival=0,
                closed_until=until,
                cause=cause,
                strikes=strikes,
                sentence=sentence[:500],
            )
            new = statement.excluded
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["channel_id"],
                    set_={name: new[name] for name in ("closed_until", "cause", "strikes", "sentence")},
                    where=gates.c.closed_until <= new.closed_until,
                )
            )

        await self._database.awrite(work)

    async def open(self, channel_id: str) -> None:
        """Open the gate."""
        statement = (
            update(gates)
            .where(gates.c.channel_id == channel_id)
            .values(closed_until=0, cause="", strikes=0, sentence="")
        )

        def work(connection: Connection) -> None:
            connection.execute(statement)

        await self._database.awrite(work)


def _reserve(
    connection: Connection, channel_id: str, count: int, per_second: float, burst: int, now: int
) -> Reservation:
    query = select(gates).where(gates.c.channel_id == channel_id)
    row = connection.execute(locking(connection, query)).first()
    if row is None:
        # The first of all processes that ask makes the row; the others wait for it.
        connection.execute(upsert(connection, gates).values(channel_id=channel_id).on_conflict_do_nothing())
        row = connection.execute(locking(connection, query)).one()
    if row.closed_until > now:
        return Reservation(0, closed_for=(row.closed_until - now) / 1e6, cause=row.cause, sentence=row.sentence)
    interval = 1e6 / per_second
    arrival = max(row.arrival, now)
    room = int((now + burst * interval - arrival) // interval)
    granted = max(0, min(count, room))
    if granted:
        moved = update(gates).where(gates.c.channel_id == channel_id).values(arrival=int(arrival + granted * interval))
        connection.execute(moved)
        return Reservation(granted)
    return Reservation(0, wait=max((arrival - now - (burst - 1) * interval) / 1e6, 0.001))
