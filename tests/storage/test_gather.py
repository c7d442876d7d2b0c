"""Questions asked at the same time: each gets its own answer, and the database is asked rarely."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection

from domain.errors import StorageUnavailable
from storage.database import Database
from storage.gather import Gathered
from tests.moody import until


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'towpath.db'}")
    yield made
    made.close()


class Squares:
    """Squares numbers, one question at a time, each when it may; numbers below 0 are trouble for all they came with."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.may = threading.Event()

    def __call__(self, connection: Connection, keys: Sequence[int]) -> Mapping[int, int]:
        self.asked.append(sorted(keys))
        assert self.may.wait(20)
        if min(keys) < 0:
            raise StorageUnavailable("The database is away.")
        return {key: key * key for key in keys}


async def test_what_is_asked_while_an_answer_is_on_its_way_is_asked_next_all_at_once(database: Database) -> None:
    squares = Squares()
    gathered = Gathered(database, squares)
    first = asyncio.create_task(gathered(1))
    await until(lambda: squares.asked)
    others = [asyncio.create_task(gathered(number)) for number in range(2, 30)]
    await asyncio.sleep(0)
    squares.may.set()
    assert await asyncio.gather(first, *others) == [number * number for number in range(1, 30)]
    assert squares.asked == [[1], list(range(2, 30))]


async def test_the_same_question_is_asked_once_and_answered_to_all_who_asked(database: Database) -> None:
    squares = Squares()
    squares.may.set()
    gathered = Gathered(database, squares)
    assert await asyncio.gather(*(gathered(7) for _ in range(5))) == [49] * 5
    assert squares.asked == [[7]]
    assert await gathered(7) == 49
    assert squares.asked == [[7], [7]]


async def test_trouble_is_told_to_those_who_asked_and_the_next_question_is_answered(database: Database) -> None:
    squares = Squares()
    gathered = Gathered(database, squares)
    first = asyncio.create_task(gathered(-1))
    await until(lambda: squares.asked)
    second = asyncio.create_task(gathered(2))
    await asyncio.sleep(0)
    squares.may.set()
    with pytest.raises(StorageUnavailable):
        await first
    assert await second == 4
    assert await gathered(3) == 9


async def test_who_gives_up_takes_the_answer_from_nobody(database: Database) -> None:
    squares = Squares()
    gathered = Gathered(database, squares)
    impatient, patient = (asyncio.create_task(gathered(3)) for _ in range(2))
    await until(lambda: squares.asked)
    impatient.cancel()
    squares.may.set()
    assert await patient == 9
    with pytest.raises(asyncio.CancelledError):
        await impatient
