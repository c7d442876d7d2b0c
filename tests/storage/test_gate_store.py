"""The shared side of the gates: one pace and one closure per channel, for all processes together."""

from __future__ import annotations

import asyncio

import pytest

from storage.gate_store import SqlGateStore
from storage.tables import gates
from tests.storage.conftest import Opened
from tests.storage.support import Site, TestClock


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture
def stores(open_site: Opened, clock: TestClock) -> tuple[SqlGateStore, SqlGateStore]:
    """The gates as two processes see them."""
    return SqlGateStore(open_site().database, clock), SqlGateStore(open_site().database, clock)


@pytest.fixture
def store(stores: tuple[SqlGateStore, SqlGateStore]) -> SqlGateStore:
    return stores[0]


async def test_a_burst_is_granted_at_once_and_then_the_pace_holds_for_all_processes_together(
    stores: tuple[SqlGateStore, SqlGateStore], clock: TestClock
) -> None:
    granted = 0
    for step in range(100):
        for store in stores:
            granted += (await store.reserve("c", 3, 10, 5)).granted
        if step == 0:
            assert granted == 5
        clock.advance(0.1)
    assert 5 + 98 <= granted <= 5 + 100


async def test_the_wait_that_is_told_is_just_long_enough(store: SqlGateStore, clock: TestClock) -> None:
    assert (await store.reserve("c", 5, 4, 2)).granted == 2
    refused = await store.reserve("c", 1, 4, 2)
    assert refused.granted == 0
    assert 0.24 < refused.wait <= 0.26
    clock.advance(refused.wait - 0.01)
    assert (await store.reserve("c", 1, 4, 2)).granted == 0
    clock.advance(0.01)
    assert (await store.reserve("c", 1, 4, 2)).granted == 1


async def test_a_pause_does_not_save_up_more_than_the_burst(store: SqlGateStore, clock: TestClock) -> None:
    await store.reserve("c", 5, 10, 5)
    clock.advance(3600)
    assert (await store.reserve("c", 100, 10, 5)).granted == 5


async def test_each_channel_has_its_own_pace(store: SqlGateStore) -> None:
    assert (await store.reserve("a", 5, 10, 5)).granted == 5
    assert (await store.reserve("b", 5, 10, 5)).granted == 5


async def test_processes_that_ask_for_the_first_time_at_once_share_one_burst(
    stores: tuple[SqlGateStore, SqlGateStore],
) -> None:
    for channel in range(5):
        answers = await asyncio.gather(*(store.reserve(str(channel), 3, 1, 5) for store in stores * 4))
        assert sum(answer.granted for answer in answers) == 5


async def test_a_closed_gate_grants_nothing_to_any_process_until_its_time(
    stores: tuple[SqlGateStore, SqlGateStore], clock: TestClock
) -> None:
    one, other = stores
    await one.reserve("c", 1, 10, 5)
    await one.close("c", "shop_down", 8, 2, "The shop is down.")
    clock.advance(5)
    answer = await other.reserve("c", 1, 10, 5)
    assert (answer.granted, answer.closed_for, answer.cause, answer.sentence) == (
        0,
        3,
        "shop_down",
        "The shop is down.",
    )
    clock.advance(3)
    assert (await other.reserve("c", 1, 10, 5)).granted == 1


async def test_closing_keeps_the_longer_closure_with_its_reason(store: SqlGateStore, clock: TestClock) -> None:
    await store.close("c", "unauthorized", 60, 1, "The token is wrong.")
    await store.close("c", "shop_down", 4, 2, "The shop is down.")
    answer = await store.reserve("c", 1, 10, 5)
    assert (answer.closed_for, answer.cause, answer.sentence) == (60, "unauthorized", "The token is wrong.")
    await store.close("c", "shop_down", 90, 3, "The shop is down.")
    answer = await store.reserve("c", 1, 10, 5)
    assert (answer.closed_for, answer.cause) == (90, "shop_down")


async def test_an_opened_gate_grants_at_once_and_keeps_the_pace(
    stores: tuple[SqlGateStore, SqlGateStore],
) -> None:
    one, other = stores
    assert (await one.reserve("c", 4, 1, 5)).granted == 4
    await one.close("c", "throttled", 60, 1, "Too many calls.")
    await other.open("c")
    assert (await one.reserve("c", 5, 1, 5)).granted == 1


async def test_opening_a_gate_that_was_never_closed_does_nothing(store: SqlGateStore, open_site: Opened) -> None:
    await store.open("c")
    assert open_site().rows(gates) == []


async def test_a_closure_stands_in_the_list_of_channels(site: Site) -> None:
    store = SqlGateStore(site.database, site.clock)
    await store.close(site.main, "shop_down", 30, 1, "The shop is down.")
    states = {row.code: (row.state, row.state_reason) for row in await site.desk.channels("acme")}
    assert states == {
        "main": ("shop_down", "The shop is down. Next try in 30 s."),
        "outlet": ("connected", ""),
    }


async def test_a_new_token_opens_a_gate_that_closed_for_the_old_one(site: Site) -> None:
    store = SqlGateStore(site.database, site.clock)
    await store.close(site.main, "unauthorized", 60, 1, "The token is wrong.")
    await store.close(site.channels["outlet"], "shop_down", 60, 1, "The shop is down.")
    for channel in ("main", "outlet"):
        await site.desk.change_channel("acme", channel, token="new-token-4321")
    assert (await store.reserve(site.main, 1, 10, 5)).granted == 1
    assert (await store.reserve(site.channels["outlet"], 1, 10, 5)).granted == 0
