"""A shop that answers at once: the Bright Sites calls Towpath makes, from memory, in a process of its own.

It stands for "the shop costs nothing", so that a measurement shows the caller. ``/_bench`` sets it up and reads its
counters; it takes every token. A port may have a mood of its own: ``throttle`` answers everything with 429, ``hang``
with nothing at all.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import httptools

from bench.shop_state import METHODS, ShopState

_HEAD = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_MISSING = b'{"errors":["not found"]}'
_THROTTLED = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\nContent-Length: 2\r\n\r\n{}"
_WORDS = {200: b"200 OK", 201: b"201 Created", 404: b"404 Not Found"}

Answer = tuple[int, bytes | None]


class Shop:
    """Finds the answer of a request; one for all connections."""

    def __init__(self) -> None:
        self.state = ShopState(0, 0, 1)
        self.delay = 0.0
        self.moods: dict[int, str] = {}
        self.calls: Counter[str] = Counter()
        self.connections = 0
        self._routes: dict[tuple[str, str], Callable[[list[str], str, bytes], Answer]] = {
            ("GET", "orders/1"): lambda parts, _q, _b: (200, self.state.order(int(parts[1]))),
            ("PUT", "orders/1"): lambda parts, _q, body: (200, self.state.update_order(int(parts[1]), body)),
            ("GET", "orders/1/shipments"): lambda parts, _q, _b: (200, self.state.shipment_list(int(parts[1]))),
            ("POST", "orders/1/shipments"): lambda parts, _q, body: (
                201,
                self.state.create_shipment(int(parts[1]), body),
            ),
            ("GET", "orders"): lambda _p, query, _b: (200, self.state.order_list(*_page(query))),
            ("GET", "inventories"): lambda _p, query, _b: (200, self.state.inventory_list(*_page(query))),
            ("PUT", "inventories/1/batch_update"): lambda parts, _q, body: (
                200,
                self.state.set_product(int(parts[1]), body),
            ),
            ("PUT", "products/1/inventories/1"): lambda parts, _q, body: (200, self.state.set_row(int(parts[3]), body)),
            ("GET", "shipping_methods"): lambda _p, _q, _b: (200, METHODS),
        }

    def answer(self, method: str, target: str, body: bytes) -> bytes:
        """The whole answer as bytes."""
        path, _, query = target.partition("?")
        parts = path.split("/")[3:]  # after /api/v<version>
        shape = "/".join("1" if part.isdigit() else part for part in parts)
        route = self._routes.get((method, shape))
        self.calls[f"{method} {shape}"] += 1
        status, document = route(parts, query, body) if route else (404, None)
        if document is None:
            status, document = 404, _MISSING
        return _HEAD % (_WORDS[status], len(document)) + document

    def control(self, method: str, path: str, body: bytes) -> bytes:
        """``/_bench``: POST sets up and forgets everything, GET reads; ``/_bench/stock`` are the quantities."""
        if method == "POST":
            given = json.loads(body or b"{}")
            self.state = ShopState(given.get("orders", 0), given.get("products", 0), given.get("skus", 1))
            self.delay = given.get("delay_ms", 0) / 1000
            self.moods = dict(enumerate(given.get("moods", ())))
            self.calls.clear()
        said: Any = self.state.quantities()
        if path == "/_bench":
            calls = {"calls": dict(self.calls), "total_calls": sum(self.calls.values())}
            said = {**calls, "connections": self.connections, **self.state.counters()}
        document = json.dumps(said).encode()
        return _HEAD % (_WORDS[200], len(document)) + document


def _page(query: str) -> tuple[int, int]:
    given = parse_qs(query)
    return int(given.get("page", ["1"])[0]), int(given.get("per_page", ["50"])[0])


class _Connection(asyncio.Protocol):
    """One keep-alive connection; httptools calls ``on_url``, ``on_body`` and ``on_message_complete``."""

    def __init__(self, shop: Shop, at: int) -> None:
        self._shop = shop
        self._at = at
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._target = b""
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._shop.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._shop.connections -= 1

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        self._target, self._body = self._target + url, b""

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        method, target = self._parser.get_method().decode(), self._target.decode()
        self._target = b""
        if target.startswith("/_bench"):
            self._transport.write(self._shop.control(method, target, self._body))
            return
        mood = self._shop.moods.get(self._at)
        if mood == "hang":
            return
        answer = _THROTTLED if mood == "throttle" else self._shop.answer(method, target, self._body)
        if self._shop.delay:
            asyncio.get_running_loop().call_later(self._shop.delay, self._transport.write, answer)
        else:
            self._transport.write(answer)


async def _serve(host: str, port: int, ports: int) -> None:
    shop = Shop()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    servers = [
        await loop.create_server(partial(_Connection, shop, at), host, port + at if port else 0, backlog=1024)
        for at in range(ports)
    ]
    print("listening on", *(f"http://{host}:{server.sockets[0].getsockname()[1]}" for server in servers), flush=True)
    await stop.wait()


def main() -> None:
    """Serve until SIGTERM; prints the addresses it listens on."""
    parser = argparse.ArgumentParser(prog="python -m bench.shop", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="first port; 0 for free ones")
    parser.add_argument("--ports", type=int, default=1, help="how many ports lead to it: one per channel")
    given = parser.parse_args()
    factory = None
    if sys.platform != "win32":
        try:
            import uvloop  # noqa: PLC0415 - it serves without, only with more CPU

            factory = uvloop.new_event_loop
        except ImportError:
            pass
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(given.host, given.port, given.ports))


if __name__ == "__main__":
    main()
