"""A bell between tasks of one process: rung when there may be work, so that nobody polls in vain or sleeps too long."""

from __future__ import annotations

import asyncio
import contextlib


async def comes(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most ``seconds``; whether it came.

    Not by ``asyncio.wait_for``: up to Python 3.11 that forgets a cancellation that comes together with the event, and
    whoever cancelled waits for ever.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


class Bell:
    """Wakes whoever listens; a ring before listening is not lost."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake the listener. Only from the event loop's thread."""
        self._event.set()

    async def listen(self, seconds: float) -> bool:
        """Wait for a ring, at most ``seconds``; whether there was one."""
        rung = await comes(self._event, seconds)
        self._event.clear()
        return rung
