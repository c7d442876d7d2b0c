"""The loop of the simulation: virtual time, processes that end without a clean-up or stand still, busy circles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest

from tests.simulation.loop import BusyLoopError, Process, StandstillError, VirtualLoop

Body = Callable[[list[str]], Coroutine[Any, Any, None]]


async def _careful(notes: list[str]) -> None:
    try:
        for step in range(10):
            notes.append(f"step {step}")
            await asyncio.sleep(1.0)
    finally:
        notes.append("cleaned up")


def _play(course: Callable[[VirtualLoop, Process], Coroutine[Any, Any, None]], body: Body = _careful) -> list[str]:
    """What a process noted during a course of the world."""
    loop, notes, process = VirtualLoop(Random(1)), list[str](), Process("p")

    async def world() -> list[str]:
        loop.spawn(process, body(notes))
        await course(loop, process)
        seen = list(notes)
        await loop.clear_away([process])
        return seen

    try:
        return loop.run_until_complete(world())
    finally:
        loop.close()


def test_time_passes_at_once() -> None:
    async def course(loop: VirtualLoop, process: Process) -> None:
        await asyncio.sleep(100_000.0)
        assert loop.time() == 100_000.0

    assert _play(course)[-2:] == ["step 9", "cleaned up"]


def test_what_is_killed_does_not_clean_up() -> None:
    async def course(loop: VirtualLoop, process: Process) -> None:
        await asyncio.sleep(2.5)
        loop.kill(process)
        await asyncio.sleep(100.0)

    assert _play(course) == ["step 0", "step 1", "step 2"]


def test_what_is_frozen_goes_on_late() -> None:
    async def course(loop: VirtualLoop, process: Process) -> None:
        await asyncio.sleep(2.5)
        process.frozen_until = 50.0
        await asyncio.sleep(47.0)
        assert process.line
        await asyncio.sleep(1.0)

    assert _play(course) == ["step 0", "step 1", "step 2", "step 3"]


def test_a_circle_without_time_is_noticed() -> None:
    async def circle(notes: list[str]) -> None:
        while True:  # noqa: ASYNC110 - the circle is the point
            await asyncio.sleep(0)

    async def course(loop: VirtualLoop, process: Process) -> None:
        await asyncio.sleep(1.0)

    with pytest.raises(BusyLoopError, match="p runs on and on"):
        _play(course, circle)


def test_waiting_for_nothing_is_noticed() -> None:
    async def course(loop: VirtualLoop, process: Process) -> None:
        await loop.create_future()

    with pytest.raises(StandstillError):
        _play(course)
