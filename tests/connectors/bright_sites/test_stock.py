from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from connectors.bright_sites.channel_state import TOKEN_HEADER
from connectors.bright_sites.inventory_cache import InventoryCache
from connectors.bright_sites.stock import read_stock, set_stock
from connectors.http import Caller, GuardedTransport, HttpLimits, allowed_hosts, build_endpoint
from domain.errors import LeaseLost, ShopDown, ShopRejected, ShopUnauthorized
from sandbox.bright_sites import ShopSettings
from tests.connectors.conftest import READ_ONLY, Bench, open_bench


def product_of(bench: Bench, sku: str) -> int:
    return next(row.product.id for row in bench.sandbox.shop.memory.shown_rows() if row.final_sku == sku)


def by_product(bench: Bench) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for row in bench.sandbox.shop.memory.shown_rows():
        found.setdefault(row.product.id, []).append(row.final_sku)
    return found


@pytest.fixture
async def caller(bench: Bench) -> AsyncIterator[Caller]:
    allowed = allowed_hosts([("127.0.0.1", int(bench.channel.domain.split(":")[1]))])
    endpoint = build_endpoint(bench.channel, "/api/v2.7.0", TOKEN_HEADER, allowed)
    transport = GuardedTransport(HttpLimits(), allowed)
    yield Caller(transport, endpoint, bench.channel, bench.guard)
    await transport.aclose()


def writes(bench: Bench) -> list[str]:
    return [path for method, path in bench.calls() if method == "PUT"]


async def test_stock_is_set_by_one_call_per_product(bench: Bench) -> None:
    wanted = {sku: number for number, sku in enumerate(bench.sandbox.shop.stock())}
    result = await bench.shop.set_stock(wanted)
    assert (result.confirmed, result.unknown, result.failed) == (wanted, (), {})
    assert bench.sandbox.shop.stock() == wanted
    assert len(writes(bench)) == len(by_product(bench))
    assert all(path.endswith("/batch_update") for path in writes(bench))


async def test_the_shop_is_searched_once_for_all_runs_of_a_channel(bench: Bench) -> None:
    skus = list(bench.sandbox.shop.stock())
    shops = [bench.connectors.open(bench.channel, bench.guard) for _ in range(5)]
    await asyncio.gather(*(shop.set_stock({sku: 3}) for shop, sku in zip(shops, skus, strict=False)))
    await bench.shop.set_stock({skus[0]: 4})
    assert bench.calls().count(("GET", "/inventories")) == 1


async def test_a_sku_the_shop_does_not_have_is_unknown_and_stops_no_other(bench: Bench) -> None:
    [known, *_] = bench.sandbox.shop.stock()
    result = await bench.shop.set_stock({"NO-SUCH": 1, known: 2})
    assert (result.confirmed, result.unknown, result.failed) == ({known: 2}, ("NO-SUCH",), {})


async def test_one_bad_row_does_not_stop_the_others_of_its_product(bench: Bench) -> None:
    product, skus = next(iter(by_product(bench).items()))
    wanted = dict.fromkeys(skus, 5)
    wanted[skus[1]] = -1
    result = await bench.shop.set_stock(wanted)
    assert result.confirmed == {sku: 5 for sku in skus if sku != skus[1]}
    assert isinstance(result.failed[skus[1]], ShopRejected)
    assert f"SKU {skus[1]}" in result.failed[skus[1]].sentence
    assert writes(bench)[0] == f"/inventories/{product}/batch_update"
    assert len(writes(bench)) == 1 + len(skus)


async def test_a_bad_product_does_not_stop_the_other_products(bench: Bench) -> None:
    products = by_product(bench)
    bad, good = list(products)[:2]
    wanted = {sku: 5 for product in (bad, good) for sku in products[product]}
    bench.fault("server_error", method="PUT", path=f"/inventories/{bad}/", times=None)
    result = await bench.shop.set_stock(wanted)
    assert result.confirmed == dict.fromkeys(products[good], 5)
    assert {type(error) for error in result.failed.values()} == {ShopDown}
    assert set(result.failed) == set(products[bad])


async def test_a_row_that_was_deleted_stops_no_other_and_becomes_unknown(bench: Bench) -> None:
    await bench.shop.read_stock()
    product, skus = next(iter(by_product(bench).items()))
    rows = bench.sandbox.shop.memory.products[product].rows
    del rows[next(row_id for row_id, row in rows.items() if row.final_sku == skus[0])]
    result = await bench.shop.set_stock(dict.fromkeys(skus, 8))
    assert result.confirmed == dict.fromkeys(skus[1:], 8)
    assert (result.unknown, result.failed) == ((skus[0],), {})


async def test_a_row_that_moved_is_found_where_it_is_now(bench: Bench, caller: Caller) -> None:
    now = 0.0
    cache = InventoryCache(monotonic=lambda: now)
    product, skus = next(iter(by_product(bench).items()))
    await read_stock(caller, cache)
    rows = bench.sandbox.shop.memory.products[product].rows
    row = next(row for row in rows.values() if row.final_sku == skus[0])
    del rows[row.id]
    row.id, row.rendered = 99_999, None
    rows[row.id] = row
    now += 60
    result = await set_stock(caller, cache, dict.fromkeys(skus, 8))
    assert (result.confirmed, result.unknown, result.failed) == (dict.fromkeys(skus, 8), (), {})
    assert bench.calls().count(("GET", "/inventories")) == 2


async def test_a_read_only_token_stops_the_run_after_its_first_answers(bench: Bench) -> None:
    shop, guard = bench.with_token(READ_ONLY)
    wanted = dict.fromkeys(bench.sandbox.shop.stock(), 1)
    result = await shop.set_stock(wanted)
    assert set(result.failed) == set(wanted)
    assert {type(error) for error in result.failed.values()} == {ShopUnauthorized}
    assert sum(call.method == "PUT" for call in guard.calls) <= 5


async def test_a_lost_lease_ends_the_run_and_leaves_nothing_running(bench: Bench) -> None:
    await bench.shop.read_stock()
    bench.guard.refusal = LeaseLost("the lease is over")
    with pytest.raises(LeaseLost):
        await bench.shop.set_stock(dict.fromkeys(bench.sandbox.shop.stock(), 1))
    assert writes(bench) == []


async def test_the_whole_stock_is_read_and_fills_the_search(bench: Bench) -> None:
    assert await bench.shop.read_stock() == bench.sandbox.shop.stock()
    await bench.shop.set_stock({next(iter(bench.sandbox.shop.stock())): 1})
    assert bench.calls().count(("GET", "/inventories")) == 1


async def test_stock_of_more_than_a_page_is_read_whole() -> None:
    async with open_bench(ShopSettings(products=80, variants=8)) as bench:
        found = await bench.shop.read_stock()
        assert found == bench.sandbox.shop.stock()
        assert len(found) > 500
        assert bench.calls() == [("GET", "/inventories")] * 2
