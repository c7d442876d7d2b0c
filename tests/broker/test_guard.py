from __future__ import annotations

import time
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from broker import gates as gates_module
from broker.breaker import PROBES, STRIKES_TO_CLOSE
from broker.gates import GateClosed, Gates
from broker.guard import FreeGuard, RunGuard
from domain.channels import Channel
from domain.errors import LeaseLost, ShopDown, ShopRejected, ShopThrottled, StorageUnavailable
from domain.ports import CallGuard
from domain.synclog import ApiCall
from storage.gate_store import SqlGateStore
from tests.house import SmallHouse

READ = ApiCall("GET", "/orders", 200, 3, 10)
FAILED = ApiCall("GET", "/orders", 503, 3, 10, "shop_down")
CANCELLED = ApiCall("GET", "/orders", None, 3, 0, "cancelled")
BROKEN = ShopDown("It is broken.", status=503)
THROTTLED = ApiCall("GET", "/orders", 429, 3, 10)


async def channel_of(house: SmallHouse) -> Channel:
    found = await house.ledger.channel(house.channel_id)
    assert found is not None
    return found


async def guard_of(house: SmallHouse, *, seconds: float = 60.0, margin: float = 35.0) -> RunGuard:
    lease = await house.lease(seconds=seconds, margin=margin)
    return RunGuard(lease, house.gates, lease.term)


async def test_a_call_passes_with_a_lease_long_enough_and_an_open_gate(house: SmallHouse) -> None:
    guard = await guard_of(house)
    await guard.before(await channel_of(house), "GET /orders", writes=False)
    assert not guard.wrote


async def test_a_lease_too_short_for_a_call_lets_none_pass(house: SmallHouse) -> None:
    guard = await guard_of(house, seconds=30.0)
    with pytest.raises(LeaseLost, match="35 s are needed"):
        await guard.before(await channel_of(house), "POST /orders", writes=True)
    assert not guard.wrote


