"""The shared side of the gates: one pace and what is closed of each channel, for all processes together."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from broker.breaker import WHOLE, Closure
from broker.gates import Reservation
from storage.gate_store import SqlGateStore
from storage.tables import gates
from tests.storage.conftest import Opened
from tests.storage.support import Site, TestClock

POST, STOCK = "POST /orders/{order_id}/shipments", "PUT /inventories/{product_id}/batch_update"


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
    await one.close("c", Closure("shop_down", 8, "The shop is down.", closings=2))
    clock.advance(5)
    answer = await other.reserve("c", 1, 10, 5)
    assert answer == Reservation(0, closures=(Closure("shop_down", 3, "The shop is down.", closings=2),))
    clock.advance(3)
    assert await other.reserve("c", 1, 10, 5) == Reservation(1)


async def test_a_closed_operation_is_told_with_the_permits_of_its_channel_to_any_process_until_its_time(
    stores: tuple[SqlGateStore, SqlGateStore], clock: TestClock
) -> None:
    one, other = stores
    post, stock = Closure("shop_down", 8, "It failed.", POST, 2), Closure("shop_down", 6, "It broke.", STOCK)
    await one.close("c", post)
    await one.close("c", stock)
    await one.close("d", Closure("shop_down", 60, "Elsewhere.", POST))
    clock.advance(5)
    told = (replace(post, seconds=3), replace(stock, seconds=1))
    assert await other.reserve("c", 4, 10, 5) == Reservation(4, closures=told)
    refused = await other.reserve("c", 2, 1, 1)
    assert (refused.granted, refused.closures) == (0, told) and refused.wait > 0
    clock.advance(1)
    assert (await other.reserve("c", 1, 10, 5)).closures == (replace(post, seconds=2),)
    clock.advance(2)
    assert await other.reserve("c", 1, 10, 5) == Reservation(1)


async def test_a_closure_of_the_whole_channel_is_told_alone(store: SqlGateStore) -> None:
    whole = Closure("throttled", 30, "Too many calls.")
    await store.close("c", Closure("shop_down", 60, "It failed.", POST))
    await store.close("c", whole)
    assert await store.reserve("c", 1, 10, 5) == Reservation(0, closures=(whole,))
    await store.open("c", WHOLE)
    assert [each.operation for each in (await store.reserve("c", 1, 10, 5)).closures] == [POST]


@pytest.mark.parametrize("operation", [WHOLE, POST])
async def test_closing_keeps_the_longer_closure_with_its_reason(
    store: SqlGateStore, clock: TestClock, operation: str
) -> None:
    long, short = Closure("unauthorized", 60, "The token is wrong.", operation), Closure("shop_down", 4, "", operation)
    longer = Closure("shop_down", 90, "The shop is down.", operation, 3)
    for closure, kept in ((long, long), (short, long), (longer, longer)):
        await store.close("c", closure)
        assert (await store.reserve("c", 1, 10, 5)).closures == (kept,)


async def test_an_opened_gate_grants_at_once_and_keeps_the_pace(
    stores: tuple[SqlGateStore, SqlGateStore],
) -> None:
    one, other = stores
    assert (await one.reserve("c", 4, 1, 5)).granted == 4
    await one.close("c", Closure("throttled", 60, "Too many calls."))
    await other.open("c", WHOLE)
    assert (await one.reserve("c", 5, 1, 5)).granted == 1


async def test_opening_an_operation_leaves_the_others_closed_and_no_row_of_its_own(
    store: SqlGateStore, open_site: Opened
) -> None:
    for operation in (POST, STOCK):
        await store.close("c", Closure("shop_down", 60, "It failed.", operation))
    await store.open("c", POST)
    assert [each.operation for each in (await store.reserve("c", 1, 10, 5)).closures] == [STOCK]
    assert [row.operation for row in open_site().rows(gates)] == [WHOLE, STOCK]


@pytest.mark.parametrize("operation", [WHOLE, POST])
async def test_opening_a_gate_that_was_never_closed_does_nothing(
    store: SqlGateStore, open_site: Opened, operation: str
) -> None:
    await store.open("c", operation)
    assert open_site().rows(gates) == []


async def test_an_operation_that_closes_and_opens_while_others_ask_for_permits_holds_up_nobody(
    stores: tuple[SqlGateStore, SqlGateStore],
) -> None:
    one, other = stores

    async def ask() -> int:
        return sum([(await other.reserve("c", 1, 1000, 100)).granted for _ in range(20)])

    async def move(operation: str) -> None:
        for _ in range(10):
            await one.close("c", Closure("shop_down", 60, "It failed.", operation))
            await one.open("c", operation)

    async with asyncio.timeout(30):
        granted = await asyncio.gather(ask(), ask(), move(POST), move(STOCK))
    assert granted[0] + granted[1] == 40


async def states(site: Site) -> dict[str, tuple[str, str]]:
    """How the channels of an account stand, and why."""
    return {row.code: (row.state, row.state_reason) for row in await site.desk.channels("acme")}


async def test_a_closure_stands_in_the_list_of_channels(site: Site) -> None:
    store = SqlGateStore(site.database, site.clock)
    await store.close(site.main, Closure("shop_down", 60, "It failed.", POST))
    await store.close(site.main, Closure("shop_down", 30, "The shop is down."))
    assert await states(site) == {
        "main": ("shop_down", "The shop is down. Next try in 30 s."),
        "outlet": ("connected", ""),
    }


async def test_a_closed_operation_stands_in_the_list_of_channels_by_its_name_until_its_time(site: Site) -> None:
    store = SqlGateStore(site.database, site.clock)
    await store.reserve(site.main, 1, 10, 5)
    await store.close(site.main, Closure("shop_down", 30, "Creating it failed (503).", POST))
    await store.close(site.main, Closure("shop_down", 60, "Setting it failed (502).", STOCK))
    told = "The shop fails at {}: this call is held back, all others go on. Last: {} Next try in {} s."
    post = told.format(POST, "Creating it failed (503).", 30)
    stock = told.format(STOCK, "Setting it failed (502).", 60)
    assert (await states(site))["main"] == ("partly_down", f"{post} {stock}")
    site.clock.advance(59)
    assert (await states(site))["main"][1] == told.format(STOCK, "Setting it failed (502).", 1)
    site.clock.advance(1)
    assert (await states(site))["main"] == ("connected", "")


async def test_a_new_token_opens_a_gate_that_closed_for_the_old_one(site: Site) -> None:
    store = SqlGateStore(site.database, site.clock)
    await store.close(site.main, Closure("unauthorized", 60, "The token is wrong."))
    await store.close(site.channels["outlet"], Closure("shop_down", 60, "The shop is down."))
    for channel in ("main", "outlet"):
        await site.desk.change_channel("acme", channel, token="new-token-4321")
    assert (await store.reserve(site.main, 1, 10, 5)).granted == 1
    assert (await store.reserve(site.channels["outlet"], 1, 10, 5)).granted == 0
