from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from consumers import HANDLERS
from storage.tables import shipments
from tests.consumers.store import Store
from tests.house import AFTER_A_CRASH

ALL_LINES: list[dict[str, Any]] = [{"sku": "TEE0001-S", "quantity": 1}]


def posts(store: Store) -> list[dict[str, Any]]:
    """The shipments the shop was asked to create."""
    calls = [call for call in store.shop.ledger.calls if call.method == "POST"]
    return [call.body["shipment"] for call in calls if isinstance(call.body, dict)]


async def recorded(store: Store) -> list[tuple[str, str]]:
    """(our shipment id, the shop's) of what is remembered as sent."""
    rows = await store.house.execute(select(shipments.c.shipment_id, shipments.c.external_shipment_id))
    return [tuple(row) for row in rows]


async def test_lines_named_by_the_shops_ids_are_sent_by_one_call(store: Store) -> None:
    order = store.buy("TEE0001-S", "MUG0002-M")
    await store.house.map_carriers({"ups:ground": "UPS Ground"})
    lines = [{"external_line_id": str(line["id"]), "quantity": 1} for line in store.lines(order)]
    message = await store.house.shipment_event(order, lines, notify_customer=True)
    row = await store.run(message)
    assert (row.state, row.code) == ("done", "ok")
    assert store.calls() == [f"POST /orders/{order}/shipments"]
    (sent,) = posts(store)
    assert sent["line_items"] == [{"id": line["id"], "quantity": 1} for line in store.lines(order)]
    assert (sent["tracking_number"], sent["ship_date"], sent["note"]) == ("1Z-1", "2026-03-01", "P-1")
    assert len(store.effects("confirmation_sent")) == 1
    assert await recorded(store) == [("P-1", row.sentence.split()[-1].rstrip("."))]


async def test_lines_named_by_sku_are_found_in_the_recorded_order_without_a_call(store: Store) -> None:
    order = store.buy("TEE0001-S", "MUG0002-M")
    await store.house.map_carriers({"ups": "UPS Ground"})
    await store.run(await store.house.order_event(order))
    store.shop.ledger.calls.clear()
    message = await store.house.shipment_event(order, [{"sku": "MUG0002-M", "quantity": 1}])
    assert (await store.run(message)).state == "done"
    assert store.calls() == [f"POST /orders/{order}/shipments"]
    assert posts(store)[0]["line_items"] == [{"id": store.lines(order)[1]["id"], "quantity": 1}]


async def test_lines_named_by_sku_are_looked_up_in_the_shop_when_the_order_is_not_recorded(store: Store) -> None:
    order = store.buy("TEE0001-S")
    await store.house.map_carriers({"ups": "UPS Ground"})
    assert (await store.run(await store.house.shipment_event(order, ALL_LINES))).state == "done"
    assert store.calls() == [f"GET /orders/{order}", f"POST /orders/{order}/shipments"]


async def test_a_sku_that_is_not_in_the_order_is_dead_and_nothing_is_sent(store: Store) -> None:
    order = store.buy("TEE0001-S")
    row = await store.run(await store.house.shipment_event(order, [{"sku": "MUG0002-M", "quantity": 1}]))
    assert (row.state, row.code) == ("dead", "sku_not_in_order")
    assert "MUG0002-M" in row.sentence and str(order) in row.sentence and "P-1" in row.sentence
    assert posts(store) == []


async def test_a_parcel_of_an_unknown_order_is_dead(store: Store) -> None:
    for lines in (ALL_LINES, [{"external_line_id": "88001", "quantity": 1}]):
        row = await store.run(await store.house.shipment_event(987654, lines))
        assert (row.state, row.code) == ("dead", "order_unknown")
    assert await recorded(store) == []


async def test_more_than_was_ordered_is_refused_by_the_shop_and_dead(store: Store) -> None:
    order = store.buy("TEE0001-S")
    row = await store.run(await store.house.shipment_event(order, [{"sku": "TEE0001-S", "quantity": 999}]))
    assert (row.state, row.code) == ("dead", "shop_rejected")
    assert "left to ship" in row.sentence
    assert store.effects("shipment_created") == [] and await recorded(store) == []


@pytest.mark.parametrize(
    ("carriers", "service", "method"),
    [
        ({"ups:ground": "FedEx Ground", "ups": "USPS Priority Mail"}, "Ground", "FedEx Ground"),
        ({"ups:air": "FedEx Ground", "ups": "USPS Priority Mail"}, "Ground", "USPS Priority Mail"),
        ({}, "Ground", "UPS Ground"),
        ({}, "3 DAY SELECT", "UPS 3 Day Select"),
    ],
)
async def test_the_method_is_mapped_by_carrier_and_service_then_by_carrier_then_by_name(
    store: Store, carriers: dict[str, str], service: str, method: str
) -> None:
    order = store.buy("TEE0001-S")
    await store.house.map_carriers(carriers)
    message = await store.house.shipment_event(order, ALL_LINES, service=service)
    assert (await store.run(message)).code == "ok"
    assert posts(store)[0]["shipping_method"] == method


