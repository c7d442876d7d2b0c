"""``final_sku`` → stock row: Bright Sites cannot be asked by SKU (API facts, section 6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StockRow:
    """One stock row of the shop."""

    sku: str
    product_id: int
    row_id: int
    quantity: int


Load = Callable[[], Awaitable[Iterable[StockRow]]]
"""Reads all stock rows of the shop: one call per 500 rows, each of them billed."""


class InventoryCache:
    """The rows of one channel, shared by all its runs in a process and one event loop.

    It is read whole: at first use, when older than ``ttl_seconds``, and, at most every ``refresh_seconds``,
    when a SKU is missing. Of runs that need it at the same time one reads and the others wait for it. Where
    the shop has two rows of the same SKU, the first it lists counts.
    """

    def __init__(
        self,
        *,
        ttl_seconds: float = 3600.0,
        refresh_seconds: float = 60.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl = ttl_seconds
        self._refresh = refresh_seconds
        self._monotonic = monotonic
        self._rows: dict[str, StockRow] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    async def locate(self, skus: Iterable[str], load: Load) -> dict[str, StockRow]:
        """The rows of those SKUs the shop has; the others are left out. Raises what ``load`` raises."""
        wanted = tuple(skus)
        if self._must_read(wanted):
            async with self._lock:
                if self._must_read(wanted):
                    self._tried_at = self._monotonic()
                    self.replace(await load())
        return {sku: row for sku in wanted if (row := self._rows.get(sku)) is not None}

    def replace(self, rows: Iterable[StockRow]) -> None:
        """Take over a full reading of the shop."""
        fresh: dict[str, StockRow] = {}
        for row in rows:
            fresh.setdefault(row.sku, row)
        self._rows = fresh
        self._read_at = self._tried_at = self._monotonic()

    def add(self, row: StockRow) -> None:
        """Take in a row that was just made, so that its SKU is found without a full reading."""
        if self._read_at is not None:
            self._rows.setdefault(row.sku, row)

    def forget(self, sku: str) -> None:
        """Drop a row the shop no longer has where it was."""
        self._rows.pop(sku, None)

    def _must_read(self, skus: tuple[str, ...]) -> bool:
        now = self._monotonic()
        if self._read_at is None or now - self._read_at >= self._ttl:
            return True
        if self._tried_at is not None and now - self._tried_at < self._refresh:
            return False
        return any(sku not in self._rows for sku in skus)
