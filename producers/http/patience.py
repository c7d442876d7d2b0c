"""Bounded waiting: nobody waits for the database for ever, and not everybody at once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from domain.errors import StorageUnavailable

T = TypeVar("T")


class Patience:
    """Lets at most ``most`` pieces of work run at once and waits for each a bounded time.

    Work that is overdue goes on and keeps its place until it ends, so that a database that hangs is asked
    ``most`` times and not once per caller. Work is never cancelled: what it began may be a write.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside = 0

    async def wait_for(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """The result of ``work``.

        Raises:
            StorageUnavailable: too many wait already, or there was no result within ``seconds``.
        """
        if self._inside >= self._most:
            work.close()
            raise StorageUnavailable("Too many requests wait for the database.", code="overloaded")
        task = asyncio.ensure_future(work)
        self._inside += 1
        task.add_done_callback(self._leave)
        done, _ = await asyncio.wait({task}, timeout=max(seconds, 0))
        if not done:
            raise StorageUnavailable(f"The database gave no answer within {seconds:.1f} s.")
        return task.result()

    def _leave(self, task: asyncio.Task[Any]) -> None:
        self._inside -= 1
        if not task.cancelled():
            task.exception()
