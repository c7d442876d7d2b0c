"""A line of jobs for a few threads, of which those that worked last are called first."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

J = TypeVar("J")


class Line(Generic[J]):
    """Jobs in the order they came. Of several threads that wait, the one that waits shortest gets the next.

    Where little is to do, that keeps one thread and its connection at work: what both need is still in the processor's
    caches then, and in those of the server's process.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: deque[J] = deque()
        self._idle: list[_Seat[J]] = []

    def put(self, job: J) -> None:
        """Add a job."""
        with self._lock:
            if not self._idle:
                self._jobs.append(job)
                return
            seat = self._idle.pop()
            seat.job = job
        seat.called.release()

    def get(self) -> J:
        """The next job, as soon as there is one."""
        with self._lock:
            if self._jobs:
                return self._jobs.popleft()
            seat = _Seat[J]()
            self._idle.append(seat)
        seat.called.acquire()
        return seat.job

    def get_nowait(self) -> J:
        """The next job if there is one; raises LookupError."""
        with self._lock:
            return self._jobs.popleft()


class _Seat(Generic[J]):
    """Where one thread waits."""

    job: J

    def __init__(self) -> None:
        self.called = threading.Lock()
        self.called.acquire()
