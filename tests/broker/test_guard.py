from __future__ import annotations

import pytest

from broker.gates import GateClosed, Gates
from broker.guard import FreeGuard, RunGuard
from domain.channels import Channel
from domain.errors import LeaseLost, ShopThrottled, StorageUnavailable
from domain.ports import CallGuard
from domain.synclog import ApiCall
from storage.gate_store import SqlGateStore
from tests.house import SmallHouse

READ = ApiCall("GET", "/orders", 200, 3, 10)
THROTTLED = ApiCall("GET", "/orders", 429, 3, 10)


async def channel_of(house: SmallHouse) -> Channel:
    found = await house.ledger.channel(house.channel_id)
    assert found is not None
    return found


async def guard_of(house: SmallHouse, *, seconds: float = 60.0, margin: float = 35.0) -> RunGuard:
    return RunGuard(await house.lease(seconds=seconds, margin=margin), house.gates)


async def test_a_call_passes_with_a_lease_long_enough_and_an_open_gate(house: SmallHouse) -> None:
    guard = await guard_of(house)
    await guard.before(await channel_of(house), "/orders", writes=False)
    assert not guard.wrote


async def test_a_lease_too_short_for_a_call_lets_none_pass(house: SmallHouse) -> None:
    guard = await guard_of(house, seconds=30.0)
    with pytest.raises(LeaseLost, match="35 s are needed"):
        await guard.before(await channel_of(house), "/orders", writes=True)
    assert not guard.wrote


async def test_a_write_that_began_is_remembered_also_when_its_answer_never_came(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    await guard.before(channel, "/orders", writes=False)
    await guard.before(channel, "/orders", writes=True)
    await guard.before(channel, "/orders", writes=False)
    assert guard.wrote


async def test_calls_are_recorded_in_the_order_they_ended(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    guard.after(channel, READ, None)
    guard.after(channel, THROTTLED, ShopThrottled("Wait.", retry_after=30.0))
    assert guard.calls == [READ, THROTTLED]


async def test_what_a_call_met_closes_the_gate_before_the_next_call_of_the_run(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    await guard.before(channel, "/orders", writes=False)
    guard.after(channel, THROTTLED, ShopThrottled("Wait.", retry_after=30.0))
    with pytest.raises(GateClosed) as refused:
        await guard.before(channel, "/orders", writes=True)
    assert refused.value.cause == "throttled" and 29 < refused.value.seconds < 31
    assert not guard.wrote


async def test_what_a_call_met_is_told_to_the_other_processes_at_the_end_of_the_run(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    guard.after(channel, THROTTLED, ShopThrottled("Wait.", retry_after=30.0))
    await guard.tell_gates()
    with pytest.raises(GateClosed):
        await Gates(SqlGateStore(house.database, house.clock)).enter(channel)


async def test_a_wait_for_the_permit_that_used_up_the_lease_lets_no_call_pass(house: SmallHouse) -> None:
    await house.change(calls_per_second=1.0, burst=1)
    guard, channel = await guard_of(house, seconds=5.0, margin=4.3), await channel_of(house)
    await guard.before(channel, "/orders", writes=False)
    with pytest.raises(LeaseLost):
        await guard.before(channel, "/orders", writes=True)
    assert not guard.wrote


async def test_a_database_that_is_away_is_said_and_never_taken_for_an_open_gate(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    house.database.close()
    with pytest.raises(StorageUnavailable):
        await guard.before(channel, "/orders", writes=True)
    assert not guard.wrote


async def test_a_persons_own_question_passes_whatever_the_gate_says(house: SmallHouse) -> None:
    channel = await channel_of(house)
    await house.gates.report(channel, ShopThrottled("Wait.", retry_after=30.0))
    guard: CallGuard = FreeGuard()
    await guard.before(channel, "/orders", writes=True)
    guard.after(channel, READ, None)
