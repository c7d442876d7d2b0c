"""Products, options, and reference data."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sandbox.bright_sites import RunningShop, Shop
from tests.sandbox.bright_sites.helpers import Caller

SUMMARY = [
    "id",
    "name",
    "sku",
    "internal_id",
    "origin_address_id",
    "new_product",
    "new_expires_at",
    "categories",
    "vendors",
    "active",
    "created_at",
    "updated_at",
]
MORE = [
    "sku_separator",
    "base_price",
    "retail_price",
    "cost",
    "setup_charge",
    "minimum_order_quantity",
    "maximum_order_quantity",
    "weight",
    "width",
    "height",
    "length",
    "shipping_modifier",
    "meta_title",
    "meta_description",
    "meta_keywords",
    "custom_url",
    "description",
    "featured",
    "tax_exempt",
    "shipping_exempt",
    "options",
    "sub_options",
    "inventories",
    "enable_quantity_discount",
    "enable_related_products",
    "enable_product_personalization",
    "enable_inventory",
    "enable_logo_locations",
    "enable_product_options",
    "related_products_type",
    "primary_category_id",
    "vendor_inventory_enabled",
    "inventory_vendor_id",
    "tax_code",
    "note",
]


def test_the_list_has_summary_fields_and_meta(api: Caller) -> None:
    listing = api.get("/products", per_page=2)
    assert listing["meta"] == {"total": 5, "offset": 0, "limit": 2}
    assert list(listing["products"][0]) == SUMMARY


def test_the_product_shows_every_field_options_and_stock(api: Caller) -> None:
    product = api.get("/products/1")
    assert list(product) == SUMMARY + MORE
    assert len(product["sub_options"]) == len(product["inventories"]) == 4
    assert all(sub["product_option_id"] == product["options"][0]["id"] for sub in product["sub_options"])


def test_one_source_items_are_shown_from_version_2_7_only(running: RunningShop) -> None:
    headers = {"X-API-TOKEN": "sandbox-read-only"}
    new, old = (httpx.get(f"{running.url}/api/v{v}/products/4", headers=headers).json() for v in ("2.7.0", "2.6.1"))
    assert set(new) - set(old) == {"one_source_items"}
    assert len(new["one_source_items"]) == 4


def test_a_product_is_created_with_201_from_numbers_and_shows_money_as_text(api: Caller) -> None:
    body = {
        "name": "Lamp",
        "sku": "LAMP1",
        "base_price": 10.0,
        "cost": 4.25,
        "category_ids": [1],
        "active": 0,
    }
    made = api.post("/products", {"product": body})
    assert (made["base_price"], made["cost"], made["active"]) == ("10", "4.25", False)
    assert made["sku_separator"] == "-"
    assert made["categories"] == [{"id": 1, "name": "Apparel"}]
    assert [each["id"] for each in api.get("/products", sku="LAMP1")["products"]] == [made["id"]]


def test_an_update_is_partial_and_null_clears(api: Caller) -> None:
    before = api.get("/products/1")
    after = api.put("/products/1", {"product": {"internal_id": None, "description": "Soft"}})
    assert (after["internal_id"], after["description"]) == (None, "Soft")
    assert after["name"] == before["name"]


def test_a_new_sku_changes_the_final_skus(shop: Shop, api: Caller) -> None:
    api.get("/inventories")
    api.put("/products/1", {"product": {"sku": "SHIRT", "sku_separator": "/"}})
    assert api.get("/inventories")["inventories"][0]["final_sku"] == "SHIRT/XS"
    assert "SHIRT/XS" in shop.stock()


def test_a_deleted_product_comes_back_and_is_gone_with_its_stock(api: Caller) -> None:
    assert api.delete("/products/1")["sku"] == "TEE0001"
    assert api.refused("GET", "/products/1")[0] == 404
    assert api.get("/inventories")["meta"]["total"] == 12


@pytest.mark.parametrize(
    ("product", "message"),
    [
        ({"sku": "A", "base_price": 1}, "Missing parameter 'product[name]'"),
        (
            {"name": "A", "sku": "A", "base_price": "1"},
            "Invalid parameter 'product[base_price]': Must be a number",
        ),
        ({"name": "A", "sku": "TEE0001", "base_price": 1}, "Sku has already been taken"),
        ({"name": "A", "sku": "A", "base_price": 1, "category_ids": ["1"]}, "Must be an Array of Integer"),
        (
            {"name": "A", "sku": "A", "base_price": 1, "category_ids": [99]},
            "category_ids has an unknown id: 99",
        ),
        ({"name": "A", "sku": "A", "base_price": 1, "sku_separator": None}, "Must be a String"),
    ],
)
def test_a_wrong_product_is_refused(api: Caller, product: dict[str, Any], message: str) -> None:
    status, body = api.refused("POST", "/products", {"product": product})
    assert status == 422
    assert message in body["errors"][0]
    assert api.get("/products")["meta"]["total"] == 5


def test_variants_are_made_by_option_sub_options_and_stock_rows(shop: Shop, api: Caller) -> None:
    product_id = api.post("/products", {"product": {"name": "Sock", "sku": "SOCK", "base_price": 5}})["id"]
    path = f"/products/{product_id}/options"
    option = api.post(path, {"option": {"name": "Size", "option_type": "size"}})["option"]
    subs = f"{path}/{option['id']}/sub_options"
    sub = api.post(subs, {"sub_option": {"name": "Large", "sub_sku": "L", "price_modifier": 1.5}})
    assert (sub["price_modifier"], sub["product_option_id"]) == ("1.5", option["id"])
    figures = {"inventory": 9, "trigger": 1, "track": True, "allow_negative": False}
    api.post(f"/products/{product_id}/inventories", {"inventory": {"sub_option_ids": [sub["id"]], **figures}})
    assert shop.stock()["SOCK-L"] == 9
    api.put(f"{subs}/{sub['id']}", {"sub_option": {"sub_sku": "LG"}})
    assert shop.stock()["SOCK-LG"] == 9


def test_options_are_listed_with_enabled_wrapped_on_change_and_bare_when_shown(api: Caller) -> None:
    listing = api.get("/products/1/options")
    assert set(listing) == {"options", "enabled"}
    option = listing["options"][0]
    path = f"/products/1/options/{option['id']}"
    assert api.get(path) == option
    assert api.put(path, {"option": {"friendly_name": "Your size"}})["option"]["friendly_name"] == "Your size"
    (first, *_) = api.get(f"{path}/sub_options")["sub_options"]
    assert api.get(f"{path}/sub_options/{first['id']}") == first
    assert api.delete(f"{path}/sub_options/{first['id']}") == first
    assert len(api.get("/products/1/inventories")["inventories"]) == 3
    assert api.delete(path)["option"]["id"] == option["id"]
    assert api.get("/products/1/inventories")["inventories"] == []


@pytest.mark.parametrize("root", ["origin_addresses", "categories", "vendors"])
def test_reference_lists_are_paged(api: Caller, root: str) -> None:
    listing = api.get(f"/{root}", per_page=1)
    assert len(listing[root]) == 1
    assert listing["meta"]["limit"] == 1 < listing["meta"]["total"]


@pytest.mark.parametrize("root", ["categories", "vendors"])
def test_one_reference_record_is_shown_bare(api: Caller, root: str) -> None:
    assert api.get(f"/{root}/1") == api.get(f"/{root}")[root][0]
    assert api.refused("GET", f"/{root}/99")[0] == 404


def test_shipping_methods_are_plain_texts_without_meta(api: Caller) -> None:
    listing = api.get("/shipping_methods")
    assert set(listing) == {"shipping_methods"}
    assert all(isinstance(method, str) for method in listing["shipping_methods"])
