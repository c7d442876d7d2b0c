"""A platform whose shops keep their stock at locations.

:class:`LocationServer` is such a shop as a real HTTP server; :data:`PLATFORM` is its connector, made of the same parts
as those of real shops. It writes a location by one call, and says which of its SKUs it does not have there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import pytest

from connectors.http import AllowedHosts, Caller, Endpoint, Operation, build_endpoint
from connectors.registry import MANIFESTS, PLATFORMS, Platform
from domain.channels import Channel, ConnectorManifest
from domain.errors import ShopError, ShopRejected
from domain.location_stock import LocationSku
from domain.periods import ALL_PERIODS
from domain.ports import LocationResult, Shop
from domain.setting_fields import CHANNEL_FIELDS, offered

NAME = "places"
JOBS = {"inventory_export": ALL_PERIODS, "inventory_import": ALL_PERIODS}
MANIFEST = ConnectorManifest(
    platform=NAME,
    title="Places",
    version="beta",
    token="static",
    jobs=JOBS,
    mappings=("sku", "warehouse"),
    settings=offered(CHANNEL_FIELDS, JOBS),
)
SET = Operation("set_location", "Setting stock", "PUT", "/locations/{id}", "set", not_found="location_unknown")
READ = Operation("read_locations", "Reading stock", "GET", "/locations", "read")


@dataclass(slots=True)
class State:
    """Where the calls of a channel go."""

    endpoint: Endpoint


class PlacesShop:
    """As much of a shop as the tests call."""

    def __init__(self, caller: Caller, state: State) -> None:
        self._caller = caller

    async def set_location_stock(self, quantities: Mapping[LocationSku, int]) -> LocationResult:
        result = LocationResult()
        unknown: list[LocationSku] = []
        gone: list[str] = []
        for location in sorted({place.location for place in quantities}):
            wanted = {place.sku: each for place, each in quantities.items() if place.location == location}
            try:
                answer = await self._caller.call(SET, {"id": location}, about=location, body=wanted)
            except ShopRejected as refused:
                if refused.code != "location_unknown":
                    raise
                gone.append(location)
            except ShopError as trouble:
                result.failed.update(dict.fromkeys((LocationSku(location, sku) for sku in wanted), trouble))
            else:
                unknown += [LocationSku(location, sku) for sku in wanted if sku not in answer]
                result.confirmed.update({LocationSku(location, sku): each for sku, each in answer.items()})
        return LocationResult(result.confirmed, tuple(unknown), tuple(gone), result.failed)

    async def read_location_stock(self) -> Mapping[LocationSku, int]:
        shown = await self._caller.call(READ, about="stock")
        return {LocationSku(name, sku): each for name, stock in shown.items() for sku, each in stock.items()}


def new_state(channel: Channel, allowed: AllowedHosts) -> State:
    return State(build_endpoint(channel, "", "X-Token", allowed))


PLATFORM = Platform(
    MANIFEST, new_state, lambda caller, state: cast(Shop, PlacesShop(caller, state)), locations=PlacesShop
)


@dataclass
class LocationServer:
    """The shop: its stock by location and SKU, the calls that came, and the locations that fail."""

    stock: dict[str, dict[str, int]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        with self.lock:
            self.calls.append(f"{method} {path}")
            if method == "GET":
                return 200, self.stock
            name = path.rsplit("/", 1)[1]
            if name in self.broken:
                return 500, {"error": "down"}
            if name not in self.stock:
                return 404, {"error": "There is no such location."}
            known = {sku: quantity for sku, quantity in body.items() if sku in self.stock[name]}
            self.stock[name] |= known
            return 200, known


@contextmanager
def serving(server: LocationServer) -> Iterator[str]:
    """The server under way; its host and port."""

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
            status, answer = server.answer(self.command, self.path, body)
            said = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_PUT = _do  # noqa: N815 - names of the standard library

        def log_message(self, format: str, *args: Any) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{made.server_address[1]}"
    finally:
        made.shutdown()
        made.server_close()
        thread.join(5)


def register(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the platform known for the length of a test."""
    monkeypatch.setitem(PLATFORMS, NAME, PLATFORM)
    monkeypatch.setitem(MANIFESTS, NAME, MANIFEST)
