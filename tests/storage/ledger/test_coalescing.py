"""Bulk lanes: of several values of one key only the newest runs, and what it absorbs names it."""

from __future__ import annotations

from typing import Any

import pytest

from domain.states import DeliveryState, LaneKind
from storage.ledger import claim as claiming
from storage.tables import deliveries, lanes, sync_log
from tests.storage.support import Site, done, ended, keys, park, retry, stock, tick


def open_rows(site: Site) -> list[Any]:
    return site.rows(deliveries, deliveries.c.state == "open")


async def versions(site: Site) -> list[int | None]:
    """The versions that a worker would get now."""
    (claim,) = await site.claim()
    ids = {delivery.id for delivery in claim.deliveries}
    return sorted(row.version for row in site.rows(deliveries) if row.id in ids)


@pytest.mark.parametrize("batches", [1, 3])
async def test_the_newest_version_wins_within_a_batch_and_across_batches(site: Site, batches: int) -> None:
    events = [stock(version=5), stock(version=7), stock(version=6)]
    for at in range(batches):
        await site.admit(*(events if batches == 1 else [events[at]]))
    assert await versions(site) == [7]
    assert [row.state for row in site.rows(deliveries)] == ["superseded", "open", "superseded"]


async def test_what_was_absorbed_names_the_winner_in_the_delivery_and_in_the_log(site: Site) -> None:
    await site.admit(stock(version=5, correlationid="c-5"))
    (loser,) = site.rows(deliveries)
    site.clock.advance(3)
    (answer,) = await site.admit(stock(version=7))
    winner = open_rows(site)[0]
    assert winner.message_id == answer.message_id
    (row,) = site.rows(sync_log)
    assert (row.delivery_id, row.superseded_by, row.outcome) == (loser.id, winner.id, "Superseded")
    assert (row.level, row.attempt, row.correlation_id) == ("Info", 0, "c-5")
    (absorbed,) = site.rows(deliveries, deliveries.c.id == loser.id)
    assert absorbed.superseded_by == winner.id
    assert winner.id in absorbed.sentence
    assert absorbed.settled_at - absorbed.created_at == 3_000_000


async def test_an_older_value_that_comes_late_is_superseded_at_once(site: Site) -> None:
    first, late = await site.admit(stock(version=7), stock(version=5))
    assert (first.deliveries, late.deliveries) == (1, 0)
    assert await versions(site) == [7]


async def test_an_equal_value_is_no_winner(site: Site) -> None:
    (first,) = await site.admit(stock(version=7, id="a"))
    (second,) = await site.admit(stock(version=7, id="b"))
    assert second.deliveries == 0
    assert [row.message_id for row in open_rows(site)] == [first.message_id]


async def test_without_versions_time_decides(site: Site) -> None:
    await site.admit(stock(time="2026-03-01T10:00:00Z"), stock(time="2026-03-01T09:00:00Z"))
    assert [row.state for row in site.rows(deliveries)] == ["open", "superseded"]


async def test_a_version_decides_against_the_clock(site: Site) -> None:
    await site.admit(stock(version=8, time="2026-03-01T09:00:00Z"))
    await site.admit(stock(version=7, time="2026-03-01T10:00:00Z"))
    assert await versions(site) == [8]


async def test_another_sku_warehouse_or_channel_is_another_value(site: Site) -> None:
    answers = await site.admit(
        stock("MUG", 1), stock("CUP", 1), stock("MUG", 1, warehouse="w2"), stock("MUG", 1, channel="outlet")
    )
    assert [answer.deliveries for answer in answers] == [1, 1, 1, 1]
    claims = {claim.channel_id: claim for claim in await site.claim()}
    assert len(claims[site.main].deliveries) == 3
    assert len(claims[site.channels["outlet"]].deliveries) == 1


async def test_all_open_values_of_a_channel_are_taken_at_once(site: Site) -> None:
    await site.admit(*(stock(f"SKU-{number}", 1) for number in range(5)))
    claim = await site.take()
    assert claim.kind is LaneKind.BULK
    assert keys([claim]) == [[f"SKU-{number}" for number in range(5)]]


async def test_no_more_values_than_the_limit_are_taken_and_the_rest_follows(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "BULK_LIMIT", 3)
    await site.admit(*(stock(f"SKU-{number}", 1) for number in range(5)))
    claim = await site.take()
    assert len(claim.deliveries) == 3
    settled = await site.settle(claim, done, go_on=["inventory_export"])
    assert settled.next_claim is not None
    assert keys([settled.next_claim]) == [["SKU-3", "SKU-4"]]


async def test_a_newer_value_does_not_absorb_the_one_that_runs_but_runs_next(site: Site) -> None:
    await site.admit(stock(version=5))
    claim = await site.take()
    (answer,) = await site.admit(stock(version=6))
    assert answer.deliveries == 1
    assert {row.version for row in open_rows(site)} == {5, 6}
    await site.settle(claim, done)
    assert await versions(site) == [6]


