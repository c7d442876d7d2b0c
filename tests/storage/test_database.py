"""The way into the database: answers only after the commit, and trouble that stays with whom it concerns."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, insert, select, text, update
from sqlalchemy.exc import DBAPIError

from domain.errors import StorageUnavailable
from storage.database import Database
from storage.tables import cursors
from tests.services.provide import Postgres

Work = Callable[[Connection], int]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


@pytest.fixture
def sqlite(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    path = tmp_path / "towpath.db"
    shutil.copy(sqlite_template, path)
    made = Database(f"sqlite:///{path}")
    yield made
    made.close()


def put(number: int) -> Work:
    """Insert a row; answers its number."""

    def work(connection: Connection) -> int:
        connection.execute(insert(cursors).values(channel_id=str(number), job_type="x", until=number))
        return number

    return work


def broken(connection: Connection) -> int:
    put(999)(connection)
    raise RuntimeError("broken on purpose")


def stored(database: Database) -> list[int]:
    return database.read(lambda connection: sorted(connection.scalars(select(cursors.c.until))))


class Gate:
    """A piece of work that occupies the writer until it is let go."""

    def __init__(self, database: Database) -> None:
        self._open = threading.Event()
        begun = threading.Event()

        def work(connection: Connection) -> None:
            begun.set()
            assert self._open.wait(10)

        self.future = database.submit(work)
        assert begun.wait(10)

    def let_go(self) -> None:
        self._open.set()


def test_a_write_answers_its_result_and_stays(database: Database) -> None:
    assert database.write(put(1)) == 1
    assert stored(database) == [1]


async def test_a_write_can_be_awaited(database: Database) -> None:
    assert await database.awrite(put(1)) == 1
    assert await database.aread(lambda connection: connection.scalar(select(cursors.c.until))) == 1


def test_a_write_that_fails_leaves_nothing_and_its_error_comes_back(database: Database) -> None:
    with pytest.raises(RuntimeError, match="broken on purpose"):
        database.write(broken)
    assert stored(database) == []


def test_a_reading_piece_of_work_changes_nothing(database: Database) -> None:
    with contextlib.suppress(DBAPIError):
        database.read(put(1))
    assert stored(database) == []


def test_one_failing_piece_does_not_spoil_its_neighbours(database: Database) -> None:
    futures: list[Future[int]] = [database.submit(broken if number % 7 == 3 else put(number)) for number in range(200)]
    wait(futures, 20)
    good = [number for number in range(200) if number % 7 != 3]
    assert [future.result() for number, future in enumerate(futures) if number % 7 != 3] == good
    assert {type(future.exception()) for number, future in enumerate(futures) if number % 7 == 3} == {RuntimeError}
    assert stored(database) == good


def test_what_waited_for_the_writer_is_committed_together(sqlite: Database) -> None:
    commits: list[Connection] = []
    event.listen(sqlite.engine, "commit", commits.append)
    gate = Gate(sqlite)
    futures = [sqlite.submit(put(number)) for number in range(50)]
    gate.let_go()
    assert [future.result(10) for future in futures] == list(range(50))
    assert len(commits) == 2


def test_nobody_hears_of_success_before_the_commit(sqlite: Database) -> None:
    futures: list[Future[int]] = []
    heard: list[bool] = []
    event.listen(sqlite.engine, "commit", lambda connection: heard.extend(future.done() for future in futures))
    gate = Gate(sqlite)
    futures += [sqlite.submit(put(number)) for number in range(5)]
    gate.let_go()
    wait(futures, 10)
    assert heard
    assert not any(heard)
    assert all(future.done() for future in futures)


def test_when_the_commit_of_a_group_fails_everybody_hears_it(sqlite: Database) -> None:
    gate = Gate(sqlite)

    def cannot(connection: Connection) -> None:
        raise OSError("the disk is gone")

    futures = [sqlite.submit(put(number)) for number in range(5)]
    event.listen(sqlite.engine, "commit", cannot)
    gate.let_go()
    wait(futures, 10)
    event.remove(sqlite.engine, "commit", cannot)
    assert {type(future.exception()) for future in futures} == {OSError}
    assert stored(sqlite) == []
    assert sqlite.write(put(1)) == 1


async def test_a_piece_nobody_waits_for_any_more_does_not_spoil_the_answers_of_its_neighbours(
    sqlite: Database,
) -> None:
    gate = Gate(sqlite)
    pieces = [asyncio.ensure_future(sqlite.awrite(put(number))) for number in range(5)]
    await asyncio.sleep(0)
    pieces[1].cancel()
    await asyncio.sleep(0)
    gate.let_go()
    answers = await asyncio.gather(*pieces, return_exceptions=True)
    assert isinstance(answers[1], asyncio.CancelledError)
    assert answers[:1] + answers[2:] == [0, 2, 3, 4]
    assert set(stored(sqlite)) >= {0, 2, 3, 4}


def test_closing_finishes_what_is_queued(database_url: str) -> None:
    database = Database(database_url)
    futures = [database.submit(put(number)) for number in range(30)]
    database.close()
    assert [future.result(0) for future in futures] == list(range(30))


def test_a_closed_database_refuses_work_and_can_be_closed_again(database_url: str) -> None:
    database = Database(database_url)
    database.close()
    database.close()
    for ask in (database.write, database.read):
        with pytest.raises(StorageUnavailable, match="was closed"):
            ask(put(1))


def test_a_constraint_that_is_hit_is_no_outage(database: Database) -> None:
    database.write(put(1))
    with pytest.raises(Exception, match=r"(?i)unique") as caught:
        database.write(put(1))
    assert not isinstance(caught.value, StorageUnavailable)


def test_a_file_that_cannot_be_written_is_told_as_unavailable(sqlite: Database) -> None:
    def refused(connection: Connection) -> int:
        connection.exec_driver_sql("PRAGMA query_only=1")
        return put(1)(connection)

    with pytest.raises(StorageUnavailable, match="cannot write"):
        sqlite.write(refused)


def test_a_server_that_goes_away_is_told_as_unavailable_and_found_again_when_it_is_back(
    postgresql_server: Postgres, postgresql_database: str
) -> None:
    database = Database(postgresql_database)
    try:
        create = text("CREATE TABLE kept (number int)")
        database.write(lambda connection: connection.execute(create).close())
        postgresql_server.crash()
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="does not answer"):
                database.write(lambda connection: connection.execute(text("INSERT INTO kept VALUES (1)")).close())
            with pytest.raises(StorageUnavailable):
                database.read(lambda connection: connection.scalar(text("SELECT 1")))
        postgresql_server.restart()
        database.write(lambda connection: connection.execute(text("INSERT INTO kept VALUES (2)")).close())
        assert database.read(lambda connection: connection.scalar(text("SELECT sum(number) FROM kept"))) == 2
    finally:
        database.close()


def test_a_server_that_dies_under_a_piece_of_work_is_told_as_unavailable(
    postgresql_server: Postgres, postgresql_database: str
) -> None:
    database = Database(postgresql_database)

    def work(connection: Connection) -> None:
        connection.execute(text("SELECT 1"))
        postgresql_server.crash()
        connection.execute(text("SELECT 1"))

    try:
        with pytest.raises(StorageUnavailable):
            database.write(work)
    finally:
        database.close()
        postgresql_server.restart()


def test_the_victim_of_a_deadlock_is_done_again(postgresql_emptied: str, postgresql_server: Postgres) -> None:
    database = Database(postgresql_emptied)
    both = threading.Barrier(2, timeout=10)
    tries = []

    def cross(first: int, second: int) -> Work:
        def work(connection: Connection) -> int:
            tries.append(first)
            connection.exec_driver_sql("SET LOCAL deadlock_timeout = '10ms'")
            add(connection, first)
            if len(tries) <= 2:
                both.wait()
            add(connection, second)
            return first

        return work

    def add(connection: Connection, number: int) -> None:
        row = cursors.c.channel_id == str(number)
        connection.execute(update(cursors).where(row).values(until=cursors.c.until + 100))

    try:
        database.write(lambda connection: connection.execute(text("DELETE FROM cursors")).close())
        for number in (1, 2):
            database.write(put(number))
        futures = [database.submit(cross(1, 2)), database.submit(cross(2, 1))]
        assert [future.result(20) for future in futures] == [1, 2]
        assert len(tries) == 3
        assert stored(database) == [201, 202]
    finally:
        database.close()
