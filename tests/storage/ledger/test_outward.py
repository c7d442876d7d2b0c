"""What goes out: lanes that workers are told of, and announcements to the OMS."""

from __future__ import annotations

import threading

from sqlalchemy import Connection, text

from broker.ledger import Claim, DueLane, Settlement
from domain.channels import ChannelSettings
from domain.moments import to_micros
from domain.outcomes import Announcement, Effects
from storage.ledger.outward import unlock
from storage.ledger.records import announce
from storage.ledger.settle import settle as settle_with
from storage.tables import lanes, outbox
from tests.services.process import wait_until
from tests.storage.support import ALL_JOBS, Site, done, order, park, retry, stock

EFFECTS = Effects(announcements=(Announcement("order.imported", {"external_order_id": "1"}, "1"),))


def states(site: Site) -> list[str]:
    return [row.state for row in site.rows(lanes)]


async def test_workers_are_told_of_each_lane_that_is_due_by_job_account_and_channel(site: Site) -> None:
    await site.admit(order("1"), order("2", "order.status_changed"), order("3", account="globex", channel="shop"))
    told = {lane.lane.rsplit("/", 1)[1]: lane for lane in await site.ledger.due_lanes(10)}
    assert {name: (lane.job_type, lane.account, lane.channel) for name, lane in told.items()} == {
        "1": ("order_import", "acme", "main"),
        "2": ("order_update", "acme", "main"),
        "3": ("order_import", "globex", "shop"),
    }


async def test_the_oldest_due_lanes_are_told_first(site: Site) -> None:
    for number, wait in (("3", 30), ("1", 10), ("2", 20)):
        await site.admit(order(number))
        await site.settle(await site.take(), retry(wait))
    site.clock.advance(30)
    assert [lane.lane[-1] for lane in await site.ledger.due_lanes(2)] == ["1", "2"]


async def test_a_lane_is_told_once(site: Site) -> None:
    await site.admit(order("1"))
    await site.ledger.mark_queued(await site.ledger.due_lanes(10))
    assert states(site) == ["queued"]
    assert await site.ledger.due_lanes(10) == []


async def test_marking_nothing_does_nothing(site: Site) -> None:
    await site.ledger.mark_queued([])
    await site.ledger.mark_sent([])


async def test_a_lane_that_waits_is_told_of_when_it_is_due_and_a_held_or_parked_one_never(site: Site) -> None:
    await site.admit(order("1"), order("2"), order("3"))
    waiting, parked, _held = sorted(await site.claim(), key=lambda claim: claim.lane)
    await site.settle(waiting, retry(10))
    await site.settle(parked, park())
    assert await site.ledger.due_lanes(10) == []
    site.clock.advance(10)
    assert [lane.lane for lane in await site.ledger.due_lanes(10)] == [waiting.lane]


async def test_a_lane_taken_up_before_it_was_marked_is_left_to_its_holder(site: Site) -> None:
    await site.admit(order("1"))
    told = await site.ledger.due_lanes(10)
    claim = await site.take()
    await site.ledger.mark_queued(told)
    assert states(site) == ["running"]
    assert not (await site.settle(claim, done)).fenced


async def test_a_lane_taken_up_and_settled_before_it_was_marked_does_not_hide_its_next_delivery(site: Site) -> None:
    await site.admit(order("1"), order("1"))
    told = await site.ledger.due_lanes(10)
    await site.settle(await site.take(), done)
    await site.ledger.mark_queued(told)
    assert len(await site.ledger.due_lanes(10)) == 1


async def test_a_lane_that_went_and_came_again_before_it_was_marked_is_not_hidden(site: Site) -> None:
    await site.admit(order("1"))
    told = await site.ledger.due_lanes(10)
    await site.settle(await site.take(), done)
    site.clock.advance(0.001)
    await site.admit(order("1"))
    await site.ledger.mark_queued(told)
    assert len(await site.ledger.due_lanes(10)) == 1


async def test_a_lane_whose_head_was_discarded_before_it_was_marked_is_not_hidden(site: Site) -> None:
    await site.admit(order("1"), order("1"))
    told = await site.ledger.due_lanes(10)
    site.clock.advance(0.001)
    assert await site.desk.discard([head_of(site, told[0])], "no") == 1
    await site.ledger.mark_queued(told)
    assert len(await site.ledger.due_lanes(10)) == 1


def head_of(site: Site, lane: DueLane) -> str:
    query = text("SELECT id FROM deliveries WHERE lane = :lane ORDER BY seq LIMIT 1").bindparams(lane=lane.lane)
    return site.database.read(lambda connection: str(connection.scalar(query)))


