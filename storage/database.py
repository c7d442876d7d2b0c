"""One way into the database, for SQLite and PostgreSQL alike: work is a function that gets a connection.

Writes on SQLite go through one writer thread that commits many pieces of work together (group commit): each piece
runs in
a savepoint, so one failing piece does not spoil its neighbours, and nobody hears of success before the commit. On
PostgreSQL each piece is a transaction of its own on one of a few long-lived connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from domain.errors import StorageUnavailable, TowpathError
from storage.direct import Direct, Rows
from storage.engine import make_engine
from storage.line import Line
from storage.link import Link, T, Work, watch, with_retries
from storage.lock import InstanceLock
from storage.outages import Outages

_MAX_GROUP = 256


@dataclass(slots=True)
class _Job:
    work: Work[Any]
    future: Future[Any]


class Database:
    """Runs pieces of work in transactions, off the event loop.

    ``url`` is a SQLAlchemy URL (``sqlite:///file`` or ``postgresql+psycopg://…``). ``writers`` is the number of writing
    connections on PostgreSQL; SQLite always has one. Opening a SQLite file takes its instance lock unless
    ``exclusive`` is false (for tools that only look).
    """

    def __init__(self, url: str, *, writers: int = 3, readers: int = 2, exclusive: bool = True) -> None:
        self.engine: Engine = make_engine(url, connections=writers + readers + 2)
        self.dialect: str = self.engine.dialect.name
        self._lock = InstanceLock.of(self.engine) if exclusive and self.dialect == "sqlite" else None
        self._writes: Line[_Job | None] = Line()
        self._reads: Line[_Job | None] = Line()
        self._questions: Line[_Job | None] = Line()
        self._closed = False
        self._outages = Outages()
        self._links: list[Link] = []
        self._over = threading.Event()
        self.last_write_failed = False
        """Whether the database could not take what was last to be written."""
        one_writer = self.dialect == "sqlite"
        loop = self._write_in_groups if one_writer else self._write_one_by_one
        self._threads = [
            *(
                threading.Thread(target=loop, name=f"towpath-write-{n}", daemon=True)
                for n in range(1 if one_writer else writers)
            ),
            *(threading.Thread(target=self._read, name=f"towpath-read-{n}", daemon=True) for n in range(readers)),
            threading.Thread(target=self._answer, name="towpath-question", daemon=True),
        ]
        self.direct = None if one_writer else Direct(self.engine, self._outages)
        if not one_writer:
            threading.Thread(target=watch, args=(self._links, self._over), name="towpath-watch", daemon=True).start()
        for thread in self._threads:
            thread.start()

    def submit(self, work: Work[T]) -> Future[T]:
        """Queue a writing piece of work; the future is done only after its commit."""
        return self._put(self._writes, work)

    def write(self, work: Work[T], *, timeout: float | None = 30.0) -> T:
        """Run a writing piece of work and wait for its commit (for threads; async code uses :meth:`awrite`).

        Raises:
            StorageUnavailable: the database cannot be reached or cannot write.
        """
        return self.submit(work).result(timeout)

    async def awrite(self, work: Work[T]) -> T:
        """As :meth:`submit`, for the event loop."""
        return await asyncio.wrap_future(self.submit(work))

    async def awrite_directly(self, statement: str, values: Mapping[str, Any]) -> Rows | None:
        """The rows of a single writing statement, committed (PostgreSQL); ``None`` where nothing came of it: do it by
        :meth:`awrite` then.

        Raises:
            StorageUnavailable: the database broke off; whether it took the statement is not known.
        """
        if self.direct is None:
            return None
        try:
            rows = await self.direct.run(statement, values)
        except StorageUnavailable:
            self.last_write_failed = True
            raise
        self.last_write_failed = self.last_write_failed and rows is None
        return rows

    def read(self, work: Work[T], *, timeout: float | None = 30.0) -> T:
        """Run a reading piece of work in a transaction that is rolled back."""
        return self._put(self._reads, work).result(timeout)

    async def aread(self, work: Work[T]) -> T:
        """As :meth:`read`, for the event loop."""
        return await asyncio.wrap_future(self._put(self._reads, work))

    async def aanswer(self, work: Work[T]) -> T:
        """As :meth:`aread`, for what people ask: it may look at very much, and the engine must not wait for it."""
        return await asyncio.wrap_future(self._put(self._questions, work))

    def close(self) -> None:
        """Finish what is queued, close all connections, release the instance lock. Safe to call twice."""
        if self._closed:
            return
        self._closed = True
        self._over.set()
        for thread in self._threads:
            line = self._reads if "-read-" in thread.name else self._writes
            (self._questions if "question" in thread.name else line).put(None)
        for thread in self._threads:
            thread.join(timeout=10)
        if self.direct is not None:
            self.direct.close()
        self.engine.dispose()
        if self._lock:
            self._lock.release()

    def _put(self, line: Line[_Job | None], work: Work[T]) -> Future[T]:
        if self._closed:
            raise StorageUnavailable("The database was closed.")
        future: Future[T] = Future()
        line.put(_Job(work, future))
        return future

    def _link(self, *, reading: bool = False, by_index: bool = True) -> Link:
        link = Link(self.engine, reading=reading, by_index=by_index)
        self._links.append(link)
        return link

    @contextlib.contextmanager
    def _writing(self, jobs: list[_Job]) -> Iterator[None]:
        """Whatever goes wrong becomes the answer of every piece of work that has none yet; remembers whether the
        database could write.
        """
        try:
            yield
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for this piece of work
            answer = self._translate(error)
            self.last_write_failed = isinstance(answer, StorageUnavailable)
            _fail(jobs, answer)
        else:
            self.last_write_failed = False

    def _translate(self, error: Exception) -> Exception:
        """A database that is away or full becomes StorageUnavailable; everything else stays what it is."""
        if isinstance(error, TowpathError) or not isinstance(error, DBAPIError):
            return error
        if isinstance(error, OperationalError) or error.connection_invalidated:
            self._outages.tell(error.orig)
            unavailable = StorageUnavailable(
                f"The database does not answer or cannot write ({type(error.orig).__name__}: {error.orig})."
            )
            unavailable.__cause__ = error
            return unavailable
        return error

    def _read(self) -> None:
        with self._link(reading=True) as link:
            self._give(self._reads, link)

    def _answer(self) -> None:
        with self._link(reading=True, by_index=False) as link:
            self._give(self._questions, link)

    def _give(self, line: Line[_Job | None], link: Link) -> None:
        while (job := line.get()) is not None:
            if not job.future.set_running_or_notify_cancel():
                continue
            try:
                job.future.set_result(with_retries(link, job.work))
            except Exception as error:  # noqa: BLE001 - handed to whoever asked
                _fail([job], self._translate(error))

    def _write_one_by_one(self) -> None:
        with self._link() as link:
            while (job := self._writes.get()) is not None:
                if not job.future.set_running_or_notify_cancel():
                    continue
                with self._writing([job]):
                    job.future.set_result(with_retries(link, job.work))

    def _write_in_groups(self) -> None:
        ended = False
        while not ended:
            first = self._writes.get()
            if first is None:
                return
            group = [first]
            with contextlib.suppress(LookupError):
                while len(group) < _MAX_GROUP:
                    job = self._writes.get_nowait()
                    if job is None:
                        ended = True
                        break
                    group.append(job)
            # From here on nobody can cancel a piece: its neighbours' answers must not depend on it.
            group = [job for job in group if job.future.set_running_or_notify_cancel()]
            with self._writing(group):
                self._commit_group(group)

    def _commit_group(self, group: list[_Job]) -> None:
        """One transaction for all; a failing piece is rolled back alone and keeps its own answer."""
        results: list[tuple[_Job, Any, Exception | None]] = []
        with self.engine.begin() as connection:
            for job in group:
                try:
                    if len(group) == 1:
                        results.append((job, job.work(connection), None))
                        continue
                    with connection.begin_nested():
                        results.append((job, job.work(connection), None))
                except OperationalError:
                    raise
                except Exception as error:
                    if len(group) == 1:
                        raise
                    results.append((job, None, error))
        for job, value, failure in results:
            if failure is None:
                job.future.set_result(value)
            else:
                job.future.set_exception(failure)


def _fail(jobs: list[_Job], answer: Exception) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(answer)
