"""Gates: the pace of a channel over all processes, and the breaker that a probe opens."""

from __future__ import annotations

import asyncio

import pytest

from broker.breaker import PROBES
from broker.gates import LONGEST_WAIT, UNAUTHORIZED_SECONDS, GateClosed, Gates
from broker.retry import GATE_SECONDS
from domain.errors import ShopRejected, ShopThrottled, ShopUnauthorized
from tests.broker.gates_twin import DOWN, SHOP, Clock, Store, call, close, refusal, stop_time
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


@pytest.mark.parametrize(("per_second", "burst", "calls"), [(10, 5, 60), (100, 20, 400), (2, 1, 12), (1000, 10, 300)])
async def test_calls_keep_the_pace_of_their_channel(
    gates: Gates, clock: Clock, per_second: float, burst: int, calls: int
) -> None:
    shop = channel(calls_per_second=per_second, burst=burst)
    began, made = clock.now, []
    for _ in range(calls):
        await call(gates, of=shop)
        made.append(clock.now - began)
    assert made[burst - 1] == 0.0
    assert all(at >= (count - burst) / per_second - 1e-6 for count, at in enumerate(made, start=1))
    assert made[-1] <= calls / per_second + 0.1


async def test_all_processes_together_keep_the_pace(store: Store, clock: Clock) -> None:
    shop = channel(calls_per_second=10, burst=5)
    began, processes = clock.now, [Gates(store) for _ in range(4)]
    await asyncio.gather(*(call(each, of=shop) for each in processes for _ in range(10)))
    assert clock.now - began >= (40 - 5) / 10 - 1e-6


async def test_a_fast_channel_asks_the_database_for_many_permits_at_once(gates: Gates, store: Store) -> None:
    for _ in range(50):
        await call(gates, of=channel(calls_per_second=500, burst=200))
    assert store.reserved == 1


async def test_one_channel_does_not_wait_for_another(gates: Gates, clock: Clock) -> None:
    slow, quick = channel("slow", calls_per_second=1, burst=1), channel("quick")
    await call(gates, of=slow)
    began = clock.now
    await call(gates, of=quick)
    assert clock.now == began


async def test_a_call_that_would_wait_long_is_refused_and_told_for_how_long(gates: Gates) -> None:
    shop = channel(calls_per_second=0.1, burst=1)
    await call(gates, of=shop)
    refused = await refusal(gates, of=shop)
    assert (refused.cause, refused.code) == ("throttled", "throttled")
    assert LONGEST_WAIT < refused.seconds <= 10.0
    assert "0.1 calls a second" in refused.sentence


async def test_three_strikes_in_a_row_close_the_gate(gates: Gates, store: Store) -> None:
    await call(gates, DOWN)
    await call(gates, DOWN)
    assert gates.closed_channels() == []
    await call(gates, DOWN)
    assert gates.closed_channels() == [SHOP.id]
    assert store.closings == [("shop_down", GATE_SECONDS[0], 1)]
    refused = await refusal(gates)
    assert (refused.cause, refused.sentence) == ("shop_down", DOWN.sentence)
    assert GATE_SECONDS[0] < refused.seconds <= GATE_SECONDS[0] + 0.3


async def test_a_success_between_strikes_forgets_them(gates: Gates) -> None:
    for error in (DOWN, DOWN, None, DOWN, DOWN, ShopRejected("No such order."), DOWN, DOWN):
        await call(gates, error)
    assert gates.closed_channels() == []


async def test_a_shop_that_says_no_is_not_down(gates: Gates) -> None:
    for _ in range(10):
        await call(gates, ShopRejected("No such order."))
    assert gates.closed_channels() == []


async def test_a_closed_gate_lets_nobody_through_until_its_time_is_over(gates: Gates, clock: Clock) -> None:
    await close(gates)
    clock.now += GATE_SECONDS[0] - 0.001
    await refusal(gates)
    clock.now += 0.002
    assert gates.closed_channels() == []
    await gates.enter(SHOP)


async def test_after_its_time_a_few_calls_probe_and_the_others_wait_for_them(gates: Gates, clock: Clock) -> None:
    await close(gates)
    clock.now += GATE_SECONDS[0]
    for _ in range(PROBES):
        await gates.enter(SHOP)
    waiting = await refusal(gates)
    assert waiting.cause == "shop_down"
    assert 0.5 < waiting.seconds <= 0.8
    await gates.report(SHOP, None)
    await gates.enter(SHOP)
    await gates.enter(SHOP)


async def test_the_longer_a_gate_was_closed_the_longer_the_others_wait_for_its_probes_up_to_five_seconds(
    gates: Gates, clock: Clock
) -> None:
    await close(gates)
    waited = []
    for seconds in GATE_SECONDS:
        clock.now += seconds
        for _ in range(PROBES):
            await gates.enter(SHOP)
        waited.append((await refusal(gates)).seconds)
        for _ in range(PROBES):
            await gates.report(SHOP, DOWN)
    assert all(wait <= 5.3 for wait in waited)
    assert waited[0] < 0.8 < 2 < waited[3] < 2.3 < 5 < waited[-1]


async def test_a_good_probe_opens_the_gate_for_all_processes(gates: Gates, store: Store, clock: Clock) -> None:
    other = Gates(store)
    await close(gates)
    clock.now += GATE_SECONDS[0]
    await call(gates)
    assert store.closed == {}
    for _ in range(3):
        await call(other)
        await call(gates)
    await call(gates, DOWN)
    assert gates.closed_channels() == []


