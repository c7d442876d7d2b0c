"""One history from one seed: processes, upstreams and faults; then fair weather, until nothing is left to do."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from broker.handling import CRASHES_TO_DEATH
from domain.errors import StorageUnavailable, TransportUnavailable
from tests.simulation.checks import quiet, unfinished, violations
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.site import Makers, Site, play
from tests.simulation.upstream import Story, Upstream, invent
from tests.simulation.virtual import clock_of, virtual
from tests.simulation.weather import Climate, Weather, some_climate

STORM_SECONDS = 45.0
PATIENCE_SECONDS = 1800.0
AFTERMATH_SECONDS = 40.0
"""Longer than any call that is still under way can take to reach the shop."""


@dataclass(slots=True)
class History:
    """What one seed led to: the trace, and what does not hold at its end."""

    seed: int
    trace: list[str]
    broken: list[str] = field(default_factory=list)

    def report(self, lines: int = 400) -> str:
        """The seed, what is broken, and the last lines of the trace."""
        return "\n".join([f"seed {self.seed}:", *self.broken, "", *self.trace[-lines:]])


Invent = Callable[[Site, Random], Story]
PLAIN = Makers()


def simulate(seed: int, makers: Makers = PLAIN, *, climate: Climate | None = None, story: Invent = invent) -> History:
    """Run the history of a seed. ``makers`` may hold planted faults; ``climate`` is the seed's own unless given."""
    chance = Random(seed)
    loop = VirtualLoop(chance)
    loop.set_exception_handler(lambda _loop, context: None)
    weather = Weather(loop, chance, climate or some_climate(chance))
    gc.disable()
    try:
        with virtual(loop, weather, seed):
            site = Site(weather, clock_of(loop), makers)
            broken = loop.run_until_complete(_Play(site, story(site, chance)).run())
    finally:
        gc.enable()
        loop.close()
    return History(seed, weather.trace, broken)


class _Play:
    """The course of one history, seen from outside the processes."""

    def __init__(self, site: Site, story: Story) -> None:
        self._site = site
        self._story = story
        self._weather = site.weather
        self._chance = site.weather.chance
        self._tickets = self._chance.random() < 0.7
        if not self._tickets:
            site.weather.kills_left = CRASHES_TO_DEATH - 1
        # A process that starts anew on the same database frees what its predecessor held at once.
        site.weather.lingering = self._tickets
        self._over = False
        self._processes: list[Process] = []
        self._stops: dict[Process, asyncio.Event] = {}
        self._failures: list[str] = []

    async def run(self) -> list[str]:
        casts = ["relay", "consume", "consume", "consume"] if self._tickets else ["relay consume"]
        names = {f"{roles[0]}{at}": roles for at, roles in enumerate(casts)}
        keepers = [asyncio.create_task(self._keep(roles, name), name=name) for name, roles in names.items()]
        speakers = [
            asyncio.create_task(Upstream(self._site, self._story, self._chance).speak(events, STORM_SECONDS / 5))
            for events in self._story.subjects
        ]
        await asyncio.sleep(STORM_SECONDS)
        self._weather.stormy = False
        self._weather.note("-------- fair weather --------")
        broken = await self._settle_down()
        self._over = True
        for process, stop in self._stops.items():
            if process.alive:
                stop.set()
        done, late = await asyncio.wait([*keepers, *speakers], timeout=300.0)
        broken += [f"{task.get_name()} does not end" for task in late]
        broken += [f"{task.exception()!r}" for task in done if task.exception() is not None]
        broken += [*violations(self._site, self._story), *self._failures]
        broken += [f"the log says {each}" for each in self._weather.surprises]
        await self._site.weather.loop.clear_away(self._processes)
        return broken

    async def _settle_down(self) -> list[str]:
        loop = self._weather.loop
        since = loop.time()
        deadline = loop.time() + PATIENCE_SECONDS
        while loop.time() < deadline:
            if not quiet(self._site, self._story):
                since = loop.time()
            elif loop.time() - since >= AFTERMATH_SECONDS:
                return []
            await asyncio.sleep(5.0)
        return [f"it does not come to rest: {reason}" for reason in unfinished(self._site, self._story)]

    async def _keep(self, roles: str, name: str) -> None:
        """Start a process again and again, as a supervisor does."""
        times = 0
        while not self._over:
            times += 1
            process = Process(f"{name}.{times}")
            stop = asyncio.Event()
            self._processes.append(process)
            self._stops[process] = stop
            if self._weather.stormy and self._chance.random() < 10 * self._weather.climate.kill:
                process.steps_left = self._chance.randint(1, 3000)
            task = self._weather.loop.spawn(process, play(self._site, roles, stop, tickets=self._tickets))
            while process.alive and not task.done():  # noqa: ASYNC110 - a process that is killed tells nobody
                await asyncio.sleep(0.5)
            if task.done() and (error := task.exception()) is not None:
                self._weather.note(f"{process} ended: {error!r}")
                if not isinstance(error, StorageUnavailable | TransportUnavailable):
                    self._failures.append(f"{process} ended by itself: {error!r}")
            await asyncio.sleep(self._chance.uniform(0.5, 5.0))
