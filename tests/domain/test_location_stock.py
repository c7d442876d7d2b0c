"""Stock at locations: every warehouse counts at the one location it is mapped to, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from domain.location_stock import available_at, told_of
from domain.mappings import WarehouseMapping, WarehouseMappings
from domain.stock import StockLevel, available

NAMES = ["north", "south", "east", "west"]
quantities = st.integers(0, 1000)
multipliers = st.integers(1, 12)


def level(warehouse: str, total: int, allocated: int = 0) -> StockLevel:
    return StockLevel("MUG", warehouse, total, allocated, None, datetime(2026, 1, 1, tzinfo=UTC))


def mapped(**locations: str) -> WarehouseMappings:
    return WarehouseMappings(WarehouseMapping(warehouse, location) for warehouse, location in locations.items())


levels = st.lists(
    st.builds(level, st.sampled_from(NAMES), quantities, quantities), max_size=4, unique_by=lambda each: each.warehouse
)
mappings = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["L1", "L2"])).map(lambda rows: mapped(**rows))


@given(known=levels, warehouses=mappings, multiplier=multipliers, buffer=quantities, cap=st.none() | quantities)
def test_a_location_sells_what_its_own_warehouses_have_and_nothing_of_others(
    known: list[StockLevel], warehouses: WarehouseMappings, multiplier: int, buffer: int, cap: int | None
) -> None:
    found = available_at(known, warehouses, buffer=buffer, cap=cap, multiplier=multiplier)
    for location, names in warehouses.locations().items():
        mine = [each for each in known if each.warehouse in names]
        free = sum(each.total - each.allocated for each in mine)
        assert (location in found) == bool(mine)
        if mine:
            whole = max(free - buffer, 0) // multiplier
            assert found[location] == (whole if cap is None else min(whole, cap))
    assert found.keys() <= warehouses.locations().keys()


@given(known=levels, warehouses=mappings)
def test_the_locations_together_sell_what_the_mapped_warehouses_have_where_none_is_oversold(
    known: list[StockLevel], warehouses: WarehouseMappings
) -> None:
    sound = [each for each in known if each.total >= each.allocated]
    of_mapped = {name for names in warehouses.locations().values() for name in names}
    counted = [each for each in sound if each.warehouse in of_mapped]
    assert sum(available_at(sound, warehouses).values()) == available(counted)


@given(known=st.permutations([level(name, 10 + at, at) for at, name in enumerate(NAMES)]), warehouses=mappings)
def test_the_order_of_the_levels_does_not_matter(known: list[StockLevel], warehouses: WarehouseMappings) -> None:
    assert available_at(known, warehouses) == available_at(sorted(known, key=repr), warehouses)


def test_several_warehouses_sum_into_one_location_and_an_oversold_one_counts_against_it_alone() -> None:
    known = [level("north", 10, 2), level("south", 0, 3), level("east", 7), level("west", 100)]
    warehouses = mapped(north="L1", south="L1", east="L2")
    assert available_at(known, warehouses) == {"L1": 5, "L2": 7}


def test_buffer_and_cap_hold_at_each_location() -> None:
    known = [level("north", 10), level("east", 50)]
    assert available_at(known, mapped(north="L1", east="L2"), buffer=4, cap=20) == {"L1": 6, "L2": 20}


def test_stock_at_a_location_belongs_to_a_warehouse_only_where_it_is_the_only_one() -> None:
    locations = mapped(north="L1", south="L1", east="L2").locations()
    assert told_of("L2", locations) == ("east", ("east",))
    assert told_of("L1", locations) == (None, ("north", "south"))
    assert told_of("L3", locations) == (None, ())
