"""Warehouse mappings: many warehouses to one location, one location to each warehouse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputError
from domain.mappings import MappingKind, Missing, Side, WarehouseMapping, WarehouseMappings

ids = st.sampled_from(["main", "Main", "north", "7", "007"])
row_sets = st.lists(st.builds(WarehouseMapping, ids, ids), max_size=5, unique_by=lambda row: row.oms_warehouse)


@given(rows=row_sets, asked=ids)
def test_a_warehouse_leads_to_its_own_location_or_is_missing(rows: list[WarehouseMapping], asked: str) -> None:
    found = WarehouseMappings(rows).to_external(asked)
    expected = [row.external_id for row in rows if row.oms_warehouse == asked]
    assert found == (expected[0] if expected else Missing(MappingKind.WAREHOUSE, Side.OMS, asked))


@given(rows=row_sets)
def test_the_locations_hold_every_warehouse_once_whatever_the_order_of_the_rows(rows: list[WarehouseMapping]) -> None:
    mappings = WarehouseMappings(rows)
    locations = mappings.locations()
    pairs = [(warehouse, location) for location, found in locations.items() for warehouse in found]
    assert sorted(pairs) == sorted((row.oms_warehouse, row.external_id) for row in rows)
    assert all(list(found) == sorted(found) for found in locations.values())
    assert list(locations.items()) == list(WarehouseMappings(rows[::-1]).locations().items())


def test_several_warehouses_sum_into_one_location() -> None:
    rows = [WarehouseMapping("south", "L1"), WarehouseMapping("north", "L1"), WarehouseMapping("east", "L2")]
    assert WarehouseMappings(rows).locations() == {"L1": ("north", "south"), "L2": ("east",)}


def test_a_warehouse_has_exactly_one_external_id() -> None:
    with pytest.raises(InputError, match="'north' is mapped by row 1 already"):
        WarehouseMappings([WarehouseMapping("north", "L1"), WarehouseMapping("north", "L2")])


@pytest.mark.parametrize(("warehouse", "external"), [("", "L1"), ("north", "")])
def test_a_row_has_both_ids(warehouse: str, external: str) -> None:
    with pytest.raises(InputError, match="empty"):
        WarehouseMapping(warehouse, external)
