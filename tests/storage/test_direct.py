"""Statements said by the event loop itself: each its own transaction, or nothing at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from domain.errors import StorageUnavailable
from storage.database import Database
from storage.direct import Direct, Rows
from storage.engine import make_engine
from storage.link import SILENT_SECONDS
from storage.outages import Outages
from tests.moody import until

_TABLE = "CREATE TABLE said (number int CHECK (number < 100))"
_ADD = "INSERT INTO said (number) VALUES (%(number)s) RETURNING number"
_SLOWLY = "INSERT INTO said (number) SELECT %(number)s FROM pg_sleep(0.3) RETURNING number"


@pytest.fixture
def database(postgresql_database: str) -> Iterator[Database]:
    made = Database(postgresql_database)
    made.write(lambda connection: connection.execute(text(_TABLE)).close())
    yield made
    made.close()


@pytest.fixture
def direct(database: Database) -> Iterator[Direct]:
    direct = Direct(database.engine, Outages())
    yield direct
    direct.close()


def said(database: Database) -> list[int]:
    """What is committed."""
    return database.read(lambda connection: list(connection.scalars(text("SELECT number FROM said ORDER BY number"))))


async def test_what_was_said_is_committed_when_it_is_answered(direct: Direct, database: Database) -> None:
    assert [await direct.run(_ADD, {"number": number}) for number in (1, 2)] == [[(1,)], [(2,)]]
    assert said(database) == [1, 2]


async def test_what_the_database_refuses_leaves_nothing_and_the_connection_good(
    direct: Direct, database: Database
) -> None:
    assert await direct.run(_ADD, {"number": 100}) is None
    assert await direct.run(_ADD, {"number": 99}) == [(99,)]
    assert said(database) == [99]


async def test_what_comes_while_all_connections_speak_is_left_to_others(direct: Direct, database: Database) -> None:
    answers = await asyncio.gather(*(direct.run(_SLOWLY, {"number": number}) for number in range(3)))
    assert answers == [[(0,)], [(1,)], None]
    assert said(database) == [0, 1]


async def test_a_connection_that_breaks_meanwhile_leaves_it_open_whether_it_was_taken(
    direct: Direct, database: Database
) -> None:
    assert await direct.run(_ADD, {"number": 1}) == [(1,)]
    with pytest.raises(StorageUnavailable):
        await direct.run("SELECT pg_terminate_backend(pg_backend_pid())", {})
    assert await direct.run(_ADD, {"number": 2}) == [(2,)]
    assert said(database) == [1, 2]


async def test_whoever_asked_may_be_cancelled_without_taking_it_back(direct: Direct, database: Database) -> None:
    await direct.run(_ADD, {"number": 1})
    asking = asyncio.ensure_future(direct.run(_SLOWLY, {"number": 2}))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await until(lambda: said(database) == [1, 2])
    assert await direct.run(_ADD, {"number": 3}) == [(3,)]


async def test_an_answer_that_never_comes_ends_the_connection(
    direct: Direct, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.direct.SILENT_SECONDS", 0.1)
    with pytest.raises(StorageUnavailable):
        await direct.run("SELECT pg_sleep(30)", {})
    monkeypatch.setattr("storage.direct.SILENT_SECONDS", SILENT_SECONDS)
    assert await direct.run(_ADD, {"number": 1}) == [(1,)]
    assert said(database) == [1]


async def test_a_database_that_cannot_be_reached_is_left_to_the_ordinary_way() -> None:
    away = Direct(make_engine("postgresql+psycopg://nobody@127.0.0.1:1/none"), Outages())
    assert await away.run("SELECT 1", {}) is None


def test_each_event_loop_has_connections_of_its_own(direct: Direct, database: Database) -> None:
    async def say(number: int) -> Rows | None:
        return await direct.run(_ADD, {"number": number})

    assert [asyncio.run(say(number)) for number in (1, 2)] == [[(1,)], [(2,)]]
    assert said(database) == [1, 2]


async def test_nothing_is_said_after_closing(direct: Direct) -> None:
    assert await direct.run("SELECT 1", {}) == [(1,)]
    direct.close()
    assert await direct.run("SELECT 1", {}) is None
