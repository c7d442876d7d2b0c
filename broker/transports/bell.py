"""Wakes takers of the same process at once when their queue got messages."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterable

from broker.bell import comes


class Ear:
    """What a taker listens with; belongs to the event loop it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._heard = asyncio.Event()

    @property
    def heard(self) -> bool:
        """Whether the bell rang since the last ``forget``."""
        return self._heard.is_set()

    def forget(self) -> None:
        """Listen for the next ring."""
        self._heard.clear()

    async def wait(self, seconds: float) -> bool:
        """Wait for the bell; false when ``seconds`` passed without."""
        return await comes(self._heard, seconds)

    def hear(self) -> None:
        """End the waiting; only from the ear's own event loop."""
        self._heard.set()

    def wake(self) -> None:
        """End the waiting, from any thread."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._heard.set)


class Bell:
    """One bell per queue name; may be rung from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ears: dict[str, list[Ear]] = {}

    def listen(self, queue: str) -> Ear:
        """A new ear for a queue; call from the event loop that will wait."""
        ear = Ear()
        with self._lock:
            self._ears.setdefault(queue, []).append(ear)
        return ear

    def leave(self, queue: str, ear: Ear) -> None:
        """Take an ear away."""
        with self._lock, contextlib.suppress(KeyError, ValueError):
            self._ears[queue].remove(ear)

    def ring(self, queues: Iterable[str]) -> None:
        """Wake everybody who listens for one of these queues."""
        with self._lock:
            ears = [ear for queue in queues for ear in self._ears.get(queue, ())]
        for ear in ears:
            ear.wake()
