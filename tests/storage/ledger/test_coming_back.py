"""What was in the hand of a dead worker comes back: after a moment, spread, and later with each crash in a row."""

from __future__ import annotations

from statistics import correlation

import pytest

from broker.handling import CRASHES_TO_DEATH
from domain.moments import to_micros
from storage.ledger.rescue import comes_back
from storage.tables import lanes
from tests.storage.support import AFTER_A_CRASH, Site, done, order, stock


async def test_what_was_lost_with_its_worker_waits_a_moment_and_then_runs_before_what_stands_behind(site: Site) -> None:
    await site.beat()
    await site.admit(order("1", id="head"), order("1", id="behind"))
    claim = await site.take()
    await site.ledger.rescue(alone=True)
    (lane,) = site.rows(lanes)
    wait = comes_back(claim.lane, 1)
    assert (lane.state, lane.holder, lane.due_at) == ("waiting", None, to_micros(site.clock.now) + wait)
    site.clock.advance(wait / 1e6 - 0.001)
    assert await site.claim("w2") == []
    site.clock.advance(0.002)
    again = await site.take("w2")
    assert again.deliveries[0].id == claim.deliveries[0].id
    assert (again.crashes, again.deliveries[0].attempt) == (1, 2)


async def test_values_lost_with_their_worker_wait_and_newer_ones_do_not_wait_for_them(site: Site) -> None:
    await site.beat()
    await site.admit(stock("MUG", 1), stock("CUP", 1))
    await site.claim()
    await site.ledger.rescue(alone=True)
    await site.admit(stock("CUP", 2), stock("PEN", 1))
    claim = await site.take("w2")
    assert sorted(each.business_key for each in claim.deliveries) == ["CUP", "PEN"]
    await site.settle(claim, done, "w2")
    assert await site.claim("w2") == []
    site.clock.advance(AFTER_A_CRASH)
    (again,) = (await site.take("w2")).deliveries
    assert (again.business_key, again.unsure) == ("MUG", True)


async def test_an_operator_need_not_wait_for_a_lane_that_comes_back(site: Site) -> None:
    await site.beat()
    await site.admit(order("1"))
    claim = await site.take()
    await site.ledger.rescue(alone=True)
    assert await site.desk.replay([claim.deliveries[0].id]) == 1
    assert (await site.take("w2")).deliveries[0].unsure


@pytest.mark.parametrize("crashes", range(1, CRASHES_TO_DEATH + 1))
def test_lanes_lost_together_come_back_at_different_times_that_double_with_each_crash(crashes: int) -> None:
    """One of them may be what kills workers: it must not take the same others with it each time."""
    waits = sorted(comes_back(f"channel/order/{number}", crashes) / 1e6 for number in range(1000))
    longest = 0.5 + 1.5 * 2 ** (crashes - 1)
    assert waits[0] >= 0.5 and waits[-1] <= longest
    quarters = [
        sum(low <= (wait - 0.5) / (longest - 0.5) < low + 0.25 for wait in waits) for low in (0, 0.25, 0.5, 0.75)
    ]
    assert all(200 < count < 300 for count in quarters)
    assert crashes > 1 or longest < AFTER_A_CRASH


def test_a_lane_has_other_neighbours_each_time_it_comes_back() -> None:
    names = [f"channel/order/{number}" for number in range(1000)]
    first, second = ([comes_back(name, crashes) for name in names] for crashes in (1, 2))
    assert abs(correlation(first, second)) < 0.1
