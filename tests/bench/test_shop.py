"""The shop that answers at once gives the connector what a shop gives it, and counts every effect."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from bench.services import BenchShop, shop
from bench.shop_state import LINE_OFFSET
from broker.guard import FreeGuard
from connectors.http import HttpLimits
from connectors.registry import Connectors
from domain.channels import Channel, ChannelSettings
from domain.shipments import Parcel, ParcelLine


@pytest.fixture
def bench_shop(tmp_path: Path) -> Iterator[BenchShop]:
    with shop(tmp_path) as made:
        made.set_up(orders=10, products=2, skus=3)
        yield made


def channel(made: BenchShop) -> Channel:
    token = SecretStr("any")
    return Channel("c", "a", "acme", "shop", "Shop", "bright_sites", made.domain, token, True, ChannelSettings())


@pytest.fixture
async def connectors(bench_shop: BenchShop) -> Any:
    host, port = bench_shop.domain.split(":")
    made = Connectors(HttpLimits(), [(host, int(port))])
    yield made
    await made.close()


def parcel(note: str) -> Parcel:
    return Parcel(note, "3", "UPS Ground", "1Z1", date(2026, 1, 5), False, (ParcelLine(str(LINE_OFFSET + 3), 1),))


async def test_the_connector_reads_its_orders_and_writes_shipments(
    bench_shop: BenchShop, connectors: Connectors
) -> None:
    opened = connectors.open(channel(bench_shop), FreeGuard())
    order, _ = await opened.read_order("3")
    assert [line.external_line_id for line in order.lines] == [str(LINE_OFFSET + 3)]
    made = await opened.create_shipment(parcel("S-1"))
    assert [each.note for each in await opened.list_shipments("3")] == ["S-1"]
    assert made.external_shipment_id == "1"
    counters = bench_shop.counters()
    assert counters["calls"] == {"GET orders/1": 1, "POST orders/1/shipments": 1, "GET orders/1/shipments": 1}
    assert (counters["total_calls"], counters["duplicates"]) == (3, 0)


async def test_a_shipment_posted_twice_is_counted_as_a_duplicate(bench_shop: BenchShop, connectors: Connectors) -> None:
    opened = connectors.open(channel(bench_shop), FreeGuard())
    for note in ("S-1", "S-1", "S-2"):
        await opened.create_shipment(parcel(note))
    counters = bench_shop.counters()
    assert (counters["shipments"], counters["duplicates"]) == (3, 1)


async def test_the_connector_sets_stock_and_the_shop_knows_the_last_quantity(
    bench_shop: BenchShop, connectors: Connectors
) -> None:
    opened = connectors.open(channel(bench_shop), FreeGuard())
    result = await opened.set_stock({"SKU-1-2": 7, "SKU-2-3": 9, "SKU-9-9": 1})
    assert dict(result.confirmed) == {"SKU-1-2": 7, "SKU-2-3": 9}
    assert result.unknown == ("SKU-9-9",)
    assert bench_shop.stock() == {"SKU-1-2": 7, "SKU-2-3": 9}
    assert bench_shop.counters()["stock_writes"] == 2


def test_what_does_not_exist_is_answered_404(bench_shop: BenchShop) -> None:
    for path in ("orders/11", "orders/0/shipments", "nothing"):
        assert httpx.get(f"{bench_shop.url}/api/v2.7.0/{path}").status_code == 404


def test_setting_it_up_again_forgets_everything(bench_shop: BenchShop) -> None:
    updated = httpx.put(f"{bench_shop.url}/api/v2.7.0/orders/1", json={"order": {"status": "shipped"}})
    assert updated.json()["status"] == "shipped"
    assert bench_shop.counters()["orders_updated"] == 1
    bench_shop.set_up(orders=1)
    assert bench_shop.counters()["orders_updated"] == bench_shop.counters()["total_calls"] == 0


def test_a_delay_holds_every_answer_back(bench_shop: BenchShop) -> None:
    bench_shop.set_up(orders=1, delay_ms=200)
    answer = httpx.get(f"{bench_shop.url}/api/v2.7.0/orders/1")
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() >= 0.2
