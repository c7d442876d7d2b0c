"""A sandbox shop for the connection test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sandbox.bright_sites import RunningShop, ShopSettings, start_in_thread
from tests.house import SmallHouse, small_house, sqlite_url
from tests.moody import HandClock

SMALL = ShopSettings(products=1, variants=1)


@pytest.fixture(scope="module")
def running_shop() -> Iterator[RunningShop]:
    with start_in_thread(SMALL) as running:
        yield running


@pytest.fixture
def shop_server(running_shop: RunningShop) -> RunningShop:
    """A shop nobody has called yet."""
    running_shop.shop.reset(SMALL)
    return running_shop


@pytest.fixture
async def shop_house(shop_server: RunningShop, clock: HandClock, tmp_path: Path) -> AsyncIterator[SmallHouse]:
    """A house whose channel ``main`` is that shop."""
    domain = shop_server.url.removeprefix("http://")
    async with small_house(sqlite_url(tmp_path), clock=clock, domain=domain) as house:
        yield house
