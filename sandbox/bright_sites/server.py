"""The shop as an HTTP server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from aiohttp import web

from sandbox.bright_sites.api import Api
from sandbox.bright_sites.buyer_stream import BuyerStream
from sandbox.bright_sites.control import ControlReads
from sandbox.bright_sites.control_writes import ControlWrites
from sandbox.bright_sites.shop import Shop

LARGEST_BODY = 16 * 1024 * 1024
SHUTDOWN_SECONDS = 0.2


def create_app(shop: Shop) -> web.Application:
    """The application: the API under `/api/`, the control API under `/_sandbox/`."""
    app = web.Application(client_max_size=LARGEST_BODY)
    stream = BuyerStream(shop)
    app.add_routes([web.route("*", "/api/{tail:.*}", Api(shop).handle)])
    app.add_routes(ControlReads(shop).routes())
    app.add_routes(ControlWrites(shop, stream).routes())

    async def end_streams(_: web.Application) -> AsyncIterator[None]:
        yield
        stream.stop()

    app.cleanup_ctx.append(end_streams)
    return app


async def serve(shop: Shop, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until cancelled; `ready` gets the base URL once it listens. Port 0 takes a free one."""
    runner = web.AppRunner(create_app(shop), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        bound_host, bound_port = runner.addresses[0][:2]
        ready(f"http://{f'[{bound_host}]' if ':' in bound_host else bound_host}:{bound_port}")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
