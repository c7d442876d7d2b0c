"""What is played, decided beforehand from a seed: stock changes, parcels, bad messages."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

STOCK_CHANGES = 5000
WAREHOUSE = "main"
UNMAPPED_CARRIER = ("DHL", "Express")
"""Carrier and service that the OMS ships with and that nobody mapped before the day."""
UNMAPPED_ORDERS = 25
"""The first parcel of one order in so many goes with the carrier that is not mapped; order 1001 is the first."""
DAY = datetime(2026, 3, 2, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StockChange:
    """The ``version``-th level of a SKU; quantities of one SKU are all different, so that a stale write shows."""

    sku: str
    version: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Renamed:
    """The one SKU that the OMS calls otherwise than the shop, and that nobody mapped before the day."""

    channel: str
    oms: str


@dataclass(slots=True)
class Script:
    """A trading day: what will be sent, and so what must be true in the shop at its end. SKUs are the shop's."""

    renamed: Renamed
    stock: list[StockChange] = field(default_factory=list)
    quantities: dict[str, dict[int, int]] = field(default_factory=dict)

    def final_stock(self) -> dict[str, int]:
        """The quantity of the newest version of each SKU."""
        return {sku: versions[max(versions)] for sku, versions in self.quantities.items()}

    def oms_sku(self, sku: str) -> str:
        """What the OMS calls a SKU of the shop."""
        return self.renamed.oms if sku == self.renamed.channel else sku


def write_script(seed: int, skus: Sequence[str], changes: int = STOCK_CHANGES) -> Script:
    """Stock changes in bursts: a few SKUs are hot, one in thirty comes twice, one in eight comes late."""
    rng = random.Random(seed)
    hot = rng.sample(list(skus), max(1, len(skus) // 20))
    quantities: dict[str, dict[int, int]] = defaultdict(dict)
    used: dict[str, set[int]] = defaultdict(set)
    stock: list[StockChange] = []
    for _ in range(changes):
        sku = rng.choice(hot) if rng.random() < 0.3 else rng.choice(skus)
        version = len(quantities[sku]) + 1
        quantity = rng.choice([number for number in range(5, 5 + 4 * (version + 8)) if number not in used[sku]])
        used[sku].add(quantity)
        quantities[sku][version] = quantity
        stock.append(StockChange(sku, version, quantity))
    renamed = Renamed(stock[0].sku, stock[0].sku.replace("-", "/"))
    return Script(renamed, _disturb(rng, stock), dict(quantities))


def _disturb(rng: random.Random, stock: list[StockChange]) -> list[StockChange]:
    """Send some late and some twice."""
    placed = [(at + (rng.randint(20, 200) if rng.random() < 0.125 else 0), change) for at, change in enumerate(stock)]
    placed += [(at + rng.randint(0, 60), change) for at, change in enumerate(stock) if rng.random() < 1 / 30]
    return [change for _, change in sorted(placed, key=lambda pair: pair[0])]


def parcels_of(seed: int, order: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One to three parcels that hold all that was ordered; the same order always gives the same parcels."""
    order_id = order["external_order_id"]
    rng = random.Random(f"{seed}/{order_id}")
    units = [line["external_line_id"] for line in order["lines"] if line["shippable"] for _ in range(line["quantity"])]
    rng.shuffle(units)
    count = min(rng.randint(1, 3), len(units))
    parcels = []
    carriers = [("UPS", "Ground"), ("FedEx", "Ground")]
    for number in range(count):
        unmapped = number == 0 and int(order_id) % UNMAPPED_ORDERS == 1
        carrier, service = UNMAPPED_CARRIER if unmapped else rng.choice(carriers)
        held = units[number::count]
        parcels.append(
            {
                "shipment_id": f"{order_id}-{number + 1}",
                "external_order_id": order_id,
                "carrier": carrier,
                "service": service,
                "tracking_number": f"1Z{order_id}{number + 1:03d}",
                "shipped_at": DAY.isoformat(),
                "notify_customer": rng.random() < 0.5,
                "lines": [{"external_line_id": line, "quantity": held.count(line)} for line in sorted(set(held))],
            }
        )
    return parcels


BAD_BODIES: tuple[tuple[str, bytes], ...] = (
    ("not JSON", b"{order: 1"),
    ("not UTF-8", b'{"id": "\xff\xfe"}'),
    ("an incomplete envelope", b'{"specversion":"1.0","id":"bad-1","type":"stock.changed"}'),
    (
        "an unknown type",
        b'{"specversion":"1.0","id":"bad-2","source":"oms","type":"order.teleported","account":"%a","data":{}}',
    ),
    (
        "a negative quantity",
        b'{"specversion":"1.0","id":"bad-3","source":"oms","type":"stock.changed","account":"%a",'
        b'"data":{"sku":"X","warehouse":"main","total":-5,"allocated":0}}',
    ),
    (
        "an unknown channel",
        b'{"specversion":"1.0","id":"bad-4","source":"oms","type":"order.status_changed","account":"%a","channel":"nowhere",'
        b'"data":{"external_order_id":"1","status":"new"}}',
    ),
    ("too large", b'{"specversion":"1.0","id":"bad-5","pad":"' + b"x" * (256 * 1024) + b'"}'),
)
"""Bad messages by what is wrong with them; ``%a`` stands for the account's code."""
