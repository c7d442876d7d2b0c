"""Stock at locations: what was confirmed stands against what was seen before, each location by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Connection, inspect, text

from domain.location_stock import LocationSku, LocationStock
from domain.mappings import SkuMapping, WarehouseMapping
from domain.outcomes import Effects
from domain.stock import ConfirmedStock
from storage.database import Database
from storage.mappings.sql_mappings import SqlMappings
from storage.schema import VERSIONS, config, present, upgrade
from tests.storage.support import START, Site, done, retry, stock, tick

NORTH, SOUTH = LocationSku("north", "MUG"), LocationSku("south", "MUG")
ROWS = (
    "INSERT INTO organizations (id, name, created_at) VALUES ('o-1', 'Org', 0)",
    "INSERT INTO accounts (id, organization_id, code, name, timezone, created_at) "
    "VALUES ('a-1', 'o-1', 'acme', 'Acme', 'UTC', 0)",
    "INSERT INTO channels (id, account_id, code, name, platform, domain, token, settings, created_at) "
    "VALUES ('c-1', 'a-1', 'main', 'x', 'bright_sites', 'shop.example.com', 't', '{}', 0)",
    "INSERT INTO channel_stock (channel_id, sku, quantity, confirmed_at) VALUES ('c-1', 'MUG', 5, 0)",
)


async def remember(site: Site, *records: LocationStock | ConfirmedStock) -> None:
    await site.admit(tick("product_import"))
    await site.settle(await site.take(), lambda each: done(each, Effects(records=records)))


async def test_each_location_has_its_own_quantity_beside_that_of_shops_without(site: Site) -> None:
    await remember(site, LocationStock(*NORTH, 5), LocationStock(*SOUTH, 7), ConfirmedStock("MUG", 1))
    await remember(site, LocationStock(*NORTH, 6))
    assert await site.memory.location_stock(site.main, None) == {NORTH: 6, SOUTH: 7}
    assert await site.memory.location_stock(site.main, ["MUG", "CUP"]) == {NORTH: 6, SOUTH: 7}
    assert await site.memory.location_stock(site.main, ["CUP"]) == {}
    assert await site.memory.location_stock(site.channels["outlet"], None) == {}
    assert await site.memory.confirmed_stock(site.main, None) == {"MUG": 1}


async def test_what_a_shop_confirmed_stands_against_what_it_showed_before(site: Site) -> None:
    await remember(site, LocationStock(*NORTH, 5), LocationStock(*SOUTH, 7, START - timedelta(seconds=1)))
    await remember(site, LocationStock(*NORTH, 4, START - timedelta(seconds=1)), LocationStock(*SOUTH, 8, START))
    assert await site.memory.location_stock(site.main, None) == {NORTH: 5, SOUTH: 8}
    await remember(site, LocationStock(*SOUTH, 9))
    assert await site.memory.location_stock(site.main, None) == {NORTH: 5, SOUTH: 9}


async def test_what_may_or_may_not_have_been_written_is_known_at_no_location(site: Site) -> None:
    cup = LocationSku("north", "CUP")
    await remember(site, LocationStock(*NORTH, 5), LocationStock(*SOUTH, 7), LocationStock(*cup, 1))
    await site.admit(stock("MUG", 2))
    await site.settle(await site.take(), retry(60, unsure=True))
    assert await site.memory.location_stock(site.main, None) == {cup: 1}


async def test_what_another_sku_or_warehouse_stands_for_now_is_forgotten_there_alone(site: Site) -> None:
    mappings = SqlMappings(site.database, site.directory, site.clock)
    cup = LocationSku("north", "CUP")
    await remember(site, LocationStock(*NORTH, 5), LocationStock(*SOUTH, 7), LocationStock(*cup, 1))
    await mappings.save("acme", "main", SkuMapping("CUP", "OMS-CUP"), "tester")
    assert await site.memory.location_stock(site.main, None) == {NORTH: 5, SOUTH: 7}
    await mappings.save("acme", "main", WarehouseMapping("w1", "south"), "tester")
    assert await site.memory.location_stock(site.main, None) == {NORTH: 5}


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of version 0010 in use: a channel whose shop confirmed stock."""
    url = f"sqlite:///{tmp_path}/t.db" if request.param == "sqlite" else request.getfixturevalue("postgresql_database")

    def furnish(connection: Connection) -> None:
        command.upgrade(config(connection), "0010")
        for statement in ROWS:
            connection.execute(text(statement))

    made = Database(url)
    made.write(furnish)
    yield made
    made.close()


def test_version_0011_leaves_what_shops_confirmed_as_it_is_and_can_be_taken_back(database: Database) -> None:
    def confirmed(connection: Connection) -> list[tuple[object, ...]]:
        return [tuple(row) for row in connection.execute(text("SELECT sku, quantity FROM channel_stock"))]

    assert database.write(upgrade)[1] == VERSIONS[-1]
    assert database.read(confirmed) == [("MUG", 5)]
    database.write(lambda connection: command.downgrade(config(connection), "0010"))
    assert database.read(present) == "0010" and database.read(confirmed) == [("MUG", 5)]
    assert "location_stock" not in database.read(lambda connection: inspect(connection).get_table_names())
    assert database.write(upgrade)[1] == VERSIONS[-1]
