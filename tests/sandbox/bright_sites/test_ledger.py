"""The ledger of calls and effects, and the control API that reads it."""

from __future__ import annotations

import time

import httpx

from sandbox.bright_sites import Ledger, RunningShop, Shop, Wish
from sandbox.bright_sites.ledger import part
from tests.sandbox.bright_sites.helpers import Caller, ship


def test_a_call_is_booked_with_everything_about_it(shop: Shop, api: Caller, control: Caller) -> None:
    (order_id,) = shop.buy()
    line = shop.order(order_id)["line_items"][0]
    body = ship(line["id"], 1)
    made = api.post(f"/orders/{order_id}/shipments", body)
    (call,) = control.get("/calls")["calls"]
    assert call["number"] == 1
    assert (call["method"], call["path"]) == ("POST", f"/api/v2.7.0/orders/{order_id}/shipments")
    assert call["route"] == "/orders/:order_id/shipments"
    assert (call["token"], call["body"], call["status"], call["fault"]) == ("read-write", body, 201, None)
    assert call["ms"] > 0
    (effect,) = control.get("/effects", call=1)["effects"]
    assert (effect["kind"], effect["order_id"], effect["data"]) == ("shipment_created", order_id, made)
    assert call["effects"] == [effect["number"]]


def test_the_value_of_a_token_is_never_booked(running: RunningShop, control: Caller) -> None:
    httpx.get(f"{running.url}/api/v2.7.0/orders?token=sandbox-read-only&page=1")
    httpx.get(f"{running.url}/api/v2.7.0/orders", headers={"X-API-TOKEN": "somebody-else"})
    book = control.get("/calls")
    assert [call["token"] for call in book["calls"]] == ["read-only", "unknown"]
    assert book["calls"][0]["query"] == {"token": ["***"], "page": ["1"]}
    assert "sandbox-read-only" not in str(book) and "somebody-else" not in str(book)


def test_every_stock_row_of_a_batch_is_an_effect_with_old_and_new(shop: Shop, api: Caller, control: Caller) -> None:
    shop.buy(1, Wish(skus=["TEE0001-XS"]))
    old = shop.stock()["TEE0001-XS"]
    api.put("/inventories/1/batch_update", {"inventories": [{"id": 1, "inventory": 4}, {"id": 2, "inventory": 9}]})
    effects = control.get("/effects", kind="stock_set")["effects"]
    assert [(effect["call"], effect["data"]["reason"]) for effect in effects] == [
        (None, "bought"),
        (1, "api"),
        (1, "api"),
    ]
    assert effects[1]["sku"] == "TEE0001-XS"
    assert (effects[1]["data"]["old"], effects[1]["data"]["new"]) == (old, 4)
    assert control.get("/stock")["TEE0001-S"] == 9


def test_refused_writes_have_no_effects(shop: Shop, api: Caller) -> None:
    (order_id,) = shop.buy()
    booked = len(shop.ledger.effects)
    api.refused("PUT", f"/orders/{order_id}", {"order": {"status": "moas_pending"}})
    api.refused("POST", f"/orders/{order_id}/shipments", ship(1, 1))
    assert len(shop.ledger.effects) == booked


def test_each_kind_of_write_has_its_effect(shop: Shop, api: Caller) -> None:
    (order_id,) = shop.buy()
    line = shop.order(order_id)["line_items"][0]
    made = api.post(f"/orders/{order_id}/shipments", ship(line["id"], 1))
    api.delete(f"/orders/{order_id}/shipments/{made['id']}")
    api.put(f"/orders/{order_id}", {"order": {"status": "paid"}})
    api.put(f"/orders/{order_id}/cancel")
    product = api.post("/products", {"product": {"name": "Lamp", "sku": "LAMP", "base_price": 1}})
    api.put(f"/products/{product['id']}", {"product": {"name": "Lamp 2"}})
    api.delete(f"/products/{product['id']}")
    assert [effect.kind for effect in shop.ledger.effects if effect.kind != "stock_set"] == [
        "order_placed",
        "shipment_created",
        "shipment_deleted",
        "order_updated",
        "order_cancelled",
        "product_created",
        "product_updated",
        "product_deleted",
    ]