async def test_an_unmapped_carrier_is_told_and_the_orders_own_method_is_used(store: Store) -> None:
    order = store.buy("TEE0001-S")
    message = await store.house.shipment_event(order, ALL_LINES, carrier="Pigeon", service=None)
    row = await store.run(message)
    assert (row.state, row.code) == ("done", "carrier_unmapped")
    assert (await store.attempt(message)).level == "Warning"
    assert "'Pigeon'" in row.sentence and "Map it" in row.sentence
    assert "shipping_method" not in posts(store)[0]


async def test_an_unmapped_carrier_waits_where_the_channel_says_stop_until_it_is_mapped(store: Store) -> None:
    order = store.buy("TEE0001-S")
    await store.house.change(unmapped_carrier="stop")
    message = await store.house.shipment_event(order, ALL_LINES, carrier="Pigeon", service="Express")
    row = await store.run(message)
    assert (row.state, row.code, row.failures) == ("parked", "carrier_unmapped", 0)
    assert posts(store) == []
    (task,) = await store.house.mappings.tasks("acme")
    assert (task.kind, task.side, task.code, task.blocks) == ("carrier", "oms", "Pigeon:Express", 1)
    assert await store.house.map_carriers({"pigeon:express": "UPS Ground"}) == 1
    assert await store.house.mappings.tasks("acme") == []
    assert (await store.run(message)).state == "done"
    assert posts(store)[0]["shipping_method"] == "UPS Ground"


async def test_a_parcel_behind_an_unmapped_one_of_the_same_order_waits_and_other_orders_go_on(store: Store) -> None:
    order, other = store.buy("TEE0001-S"), store.buy("TEE0001-S")
    await store.house.change(unmapped_carrier="stop")
    await store.house.shipment_event(order, ALL_LINES, carrier="Pigeon")
    behind = await store.house.shipment_event(order, ALL_LINES, shipment_id="P-2")
    free = await store.house.shipment_event(other, ALL_LINES, shipment_id="P-3")
    assert (await store.run(behind)).state == "behind"
    assert (await store.house.delivery(free)).state == "done"


async def test_the_order_is_updated_with_its_last_shipment_only_where_the_channel_says_so(store: Store) -> None:
    order, other = store.buy("TEE0001-S"), store.buy("TEE0001-S")
    await store.run(await store.house.shipment_event(order, ALL_LINES))
    assert f"PUT /orders/{order}" not in store.calls()
    assert store.shop.order(order)["shipment"]["tracking_number"] is None
    await store.house.change(update_order_with_last_shipment=True)
    await store.run(await store.house.shipment_event(other, ALL_LINES, shipment_id="P-2", tracking_number="1Z-2"))
    shown = store.shop.order(other)["shipment"]
    assert (shown["tracking_number"], shown["shipping_method"]) == ("1Z-2", "UPS Ground")
    assert shown["ship_date"].startswith("2026-03-01")
    assert store.calls().count(f"PUT /orders/{other}") == 1


async def test_the_ship_date_is_the_day_in_the_channels_timezone(store: Store) -> None:
    order = store.buy("TEE0001-S")
    await store.house.change(timezone="America/Denver")
    await store.run(await store.house.shipment_event(order, ALL_LINES, shipped_at="2026-03-02T03:00:00Z"))
    assert posts(store)[0]["ship_date"] == "2026-03-01"


@pytest.mark.parametrize("fault", ["reset_after", "half_body"])
async def test_a_parcel_whose_answer_was_lost_is_found_in_the_shop_and_not_sent_again(store: Store, fault: str) -> None:
    order = store.buy("TEE0001-S")
    store.fault(fault, method="POST", path="/shipments$")
    message = await store.house.shipment_event(order, ALL_LINES)
    row = await store.run(message)
    assert (row.state, row.code) == ("waiting", "outcome_unknown")
    again = await store.run_again(message)
    assert (again.state, again.code) == ("done", "recovered")
    assert "not sent again" in again.sentence
    assert len(store.effects("shipment_created")) == 1
    assert len(await recorded(store)) == 1


async def test_a_parcel_whose_answer_was_lost_before_it_was_written_is_sent(store: Store) -> None:
    order = store.buy("TEE0001-S")
    store.fault("reset_before", method="POST", path="/shipments$")
    message = await store.house.shipment_event(order, ALL_LINES)
    assert (await store.run(message)).code == "outcome_unknown"
    assert (await store.run_again(message)).code == "ok"
    assert len(store.effects("shipment_created")) == 1


