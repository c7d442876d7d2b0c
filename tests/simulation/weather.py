"""What goes wrong, how often, and the record of what happened."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, fields
from random import Random

from tests.simulation.loop import OUTSIDE, Process, VirtualLoop, here

HEARTBEAT_SECONDS = 20.0
"""A process that is silent for so long loses its connection to the message broker."""


@dataclass(frozen=True, slots=True)
class Climate:
    """The chance of each fault at each occasion for it.

    ``kill`` and ``freeze`` strike a process between two steps, ``away``, ``undo`` and ``deaf`` a piece of work on the
    database (not begun; done and rolled back; done and the answer lost), ``refuse``, ``cut`` and ``mute`` a publish
    (not taken; connection lost half way; taken and the confirm lost), ``drop`` a take or an acknowledgement (connection
    lost), ``shop`` a call to the shop.
    """

    kill: float = 0.0
    freeze: float = 0.0
    away: float = 0.0
    undo: float = 0.0
    deaf: float = 0.0
    refuse: float = 0.0
    cut: float = 0.0
    mute: float = 0.0
    drop: float = 0.0
    shop: float = 0.0

    def __str__(self) -> str:
        rates = {each.name: getattr(self, each.name) for each in fields(self)}
        return ", ".join(f"{name} {rate:g}" for name, rate in rates.items() if rate) or "fair"


FAIR = Climate()
WORST = Climate(
    kill=0.01, freeze=0.004, away=0.04, undo=0.02, deaf=0.03, refuse=0.15, cut=0.15, mute=0.15, drop=0.01, shop=0.35
)  # fmt: skip


def some_climate(chance: Random) -> Climate:
    """Some faults often, some rarely, some not at all: what hides in the company of others shows alone."""
    rates = {each.name: getattr(WORST, each.name) for each in fields(Climate)}
    return Climate(**{name: chance.choice((0.0, 0.3, 1.0)) * rate for name, rate in rates.items()})


class Weather:
    """Lets faults strike while it is stormy, and keeps the trace."""

    def __init__(self, loop: VirtualLoop, chance: Random, climate: Climate) -> None:
        self.loop = loop
        self.chance = chance
        self.climate = climate
        self.stormy = True
        self.lingering = True
        """Whether a call that is under way reaches the shop after its caller died."""
        self.kills_left = 1000
        """A delivery that was in hand when so many processes died in a row is taken for the cause: not so here."""
        self.trace: list[str] = []
        self.surprises: list[str] = []
        self._mourners: dict[Process, list[Callable[[], None]]] = defaultdict(list)
        loop.struck = self.kill

    def note(self, text: str) -> None:
        """One line of the trace: when, who, what."""
        self.trace.append(f"{self.loop.time():9.3f}  {here().name:<10} {text}")

    def strikes(self, fault: str) -> bool:
        """Whether this fault happens here and now."""
        return self.stormy and self.chance.random() < getattr(self.climate, fault)

    async def point(self, name: str, *, freezes: bool = True) -> None:
        """A moment between two durable things: time passes, and the process may end or stand still here."""
        process = here()
        if process is not OUTSIDE:
            if self.kills_left > 0 and self.strikes("kill"):
                self.kill(process, f" at {name}")
                await self.loop.create_future()
            if freezes and self.strikes("freeze"):
                self.freeze(process, self.chance.choice((1.0, 15.0, 50.0, 90.0, 200.0)), f" at {name}")
        await asyncio.sleep(self.chance.random() * 0.005)

    def kill(self, process: Process, where: str = "") -> None:
        """End a process, if it still may; its connections break within a second."""
        if self.kills_left <= 0:
            return
        self.kills_left -= 1
        self.trace.append(f"{self.loop.time():9.3f}  {process.name:<10} KILLED{where}")
        self.loop.kill(process)
        for act in self._mourners.pop(process, ()):
            self.loop.outside(self.chance.random(), act)

    def freeze(self, process: Process, seconds: float, where: str = "") -> None:
        """Let a process stand still; its connections break when it is silent for too long."""
        self.trace.append(f"{self.loop.time():9.3f}  {process.name:<10} FROZEN for {seconds:g} s{where}")
        process.frozen_until = self.loop.time() + seconds
        if seconds > HEARTBEAT_SECONDS:
            for act in self._mourners[process]:
                self.loop.outside(HEARTBEAT_SECONDS, act)

    def when_silent(self, process: Process, act: Callable[[], None]) -> None:
        """Do this when the process ends or is silent for too long."""
        self._mourners[process].append(act)
