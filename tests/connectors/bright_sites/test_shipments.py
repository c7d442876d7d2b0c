from __future__ import annotations

from datetime import date

import pytest

from connectors.bright_sites.channel_state import METHODS_SECONDS, ShippingMethods
from domain.errors import ShopOutcomeUnknown, ShopRejected
from domain.shipments import Parcel, ParcelLine
from sandbox.bright_sites import Wish
from tests.connectors.conftest import Bench


def order_to_ship(bench: Bench) -> tuple[str, str]:
    [order_id] = bench.sandbox.shop.buy(1, Wish(lines=1, gift_certificate=False))
    return str(order_id), str(bench.sandbox.shop.order(order_id)["line_items"][0]["id"])


def parcel(order_id: str, line_id: str, *, notify: bool = True, quantity: int = 1) -> Parcel:
    line = ParcelLine(line_id, quantity)
    return Parcel("S-77", order_id, "UPS Ground", "1Z-77", date(2026, 3, 4), notify, (line,))


async def test_a_shipment_is_created_by_one_call_and_found_by_our_reference(bench: Bench) -> None:
    order_id, line_id = order_to_ship(bench)
    created = await bench.shop.create_shipment(parcel(order_id, line_id))
    assert bench.guard.routes == [("POST", "/orders/{order_id}/shipments")]
    [listed] = await bench.shop.list_shipments(order_id)
    assert listed == created
    assert (listed.note, listed.tracking_number) == ("S-77", "1Z-77")
    assert listed.lines == (ParcelLine(line_id, 1),)
    shown = bench.sandbox.shop.order(int(order_id))["shipments"][0]
    assert (shown["shipping_method"], shown["ship_date"]) == ("UPS Ground", "2026-03-04")
    assert bench.effects("confirmation_sent") == 1


async def test_the_customer_hears_nothing_when_not_to_be_notified(bench: Bench) -> None:
    order_id, line_id = order_to_ship(bench)
    await bench.shop.create_shipment(parcel(order_id, line_id, notify=False))
    assert bench.effects("confirmation_sent") == 0


@pytest.mark.parametrize("kind", ["reset_after", "half_body"])
async def test_a_shipment_whose_answer_is_lost_is_unknown_and_seen_on_read_back(bench: Bench, kind: str) -> None:
    order_id, line_id = order_to_ship(bench)
    bench.fault(kind, method="POST")
    with pytest.raises(ShopOutcomeUnknown) as caught:
        await bench.shop.create_shipment(parcel(order_id, line_id))
    assert "shipment S-77" in caught.value.sentence
    assert [shipment.note for shipment in await bench.shop.list_shipments(order_id)] == ["S-77"]
    assert bench.effects("shipment_created") == 1


async def test_too_large_a_quantity_is_refused_with_the_shops_reason(bench: Bench) -> None:
    order_id, line_id = order_to_ship(bench)
    with pytest.raises(ShopRejected) as caught:
        await bench.shop.create_shipment(parcel(order_id, line_id, quantity=99))
    assert caught.value.status == 422
    assert "left to ship" in caught.value.sentence


async def test_a_line_id_that_is_no_number_makes_no_call(bench: Bench) -> None:
    with pytest.raises(ShopRejected) as caught:
        await bench.shop.create_shipment(parcel("1", "line-a"))
    assert caught.value.code == "line_unknown"
    assert bench.calls() == []


async def test_shipping_methods_are_read_once_and_shared_by_the_channels_runs(bench: Bench) -> None:
    first = await bench.shop.shipping_methods()
    again = await bench.connectors.open(bench.channel, bench.guard).shipping_methods()
    assert "UPS Ground" in first
    assert first == again
    assert bench.calls() == [("GET", "/shipping_methods")]


def test_shipping_methods_are_forgotten_after_a_while() -> None:
    now = 1000.0
    methods = ShippingMethods(monotonic=lambda: now)
    assert methods.fresh() is None
    methods.remember(["UPS Ground"])
    now += METHODS_SECONDS - 1
    assert methods.fresh() == ("UPS Ground",)
    now += 1
    assert methods.fresh() is None
