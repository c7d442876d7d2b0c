"""Simulated buyers."""

from __future__ import annotations

import pytest

from sandbox.bright_sites import Shop, ShopSettings, SoldOutError
from tests.sandbox.bright_sites.helpers import Caller, HandClock, wait_until


def test_the_same_seed_buys_the_same_orders(clock: HandClock) -> None:
    shops = [Shop(ShopSettings(seed=5), clock) for _ in range(2)] + [Shop(ShopSettings(seed=6), clock)]
    days = [[shop.order(order_id) for order_id in shop.buy(20)] for shop in shops]
    assert days[0] == days[1] != days[2]


def test_orders_are_new_have_one_to_four_lines_and_addresses_on_example_com(clock: HandClock) -> None:
    shop = Shop(ShopSettings(gift_certificate_share=0), clock)
    orders = [shop.order(order_id) for order_id in shop.buy(100)]
    assert {order["status"] for order in orders} == {"new"}
    assert {len(order["line_items"]) for order in orders} == {1, 2, 3, 4}
    assert all(order["customer_email"].endswith("@example.com") for order in orders)
    assert 5 < sum(order["username"] == "Guest" for order in orders) < 50
    skus = {line["final_sku"] for order in orders for line in order["line_items"]}
    assert skus <= set(shop.stock())


def test_buyers_take_from_the_stock_and_never_more_than_there_is(clock: HandClock) -> None:
    shop = Shop(ShopSettings(products=2, variants=2, initial_stock=5, gift_certificate_share=0), clock)
    with pytest.raises(SoldOutError, match="buyers_take_stock"):
        shop.buy(100)
    assert set(shop.stock().values()) == {0}
    sold = sum(line.quantity for order in shop.memory.orders.values() for line in order.lines.values())
    assert sold == 20


def test_buyers_may_leave_the_stock_alone(clock: HandClock) -> None:
    shop = Shop(ShopSettings(products=1, variants=1, initial_stock=1, buyers_take_stock=False), clock)
    assert len(shop.buy(50)) == 50
    assert shop.stock() == {"TEE0001": 1}


def test_control_lets_buyers_order_what_is_wished(api: Caller, control: Caller) -> None:
    wish = {"count": 2, "skus": ["TEE0001-S", "MUG0002-L"], "email": "kim@example.com", "status": "paid"}
    ids = control.post("/buy", wish)["order_ids"]
    assert len(ids) == 2
    order = api.get(f"/orders/{ids[0]}")
    assert [line["final_sku"] for line in order["line_items"]] == wish["skus"]
    assert (order["customer_email"], order["status"]) == ("kim@example.com", "paid")
    assert control.refused("POST", "/buy", {"skus": ["NOPE"]})[0] == 404
    assert control.refused("POST", "/buy", {"status": "lost"})[0] == 400


def test_buyers_keep_coming_for_a_while(shop: Shop, control: Caller) -> None:
    control.post("/buy", {"per_second": 200, "seconds": 0.1}, 202)
    wait_until(lambda: len(shop.memory.orders) == 20)
    control.post("/buy", {"per_second": 1, "seconds": 1000}, 202)
    wait_until(lambda: len(shop.memory.orders) == 21)
    assert control.delete("/buy") == {"stopped": 1}