def test_calls_and_effects_are_read_in_parts_and_filtered(shop: Shop, api: Caller, control: Caller) -> None:
    shop.buy(1, Wish(lines=1))
    for _ in range(3):
        api.get("/orders")
    api.refused("GET", "/orders/1")
    first = control.get("/calls", limit=2)
    assert ([call["number"] for call in first["calls"]], first["total"]) == ([1, 2], 4)
    rest = control.get("/calls", after=first["next_after"])
    assert [call["number"] for call in rest["calls"]] == [3, 4]
    assert [call["number"] for call in control.get("/calls", status=404)["calls"]] == [4]
    assert len(control.get("/calls", route="/orders")["calls"]) == 3
    assert [each["kind"] for each in control.get("/effects", limit=1)["effects"]] == ["order_placed"]
    assert control.refused("GET", "/calls?after=x")[0] == 400


def test_control_calls_are_never_counted(control: Caller) -> None:
    control.get("/state")
    control.get("/calls")
    assert control.get("/summary")["calls"] == 0


def test_the_summary_counts_per_route_and_status(shop: Shop, api: Caller, control: Caller) -> None:
    shop.buy(2)
    api.get("/orders")
    api.get("/orders")
    api.refused("GET", "/orders/1")
    api.refused("GET", "/nowhere")
    summary = control.get("/summary")
    counts = {(row["method"], row["route"], row["status"]): row["calls"] for row in summary["routes"]}
    assert counts == {("GET", "/orders", 200): 2, ("GET", "/orders/:id", 404): 1, ("GET", "unknown", 404): 1}
    assert (summary["calls"], summary["open"]) == (4, 0)
    assert summary["effects_by_kind"]["order_placed"] == 2


def test_control_shows_an_order_with_its_effects(shop: Shop, api: Caller, control: Caller) -> None:
    (order_id,) = shop.buy()
    api.put(f"/orders/{order_id}", {"order": {"status": "paid"}})
    shown = control.get(f"/orders/{order_id}")
    assert shown["order"] == api.get(f"/orders/{order_id}")
    assert [effect["kind"] for effect in shown["effects"]] == ["order_placed", "order_updated"]
    assert control.refused("GET", "/orders/1")[0] == 404


def test_a_call_still_running_is_open(shop: Shop) -> None:
    ledger = shop.ledger
    record = ledger.open("GET", "/api/v2.7.0/orders", "/orders", {}, None)
    assert (record.status, ledger.summary()["open"]) == ("open", 1)
    ledger.close(record, 200)
    ledger.close(record, "aborted")
    assert (record.status, ledger.summary()["open"]) == (200, 0)


def test_a_call_that_outlives_a_reset_is_not_booked_in_the_new_ledger(shop: Shop) -> None:
    old = shop.ledger.open("GET", "/api/v2.7.0/orders", "/orders", {}, None)
    shop.reset()
    shop.ledger.open("GET", "/api/v2.7.0/products", "/products", {}, None)
    shop.close_call(old, 200)
    assert shop.ledger.effect("order_updated", old).call is None
    assert shop.ledger.summary()["routes"] == []


def test_two_hundred_thousand_calls_do_not_slow_the_ledger() -> None:
    ledger = Ledger()

    def booking_time() -> float:
        begin = time.process_time()
        for _ in range(2_000):
            ledger.close(ledger.open("GET", "/api/v2.7.0/orders", "/orders", {}, "read-write"), 200)
        return time.process_time() - begin

    early = booking_time()
    while len(ledger.calls) < 200_000:
        ledger.close(ledger.open("GET", "/api/v2.7.0/orders", "/orders", {}, "read-write"), 200)
    late = booking_time()
    assert late < early * 10 + 0.05
    begin = time.process_time()
    assert part(ledger.calls, 199_990, 5)[0].number == 199_991
    assert ledger.summary()["calls"] == len(ledger.calls)
    assert time.process_time() - begin < 0.05
