from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from connectors.bright_sites.inventory_cache import InventoryCache, StockRow
from domain.errors import ShopDown

ROWS = [StockRow("A-1", 1, 11, 5), StockRow("A-2", 1, 12, 6), StockRow("B-1", 2, 21, 7)]


class Source:
    """Stands for the shop: counts readings, may fail, may be slow."""

    def __init__(self, rows: Iterable[StockRow] = ROWS) -> None:
        self.rows = list(rows)
        self.readings = 0
        self.failure: Exception | None = None
        self.now = 1000.0

    def cache(self) -> InventoryCache:
        return InventoryCache(ttl_seconds=3600, refresh_seconds=60, monotonic=lambda: self.now)

    async def load(self) -> list[StockRow]:
        self.readings += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return self.rows


async def test_a_known_sku_is_found_without_a_second_reading() -> None:
    source = Source()
    cache = source.cache()
    assert await cache.locate(["A-1", "B-1"], source.load) == {"A-1": ROWS[0], "B-1": ROWS[2]}
    assert await cache.locate(["A-2"], source.load) == {"A-2": ROWS[1]}
    assert source.readings == 1


async def test_many_at_once_share_one_reading() -> None:
    source = Source()
    cache = source.cache()
    found = await asyncio.gather(*(cache.locate(["A-1"], source.load) for _ in range(50)))
    assert all(each == {"A-1": ROWS[0]} for each in found)
    assert source.readings == 1


async def test_a_missing_sku_causes_a_reading_at_most_once_a_minute() -> None:
    source = Source()
    cache = source.cache()
    await cache.locate(["A-1"], source.load)
    for seconds, readings in ((59, 1), (1, 2), (0, 2), (59.9, 2), (0.1, 3)):
        source.now += seconds
        assert await cache.locate(["NEW"], source.load) == {}
        assert source.readings == readings
    source.rows = [*ROWS, StockRow("NEW", 3, 31, 0)]
    source.now += 60
    assert set(await cache.locate(["NEW"], source.load)) == {"NEW"}


async def test_what_is_older_than_its_time_is_read_again() -> None:
    source = Source()
    cache = source.cache()
    await cache.locate(["A-1"], source.load)
    source.now += 3599
    await cache.locate(["A-1"], source.load)
    assert source.readings == 1
    source.now += 1
    await cache.locate(["A-1"], source.load)
    assert source.readings == 2


async def test_a_failed_first_reading_is_told_and_tried_again_by_the_next() -> None:
    source = Source()
    cache = source.cache()
    source.failure = ShopDown("down")
    with pytest.raises(ShopDown):
        await cache.locate(["A-1"], source.load)
    source.failure = None
    assert set(await cache.locate(["A-1"], source.load)) == {"A-1"}


async def test_a_failed_search_for_a_missing_sku_leaves_the_known_ones_usable() -> None:
    source = Source()
    cache = source.cache()
    await cache.locate(["A-1"], source.load)
    source.now += 60
    source.failure = ShopDown("down")
    with pytest.raises(ShopDown):
        await cache.locate(["A-1", "NEW"], source.load)
    assert set(await cache.locate(["A-1", "NEW"], source.load)) == {"A-1"}


async def test_a_reader_that_is_cancelled_leaves_the_work_to_the_next() -> None:
    source = Source()
    cache = source.cache()
    reader = asyncio.create_task(cache.locate(["A-1"], source.load))
    waiter = asyncio.create_task(cache.locate(["A-2"], source.load))
    await asyncio.sleep(0)
    reader.cancel()
    assert set(await waiter) == {"A-2"}
    assert source.readings == 2


async def test_a_forgotten_row_is_missing_until_it_is_read_again() -> None:
    source = Source()
    cache = source.cache()
    await cache.locate(["A-1"], source.load)
    cache.forget("A-1")
    assert await cache.locate(["A-1"], source.load) == {}
    source.now += 60
    assert set(await cache.locate(["A-1"], source.load)) == {"A-1"}


async def test_of_two_rows_of_one_sku_the_first_listed_counts() -> None:
    source = Source([StockRow("X", 1, 11, 0), StockRow("X", 2, 21, 0)])
    found = await source.cache().locate(["X"], source.load)
    assert found["X"].row_id == 11
