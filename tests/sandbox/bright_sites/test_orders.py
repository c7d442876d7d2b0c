"""Reading orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest

from sandbox.bright_sites import RunningShop, Shop, ShopSettings, Wish
from tests.sandbox.bright_sites.helpers import Caller, HandClock

ORDER_FIELDS = [
    "order_id",
    "created_at",
    "updated_at",
    "status",
    "site_id",
    "site_name",
    "site_url",
    "custom_store_id",
    "organization_id",
    "organization_name",
    "customer_email",
    "customer_id",
    "username",
    "item_total",
    "grand_total",
    "shipping_contact",
    "billing_contact",
    "shipping_address",
    "billing_address",
    "payment",
    "payments",
    "shipment",
    "shipments",
    "line_items",
    "coupons_adjustments",
    "balance_adjustments",
    "custom_adjustments",
    "required_adjustments",
    "custom_data_collections",
    "notes",
]
LINE_FIELDS = [
    "id",
    "name",
    "final_sku",
    "final_internal_id",
    "tax_code",
    "quantity",
    "product_price",
    "options_price",
    "unit_price",
    "total_price",
    "tax_price",
    "product_id",
    "product_options",
    "vendors",
    "logos",
    "product_personalizations",
    "gift_certificate",
    "note",
]


def _ids(listing: Any) -> list[int]:
    return [order["order_id"] for order in listing["orders"]]


def test_the_list_has_exactly_seven_fields_and_no_lines(shop: Shop, api: Caller) -> None:
    shop.buy()
    (row,) = api.get("/orders")["orders"]
    assert list(row) == [
        "order_id",
        "shipping_method",
        "tracking",
        "created_at",
        "updated_at",
        "status",
        "customer",
    ]
    assert row["tracking"] == ""
    assert row["created_at"] == "2026-03-02T09:15:00-07:00"


def test_the_list_is_sorted_by_id_descending(shop: Shop, api: Caller) -> None:
    bought = shop.buy(5)
    assert _ids(api.get("/orders")) == sorted(bought, reverse=True)


def test_pages_carry_meta_and_cover_every_order_once(shop: Shop, api: Caller) -> None:
    bought = shop.buy(7)
    pages = [api.get("/orders", page=page, per_page=3) for page in (1, 2, 3, 4)]
    assert [len(page["orders"]) for page in pages] == [3, 3, 1, 0]
    assert pages[1]["meta"] == {"total": 7, "offset": 3, "limit": 3}
    assert [order_id for page in pages for order_id in _ids(page)] == sorted(bought, reverse=True)


def test_per_page_is_clamped_at_500(shop: Shop, api: Caller) -> None:
    shop.buy(501, Wish(lines=1))
    listing = api.get("/orders", per_page=9999)
    assert listing["meta"] == {"total": 501, "offset": 0, "limit": 500}
    assert len(listing["orders"]) == 500


@pytest.mark.parametrize("query", ["page=0", "per_page=x", "status=lost", "updated_at_from=yesterday"])
def test_a_bad_filter_is_refused_with_422(api: Caller, query: str) -> None:
    status, body = api.refused("GET", f"/orders?{query}")
    assert status == 422
    assert body["errors"][0].startswith(f"Invalid parameter '{query.split('=', maxsplit=1)[0]}': Must be")


def test_date_bounds_are_inclusive_and_utc_without_a_zone(shop: Shop, api: Caller, clock: HandClock) -> None:
    (first,) = shop.buy()
    clock.advance(60)
    (second,) = shop.buy()
    assert _ids(api.get("/orders", created_at_from="2026-03-02T16:16:00")) == [second]
    assert _ids(api.get("/orders", created_at_to="2026-03-02T09:15:00-07:00")) == [first]
    assert _ids(api.get("/orders", created_at_from="2026-03-02T16:15:00Z")) == [second, first]
    assert _ids(api.get("/orders", updated_at_from="2026-03-02T16:15:01Z")) == [second]
    assert _ids(api.get("/orders", updated_at_to="2026-03-02T16:14:59Z")) == []


def test_orders_are_filtered_by_status_and_by_one_or_several_customers(shop: Shop, api: Caller) -> None:
    (paid,) = shop.buy(1, Wish(status="paid", email="a@example.com"))
    (new,) = shop.buy(1, Wish(email="b@example.com"))
    shop.buy(1, Wish(email="c@example.com"))
    assert _ids(api.get("/orders", status="paid")) == [paid]
    assert _ids(api.get("/orders", customer="b@example.com")) == [new]
    assert _ids(api.get("/orders", **{"customer[]": ["a@example.com", "b@example.com"]})) == [new, paid]


def test_the_order_is_a_bare_object_with_every_field(shop: Shop, api: Caller) -> None:
    (order_id,) = shop.buy()
    order = api.get(f"/orders/{order_id}")
    assert list(order) == ORDER_FIELDS
    assert list(order["line_items"][0]) == LINE_FIELDS
    assert list(order["shipment"]) == (
        ["tracking_number", "cost", "created_at", "shipping_method", "ship_date", "in_hands_date"]
    )
    assert list(order["shipping_address"]) == [
        "company",
        "first_address",
        "second_address",
        "city",
        "state",
        "country",
        "zip",
    ]
    assert order["shipping_address"]["country"] == "United States"
    assert order["payment"] == order["payments"][0]


def test_money_is_text_with_at_least_one_decimal_and_adds_up(shop: Shop, api: Caller) -> None:
    (order_id,) = shop.buy(1, Wish(lines=4))
    order = api.get(f"/orders/{order_id}")
    for line in order["line_items"]:
        assert "." in line["unit_price"]
        assert Decimal(line["unit_price"]) == Decimal(line["product_price"]) + Decimal(line["options_price"])
        assert Decimal(line["total_price"]) == Decimal(line["unit_price"]) * line["quantity"]
    total = sum(Decimal(line["total_price"]) for line in order["line_items"])
    extra = sum(Decimal(row["amount"]) for row in order["required_adjustments"])
    assert Decimal(order["item_total"]) == total
    assert Decimal(order["grand_total"]) == total + extra


def test_a_line_names_the_chosen_options_and_the_final_sku(shop: Shop, api: Caller) -> None:
    (order_id,) = shop.buy(1, Wish(skus=["TEE0001-M"]))
    (line,) = api.get(f"/orders/{order_id}")["line_items"]
    assert line["final_sku"] == "TEE0001-M"
    (chosen,) = line["product_options"]
    assert (chosen["option_type"], chosen["sub_option_name"]) == ("size", "M")


def test_lines_are_listed_without_meta_and_shown_bare(shop: Shop, api: Caller) -> None:
    (order_id,) = shop.buy(1, Wish(lines=2))
    listing = api.get(f"/orders/{order_id}/line_items")
    assert set(listing) == {"line_items"}
    first = listing["line_items"][0]
    assert api.get(f"/orders/{order_id}/line_items/{first['id']}") == first
    assert api.refused("GET", f"/orders/{order_id}/line_items/1")[0] == 404


def test_a_guest_has_no_customer_id(shop: Shop, api: Caller) -> None:
    (order_id,) = shop.buy(1, Wish(guest=True))
    order = api.get(f"/orders/{order_id}")
    assert (order["customer_id"], order["username"]) == (None, "Guest")


def test_a_gift_certificate_line_carries_its_certificate(running: RunningShop, api: Caller) -> None:
    running.shop.reset(ShopSettings(products=1, variants=1, gift_certificate_share=1.0))
    (order_id,) = running.shop.buy()
    line = api.get(f"/orders/{order_id}")["line_items"][-1]
    assert line["gift_certificate"]["expires_at"].endswith(".000-07:00")
    assert {"pdf_status", "pdf_file_url"} <= set(line)


def test_line_notes_exist_since_version_2_6(running: RunningShop) -> None:
    running.shop.reset(ShopSettings(products=1, versions=("2.7.0", "2.1.0")))
    (order_id,) = running.shop.buy()
    headers = {"X-API-TOKEN": "sandbox-read-only"}
    fields = [
        set(httpx.get(f"{running.url}/api/v{version}/orders/{order_id}", headers=headers).json()["line_items"][0])
        for version in ("2.7.0", "2.1.0")
    ]
    assert fields[0] - fields[1] == {"note"}
