"""The pace of stock: an idle channel is served at once, a busy one gathers changes, little stock never waits."""

from __future__ import annotations

import pytest

from domain.stock import NEAR_ZERO, PACE_SECONDS
from storage.tables import lanes
from tests.storage.support import Site, done, stock, tick

PLENTY = NEAR_ZERO + 50


async def _busy(site: Site) -> None:
    """One change runs and another came meanwhile; then the run is over."""
    await site.admit(stock("MUG", 1, total=PLENTY))
    running = await site.take()
    site.clock.advance(0.2)
    await site.admit(stock("CUP", 1, total=PLENTY))
    await site.settle(running, done)


async def test_the_first_change_of_an_idle_channel_runs_at_once(site: Site) -> None:
    await site.admit(stock(version=1, total=PLENTY))
    assert len(await site.claim()) == 1


async def test_what_came_during_a_run_waits_for_others_and_goes_with_all_of_them(site: Site) -> None:
    await _busy(site)
    assert await site.claim() == []
    site.clock.advance(PACE_SECONDS - 0.05)
    await site.admit(stock("BOX", 1, total=PLENTY))
    assert await site.claim() == []
    site.clock.advance(0.05)
    (claim,) = await site.claim()
    assert {delivery.business_key for delivery in claim.deliveries} == {"CUP", "BOX"}


@pytest.mark.parametrize("total", [NEAR_ZERO + 2, 0])
async def test_a_change_to_little_stock_takes_the_waiting_along_at_once(site: Site, total: int) -> None:
    await _busy(site)
    await site.admit(stock("BOX", 1, total=max(total, 2)))
    (claim,) = await site.claim()
    assert len(claim.deliveries) == 2


async def test_a_tick_does_not_wait(site: Site) -> None:
    await _busy(site)
    await site.admit(tick("inventory_export"))
    assert len(await site.claim()) == 1


async def test_changes_that_keep_coming_do_not_put_off_those_that_wait(site: Site) -> None:
    await _busy(site)
    waited = 0.0
    for version in range(2, 40):
        if site.rows(lanes)[0].due_at <= site.ledger._now():
            break
        site.clock.advance(0.1)
        waited += 0.1
        await site.admit(stock("CUP", version, total=PLENTY))
    assert waited <= PACE_SECONDS + 0.1
    assert len(await site.claim()) == 1
