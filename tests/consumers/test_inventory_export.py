from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, select

from domain.synclog import Trigger
from storage.tables import channel_stock, stock_levels
from tests.consumers.store import Store


def writes(store: Store) -> list[str]:
    """Calls that change stock."""
    return [call for call in store.calls() if call.startswith("PUT")]


async def level(store: Store, sku: str) -> int | None:
    """The stored total of a SKU over all warehouses."""
    rows = await store.house.execute(select(stock_levels.c.total).where(stock_levels.c.sku == sku))
    return sum(row.total for row in rows) if rows else None


async def scheduled_tick(store: Store) -> str:
    """A tick of the timer; the message id."""
    data = {"schedule": "s-1", "due": "2026-03-01T00:00:00Z"}
    return await store.house.event("tick.inventory_export", data, trigger=Trigger.SCHEDULE)


async def run_by_hand(store: Store) -> str:
    """*Sync* by a person; the message id."""
    message = await store.house.desk.run_now("acme", "main", "inventory_export")
    await store.house.work_off()
    return message


async def test_the_newest_level_reaches_the_shop_and_what_it_absorbed_is_told(store: Store) -> None:
    messages = [await store.house.stock_event("TEE0001-S", total, version=total) for total in (5, 9, 7)]
    await store.house.work_off()
    rows = [await store.house.delivery(message) for message in messages]
    assert [row.state for row in rows] == ["superseded", "done", "superseded"]
    assert rows[0].superseded_by == rows[2].superseded_by == rows[1].id
    assert store.shop.stock()["TEE0001-S"] == 9
    assert len(writes(store)) == 1


async def test_an_older_level_that_comes_after_a_newer_one_was_written_changes_nothing(store: Store) -> None:
    await store.run(await store.house.stock_event("TEE0001-S", 9, version=3))
    row = await store.run(await store.house.stock_event("TEE0001-S", 5, version=2))
    assert row.state == "superseded" and "version 3" in row.sentence
    assert store.shop.stock()["TEE0001-S"] == 9 and await level(store, "TEE0001-S") == 9


async def test_without_versions_the_time_of_the_event_decides(store: Store) -> None:
    now = store.house.clock()
    older = {"sku": "TEE0001-S", "warehouse": "main", "total": 1, "allocated": 0}
    await store.run(await store.house.event("stock.changed", {**older, "total": 8}, time=now))
    row = await store.run(await store.house.event("stock.changed", older, time=now.replace(year=now.year - 1)))
    assert row.state == "superseded"
    assert store.shop.stock()["TEE0001-S"] == 8


async def test_a_value_the_shop_confirmed_last_is_not_sent_again(store: Store) -> None:
    await store.run(await store.house.stock_event("TEE0001-S", 9, version=1))
    store.shop.ledger.calls.clear()
    row = await store.run(await store.house.stock_event("TEE0001-S", 9, version=2))
    assert (row.state, row.code) == ("skipped", "unchanged")
    assert store.calls() == []


async def test_all_skus_of_a_product_go_in_one_call(store: Store) -> None:
    for at, size in enumerate(("XS", "S", "M", "L")):
        await store.house.stock_event(f"TEE0001-{size}", 10 + at)
    last = await store.house.stock_event("MUG0002-S", 3)
    assert (await store.run(last)).state == "done"
    assert len(writes(store)) == 2 and len(store.calls()) == 3
    assert [store.shop.stock()[f"TEE0001-{size}"] for size in ("XS", "S", "M", "L")] == [10, 11, 12, 13]
    told = await store.house.logs(job="inventory_export")
    assert sum(len(row.calls) for row in told) == 3


async def test_a_sku_the_shop_does_not_have_waits_for_its_mapping_and_the_others_go_on(store: Store) -> None:
    missing = await store.house.stock_event("NOPE-1", 4)
    good = await store.house.stock_event("TEE0001-S", 4)
    row = await store.run(missing)
    assert (row.state, row.code, row.failures) == ("parked", "sku_unknown", 0)
    assert "'NOPE-1'" in row.sentence and "main" in row.sentence
    assert (await store.house.delivery(good)).state == "done"
    assert store.shop.stock()["TEE0001-S"] == 4