async def test_a_failed_probe_closes_the_gate_for_longer_each_time(gates: Gates, store: Store, clock: Clock) -> None:
    await close(gates)
    for seconds in (*GATE_SECONDS[1:], GATE_SECONDS[-1]):
        clock.now = store.until()
        await call(gates, DOWN)
        assert store.until() == pytest.approx(clock.now + seconds)
    assert [strikes for _, _, strikes in store.closings] == list(range(1, len(GATE_SECONDS) + 2))


async def test_a_shop_that_was_opened_again_starts_from_the_shortest_closure(
    gates: Gates, store: Store, clock: Clock
) -> None:
    await close(gates)
    for error in (DOWN, None):
        clock.now = store.until()
        await call(gates, error)
    await close(gates)
    assert store.closings[-1] == ("shop_down", GATE_SECONDS[0], 1)


async def test_retry_after_is_honoured_to_the_second(gates: Gates, store: Store, clock: Clock) -> None:
    await call(gates, ShopThrottled("Slow down.", retry_after=7.5))
    assert store.closings == [("throttled", 7.5, 1)]
    clock.now += 7.4
    refused = await refusal(gates)
    assert refused.cause == "throttled"
    assert refused.seconds > 0.1
    clock.now += 0.2
    await gates.enter(SHOP)


async def test_a_throttling_shop_that_names_no_time_is_left_alone_for_longer_each_time(
    gates: Gates, store: Store, clock: Clock
) -> None:
    for _ in range(3):
        await call(gates, ShopThrottled("Slow down."))
        clock.now = store.until()
    assert [seconds for _, seconds, _ in store.closings] == list(GATE_SECONDS[:3])


async def test_a_refused_token_closes_the_gate_at_once(gates: Gates, store: Store) -> None:
    await call(gates, ShopUnauthorized("The token is wrong.", status=401))
    assert store.closings == [("unauthorized", UNAUTHORIZED_SECONDS, 1)]
    assert (await refusal(gates)).code == "unauthorized"


async def test_another_process_learns_of_the_closure_when_it_asks_for_permits(
    gates: Gates, store: Store, clock: Clock
) -> None:
    other = Gates(store)
    await call(gates, ShopThrottled("Slow down.", retry_after=30.0))
    clock.now += 10.0
    refused = await refusal(other)
    assert (refused.cause, refused.sentence) == ("throttled", "Slow down.")
    assert 20.0 < refused.seconds <= 20.3
    assert other.closed_channels() == [SHOP.id]
    clock.now += 20.0
    for _ in range(PROBES):
        await other.enter(SHOP)
    assert 0.5 < (await refusal(other)).seconds <= 0.8


async def test_those_who_come_back_to_a_closed_gate_come_at_different_times(gates: Gates) -> None:
    await close(gates)
    assert len({(await refusal(gates)).seconds for _ in range(20)}) > 10


async def test_a_late_success_of_a_call_from_before_does_not_open_the_gate(gates: Gates) -> None:
    await gates.enter(SHOP)
    await close(gates)
    await gates.report(SHOP, None)
    await refusal(gates)


async def test_late_failures_of_calls_from_before_are_no_failed_probes(
    gates: Gates, store: Store, clock: Clock
) -> None:
    for _ in range(6):
        await gates.enter(SHOP)
    for _ in range(6):
        await gates.report(SHOP, DOWN)
    assert store.closings == [("shop_down", GATE_SECONDS[0], 1)]
    clock.now += GATE_SECONDS[0]
    await gates.enter(SHOP)


async def test_a_late_and_longer_retry_after_lengthens_the_closure_and_a_shorter_does_not(
    gates: Gates, clock: Clock
) -> None:
    for _ in range(3):
        await gates.enter(SHOP)
    for seconds in (10.0, 40.0, 5.0):
        await gates.report(SHOP, ShopThrottled("Slow down.", retry_after=seconds))
    clock.now += 39.0
    await refusal(gates)
    clock.now += 2.0
    await gates.enter(SHOP)


async def test_a_closed_channel_leaves_the_others_open(gates: Gates) -> None:
    await close(gates)
    await call(gates, of=channel("other"))
    assert gates.closed_channels() == [SHOP.id]


async def test_one_bad_resource_among_the_probes_does_not_keep_the_gate_closed(
    gates: Gates, store: Store, clock: Clock
) -> None:
    await close(gates)
    clock.now += GATE_SECONDS[0]
    for _ in range(PROBES):
        await gates.enter(SHOP)
    await gates.report(SHOP, DOWN)
    await gates.report(SHOP, DOWN)
    await gates.report(SHOP, None)
    assert store.closed == {}
    await gates.enter(SHOP)


async def test_when_all_probes_fail_the_gate_closes_once_and_for_longer(
    gates: Gates, store: Store, clock: Clock
) -> None:
    await close(gates)
    clock.now += GATE_SECONDS[0]
    for _ in range(PROBES):
        await gates.enter(SHOP)
    for _ in range(PROBES):
        await gates.report(SHOP, DOWN)
    assert [closing[1] for closing in store.closings] == list(GATE_SECONDS[:2])


async def test_however_many_ask_at_once_only_a_few_probe(gates: Gates, clock: Clock) -> None:
    await close(gates)
    clock.now += GATE_SECONDS[0]
    shop = channel(calls_per_second=100, burst=50)
    answers = await asyncio.gather(*(gates.enter(shop) for _ in range(10)), return_exceptions=True)
    assert answers.count(None) == PROBES
    assert sum(isinstance(answer, GateClosed) for answer in answers) == 10 - PROBES
