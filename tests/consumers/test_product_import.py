from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from domain.moments import iso
from sandbox.bright_sites.records import Product as ShopProduct
from storage.product_tables import product_skus, products
from tests.consumers.store import PREFIX, Store


@pytest.fixture(autouse=True)
async def the_channel_is_the_source(store: Store) -> None:
    await store.house.products_from("main")


async def run_import(store: Store) -> str:
    """*Sync* by a person; the message id."""
    message = await store.house.desk.run_now("acme", "main", "product_import")
    await store.house.work_off()
    return message


def edit(store: Store, product: int, **changes: Any) -> None:
    """Change a product as somebody at the shop would; the call is not counted among ours."""
    answer = store.shop.call("PUT", f"{PREFIX}/products/{product}", {"product": changes})
    assert answer.status == 200, answer
    store.shop.ledger.calls.pop()


def rename(store: Store, product: int, sku: str) -> None:
    """Give a product an SKU whatever the shop thinks of it, so that all its variants change theirs."""
    shown = store.shop.memory.products[product]
    shown.fields["sku"] = sku
    shown.updated_at = store.shop.memory.now()
    shown.forget_rendered()


def shown(store: Store) -> dict[int, ShopProduct]:
    return store.shop.memory.products


async def told(store: Store) -> list[str]:
    """The names of the announced products, oldest first."""
    announced = await store.announced()
    assert {each["type"] for each in announced} <= {"product.imported"}
    return [each["data"]["name"] for each in announced]


async def holder(store: Store, sku: str) -> str | None:
    found = await store.house.memory.sku_holders(store.house.channel_id, [sku])
    return found.get(sku)


async def test_the_first_run_records_and_announces_every_product(store: Store) -> None:
    message = await run_import(store)
    row = await store.attempt(message)
    assert (row.outcome, row.level, row.code) == ("Done", "Info", "ok")
    assert dict(row.counts) == {"read": 5, "created": 5}
    assert row.sentence == "5 products read, 5 of them new or changed; 0 were known."
    announced = await store.announced()
    assert [each["subject"] for each in announced] == [each.sku for each in shown(store).values()]
    assert {each["correlationid"] for each in announced} == {message}
    recorded = await store.house.execute(select(products.c.external_id, products.c.document))
    assert dict(recorded) == {e["data"]["external_id"]: e["data"] for e in announced}
    skus = await store.house.execute(select(product_skus.c.sku))
    assert {sku for (sku,) in skus} >= set(store.shop.stock())


async def test_a_product_changed_in_the_shop_is_announced_once(store: Store) -> None:
    await run_import(store)
    store.house.clock.advance(3600)
    edit(store, 2, name="Mug of mugs")
    store.shop.ledger.calls.clear()
    await run_import(store)
    assert (await told(store))[5:] == ["Mug of mugs"]
    assert store.calls() == ["GET /products", "GET /products/2"]
    store.house.clock.advance(3600)
    await run_import(store)
    assert (await told(store))[5:] == ["Mug of mugs"]


async def test_only_what_changed_since_the_newest_change_seen_minus_the_overlap_is_asked_for(store: Store) -> None:
    await run_import(store)
    newest = max(each.updated_at for each in shown(store).values())
    assert await store.house.memory.cursor(store.house.channel_id, "product_import") == newest
    await run_import(store)
    asked = [call for call in store.shop.ledger.calls if call.path.endswith("/products")][-1]
    assert asked.query["updated_at_from"] == [iso(newest - timedelta(seconds=300))]


async def test_a_known_product_in_the_overlap_is_not_read_again(store: Store) -> None:
    await run_import(store)
    store.shop.ledger.calls.clear()
    message = await run_import(store)
    assert store.calls() == ["GET /products"]
    assert (await store.attempt(message)).sentence == "0 products read, 0 of them new or changed; 5 were known."


async def test_a_product_that_changed_twice_in_the_second_the_shop_shows_is_not_missed(store: Store) -> None:
    edit(store, 1, name="First")
    second = shown(store)[1].updated_at
    await run_import(store)
    edit(store, 1, name="Second")
    shown(store)[1].updated_at = second
    store.house.clock.advance(60)
    await run_import(store)
    await run_import(store)
    assert (await told(store)).count("Second") == 1
    assert store.calls().count("GET /products/1") == 2


async def test_a_product_touched_without_a_change_is_recorded_and_not_announced(store: Store) -> None:
    await run_import(store)
    store.house.clock.advance(3600)
    edit(store, 1, note="only for the shop")
    message = await run_import(store)
    assert dict((await store.attempt(message)).counts) == {"read": 1, "skipped": 1}
    assert len(await told(store)) == 5
    seen = await store.house.memory.products_seen(store.house.channel_id, ["1"])
    assert seen["1"].updated_at == shown(store)[1].updated_at


