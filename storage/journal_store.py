"""The journal transport's queues on SQLite and PostgreSQL.

Entries that are ready have no taker. A claim writes the taker's name into them and counts the delivery;
settling removes them; giving back takes the name away, so an entry never leaves its position. On PostgreSQL
concurrent claims pass over each other's rows (``FOR UPDATE SKIP LOCKED``); on SQLite there is one writer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from broker.topology import Topology
from broker.transports.bell import Bell
from broker.transports.journal_store import Claimed, JournalEntry
from broker.transports.routing import DELIVERY_LIMIT_REACHED, REJECTED, Router
from domain.errors import LeaseLost
from domain.moments import Clock, to_micros, utc_now
from storage.database import Database
from storage.journal_moves import ENTRIES, bury, claimed_of, give_back, is_active, row_of
from storage.journal_tables import journal_active as active
from storage.journal_tables import journal_takers as takers
from storage.link import T, Work


@dataclass(frozen=True, slots=True)
class JournalTimes:
    """How long a taker is believed alive after its last sign (``lease``) and how often it gives one
    (``keep``), in seconds.
    """

    lease: float = 30.0
    keep: float = 5.0


class SqlJournalStore:
    """A :class:`broker.transports.journal_store.JournalStore` on a :class:`Database`.

    ``reclaim_all`` gives back at the first ``open()`` what any earlier taker holds, without waiting for
    leases: right where no other process can be alive on the same database, which the instance lock of SQLite
    guarantees.
    """

    def __init__(
        self,
        database: Database,
        topology: Topology,
        *,
        clock: Clock = utc_now,
        times: JournalTimes | None = None,
        reclaim_all: bool | None = None,
    ) -> None:
        self.topology = topology
        self.bell = Bell()
        self.shared = database.dialect != "sqlite"
        self._database = database
        self._router = Router(topology)
        self._clock = clock
        self._times = times or JournalTimes()
        self._reclaim_all = not self.shared if reclaim_all is None else reclaim_all
        self._lone = {queue.name for queue in topology.queues if queue.single_active}

    @property
    def keep_seconds(self) -> float:
        """See the protocol."""
        return self._times.keep

    async def open(self) -> None:
        """See the protocol."""
        await self._database.aread(lambda connection: connection.scalar(select(takers.c.id).limit(1)))
        if self._reclaim_all:
            self._reclaim_all = False
            await self._write(lambda connection: self._end(connection, None))

    async def put(self, entries: Sequence[JournalEntry]) -> None:
        """See the protocol."""
        rows = [row_of(entry) for entry in entries]
        await self._write(lambda connection: connection.execute(insert(ENTRIES), rows))
        self.bell.ring({entry.queue for entry in entries})

    async def register(self, taker: str, queue: str) -> None:
        """See the protocol."""

        def work(connection: Connection) -> None:
            connection.execute(insert(takers).values(id=taker, queue=queue, lease_until=self._lease_end()))
            if queue in self._lone:
                is_active(connection, queue, taker)

        await self._write(work)

    async def ready(self, taker: str, queue: str) -> bool:
        """See the protocol."""

        def work(connection: Connection) -> bool:
            if queue in self._lone:
                holder = connection.scalar(
                    select(active.c.taker).join(takers, takers.c.id == active.c.taker).where(active.c.queue == queue)
                )
                if holder not in (None, taker):
                    return False
            return connection.scalar(select(ENTRIES.c.position).where(*_waiting(queue)).limit(1)) is not None

        return await self._database.aread(work)

    async def claim(self, taker: str, queue: str, most: int) -> list[Claimed]:
        """See the protocol."""
        oldest = select(ENTRIES).where(*_waiting(queue)).order_by(ENTRIES.c.position).limit(most)

        def work(connection: Connection) -> list[Claimed]:
            # Looking first keeps an idle taker from writing, and a stand-by from locking rows the active one
            # wants.
            if connection.scalar(select(ENTRIES.c.position).where(*_waiting(queue)).limit(1)) is None:
                return []
            self._renew(connection, taker)
            if queue in self._lone and not is_active(connection, queue, taker):
                return []
            rows = connection.execute(oldest.with_for_update(skip_locked=True)).all()
            mine = update(ENTRIES).where(ENTRIES.c.position.in_([row.position for row in rows]))
            connection.execute(mine.values(taker=taker, deliveries=ENTRIES.c.deliveries + 1))
            return [claimed_of(row) for row in rows]

        return await self._write(work)

    async def settle(self, taker: str, positions: Collection[int]) -> None:
        """See the protocol."""
        mine = delete(ENTRIES).where(ENTRIES.c.position.in_(positions), ENTRIES.c.taker == taker)
        await self._write(lambda connection: connection.execute(mine))

    async def reject(self, taker: str, queue: str, positions: Collection[int]) -> None:
        """See the protocol."""
        self._router.dead_letter(queue)
        mine = ENTRIES.c.taker == taker, ENTRIES.c.position.in_(positions)
        self.bell.ring(await self._write(lambda connection: bury(connection, self._router, REJECTED, *mine)))

    async def retire(self, taker: str) -> None:
        """See the protocol."""
        self.bell.ring(await self._write(lambda connection: self._end(connection, [taker])))

    async def keep(self, takers_alive: Collection[str]) -> set[str]:
        """See the protocol."""
        mine = list(takers_alive)
        now = to_micros(self._clock())

        def work(connection: Connection) -> tuple[set[str], set[str]]:
            renewal = update(takers).where(takers.c.id.in_(mine)).values(lease_until=self._lease_end())
            kept = set(connection.scalars(renewal.returning(takers.c.id))) if mine else set()
            ended = list(connection.scalars(delete(takers).where(takers.c.lease_until < now).returning(takers.c.id)))
            return set(mine) - kept, self._end(connection, ended) if ended else set()

        forgotten, freed = await self._write(work)
        self.bell.ring(freed)
        return forgotten

    async def depth(self, queue: str) -> int:
        """See the protocol."""
        count = select(func.count()).select_from(ENTRIES).where(*_waiting(queue))
        return await self._database.aread(lambda connection: connection.scalar(count) or 0)

    async def depths(self) -> dict[str, int]:
        """See the protocol."""
        count = select(ENTRIES.c.queue, func.count()).group_by(ENTRIES.c.queue)
        rows = await self._database.aread(lambda connection: connection.execute(count).all())
        return {row[0]: row[1] for row in rows}

    async def _write(self, work: Work[T]) -> T:
        """Run work to its end also when the caller is cancelled: a claim nobody knows of would wait for its
        lease.
        """
        return await asyncio.shield(self._database.awrite(work))

    def _lease_end(self) -> int:
        return to_micros(self._clock() + timedelta(seconds=self._times.lease))

    def _renew(self, connection: Connection, taker: str) -> None:
        renewal = update(takers).where(takers.c.id == taker).values(lease_until=self._lease_end())
        if connection.execute(renewal).rowcount == 0:
            raise LeaseLost("The lease of this taker of the journal ended; it goes on with a new one.")

    def _end(self, connection: Connection, ended: list[str] | None) -> set[str]:
        """Forget these takers (``None``: all) and give back what they hold; the queues that got entries."""
        held = ENTRIES.c.taker.is_not(None) if ended is None else ENTRIES.c.taker.in_(ended)
        connection.execute(delete(takers) if ended is None else delete(takers).where(takers.c.id.in_(ended)))
        connection.execute(delete(active) if ended is None else delete(active).where(active.c.taker.in_(ended)))
        freed = set(self._lone)
        for queue in self.topology.queues:
            if queue.delivery_limit is not None:
                worn = ENTRIES.c.queue == queue.name, ENTRIES.c.deliveries > queue.delivery_limit
                freed |= bury(connection, self._router, DELIVERY_LIMIT_REACHED, held, *worn)
        return freed | give_back(connection, held)


def _waiting(queue: str) -> tuple[ColumnElement[bool], ...]:
    return ENTRIES.c.queue == queue, ENTRIES.c.taker.is_(None)
