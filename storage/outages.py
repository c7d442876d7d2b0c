"""A database that does not answer is told of in the log, but not by every piece of work that meets it."""

from __future__ import annotations

import math
import threading
import time

import structlog

log = structlog.get_logger("storage.database")

AGAIN_SECONDS = 5.0
"""How long after it was told it is not told again: whoever waits for the database says so itself."""


class Outages:
    """Tells of a database that does not answer, once in :data:`AGAIN_SECONDS`. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told_at = -math.inf

    def tell(self, error: BaseException | None) -> None:
        """Write a line about this error of the driver, unless there was one just now."""
        with self._lock:
            now = time.monotonic()
            if now - self._told_at < AGAIN_SECONDS:
                return
            self._told_at = now
        log.warning("database_unavailable", error=type(error).__name__)
