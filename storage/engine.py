"""SQLAlchemy engines with the settings each database needs to keep its word."""

from __future__ import annotations

import time
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from sqlite3 import OperationalError
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import QueuePool

from domain.errors import ConfigurationError


def make_engine(url: str, *, connections: int = 6) -> Engine:
    """An engine for SQLite or PostgreSQL; parameters never appear in its errors.

    SQLite: WAL, ``synchronous=FULL`` (an answer means flushed), foreign keys on, transactions begun by us as
    ``BEGIN IMMEDIATE`` when they write. PostgreSQL: psycopg 3 with pre-ping and bounded waits.

    Raises:
        ConfigurationError: another database, or a SQLite URL without a file.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, connections)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql(parsed, connections)
    raise ConfigurationError(
        f"TOWPATH_DATABASE_URL names {parsed.get_backend_name()!r}; use sqlite:///FILE or postgresql://USER@HOST/DATABASE."
    )


PATIENCE = {
    "connect_timeout": 5,
    # A host that vanished without a word is noticed within half a minute, not after the hours of a kernel.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    # A process that hangs in a transaction must not keep what it locked: the server ends its session.
    "options": "-c lock_timeout=10000 -c statement_timeout=60000 -c idle_in_transaction_session_timeout=10000 "
    "-c timezone=UTC",
}
"""How long PostgreSQL is waited for, and waits for us."""


def _postgresql(url: URL, connections: int) -> Engine:
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=True,
        pool_timeout=10,
        hide_parameters=True,
        connect_args=PATIENCE,
    )


def _sqlite(url: URL, connections: int) -> Engine:
    if not url.database or url.database == ":memory:":
        raise ConfigurationError(
            "SQLite needs a file: sqlite:///path/to/towpath.db. A database in memory would forget everything."
        )
    Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        hide_parameters=True,
        connect_args={"timeout": 30, "check_same_thread": False},
    )

    def prepare(connection: SqliteConnection, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("busy_timeout=30000", "synchronous=FULL", "foreign_keys=ON", "secure_delete=FAST"):
            connection.execute(f"PRAGMA {pragma}")
        _ensure_wal(connection)

    def begin(connection: Any) -> None:
        # One writer at a time is what SQLite can do; asking for the lock at once avoids upgrades that fail.
        immediate = not connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", begin)
    return engine


def _ensure_wal(connection: SqliteConnection, patience: float = 30.0) -> None:
    """Switch the file to WAL once. SQLite refuses at once, without its busy wait, while another process does the same
    or recovers the log of a process that was killed."""
    deadline = time.monotonic() + patience
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode=WAL")
            return
        except OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
