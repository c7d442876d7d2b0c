"""FastStream: one process of ``python -m bench.peers.faststream_app`` with BENCH_BROKER, BENCH_DSN and BENCH_SHOP set.

Manual acknowledgement after the commit, aiohttp with keep-alive, uvloop, and a pool of asyncpg connections that are not
reset at every release: the more of them, the more commits share one write to disk.
"""

from __future__ import annotations

import asyncio
import os

import aiohttp
import asyncpg  # type: ignore[import-untyped]
import uvloop
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, ExchangeType, RabbitBroker, RabbitExchange, RabbitMessage, RabbitQueue
from faststream.rabbit.schemas import QueueType

from bench.publishing import EXCHANGE, QUEUE
from bench.work import COLUMNS, HEADERS, Event, body_of, log_row, micros, path_of

PREFETCH = 200
CONNECTIONS = 16
_INSERT = f"INSERT INTO sync_log ({', '.join(COLUMNS)}) VALUES ({', '.join(f'${n + 1}' for n in range(len(COLUMNS)))})"  # noqa: S608 - names from this package


async def _as_it_is(_connection: object) -> None:
    """Autocommitted statements leave nothing behind that a reset would have to undo."""


async def main() -> None:
    """Consume until SIGTERM."""
    broker = RabbitBroker(os.environ["BENCH_BROKER"], default_channel=Channel(prefetch_count=PREFETCH), logger=None)
    pool = asyncpg.create_pool(
        os.environ["BENCH_DSN"], min_size=CONNECTIONS, max_size=CONNECTIONS, reset=_as_it_is, max_queries=10**9
    )
    shop = aiohttp.ClientSession(
        os.environ["BENCH_SHOP"], headers=HEADERS, connector=aiohttp.TCPConnector(limit=PREFETCH)
    )

    @broker.subscriber(
        RabbitQueue(QUEUE, queue_type=QueueType.QUORUM, durable=True, routing_key="#"),
        RabbitExchange(EXCHANGE, type=ExchangeType.TOPIC, durable=True),
        ack_policy=AckPolicy.MANUAL,
    )
    async def export(event: Event, message: RabbitMessage) -> None:
        began = micros()
        async with shop.post(path_of(event), data=body_of(event)) as answer:
            row = log_row(event, began, answer.status, await answer.read())
        await pool.execute(_INSERT, *row)
        await message.ack()

    async with pool, shop:
        await FastStream(broker, logger=None).run()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