async def test_a_shop_that_fails_is_trouble_and_what_is_wrong_with_one_delivery_is_none(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    guard.after(channel, READ, None)
    guard.after(channel, FAILED, ShopRejected("No such order."))
    assert not guard.troubled
    guard.after(channel, FAILED, BROKEN)
    guard.after(channel, READ, None)
    assert guard.troubled


async def test_a_closed_gate_is_trouble_too(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    await house.gates.report(channel, ShopThrottled("Slow down.", retry_after=30.0))
    with pytest.raises(GateClosed):
        await guard.before(channel, "GET /orders", writes=False)
    assert guard.troubled


async def test_a_write_that_began_is_remembered_also_when_its_answer_never_came(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    await guard.before(channel, "GET /orders", writes=False)
    await guard.before(channel, "POST /orders", writes=True)
    await guard.before(channel, "GET /orders", writes=False)
    assert guard.wrote


async def test_calls_are_recorded_in_the_order_they_ended(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    guard.after(channel, READ, None)
    guard.after(channel, THROTTLED, ShopThrottled("Wait.", retry_after=30.0))
    assert guard.calls == [READ, THROTTLED]


async def test_what_a_call_met_closes_the_gate_before_the_next_call_of_the_run(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    await guard.before(channel, "GET /orders", writes=False)
    guard.after(channel, THROTTLED, ShopThrottled("Wait.", retry_after=30.0))
    with pytest.raises(GateClosed) as refused:
        await guard.before(channel, "POST /orders", writes=True)
    assert refused.value.cause == "throttled" and 29 < refused.value.seconds < 31
    assert not guard.wrote


async def test_what_a_call_met_is_told_to_the_other_processes_at_the_end_of_the_run(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    guard.after(channel, THROTTLED, ShopThrottled("Wait.", retry_after=30.0))
    await guard.tell_gates()
    with pytest.raises(GateClosed):
        await Gates(SqlGateStore(house.database, house.clock)).enter(channel)


async def test_an_operation_that_failed_closes_for_the_next_call_of_the_run_and_others_go_on(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    for _ in range(STRIKES_TO_CLOSE):
        await guard.before(channel, "GET /orders", writes=False)
        guard.after(channel, FAILED, BROKEN)
    with pytest.raises(GateClosed, match="The shop fails at GET /orders"):
        await guard.before(channel, "GET /orders", writes=False)
    await guard.before(channel, "POST /orders", writes=True)
    assert house.gates.closed_channels() == []
    refused = Gates(SqlGateStore(house.database, house.clock))
    with pytest.raises(GateClosed, match="The shop fails at GET /orders"):
        await refused.enter(channel, "GET /orders")
    await refused.enter(channel, "POST /orders")


async def test_a_run_whose_operation_was_closed_met_the_shops_trouble_and_one_that_failed_alone_did_not(
    house: SmallHouse,
) -> None:
    channel, runs = await channel_of(house), [await guard_of(house) for _ in range(STRIKES_TO_CLOSE)]
    for guard in runs:
        assert not guard.met_closed_gate(channel.id)
        await guard.before(channel, "GET /orders", writes=False)
        guard.after(channel, FAILED, BROKEN)
        await guard.tell_gates()
    assert [guard.met_closed_gate(channel.id) for guard in runs] == [True] * STRIKES_TO_CLOSE
    other = await guard_of(house)
    await other.before(channel, "POST /orders", writes=True)
    other.after(channel, ApiCall("POST", "/orders", 503, 3, 10, "shop_down"), BROKEN)
    await other.tell_gates()
    assert not other.met_closed_gate(channel.id)
    other.after(channel, THROTTLED, ShopThrottled("Wait.", retry_after=30.0))
    await other.tell_gates()
    assert (await guard_of(house)).met_closed_gate(channel.id), "all of the channel is closed"


async def test_a_probe_that_was_cancelled_or_found_no_lease_leaves_its_place(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    for _ in range(STRIKES_TO_CLOSE):
        await guard.before(channel, "GET /orders", writes=False)
        guard.after(channel, FAILED, BROKEN)
    await guard.tell_gates()
    over = time.monotonic() + 2.0
    house.clock.advance(2.0)
    monkeypatch.setattr(gates_module, "time", SimpleNamespace(monotonic=lambda: over))
    for _ in range(PROBES + 1):
        await guard.before(channel, "GET /orders", writes=False)
        guard.after(channel, CANCELLED, None)
    short = await guard_of(house, seconds=60.0, margin=35.0)
    monkeypatch.setattr(short._lease, "ensure", Mock(side_effect=[None, LeaseLost("Too short.")] * (PROBES + 1)))
    for _ in range(PROBES + 1):
        with pytest.raises(LeaseLost):
            await short.before(channel, "GET /orders", writes=False)
    for _ in range(PROBES):
        await guard.before(channel, "GET /orders", writes=False)
    with pytest.raises(GateClosed):
        await guard.before(channel, "GET /orders", writes=False)


async def test_a_wait_for_the_permit_that_used_up_the_lease_lets_no_call_pass(house: SmallHouse) -> None:
    await house.change(calls_per_second=1.0, burst=1)
    guard, channel = await guard_of(house, seconds=5.0, margin=4.3), await channel_of(house)
    await guard.before(channel, "GET /orders", writes=False)
    with pytest.raises(LeaseLost):
        await guard.before(channel, "POST /orders", writes=True)
    assert not guard.wrote


async def test_a_database_that_is_away_is_said_and_never_taken_for_an_open_gate(house: SmallHouse) -> None:
    guard, channel = await guard_of(house), await channel_of(house)
    house.database.close()
    with pytest.raises(StorageUnavailable):
        await guard.before(channel, "POST /orders", writes=True)
    assert not guard.wrote


async def test_a_persons_own_question_passes_whatever_the_gate_says(house: SmallHouse) -> None:
    channel = await channel_of(house)
    await house.gates.report(channel, ShopThrottled("Wait.", retry_after=30.0))
    guard: CallGuard = FreeGuard()
    await guard.before(channel, "POST /orders", writes=True)
    guard.after(channel, READ, None)