async def test_a_lane_whose_reference_seems_lost_is_told_of_again_after_a_while(site: Site) -> None:
    await site.admit(order("1"), order("2", "order.status_changed"))
    await site.ledger.mark_queued(await site.ledger.due_lanes(10))
    site.clock.advance(60)
    assert await site.ledger.requeue_stale("order_import", 60) == 0
    site.clock.advance(0.001)
    assert await site.ledger.requeue_stale("order_import", 60) == 1
    assert [lane.job_type for lane in await site.ledger.due_lanes(10)] == ["order_import"]


async def test_a_lane_that_runs_is_not_told_of_again_however_long(site: Site) -> None:
    await site.admit(order("1"))
    await site.ledger.mark_queued(await site.ledger.due_lanes(10))
    await site.claim(lanes=[f"{site.main}/order/1"])
    site.clock.advance(10_000)
    assert await site.ledger.requeue_stale("order_import", 60) == 0


async def test_new_stock_does_not_tell_again_of_a_lane_that_workers_know(site: Site) -> None:
    await site.admit(stock("MUG", 1))
    await site.ledger.mark_queued(await site.ledger.due_lanes(10))
    await site.admit(stock("CUP", 1))
    assert await site.ledger.due_lanes(10) == []
    (claim,) = await site.claim(lanes=[f"{site.main}/stock"])
    assert len(claim.deliveries) == 2


async def announced(site: Site, count: int) -> None:
    for number in range(count):
        await site.admit(order(str(number)))
        await site.settle(await site.take(), lambda each: done(each, EFFECTS))


async def test_announcements_are_unsent_until_confirmed(site: Site) -> None:
    await announced(site, 3)
    first, second, third = await site.ledger.unsent(10)
    assert [each.seq for each in await site.ledger.unsent(2)] == [first.seq, second.seq]
    await site.ledger.mark_sent([first.seq, third.seq])
    assert await site.ledger.unsent(10) == [second]


async def test_what_was_sent_stays_readable_after_a_position_and_by_account(site: Site) -> None:
    await announced(site, 3)
    every = await site.desk.announcements(None, 0, 10)
    await site.ledger.mark_sent([seq for seq, _ in every])
    assert await site.desk.announcements("acme", 0, 10) == every
    assert await site.desk.announcements("acme", every[0][0], 1) == [every[1]]
    assert await site.desk.announcements("globex", 0, 10) == []


async def test_positions_of_announcements_become_visible_in_order(postgresql_site: Site) -> None:
    """A reader goes on after the last position it saw: one that appears below it later would be lost."""
    site = postgresql_site
    await site.admit(order("1"), order("2"))
    first, second = await site.claim()
    channel = await site.ledger.channel(site.main)
    assert channel is not None
    with site.database.engine.begin() as slow:
        announce(slow, [(done(first.deliveries[0], EFFECTS), channel)], 1)
        other = threading.Thread(
            target=lambda: site.database.write(lambda connection: announce_other(connection, site, second))
        )
        other.start()
        assert wait_until(lambda: waits_for_lock(site) or not other.is_alive(), 10)
        assert site.rows(outbox) == []
    other.join(10)
    assert len(site.rows(outbox)) == 2


def announce_other(connection: Connection, site: Site, claim: Claim) -> None:
    settlement = Settlement(claim, tuple(done(each, EFFECTS) for each in claim.deliveries))
    (settled,) = settle_with(connection, site.directory, "w1", [settlement], 1)
    assert not settled.fenced


def waits_for_lock(site: Site) -> bool:
    query = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
    return bool(site.database.read(lambda connection: connection.scalar(query)))


async def test_what_waits_for_one_cause_is_due_when_that_cause_is_gone(site: Site) -> None:
    await site.admit(order("1"), order("2"), order("3", channel="outlet"), stock("MUG", 1), stock("CUP", 1))
    causes = {"1": "mapping", "2": "channel", "3": "mapping", "MUG": "mapping", "CUP": "channel"}
    for claim in await site.claim():
        await site.settle(claim, lambda each: park(causes[each.business_key])(each))
    assert await site.claim() == []
    await site.desk.change_channel("acme", "main", settings=ChannelSettings())
    claims = await site.ledger.claim("w1", ALL_JOBS, 10)
    assert sorted(each.business_key for claim in claims for each in claim.deliveries) == ["1", "MUG"]


async def test_what_runs_is_not_disturbed_by_an_unlock(site: Site) -> None:
    await site.admit(order("1"))
    await site.settle(await site.take(), park("mapping", 5))
    site.clock.advance(5)
    claim = await site.take()
    now = to_micros(site.clock.now)
    site.database.write(lambda connection: unlock(connection, site.main, "mapping", now))
    assert await site.claim("w2") == []
    assert not (await site.settle(claim, done)).fenced
