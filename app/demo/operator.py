"""The operator of the day: sets the channel up, answers the missing mappings, and reads the counts at the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.demo.script import UNMAPPED_CARRIER, Renamed
from broker.operations import MappingTask, MessageFilter, Operations
from broker.operations.calls import UNSETTLED
from domain.access import Actor
from domain.jobs import job_type
from domain.mappings import CarrierMapping, MappingRow, SkuMapping
from domain.settings import Changes
from domain.synclog import Trigger

NAME = "demo"
SCHEDULED = "order_import"
PERIOD = "5m"
LOOKS_AGAIN = 0.3
READS_FOR = 1.5
"""Seconds from when a task is seen to when it is answered: long enough to be seen by whoever watches."""
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Calls:
    """What Towpath counted of the present month beside its budget, in API calls; ``settled`` are those of which an
    attempt tells.
    """

    counted: int
    settled: int
    budget: int

    @property
    def left(self) -> int:
        """Calls that the budget has left."""
        return self.budget - self.counted


@dataclass(slots=True)
class Notes:
    """What the operator saw: by missing code, what it blocked, and how many deliveries went on once it was mapped."""

    blocked: dict[str, str] = field(default_factory=dict)
    released: dict[str, int] = field(default_factory=dict)

    def lines(self) -> tuple[str, ...]:
        """A line for each task, as it stands."""
        return tuple(self._line(code, told) for code, told in self.blocked.items())

    def _line(self, code: str, told: str) -> str:
        if code not in self.released:
            return told
        # None of a stock task where just then a newer level took the place of the one that waited.
        count = self.released[code]
        return f"{told}; mapped" + (f", {count} went on" if count else "")


class Operator:
    """A person at the desk, who works through the operator surface alone."""

    def __init__(self, operations: Operations, account: str, channel: str, renamed: Renamed) -> None:
        self.notes = Notes()
        self._operations = operations
        self._account = account
        self._channel = channel
        self._answers: Mapping[str, MappingRow] = {
            ":".join(UNMAPPED_CARRIER): CarrierMapping("UPS 3 Day Select", "", *UNMAPPED_CARRIER),
            renamed.oms: SkuMapping(renamed.channel, renamed.oms),
        }

    async def work(self) -> None:
        """Look at the tasks until each mapping that is missing was saved."""
        seen: dict[str, float] = {}
        while len(self.notes.released) < len(self._answers):
            for task in await self._operations.mappings.tasks(self._account, self._channel):
                seen.setdefault(task.code, time.monotonic())
                await self._answer(task, since=seen[task.code])
            await asyncio.sleep(LOOKS_AGAIN)

    async def _answer(self, task: MappingTask, *, since: float) -> None:
        self.notes.blocked[task.code] = _told(task)
        row = self._answers.get(task.code)
        if row is None or time.monotonic() - since < READS_FOR:
            return
        saved = await self._operations.mappings.save(self._account, self._channel, row, NAME)
        self.notes.released[task.code] = saved.deliveries

    async def tasks(self) -> tuple[int, int]:
        """How many tasks were resolved, of how many that came up or had to."""
        left = {task.code for task in await self._operations.mappings.tasks(self._account, self._channel)}
        expected = self._answers.keys() | self.notes.blocked.keys()
        return len(self.notes.released.keys() - left), len(expected)

    async def calls(self) -> Calls:
        """The API calls that were counted, beside the budget."""
        use = await self._operations.calls.budget(self._account, self._channel)
        month = next(window for window in use.windows if window.limit is not None)
        settled = sum(each.month for each in use.calls if each.cause != UNSETTLED)
        return Calls(month.used, settled, month.limit or 0)

    async def scheduled_runs(self) -> int:
        """How many ticks of the schedule ran."""
        tick = MessageFilter(account=self._account, type=job_type(SCHEDULED).tick, limit=1000)
        messages = await self._operations.desk.messages(tick)
        done = [each for each in messages if each.trigger == Trigger.SCHEDULE and _all_done(each.deliveries)]
        return len(done)


async def set_up(operations: Operations, account: str, channel: str, orders: int) -> None:
    """The settings of the first day: a period, a budget, and that an unknown carrier stops its parcel."""
    put: dict[str, Any] = {
        f"period.{SCHEDULED}": PERIOD,
        "calls_per_month": 4_000 + 20 * orders,
        "unmapped_carrier": "stop",
    }
    await operations.settings.change_channel(Actor.installation(NAME), account, channel, Changes(put))


async def close(operations: Operations, account: str, channel: str) -> None:
    """The end of the day: nothing runs by itself any more."""
    changes = Changes({f"period.{SCHEDULED}": "none"})
    await operations.settings.change_channel(Actor.installation(NAME), account, channel, changes)


def _all_done(deliveries: Any) -> bool:
    return bool(deliveries) and all(each.state == "done" for each in deliveries)


def _told(task: MappingTask) -> str:
    keys = ", ".join(task.business_keys[:SHOWN]) + (", …" if len(task.business_keys) > SHOWN else "")
    whom = "" if keys == task.code else f" ({keys})"
    return f"no mapping for {task.kind} {task.code}: {task.blocks} blocked{whom}"
