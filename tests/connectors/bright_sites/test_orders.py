from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from domain.errors import ShopDown, ShopOutcomeUnknown, ShopRejected
from domain.moments import utc_now
from domain.orders import OrderStatus
from domain.shipments import Parcel
from sandbox.bright_sites import ShopSettings, Wish
from tests.connectors.conftest import Bench, open_bench

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def test_every_order_of_the_window_is_listed_once_over_all_pages() -> None:
    async with open_bench(ShopSettings(products=2, variants=2, largest_page=3)) as bench:
        ids = bench.sandbox.shop.buy(7, Wish(lines=1))
        listed = await bench.shop.list_orders(None, utc_now())
        assert [int(order.external_order_id) for order in listed] == sorted(ids, reverse=True)
        assert {order.external_status for order in listed} == {"new"}
        assert len(bench.calls()) == 3


async def test_orders_outside_the_window_are_left_out(bench: Bench) -> None:
    bench.sandbox.shop.buy(3, Wish(lines=1))
    assert len(await bench.shop.list_orders(LONG_AGO, utc_now())) == 3
    assert await bench.shop.list_orders(LONG_AGO, utc_now() - timedelta(hours=1)) == ()
    assert await bench.shop.list_orders(utc_now() + timedelta(hours=1), utc_now() + timedelta(hours=2)) == ()


async def test_the_window_asks_the_shop_for_its_start_only(bench: Bench) -> None:
    await bench.shop.list_orders(LONG_AGO, utc_now())
    [call] = bench.sandbox.shop.ledger.calls
    assert set(call.query) == {"updated_at_from", "page", "per_page"}
    assert list(call.query["per_page"]) == ["500"]


async def test_an_order_is_read_in_canonical_form_with_the_shops_own_document(bench: Bench) -> None:
    [order_id] = bench.sandbox.shop.buy(1, Wish(lines=2, gift_certificate=False))
    order, document = await bench.shop.read_order(str(order_id))
    shown = bench.sandbox.shop.order(order_id)
    assert document["order_id"] == order_id
    assert order.external_order_id == str(order_id)
    assert order.status is OrderStatus.NEW
    assert [line.external_line_id for line in order.lines] == [str(line["id"]) for line in shown["line_items"]]
    assert order.ship_to.city == shown["shipping_address"]["city"]
    assert order.updated_at.tzinfo is UTC
    assert bench.shop.translate_order(document) == order


@pytest.mark.parametrize("unknown", ["99999", "not-a-number", "../x", ""])
async def test_an_order_the_shop_does_not_have_is_unknown(bench: Bench, unknown: str) -> None:
    with pytest.raises(ShopRejected) as caught:
        await bench.shop.read_order(unknown)
    assert caught.value.code == "order_unknown"


async def test_a_status_is_set_by_one_call(bench: Bench) -> None:
    [order_id] = bench.sandbox.shop.buy(1)
    await bench.shop.set_order_status(str(order_id), "in_progress", None)
    assert bench.sandbox.shop.order(order_id)["status"] == "in_progress"
    assert bench.guard.routes == [("PUT", "/orders/{id}")]


async def test_a_note_is_appended_once_however_often_it_is_sent(bench: Bench) -> None:
    [order_id] = bench.sandbox.shop.buy(1)
    for _ in range(3):
        await bench.shop.set_order_status(str(order_id), "in_progress", "Picked in hall 4")
    notes = [note["note"] for note in bench.sandbox.shop.order(order_id)["notes"]]
    assert notes == ["Picked in hall 4"]
    assert [method for method, _ in bench.calls()] == ["GET", "PUT", "GET", "GET"]


async def test_a_note_on_an_order_that_has_the_status_is_written_without_it(bench: Bench) -> None:
    [order_id] = bench.sandbox.shop.buy(1)
    await bench.shop.cancel_order(str(order_id))
    await bench.shop.set_order_status(str(order_id), "cancelled", "Asked for by phone")
    assert bench.sandbox.shop.ledger.calls[-1].body == {"order": {"note": "Asked for by phone"}}


async def test_a_note_whose_answer_was_lost_is_not_appended_again(bench: Bench) -> None:
    [order_id] = bench.sandbox.shop.buy(1)
    bench.fault("reset_after", method="PUT")
    with pytest.raises(ShopDown):
        await bench.shop.set_order_status(str(order_id), "in_progress", "Picked")
    await bench.shop.set_order_status(str(order_id), "in_progress", "Picked")
    assert len(bench.sandbox.shop.order(order_id)["notes"]) == 1


async def test_a_status_the_shop_does_not_know_makes_no_call(bench: Bench) -> None:
    with pytest.raises(ShopRejected) as caught:
        await bench.shop.set_order_status("1", "on_hold", None)
    assert caught.value.code == "status_unknown"
    assert bench.calls() == []


async def test_a_refused_move_tells_the_shops_reason(bench: Bench) -> None:
    [order_id] = bench.sandbox.shop.buy(1, Wish(status="completed"))
    with pytest.raises(ShopRejected) as caught:
        await bench.shop.set_order_status(str(order_id), "new", None)
    assert "completed" in caught.value.sentence
    assert f"order {order_id}" in caught.value.sentence


async def test_cancelling_tells_what_was_done_and_what_failed(bench: Bench) -> None:
    bench.sandbox.shop.change_settings({"refunds_fail": True})
    [order_id] = bench.sandbox.shop.buy(1)
    result = await bench.shop.cancel_order(str(order_id))
    assert any("canceled" in line for line in result.done)
    assert len(result.failed) == 1
    assert bench.sandbox.shop.order(order_id)["status"] == "canceled"


async def test_an_order_the_shop_will_not_cancel_is_refused_with_its_reason(bench: Bench) -> None:
    [order_id] = bench.sandbox.shop.buy(1, Wish(status="completed"))
    with pytest.raises(ShopRejected, match="cannot be canceled"):
        await bench.shop.cancel_order(str(order_id))


async def test_a_cancelled_order_is_left_alone(bench: Bench) -> None:
    [order_id] = bench.sandbox.shop.buy(1)
    await bench.shop.cancel_order(str(order_id))
    result = await bench.shop.cancel_order(str(order_id))
    assert (result.done, result.failed) == ((), ())
    assert bench.effects("order_cancelled") == 1
    assert [path for _, path in bench.calls()].count(f"/orders/{order_id}/cancel") == 1


async def test_a_cancel_whose_answer_was_lost_is_unknown_and_found_out_by_calling_again(bench: Bench) -> None:
    [order_id] = bench.sandbox.shop.buy(1)
    bench.fault("reset_after", method="PUT")
    with pytest.raises(ShopOutcomeUnknown):
        await bench.shop.cancel_order(str(order_id))
    await bench.shop.cancel_order(str(order_id))
    assert bench.effects("order_cancelled") == 1


async def test_the_order_level_shipment_is_overwritten_and_writes_to_nobody(bench: Bench) -> None:
    [order_id] = bench.sandbox.shop.buy(1)
    for number in ("1Z-A", "1Z-B"):
        await bench.shop.set_order_shipment(
            Parcel("S-1", str(order_id), "UPS Ground", number, date(2026, 3, 4), True, ())
        )
    shipment = bench.sandbox.shop.order(order_id)["shipment"]
    assert (shipment["tracking_number"], shipment["shipping_method"]) == ("1Z-B", "UPS Ground")
    assert shipment["ship_date"] == "2026-03-04"
    assert bench.effects("confirmation_sent") == 0
