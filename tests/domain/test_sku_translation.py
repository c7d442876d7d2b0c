from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.errors import InputError
from domain.mappings import SAME_SKUS, KnownSkus, MappingKind, Missing, Side, SkuMapping, SkuMappings
from domain.orders import Order, OrderLine, OrderStatus
from domain.products import Product, Variant
from domain.sku_translation import (
    LineOfOrder,
    lines_of,
    order_to_oms,
    product_to_channel,
    product_to_oms,
    shared_out,
)

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def order(*skus: str, quantity: int = 2) -> Order:
    lines = tuple(
        OrderLine(
            external_line_id=str(at),
            sku=sku,
            name=sku,
            quantity=quantity,
            unit_price=Decimal(9),
            total=Decimal(9 * quantity),
        )
        for at, sku in enumerate(skus, 1)
    )
    return Order(
        external_order_id="1001",
        status=OrderStatus.NEW,
        external_status="new",
        created_at=NOW,
        updated_at=NOW,
        lines=lines,
    )


def known(*rows: tuple[str, str, int], catalogue: frozenset[str] | None = None) -> KnownSkus:
    return KnownSkus(SkuMappings([SkuMapping(*row) for row in rows]), catalogue)


def line(name: str, quantity: int, multiplier: int) -> LineOfOrder:
    return LineOfOrder(name, "A", f"A x {multiplier}", quantity, multiplier)


def test_a_line_is_told_in_units_of_the_oms_and_keeps_what_stands_in_the_shop() -> None:
    told, missing = order_to_oms(order("SIX-PACK", quantity=2), known(("SIX-PACK", "BOTTLE", 6)))
    (found,) = told.lines
    assert (found.sku, found.quantity, found.channel_sku, found.multiplier) == ("BOTTLE", 12, "SIX-PACK", 6)
    assert (found.unit_price, found.total) == (Decimal("1.5"), Decimal(18))
    assert missing == ()


def test_what_is_the_same_on_both_sides_stays_as_it_is() -> None:
    plain = order("MUG", "")
    assert order_to_oms(plain, SAME_SKUS) == (plain, ())
    assert order_to_oms(plain, known(catalogue=frozenset({"MUG"}))) == (plain, ())


def test_each_sku_that_leads_nowhere_is_named_once() -> None:
    _, missing = order_to_oms(order("CAP", "MUG", "CAP"), known(catalogue=frozenset({"MUG"})))
    assert missing == (Missing(MappingKind.SKU, Side.CHANNEL, "CAP"),)


def test_a_sku_that_nobody_could_map_is_said_at_once() -> None:
    with pytest.raises(InputError, match="Line 1 of order 1001 has a SKU that nobody can map") as caught:
        order_to_oms(order("X" * 201), known(catalogue=frozenset()))
    assert caught.value.code == "sku_unusable"


@given(multiplier=st.integers(1, 50), quantity=st.integers(1, 200))
def test_what_was_imported_can_be_shipped_whole_in_the_units_of_the_shop(multiplier: int, quantity: int) -> None:
    told, _ = order_to_oms(order("PACK", quantity=quantity), known(("PACK", "A", multiplier)))
    (found,) = lines_of(told.model_dump(mode="json"))
    assert shared_out([found], told.lines[0].quantity) == [("1", quantity)]


@given(
    packs=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 12)), min_size=1, max_size=4),
    quantity=st.integers(1, 80),
)
def test_nothing_is_lost_or_added_when_a_quantity_is_shared_out(packs: list[tuple[int, int]], quantity: int) -> None:
    lines = [line(str(at), units, multiplier) for at, (units, multiplier) in enumerate(packs)]
    try:
        parts = shared_out(lines, quantity)
    except InputError as error:
        assert error.code == "quantity_not_divisible"
        assume(False)
    multipliers = {each.external_line_id: each.multiplier for each in lines}
    assert sum(multipliers[name] * units for name, units in parts) == quantity
    assert all(units > 0 for _, units in parts)


def test_large_packs_go_first_and_none_beyond_what_was_ordered() -> None:
    lines = [line("single", 2, 1), line("six", 1, 6)]
    assert shared_out(lines, 8) == [("six", 1), ("single", 2)]
    assert shared_out(lines, 2) == [("single", 2)]
    assert shared_out(lines, 20) == [("six", 1), ("single", 14)]


def test_a_quantity_that_does_not_divide_says_what_to_do() -> None:
    with pytest.raises(InputError, match=r"5 of SKU 'A'.*one 'A x 6' is 6 of it.*multiple of 6"):
        shared_out([line("six", 3, 6)], 5)


def test_a_document_from_before_mappings_is_read_as_it_was() -> None:
    document = {"lines": [{"external_line_id": "7", "sku": "MUG", "quantity": 3}]}
    assert lines_of(document) == (LineOfOrder("7", "MUG", "MUG", 3, 1),)
    assert lines_of({}) == ()


def product(*skus: str, own: str = "TEE") -> Product:
    return Product(sku=own, name="Tee", variants=tuple(Variant(sku=sku) for sku in skus), updated_at=NOW)


def test_an_imported_product_keeps_the_names_it_has_in_the_shop() -> None:
    told = product_to_oms(
        product("TEE-S", "TEE-NEW"), known(("TEE-S", "T1", 3), ("TEE", "T", 1), catalogue=frozenset())
    )
    assert [(each.sku, each.channel_sku, each.multiplier) for each in told.variants] == [
        ("T1", "TEE-S", 3),
        ("TEE-NEW", None, 1),
    ]
    assert told.sku == "T"


def test_an_exported_product_gets_the_names_of_the_channel() -> None:
    sent, missing = product_to_channel(product("T1", "T2", own="T"), known(("TEE-S", "T1", 1), ("TEE", "T", 1)))
    assert (sent.sku, sent.skus, missing) == ("TEE", ("TEE-S", "T2"), ())


@pytest.mark.parametrize("rows", [[("A", "T1", 1), ("B", "T1", 1)], [("A", "T1", 6)]])
def test_a_product_that_could_be_several_of_the_channel_is_refused(rows: list[tuple[str, str, int]]) -> None:
    with pytest.raises(InputError, match="exactly one SKU of the channel") as caught:
        product_to_channel(product("T1"), known(*rows))
    assert caught.value.code == "sku_ambiguous"


def test_a_sku_whose_name_means_another_one_in_the_channel_leads_nowhere() -> None:
    _, missing = product_to_channel(product("T1"), known(("T1", "OTHER", 1)))
    assert missing == (Missing(MappingKind.SKU, Side.OMS, "T1"),)
