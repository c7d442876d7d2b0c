"""The bell between tasks of one process."""

from __future__ import annotations

import asyncio

import pytest

from broker.bell import Bell


async def test_a_ring_wakes_the_listener() -> None:
    bell = Bell()
    listening = asyncio.create_task(bell.listen(30))
    await asyncio.sleep(0)
    assert not listening.done()
    bell.ring()
    assert await asyncio.wait_for(listening, 5) is True


async def test_a_ring_before_listening_is_not_lost_and_heard_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    assert await bell.listen(30) is True
    assert await bell.listen(0.001) is False


async def test_silence_ends_after_the_given_time() -> None:
    assert await asyncio.wait_for(Bell().listen(0.001), 5) is False


async def test_a_ring_during_the_wake_up_is_kept_for_the_next_time() -> None:
    bell = Bell()
    bell.ring()
    assert await bell.listen(30)
    bell.ring()
    assert await bell.listen(30)


@pytest.mark.parametrize("turns", range(3))
async def test_a_listener_that_is_cancelled_as_the_bell_rings_has_heard_it_or_is_cancelled(turns: int) -> None:
    bell = Bell()

    async def listen_twice() -> None:
        await bell.listen(30)
        await bell.listen(30)

    listening = asyncio.create_task(listen_twice())
    await asyncio.sleep(0)
    bell.ring()
    for _ in range(turns):
        await asyncio.sleep(0)
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(listening, 5)
