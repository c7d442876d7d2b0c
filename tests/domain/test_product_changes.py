"""The product of an event, in canonical form or refused in words."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from broker.contract import examples
from domain.errors import InputError
from domain.product_changes import changed_product
from domain.products import Variant

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
TEE: dict[str, Any] = {
    "sku": "TEE",
    "name": "Tee",
    "variants": [
        {"sku": "TEE-S", "options": {"Size": "S"}, "price": "9.50"},
        {"sku": "TEE-M", "options": {"Size": "M"}, "price": 9.75},
    ],
}


def refusal(document: dict[str, Any]) -> InputError:
    with pytest.raises(InputError) as caught:
        changed_product(document, AT)
    assert caught.value.code == "invalid_product"
    assert "Correct it in the OMS" in caught.value.sentence
    return caught.value


def test_a_product_without_variants_is_its_only_variant() -> None:
    product = changed_product({"sku": "MUG-BLUE", "name": "Mug, blue", "weight_g": 340, "price": 4.1}, AT)
    assert product.variants == (Variant(sku="MUG-BLUE", weight_g=Decimal(340), price=Decimal("4.1")),)
    assert (product.options, product.updated_at) == ({}, AT)


def test_the_published_example_is_a_product() -> None:
    product = changed_product(examples()["product.changed"]["data"]["product"], AT)
    assert (product.skus, product.variants[0].price) == (("MUG-BLUE",), Decimal("9.50"))


def test_options_are_what_the_variants_name_where_the_product_lists_none() -> None:
    product = changed_product(TEE, AT)
    assert product.options == {"Size": ("S", "M")}
    assert [variant.price for variant in product.variants] == [Decimal("9.50"), Decimal("9.75")]


def test_what_the_event_does_not_say_is_not_made_up() -> None:
    assert not {"active", "description", "images"} & changed_product(TEE, AT).model_fields_set


def test_members_nobody_knows_and_the_id_of_another_shop_are_passed_over() -> None:
    product = changed_product({**TEE, "external_id": "71", "colour_chart": {"S": 1}}, AT)
    assert product.external_id == ""


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"sku": None}, "A product without a SKU is not valid: sku: "),
        ({"sku": " "}, "SKU '' (empty"),
        ({"sku": "x" * 121}, "(too long"),
        ({"name": 7}, "name: "),
        ({"variants": "none"}, "variants: "),
        ({"variants": [{"sku": "A"}, {"sku": "A"}]}, "SKU 'A' (duplicate, in product TEE)"),
        ({"variants": [{"sku": ""}]}, "SKU '' (empty, in product TEE)"),
        ({"variants": [{"sku": "A"}, {"sku": "B"}]}, "variants 'A' and 'B' have the same values"),
        ({"variants": [{"sku": "A", "price": "NaN"}]}, "variants.0.price: "),
        (
            {"variants": [{"sku": "A", "options": {"Size": "S"}}, {"sku": "B"}]},
            "variant 'B' must have a value for each option and no other (Size)",
        ),
        ({"options": {"Size": ["S"]}}, "variant 'TEE-M' has a value that its option does not list"),
    ],
    ids=str,
)
def test_a_product_that_is_not_valid_is_refused_by_its_members(wrong: dict[str, Any], words: str) -> None:
    assert words in refusal({**TEE, **wrong}).sentence


def test_a_wrong_value_is_not_repeated() -> None:
    assert "secret" not in refusal({**TEE, "active": "secret"}).sentence
