"""Products in canonical form, and the SKUs that cannot be kept."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.products import LONGEST_SKU, Product, SkuProblem, Variant, is_same, split_duplicates, split_unusable
from storage.product_tables import product_skus

AT = datetime(2026, 3, 2, 15, tzinfo=UTC)
skus = st.sampled_from(["A", "B", "C", "D", "E"])


def product(external_id: str, *variants: str, name: str = "Mug") -> Product:
    return Product(
        external_id=external_id,
        sku=f"P-{external_id}",
        name=name,
        variants=tuple(Variant(sku=sku) for sku in variants),
        updated_at=AT,
    )


@st.composite
def catalogues(draw: st.DrawFn) -> list[Product]:
    carried = draw(st.lists(st.lists(skus, min_size=1, max_size=4), max_size=6))
    return [product(str(number), *names) for number, names in enumerate(carried)]


def stand(products: list[Product]) -> list[tuple[str, list[str]]]:
    return [(each.external_id, list(each.skus)) for each in products]


def test_a_sku_that_stands_twice_stays_with_the_first_product_and_is_listed_once() -> None:
    kept, duplicates = split_duplicates([product("1", "A", "B"), product("2", "B", "C"), product("3", "B")])
    assert stand(kept) == [("1", ["A", "B"]), ("2", ["C"])]
    assert duplicates == [SkuProblem("B", "duplicate", ("1", "2", "3"))]
    assert str(duplicates[0]) == "'B' (duplicate, in product 1, 2, 3)"


def test_a_sku_stays_with_the_product_that_had_it_so_far() -> None:
    kept, _ = split_duplicates([product("1", "A", "B"), product("2", "B")], {"B": "2", "A": "9"})
    assert stand(kept) == [("1", ["A"]), ("2", ["B"])]


def test_a_sku_that_stands_twice_in_one_product_is_kept_once() -> None:
    kept, duplicates = split_duplicates([product("1", "A", "A", "B")])
    assert stand(kept) == [("1", ["A", "B"])]
    assert str(duplicates[0]) == "'A' (duplicate, in product 1)"


@given(catalogue=catalogues(), held=st.dictionaries(skus, st.sampled_from(["0", "1", "2", "9"])))
def test_each_sku_is_kept_exactly_once_and_only_duplicates_are_listed(
    catalogue: list[Product], held: dict[str, str]
) -> None:
    kept, duplicates = split_duplicates(catalogue, held)
    stands = Counter(sku for each in catalogue for sku in each.skus)
    assert Counter(sku for each in kept for sku in each.skus) == dict.fromkeys(stands, 1)
    assert [each.sku for each in duplicates] == [sku for sku, count in stands.items() if count > 1]
    assert all(len(each.products) == stands[each.sku] for each in duplicates)
    order = [each.external_id for each in catalogue]
    assert [each.external_id for each in kept] == [name for name in order if name in {e.external_id for e in kept}]
    assert split_duplicates(kept, held) == (kept, [])


@given(catalogue=catalogues())
def test_a_catalogue_without_duplicates_is_kept_as_it_is(catalogue: list[Product]) -> None:
    kept, duplicates = split_duplicates(catalogue)
    if not duplicates:
        assert kept == catalogue


def test_empty_and_too_long_skus_are_left_out_and_listed_with_their_places() -> None:
    long = "x" * (LONGEST_SKU + 1)
    kept, problems = split_unusable(
        [product("1", "A", ""), product("2", long), product("3", "x" * LONGEST_SKU), product("4", " ", long)]
    )
    assert stand(kept) == [("1", ["A"]), ("3", ["x" * LONGEST_SKU])]
    assert [(each.reason, each.products) for each in problems] == [("empty", ("1", "4")), ("too long", ("2", "4"))]
    assert len(str(problems[1])) < 100


def test_the_longest_sku_is_as_wide_as_the_column() -> None:
    assert product_skus.c.sku.type.length == LONGEST_SKU  # type: ignore[attr-defined]


def test_a_product_touched_without_a_change_is_the_same() -> None:
    document = product("1", "A").model_dump(mode="json")
    assert is_same(document, {**document, "updated_at": "2027-01-01T00:00:00Z"})
    assert not is_same(document, {**document, "name": "Cup"})
    assert not is_same(document, None)


@given(
    price=st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=0, max_value=10**6),
    weight=st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=0, max_value=10**6),
)
def test_numbers_keep_every_digit_through_json(price: Decimal | None, weight: Decimal | None) -> None:
    variant = Variant(sku="A", options={"Size": "S"}, price=price, weight_g=weight)
    made = product("1").model_copy(update={"options": {"Size": ("S",)}, "variants": (variant,)})
    assert Product.model_validate(json.loads(json.dumps(made.model_dump(mode="json")))) == made


def test_a_product_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError):
        product("1").name = "Cup"  # type: ignore[misc]
