"""The wire to the sandbox shop: real requests, a real shop without HTTP, and everything that can go wrong between."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import parse_qs

import httpx

from connectors.http import GuardedTransport
from connectors.http.transport import Answer, Target
from sandbox.bright_sites.asking import Incoming, read_body
from sandbox.bright_sites.shop import Shop
from tests.simulation.loop import here
from tests.simulation.weather import Weather

DEADLINE_SECONDS = 30.0
FATES = (
    "no connection", "request lost", "answer lost", "late answer", "reset after the effect",
    "500 without effect", "502 after the effect", "429",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Request:
    """What the connector put on the wire."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @classmethod
    def read(cls, raw: bytes) -> Request:
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        pairs = (line.split(": ", 1) for line in lines)
        return cls(method, path, query, {name.lower(): value for name, value in pairs}, body)

    def __str__(self) -> str:
        return f"{self.method} {self.path.split('/', 3)[3]}"


class ShopWire(GuardedTransport):
    """Carries the calls of one process. What is asked of the shop is done within the deadline of the call, or never.

    What is under way when the caller dies still arrives, unless the weather says that it is not lingering.
    """

    def __init__(self, shop: Shop, weather: Weather) -> None:
        self._shop = shop
        self._weather = weather

    def target(self, url: httpx.URL) -> Target:
        return Target(url.host, 443, secure=True)

    async def exchange(self, target: Target, request: bytes) -> Answer:
        """One call and its fate; raises httpx.TransportError where it gets no answer."""
        asked = Request.read(request)
        # From the check of the lease to the first byte nothing waits. A process that stands still just there and sends
        # when its lease is over is beyond what a caller can prevent.
        await self._weather.point(f"call {asked}", freezes=False)
        fate = self._weather.chance.choice(FATES) if self._weather.strikes("shop") else ""
        if fate:
            self._weather.note(f"shop      {asked}: {fate}")
        if fate == "no connection":
            raise httpx.ConnectError("no connection")
        if fate == "429":
            wait = str(self._weather.chance.choice((1, 5, 20))).encode()
            return Answer(429, [(b"retry-after", wait)], b"{}")
        if fate == "500 without effect":
            return Answer(500, [], b"oops")
        answer = await self._carry(asked, fate)
        await self._weather.point(f"answer to {asked}")
        if fate == "502 after the effect":
            return Answer(502, [], b"oops")
        if fate == "reset after the effect":
            raise httpx.ReadError("connection reset")
        return answer

    async def _carry(self, asked: Request, fate: str) -> Answer:
        loop, chance, caller = self._weather.loop, self._weather.chance, here()
        answer: asyncio.Future[Answer] = loop.create_future()
        slowest = 14.0 if fate in ("late answer", "answer lost") else 0.3
        there, back = chance.uniform(0, slowest), chance.uniform(0, slowest)

        def arrive() -> None:
            if not caller.alive and not self._weather.lingering:
                return
            given = self._handle(asked)
            dead = "" if caller.alive else ", which is dead"
            self._weather.note(f"shop      {asked}: {given.status_code} for {caller}{dead}")
            if fate != "answer lost":
                loop.outside(back, lambda: None if answer.done() else answer.set_result(given))

        if fate != "request lost":
            loop.outside(there, arrive)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                return await answer
        except TimeoutError:
            raise httpx.ReadTimeout("no answer in time") from None

    def _handle(self, asked: Request) -> Answer:
        incoming = Incoming(asked.method, asked.path, parse_qs(asked.query), asked.headers["x-api-token"])
        record = self._shop.open_call(incoming)
        body = read_body(asked.body, asked.headers.get("content-type", ""))
        given = self._shop.answer(incoming, body, record)
        self._shop.close_call(record, given.status)
        return Answer(given.status, [], given.body)
