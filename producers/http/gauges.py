"""Gauges of the whole installation, refreshed when somebody asks for metrics."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

from broker.meters import Meters
from broker.operations import BudgetUse, Statistics
from domain.errors import StorageUnavailable


class Gauges:
    """Keeps the gauges of the meters fresh from the statistics and the API-call budgets, asked at most every
    ``fresh_seconds``.
    """

    def __init__(
        self,
        meters: Meters,
        ask: Callable[[], Awaitable[Statistics]],
        fresh_seconds: float,
        ask_budgets: Callable[[], Awaitable[Sequence[BudgetUse]]] | None = None,
    ) -> None:
        self._meters = meters
        self._ask = ask
        self._ask_budgets = ask_budgets
        self._fresh_seconds = fresh_seconds
        self._asked_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def refresh(self) -> None:
        """Read the statistics if the last are too old; while the database is away the gauges stay."""
        async with self._one_at_a_time:
            if time.monotonic() - self._asked_at < self._fresh_seconds:
                return
            self._asked_at = time.monotonic()
            with contextlib.suppress(StorageUnavailable):
                self._show(await self._ask())
                if self._ask_budgets is not None:
                    self._meters.show_budgets(await self._ask_budgets())

    def _show(self, numbers: Statistics) -> None:
        self._meters.depth.clear()
        for state, count in numbers.lanes.items():
            self._meters.depth.labels("all", state).set(count)
        self._meters.lag.labels("all").set(numbers.oldest_due_seconds)
        self._meters.outbox.set(numbers.unsent)
