"""One shop server for the whole run, emptied before each test, with a clock the tests turn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.bright_sites import RunningShop, Shop, ShopSettings
from tests.sandbox.bright_sites.helpers import Caller, HandClock

SMALL = ShopSettings(products=4, variants=4, gift_certificate_share=0.0, guest_share=0.0)


@pytest.fixture(scope="session")
def hand_clock() -> HandClock:
    return HandClock()


@pytest.fixture(scope="session")
def server(hand_clock: HandClock) -> Iterator[RunningShop]:
    with RunningShop(Shop(SMALL, hand_clock), "127.0.0.1", 0).start() as running:
        yield running


@pytest.fixture
def running(server: RunningShop, hand_clock: HandClock) -> RunningShop:
    hand_clock.reset()
    server.shop.reset(SMALL)
    return server


@pytest.fixture
def clock(running: RunningShop, hand_clock: HandClock) -> HandClock:
    return hand_clock


@pytest.fixture
def shop(running: RunningShop) -> Shop:
    return running.shop


@pytest.fixture
def api(running: RunningShop) -> Iterator[Caller]:
    with Caller(running.url + "/api/v2.7.0", {"X-API-TOKEN": "sandbox-read-write"}) as caller:
        yield caller


@pytest.fixture
def control(running: RunningShop) -> Iterator[Caller]:
    with Caller(running.control_url, {}) as caller:
        yield caller
