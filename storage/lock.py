"""A lock beside a SQLite file: one Towpath process writes to it, a second one is told so."""

from __future__ import annotations

import contextlib
import fcntl
import os
from io import TextIOWrapper
from pathlib import Path

from sqlalchemy import Engine

from domain.errors import ConfigurationError


class InstanceLock:
    """Holds ``<database file>.lock`` for the life of the process; the kernel releases it when the process dies."""

    def __init__(self, path: Path) -> None:
        self._file: TextIOWrapper = path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = self._file.read().strip() or "unknown"
            self._file.close()
            raise ConfigurationError(
                f"Another Towpath process (pid {holder}) works on {path.with_suffix('')}. "
                "Stop it, use its HTTP API, or choose another TOWPATH_DATA_DIR; many processes together need "
                "PostgreSQL.",
                code="already_running",
            ) from None
        self._file.seek(0)
        self._file.truncate()
        self._file.write(str(os.getpid()))
        self._file.flush()

    @classmethod
    def of(cls, engine: Engine) -> InstanceLock:
        """The lock of the file an engine works on.

        Raises:
            ConfigurationError: another process holds it; the sentence names its pid.
        """
        return cls(Path(f"{engine.url.database}.lock"))

    def release(self) -> None:
        """Let another process in."""
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._file.close()