async def test_a_duplicate_sku_is_left_out_with_one_warning_that_lists_it_and_the_rest_goes_on(store: Store) -> None:
    await run_import(store)
    store.house.clock.advance(3600)
    rename(store, 2, shown(store)[1].sku)
    edit(store, 3, name="Fine")
    store.house.clock.advance(60)
    message = await run_import(store)
    row = await store.attempt(message)
    assert (row.outcome, row.level, row.code) == ("Done", "Warning", "sku_left_out")
    for size in ("XS", "S", "M", "L"):
        assert row.sentence.count(f"'TEE0001-{size}' (duplicate, in product ") == 1
    assert "4 SKUs were left out" in row.sentence and "all others are imported" in row.sentence
    assert (await told(store))[5:] == ["Fine"]
    assert await holder(store, "TEE0001-S") == "1"
    store.shop.ledger.calls.clear()
    await run_import(store)
    assert store.calls() == ["GET /products"]
    warnings = [each for each in await store.house.logs() if each.level == "Warning"]
    assert [each.code for each in warnings if each.job == "product_import"] == ["sku_left_out"]


async def test_a_sku_moves_to_another_product_once_the_first_is_gone_or_gave_it_up(store: Store) -> None:
    await run_import(store)
    for gone in (True, False):
        store.house.clock.advance(3600)
        first, second = (1, 2) if gone else (3, 4)
        sku = shown(store)[first].sku
        if gone:
            del shown(store)[first]
        else:
            rename(store, first, "FREED")
        rename(store, second, sku)
        message = await run_import(store)
        assert (await store.attempt(message)).code == "ok"
        assert await holder(store, f"{sku}-S") == str(second)
    assert await holder(store, "FREED-S") == "3"


async def test_a_sku_that_is_empty_or_too_long_is_left_out_and_the_rest_goes_on(store: Store) -> None:
    rename(store, 1, "x" * 130)
    product = shown(store)[2]
    for held in (product.options, product.sub_options, product.rows):
        held.clear()
    rename(store, 2, "")
    message = await run_import(store)
    row = await store.attempt(message)
    assert (row.level, row.code, row.counts["failed"]) == ("Warning", "sku_left_out", 2)
    assert "(too long, in product 1)" in row.sentence and "'' (empty, in product 2)" in row.sentence
    assert len(await told(store)) == 3


async def test_a_product_that_cannot_be_read_stops_no_other(store: Store) -> None:
    store.fault("error_body", path="/products/2$", message="broken")
    message = await run_import(store)
    row = await store.attempt(message)
    assert (row.level, row.code, row.counts["failed"]) == ("Warning", "partly_failed", 1)
    assert "1 products could not be read: 2." in row.sentence and "broken" in row.sentence
    assert len(await told(store)) == 4


async def test_a_run_that_fails_records_nothing_and_does_not_move_the_cursor(store: Store) -> None:
    store.fault("server_error", path="/products/4$")
    message = await run_import(store)
    row = await store.house.delivery(message)
    assert (row.state, row.code) == ("waiting", "shop_down")
    assert await store.house.memory.cursor(store.house.channel_id, "product_import") is None
    assert await told(store) == []
    assert (await store.run_again(message)).state == "done"
    assert len(await told(store)) == 5


async def test_too_many_products_for_one_run_are_read_by_others_that_follow_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.shop.reset(replace(store.shop.settings, products=10, supplier_managed=0))
    monkeypatch.setattr(sys.modules["consumers.product_import"], "MOST_PER_RUN", 4)
    await run_import(store)
    rows = [row for row in await store.house.logs(job="product_import") if row.outcome == "Done"]
    assert [row.counts["read"] for row in reversed(rows)] == [4, 4, 2]
    assert "6 more follow in another run." in rows[-1].sentence
    assert len(await told(store)) == len(set(await told(store))) == 10
    newest = max(each.updated_at for each in shown(store).values())
    assert await store.house.memory.cursor(store.house.channel_id, "product_import") == newest


async def test_products_of_which_nothing_comes_hold_up_no_other_and_are_read_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.shop.reset(replace(store.shop.settings, products=10, supplier_managed=0))
    monkeypatch.setattr(sys.modules["consumers.product_import"], "MOST_PER_RUN", 2)
    store.fault("error_body", path="/products/(1|10|2)$", message="broken", times=None)
    store.fault("html", path="/products/3$", status=404, times=None)
    rename(store, 5, shown(store)[4].sku)
    shown(store)[5].updated_at = shown(store)[4].updated_at
    await run_import(store)
    await run_import(store)
    assert sorted(await told(store)) == sorted(shown(store)[each].fields["name"] for each in (4, 6, 7, 8, 9))
    reads = [call for call in store.calls() if call != "GET /products"]
    assert len(reads) == len({*reads}) == 10


async def test_a_product_that_could_not_be_read_is_imported_once_it_changes(store: Store) -> None:
    store.fault("error_body", path="/products/2$", message="broken")
    await run_import(store)
    store.house.clock.advance(3600)
    edit(store, 2, name="Readable")
    await run_import(store)
    assert (await told(store))[4:] == ["Readable"]


async def test_a_tick_of_the_timer_does_the_same(store: Store) -> None:
    data = {"schedule": "s-1", "due": "2026-03-01T00:00:00Z"}
    assert (await store.run(await store.house.event("tick.product_import", data))).state == "done"
    assert len(await told(store)) == 5
