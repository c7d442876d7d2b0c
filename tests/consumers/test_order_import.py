from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from domain.errors import ShopDown
from domain.moments import iso
from domain.orders import Order
from tests.consumers.store import PREFIX, Store


async def imported(store: Store, order: int) -> str:
    """Import an order by an event; the message id."""
    message = await store.house.order_event(order)
    assert (await store.run(message)).state == "done"
    store.shop.ledger.calls.clear()
    return message


async def tick(store: Store) -> str:
    """Run *Import orders* now; the message id of the run itself."""
    message = await store.house.desk.run_now("acme", "main", "order_import")
    await store.house.work_off()
    return message


async def test_an_event_reads_the_order_records_it_and_tells_the_oms(store: Store) -> None:
    order = store.buy("TEE0001-S", "MUG0002-M")
    message = await store.house.order_event(order)
    row = await store.run(message)
    assert (row.state, row.code) == ("done", "ok")
    assert store.calls() == [f"GET /orders/{order}"]
    (told,) = await store.announced()
    assert (told["type"], told["subject"], told["correlationid"]) == ("order.imported", str(order), message)
    assert [line["sku"] for line in told["data"]["lines"]] == ["TEE0001-S", "MUG0002-M"]
    assert await store.house.memory.order_document(store.house.channel_id, str(order)) == told["data"]


async def test_a_new_order_is_told_with_the_initial_status_and_a_known_one_with_its_own(store: Store) -> None:
    await store.house.change(initial_order_status="on_hold")
    order = store.buy("TEE0001-S")
    await imported(store, order)
    store.edit(order, status="in_progress")
    await store.run(await store.house.order_event(order, "order.updated"))
    first, second = [each["data"]["status"] for each in await store.announced()]
    assert (first, second) == ("on_hold", "in_progress")


async def test_the_document_for_the_oms_is_the_canonical_order_with_money_as_in_the_shop(store: Store) -> None:
    order = store.buy("TEE0001-S", status="moas_pending")
    await imported(store, order)
    (told,) = await store.announced()
    document, shown = Order.model_validate(told["data"]), store.shop.order(order)
    assert (document.status, document.external_status) == ("on_hold", "moas_pending")
    assert document.grand_total == Decimal(shown["grand_total"])
    assert document.lines[0].total == Decimal(shown["line_items"][0]["total_price"])
    assert document.ship_to_contact.email == shown["shipping_contact"]["email"]
    assert iso(document.updated_at) == iso(document.updated_at.replace(microsecond=0))


async def test_the_log_of_an_import_holds_no_personal_data(store: Store) -> None:
    order = store.buy("TEE0001-S", email="kim.secret@example.com")
    message = await imported(store, order)
    contact = store.shop.order(order)["shipping_contact"]
    row = await store.attempt(message)
    assert not {contact["email"], contact["last_name"]} & set(row.sentence.split()) and "@" not in row.sentence
    assert dict(row.counts) == {"read": 1, "created": 1}


async def test_an_order_that_changed_is_recorded_and_told_again(store: Store) -> None:
    order = store.buy("TEE0001-S")
    await imported(store, order)
    store.house.clock.advance(5)
    store.edit(order, status="paid")
    message = await store.house.order_event(order, "order.updated")
    assert (await store.run(message)).state == "done"
    assert [told["data"]["status"] for told in await store.announced()] == ["new", "paid"]
    assert dict((await store.attempt(message)).counts) == {"read": 1, "updated": 1}


async def test_an_order_that_changed_twice_in_the_second_the_shop_shows_is_not_missed(store: Store) -> None:
    order = store.buy("TEE0001-S")
    record = store.shop.memory.orders[order]
    await imported(store, order)
    second = record.updated_at
    store.edit(order, status="paid")
    record.touch(second)
    message = await store.house.order_event(order, "order.updated")
    assert (await store.run(message)).state == "done"
    assert [told["data"]["status"] for told in await store.announced()] == ["new", "paid"]


