"""A bell between tasks of one process: rung when there may be work, so that nobody polls in vain or sleeps too long."""

from __future__ import annotations

import asyncio


class Bell:
    """Wakes whoever listens; a ring before listening is not lost."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake the listener. Only from the event loop's thread."""
        self._event.set()

    async def listen(self, seconds: float) -> bool:
        """Wait for a ring, at most ``seconds``; whether there was one."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        self._event.clear()
        return True
