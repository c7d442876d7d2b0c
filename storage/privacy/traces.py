"""What a SQLite file keeps of erased values until it is overwritten: free pages, and its write-ahead log.

Every connection works with ``secure_delete``, so that what is deleted or replaced inside a page is overwritten with
zeros at once. That leaves pages that became free as a whole, and the log, in which older versions of pages lie.
PostgreSQL keeps old row versions until VACUUM; autovacuum does that, and the documentation tells how to do it at once.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import cast

from storage.database import Database

_SCRATCH = "towpath_wipe"
_PAGES = 256
"""Free pages overwritten in one transaction."""
_PATIENCE = 10.0
_REWRITTEN = 1
"""The mark, in the file's header, that all of it was written with ``secure_delete``."""


async def wipe(database: Database) -> bool:
    """Overwrite free pages and empty the write-ahead log of SQLite; false where somebody read from it all the time."""
    if database.dialect != "sqlite":
        return True
    return await asyncio.to_thread(_wipe, database)


def _wipe(database: Database) -> bool:
    with closing(database.engine.raw_connection()) as pooled:
        connection = cast(sqlite3.Connection, pooled.driver_connection)
        try:
            _rewrite_once(connection)
            _overwrite_free_pages(connection)
            return _empty_log(connection)
        except sqlite3.OperationalError:
            return False


def _rewrite_once(connection: sqlite3.Connection) -> None:
    """Write the whole file anew, once in its life: what an older Towpath deleted from it was not overwritten."""
    if _number(connection, "PRAGMA user_version") < _REWRITTEN:
        connection.execute("VACUUM")
        connection.execute(f"PRAGMA user_version = {_REWRITTEN}")


def _overwrite_free_pages(connection: sqlite3.Connection) -> None:
    """Use up the free pages for zeros, some in each transaction so that others can write in between; then let go of
    them, which writes zeros again.
    """
    size = _number(connection, "PRAGMA page_size")
    connection.execute(f"DROP TABLE IF EXISTS {_SCRATCH}")
    connection.execute(f"CREATE TABLE {_SCRATCH} (zeros BLOB)")
    while free := _number(connection, "PRAGMA freelist_count"):
        zeros = size * min(free, _PAGES)
        connection.execute(f"INSERT INTO {_SCRATCH} VALUES (zeroblob(?))", (zeros,))  # noqa: S608 - our own name
    connection.execute(f"DROP TABLE {_SCRATCH}")


def _empty_log(connection: sqlite3.Connection) -> bool:
    """Write the log back into the file and cut it to nothing, as soon as nobody reads an older state of it."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        busy = _number(connection, "PRAGMA wal_checkpoint(TRUNCATE)")
        if not busy:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    return int(connection.execute(pragma).fetchone()[0])