async def test_an_event_about_a_state_already_recorded_costs_no_call(store: Store) -> None:
    order = store.buy("TEE0001-S")
    await imported(store, order)
    message = await store.house.order_event(order, updated_at=store.shop.order(order)["updated_at"])
    row = await store.run(message)
    assert (row.state, row.code) == ("skipped", "unchanged")
    assert store.calls() == []
    assert len(await store.announced()) == 1


async def test_an_event_without_a_time_about_a_state_already_recorded_costs_one_call_and_tells_nobody(
    store: Store,
) -> None:
    order = store.buy("TEE0001-S")
    await imported(store, order)
    message = await store.house.order_event(order)
    assert (await store.run(message)).code == "unchanged"
    assert store.calls() == [f"GET /orders/{order}"]
    assert len(await store.announced()) == 1


async def test_a_pushed_document_saves_the_call(store: Store) -> None:
    order = store.buy("TEE0001-S")
    message = await store.house.order_event(order, order=store.shop.order(order))
    assert (await store.run(message)).state == "done"
    assert store.calls() == []
    (told,) = await store.announced()
    assert [line["sku"] for line in told["data"]["lines"]] == ["TEE0001-S"]


async def test_a_pushed_document_that_cannot_be_read_is_read_from_the_shop(store: Store) -> None:
    order = store.buy("TEE0001-S")
    for at, document in enumerate(
        ({"order_id": order}, {"what": "ever"}, {**store.shop.order(order), "line_items": []})
    ):
        store.shop.ledger.calls.clear()
        message = await store.house.order_event(order, order=document)
        assert (await store.run(message)).state == ("skipped" if at else "done")
        assert store.calls() == [f"GET /orders/{order}"]


async def test_a_pushed_document_of_another_order_is_not_believed(store: Store) -> None:
    order, other = store.buy("TEE0001-S"), store.buy("MUG0002-M")
    message = await store.house.order_event(order, order=store.shop.order(other))
    assert (await store.run(message)).state == "done"
    (told,) = await store.announced()
    assert told["data"]["external_order_id"] == str(order)


async def test_an_order_the_shop_does_not_know_is_dead_and_names_it(store: Store) -> None:
    for order in ("999999", "no-number"):
        message = await store.house.order_event(order)
        row = await store.run(message)
        assert (row.state, row.code) == ("dead", "order_unknown")
        assert order in row.sentence
    assert await store.announced() == []


async def test_a_tick_imports_every_order_of_the_shop_the_first_time(store: Store) -> None:
    orders = store.shop.buy(3)
    message = await tick(store)
    row = await store.attempt(message)
    assert row.sentence == "3 orders changed in the shop, 3 of them new to us."
    assert sorted(told["data"]["external_order_id"] for told in await store.announced()) == sorted(map(str, orders))


async def test_a_tick_reads_all_pages_and_each_order_once(store: Store) -> None:
    store.shop.reset(replace(store.shop.settings, largest_page=20, buyers_take_stock=False))
    orders = store.shop.buy(45)
    message = await tick(store)
    row = await store.attempt(message)
    assert dict(row.counts) == {"read": 45, "created": 45}
    assert [call["route"] for call in row.calls] == ["/orders"] * 3
    assert len(await store.announced()) == 45 and len(store.calls()) == 3 + len(orders)


async def test_a_tick_asks_only_for_what_changed_since_the_newest_change_seen_minus_the_overlap(store: Store) -> None:
    order = store.buy("TEE0001-S")
    await tick(store)
    newest = store.shop.memory.orders[order].updated_at
    assert await store.house.memory.cursor(store.house.channel_id, "order_import") == newest
    store.shop.ledger.calls.clear()
    store.house.clock.advance(3600)
    message = await tick(store)
    (call,) = store.shop.ledger.calls
    assert call.query["updated_at_from"] == [iso(newest - timedelta(seconds=300))]
    assert (await store.attempt(message)).sentence == "1 orders changed in the shop, 0 of them new to us."


