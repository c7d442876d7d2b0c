"""Several operations in trouble at once, and what several processes make of one gate."""

from __future__ import annotations

import pytest

from broker.breaker import PROBES, STRIKES_TO_CLOSE, WHOLE
from broker.gates import Gates
from broker.retry import GATE_SECONDS
from domain.errors import ShopThrottled
from tests.broker.gates_twin import (
    DOWN,
    POST,
    READ,
    SHOP,
    SLOW,
    STOCK,
    Clock,
    Store,
    call,
    close,
    probe,
    refusal,
    stop_time,
)  # fmt: skip
from tests.broker.samples import channel


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stop_time(monkeypatch)


@pytest.fixture
def store(clock: Clock) -> Store:
    return Store(clock)


@pytest.fixture
def gates(store: Store) -> Gates:
    return Gates(store)


async def test_a_second_operation_that_closes_while_nothing_goes_well_closes_the_whole_channel(
    gates: Gates, store: Store, clock: Clock
) -> None:
    await close(gates, POST)
    await close(gates, STOCK)
    assert store.closings[-1] == ("shop_down", GATE_SECONDS[0], 1)
    assert gates.closed_channels() == [SHOP.id]
    await refusal(gates, READ)
    clock.now += GATE_SECONDS[0]
    assert gates.closed_channels() == []


@pytest.mark.parametrize("strikes", [0, 2], ids=["open", "struck before"])
@pytest.mark.parametrize("good", [READ, STOCK])
async def test_a_second_operation_that_closes_after_anything_went_well_closes_alone(
    gates: Gates, store: Store, good: str, strikes: int
) -> None:
    await close(gates, POST)
    for _ in range(strikes):
        await call(gates, DOWN, good)
    await call(gates, None, good)
    await close(gates, STOCK)
    assert [name for name, *_ in store.closings] == [POST, STOCK]
    await call(gates, None, READ)


@pytest.mark.parametrize("operation", [POST, READ])
async def test_a_good_probe_of_any_operation_opens_a_channel_that_two_had_closed(
    gates: Gates, store: Store, clock: Clock, operation: str
) -> None:
    await close(gates, POST)
    await close(gates, STOCK)
    clock.now += GATE_SECONDS[0]
    await call(gates, None, operation)
    assert WHOLE in store.opened and (SHOP.id, WHOLE) not in store.closed
    await probe(gates, READ, 10)
    await probe(gates, STOCK)
    await refusal(gates, STOCK)


async def test_a_failed_probe_of_an_operation_that_was_open_closes_the_channel_for_longer(
    gates: Gates, store: Store, clock: Clock
) -> None:
    await close(gates, POST)
    await close(gates, STOCK)
    clock.now += GATE_SECONDS[0]
    await call(gates, DOWN, READ)
    assert store.closings[-1] == ("shop_down", GATE_SECONDS[1], 2)


async def test_one_operation_among_the_probes_of_the_channel_does_not_keep_it_closed(
    gates: Gates, store: Store, clock: Clock
) -> None:
    await close(gates)
    clock.now += GATE_SECONDS[0]
    await probe(gates, READ, 1)
    await probe(gates, POST, 1)
    await gates.report(SHOP, DOWN, POST)
    assert len(store.closings) == 1
    await gates.report(SHOP, None, READ)
    assert store.closed == {}


async def test_calls_under_way_when_the_channel_closed_do_not_close_it_for_longer(gates: Gates, clock: Clock) -> None:
    await probe(gates, POST)
    await probe(gates, STOCK)
    await call(gates, ShopThrottled("Slow down.", retry_after=0.3), READ)
    for operation in (POST, STOCK):
        for _ in range(STRIKES_TO_CLOSE):
            await gates.report(SHOP, DOWN, operation)
    clock.now += 0.4
    await gates.enter(SHOP, READ)


async def test_two_broken_operations_that_go_on_failing_do_not_keep_a_third_from_its_probe(
    gates: Gates, store: Store, clock: Clock
) -> None:
    await close(gates, POST)
    await close(gates, STOCK)
    for _ in range(4):
        clock.now = max(store.until(POST), store.until(STOCK))
        await probe(gates, POST)
        await probe(gates, STOCK)
        for operation in (POST, STOCK) * PROBES:
            await gates.report(SHOP, DOWN, operation)
        assert gates.closed_channels() == []
    await call(gates, None, READ)
    assert (SHOP.id, WHOLE) not in store.closed and (SHOP.id, POST) in store.closed
    await probe(gates, READ, 10)
    await refusal(gates, POST)


