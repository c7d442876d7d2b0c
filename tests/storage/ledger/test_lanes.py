"""Lanes: what concerns one order runs one after the other, in order; other orders flow on."""

from __future__ import annotations

import asyncio

import pytest

from domain.states import DeliveryState
from storage.ledger.rows import NEVER_DUE
from storage.tables import deliveries, lanes
from tests.storage.conftest import Opened
from tests.storage.support import Site, done, ended, keys, order, park, retry, tick


async def test_jobs_of_one_order_run_in_the_order_they_came_whatever_their_type(site: Site) -> None:
    await site.admit(order("1", "order.created"), order("1", "order.status_changed"))
    await site.admit(order("1", "order.updated"))
    jobs = []
    while claims := await site.claim():
        (claim,) = claims
        jobs.append(claim.job_type)
        assert len(claim.deliveries) == 1
        await site.settle(claim, done)
    assert jobs == ["order_import", "order_update", "order_import"]


async def test_the_next_delivery_waits_until_the_first_is_settled(site: Site) -> None:
    await site.admit(order("1"), order("1"))
    claim = await site.take()
    assert await site.claim("w2") == []
    await site.settle(claim, done)
    assert len(await site.claim("w2")) == 1


async def test_a_worker_of_another_job_does_not_get_a_lane_whose_head_is_not_of_its_job(site: Site) -> None:
    await site.admit(order("1", "order.created"), order("1", "order.status_changed"))
    assert await site.ledger.claim("w1", ["order_update"], 10) == []
    (claim,) = await site.ledger.claim("w1", ["order_import"], 10)
    await site.settle(claim, done)
    assert len(await site.ledger.claim("w1", ["order_update"], 10)) == 1


async def test_lanes_of_other_orders_flow_on_while_one_waits(site: Site) -> None:
    await site.admit(order("1"), order("1"), order("2"))
    one, two = sorted(await site.claim(), key=lambda claim: claim.lane)
    await site.settle(one, park())
    await site.settle(two, done)
    assert await site.claim() == []
    await site.admit(order("2"), order("3"))
    assert sorted(keys(await site.claim())) == [["2"], ["3"]]


async def test_lanes_are_claimed_in_the_order_they_became_due(site: Site) -> None:
    came = [str(number) for number in (*range(20, 40), *range(20))]
    for number in came:
        await site.admit(order(number))
        site.clock.advance(0.001)
    assert keys(await site.claim(most=40)) == [[number] for number in came]


async def test_the_same_order_number_in_two_channels_is_two_lanes(site: Site) -> None:
    await site.admit(order("1"), order("1", channel="outlet"))
    assert len(await site.claim()) == 2


async def test_a_retry_keeps_the_lane_waiting_until_it_is_due(site: Site) -> None:
    await site.admit(order("1", id="first"), order("1", id="second"))
    claim = await site.take()
    await site.settle(claim, retry(60))
    assert await site.claim() == []
    site.clock.advance(59)
    assert await site.claim() == []
    site.clock.advance(1)
    again = await site.take()
    assert again.deliveries[0].id == claim.deliveries[0].id
    assert (again.deliveries[0].attempt, again.deliveries[0].failures) == (2, 1)
    assert again.deliveries[0].cause == "retry"


async def test_what_is_parked_until_somebody_acts_is_never_due(site: Site) -> None:
    await site.admit(order("1"), order("1"))
    await site.settle(await site.take(), park())
    site.clock.advance(10 * 365 * 86_400)
    assert await site.claim() == []
    (lane,) = site.rows(lanes)
    assert (lane.state, lane.due_at, lane.holder) == ("parked", NEVER_DUE, None)


async def test_a_wait_costs_no_attempt_of_the_budget_and_a_silent_one_no_attempt_at_all(site: Site) -> None:
    await site.admit(order("1"))
    await site.settle(await site.take(), park(seconds=1))
    site.clock.advance(1)
    await site.settle(await site.take(), park(seconds=1, logged=False))
    (row,) = site.rows(deliveries)
    assert (row.attempts, row.failures) == (1, 0)


@pytest.mark.parametrize("state", [DeliveryState.DEAD, DeliveryState.UNKNOWN, DeliveryState.SKIPPED])
async def test_a_delivery_that_ends_badly_lets_the_next_one_run(site: Site, state: DeliveryState) -> None:
    await site.admit(order("1"), order("1", "order.status_changed"))
    await site.settle(await site.take(), ended(state))
    assert (await site.take()).job_type == "order_update"


async def test_a_lane_goes_when_it_is_empty(site: Site) -> None:
    await site.admit(order("1"))
    await site.settle(await site.take(), done)
    assert site.rows(lanes) == []


async def test_a_lane_that_comes_again_begins_anew(site: Site) -> None:
    for _ in range(2):
        await site.admit(order("1"))
        await site.settle(await site.take(), done)
    assert [row.seq for row in site.rows(deliveries)] == [1, 1]


async def test_what_is_admitted_while_its_lane_runs_stands_behind(site: Site) -> None:
    await site.admit(order("1", id="first"))
    claim = await site.take()
    await site.admit(order("1", id="second"))
    assert await site.claim("w2") == []
    await site.settle(claim, done)
    assert [row.seq for row in site.rows(deliveries)] == [1, 2]
    assert (await site.take()).deliveries[0].id != claim.deliveries[0].id


async def test_each_claim_of_a_lane_gets_a_larger_token_even_when_the_lane_went_and_came_again(site: Site) -> None:
    await site.admit(order("1"), order("1"))
    tokens = []
    for _ in range(2):
        claim = await site.take()
        tokens.append(claim.token)
        await site.settle(claim, done)
    assert site.rows(lanes) == []
    site.clock.advance(0.001)
    await site.admit(order("1"))
    tokens.append((await site.take()).token)
    assert tokens == sorted(set(tokens))


async def test_a_delivery_carries_what_an_attempt_needs(site: Site) -> None:
    event = order("1", correlationid="c-1", traceparent=f"00-{'a' * 32}-{'b' * 16}-01", time="2026-03-01T00:00:00Z")
    (answer,) = await site.admit(event)
    (delivery,) = (await site.take()).deliveries
    assert delivery.body == event.body
    assert (delivery.message_id, delivery.channel_id) == (answer.message_id, site.main)
    assert (delivery.correlation_id, delivery.trace_id) == ("c-1", "a" * 32)
    assert (delivery.attempt, delivery.failures, delivery.unsure, delivery.cause) == (1, 0, False, "")
    assert delivery.event_time == event.envelope.time
    assert delivery.created_at == site.clock.now


async def test_each_job_of_ticks_has_a_lane_of_its_own(site: Site) -> None:
    await site.admit(tick("order_import"), tick("inventory_export"), order("1"))
    assert len(await site.claim()) == 3


async def test_many_workers_at_once_never_get_the_same_lane(site: Site, open_site: Opened) -> None:
    await site.admit(*(order(str(number)) for number in range(60)))
    others = [site, open_site(), open_site()]
    taken = await asyncio.gather(*(others[number % 3].claim(f"w{number}", most=7) for number in range(18)))
    lanes_taken = [claim.lane for claims in taken for claim in claims]
    assert len(lanes_taken) == len(set(lanes_taken)) == 60