async def test_the_overlap_is_what_the_channel_says(store: Store) -> None:
    order = store.buy("TEE0001-S")
    await store.house.change(import_overlap_seconds=7)
    await tick(store)
    await tick(store)
    asked = store.shop.ledger.calls[-1].query["updated_at_from"]
    assert asked == [iso(store.shop.memory.orders[order].updated_at - timedelta(seconds=7))]


async def test_a_tick_that_finds_nothing_leaves_the_cursor_where_it_is(store: Store) -> None:
    store.buy("TEE0001-S")
    await store.house.change(import_overlap_seconds=0)
    await tick(store)
    cursor = await store.house.memory.cursor(store.house.channel_id, "order_import")
    store.house.clock.advance(600)
    store.shop.memory.orders.clear()
    await tick(store)
    assert await store.house.memory.cursor(store.house.channel_id, "order_import") == cursor is not None


async def test_an_order_in_the_overlap_is_seen_again_and_not_imported_again(store: Store) -> None:
    store.buy("TEE0001-S")
    await tick(store)
    store.shop.ledger.calls.clear()
    message = await tick(store)
    assert dict((await store.attempt(message)).counts) == {"read": 1, "skipped": 1}
    assert store.calls() == ["GET /orders"]
    assert len(await store.announced()) == 1


async def test_an_order_the_shop_shows_late_is_found_within_the_overlap(store: Store) -> None:
    seen = store.buy("TEE0001-S")
    await tick(store)
    late = store.buy("MUG0002-M")
    store.shop.memory.orders[late].touch(store.shop.memory.orders[seen].updated_at - timedelta(seconds=200))
    await tick(store)
    assert [told["data"]["external_order_id"] for told in await store.announced()] == [str(seen), str(late)]


async def test_a_tick_that_fails_does_not_move_the_cursor(store: Store) -> None:
    store.buy("TEE0001-S")
    store.fault("server_error", path="/orders$")
    message = await tick(store)
    row = await store.house.delivery(message)
    assert (row.state, row.code) == ("waiting", ShopDown.code)
    assert await store.house.memory.cursor(store.house.channel_id, "order_import") is None
    assert (await store.run_again(message)).state == "done"
    assert len(await store.announced()) == 1


async def test_an_order_that_changed_between_two_ticks_is_told_as_updated(store: Store) -> None:
    order = store.buy("TEE0001-S")
    await tick(store)
    store.house.clock.advance(60)
    store.edit(order, status="in_progress")
    await tick(store)
    assert [told["data"]["status"] for told in await store.announced()] == ["new", "in_progress"]
    life = await store.house.logs(business_key=str(order))
    assert [row.counts for row in reversed(life)] == [{"read": 1, "created": 1}, {"read": 1, "updated": 1}]


async def test_one_order_that_fails_does_not_hold_the_others_of_a_tick(store: Store) -> None:
    bad, good = store.buy("TEE0001-S"), store.buy("MUG0002-M")
    store.fault("server_error", path=f"/orders/{bad}$")
    await tick(store)
    assert [told["data"]["external_order_id"] for told in await store.announced()] == [str(good)]
    (row,) = await store.house.logs(business_key=str(bad))
    assert (row.outcome, row.trigger) == ("Retry", "manual")


async def test_the_orders_of_a_tick_can_be_traced_back_to_it(store: Store) -> None:
    order = store.buy("TEE0001-S")
    message = await tick(store)
    (row,) = await store.house.logs(business_key=str(order))
    assert row.correlation_id == message


async def test_a_cancelled_order_is_read_and_told_as_cancelled(store: Store) -> None:
    order = store.buy("TEE0001-S")
    await imported(store, order)
    store.house.clock.advance(5)
    assert store.shop.call("PUT", f"{PREFIX}/orders/{order}/cancel").status == 200
    message = await store.house.order_event(order, "order.cancelled")
    assert (await store.run(message)).state == "done"
    assert (await store.announced())[-1]["data"]["status"] == "cancelled"
