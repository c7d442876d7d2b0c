"""Buyers who keep coming: so many a second for a while."""

from __future__ import annotations

import asyncio

from sandbox.bright_sites.buyers import SoldOutError, Wish
from sandbox.bright_sites.shop import Shop

STEP_SECONDS = 0.01


class BuyerStream:
    """Runs streams of buyers as tasks of the running event loop."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._running: set[asyncio.Task[None]] = set()

    def start(self, per_second: float, seconds: float, wish: Wish) -> None:
        """Begin one stream; several add up. It ends early when the shop is sold out."""
        task = asyncio.get_running_loop().create_task(self._run(per_second, seconds, wish))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def stop(self) -> int:
        """End all streams; answers how many there were."""
        for task in self._running:
            task.cancel()
        return len(self._running)

    async def _run(self, per_second: float, seconds: float, wish: Wish) -> None:
        loop = asyncio.get_running_loop()
        begin, bought, total = loop.time(), 0, round(per_second * seconds)
        while bought < total:
            due = min(total, int((loop.time() - begin) * per_second) + 1)
            try:
                self._shop.buy(due - bought, wish)
            except (SoldOutError, LookupError):
                return
            bought = due
            if bought < total:
                await asyncio.sleep(STEP_SECONDS)
