"""The API on HTTP: book the call, let a fault strike or the shop answer."""

from __future__ import annotations

import asyncio

from aiohttp import web

from sandbox.bright_sites.exchange import Exchange
from sandbox.bright_sites.fault_acts import act_out
from sandbox.bright_sites.ledger import ABORTED
from sandbox.bright_sites.shop import Shop

OUTAGE = "outage"


class Api:
    """Handles every request under `/api/`.

    A client that goes away does not stop a call in progress: the shop handles it to the end.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one API call, or break it off."""
        exchange = Exchange(self._shop, request)
        try:
            return await self._proceed(exchange)
        finally:
            self._shop.close_call(exchange.record, ABORTED)

    async def _proceed(self, exchange: Exchange) -> web.StreamResponse:
        shop, record = self._shop, exchange.record
        if shop.faults.outage:
            record.fault = OUTAGE
            return exchange.reset()
        await exchange.read()
        with shop.lock:
            rule = shop.faults.pick(record.method, record.path, record.token)
        if shop.settings.latency_ms:
            await asyncio.sleep(shop.settings.latency_ms / 1000)
        if rule is not None:
            return await act_out(exchange, rule)
        return exchange.send(exchange.handle())
