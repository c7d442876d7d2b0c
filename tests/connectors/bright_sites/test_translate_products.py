"""A product document of the shop in canonical form."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connectors.bright_sites.translate_products import MOST_VARIANTS, product_from, product_summary
from domain.errors import ShopRejected
from domain.products import Product, Variant

OPTION = {"id": 5, "name": "Size", "option_type": "size", "price_modifier_type": "$"}


def value(number: int, name: str, sub_sku: str | None, modifier: str = "0", option: int = 5) -> dict[str, Any]:
    return {"id": number, "name": name, "sub_sku": sub_sku, "price_modifier": modifier, "product_option_id": option}


DOCUMENT: dict[str, Any] = {
    "id": 71,
    "name": "Tee",
    "sku": "TEE",
    "sku_separator": "-",
    "active": True,
    "base_price": "10",
    "weight": "0.3",
    "width": "10",
    "height": None,
    "length": "",
    "description": None,
    "options": [OPTION],
    "sub_options": [value(8, "Small", "S"), value(9, "Double large", "XXL", "2.5")],
    "inventories": [{"id": 1, "sub_option_ids": [8]}, {"id": 2, "sub_option_ids": [9]}],
    "created_at": "2026-03-01T09:15:00-07:00",
    "updated_at": "2026-03-02T09:15:00-07:00",
}


def changed(**changes: Any) -> Product:
    return product_from({**copy.deepcopy(DOCUMENT), **changes})


def test_a_product_is_read_with_options_variants_grams_and_millimetres() -> None:
    sizes: dict[str, Any] = {"weight_g": Decimal("136.077711"), "width_mm": Decimal(254)}
    assert product_from(DOCUMENT) == Product(
        external_id="71",
        sku="TEE",
        name="Tee",
        options={"Size": ("Small", "Double large")},
        variants=(
            Variant(sku="TEE-S", options={"Size": "Small"}, price=Decimal(10), **sizes),
            Variant(sku="TEE-XXL", options={"Size": "Double large"}, price=Decimal("12.5"), **sizes),
        ),
        updated_at=datetime(2026, 3, 2, 16, 15, tzinfo=UTC),
    )


def test_a_product_without_options_is_its_only_variant() -> None:
    product = changed(options=[], sub_options=[], inventories=[])
    assert product.skus == ("TEE",)
    assert product.variants[0].options == {}


def test_without_stock_rows_every_combination_is_a_variant() -> None:
    colour = {**OPTION, "id": 6, "name": "Color"}
    subs = [*DOCUMENT["sub_options"], value(10, "Red", "R", option=6), value(11, "Blue", None, option=6)]
    product = changed(options=[OPTION, colour], sub_options=subs, inventories=[])
    assert product.skus == ("TEE-S-R", "TEE-S", "TEE-XXL-R", "TEE-XXL")


def test_only_combinations_with_a_stock_row_are_variants_where_there_are_rows() -> None:
    assert changed(inventories=[{"id": 2, "sub_option_ids": [9]}]).skus == ("TEE-XXL",)


def test_a_share_of_the_price_is_added_as_money() -> None:
    product = changed(options=[{**OPTION, "price_modifier_type": "%"}])
    assert [variant.price for variant in product.variants] == [Decimal(10), Decimal("10.25")]


def test_two_options_of_one_name_are_told_apart() -> None:
    twin = {**OPTION, "id": 6}
    subs = [value(8, "S", "S"), value(9, "L", "L", option=6)]
    product = changed(options=[OPTION, twin], sub_options=subs, inventories=[{"id": 1, "sub_option_ids": [8, 9]}])
    assert product.options == {"Size": ("S",), "Size (2)": ("L",)}


@pytest.mark.parametrize("separator", ["_", "", None])
def test_the_separator_is_the_products_own(separator: str | None) -> None:
    assert changed(sku_separator=separator).skus[0] == f"TEE{'-' if separator is None else separator}S"


def test_texts_are_free_of_what_a_database_refuses() -> None:
    product = changed(name="Te\0e", sku="TE\0E", sub_options=[value(8, "S\0", "S\0")])
    assert "\0" not in str(product.model_dump())


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": None},
        {"updated_at": None, "created_at": None},
        {"base_price": "much"},
        {"weight": {}},
        {"options": "Size"},
        {"sub_options": [1]},
        {"inventories": [{"sub_option_ids": 8}]},
        {"sku": []},
    ],
    ids=str,
)
def test_a_product_that_makes_no_sense_is_refused_by_its_member(wrong: dict[str, Any]) -> None:
    with pytest.raises(ShopRejected) as caught:
        changed(**wrong)
    assert caught.value.code == "unreadable_answer"


def test_a_product_of_endless_combinations_is_refused_without_making_them() -> None:
    options = [{**OPTION, "id": number, "name": f"O{number}"} for number in range(12)]
    subs = [value(number * 100 + at, str(at), str(at), option=number) for number in range(12) for at in range(10)]
    with pytest.raises(ShopRejected, match=f"Product 71 has more than {MOST_VARIANTS} combinations") as caught:
        changed(options=options, sub_options=subs, inventories=[])
    assert caught.value.code == "too_many_variants"


def test_a_row_of_the_list_gives_id_and_time() -> None:
    now = datetime(2026, 5, 1, tzinfo=UTC)
    assert product_summary(DOCUMENT, now).updated_at == datetime(2026, 3, 2, 16, 15, tzinfo=UTC)
    assert product_summary({"id": 3}, now).updated_at == now
