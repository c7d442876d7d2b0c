"""SKU mappings in the jobs, against the sandbox shop."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from domain.mappings import MappingKind
from storage.tables import channel_stock
from tests.consumers.store import Store


async def imported(store: Store) -> dict[str, Any]:
    """The last order that the OMS was told of."""
    (*_, last) = [each["data"] for each in await store.announced() if each["type"] == "order.imported"]
    return dict(last)


async def codes(store: Store) -> list[tuple[str, str, int]]:
    """(side, code, deliveries) of the open tasks for SKUs."""
    return [(each.side, each.code, each.blocks) for each in await store.house.mappings.tasks("acme")]


def shipped(store: Store) -> list[list[dict[str, Any]]]:
    calls = [call for call in store.shop.ledger.calls if call.method == "POST"]
    return [call.body["shipment"]["line_items"] for call in calls if isinstance(call.body, dict)]


async def test_an_order_goes_to_the_oms_in_its_own_skus_and_back_to_the_shop_in_the_shops(store: Store) -> None:
    await store.house.map_skus({"TEE0001-S": ("SHIRT", 6)})
    await store.house.map_carriers({"ups": "UPS Ground", "any": "*"})
    order = store.buy("TEE0001-S", "MUG0002-M")
    await store.run(await store.house.order_event(order))
    shirt, mug = (await imported(store))["lines"]
    in_shop = [line["quantity"] for line in store.lines(order)]
    assert (shirt["sku"], shirt["quantity"], shirt["channel_sku"]) == ("SHIRT", 6 * in_shop[0], "TEE0001-S")
    assert (mug["sku"], mug["quantity"], mug["channel_sku"]) == ("MUG0002-M", in_shop[1], None)
    store.shop.ledger.calls.clear()
    by_sku = await store.house.shipment_event(order, [{"sku": "SHIRT", "quantity": 6}])
    assert (await store.run(by_sku)).code == "ok"
    assert store.calls() == [f"POST /orders/{order}/shipments"]
    assert shipped(store)[0] == [{"id": store.lines(order)[0]["id"], "quantity": 1}]


async def test_a_line_named_by_its_id_is_divided_too(store: Store) -> None:
    await store.house.map_skus({"TEE0001-S": ("SHIRT", 6)})
    order = store.buy("TEE0001-S")
    line = str(store.lines(order)[0]["id"])
    message = await store.house.shipment_event(order, [{"external_line_id": line, "quantity": 6}])
    assert (await store.run(message)).state == "done"
    assert shipped(store)[0] == [{"id": int(line), "quantity": 1}]


async def test_an_order_is_shipped_as_it_was_told_though_its_mapping_is_gone(store: Store) -> None:
    await store.house.map_skus({"TEE0001-S": ("SHIRT", 6)})
    order = store.buy("TEE0001-S")
    await store.run(await store.house.order_event(order))
    await store.house.mappings.remove("acme", "main", MappingKind.SKU, "TEE0001-S", "tester")
    line = str(store.lines(order)[0]["id"])
    message = await store.house.shipment_event(order, [{"external_line_id": line, "quantity": 6}])
    await store.run(message)
    assert shipped(store)[0] == [{"id": int(line), "quantity": 1}]


async def test_a_quantity_that_does_not_divide_is_dead_and_says_why(store: Store) -> None:
    await store.house.map_skus({"TEE0001-S": ("SHIRT", 6)})
    order = store.buy("TEE0001-S")
    row = await store.run(await store.house.shipment_event(order, [{"sku": "SHIRT", "quantity": 5}]))
    assert (row.state, row.code) == ("dead", "quantity_not_divisible")
    assert f"Shipment P-1 of order {order} was not sent" in row.sentence and "multiple of 6" in row.sentence
    assert shipped(store) == []


async def test_without_mapping_and_catalogue_skus_are_the_same_on_both_sides(store: Store) -> None:
    order = store.buy("TEE0001-S")
    assert (await store.run(await store.house.order_event(order))).state == "done"
    assert [line["sku"] for line in (await imported(store))["lines"]] == ["TEE0001-S"]


async def test_an_order_with_a_sku_that_is_not_in_the_catalogue_waits_until_it_is_mapped(store: Store) -> None:
    await store.house.product_event("SHIRT")
    await store.house.work_off()
    order = store.buy("TEE0001-S")
    message = await store.house.order_event(order)
    row = await store.run(message)
    assert (row.state, row.code, row.failures) == ("parked", "sku_unmapped", 0)
    assert f"Order {order}" in row.sentence and "'TEE0001-S'" in row.sentence
    assert await codes(store) == [("channel", "TEE0001-S", 1)]
    store.shop.ledger.calls.clear()
    await store.house.work_off()
    assert store.calls() == []
    assert await store.house.map_skus({"CAP": "HAT"}) == 0
    assert await store.house.map_skus({"TEE0001-S": "SHIRT"}) == 1
    assert (await store.run(message)).state == "done"
    assert [line["sku"] for line in (await imported(store))["lines"]] == ["SHIRT"]
    assert await codes(store) == []


async def test_an_order_goes_on_when_the_catalogue_gets_its_sku(store: Store) -> None:
    await store.house.product_event("SHIRT")
    message = await store.house.order_event(store.buy("TEE0001-S"))
    other = await store.house.order_event(store.buy("MUG0002-M"))
    assert (await store.run(message)).state == "parked"
    assert await store.house.ledger.release_found() == 0
    await store.house.product_event("TEE0001-S")
    assert await store.house.ledger.release_found() == 1
    assert (await store.run(message)).state == "done"
    assert (await store.house.delivery(other)).state == "parked"


async def test_a_channel_set_to_identity_asks_no_catalogue(store: Store) -> None:
    await store.house.product_event("SHIRT")
    message = await store.house.order_event(store.buy("TEE0001-S"))
    assert (await store.run(message)).state == "parked"
    await store.house.change(unmapped_sku="identity")
    assert (await store.run(message)).state == "done"


async def test_a_sku_that_is_ignored_ends_its_orders_now_and_later(store: Store) -> None:
    await store.house.product_event("SHIRT")
    first = await store.house.order_event(store.buy("TEE0001-S"))
    await store.house.work_off()
    (task,) = await store.house.mappings.tasks("acme")
    await store.house.mappings.ignore(task.id, "tester")
    assert (await store.house.delivery(first)).state == "discarded"
    later = await store.run(await store.house.order_event(store.buy("TEE0001-S")))
    assert (later.state, later.code) == ("skipped", "mapping_ignored")


async def test_one_level_goes_to_all_skus_of_the_channel_in_whole_packs(store: Store) -> None:
    await store.house.map_skus({"TEE0001-S": ("SHIRT", 6), "TEE0001-M": "SHIRT"})
    message = await store.house.stock_event("SHIRT", 23)
    row = await store.run(message)
    assert (row.state, "3 (as TEE0001-S)" in row.sentence, "23 (as TEE0001-M)" in row.sentence) == ("done", True, True)
    assert (store.shop.stock()["TEE0001-S"], store.shop.stock()["TEE0001-M"]) == (3, 23)
    store.shop.ledger.calls.clear()
    assert (await store.run(await store.house.stock_event("SHIRT", 23))).code == "unchanged"
    await store.run(await store.house.stock_event("SHIRT", 22))
    writes = [call.body for call in store.shop.ledger.calls if call.method == "PUT"]
    assert [len(body["inventories"]) for body in writes if isinstance(body, dict)] == [1]


async def test_an_older_level_never_overwrites_a_newer_one_under_its_name_in_the_channel(store: Store) -> None:
    await store.house.map_skus({"TEE0001-S": ("SHIRT", 2)})
    newer = await store.house.stock_event("SHIRT", 9, version=3)
    older = await store.house.stock_event("SHIRT", 5, version=2)
    await store.house.work_off()
    row = await store.house.delivery(older)
    assert (row.state, row.superseded_by) == ("superseded", (await store.house.delivery(newer)).id)
    late = await store.run(await store.house.stock_event("SHIRT", 1, version=1))
    assert late.state == "superseded" and store.shop.stock()["TEE0001-S"] == 4


async def test_a_tick_corrects_the_skus_of_the_channel(store: Store) -> None:
    await store.house.map_skus({"TEE0001-S": ("SHIRT", 2)})
    await store.house.change(stock_mode="schedule")
    await store.run(await store.house.stock_event("SHIRT", 9))
    await store.run(await store.house.event("tick.inventory_export", {"schedule": "s", "due": "2026-03-01T00:00:00Z"}))
    assert store.shop.stock()["TEE0001-S"] == 4


async def test_stock_of_a_sku_whose_name_means_another_one_in_the_channel_waits(store: Store) -> None:
    await store.house.map_skus({"TEE0001-S": "SHIRT"})
    message = await store.house.stock_event("TEE0001-S", 4)
    row = await store.run(message)
    assert (row.state, row.code) == ("parked", "sku_unmapped")
    assert await codes(store) == [("oms", "TEE0001-S", 1)]
    await store.house.mappings.remove("acme", "main", MappingKind.SKU, "TEE0001-S", "tester")
    assert (await store.run(message)).state == "done"
    assert store.shop.stock()["TEE0001-S"] == 4


async def test_after_a_failed_write_nothing_is_taken_for_confirmed_under_its_name_in_the_channel(store: Store) -> None:
    await store.house.map_skus({"TEE0001-S": "SHIRT"})
    await store.run(await store.house.stock_event("SHIRT", 9, version=1))
    store.fault("server_error", method="PUT", path="batch_update")
    assert (await store.run(await store.house.stock_event("SHIRT", 4, version=2))).state == "waiting"
    assert await store.house.execute(select(channel_stock.c.sku)) == []


async def test_shown_stock_is_told_in_units_of_the_oms(store: Store) -> None:
    await store.house.product_event("SHIRT", "MUG0002-M")
    await store.house.map_skus({"TEE0001-S": ("SHIRT", 6)})
    message = await store.house.event("tick.inventory_import", {"schedule": "s", "due": "2026-03-01T00:00:00Z"})
    row = await store.run(message)
    told = {each["data"]["sku"]: each["data"] for each in await store.announced() if each["type"] == "stock.imported"}
    assert told.keys() == {"SHIRT", "MUG0002-M"}
    assert told["SHIRT"]["quantity"] == 6 * store.shop.stock()["TEE0001-S"]
    assert (told["SHIRT"]["channel_sku"], told["SHIRT"]["multiplier"]) == ("TEE0001-S", 6)
    assert (row.code, "14 are not in the catalogue" in row.sentence) == ("sku_unmapped", True)


async def test_a_parked_level_goes_out_when_product_export_makes_its_sku_in_the_shop(store: Store) -> None:
    level = await store.house.stock_event("NEW-1", 4)
    assert (await store.run(level)).code == "sku_unknown"
    assert await store.house.ledger.release_found() == 0
    assert (await store.run(await store.house.product_event("NEW-1"))).state == "done"
    assert await store.house.ledger.release_found() == 1
    assert ((await store.run(level)).state, store.shop.stock()["NEW-1"]) == ("done", 4)
    assert await codes(store) == []


async def test_a_sku_that_the_shop_still_lacks_is_not_asked_for_again_and_again(store: Store) -> None:
    await store.run(await store.house.product_event("NEW-1"))
    store.house.clock.advance(600)
    level = await store.house.stock_event("NEW-2", 4)
    await store.house.map_skus({"NEW-1-OLD": "NEW-2"})
    assert (await store.run(level)).state == "parked"
    assert await store.house.ledger.release_found() == 0


async def test_a_product_is_written_under_its_names_in_the_channel(store: Store) -> None:
    await store.house.map_skus({"CH-9": "OMS-9"})
    row = await store.run(await store.house.product_event("OMS-9"))
    assert row.state == "done" and "CH-9" in row.sentence
    assert store.shop.stock()["CH-9"] == 0
