"""Line-level shipments."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.bright_sites import RunningShop, Shop, ShopSettings, Wish
from tests.sandbox.bright_sites.helpers import Caller, HandClock, ship


@pytest.fixture
def order(shop: Shop) -> dict[str, Any]:
    while True:
        (order_id,) = shop.buy(1, Wish(lines=2))
        order = shop.order(order_id)
        if order["line_items"][0]["quantity"] >= 2:
            return order


def test_a_shipment_is_created_with_201_and_shown_bare(order: dict[str, Any], api: Caller, clock: HandClock) -> None:
    line_id, path = order["line_items"][0]["id"], f"/orders/{order['order_id']}/shipments"
    clock.advance(5)
    made = api.post(path, ship(line_id, 1, tracking_number="1Z1", ship_date="2026-03-04", note="box 1 of 2"))
    assert list(made) == ["id", "tracking_number", "ship_date", "note", "shipping_method", "line_items"]
    assert made["line_items"] == [{"id": line_id, "quantity": 1}]
    assert made["shipping_method"] == order["shipment"]["shipping_method"]
    assert api.get(path) == {"shipments": [made]}
    assert api.get(f"{path}/{made['id']}") == made
    after = api.get(f"/orders/{order['order_id']}")
    assert after["shipments"] == [made]
    assert after["updated_at"] > order["updated_at"]
    assert after["status"] == "new"


def test_the_same_post_twice_makes_two_shipments(order: dict[str, Any], api: Caller) -> None:
    path = f"/orders/{order['order_id']}/shipments"
    body = ship(order["line_items"][0]["id"], 1, tracking_number="1Z1", send_shipping_confirmation=True)
    assert api.post(path, body)["id"] != api.post(path, body)["id"]
    assert len(api.get(path)["shipments"]) == 2


def test_a_deleted_shipment_comes_back_without_lines_and_frees_its_quantity(order: dict[str, Any], api: Caller) -> None:
    path, line = f"/orders/{order['order_id']}/shipments", order["line_items"][0]
    made = api.post(path, ship(line["id"], line["quantity"]))
    assert api.delete(f"{path}/{made['id']}") == {**made, "line_items": []}
    assert api.get(path) == {"shipments": []}
    assert api.refused("DELETE", f"{path}/{made['id']}")[0] == 404
    api.post(path, ship(line["id"], line["quantity"]))


def test_more_than_ordered_is_refused_also_over_several_shipments(order: dict[str, Any], api: Caller) -> None:
    path, line = f"/orders/{order['order_id']}/shipments", order["line_items"][0]
    assert api.refused("POST", path, ship(line["id"], line["quantity"] + 1))[0] == 422
    api.post(path, ship(line["id"], 1))
    status, body = api.refused("POST", path, ship(line["id"], line["quantity"]))
    assert (status, "left to ship" in body["errors"][0]) == (422, True)
    assert len(api.get(path)["shipments"]) == 1


@pytest.mark.parametrize(
    ("shipment", "message"),
    [
        ({}, "Missing parameter 'shipment[line_items]'"),
        ({"line_items": []}, "Line items can't be blank"),
        ({"line_items": {}}, "Invalid parameter 'shipment[line_items]': Must be an Array"),
        ({"line_items": [{"id": 1}]}, "Missing parameter 'shipment[line_items][0][quantity]'"),
        ({"line_items": [{"id": "1", "quantity": 1}]}, "'shipment[line_items][0][id]': Must be a number"),
        ({"line_items": [{"id": 1, "quantity": 1}]}, "Line item 1 does not belong to order"),
        (
            {"line_items": [{"id": 1, "quantity": 1}], "note": "x" * 256},
            "Invalid parameter 'shipment[note]': Must be a String (max 255 characters)",
        ),
        (
            {"line_items": [{"id": 1, "quantity": 1}], "ship_date": "2026-02-30"},
            "'shipment[ship_date]': Must be a date",
        ),
    ],
)
def test_a_wrong_shipment_is_refused_types_first(
    order: dict[str, Any], api: Caller, shipment: dict[str, Any], message: str
) -> None:
    path = f"/orders/{order['order_id']}/shipments"
    status, body = api.refused("POST", path, {"shipment": shipment})
    assert status == 422
    assert message in body["errors"][0]
    assert len(body["errors"]) == 1


def test_a_quantity_of_zero_is_refused(order: dict[str, Any], api: Caller) -> None:
    path = f"/orders/{order['order_id']}/shipments"
    assert api.refused("POST", path, ship(order["line_items"][0]["id"], 0))[0] == 422


def test_a_cancelled_order_is_not_shipped(order: dict[str, Any], api: Caller) -> None:
    api.put(f"/orders/{order['order_id']}/cancel")
    path = f"/orders/{order['order_id']}/shipments"
    assert api.refused("POST", path, ship(order["line_items"][0]["id"], 1))[0] == 422


def test_a_gift_certificate_is_not_shipped(running: RunningShop, api: Caller) -> None:
    running.shop.reset(ShopSettings(products=1, variants=1, gift_certificate_share=1.0))
    (order_id,) = running.shop.buy()
    gift = running.shop.order(order_id)["line_items"][-1]
    assert api.refused("POST", f"/orders/{order_id}/shipments", ship(gift["id"], 1))[0] == 422


def test_unknown_methods_are_taken_unless_switched(order: dict[str, Any], shop: Shop, api: Caller) -> None:
    path, line_id = f"/orders/{order['order_id']}/shipments", order["line_items"][0]["id"]
    assert api.post(path, ship(line_id, 1, shipping_method="Mule"))["shipping_method"] == "Mule"
    shop.change_settings({"refuse_unknown_methods": True})
    assert api.refused("POST", path, ship(line_id, 1, shipping_method="Mule"))[0] == 422


def test_with_the_switch_the_last_shipment_makes_the_order_shipped(
    order: dict[str, Any], shop: Shop, api: Caller
) -> None:
    shop.change_settings({"shipment_changes_status": True})
    path = f"/orders/{order['order_id']}/shipments"
    statuses = []
    for line in order["line_items"]:
        api.post(path, ship(line["id"], line["quantity"]))
        statuses.append(api.get(f"/orders/{order['order_id']}")["status"])
    assert statuses == ["new", "shipped"]
