"""Bounded waits and growing pauses, on the monotonic clock."""

from __future__ import annotations

import random
import time


class Deadline:
    """A point in time, some seconds from now."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._at - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return self.left <= 0


class Backoff:
    """Pauses that double from ``first`` to ``most`` seconds, each shortened at random by up to half."""

    def __init__(self, first: float = 0.1, most: float = 10.0) -> None:
        self._first = first
        self._most = most
        self._next = first

    def pause(self) -> float:
        """The seconds to wait this time."""
        pause = self._next * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnects, guards nothing
        self._next = min(self._most, self._next * 2)
        return pause

    def reset(self) -> None:
        """Begin with the short pause again."""
        self._next = self._first
