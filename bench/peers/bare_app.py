"""The floor: pika, aiohttp and psycopg in one loop, with group commit and nothing else.

One process of ``python -m bench.peers.bare_app`` with BENCH_BROKER, BENCH_DSN and BENCH_SHOP set. It keeps no order,
has no retries, no limits and no memory: what remains is the cost of the libraries.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import OrderedDict, deque
from typing import Any

import aiohttp
import pika
import psycopg
from pika.adapters.asyncio_connection import AsyncioConnection

from bench.publishing import QUEUE
from bench.work import COLUMNS, HEADERS, Event, body_of, log_row, micros, path_of

IN_FLIGHT = 64
PREFETCH = 400
_COPY = f"COPY sync_log ({', '.join(COLUMNS)}) FROM STDIN".encode()

Finished = tuple[int, tuple[Any, ...]]


class Loop:
    """Takes, calls, commits what is finished in one transaction, acknowledges."""

    def __init__(self, channel: Any, database: psycopg.AsyncConnection[Any], shop: aiohttp.ClientSession) -> None:
        self._channel = channel
        self._database = database
        self._shop = shop
        self._taken: deque[tuple[int, bytes]] = deque()
        self._unsettled: OrderedDict[int, None] = OrderedDict()
        self._finished: list[Finished] = []
        self._came = asyncio.Semaphore(0)
        self._done = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        self._channel.basic_qos(prefetch_count=PREFETCH)
        self._channel.basic_consume(QUEUE, self._on_message)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._commit())
            for _ in range(IN_FLIGHT):
                group.create_task(self._work())

    def _on_message(self, _channel: Any, said: Any, _properties: Any, body: bytes) -> None:
        self._unsettled[said.delivery_tag] = None
        self._taken.append((said.delivery_tag, body))
        self._came.release()

    async def _work(self) -> None:
        while True:
            await self._came.acquire()
            tag, body = self._taken.popleft()
            event = Event.model_validate_json(body)
            began = micros()
            async with self._shop.post(path_of(event), data=body_of(event)) as answer:
                row = log_row(event, began, answer.status, await answer.read())
            self._finished.append((tag, row))
            self._done.set()

    async def _commit(self) -> None:
        while True:
            await self._done.wait()
            self._done.clear()
            group, self._finished = self._finished, []
            async with self._database.cursor() as cursor, cursor.copy(_COPY) as copy:
                for _, row in group:
                    await copy.write_row(row)
            self._acknowledge({tag for tag, _ in group})

    def _acknowledge(self, tags: set[int]) -> None:
        """One frame for the unbroken beginning, one each for what lies behind a gap."""
        head = 0
        while self._unsettled and (first := next(iter(self._unsettled))) in tags:
            del self._unsettled[first]
            tags.discard(first)
            head = first
        if head:
            self._channel.basic_ack(head, multiple=True)
        for tag in tags:
            del self._unsettled[tag]
            self._channel.basic_ack(tag)


async def open_channel() -> Any:
    """A channel of pika on the broker at BENCH_BROKER."""
    opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    AsyncioConnection(
        pika.URLParameters(os.environ["BENCH_BROKER"]),
        on_open_callback=lambda connection: connection.channel(on_open_callback=opened.set_result),
        on_open_error_callback=lambda _, error: opened.set_exception(error),
    )
    return await opened


async def main() -> None:
    """Consume until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    connector = aiohttp.TCPConnector(limit=IN_FLIGHT)
    shop = aiohttp.ClientSession(os.environ["BENCH_SHOP"], headers=HEADERS, connector=connector)
    async with shop, await psycopg.AsyncConnection.connect(os.environ["BENCH_DSN"], autocommit=True) as database:
        loop = asyncio.create_task(Loop(await open_channel(), database, shop).run())
        await asyncio.wait({loop, asyncio.create_task(stop.wait())}, return_when=asyncio.FIRST_COMPLETED)
        if loop.done():
            loop.result()
        loop.cancel()


if __name__ == "__main__":
    asyncio.run(main())
