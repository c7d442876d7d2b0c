"""The pacer: while several channels are at work, claims leave processor time for what comes in.

Work that has waited for long can take all there is: the longer the queue, the less anybody notices that it moves. What
has just come in is noticed at once. So while there are other channels at work, a worker claims little at a time, and
no more before its process has been idle for most of the time since the claim before.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SHARE = 0.2
"""The part of a processor that a worker's process uses in the long run while it is paced."""
CLAIM = 12
"""Lanes claimed at a time then: their handlers hold up others for no more than a few milliseconds."""
LONGEST_WAIT = 0.1
"""Seconds: what has waited for long moves on however busy the process is with what comes in."""


class Pacer:
    """``paced`` tells whether several channels are at work now."""

    def __init__(self, paced: Callable[[], bool]) -> None:
        self._paced = paced
        self._began = time.monotonic()
        self._used = time.process_time()

    def most(self, room: int) -> int:
        """How many lanes to claim where there is room for so many."""
        return min(room, CLAIM) if self._paced() else room

    def pause(self) -> float:
        """Seconds until the next claim; a new count begins with it."""
        now, used = time.monotonic(), time.process_time()
        owed = (used - self._used) / SHARE - (now - self._began)
        pause = min(max(owed, 0.0), LONGEST_WAIT) if self._paced() else 0.0
        self._began, self._used = now + pause, used
        return pause
