"""An event loop in virtual time: seeded choice of who runs next, processes that can be killed and frozen.

Callbacks belong to the process in whose context they were made. Within a process they run in the order they were
made, as asyncio promises; between processes a seeded choice decides, so that one seed is one history.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import ContextVar, copy_context
from random import Random
from typing import Any, cast

MOST_SPINS = 20_000
"""Callbacks at one instant of virtual time after which something is taken to run in circles."""


class Process:
    """A process of the simulation: what it has to run, and whether it may."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.frozen_until = 0.0
        self.line: deque[asyncio.Handle] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        self.steps_left: int | None = None
        """How many more callbacks it runs before the loop asks :attr:`VirtualLoop.struck`."""

    def __repr__(self) -> str:
        return self.name


OUTSIDE = Process("world")
"""Everything that is no process of ours: upstreams, the shop, the servers, the test. It cannot be killed."""

_current: ContextVar[Process] = ContextVar("process", default=OUTSIDE)


def here() -> Process:
    """The process whose code runs now."""
    return _current.get()


class StandstillError(RuntimeError):
    """Nothing is left to run and no timer is set: the simulation would wait for ever."""


class BusyLoopError(BaseException):
    """Callback follows callback and no time passes; no ``except Exception`` of a task may swallow this."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs one callback at a time; when all wait, time jumps to the next timer."""

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._now = 0.0
        self._spins = 0
        self._chance = chance
        self._processes: list[Process] = [OUTSIDE]
        self.struck: Callable[[Process], None] = lambda process: None
        OUTSIDE.line.clear()
        OUTSIDE.tasks.clear()
        self.set_task_factory(cast(Any, self._remember))

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._now

    def spawn(self, process: Process, body: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a process with its first task."""
        self._processes.append(process)
        context = copy_context()
        context.run(_current.set, process)
        return context.run(self.create_task, body)

    def outside(self, seconds: float, act: Callable[[], None]) -> None:
        """Let the world do something after ``seconds``, whatever becomes of the process that asks."""
        context = copy_context()
        context.run(_current.set, OUTSIDE)
        self.call_later(seconds, act, context=context)

    def kill(self, process: Process) -> None:
        """End a process as ``kill -9`` does: nothing of it ever runs again, no clean-up either."""
        process.alive = False
        self._processes.remove(process)

    async def clear_away(self, processes: list[Process]) -> None:
        """Let the tasks of ended processes go at last, when nothing they do can be seen any more."""
        for process in processes:
            process.alive, process.frozen_until, process.steps_left = True, 0.0, None
            if process not in self._processes:
                self._processes.append(process)
        while pending := [task for process in processes for task in process.tasks if not task.done()]:
            for task in pending:
                task.cancel()
            await asyncio.sleep(1.0)

    def _remember(
        self, loop: asyncio.AbstractEventLoop, body: Coroutine[Any, Any, Any], **rest: Any
    ) -> asyncio.Task[Any]:
        # A task that nobody holds is closed by the garbage collector, and its clean-up would run after a kill.
        task = asyncio.Task(body, loop=loop, **rest)
        here().tasks.append(task)
        return task

    def _run_once(self) -> None:
        self._sort_in()
        while (process := self._choose()) is None:
            self._let_time_pass()
        handle = process.line.popleft()
        self._spins += 1
        if self._spins > MOST_SPINS:
            raise BusyLoopError(f"{process} runs on and on at {self._now:.3f} s: {handle!r}")
        if not handle.cancelled():
            handle._run()
            if process.steps_left is not None:
                process.steps_left -= 1
                if process.steps_left <= 0 and process.alive:
                    process.steps_left = None
                    self.struck(process)

    def _sort_in(self) -> None:
        ready: deque[asyncio.Handle] = self._ready  # type: ignore[attr-defined]
        while ready:
            self._line_up(ready.popleft())
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        while timers and (timers[0].when() <= self._now or timers[0].cancelled()):
            self._line_up(heapq.heappop(timers))

    def _line_up(self, handle: asyncio.Handle) -> None:
        if isinstance(handle, asyncio.TimerHandle):
            handle._scheduled = False  # type: ignore[attr-defined]
        process = handle._context.get(_current, OUTSIDE)  # type: ignore[attr-defined]
        if not handle.cancelled():
            process.line.append(handle)

    def _choose(self) -> Process | None:
        able = [each for each in self._processes if each.line and each.frozen_until <= self._now]
        if len(able) > 1:
            return able[self._chance.randrange(len(able))]
        return able[0] if able else None

    def _let_time_pass(self) -> None:
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        thaws = [each.frozen_until for each in self._processes if each.line and each.frozen_until > self._now]
        following = [*thaws, *([timers[0].when()] if timers else [])]
        if not following:
            raise StandstillError("Nothing is left to run.")
        self._now, self._spins = max(self._now, min(following)), 0
        self._sort_in()

    def _process_events(self, event_list: list[Any]) -> None:
        """There is no input from outside."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""