async def test_a_parked_sku_does_not_hold_later_changes_of_the_channel(store: Store) -> None:
    await store.run(await store.house.stock_event("NOPE-1", 4))
    assert (await store.run(await store.house.stock_event("TEE0001-S", 6))).state == "done"


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 17),
        ({"stock_buffer": 5}, 12),
        ({"stock_cap": 10}, 10),
        ({"stock_buffer": 5, "stock_cap": 10}, 10),
        ({"stock_buffer": 50}, 0),
        ({"stock_warehouses": ["main"]}, 8),
    ],
)
async def test_what_may_be_sold_is_what_is_free_in_the_channels_warehouses_less_buffer_up_to_the_cap(
    store: Store, settings: dict[str, Any], expected: int
) -> None:
    await store.house.change(api_version="2.7.0", **settings)
    await store.house.stock_event("TEE0001-S", 10, allocated=2)
    message = await store.house.stock_event("TEE0001-S", 9, warehouse="east")
    await store.run(message)
    assert store.shop.stock()["TEE0001-S"] == expected


async def test_a_warehouse_that_does_not_feed_the_channel_is_stored_and_not_sent(store: Store) -> None:
    await store.house.change(stock_warehouses=["main"])
    row = await store.run(await store.house.stock_event("TEE0001-S", 9, warehouse="east"))
    assert (row.state, row.code) == ("skipped", "stock_not_sent")
    assert "'east'" in row.sentence and await level(store, "TEE0001-S") == 9
    assert store.calls() == []


async def test_more_allocated_than_there_is_goes_out_as_none(store: Store) -> None:
    await store.run(await store.house.stock_event("TEE0001-S", 3, allocated=8))
    assert store.shop.stock()["TEE0001-S"] == 0


async def test_a_channel_that_does_not_synchronize_stores_levels_and_sends_only_by_hand(store: Store) -> None:
    await store.house.change(stock_mode="off")
    row = await store.run(await store.house.stock_event("TEE0001-S", 9))
    assert (row.state, row.code) == ("skipped", "stock_not_sent")
    await store.run(await scheduled_tick(store))
    assert store.calls() == []
    await run_by_hand(store)
    assert store.shop.stock()["TEE0001-S"] == 9


async def test_a_channel_on_a_schedule_stores_levels_and_the_tick_sends_them(store: Store) -> None:
    await store.house.change(stock_mode="schedule")
    row = await store.run(await store.house.stock_event("TEE0001-S", 9))
    assert (row.state, row.code) == ("skipped", "stock_on_schedule")
    assert store.calls() == []
    await store.run(await scheduled_tick(store))
    assert store.shop.stock()["TEE0001-S"] == 9 and len(writes(store)) == 1


async def test_a_tick_compares_with_what_the_shop_really_has_and_corrects_only_that(store: Store) -> None:
    for sku, total in (("TEE0001-S", 9), ("TEE0001-M", 8), ("MUG0002-S", 7)):
        await store.house.stock_event(sku, total)
    await store.house.work_off()
    store.shop.buy(1)
    product, row = _row(store, "TEE0001-S")
    assert store.shop.call("PUT", f"/api/v2.7.0/products/{product}/inventories/{row}", _stock(2)).status == 200
    store.shop.ledger.calls.clear()
    message = await scheduled_tick(store)
    await store.run(message)
    assert store.shop.stock()["TEE0001-S"] == 9
    assert {call.split("/")[2] for call in writes(store)} >= {str(product)}
    attempt = await store.attempt(message)
    assert attempt.counts["read"] == 16 and attempt.counts["updated"] >= 1
    assert "SKUs corrected" in attempt.sentence


def _row(store: Store, sku: str) -> tuple[int, int]:
    row = next(row for row in store.shop.memory.shown_rows() if row.final_sku == sku)
    return row.product.id, row.id


def _stock(quantity: int) -> dict[str, Any]:
    return {"inventory": {"inventory": quantity}}


async def test_a_tick_with_nothing_to_correct_writes_nothing(store: Store) -> None:
    await store.run(await store.house.stock_event("TEE0001-S", 9))
    store.shop.ledger.calls.clear()
    message = await scheduled_tick(store)
    assert (await store.run(message)).state == "done"
    assert writes(store) == [] and store.calls() == ["GET /inventories"]
    assert (await store.attempt(message)).sentence == "Stock compared: 0 of 1 SKUs corrected."


