"""The ledger on a database: each method hands one piece of work to :class:`storage.database.Database`."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from broker.crash import crash_point
from broker.ledger import (
    Admission,
    Claim,
    Hands,
    Incoming,
    Rejection,
    Settled,
    Settlement,
    Shares,
    TakenIn,
    Unsent,
    Waiting,
)
from domain.channels import Channel
from domain.errors import StorageUnavailable
from domain.moments import Clock, to_micros, utc_now
from storage.database import Database
from storage.directory import Directory
from storage.ledger import admit, claim, outward, rescue, settle, swift
from storage.ledger.arrival import arrival_of
from storage.ledger.due import due_of_deleted, has_busy_channels, has_several_channels
from storage.ledger.entry import ENTER
from storage.mappings import found
from storage.processes import here

LOOK_SECONDS = 5.0
"""How long it may take until a process notices that there is a second channel, only one left, or one gone."""
SEEN_SECONDS = 0.1
"""How long it may take until a process notices that a second channel is at work."""
CALLED_MICROS = 3_000_000
"""A channel is at work when it was called so lately."""


class SqlLedger:
    """:class:`broker.ledger.Ledger` on SQLite or PostgreSQL."""

    def __init__(self, database: Database, directory: Directory, clock: Clock = utc_now) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._where = here()
        self._several = True
        self._looked_at = -math.inf
        self._busy = False
        self._seen_at = -math.inf

    def _now(self) -> int:
        return to_micros(self._clock())

    async def admit(self, batch: Sequence[Incoming], rejections: Sequence[Rejection] = ()) -> list[Admission]:
        """Store messages and their deliveries; one answer per incoming event, in order."""
        return (await self.take_in(batch, rejections, Hands())).answers

    async def take_in(self, batch: Sequence[Incoming], rejections: Sequence[Rejection], hands: Hands) -> TakenIn:
        """As :meth:`admit`, and claim lanes that begin with these events."""
        if len(batch) == 1 and not rejections and (taken := await self._take_in_directly(batch[0], hands)):
            return taken
        now, loop, told = self._now(), asyncio.get_running_loop(), False

        def work(connection: Connection) -> TakenIn:
            nonlocal told
            if told:
                # Nothing that was told may be told again with other ids.
                raise StorageUnavailable("The database rolled an admission back; it is made anew.")
            taken_in = admit.admit(connection, self._directory, batch, rejections, now, hands)
            if taken_in.claims and hands.early is not None:
                told = True
                loop.call_soon_threadsafe(hands.early, taken_in.claims)
            crash_point("admit.before_commit")
            return taken_in

        return await self._database.awrite(work)

    async def _take_in_directly(self, incoming: Incoming, hands: Hands) -> TakenIn | None:
        arrival = arrival_of(self._directory, incoming, self._now(), hands) if self._database.direct else None
        if arrival is None:
            return None
        # It is its own commit.
        crash_point("admit.before_commit")
        rows = await self._database.awrite_directly(ENTER, arrival.values())
        return arrival.answer(rows) if rows is not None else None

    async def claim(
        self, worker: str, job_types: Sequence[str], most: int, skip: Sequence[str] = (), shares: Shares | None = None
    ) -> list[Claim]:
        """Take up to ``most`` due lanes."""
        now = self._now()

        def work(connection: Connection) -> list[Claim]:
            claims = claim.claim(connection, worker, job_types, most, skip, now, shares=shares)
            if time.monotonic() - self._seen_at > SEEN_SECONDS:
                self._busy = has_busy_channels(connection, now - CALLED_MICROS)
                self._seen_at = time.monotonic()
            if time.monotonic() - self._looked_at > LOOK_SECONDS:
                self._several, self._looked_at = has_several_channels(connection), time.monotonic()
                gone = due_of_deleted(connection, job_types, most - len(claims), now)
                claims += claim.take(connection, worker, gone, now)
            return claims

        return await self._database.awrite(work)

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[Settled]:
        """Write outcomes behind the fence."""
        if len(settlements) == 1 and await self._settle_directly(worker, settlements[0]):
            return [Settled(settlements[0].claim.lane, fenced=False)]
        try:
            return await self._settle(worker, settlements, locked=False)
        except settle.OvertakenError:
            return await self._settle(worker, settlements, locked=True)

    async def _settle_directly(self, worker: str, settlement: Settlement) -> bool:
        """Settle in a single statement what ends a lane that it leaves empty; whether it was one."""
        if self._database.direct is None:
            return False
        values = swift.values_alone(self._directory, worker, settlement, self._now())
        if values is None:
            return False
        # It is its own commit.
        crash_point("settle.before_commit")
        return bool(await self._database.awrite_directly(swift.END, values))

    async def _settle(self, worker: str, settlements: Sequence[Settlement], *, locked: bool) -> list[Settled]:
        now = self._now()

        def work(connection: Connection) -> list[Settled]:
            settled = settle.settle(connection, self._directory, worker, settlements, now, locked=locked)
            crash_point("settle.before_commit")
            return settled

        return await self._database.awrite(work)

    async def beat(self, worker: str, roles: str, lease_seconds: float) -> None:
        """Renew (or begin) the lease of a worker."""
        now, lease = self._now(), int(lease_seconds * 1_000_000)
        await self._database.awrite(lambda connection: rescue.beat(connection, worker, roles, self._where, lease, now))

    async def leave(self, worker: str) -> None:
        """End a worker's lease."""
        now = self._now()
        await self._database.awrite(lambda connection: rescue.leave(connection, worker, now))

    async def rescue(self, *, alone: bool = False) -> int:
        """Free the lanes of the dead."""
        now = self._now()
        return await self._database.awrite(lambda connection: rescue.rescue(connection, now, alone=alone))

    async def release_found(self) -> int:
        """Let go what waits for SKUs that are there by now. Nothing is written while there are none."""
        if not await self._database.aread(found.found_skus):
            return 0
        now = self._now()
        return await self._database.awrite(lambda connection: found.release_found(connection, now))

    async def disown(self, worker: str, in_hand: Mapping[str, int]) -> int:
        """Free the lanes a worker holds without knowing."""
        now = self._now()
        return await self._database.awrite(lambda connection: rescue.free_lanes(connection, [worker], now, in_hand))

    async def waiting(self, most: int) -> Waiting:
        """What there is to tell of."""
        now = self._now()
        return await self._database.aread(lambda connection: outward.waiting(connection, most, now))

    async def unsent(self, most: int) -> list[Unsent]:
        """Announcements not yet published."""
        return await self._database.aread(lambda connection: outward.unsent(connection, most))

    async def mark_sent(self, seqs: Sequence[int]) -> None:
        """Remember that these announcements are confirmed."""
        now = self._now()
        await self._database.awrite(lambda connection: outward.mark_sent(connection, seqs, now))

    async def fire_due(self, most: int) -> int:
        """Turn due schedules into ticks."""
        now = self._now()

        def work(connection: Connection) -> int:
            fired = outward.fire_due(connection, self._directory, most, now)
            if fired:
                crash_point("timer.before_commit")
            return fired

        return await self._database.awrite(work)

    async def hold(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew a named lease."""
        now, lease = self._now(), int(seconds * 1_000_000)
        return await self._database.awrite(lambda connection: rescue.hold(connection, name, holder, lease, now))

    @property
    def can_write(self) -> bool:
        """Whether the database could store what was last to be stored."""
        return not self._database.last_write_failed

    def has_several_channels(self) -> bool:
        """Whether there was more than one channel when last looked."""
        return self._several

    def has_busy_channels(self) -> bool:
        """Whether several channels were called lately."""
        return self._busy

    async def channel(self, channel_id: str) -> Channel | None:
        """A channel by id, at most a second old; one that is unknown is looked up anew."""
        if (known := self._directory.remembered(channel_id)) is not None:
            return known
        return await self._database.aread(lambda connection: self._directory.channel(connection, channel_id))
