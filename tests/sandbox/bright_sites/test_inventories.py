"""Stock rows."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.bright_sites import RunningShop, Shop, ShopSettings, Wish
from tests.sandbox.bright_sites.helpers import Caller, HandClock

FULL = [
    "product_id",
    "product_name",
    "internal_id",
    "sku",
    "final_sku",
    "id",
    "inventory",
    "trigger",
    "track",
    "allow_negative",
    "sub_sku",
    "sub_option_ids",
]
SHORT = ["id", "inventory", "trigger", "track", "allow_negative", "sub_sku", "sub_option_ids"]


def test_the_store_list_has_every_row_with_its_final_sku(api: Caller) -> None:
    listing = api.get("/inventories", per_page=500)
    assert listing["meta"] == {"total": 16, "offset": 0, "limit": 500}
    row = listing["inventories"][0]
    assert list(row) == FULL
    assert (row["sku"], row["sub_sku"], row["final_sku"]) == ("TEE0001", "XS", "TEE0001-XS")
    assert len({each["final_sku"] for each in listing["inventories"]}) == 16


def test_pages_cover_every_row_once(api: Caller) -> None:
    ids = [row["id"] for page in (1, 2, 3) for row in api.get("/inventories", page=page, per_page=7)["inventories"]]
    assert len(ids) == len(set(ids)) == 16


def test_the_final_sku_joins_sub_skus_with_the_separator_of_the_shop(running: RunningShop, api: Caller) -> None:
    running.shop.reset(ShopSettings(products=1, variants=8, sku_separator="_"))
    skus = [row["final_sku"] for row in api.get("/inventories")["inventories"]]
    assert skus[:3] == ["TEE0001_XS_Red", "TEE0001_XS_Navy", "TEE0001_S_Red"]


def test_a_product_without_options_has_one_row_with_its_own_sku(running: RunningShop, api: Caller) -> None:
    running.shop.reset(ShopSettings(products=1, variants=1, supplier_managed=0))
    (row,) = api.get("/inventories")["inventories"]
    assert (row["final_sku"], row["sub_sku"], row["sub_option_ids"]) == ("TEE0001", "", [])


def test_rows_are_filtered_by_their_product(api: Caller, clock: HandClock) -> None:
    product = api.get("/products/2")
    clock.advance(10)
    api.put("/products/2", {"product": {"note": "touched"}})
    for query in (
        {"sku": product["sku"]},
        {"internal_id": product["internal_id"]},
        {"name": product["name"].lower()},
        {"updated_at_from": "2026-03-02T16:15:10Z"},
    ):
        rows = api.get("/inventories", **query)["inventories"]
        assert {row["product_id"] for row in rows} == {2}, query
    category = product["categories"][0]
    for value in (category["name"], category["id"]):
        shown = {row["product_id"] for row in api.get("/inventories", categories=value)["inventories"]}
        assert 2 in shown
    assert api.get("/inventories", vendors="Nobody")["inventories"] == []


def test_one_row_is_set_to_an_absolute_figure(shop: Shop, api: Caller) -> None:
    change = {"inventory": {"inventory": 25, "trigger": 3}}
    assert api.put("/products/1/inventories/1", change)["inventory"] == 25
    row = api.put("/products/1/inventories/1", change)
    assert list(row) == SHORT
    assert (row["inventory"], row["trigger"]) == (25, 3)
    assert api.get("/products/1/inventories/1") == row
    assert shop.stock()["TEE0001-XS"] == 25
    assert api.get("/inventories")["inventories"][0]["inventory"] == 25


def test_the_list_shows_what_buyers_took_and_what_was_switched(shop: Shop, api: Caller) -> None:
    before = api.get("/inventories")["inventories"][0]
    shop.buy(1, Wish(skus=[before["final_sku"]]))
    bought = api.get("/inventories")["inventories"][0]
    assert bought["inventory"] < before["inventory"]
    api.put("/products/1/inventories/1", {"inventory": {"trigger": 77, "track": False}})
    assert api.get("/inventories")["inventories"][0] == {**bought, "trigger": 77, "track": False}


def test_the_batch_sets_several_rows_and_answers_full_rows_without_meta(shop: Shop, api: Caller) -> None:
    answer = api.put(
        "/inventories/1/batch_update",
        {"inventories": [{"id": 1, "inventory": 10}, {"id": 2, "inventory": 0}]},
    )
    assert set(answer) == {"inventories"}
    assert [list(row) for row in answer["inventories"]] == [FULL, FULL]
    assert (shop.stock()["TEE0001-XS"], shop.stock()["TEE0001-S"]) == (10, 0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": 1, "inventory": 1}, {"id": 5, "inventory": 1}], "Inventory 5 does not belong to product 1"),
        (
            [{"id": 1, "inventory": 1}, {"id": 2, "inventory": -1}],
            "Inventory 2 (TEE0001-S) must not be negative",
        ),
        ([{"id": 1, "inventory": 1}, {"inventory": 1}], "Missing parameter 'inventories[1][id]'"),
        ([{"id": 1, "inventory": "7"}], "Invalid parameter 'inventories[0][inventory]': Must be a number"),
    ],
)
def test_the_batch_is_atomic_and_names_the_row(shop: Shop, api: Caller, rows: list[Any], message: str) -> None:
    before = shop.stock()
    status, body = api.refused("PUT", "/inventories/1/batch_update", {"inventories": rows})
    assert status == 422
    assert message in body["errors"][0]
    assert shop.stock() == before


def test_stock_below_zero_needs_allow_negative(shop: Shop, api: Caller) -> None:
    path = "/products/1/inventories/1"
    assert api.refused("PUT", path, {"inventory": {"inventory": -2}})[0] == 422
    assert api.put(path, {"inventory": {"inventory": -2, "allow_negative": 1}})["inventory"] == -2


def test_rows_of_a_product_come_with_enabled_and_without_meta(api: Caller) -> None:
    listing = api.get("/products/1/inventories")
    assert set(listing) == {"inventories", "enabled"}
    assert [list(row) for row in listing["inventories"]] == [SHORT] * 4


def test_supplier_managed_products_show_no_stock_and_take_no_batch(api: Caller) -> None:
    (managed,) = [each for each in api.get("/products")["products"] if each["id"] == 5]
    assert api.get(f"/products/{managed['id']}")["vendor_inventory_enabled"] is True
    assert api.get(f"/products/{managed['id']}/inventories")["inventories"] == []
    api.put("/products/1", {"product": {"vendor_inventory_enabled": True}})
    assert api.get("/inventories")["meta"]["total"] == 12
    assert api.get("/products/1")["inventories"] == []
    assert api.refused("GET", "/products/1/inventories/1")[0] == 404
    assert api.refused("PUT", "/inventories/1/batch_update", {"inventories": [{"id": 1}]})[0] == 422


def test_a_row_is_created_for_a_free_combination_and_deleted(shop: Shop, api: Caller) -> None:
    gone = api.delete("/products/1/inventories/1")
    assert "TEE0001-XS" not in shop.stock()
    body = {"inventory": {"sub_option_ids": gone["sub_option_ids"], "inventory": 3, "trigger": 1, "track": True}}
    assert api.refused("POST", "/products/1/inventories", body)[1]["errors"] == [
        "Missing parameter 'inventory[allow_negative]'"
    ]
    body["inventory"]["allow_negative"] = False
    made = api.post("/products/1/inventories", body)
    assert made["id"] != gone["id"]
    assert shop.stock()["TEE0001-XS"] == 3
    assert api.refused("POST", "/products/1/inventories", body)[0] == 422


@pytest.mark.parametrize("touches", [True, False])
def test_a_stock_write_moves_the_date_of_the_product_only_with_the_switch(
    shop: Shop, api: Caller, clock: HandClock, touches: bool
) -> None:
    shop.change_settings({"stock_touches_product": touches})
    before = api.get("/products/1")["updated_at"]
    clock.advance(5)
    api.put("/products/1/inventories/1", {"inventory": {"inventory": 1}})
    assert (api.get("/products/1")["updated_at"] > before) is touches
