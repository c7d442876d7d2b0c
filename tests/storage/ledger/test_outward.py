"""What goes out: how many lanes workers are told of, and announcements to the OMS."""

from __future__ import annotations

import threading

from sqlalchemy import Connection, insert, text

from broker.ledger import Claim, Settlement, Waiting
from domain.channels import ChannelSettings
from domain.moments import to_micros
from domain.outcomes import Announcement, Effects
from storage.ledger.outward import unlock
from storage.ledger.records import announce
from storage.ledger.settle import settle as settle_with
from storage.tables import gates, outbox
from tests.services.process import wait_until
from tests.storage.support import ALL_JOBS, Site, done, order, park, retry, stock

EFFECTS = Effects(announcements=(Announcement("order.imported", {"external_order_id": "1"}, "1"),))


async def counts(site: Site, most: int = 100) -> dict[str, int]:
    return dict((await site.ledger.waiting(most)).due)


async def test_due_lanes_are_counted_by_the_job_of_their_heads(site: Site) -> None:
    await site.admit(order("1"), order("1", "order.status_changed"), order("2", "order.status_changed"))
    await site.admit(order("3", account="globex", channel="shop"), stock("MUG", 1), stock("CUP", 1))
    assert await counts(site) == {"order_import": 2, "order_update": 1, "inventory_export": 1}


async def test_nothing_due_is_no_count_at_all(site: Site) -> None:
    assert await counts(site) == {}


async def test_no_more_are_counted_than_asked_for(site: Site) -> None:
    await site.admit(*(order(str(number)) for number in range(7)), stock("MUG", 1))
    assert sum((await counts(site, 5)).values()) == 5


async def test_a_lane_that_waits_counts_when_it_is_due_and_a_held_or_parked_one_never(site: Site) -> None:
    await site.admit(order("1"), order("2"), order("3"))
    waiting, parked, _held = sorted(await site.claim(), key=lambda claim: claim.lane)
    await site.settle(waiting, retry(10))
    await site.settle(parked, park())
    assert await counts(site) == {}
    site.clock.advance(10)
    assert await counts(site) == {"order_import": 1}


async def test_lanes_of_a_channel_whose_gate_is_closed_count_when_it_opens(site: Site) -> None:
    await site.admit(order("1"), order("2", channel="outlet"))
    close(site, site.main, "shop_down", 30)
    assert await counts(site) == {"order_import": 1}
    site.clock.advance(30)
    assert await counts(site) == {"order_import": 2}


async def test_lanes_of_a_channel_of_which_one_operation_is_closed_count(site: Site) -> None:
    await site.admit(order("1"))
    close(site, site.main, "shop_down", 30, "GET /orders/{id}")
    assert await counts(site) == {"order_import": 1}


async def test_lanes_of_a_channel_whose_token_is_refused_count_for_only_they_can_bring_a_new_one(site: Site) -> None:
    await site.admit(order("1"))
    close(site, site.main, "unauthorized", 60)
    assert await counts(site) == {"order_import": 1}


def close(site: Site, channel_id: str, cause: str, seconds: int, operation: str = "") -> None:
    """Close a channel's gate, or one operation of it."""
    until = to_micros(site.clock.now) + seconds * 1_000_000
    row = {"channel_id": channel_id, "operation": operation, "closed_until": until, "cause": cause, "strikes": 1}
    site.run(insert(gates).values(**row))


async def test_an_announcement_waits_to_be_sent_until_it_is_marked_as_sent_and_is_no_due_lane(site: Site) -> None:
    await site.admit(order("1"))
    (claim,) = await site.claim()
    assert not (await site.ledger.waiting(100)).unsent
    await site.settle(claim, lambda each: done(each, EFFECTS))
    assert await site.ledger.waiting(100) == Waiting({}, unsent=True)
    await site.ledger.mark_sent([each.seq for each in await site.ledger.unsent(10)])
    assert await site.ledger.waiting(100) == Waiting({}, unsent=False)


async def test_marking_nothing_does_nothing(site: Site) -> None:
    await site.ledger.mark_sent([])


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
