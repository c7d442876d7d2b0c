from __future__ import annotations

import asyncio

import pytest

from domain.errors import StorageUnavailable
from producers.http.patience import Patience


async def test_work_that_takes_too_long_is_given_up_but_not_cancelled() -> None:
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ended: list[str] = []

    async def work() -> None:
        ended.append(await answer)

    with pytest.raises(StorageUnavailable):
        await Patience(1).wait_for(work(), 0.01)
    answer.set_result("done")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ended == ["done"]


async def test_overdue_work_keeps_its_place_until_it_ends() -> None:
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    patience = Patience(1)

    async def work() -> str:
        await answer
        return "done"

    with pytest.raises(StorageUnavailable) as overdue:
        await patience.wait_for(work(), 0.01)
    with pytest.raises(StorageUnavailable) as crowded:
        await patience.wait_for(work(), 0.01)
    assert (overdue.value.code, crowded.value.code) == ("storage_unavailable", "overloaded")
    answer.set_result(None)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await patience.wait_for(work(), 0.5) == "done"


async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Patience(1).wait_for(work(), 1)
