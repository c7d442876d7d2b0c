"""A clock that can be moved, a ledger whose database can be away, and waiting for what must come true."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from broker.ledger import Claim, Hands, Incoming, Rejection, Settled, Settlement, Shares, TakenIn, Waiting
from domain.errors import StorageUnavailable
from domain.moments import utc_now
from storage.database import Database
from storage.directory import Directory
from storage.ledger import SqlLedger

PATIENCE = 20.0
Condition = Callable[[], object | Awaitable[object]]


async def until(condition: Condition, seconds: float = PATIENCE) -> Any:
    """Wait until ``condition`` (plain or async) gives something true, and give that; fails after ``seconds``."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.01)


class HandClock:
    """Runs like the real clock, and can be moved ahead."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        self._ahead += timedelta(seconds=seconds)

    def reset(self) -> None:
        """Be on time again."""
        self._ahead = timedelta()


class MoodyLedger(SqlLedger):
    """The real ledger, whose database is away for the methods named in ``away``.

    For those in ``deaf`` the database does its work and the answer is lost on the way, once each.
    ``refused`` counts the calls that found it away, ``asked`` the others. Taking in is ``admit`` for whoever asks, and
    ``file`` where it is nothing but rejections. ``held_up`` are methods that wait for their event before they answer.
    """

    def __init__(self, database: Database, directory: Directory, clock: HandClock) -> None:
        super().__init__(database, directory, clock)
        self.away: set[str] = set()
        self.deaf: set[str] = set()
        self.refused: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.held_up: dict[str, asyncio.Event] = {}
        self._patience: dict[str, int] = {}

    def come_back_after(self, method: str, more: int) -> None:
        """Let a method work again after so many more calls."""
        self._patience[method] = self.refused[method] + more

    def _ask(self, method: str) -> None:
        if self._patience.get(method) == self.refused[method]:
            self.away.discard(method)
        if method in self.away:
            self.refused[method] += 1
            raise StorageUnavailable("The database is away.")
        self.asked[method] += 1

    def _lose(self, method: str) -> None:
        if method in self.deaf:
            self.deaf.discard(method)
            raise StorageUnavailable("The connection broke before the answer came.")

    async def _answer_late(self, method: str) -> None:
        if method in self.held_up:
            await self.held_up[method].wait()

    async def take_in(self, batch: Sequence[Incoming], rejections: Sequence[Rejection], hands: Hands) -> TakenIn:
        self._ask("admit" if batch else "file")
        found = await super().take_in(batch, rejections, hands)
        await self._answer_late("admit")
        self._lose("admit")
        return found

    async def claim(
        self, worker: str, job_types: Sequence[str], most: int, skip: Sequence[str] = (), shares: Shares | None = None
    ) -> list[Claim]:
        self._ask("claim")
        found = await super().claim(worker, job_types, most, skip, shares)
        if found:
            self._lose("claim")
        return found

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[Settled]:
        self._ask("settle")
        found = await super().settle(worker, settlements)
        self._lose("settle")
        return found

    async def disown(self, worker: str, in_hand: Mapping[str, int]) -> int:
        self._ask("disown")
        return await super().disown(worker, in_hand)

    async def waiting(self, most: int) -> Waiting:
        self._ask("waiting")
        return await super().waiting(most)

    async def mark_sent(self, seqs: Sequence[int]) -> None:
        self._ask("mark_sent")
        await super().mark_sent(seqs)

    async def rescue(self, *, alone: bool = False) -> int:
        self._ask("rescue")
        return await super().rescue(alone=alone)

    async def hold(self, name: str, holder: str, seconds: float) -> bool:
        self._ask("hold")
        return await super().hold(name, holder, seconds)

    async def fire_due(self, most: int) -> int:
        self._ask("fire_due")
        return await super().fire_due(most)
