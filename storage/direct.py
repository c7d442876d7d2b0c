"""Single statements of the engine, said to PostgreSQL by the event loop itself.

Where little is to do, waking a thread, its way through SQLAlchemy and waking the loop again take longer than the
statement (docs/decisions/009-said-by-the-loop.md).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Engine

from domain.errors import StorageUnavailable
from storage.engine import PATIENCE
from storage.link import SILENT_SECONDS
from storage.outages import Outages

Rows = list[tuple[Any, ...]]


class Direct:
    """A few connections that an event loop keeps for statements that are transactions of their own.

    ``engine`` is the database's, ``outages`` what tells that it is away; ``most`` statements are under way at a time.
    """

    def __init__(self, engine: Engine, outages: Outages, most: int = 2) -> None:
        _, address = engine.dialect.create_connect_args(engine.url)
        self._how = {**address, **PATIENCE}
        self._outages = outages
        self._free = most
        self._idle: list[psycopg.AsyncConnection] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    async def run(self, statement: str, values: Mapping[str, Any]) -> Rows | None:
        """The rows of a statement, committed; ``None`` where nothing came of it: too much is under way, the database
        cannot be reached or did not take it. Say it in the ordinary way then, which tells what is wrong.

        Raises:
            StorageUnavailable: the connection broke; whether the database took the statement is not known.
        """
        if self._closed or not self._free:
            return None
        self._free -= 1
        # Who asks may be cancelled; what is under way is not.
        return await asyncio.shield(asyncio.ensure_future(self._run(statement.encode(), values)))

    async def _run(self, statement: bytes, values: Mapping[str, Any]) -> Rows | None:
        connection: psycopg.AsyncConnection | None = None
        try:
            connection = await self._connection()
            return await self._say(connection, statement, values) if connection is not None else None
        finally:
            self._free += 1
            if connection is not None:
                self._give_back(connection)

    async def _connection(self) -> psycopg.AsyncConnection | None:
        """A connection of this loop; none when it cannot be made."""
        if self._loop is not asyncio.get_running_loop():
            self._drop()
            self._loop = asyncio.get_running_loop()
        if self._idle:
            return self._idle.pop()
        try:
            connection = await psycopg.AsyncConnection.connect(**self._how, autocommit=True)
            await connection.execute("SET enable_seqscan = off")
        except psycopg.Error as error:
            self._outages.tell(error)
            return None
        return connection

    async def _say(
        self, connection: psycopg.AsyncConnection, statement: bytes, values: Mapping[str, Any]
    ) -> Rows | None:
        try:
            async with asyncio.timeout(SILENT_SECONDS):
                cursor = await connection.execute(statement, values)
                return await cursor.fetchall()
        except (psycopg.Error, TimeoutError) as error:
            if isinstance(error, psycopg.Error) and _is_sound(connection):
                # It was rolled back.
                return None
            with contextlib.suppress(psycopg.Error):
                connection.pgconn.finish()
            self._outages.tell(error)
            raise StorageUnavailable(
                f"The database did not answer ({type(error).__name__}); whether it took what it was told is not known."
            ) from error

    def _give_back(self, connection: psycopg.AsyncConnection) -> None:
        if self._closed or not _is_sound(connection):
            connection.pgconn.finish()
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """Close what is idle now, and the rest when its statement is over."""
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        for connection in self._idle:
            connection.pgconn.finish()
        self._idle.clear()


def _is_sound(connection: psycopg.AsyncConnection) -> bool:
    return connection.info.transaction_status is TransactionStatus.IDLE
