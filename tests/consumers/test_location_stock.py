"""Stock of a shop with locations: what its warehouses have together, newest value only, each location on its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from broker.operations import DeliveryRow, NewChannel
from domain.channels import ChannelSettings
from domain.errors import InputError
from domain.mappings import MappingKind, WarehouseMapping
from storage.location_tables import location_stock
from storage.tables import channel_stock, channels
from tests.house import FAST, SmallHouse, small_house, sqlite_url
from tests.locating import NAME, LocationServer, register, serving
from tests.moody import HandClock

TICK = {"schedule": "s", "due": "2026-03-01T00:00:00Z"}


@dataclass(frozen=True, slots=True)
class Places:
    """A house whose channel ``places`` is a shop with locations L1 and L2."""

    house: SmallHouse
    server: LocationServer

    async def level(self, sku: str, warehouse: str, total: int, **more: Any) -> str:
        return await self.house.stock_event(sku, total, warehouse=warehouse, **more)

    async def run(self, message: str) -> DeliveryRow:
        await self.house.work_off()
        return await self.house.delivery(message)

    async def sent(self, sku: str, warehouse: str, total: int, **more: Any) -> DeliveryRow:
        return await self.run(await self.level(sku, warehouse, total, **more))

    async def tick(self, job: str) -> DeliveryRow:
        return await self.run(await self.house.event(f"tick.{job}", TICK))

    async def map(self, **locations: str) -> int:
        released = 0
        for warehouse, location in locations.items():
            row = WarehouseMapping(warehouse, location)
            released += (await self.house.mappings.save("acme", "main", row, "tester")).deliveries
        return released

    async def change(self, **settings: Any) -> None:
        await self.house.change(**settings)

    async def known(self) -> dict[tuple[str, str], int]:
        rows = await self.house.execute(select(location_stock))
        return {(row.location, row.sku): row.quantity for row in rows}

    async def tasks(self) -> list[tuple[str, str, str, int]]:
        found = await self.house.mappings.tasks("acme")
        return [(each.kind, each.side, each.code, each.blocks) for each in found]

    async def told(self) -> list[Mapping[str, Any]]:
        told = [json.loads(body) for _, body in await self.house.desk.announcements("acme", 0, 100)]
        return [each["data"] for each in told if each["type"] == "stock.imported"]


@pytest.fixture
def server() -> LocationServer:
    return LocationServer({"L1": {"MUG": 0, "TEE": 0}, "L2": {"MUG": 0, "TEE": 0}})


@pytest.fixture
def address(server: LocationServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    register(monkeypatch)
    with serving(server) as shop:
        yield shop


@pytest.fixture
async def places(server: LocationServer, address: str, clock: HandClock, tmp_path: Path) -> AsyncIterator[Places]:
    async with small_house(sqlite_url(tmp_path), clock=clock, domain=address) as house:
        await house.execute(channels.update().values(platform=NAME))
        yield Places(house, server)


async def test_warehouses_sum_into_their_location_and_each_location_has_its_own(places: Places) -> None:
    await places.map(north="L1", south="L1", east="L2")
    await places.level("MUG", "north", 10, allocated=2)
    await places.level("MUG", "south", 5)
    last = await places.level("MUG", "east", 7)
    assert (await places.run(last)).state == "done"
    assert places.server.stock == {"L1": {"MUG": 13, "TEE": 0}, "L2": {"MUG": 7, "TEE": 0}}
    assert places.server.calls == ["PUT /locations/L1", "PUT /locations/L2"]
    assert await places.known() == {("L1", "MUG"): 13, ("L2", "MUG"): 7}
    assert await places.house.execute(select(channel_stock)) == []


async def test_an_oversold_warehouse_counts_against_its_own_location_only(places: Places) -> None:
    await places.map(north="L1", south="L1", east="L2")
    await places.level("MUG", "north", 4)
    await places.level("MUG", "south", 0, allocated=9)
    await places.sent("MUG", "east", 7)
    assert [places.server.stock[name]["MUG"] for name in ("L1", "L2")] == [0, 7]


async def test_a_quantity_that_a_location_confirmed_last_is_not_sent_there_again(places: Places) -> None:
    await places.map(north="L1", south="L1", east="L2")
    await places.level("MUG", "north", 6)
    await places.sent("MUG", "east", 7)
    places.server.calls.clear()
    row = await places.sent("MUG", "north", 6, allocated=0)
    assert (row.state, row.code) == ("skipped", "unchanged")
    assert row.sentence == "Stock of MUG is 6 at location L1 in the shop already."
    assert places.server.calls == []
    await places.sent("MUG", "east", 8)
    assert places.server.calls == ["PUT /locations/L2"]
    await places.sent("MUG", "south", 2)
    assert places.server.stock["L1"]["MUG"] == 8


async def test_an_older_level_of_a_warehouse_changes_nothing_at_its_location(places: Places) -> None:
    await places.map(north="L1", south="L1")
    await places.level("MUG", "north", 9, version=3)
    await places.sent("MUG", "south", 1, version=1)
    row = await places.sent("MUG", "north", 5, version=2)
    assert row.state == "superseded" and "version 3" in row.sentence
    assert places.server.stock["L1"]["MUG"] == 10


async def test_what_absorbs_a_level_is_of_the_same_warehouse_and_is_named(places: Places) -> None:
    await places.map(north="L1", south="L1")
    older, other, newer = [
        await places.level("MUG", warehouse, total, version=version)
        for warehouse, total, version in (("north", 5, 1), ("south", 3, 9), ("north", 7, 2))
    ]
    await places.house.work_off()
    rows = [await places.house.delivery(message) for message in (older, other, newer)]
    assert [row.state for row in rows] == ["superseded", "done", "done"]
    assert rows[0].superseded_by == rows[2].id
    assert places.server.stock["L1"]["MUG"] == 10


async def test_a_warehouse_without_mapping_waits_without_any_call_until_it_is_mapped(places: Places) -> None:
    await places.map(south="L1")
    first, second = await places.level("MUG", "north", 4), await places.level("TEE", "north", 2)
    other = await places.level("MUG", "south", 3)
    row = await places.run(first)
    assert (row.state, row.code, row.failures) == ("parked", "warehouse_unmapped", 0)
    assert "warehouse 'north'" in row.sentence and "MUG" in row.sentence and "main" in row.sentence
    assert (await places.house.delivery(other)).state == "done"
    assert await places.tasks() == [("warehouse", "oms", "north", 2)]
    assert places.server.calls == ["PUT /locations/L1"]
    places.house.clock.advance(3600)
    await places.house.work_off()
    assert places.server.calls == ["PUT /locations/L1"]
    assert await places.map(west="L2") == 0
    assert await places.map(north="L1") == 2
    await places.house.work_off()
    assert [(await places.house.delivery(each)).state for each in (first, second)] == ["done", "done"]
    assert places.server.stock["L1"] == {"MUG": 7, "TEE": 2}
    assert await places.tasks() == []


async def test_a_warehouse_that_is_ignored_ends_its_levels_now_and_later_and_counts_nowhere(places: Places) -> None:
    await places.map(south="L1")
    first = await places.level("MUG", "north", 4)
    assert (await places.run(first)).state == "parked"
    (task,) = await places.house.mappings.tasks("acme")
    await places.house.mappings.ignore(task.id, "tester")
    assert (await places.house.delivery(first)).state == "discarded"
    later = await places.sent("MUG", "north", 5)
    assert (later.state, later.code) == ("skipped", "mapping_ignored") and "'north'" in later.sentence
    await places.sent("MUG", "south", 3)
    assert places.server.stock["L1"]["MUG"] == 3
    assert (await places.tick("inventory_export")).code == "ok"


async def test_a_newer_level_takes_the_place_of_one_that_waits_for_the_mapping_of_its_warehouse(places: Places) -> None:
    older = await places.level("MUG", "north", 4, version=1)
    assert (await places.run(older)).state == "parked"
    newer = await places.level("MUG", "north", 6, version=2)
    assert (await places.run(newer)).state == "parked"
    assert (await places.house.delivery(older)).superseded_by == (await places.house.delivery(newer)).id
    assert await places.map(north="L2") == 1
    assert (await places.run(newer)).state == "done"
    assert places.server.stock["L2"]["MUG"] == 6


async def test_a_location_that_the_shop_does_not_have_is_a_task_for_the_warehouse(places: Places) -> None:
    await places.map(north="L9", south="L1")
    other = await places.level("MUG", "south", 3)
    message = await places.level("MUG", "north", 4)
    row = await places.run(message)
    assert (row.state, row.code) == ("parked", "location_unknown") and "'L9'" in row.sentence
    assert (await places.house.delivery(other)).state == "done"
    assert await places.tasks() == [("warehouse", "oms", "north", 1)]
    assert await places.map(north="L1") == 1
    assert (await places.run(message)).state == "done"
    assert places.server.stock["L1"]["MUG"] == 7


async def test_a_sku_that_the_shop_does_not_have_at_a_location_waits_and_others_go_on(places: Places) -> None:
    await places.map(north="L1", east="L2")
    del places.server.stock["L1"]["MUG"]
    missing, other = await places.level("MUG", "north", 4), await places.level("MUG", "east", 5)
    row = await places.run(missing)
    assert (row.state, row.code) == ("parked", "sku_unknown")
    assert (await places.house.delivery(other)).state == "done"


async def test_packs_and_locations_go_together(places: Places) -> None:
    await places.house.map_skus({"MUG": ("CUP", 6), "TEE": "CUP"})
    await places.map(north="L1", south="L1", east="L2")
    await places.level("CUP", "north", 10)
    await places.level("CUP", "south", 9)
    row = await places.sent("CUP", "east", 5)
    assert places.server.stock == {"L1": {"MUG": 3, "TEE": 19}, "L2": {"MUG": 0, "TEE": 5}}
    assert "5 at location L2 (as TEE)" in row.sentence
    places.server.calls.clear()
    await places.sent("CUP", "east", 5, allocated=1)
    assert places.server.calls == ["PUT /locations/L2"] and places.server.stock["L2"]["TEE"] == 4


async def test_buffer_and_cap_hold_at_each_location(places: Places) -> None:
    await places.change(stock_buffer=2, stock_cap=10)
    await places.map(north="L1", south="L1", east="L2")
    await places.level("MUG", "north", 4)
    await places.level("MUG", "south", 4)
    await places.sent("MUG", "east", 50)
    assert [places.server.stock[name]["MUG"] for name in ("L1", "L2")] == [6, 10]


async def test_a_warehouse_that_does_not_feed_the_channel_needs_no_mapping(places: Places) -> None:
    await places.change(stock_warehouses=("south",))
    await places.map(south="L1")
    row = await places.sent("MUG", "north", 4)
    assert (row.state, row.code) == ("skipped", "stock_not_sent") and "'north'" in row.sentence
    assert await places.tasks() == [] and places.server.calls == []


async def test_a_location_that_fails_is_tried_again_and_the_other_is_not_sent_again(places: Places) -> None:
    await places.map(north="L1", east="L2")
    places.server.broken.add("L1")
    failed, sound = await places.level("MUG", "north", 4), await places.level("MUG", "east", 5)
    await places.house.work_off()
    assert (await places.house.delivery(failed)).state == "waiting"
    assert (await places.house.delivery(sound)).state == "done"
    places.server.broken.clear()
    places.server.calls.clear()
    places.house.clock.advance(600)
    assert (await places.run(failed)).state == "done"
    assert places.server.calls == ["PUT /locations/L1"]
    assert places.server.stock["L1"]["MUG"] == 4


async def test_after_a_failed_write_nothing_is_taken_for_confirmed_at_the_location(places: Places) -> None:
    await places.house.map_skus({"MUG": "CUP"})
    await places.map(north="L1")
    await places.sent("CUP", "north", 9, version=1)
    assert await places.known() == {("L1", "MUG"): 9}
    places.server.broken.add("L1")
    assert (await places.sent("CUP", "north", 4, version=2)).state == "waiting"
    assert await places.known() == {}


async def test_a_tick_corrects_what_differs_at_each_location_and_says_what_it_left_out(places: Places) -> None:
    await places.change(stock_mode="schedule")
    await places.map(north="L1", south="L1", east="L2")
    for warehouse, total in (("north", 4), ("south", 1), ("east", 7)):
        assert (await places.sent("MUG", warehouse, total)).code == "stock_on_schedule"
    places.server.stock["L2"]["MUG"] = 7
    row = await places.tick("inventory_export")
    assert (row.state, row.code) == ("done", "ok") and "1 of 2 quantities corrected" in row.sentence
    assert places.server.calls == ["GET /locations", "PUT /locations/L1"]
    assert places.server.stock["L1"]["MUG"] == 5
    assert await places.known() == {("L1", "MUG"): 5, ("L2", "MUG"): 7}
    await places.level("MUG", "west", 3)
    row = await places.tick("inventory_export")
    assert row.code == "warehouse_unmapped" and "west" in row.sentence


async def test_a_warehouse_that_moves_to_another_location_takes_its_stock_along_with_the_next_tick(
    places: Places,
) -> None:
    await places.map(north="L1", south="L1")
    await places.level("MUG", "north", 4)
    await places.sent("MUG", "south", 3)
    await places.map(north="L2")
    await places.tick("inventory_export")
    assert [places.server.stock[name]["MUG"] for name in ("L1", "L2")] == [3, 4]


async def test_differences_are_told_by_the_warehouse_whose_stock_it_is(places: Places) -> None:
    await places.map(north="L1", south="L1", east="L2")
    places.server.stock = {"L1": {"MUG": 4}, "L2": {"MUG": 5}}
    assert (await places.tick("inventory_import")).state == "done"
    shared, own = await places.told()
    assert (shared["location"], shared["warehouse"], shared["warehouses"]) == ("L1", None, ["north", "south"])
    assert (own["location"], own["warehouse"], own["warehouses"]) == ("L2", "east", ["east"])
    assert [(each["sku"], each["quantity"], each["previous"]) for each in (shared, own)] == [
        ("MUG", 4, None), ("MUG", 5, None)
    ]  # fmt: skip
    places.server.stock["L2"]["MUG"] = 6
    await places.tick("inventory_import")
    *_, last = await places.told()
    assert (len(await places.told()), last["warehouse"], last["quantity"], last["previous"]) == (3, "east", 6, 5)


async def test_what_a_location_confirmed_is_no_difference(places: Places) -> None:
    await places.map(north="L1")
    await places.sent("MUG", "north", 4)
    places.server.stock = {"L1": {"MUG": 4}}
    await places.tick("inventory_import")
    assert await places.told() == []


async def test_a_location_without_warehouse_is_left_out_named_and_told_of_once_it_has_one(places: Places) -> None:
    await places.house.map_skus({"MUG": ("CUP", 6)})
    await places.map(east="L2")
    places.server.stock = {"L1": {"MUG": 4}, "L2": {"TEE": 5}}
    row = await places.tick("inventory_import")
    assert (row.code, "'L1'" in row.sentence) == ("location_unmapped", True)
    assert [each["location"] for each in await places.told()] == ["L2"]
    await places.map(north="L1")
    assert (await places.tick("inventory_import")).code == "ok"
    *_, last = await places.told()
    assert (last["sku"], last["quantity"], last["channel_sku"], last["warehouse"]) == ("CUP", 24, "MUG", "north")


async def test_a_location_that_gets_another_warehouse_is_told_anew_and_the_others_are_not(places: Places) -> None:
    await places.map(north="L1", east="L2")
    places.server.stock = {"L1": {"MUG": 4}, "L2": {"MUG": 5}}
    await places.tick("inventory_import")
    await places.map(east="L1")
    await places.map(north="L2")
    await places.map(north="L2")
    await places.tick("inventory_import")
    told = [(each["location"], each["warehouse"]) for each in await places.told()]
    assert told == [("L1", "north"), ("L2", "east"), ("L1", "east"), ("L2", "north")]
    await places.tick("inventory_import")
    assert len(await places.told()) == 4


async def test_a_mapping_that_another_process_saved_is_seen(places: Places, tmp_path: Path) -> None:
    message = await places.level("MUG", "north", 4)
    assert (await places.run(message)).state == "parked"
    url = f"sqlite:///{tmp_path / 'towpath.db'}"
    async with small_house(url, clock=places.house.clock, domain=places.house.domain) as other:
        row = WarehouseMapping("north", "L1")
        assert (await other.mappings.save("acme", "main", row, "tester")).deliveries == 1
    places.house.clock.advance(60)
    assert (await places.run(message)).state == "done"


async def test_a_new_channel_of_the_platform_takes_warehouse_mappings(places: Places) -> None:
    new = NewChannel("acme", "second", "Second", NAME, "second.example.com", "token", ChannelSettings(**FAST))
    await places.house.operations.create_channel(new)
    await places.house.operations.ensure_mapping("acme", "second", MappingKind.WAREHOUSE)


async def test_a_shop_without_locations_takes_no_warehouse_mapping(house: SmallHouse) -> None:
    with pytest.raises(InputError, match="has no Warehouse mappings"):
        await house.operations.ensure_mapping("acme", "main", MappingKind.WAREHOUSE)
