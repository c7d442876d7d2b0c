"""SKU mappings: both ways, whole units only, and never a SKU that nobody wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputError
from domain.mappings import ChannelSku, MappingKind, Missing, ResolvedSku, Side, SkuMapping, SkuMappings

skus = st.sampled_from(["A", "a", "B", "C", "C ", "D-1"])
multipliers = st.integers(1, 12)
row_sets = st.lists(
    st.builds(SkuMapping, skus, skus, multipliers), max_size=8, unique_by=lambda row: row.channel_sku
)  # fmt: skip
catalogues = st.sets(skus)


@given(rows=row_sets, quantity=st.integers(-5, 500))
def test_every_row_is_found_from_both_sides(rows: list[SkuMapping], quantity: int) -> None:
    mappings = SkuMappings(rows)
    for row in rows:
        assert mappings.to_oms(row.channel_sku, quantity) == (row.oms_sku, quantity * row.multiplier)
        assert ChannelSku(row.channel_sku, row.multiplier) in mappings.to_channel(row.oms_sku)


@given(rows=row_sets, sku=skus, catalogue=catalogues)
def test_resolution_never_invents_a_code(rows: list[SkuMapping], sku: str, catalogue: set[str]) -> None:
    mappings = SkuMappings(rows)
    inward = mappings.resolve_to_oms(sku, 1, catalogue.__contains__)
    if isinstance(inward, Missing):
        assert inward == Missing(MappingKind.SKU, Side.CHANNEL, sku)
        assert sku not in catalogue
        assert sku not in {row.channel_sku for row in rows}
    else:
        wanted = {row.oms_sku for row in rows if row.channel_sku == sku} or {sku} & catalogue
        assert {inward.oms_sku} == wanted
    outward = mappings.resolve_to_channel(sku, catalogue.__contains__)
    if not isinstance(outward, Missing):
        assert outward
        assert {each.channel_sku for each in outward} <= {row.channel_sku for row in rows} | ({sku} & catalogue)


@given(rows=row_sets, sku=skus, catalogue=catalogues)
def test_what_goes_out_comes_back_as_the_same_sku(rows: list[SkuMapping], sku: str, catalogue: set[str]) -> None:
    mappings = SkuMappings(rows)
    outward = mappings.resolve_to_channel(sku, catalogue.__contains__)
    for each in () if isinstance(outward, Missing) else outward:
        back = mappings.resolve_to_oms(each.channel_sku, 1, catalogue.__contains__)
        assert isinstance(back, ResolvedSku)
        assert (back.oms_sku, back.quantity) == (sku, each.multiplier)


@given(quantity=st.integers(-100, 10_000), multiplier=multipliers)
def test_the_channel_sells_whole_units_and_never_more_than_there_is(quantity: int, multiplier: int) -> None:
    stock = ChannelSku("A", multiplier).stock(quantity)
    assert stock >= 0
    assert stock * multiplier <= max(quantity, 0) < (stock + 1) * multiplier


def test_an_unmapped_sku_is_itself_where_the_catalogue_has_it_and_else_missing() -> None:
    mappings = SkuMappings([SkuMapping("BOX", "PIECE", 6)])
    assert mappings.resolve_to_oms("BOX", 2, {"BOX"}.__contains__) == ResolvedSku("PIECE", 12, "mapped")
    assert mappings.resolve_to_oms("CUP", 2, {"CUP"}.__contains__) == ResolvedSku("CUP", 2, "identity")
    assert mappings.resolve_to_oms("CUP", 2, set().__contains__) == Missing(MappingKind.SKU, Side.CHANNEL, "CUP")
    assert mappings.to_oms("CUP", 2) is None


def test_a_channel_sku_that_stands_for_another_one_is_not_used_for_its_namesake() -> None:
    mappings = SkuMappings([SkuMapping("BOX", "PIECE", 6)])
    assert mappings.resolve_to_channel("BOX", {"BOX"}.__contains__) == Missing(MappingKind.SKU, Side.OMS, "BOX")
    assert mappings.resolve_to_channel("CUP", {"CUP"}.__contains__) == (ChannelSku("CUP"),)
    assert mappings.resolve_to_channel("CUP", set().__contains__) == Missing(MappingKind.SKU, Side.OMS, "CUP")


def test_one_oms_sku_goes_out_as_all_its_channel_skus_in_a_stable_order() -> None:
    rows = [SkuMapping("SIX", "PIECE", 6), SkuMapping("ONE", "PIECE")]
    expected = (ChannelSku("ONE", 1), ChannelSku("SIX", 6))
    assert SkuMappings(rows).to_channel("PIECE") == SkuMappings(rows[::-1]).to_channel("PIECE") == expected
    assert [each.stock(20) for each in expected] == [20, 3]
    assert SkuMappings(rows).to_channel("OTHER") == ()


def test_a_channel_sku_has_exactly_one_oms_sku() -> None:
    with pytest.raises(InputError, match="'A' is mapped by row 1 already"):
        SkuMappings([SkuMapping("A", "X"), SkuMapping("A", "Y")])


@pytest.mark.parametrize("multiplier", [0, -1, 1_000_001])
def test_a_multiplier_is_a_whole_number_from_one(multiplier: int) -> None:
    with pytest.raises(InputError, match="from 1 to 1,000,000"):
        SkuMapping("A", "B", multiplier)


@pytest.mark.parametrize(("channel_sku", "oms_sku"), [("", "B"), ("A", " ")])
def test_a_row_has_both_skus(channel_sku: str, oms_sku: str) -> None:
    with pytest.raises(InputError, match="empty"):
        SkuMapping(channel_sku, oms_sku)
