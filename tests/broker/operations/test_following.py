from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select

from broker.operations import LogFilter, surface
from domain.ids import first_id, new_id
from domain.moments import utc_now
from storage.tables import sync_log
from tests.house import DONE, SmallHouse, answering, small_house
from tests.moody import until

WORK = answering(lambda run: DONE)


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "FOLLOW_SECONDS", 0.02)


class Following:
    """What a follower was given so far; ``looks`` counts how often it asked."""

    def __init__(self, house: SmallHouse) -> None:
        self.ids: list[str] = []
        self.looks = 0
        self._logs = house.desk.logs
        house.desk.logs = self._counted  # type: ignore[method-assign]

    async def _counted(self, wanted: LogFilter) -> Any:
        found = await self._logs(wanted)
        self.looks += 1
        return found

    async def look_again(self, times: int = 3) -> None:
        """Wait until it has asked some more times."""
        before = self.looks
        await until(lambda: self.looks >= before + times)


@asynccontextmanager
async def following(house: SmallHouse, **wanted: Any) -> AsyncIterator[Following]:
    """A follower that has begun, for the length of the block."""
    followed = Following(house)

    async def follow() -> None:
        async for row in house.operations.follow(LogFilter(**wanted)):
            followed.ids.append(row.id)

    task: Awaitable[None] = asyncio.create_task(follow())
    try:
        await until(lambda: followed.looks >= 2)
        yield followed
    finally:
        assert isinstance(task, asyncio.Task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def stored(house: SmallHouse) -> list[str]:
    return [row.id for row in await house.execute(select(sync_log.c.id).order_by(sync_log.c.id))]


async def a_row(house: SmallHouse) -> dict[str, Any]:
    """A sync log row to make others like it."""
    await house.order_event(1)
    await house.work_off(WORK)
    (row,) = await house.execute(select(sync_log))
    return dict(row._mapping)


def write(connection: Connection, like: dict[str, Any], *row_ids: str) -> None:
    connection.execute(insert(sync_log), [{**like, "id": row_id} for row_id in row_ids])


async def test_rows_come_as_they_are_written_each_once_and_none_from_before(house: SmallHouse) -> None:
    await house.order_event(0)
    await house.work_off(WORK)
    before = await stored(house)
    async with following(house) as followed:
        async with house.at_work(WORK):
            for number in range(40):
                await house.order_event(number)
            await until(lambda: len(followed.ids) == 40)
        await followed.look_again()
    assert followed.ids == [row_id for row_id in await stored(house) if row_id not in before]


async def test_more_rows_than_a_page_come_whole(house: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "FOLLOW_PAGE", 7)
    like = await a_row(house)
    async with following(house) as followed:
        ids = [new_id() for _ in range(50)]
        await house.database.awrite(lambda connection: write(connection, like, *ids))
        await until(lambda: len(followed.ids) >= 50)
        await followed.look_again()
    assert followed.ids == ids


async def test_only_rows_that_match_come(house: SmallHouse) -> None:
    async with following(house, business_key="7", outcome="done") as followed, house.at_work(WORK):
        for number in (6, 7, 8):
            await house.order_event(number)
        await until(lambda: followed.ids)
        await until(house.idle)
        await followed.look_again()
    (row,) = await house.logs(business_key="7")
    assert followed.ids == [row.id]


async def test_a_row_that_is_committed_after_one_with_a_later_id_comes_too_and_once(postgresql_database: str) -> None:
    """Two workers: the first made its row's id before the second, and committed after it."""
    async with small_house(postgresql_database) as house:
        like = await a_row(house)
        async with following(house) as followed:
            with house.database.engine.connect() as first, house.database.engine.connect() as second:
                ids = [new_id() for _ in range(4)]
                write(first, like, ids[0])
                write(second, like, ids[1])
                second.commit()
                await until(lambda: followed.ids == [ids[1]])
                write(second, like, ids[3])
                write(first, like, ids[2])
                second.commit()
                await until(lambda: followed.ids == [ids[1], ids[3]])
                first.commit()
            await until(lambda: len(followed.ids) == 4)
            await followed.look_again()
        assert followed.ids == [ids[1], ids[3], ids[0], ids[2]]


async def test_a_row_that_was_written_before_the_follower_began_and_committed_after_comes_too(
    postgresql_database: str,
) -> None:
    async with small_house(postgresql_database) as house:
        like = await a_row(house)
        with house.database.engine.connect() as worker:
            row_id = new_id()
            write(worker, like, row_id)
            async with following(house) as followed:
                worker.commit()
                await until(lambda: followed.ids)
        assert followed.ids == [row_id]


async def test_what_is_older_than_the_overlap_is_forgotten_and_does_not_come_again(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surface, "FOLLOW_OVERLAP", timedelta(seconds=0.2))
    async with following(house) as followed, house.at_work(WORK):
        for number in range(5):
            await house.order_event(number)
        await until(lambda: len(followed.ids) == 5)
        newest = followed.ids[-1]
        await until(lambda: first_id(utc_now() - timedelta(seconds=0.3)) > newest)
        await followed.look_again()
        await house.order_event(9)
        await until(lambda: len(followed.ids) == 6)
    assert len(set(followed.ids)) == 6


async def test_rows_known_already_are_left_out_and_do_not_count_for_the_limit(house: SmallHouse) -> None:
    like = await a_row(house)
    ids = sorted(new_id() for _ in range(6))
    await house.database.awrite(lambda connection: write(connection, like, *ids))
    first = await house.desk.logs(LogFilter(after_id=ids[0], known=frozenset({ids[2]}), limit=2))
    assert [row.id for row in first] == [ids[1], ids[3]]