async def test_a_running_value_absorbs_an_older_one(site: Site) -> None:
    await site.admit(stock(version=5))
    claim = await site.take()
    (answer,) = await site.admit(stock(version=4))
    assert answer.deliveries == 0
    (row,) = site.rows(deliveries, deliveries.c.state == "superseded")
    assert row.superseded_by == claim.deliveries[0].id


async def test_behind_a_running_value_only_the_newest_stays(site: Site) -> None:
    await site.admit(stock(version=5))
    claim = await site.take()
    await site.admit(stock(version=6))
    await site.admit(stock(version=8), stock(version=7))
    assert sorted(row.version for row in open_rows(site)) == [5, 8]
    await site.settle(claim, done)
    assert await versions(site) == [8]


async def test_a_value_that_failed_gives_way_to_the_newer_one_that_came_meanwhile(site: Site) -> None:
    await site.admit(stock(version=5))
    claim = await site.take()
    await site.admit(stock(version=6))
    winner = next(row for row in open_rows(site) if row.version == 6)
    await site.settle(claim, retry(60))
    assert [row.version for row in open_rows(site)] == [6]
    (loser,) = site.rows(deliveries, deliveries.c.version == 5)
    assert (loser.state, loser.superseded_by, loser.attempts) == ("superseded", winner.id, 1)
    assert [row.outcome for row in site.rows(sync_log)] == ["Retry", "Superseded"]
    assert await versions(site) == [6]


async def test_a_value_whose_worker_died_gives_way_to_the_newer_one_that_came_meanwhile(site: Site) -> None:
    await site.beat()
    await site.admit(stock(version=5), stock("CUP", 1))
    await site.claim()
    await site.admit(stock(version=6))
    assert await site.ledger.rescue(alone=True) == 1
    assert sorted((row.business_key, row.version) for row in open_rows(site)) == [("CUP", 1), ("MUG", 6)]


async def test_a_dead_value_that_is_replayed_gives_way_to_a_newer_open_one(site: Site) -> None:
    await site.admit(stock(version=5))
    await site.settle(await site.take(), ended(DeliveryState.DEAD))
    (dead,) = site.rows(deliveries)
    await site.admit(stock(version=6))
    await site.desk.replay([dead.id])
    assert [row.version for row in open_rows(site)] == [6]


async def test_a_dead_value_that_is_replayed_takes_the_place_of_an_older_open_one(site: Site) -> None:
    await site.admit(stock(version=6))
    await site.settle(await site.take(), ended(DeliveryState.DEAD))
    (dead,) = site.rows(deliveries)
    await site.admit(stock(version=5))
    await site.desk.replay([dead.id])
    assert [row.id for row in open_rows(site)] == [dead.id]


async def test_a_new_value_does_not_wait_for_one_of_another_key_that_waits(site: Site) -> None:
    await site.admit(stock("MUG", 1), stock("CUP", 1))
    await site.settle(await site.take(), retry(60))
    await site.admit(stock("JUG", 1))
    assert keys(await site.claim()) == [["JUG"]]


async def test_a_newer_value_ends_the_wait_of_the_one_it_absorbs(site: Site) -> None:
    await site.admit(stock("MUG", 1))
    await site.settle(await site.take(), park())
    (lane,) = site.rows(lanes)
    assert lane.state == "parked"
    await site.admit(stock("MUG", 2))
    assert await versions(site) == [2]


async def test_an_older_value_that_comes_late_leaves_the_newer_one_waiting(site: Site) -> None:
    await site.admit(stock("MUG", 7))
    await site.settle(await site.take(), park())
    await site.admit(stock("MUG", 5))
    claim = await site.take()
    assert claim.deliveries == ()
    await site.settle(claim, done)
    (lane,) = site.rows(lanes)
    assert (lane.state, lane.holder) == ("parked", None)
    assert await site.claim() == []


async def test_a_bulk_lane_is_due_when_the_first_of_its_values_is(site: Site) -> None:
    await site.admit(stock("MUG", 1), stock("CUP", 1))
    claim = await site.take()
    waits = {"MUG": 60.0, "CUP": 10.0}
    await site.settle(claim, lambda delivery: retry(waits[delivery.business_key])(delivery))
    site.clock.advance(10)
    assert keys(await site.claim()) == [["CUP"]]


async def test_ticks_of_stock_coalesce_and_stand_in_the_lane_of_the_stock(site: Site) -> None:
    await site.admit(stock("MUG", 1))
    for minute in range(3):
        await site.admit(tick("inventory_export", time=f"2026-03-02T12:0{minute}:00Z"))
    (claim,) = await site.claim()
    assert len(claim.deliveries) == 2
