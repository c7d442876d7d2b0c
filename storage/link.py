"""One thread's connection to the database: kept open, replaced when it broke, cut when it fell silent."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Self, TypeVar

import structlog
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError

T = TypeVar("T")
Work = Callable[[Connection], T]

log = structlog.get_logger(__name__)

RETRYABLE_STATES = {"40001", "40P01"}
SILENT_SECONDS = 70.0
"""More than the server gives a statement (60 s): who has not answered by then never will."""
LOOK_SECONDS = 5.0


class Link:
    """The connection of one thread, kept open between pieces of work; one that broke is replaced.

    What is looked up by it has an index: while PostgreSQL knows little of a table, or planned when the table was empty,
    it would rather read it all. Without ``by_index`` it may.
    """

    def __init__(self, engine: Engine, *, reading: bool = False, by_index: bool = True) -> None:
        self._engine = engine
        self._reading = reading
        self._by_index = by_index
        self._connection: Connection | None = None
        self.committing = False
        """Whether what ran last had come to its commit, of which only the database knows the end."""
        self.asked_at: float | None = None
        """Since when (monotonic) the database owes an answer."""

    def _asks(self, *_: object) -> None:
        self.asked_at = time.monotonic()

    def _open(self) -> Connection:
        connection = self._engine.connect()
        if connection.dialect.name != "postgresql":
            return connection.execution_options(reading=True) if self._reading else connection
        if self._reading:
            # Each question is one statement: a transaction around it would be two more trips to the server.
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.detach()
            connection.exec_driver_sql("SET default_transaction_read_only = on")
        if self._by_index:
            connection.exec_driver_sql("SET enable_seqscan = off")
            connection.commit()
        return connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._drop()

    def run(self, work: Work[T]) -> T:
        """Run ``work`` in a transaction: committed, or rolled back when reading."""
        self.committing = False
        if self._connection is None:
            self._connection = self._open()
            event.listen(self._connection, "before_cursor_execute", self._asks)
        connection = self._connection
        self.asked_at = time.monotonic()
        try:
            result = work(connection)
            if self._reading:
                connection.rollback()
            else:
                self.committing = True
                self.asked_at = time.monotonic()
                connection.commit()
        except BaseException:
            with contextlib.suppress(DBAPIError):
                connection.rollback()
            if connection.invalidated:
                self._drop()
            raise
        finally:
            self.asked_at = None
        return result

    def cut(self) -> None:
        """End the connection under whoever waits for its answer. For another thread."""
        connection = self._connection
        if connection is None or connection.closed or connection.invalidated:
            return
        with contextlib.suppress(OSError, DBAPIError, AttributeError):
            descriptor = os.dup(connection.connection.driver_connection.fileno())  # type: ignore[union-attr]
            with socket.socket(fileno=descriptor) as waiting:
                waiting.shutdown(socket.SHUT_RDWR)

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(DBAPIError):
                self._connection.close()
            self._connection = None


def with_retries(link: Link, work: Work[T], tries: int = 5) -> T:
    """Repeat work that PostgreSQL rolled back for a deadlock or a serialization failure, and once what a connection
    that had died in the meantime did not bring to its commit.
    """
    replaced = False
    for attempt in range(1, tries + 1):
        try:
            return link.run(work)
        except DBAPIError as error:
            stale = error.connection_invalidated and not link.committing and not replaced
            replaced = replaced or stale
            again = stale or getattr(error.orig, "sqlstate", None) in RETRYABLE_STATES
            if not again or attempt == tries:
                raise
            time.sleep(0.01 * attempt)
    raise AssertionError("the loop returns or raises")


def watch(links: Sequence[Link], over: threading.Event) -> None:
    """Cut connections that owe an answer for too long, until ``over``: a server that hangs, or a network that swallows
    what is sent but says it arrived, would else hold its thread for ever.
    """
    while not over.wait(LOOK_SECONDS):
        for link in links:
            asked = link.asked_at
            if asked is not None and time.monotonic() - asked > SILENT_SECONDS:
                log.warning("database_silent", seconds=round(time.monotonic() - asked))
                link.cut()
