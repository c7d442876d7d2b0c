"""Questions that many runs ask at the same time, asked of the database together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection

from storage.database import Database

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Gathered(Generic[K, V]):
    """Answers one kind of question. What is asked while an answer is on its way is asked next, all at once.

    ``look`` answers any number of distinct keys in one reading transaction, each of them.
    """

    def __init__(self, database: Database, look: Callable[[Connection, Sequence[K]], Mapping[K, V]]) -> None:
        self._database = database
        self._look = look
        self._waiting: dict[K, asyncio.Future[V]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self, key: K) -> V:
        """The answer for one key. Raises StorageUnavailable."""
        loop = asyncio.get_running_loop()
        future = self._waiting.setdefault(key, loop.create_future())
        if self._asking is None or self._asking.done():
            self._asking = loop.create_task(self._ask())
        # Another run may wait for the same answer: the end of this one must not take it away.
        return await asyncio.shield(future)

    async def _ask(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            try:
                answers = await self._database.aread(lambda connection, keys=list(asked): self._look(connection, keys))  # type: ignore[misc]
                for key, future in asked.items():
                    future.set_result(answers[key])
            except Exception as error:  # noqa: BLE001 - handed to whoever asked
                for future in asked.values():
                    if not future.done():
                        future.set_exception(error)
                        future.exception()
