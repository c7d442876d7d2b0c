"""Gates and the API-call budget: whom a process lets through, and what it gives back."""

from __future__ import annotations

import pytest

from broker.gates import GateClosed, Gates
from domain.budget import CallClass, Cause
from domain.channels import Channel
from storage.gate_store import SqlGateStore
from tests.house import FAST, SmallHouse

GET = "GET /orders/{id}"


async def budgeted(house: SmallHouse, **settings: object) -> Channel:
    await house.change(**{**FAST, **settings})
    found = await house.ledger.channel(house.channel_id)
    assert found is not None
    return found


async def used(house: SmallHouse) -> int:
    return (await house.operations.calls.budget("acme", "main")).windows[0].used


async def calls_until_held(gates: Gates, channel: Channel, call_class: CallClass) -> int:
    """How many calls a class may make."""
    made = 0
    while True:
        try:
            await gates.enter(channel, GET, call_class)
        except GateClosed as held:
            assert held.cause == "budget"
            return made
        made += 1


async def test_classes_are_held_one_after_the_other_in_one_process_too(house: SmallHouse) -> None:
    channel = await budgeted(house, calls_per_day=40)
    made = [
        await calls_until_held(house.gates, channel, each)
        for each in (CallClass.PRODUCTS, CallClass.STOCK, CallClass.ORDERS)
    ]
    assert made == [36, 2, 2]
    await house.gates.enter(channel, GET, CallClass.UPKEEP)


async def test_permits_reserved_for_orders_serve_no_products(house: SmallHouse) -> None:
    channel = await budgeted(house, calls_per_day=2000)
    await house.operations.calls.note(channel, "x", Cause.FIRST_TRY, 1800)
    await house.gates.enter(channel, GET, CallClass.ORDERS)
    with pytest.raises(GateClosed) as held:
        await house.gates.enter(channel, GET, CallClass.PRODUCTS)
    assert "products until" in str(held.value) and held.value.seconds > 0
    await house.gates.enter(channel, GET, CallClass.ORDERS)


async def test_two_processes_together_make_exactly_the_calls_of_the_budget(house: SmallHouse) -> None:
    channel = await budgeted(house, calls_per_day=30)
    other = Gates(SqlGateStore(house.database, house.clock))
    made = 0
    for gates in (house.gates, other, house.gates, other):
        for _ in range(5):
            await gates.enter(channel, GET)
            made += 1
    for gates in (house.gates, other):
        made += await calls_until_held(gates, channel, CallClass.ORDERS)
    await house.gates.give_back(all_of_them=True)
    await other.give_back(all_of_them=True)
    made += await calls_until_held(Gates(SqlGateStore(house.database, house.clock)), channel, CallClass.ORDERS)
    assert made == 30 == await used(house)


async def test_what_a_process_does_not_use_is_given_back_when_it_stops(house: SmallHouse) -> None:
    channel = await budgeted(house)
    await house.gates.enter(channel, GET)
    assert await used(house) > 1
    await house.gates.give_back()
    assert await used(house) > 1, "permits that are fresh may still be used"
    await house.gates.give_back(all_of_them=True)
    assert await used(house) == 1
    await house.gates.give_back(all_of_them=True)
    assert await used(house) == 1


async def test_a_permit_on_which_nothing_was_sent_is_no_call(house: SmallHouse) -> None:
    channel = await budgeted(house)
    await house.gates.enter(channel, GET)
    house.gates.not_used(channel)
    await house.gates.give_back(all_of_them=True)
    assert await used(house) == 0


async def test_a_raised_budget_is_heard_of_at_once(house: SmallHouse) -> None:
    channel = await budgeted(house, calls_per_day=1)
    await house.gates.enter(channel, GET)
    with pytest.raises(GateClosed):
        await house.gates.enter(channel, GET)
    await house.gates.enter(await budgeted(house, calls_per_day=5), GET)
