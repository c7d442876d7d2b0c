"""The floor: a bare loop of the same HTTP library making the same calls, with no engine at all."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from app.demo.staff import Shop
from app.demo.talking import HttpTalker
from bench.engine import Measured

IN_FLIGHT = 64


async def measure_floor(events: int) -> Measured:
    """``events`` order updates by :data:`IN_FLIGHT` tasks on one connection pool."""
    shop = await asyncio.to_thread(Shop, 1)
    try:
        _, answer = await asyncio.to_thread(HttpTalker(shop.url).ask, "POST", "/_sandbox/buy", {"count": 100})
        url = f"{shop.url.rstrip('/')}/api/v2.7.0/orders/"
        orders = iter([answer["order_ids"][at % 100] for at in range(events)])
        headers = {"X-API-TOKEN": "sandbox-read-write"}
        async with aiohttp.ClientSession(headers=headers) as session:
            started = time.perf_counter()
            await asyncio.gather(*(_loop(session, url, orders) for _ in range(IN_FLIGHT)))
            seconds = time.perf_counter() - started
    finally:
        await asyncio.to_thread(shop.stop)
    return Measured("a bare loop of calls (the floor)", events, seconds, events)


async def _loop(session: aiohttp.ClientSession, url: str, orders: object) -> None:
    for order in orders:  # type: ignore[attr-defined]
        async with session.put(f"{url}{order}", json={"order": {"status": "in_progress"}}) as answer:
            await answer.read()