async def test_a_late_success_of_a_probe_does_not_open_a_channel_that_was_throttled_meanwhile(
    gates: Gates, clock: Clock
) -> None:
    await close(gates, POST)
    clock.now += GATE_SECONDS[0]
    await gates.enter(SHOP, POST)
    await call(gates, SLOW, READ)
    await gates.report(SHOP, None, POST)
    assert (await refusal(gates, POST)).cause == "throttled"


async def test_another_process_learns_of_the_closed_operation_when_it_asks_for_permits(
    gates: Gates, store: Store, clock: Clock
) -> None:
    other, shop = Gates(store), channel(calls_per_second=1000, burst=100)
    await close(gates, POST)
    clock.now += 0.4
    refused = await refusal(other, POST, shop)
    assert refused.cause == "shop_down" and 0.6 < refused.seconds <= 0.9 and POST in refused.sentence
    assert other.closed_channels() == []
    asked = store.reserved
    for _ in range(20):
        await call(other, None, READ, shop)
    assert store.reserved == asked, "the permits that came with the news are used"
    clock.now += 0.6
    await call(other, DOWN, POST, shop)
    assert store.closings[-1] == (POST, GATE_SECONDS[1], 2)


async def test_how_often_it_closed_is_learned_with_the_closure(gates: Gates, store: Store, clock: Clock) -> None:
    other, shop = Gates(store), channel(calls_per_second=10, burst=20)
    await close(gates, POST)
    for _ in range(3):
        clock.now = store.until(POST)
        await call(gates, DOWN, POST)
    await refusal(other, POST, shop)
    clock.now = store.until(POST)
    await call(other, DOWN, POST, shop)
    assert store.closings[-1] == (POST, GATE_SECONDS[4], 5)


async def test_a_process_that_opens_an_operation_opens_it_for_those_that_never_heard(
    gates: Gates, store: Store, clock: Clock
) -> None:
    await close(gates, POST)
    clock.now += GATE_SECONDS[0]
    await call(gates, None, POST)
    late = Gates(store)
    for _ in range(10):
        await call(late, None, POST)


async def test_news_of_a_longer_closure_ends_the_probing_here_and_leaves_room_to_probe_afterwards(
    gates: Gates, store: Store, clock: Clock
) -> None:
    other, shop = Gates(store), channel(calls_per_second=10, burst=1)
    await close(gates, POST)
    clock.now += 0.1
    await refusal(other, POST, shop)
    clock.now = store.until(POST)
    for _ in range(PROBES):
        await other.enter(shop, POST)
    await call(gates, DOWN, POST)
    await call(other, None, READ, shop)
    for _ in range(PROBES):
        await other.report(shop, DOWN, POST)
    assert store.closings[-1] == (POST, GATE_SECONDS[1], 2)
    await refusal(other, POST, shop)
    clock.now = store.until(POST)
    for _ in range(PROBES):
        await other.enter(shop, POST)


async def test_the_last_moments_of_a_known_closure_by_another_clock_are_waited_for(
    store: Store, gates: Gates, clock: Clock
) -> None:
    shop = channel(calls_per_second=10, burst=1)
    for _ in range(STRIKES_TO_CLOSE):
        clock.now += 0.1
        await call(gates, DOWN, of=shop)
    until, closure = store.closed[SHOP.id, WHOLE]
    store.closed[SHOP.id, WHOLE] = (until + 0.2, closure)
    clock.now = until
    assert 0.2 < (await refusal(gates, READ, shop)).seconds <= 0.8
    clock.now = until + 0.2
    await gates.enter(shop, READ)


async def test_the_end_of_a_known_closure_by_another_clock_is_no_news(store: Store, gates: Gates, clock: Clock) -> None:
    await close(gates, POST)
    clock.now += GATE_SECONDS[0]
    until, closure = store.closed[SHOP.id, POST]
    store.closed[SHOP.id, POST] = (until + 0.2, closure)
    await probe(gates, POST)
    for error in (DOWN, DOWN, None):
        await gates.report(SHOP, error, POST)
    assert store.closed == {}


async def test_two_processes_that_each_see_one_operation_fail_together_see_a_channel_that_is_down(
    gates: Gates, store: Store
) -> None:
    other, shop = Gates(store), channel(calls_per_second=10, burst=20)
    await close(gates, POST)
    for _ in range(STRIKES_TO_CLOSE):
        await call(other, DOWN, STOCK, shop)
    assert other.closed_channels() == [SHOP.id]
    assert store.closings[-1][0] == "shop_down"
