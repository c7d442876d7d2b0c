"""One sandbox shop for the whole run, emptied before each test, and a house whose channel is that shop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from sandbox.bright_sites import RunningShop, Shop, ShopSettings
from tests.consumers.store import Store
from tests.house import house, plain_logs, small_house, sqlite_url
from tests.moody import HandClock

__all__ = ["clock", "house", "plain_logs", "shop_clock", "shop_server", "store"]

SMALL = ShopSettings(products=4, variants=4, gift_certificate_share=0.0, guest_share=0.0)


@pytest.fixture(scope="session")
def shop_clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def shop_server(shop_clock: HandClock) -> Iterator[RunningShop]:
    with RunningShop(Shop(SMALL, shop_clock), "127.0.0.1", 0).start() as running:
        yield running


@pytest.fixture
def clock(shop_clock: HandClock) -> HandClock:
    """One clock for the shop and the house."""
    shop_clock.reset()
    return shop_clock


@pytest.fixture
async def store(shop_server: RunningShop, clock: HandClock, tmp_path: Path) -> AsyncIterator[Store]:
    """A house whose channel ``main`` is the sandbox shop."""
    shop_server.shop.reset(SMALL)
    domain = shop_server.url.removeprefix("http://")
    async with small_house(sqlite_url(tmp_path), clock=clock, domain=domain) as house:
        yield Store(house, shop_server.shop)
