"""The breaker of one operation: what one route fails at holds back its own calls and no others."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from broker.breaker import PROBES, STRIKES_TO_CLOSE, WHOLE
from broker.gates import Gates
from broker.retry import GATE_SECONDS
from domain.errors import ShopDown, ShopError, ShopOutcomeUnknown, ShopRejected, ShopUnauthorized
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

NOBODY = ShopDown("Found no connection.", reached=False)
LOST = ShopOutcomeUnknown("Lost the connection.")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return stop_time(monkeypatch)


@pytest.fixture
def store(clock: Clock) -> Store:
    return Store(clock)


@pytest.fixture
def gates(store: Store) -> Gates:
    return Gates(store)


@pytest.mark.parametrize("error", [DOWN, LOST, ShopDown("Got no answer in time.")], ids=["503", "lost", "late"])
async def test_three_failures_of_an_operation_in_a_row_close_it_and_nothing_else(
    gates: Gates, store: Store, error: ShopError
) -> None:
    for _ in range(STRIKES_TO_CLOSE - 1):
        await call(gates, error, POST)
    assert store.closings == []
    await call(gates, error, POST)
    assert store.closings == [(POST, GATE_SECONDS[0], 1)]
    refused = await refusal(gates, POST)
    assert refused.cause == "shop_down" and GATE_SECONDS[0] < refused.seconds <= GATE_SECONDS[0] + 0.3
    assert POST in refused.sentence and refused.sentence.endswith(error.sentence)
    assert gates.closed_channels() == [] and gates.closed(SHOP.id, POST) and not gates.closed(SHOP.id, READ)
    for _ in range(20):
        await call(gates, None, READ)


async def test_failures_of_different_operations_do_not_add_up(gates: Gates, store: Store) -> None:
    for operation in (POST, READ, STOCK, POST, READ, STOCK):
        await call(gates, DOWN, operation)
    assert store.closings == []


@pytest.mark.parametrize("good", [None, ShopRejected("No such order.")], ids=["success", "refusal"])
async def test_a_success_of_the_operation_forgets_its_strikes_and_one_of_another_does_not(
    gates: Gates, store: Store, good: ShopError | None
) -> None:
    for error in (DOWN, DOWN, good, DOWN, DOWN):
        await call(gates, error, POST)
    await call(gates, good, READ)
    assert store.closings == []
    await call(gates, DOWN, POST)
    assert store.closings == [(POST, GATE_SECONDS[0], 1)]


@pytest.mark.parametrize(
    ("error", "cause"), [(SLOW, "throttled"), (ShopUnauthorized("Wrong token.", status=403), "unauthorized")]
)
async def test_one_operation_that_is_throttled_or_refused_closes_the_whole_channel(
    gates: Gates, error: ShopError, cause: str
) -> None:
    await call(gates, error, POST)
    assert (await refusal(gates, READ)).cause == cause


async def test_no_connection_for_any_operations_three_times_in_a_row_closes_the_whole_channel(
    gates: Gates, store: Store
) -> None:
    for operation in (POST, READ, STOCK):
        await call(gates, NOBODY, operation)
    assert store.closings == [("shop_down", GATE_SECONDS[0], 1)] and gates.closed_channels() == [SHOP.id]
    assert (await refusal(gates, "GET /shipping_methods")).sentence == NOBODY.sentence


async def test_a_success_between_forgets_that_no_connection_was_found(gates: Gates, store: Store) -> None:
    for error in (NOBODY, NOBODY, None, NOBODY, NOBODY):
        await call(gates, error, READ)
    assert store.closings == []


async def test_after_its_time_a_few_calls_of_the_operation_probe_and_a_good_one_opens_it(
    gates: Gates, store: Store, clock: Clock
) -> None:
    await close(gates, POST)
    clock.now += GATE_SECONDS[0]
    await probe(gates, POST)
    waiting = await refusal(gates, POST)
    assert waiting.cause == "shop_down"
    assert 0.5 < waiting.seconds <= 0.8
    await call(gates, None, READ)
    await refusal(gates, POST)
    await gates.report(SHOP, None, POST)
    assert store.closed == {} and store.opened == [POST]
    await probe(gates, POST, 10)


async def test_a_failed_probe_closes_the_operation_for_longer_each_time(
    gates: Gates, store: Store, clock: Clock
) -> None:
    await close(gates, POST)
    for seconds in (*GATE_SECONDS[1:], GATE_SECONDS[-1]):
        clock.now = store.until(POST)
        await call(gates, None, READ)
        await call(gates, DOWN, POST)
        assert store.until(POST) == pytest.approx(clock.now + seconds)
    assert gates.closed_channels() == []
    clock.now = store.until(POST)
    await call(gates, None, POST)
    await close(gates, POST)
    assert store.closings[-1] == (POST, GATE_SECONDS[0], 1)


async def test_the_last_probe_under_way_decides(gates: Gates, store: Store, clock: Clock) -> None:
    await close(gates, POST)
    clock.now += GATE_SECONDS[0]
    await probe(gates, POST)
    for error in (DOWN, DOWN):
        await gates.report(SHOP, error, POST)
    assert len(store.closings) == 1
    await gates.report(SHOP, None, POST)
    assert store.closed == {}


async def test_what_was_under_way_when_the_operation_closed_neither_opens_nor_lengthens_it(
    gates: Gates, store: Store, clock: Clock
) -> None:
    await probe(gates, POST, 8)
    for error in (DOWN, DOWN, DOWN, DOWN, None, DOWN):
        await gates.report(SHOP, error, POST)
    assert store.closings == [(POST, GATE_SECONDS[0], 1)]
    await refusal(gates, POST)
    clock.now += GATE_SECONDS[0]
    await probe(gates, POST)
    await refusal(gates, POST)


@pytest.mark.parametrize("operation", [WHOLE, POST])
async def test_a_failure_that_comes_back_when_it_is_time_to_probe_is_no_failed_probe(
    gates: Gates, store: Store, clock: Clock, operation: str
) -> None:
    await gates.enter(SHOP, operation)
    await close(gates, operation)
    clock.now += GATE_SECONDS[0]
    await gates.report(SHOP, DOWN, operation)
    assert len(store.closings) == 1
    await gates.enter(SHOP, operation)


async def test_an_operation_whose_time_is_over_waits_all_the_same_while_the_whole_channel_is_closed(
    gates: Gates, store: Store, clock: Clock
) -> None:
    await close(gates, POST)
    await call(gates, SLOW, READ)
    clock.now += 2.0
    asked = store.reserved
    assert (await refusal(gates, POST)).cause == "throttled"
    assert store.reserved == asked


async def test_the_permits_left_when_the_channel_closed_are_not_used_after_it(gates: Gates, store: Store) -> None:
    shop = channel(calls_per_second=1000, burst=100)
    await call(gates, None, READ, shop)
    await call(gates, SLOW, READ, shop)
    gates.leave(shop, READ)
    store.clock.now += 5.0
    asked = store.reserved
    await call(gates, None, READ, shop)
    assert store.reserved == asked + 1


async def test_a_probe_that_was_given_up_leaves_its_place_to_another(gates: Gates, clock: Clock) -> None:
    await close(gates, POST)
    clock.now += GATE_SECONDS[0]
    await probe(gates, POST)
    gates.leave(SHOP, POST)
    await gates.enter(SHOP, POST)
    await refusal(gates, POST)


@pytest.mark.parametrize("error", [SLOW, NOBODY], ids=["throttled", "no connection"])
async def test_a_probe_that_never_reached_its_operation_says_nothing_of_it(
    gates: Gates, store: Store, clock: Clock, error: ShopError
) -> None:
    await close(gates, POST)
    clock.now += GATE_SECONDS[0]
    for _ in range(PROBES):
        await gates.enter(SHOP, POST)
        await gates.report(SHOP, error, POST)
        clock.now += SLOW.retry_after or 0.0
    assert [closing for closing in store.closings if closing[0] == POST] == [(POST, GATE_SECONDS[0], 1)]
    await probe(gates, POST)


async def test_however_many_ask_at_once_only_a_few_probe_the_operation(gates: Gates, clock: Clock) -> None:
    await close(gates, POST)
    clock.now += GATE_SECONDS[0]
    shop = channel(calls_per_second=100, burst=50)
    answers = await asyncio.gather(*(gates.enter(shop, POST) for _ in range(10)), return_exceptions=True)
    assert answers.count(None) == PROBES


async def test_a_call_that_goes_well_at_an_open_operation_has_nothing_to_report(gates: Gates) -> None:
    assert gates.went_well(SHOP, None, READ)
    await call(gates, DOWN, POST)
    assert gates.went_well(SHOP, None, READ), "the strikes of another operation are no business of this one"
    assert not gates.went_well(SHOP, None, POST)


async def test_the_log_says_what_closed_and_what_opened(gates: Gates, clock: Clock) -> None:
    with capture_logs() as lines:
        await close(gates, POST)
        clock.now += GATE_SECONDS[0]
        await call(gates, None, POST)
        await call(gates, SLOW, READ)
    told = [(line["event"], line["operation"], line.get("cause")) for line in lines]
    assert told == [
        ("gate_closed", POST, "shop_down"),
        ("gate_opened", POST, None),
        ("gate_closed", "all", "throttled"),
    ]
    assert all((line["channel"], line["account"]) == ("bright", "acme") for line in lines)
