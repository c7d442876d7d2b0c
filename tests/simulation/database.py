"""The database twin: the real tables in memory, each piece of work done at once and in one go."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from sqlite3 import Connection as SqliteConnection
from typing import Any, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

from domain.errors import StorageUnavailable
from storage.database import Database
from storage.link import Work
from storage.schema import upgrade
from tests.simulation.loop import Process, here
from tests.simulation.weather import Weather

T = TypeVar("T")


def memory_engine() -> Engine:
    """An engine on one SQLite connection in memory, whose transactions we begin."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})

    def prepare(connection: SqliteConnection, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys=ON")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return engine


@cache
def _migrated() -> bytes:
    engine = memory_engine()
    with engine.begin() as connection:
        upgrade(connection)
    image = raw(engine).serialize()
    engine.dispose()
    return image


def raw(engine: Engine) -> SqliteConnection:
    """The driver's connection of a memory engine."""
    return cast(SqliteConnection, engine.raw_connection().driver_connection)


def fresh_engine() -> Engine:
    """A memory engine with the newest schema and no rows."""
    engine = memory_engine()
    raw(engine).deserialize(_migrated())
    raw(engine).execute("PRAGMA foreign_keys=ON")
    return engine


class InlineDatabase(Database):
    """:class:`storage.database.Database` for one process of the simulation: no threads, no waiting, many faults."""

    def __init__(self, engine: Engine, weather: Weather) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self.commits = 0
        self.direct = None
        self._weather = weather
        self._process: Process = here()

    async def awrite(self, work: Work[T]) -> T:
        name = _name(work)
        await self._weather.point(f"before {name}")
        if self._weather.strikes("away"):
            self._weather.note(f"database  {name}: away")
            raise StorageUnavailable("The database is away.")
        if self._weather.strikes("undo"):
            self.write(work, undone=True)
            self._weather.note(f"database  {name}: rolled back")
            await self._weather.point(f"after {name}")
            raise StorageUnavailable("The database could not commit.")
        result = self.write(work)
        self._weather.note(f"database  {name}: committed")
        await self._weather.point(f"after {name}")
        if self._weather.strikes("deaf"):
            self._weather.note(f"database  {name}: the answer was lost")
            raise StorageUnavailable("The answer of the database was lost.")
        return result

    async def aread(self, work: Work[T]) -> T:
        await self._weather.point(f"before {_name(work)}")
        if self._weather.strikes("away"):
            self._weather.note(f"database  {_name(work)}: away")
            raise StorageUnavailable("The database is away.")
        return self.read(work)

    async def aanswer(self, work: Work[T]) -> T:
        return await self.aread(work)

    def write(self, work: Work[T], *, timeout: float | None = None, undone: bool = False) -> T:
        with self.engine.begin() as connection:
            result = work(connection)
            if undone:
                connection.rollback()
                return result
        self.commits += 1
        return result

    def read(self, work: Work[T], *, timeout: float | None = None) -> T:
        with self.engine.connect() as connection:
            result = work(connection)
            connection.rollback()
        return result

    def submit(self, work: Work[T], *, alone: bool = False) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(self.write(work))
        return done

    def close(self) -> None:
        """The connection belongs to the simulation."""


def _name(work: Callable[[Connection], Any]) -> str:
    """``settle`` for what ``SqlLedger.settle`` hands over."""
    parts = [part for part in getattr(work, "__qualname__", "work").split(".") if not part.startswith("<")]
    return next((part for part in reversed(parts) if part != "work"), "work")
