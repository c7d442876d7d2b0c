"""The command line of the Bright Sites shop."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from dataclasses import fields

from sandbox.bright_sites.buyer_stream import BuyerStream
from sandbox.bright_sites.buyers import Wish
from sandbox.bright_sites.server import serve
from sandbox.bright_sites.settings import ERROR_SHAPES, ShopSettings
from sandbox.bright_sites.shop import Shop

_DEFAULTS = ShopSettings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; those named like a setting have that setting's default."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port, 0 for a free one (default %(default)s)")
    parser.add_argument("--buy", type=int, default=0, metavar="N", help="orders placed before opening")
    parser.add_argument("--buyers-per-second", type=float, default=0.0, metavar="N", help="keep buyers coming")
    for name, text in _NUMBERS.items():
        default = getattr(_DEFAULTS, name)
        kind = float if isinstance(default, float) else int
        parser.add_argument(_option(name), type=kind, default=default, help=f"{text} (default %(default)s)")
    for name, text in _TEXTS.items():
        parser.add_argument(_option(name), default=getattr(_DEFAULTS, name), help=f"{text} (default %(default)s)")
    parser.add_argument("--error-shape", choices=ERROR_SHAPES, default=_DEFAULTS.error_shape, help="of refusals")
    for name in _SWITCHES:
        parser.add_argument(
            _option(name),
            action=argparse.BooleanOptionalAction,
            default=getattr(_DEFAULTS, name),
            help="switch",
        )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT; prints one line, `listening on URL`. Exit code 1 when it cannot open."""
    names = {each.name for each in fields(ShopSettings)}
    chosen = {name: value for name, value in vars(arguments).items() if name in names}
    try:
        shop = Shop(ShopSettings(**chosen))
        shop.buy(arguments.buy)
        asyncio.run(_serve(shop, arguments))
    except (OSError, ValueError, RuntimeError) as error:
        sys.stderr.write(f"the sandbox shop cannot open: {error}\n")
        return 1
    return 0


async def _serve(shop: Shop, arguments: argparse.Namespace) -> None:
    stream = BuyerStream(shop)

    def announce(url: str) -> None:
        sys.stdout.write(f"listening on {url}\n")
        sys.stdout.flush()
        if arguments.buyers_per_second > 0:
            stream.start(arguments.buyers_per_second, _FOREVER, Wish())

    server = asyncio.ensure_future(serve(shop, arguments.host, arguments.port, announce))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.cancel)
    try:
        await server
    except asyncio.CancelledError:
        stream.stop()


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


_FOREVER = 10.0**8
_NUMBERS = {
    "seed": "seed of catalogue and buyers",
    "products": "products whose stock the shop keeps",
    "variants": "variants of each product",
    "rows": "most stock rows over all products",
    "supplier_managed": "further products whose stock a supplier keeps",
    "initial_stock": "stock of each row at the start",
    "first_order_id": "number of the first order",
    "default_per_page": "page size when none is asked for",
    "latency_ms": "milliseconds added to every call",
    "gift_certificate_share": "share of orders with a gift certificate",
    "guest_share": "share of orders by guests",
}
_TEXTS = {
    "name": "name of the store",
    "push_url": "where placed orders are posted, as the Push Orders add-on does",
    "sku_separator": "between SKU and sub-SKUs",
    "read_write_token": "token that may write",
    "read_only_token": "token that may read",
}
_SWITCHES = ("strict_transitions", "shipment_changes_status", "buyers_take_stock", "refuse_unknown_methods")
