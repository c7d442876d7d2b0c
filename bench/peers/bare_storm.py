"""The floor of a stock storm: pika, aiohttp and psycopg in one loop that keeps the newest of each SKU, and no engine.

One process of ``python -m bench.peers.bare_storm SKUS_OF_A_PRODUCT`` with BENCH_BROKER, BENCH_DSN and BENCH_SHOP
set. One row per change, one call per product and turn; what is lost in a crash is lost.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import uuid
from collections import defaultdict
from typing import Any

import aiohttp
import psycopg
from pydantic import BaseModel

from bench.peers.bare_app import open_channel
from bench.publishing import QUEUE
from bench.work import HEADERS

PREFETCH = 2000
PACE_SECONDS = 0.85
AT_ONCE = 5
STORED = "bare_events"
_COPY = f"COPY {STORED} (id, body) FROM STDIN"


class Level(BaseModel):
    """``data`` of the event."""

    sku: str
    warehouse: str
    total: int
    allocated: int
    version: int


class Change(BaseModel):
    """The CloudEvent as a program without Towpath validates it."""

    id: str
    source: str
    type: str
    data: Level


class Loop:
    """Stores what came, remembers the newest, tells the shop of it in turns."""

    def __init__(self, database: psycopg.AsyncConnection[Any], shop: aiohttp.ClientSession, skus: int) -> None:
        self._database = database
        self._shop = shop
        self._skus = skus
        self._taken: list[tuple[int, bytes]] = []
        self._came = asyncio.Event()
        self._newest: dict[str, tuple[int, int]] = {}
        self._waiting: set[str] = set()

    async def run(self, channel: Any) -> None:
        """Until cancelled."""
        channel.basic_qos(prefetch_count=PREFETCH)
        channel.basic_consume(QUEUE, self._on_message)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._store(channel))
            group.create_task(self._tell())

    def _on_message(self, _channel: Any, said: Any, _properties: Any, body: bytes) -> None:
        self._taken.append((said.delivery_tag, body))
        self._came.set()

    async def _store(self, channel: Any) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            group, self._taken = self._taken, []
            changes = [Change.model_validate_json(body) for _, body in group]
            async with self._database.cursor() as cursor, cursor.copy(_COPY) as copy:
                for _, body in group:
                    await copy.write_row((str(uuid.uuid4()), body))
            channel.basic_ack(group[-1][0], multiple=True)
            for change in changes:
                self._remember(change.data)

    def _remember(self, level: Level) -> None:
        known = self._newest.get(level.sku)
        if known is None or level.version > known[0]:
            self._newest[level.sku] = level.version, level.total - level.allocated
            self._waiting.add(level.sku)

    async def _tell(self) -> None:
        limit = asyncio.Semaphore(AT_ONCE)
        while True:
            await asyncio.sleep(PACE_SECONDS)
            waiting, self._waiting = self._waiting, set()
            by_product: dict[int, list[str]] = defaultdict(list)
            for sku in waiting:
                by_product[int(sku.split("-")[1])].append(sku)
            async with asyncio.TaskGroup() as group:
                for product, skus in by_product.items():
                    group.create_task(self._write(limit, product, skus))

    async def _write(self, limit: asyncio.Semaphore, product: int, skus: list[str]) -> None:
        first = (product - 1) * self._skus
        rows = [{"id": first + int(sku.split("-")[2]), "inventory": self._newest[sku][1]} for sku in skus]
        path = f"/api/v2.7.0/inventories/{product}/batch_update"
        async with limit, self._shop.put(path, data=json.dumps({"inventories": rows})) as answer:
            answer.raise_for_status()
            await answer.read()


async def main() -> None:
    """Consume until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    shop = aiohttp.ClientSession(os.environ["BENCH_SHOP"], headers=HEADERS)
    async with shop, await psycopg.AsyncConnection.connect(os.environ["BENCH_DSN"], autocommit=True) as database:
        await database.execute(f"CREATE TABLE IF NOT EXISTS {STORED} (id text PRIMARY KEY, body bytea NOT NULL)")
        loop = asyncio.create_task(Loop(database, shop, int(sys.argv[1])).run(await open_channel()))
        print("ready", flush=True)
        await asyncio.wait({loop, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if loop.done():
            loop.result()
        loop.cancel()


if __name__ == "__main__":
    asyncio.run(main())
