"""One API call on the wire, and the ways it can end."""

from __future__ import annotations

import asyncio
import socket
import struct

from aiohttp import web

from sandbox.bright_sites.answers import Answer
from sandbox.bright_sites.asking import Body, Incoming, read_body
from sandbox.bright_sites.ledger import ABORTED
from sandbox.bright_sites.shop import Shop

POLL_SECONDS = 0.02
_CLOSE_WITH_RESET = struct.pack("ii", 1, 0)


class Exchange:
    """Binds a request to its ledger record; every way out books how the call ended."""

    def __init__(self, shop: Shop, request: web.Request) -> None:
        self.shop = shop
        self.request = request
        query = request.query
        lists = {name: query.getall(name) for name in query} if request.query_string else {}
        token = request.headers.get("X-API-TOKEN") or query.get("token")
        self.incoming = Incoming(request.method, request.path, lists, token)
        self.record = shop.open_call(self.incoming)
        self._body = Body()

    async def read(self) -> None:
        """Take in the body and book it."""
        if self.request.can_read_body:
            raw = await self.request.read()
            self._body = read_body(raw, self.request.content_type)
            self.record.body = self._body.document

    def handle(self) -> Answer:
        """Let the shop handle the call; what it writes is kept whatever is sent back."""
        return self.shop.answer(self.incoming, self._body, self.record)

    def send(self, answer: Answer, headers: dict[str, str] | None = None) -> web.Response:
        """Answer in full."""
        self.shop.close_call(self.record, answer.status)
        sent = {"Content-Type": answer.content_type, **(headers or {})}
        return web.Response(body=answer.body, status=answer.status, headers=sent)

    def reset(self) -> web.Response:
        """Close the connection with a TCP reset instead of an answer."""
        self.shop.close_call(self.record, ABORTED)
        transport = self.request.transport
        if transport is not None:
            sock = transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSE_WITH_RESET)
            transport.abort()
        return web.Response()

    async def send_half(self, answer: Answer, fraction: float) -> web.StreamResponse:
        """Promise the whole body, send a part of it, close."""
        self.shop.close_call(self.record, ABORTED)
        response = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.content_type})
        response.content_length = len(answer.body)
        await response.prepare(self.request)
        await response.write(answer.body[: int(len(answer.body) * fraction)])
        if self.request.transport is not None:
            self.request.transport.close()
        return response

    async def hang(self, seconds: float) -> web.Response:
        """Stay silent until the client gives up, or so long, then reset."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while loop.time() < deadline and self._connected:  # noqa: ASYNC110 - a client that leaves raises no event
            await asyncio.sleep(POLL_SECONDS)
        return self.reset()

    @property
    def _connected(self) -> bool:
        transport = self.request.transport
        return transport is not None and not transport.is_closing()
