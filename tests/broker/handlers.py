"""Handlers for tests of the heart: they wait, note what ran, or fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from broker.handling import Answer, Handler, Run
from domain.events import ChannelOrder
from domain.outcomes import Outcome
from tests.house import DONE, answering

T = TypeVar("T")


def order_of(run: Run) -> str:
    """The number of the order a run is about."""
    assert isinstance(run.item.payload, ChannelOrder)
    return run.item.payload.external_order_id


def noting(into: list[T], what: Callable[[Run], T]) -> dict[str, Handler]:
    """Handlers that put ``what(run)`` into a list and are done."""

    def note(run: Run) -> Answer:
        into.append(what(run))
        return DONE

    return answering(note)


class Gated:
    """A handler whose runs wait until their order may pass; it notes what began."""

    def __init__(self, outcome: Outcome = DONE) -> None:
        self.began: list[str] = []
        self._may = asyncio.Event()
        self._passing: set[str] = set()
        self._outcome = outcome

    def let(self, *orders: str) -> None:
        """Let runs of these orders pass; of all where none is named."""
        self._passing.update(orders or {"*"})
        self._may.set()

    async def __call__(self, run: Run) -> Answer:
        order = order_of(run)
        self.began.append(f"{run.channel.code}/{order}")
        while not {order, "*"} & self._passing:
            self._may.clear()
            await self._may.wait()
        return self._outcome


def raising(error: Exception) -> dict[str, Handler]:
    async def fail(run: Run) -> Answer:
        raise error

    return answering(fail)