async def test_a_parcel_of_a_worker_that_died_is_found_in_the_shop_and_not_sent_again(store: Store) -> None:
    order = store.buy("TEE0001-S")
    message = await store.house.shipment_event(order, ALL_LINES)
    await store.house.ledger.claim("killed", list(HANDLERS), 1)
    line = {"id": store.lines(order)[0]["id"], "quantity": 1}
    shipment = {"line_items": [line], "note": "P-1", "tracking_number": "1Z-1"}
    assert store.shop.call("POST", f"/api/v2.7.0/orders/{order}/shipments", {"shipment": shipment}).status == 201
    await store.house.ledger.rescue()
    store.house.clock.advance(AFTER_A_CRASH)
    assert (await store.run(message)).code == "recovered"
    assert len(store.effects("shipment_created")) == 1


async def test_a_like_parcel_that_is_another_one_of_ours_is_not_taken_for_the_lost_one(store: Store) -> None:
    order = store.buy("TEE0001-S", "TEE0001-M")
    both = [{"sku": "TEE0001-S", "quantity": 1}]
    store.shop.memory.orders[order].lines[store.lines(order)[0]["id"]].document["quantity"] = 5
    await store.run(await store.house.shipment_event(order, both, tracking_number=None))
    store.fault("reset_before", method="POST", path="/shipments$")
    message = await store.house.shipment_event(
        order, [{"sku": "TEE0001-M", "quantity": 1}], shipment_id="P-2", tracking_number=None
    )
    await store.run(message)
    assert (await store.run_again(message)).code == "ok"
    assert [name for name, _ in await recorded(store)] == ["P-1", "P-2"]
    assert len(store.effects("shipment_created")) == 2


async def test_a_parcel_somebody_entered_by_hand_with_the_same_number_and_lines_is_taken_for_the_lost_one(
    store: Store,
) -> None:
    order = store.buy("TEE0001-S")
    line = {"id": store.lines(order)[0]["id"], "quantity": 1}
    store.fault("reset_before", method="POST", path="/shipments$")
    message = await store.house.shipment_event(order, ALL_LINES)
    await store.run(message)
    shipment = {"line_items": [line], "tracking_number": "1Z-1"}
    assert store.shop.call("POST", f"/api/v2.7.0/orders/{order}/shipments", {"shipment": shipment}).status == 201
    assert (await store.run_again(message)).code == "recovered"
    assert len(store.effects("shipment_created")) == 1


async def test_a_parcel_already_sent_is_skipped_without_a_call(store: Store) -> None:
    order = store.buy("TEE0001-S")
    await store.run(await store.house.shipment_event(order, ALL_LINES))
    store.shop.ledger.calls.clear()
    row = await store.run(await store.house.shipment_event(order, ALL_LINES))
    assert (row.state, row.code) == ("skipped", "already_sent")
    assert store.calls() == [] and len(store.effects("shipment_created")) == 1


async def test_a_parcel_whose_order_the_shop_refused_to_update_is_remembered_with_a_warning(store: Store) -> None:
    order = store.buy("TEE0001-S")
    await store.house.change(update_order_with_last_shipment=True)
    store.fault("html", method="PUT", path=f"/orders/{order}$", status=422)
    row = await store.run(await store.house.shipment_event(order, ALL_LINES))
    assert (row.state, row.code) == ("done", "order_not_updated")
    assert len(await recorded(store)) == 1 == len(store.effects("shipment_created"))
    again = await store.run(await store.house.shipment_event(order, ALL_LINES))
    assert again.code == "already_sent"


async def test_a_parcel_whose_order_could_not_be_updated_is_found_again_and_not_sent_twice(store: Store) -> None:
    order = store.buy("TEE0001-S")
    store.shop.memory.orders[order].lines[store.lines(order)[0]["id"]].document["quantity"] = 5
    await store.house.change(update_order_with_last_shipment=True)
    store.fault("server_error", method="PUT", path=f"/orders/{order}$")
    message = await store.house.shipment_event(order, ALL_LINES)
    row = await store.run(message)
    assert row.state == "waiting"
    row = await store.run_again(message)
    assert (row.state, row.code) == ("done", "recovered")
    assert len(store.effects("shipment_created")) == 1
    assert store.shop.order(order)["shipment"]["tracking_number"] == "1Z-1"


async def test_a_parcel_refused_after_it_may_have_been_sent_is_looked_for_when_it_is_replayed(store: Store) -> None:
    order = store.buy("TEE0001-S")
    store.shop.memory.orders[order].lines[store.lines(order)[0]["id"]].document["quantity"] = 5
    store.fault("reset_after", method="POST", path="/shipments$")
    store.fault("html", method="GET", path="/shipments$", status=422)
    message = await store.house.shipment_event(order, ALL_LINES)
    await store.run(message)
    assert (await store.run_again(message)).state == "dead"
    assert (await store.run_again(message)).code == "recovered"
    assert len(store.effects("shipment_created")) == 1


async def test_a_line_id_no_shop_can_have_is_dead_without_a_call(store: Store) -> None:
    order = store.buy("TEE0001-S")
    row = await store.run(await store.house.shipment_event(order, [{"external_line_id": "L-1", "quantity": 1}]))
    assert (row.state, row.code) == ("dead", "line_unknown")
    assert posts(store) == []