async def test_a_tick_leaves_alone_what_the_oms_never_named_and_what_the_shop_does_not_sell(store: Store) -> None:
    await store.house.change(stock_mode="schedule")
    await store.run(await store.house.stock_event("NOPE-1", 9))
    before = store.shop.stock()
    assert (await store.run(await scheduled_tick(store))).state == "done"
    assert store.shop.stock() == before and writes(store) == []


async def test_after_a_tick_an_unchanged_level_is_known_to_be_confirmed(store: Store) -> None:
    await store.house.change(stock_mode="schedule")
    await store.run(await store.house.stock_event("TEE0001-S", 9, version=1))
    await store.run(await scheduled_tick(store))
    rows = await store.house.execute(select(channel_stock.c.sku, channel_stock.c.quantity))
    assert [tuple(row) for row in rows] == [("TEE0001-S", 9)]
    await store.house.change(stock_mode="real_time")
    store.shop.ledger.calls.clear()
    assert (await store.run(await store.house.stock_event("TEE0001-S", 9, version=2))).code == "unchanged"
    assert store.calls() == []


async def test_a_product_that_failed_is_retried_alone(store: Store) -> None:
    product, _ = _row(store, "TEE0001-S")
    store.fault("server_error", method="PUT", path=f"/inventories/{product}/")
    failed = await store.house.stock_event("TEE0001-S", 4)
    good = await store.house.stock_event("MUG0002-S", 5)
    row = await store.run(failed)
    assert (row.state, row.code) == ("waiting", "shop_down")
    assert (await store.house.delivery(good)).state == "done"
    store.shop.ledger.calls.clear()
    assert (await store.run_again(failed)).state == "done"
    assert writes(store) == [f"PUT /inventories/{product}/batch_update"]
    assert store.shop.stock()["TEE0001-S"] == 4


async def test_a_tick_of_which_some_products_failed_says_so_and_the_next_one_corrects_them(store: Store) -> None:
    await store.house.change(stock_mode="schedule")
    product, _ = _row(store, "TEE0001-S")
    await store.house.stock_event("TEE0001-S", 4)
    await store.run(await store.house.stock_event("MUG0002-S", 5))
    store.fault("server_error", method="PUT", path=f"/inventories/{product}/")
    message = await scheduled_tick(store)
    row = await store.run(message)
    assert (row.state, row.code) == ("done", "partly_failed")
    assert "TEE0001-S" in row.sentence and (await store.attempt(message)).counts["failed"] == 1
    await store.run(await scheduled_tick(store))
    assert store.shop.stock()["TEE0001-S"] == 4


async def test_a_level_that_came_while_the_shop_was_failing_wins_over_the_one_that_waits(store: Store) -> None:
    store.fault("server_error", method="PUT", path="batch_update")
    waits = await store.house.stock_event("TEE0001-S", 4, version=1)
    await store.run(waits)
    newer = await store.house.stock_event("TEE0001-S", 6, version=2)
    await store.run(newer)
    assert (await store.house.delivery(waits)).state == "superseded"
    assert (await store.house.delivery(newer)).state == "done"
    assert store.shop.stock()["TEE0001-S"] == 6


async def test_a_stock_write_whose_answer_was_lost_is_repeated_without_harm(store: Store) -> None:
    store.fault("reset_after", method="PUT", path="batch_update")
    message = await store.house.stock_event("TEE0001-S", 4)
    await store.run(message)
    await store.house.desk.replay([(await store.house.delivery(message)).id])
    assert (await store.house.until_state(message, "waiting", "done", "ready")).failures in (0, 1)
    store.house.clock.advance(30)
    assert (await store.run(message)).state == "done"
    assert store.shop.stock()["TEE0001-S"] == 4


async def test_a_shop_without_locations_costs_no_question_about_them(store: Store) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    event.listen(store.house.database.engine, "before_cursor_execute", note)
    row = await store.run(await store.house.stock_event("TEE0001-S", 9))
    event.remove(store.house.database.engine, "before_cursor_execute", note)
    assert row.state == "done" and any("channel_stock" in each for each in asked)
    assert not [each for each in asked if "location_stock" in each or "FROM mappings" in each]
