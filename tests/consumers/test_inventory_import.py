from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import update

from connectors.bright_sites import BrightSitesShop
from domain.errors import ShopDown
from domain.moments import to_micros
from storage.tables import channel_stock
from tests.consumers.store import PREFIX, Store


async def run_import(store: Store) -> str:
    """*Sync* by a person; the message id."""
    message = await store.house.desk.run_now("acme", "main", "inventory_import")
    await store.house.work_off()
    return message


def set_stock(store: Store, sku: str, quantity: int) -> None:
    """Somebody at the shop counts again; the call is not counted among ours."""
    row = next(row for row in store.shop.memory.shown_rows() if row.final_sku == sku)
    path = f"{PREFIX}/products/{row.product.id}/inventories/{row.id}"
    assert store.shop.call("PUT", path, {"inventory": {"inventory": quantity}}).status == 200
    store.shop.ledger.calls.pop()


async def told(store: Store) -> list[tuple[str, int, int | None]]:
    """SKU, quantity and what was known before of each announcement, oldest first."""
    announced = [each["data"] for each in await store.announced() if each["type"] == "stock.imported"]
    return [(data["sku"], data["quantity"], data["previous"]) for data in announced]


async def known(store: Store, sku: str) -> int | None:
    return (await store.house.memory.confirmed_stock(store.house.channel_id, [sku])).get(sku)


async def test_the_first_run_tells_of_every_sku(store: Store) -> None:
    message = await run_import(store)
    row = await store.attempt(message)
    assert (row.outcome, dict(row.counts)) == ("Done", {"read": 16, "created": 16})
    assert row.sentence == "Stock of 16 SKUs read, 16 of them not as known."
    assert await told(store) == sorted((sku, quantity, None) for sku, quantity in store.shop.stock().items())
    assert {each["subject"] for each in await store.announced()} == set(store.shop.stock())


async def test_only_differences_are_told_once_each(store: Store) -> None:
    await run_import(store)
    before = await told(store)
    was = store.shop.stock()
    set_stock(store, "TEE0001-S", 3)
    set_stock(store, "MUG0002-S", 0)
    store.shop.ledger.calls.clear()
    message = await run_import(store)
    assert (await told(store))[len(before) :] == [
        ("MUG0002-S", 0, was["MUG0002-S"]),
        ("TEE0001-S", 3, was["TEE0001-S"]),
    ]
    assert dict((await store.attempt(message)).counts) == {"read": 16, "updated": 2, "skipped": 14}
    assert store.calls() == ["GET /inventories"]
    await run_import(store)
    assert len(await told(store)) == len(before) + 2


async def test_what_the_shop_confirmed_of_our_own_is_no_difference(store: Store) -> None:
    await run_import(store)
    before = len(await told(store))
    await store.run(await store.house.stock_event("TEE0001-S", 9))
    await run_import(store)
    assert len(await told(store)) == before


async def test_a_level_equal_to_the_one_sent_before_goes_out_where_the_shop_has_another_by_now(store: Store) -> None:
    await store.run(await store.house.stock_event("TEE0001-S", 9, version=1))
    set_stock(store, "TEE0001-S", 4)
    await run_import(store)
    row = await store.run(await store.house.stock_event("TEE0001-S", 9, version=2))
    assert (row.state, store.shop.stock()["TEE0001-S"]) == ("done", 9)


async def test_what_was_read_before_the_shop_confirmed_another_value_is_not_remembered(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run_import(store)
    set_stock(store, "TEE0001-S", 5)
    set_stock(store, "TEE0001-M", 6)
    read = BrightSitesShop.read_stock

    async def read_while_another_value_is_confirmed(shop: BrightSitesShop) -> Mapping[str, int]:
        found = await read(shop)
        store.house.clock.advance(1)
        confirmed = {"quantity": 7, "confirmed_at": to_micros(store.house.clock())}
        await store.house.execute(update(channel_stock).where(channel_stock.c.sku == "TEE0001-S").values(confirmed))
        return found

    monkeypatch.setattr(BrightSitesShop, "read_stock", read_while_another_value_is_confirmed)
    await run_import(store)
    assert [await known(store, sku) for sku in ("TEE0001-S", "TEE0001-M")] == [7, 6]


async def test_a_run_that_fails_tells_nothing(store: Store) -> None:
    store.fault("server_error", path="/inventories$")
    message = await run_import(store)
    row = await store.house.delivery(message)
    assert (row.state, row.code) == ("waiting", ShopDown.code)
    assert await told(store) == []
    assert (await store.run_again(message)).state == "done"


async def test_a_sku_that_cannot_be_kept_is_left_out_with_a_warning(store: Store) -> None:
    product = store.shop.memory.products[1]
    product.fields["sku"] = "x" * 130
    product.forget_rendered()
    other = store.shop.memory.products[2]
    other.fields["sku"] = "MUG\0"
    other.forget_rendered()
    message = await run_import(store)
    row = await store.attempt(message)
    assert (row.level, row.code) == ("Warning", "sku_unusable")
    assert "8 cannot be kept" in row.sentence and "120 characters" in row.sentence and len(row.sentence) < 800
    assert len(await told(store)) == 8


@pytest.mark.parametrize("data", [{"schedule": "s-1", "due": "2026-03-01T00:00:00Z"}])
async def test_a_tick_of_the_timer_does_the_same(store: Store, data: dict[str, Any]) -> None:
    assert (await store.run(await store.house.event("tick.inventory_import", data))).state == "done"
    assert len(await told(store)) == 16
