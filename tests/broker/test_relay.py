from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from broker import relay
from broker.sources import reference
from broker.topology import EVENTS, INBOX, OMS, Binding, Queue, Topology, job_queue, topology
from broker.transports.memory import InMemoryTransport, MemoryBroker
from broker.transports.seam import Outgoing, Receipt
from domain.errors import ConfigurationError, TransportUnavailable
from domain.outcomes import Announcement, Done, Effects, Park
from storage.tables import lanes, leases, outbox
from tests.broker.roles import ChoosyTransport, relay_at_work, send
from tests.house import HANDLERS, SmallHouse, answering, until

QUEUE = job_queue("order_import")


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "RECOVER_SECONDS", 0.05)
    monkeypatch.setattr(relay, "AWAY_SECONDS", 0.05)


def with_oms() -> Topology:
    """The topology with an order system that listens to everything."""
    usual = topology()
    return replace(usual, queues=(*usual.queues, Queue("oms")), bindings=(*usual.bindings, Binding(OMS, "oms", "#")))


async def announce(house: SmallHouse, count: int = 1) -> None:
    """Put announcements into the outbox, as settled imports do."""

    def told(run: Any) -> Done:
        number = run.item.payload.external_order_id
        announcement = Announcement("order.imported", {"number": number}, number)
        return Done("It is done.", effects=Effects(announcements=(announcement,)))

    for number in range(count):
        await house.order_event(number)
        await house.work_off(answering(told))


async def unsent(house: SmallHouse) -> int:
    return len(await house.ledger.unsent(100))


async def a_few_looks_later(house: SmallHouse, count: int = 5) -> None:
    """Wait until the relay has looked for due lanes some more times."""
    before = house.ledger.asked["due_lanes"]
    await until(lambda: house.ledger.asked["due_lanes"] >= before + count)


async def until_told(house: SmallHouse, count: int) -> None:
    async def there() -> bool:
        return await house.transport.depth(QUEUE) == count

    await until(there)


async def test_workers_are_told_of_each_due_lane_once(house: SmallHouse) -> None:
    for number in range(20):
        await house.order_event(number)
        await house.order_event(number, "order.updated")
    async with relay_at_work(house):
        await until_told(house, 20)
        await a_few_looks_later(house)
        assert await house.transport.depth(QUEUE) == 20
    assert house.meters.announced._value.get() == 20
    subscription = await house.transport.subscribe(QUEUE, 100)
    found = await subscription.take(100, 1.0)
    assert {one.body for one in found} == {reference(f"{house.channel_id}/order/{number}") for number in range(20)}
    assert {one.routing_key for one in found} == {"order_import.acme.main"}


async def test_a_lane_that_waits_is_told_of_when_it_is_due(house: SmallHouse) -> None:
    await house.order_event(1)
    await house.work_off(answering(lambda run: Park("It waits.", "throttled", "throttled", 30.0)))
    async with relay_at_work(house):
        await a_few_looks_later(house)
        assert await house.transport.depth(QUEUE) == 0
        house.clock.advance(31)
        await until_told(house, 1)


async def test_a_reference_the_transport_refused_is_published_again(house: SmallHouse) -> None:
    transport = ChoosyTransport(MemoryBroker())
    await transport.start()
    transport.answers = [Receipt.REFUSED, Receipt.UNKNOWN]
    await house.order_event(1)
    async with relay_at_work(house, transport=transport):
        await until(lambda: len(transport.published) == 1)
    rows = await house.execute(select(lanes.c.state))
    assert [row.state for row in rows] == ["queued"]


async def test_with_the_journal_workers_are_not_told_but_the_oms_is(house: SmallHouse) -> None:
    await announce(house)
    await house.order_event(9)
    async with relay_at_work(house, refers=False):
        await until(lambda: _none_unsent(house))
    assert await house.transport.depth(QUEUE) == 0
    rows = await house.execute(select(lanes.c.state))
    assert [row.state for row in rows] == ["ready"]


async def _none_unsent(house: SmallHouse) -> bool:
    return await unsent(house) == 0


async def test_only_the_holder_of_the_lease_works(house: SmallHouse) -> None:
    broker = MemoryBroker()
    first, second = ChoosyTransport(broker), ChoosyTransport(broker)
    await first.start()
    await second.start()
    async with relay_at_work(house, transport=first):
        await until(lambda: house.ledger.asked["due_lanes"])
        async with relay_at_work(house, transport=second):
            await until(lambda: house.ledger.asked["hold"] >= 2)
            for number in range(10):
                await house.order_event(number)
            await until(lambda: len(first.published) == 10)
            await a_few_looks_later(house)
    assert len(first.published) == 10 and second.published == []


async def test_another_relay_takes_over_when_the_lease_of_the_first_is_over(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LEASE_SECONDS", 0.5)
    first, second = ChoosyTransport(), ChoosyTransport()
    await first.start()
    await second.start()
    async with relay_at_work(house, transport=first) as killed:
        await until(lambda: house.ledger.asked["due_lanes"])
        async with relay_at_work(house, transport=second):
            killed.cancel()
            await house.order_event(1)
            await until(lambda: second.published)


async def test_a_relay_that_lost_its_lease_stops_working(house: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "LEASE_SECONDS", 0.4)
    async with relay_at_work(house):
        await until(lambda: house.ledger.asked["due_lanes"])
        await house.execute(update(leases).values(holder="another", until=2**61))
        await until(lambda: _quiet(house))
        await house.order_event(1)
        looked = house.ledger.asked["due_lanes"]
        before = house.ledger.asked["hold"]
        await until(lambda: house.ledger.asked["hold"] >= before + 3)
        assert house.ledger.asked["due_lanes"] == looked
    assert await house.transport.depth(QUEUE) == 0


async def _quiet(house: SmallHouse) -> bool:
    """Whether the relay asked for the lease twice without looking for work in between."""
    looked, held = house.ledger.asked["due_lanes"], house.ledger.asked["hold"]
    await until(lambda: house.ledger.asked["hold"] >= held + 2)
    return house.ledger.asked["due_lanes"] == looked


async def test_a_relay_that_cannot_renew_its_lease_ends_before_it_is_over(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LEASE_SECONDS", 0.4)
    async with relay_at_work(house):
        await until(lambda: house.ledger.asked["due_lanes"])
        house.ledger.away.add("hold")
        await until(lambda: _no_more_looks(house))
        house.ledger.away.clear()
        looked = house.ledger.asked["due_lanes"]
        await until(lambda: house.ledger.asked["due_lanes"] > looked)


async def _no_more_looks(house: SmallHouse) -> bool:
    looked, refused = house.ledger.asked["due_lanes"], house.ledger.refused["hold"]
    await until(lambda: house.ledger.refused["hold"] >= refused + 2)
    return house.ledger.asked["due_lanes"] == looked


async def test_a_part_of_the_relay_that_fails_ends_the_whole_and_says_why(house: SmallHouse) -> None:
    transport = ChoosyTransport()
    await transport.start()
    transport.broken = ConfigurationError("The inbox is missing.")
    async with relay_at_work(house, transport=transport) as task:
        with pytest.raises(ConfigurationError, match="inbox is missing"):
            await asyncio.wait_for(asyncio.shield(task), 10)


async def test_a_transport_that_cannot_be_subscribed_to_for_a_while_is_tried_again(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LEASE_SECONDS", 0.5)
    transport = ChoosyTransport()
    await transport.start()
    transport.broken = TransportUnavailable("The server restarts.")
    async with relay_at_work(house, transport=transport):
        await until(lambda: house.ledger.asked["hold"] >= 2)
        transport.broken = None
        await send_through(transport, b'{"not": "an event"}')
        await until(lambda: house.desk.rejected(10))


async def send_through(transport: InMemoryTransport, body: bytes) -> None:

    await transport.publish([Outgoing(EVENTS, "order.created.acme.main", body, "m-1")])


async def test_what_the_oms_must_hear_is_published_in_order_and_then_marked(house: SmallHouse) -> None:
    await announce(house, 3)
    transport = InMemoryTransport(MemoryBroker(with_oms()))
    await transport.start()
    async with relay_at_work(house, transport=transport):
        await until(lambda: _none_unsent(house))
    subscription = await transport.subscribe("oms", 10)
    found = await subscription.take(10, 1.0)
    assert [json.loads(one.body)["data"]["number"] for one in found] == ["0", "1", "2"]
    assert [one.routing_key for one in found] == ["order.imported.acme.main"] * 3
    assert [one.message_id for one in found] == [json.loads(one.body)["id"] for one in found]
    assert {one.content_type for one in found} == {"application/cloudevents+json"}


async def test_an_announcement_nobody_listens_to_is_done_and_stays_readable(house: SmallHouse) -> None:
    await announce(house)
    async with relay_at_work(house):
        await until(lambda: _none_unsent(house))
    assert len(await house.desk.announcements("acme", 0, 10)) == 1


@pytest.mark.parametrize("receipt", [Receipt.REFUSED, Receipt.UNKNOWN])
async def test_an_announcement_that_is_not_confirmed_stays_and_is_published_again_with_its_id(
    house: SmallHouse, receipt: Receipt
) -> None:
    await announce(house, 2)
    transport = ChoosyTransport(MemoryBroker(with_oms()))
    await transport.start()
    transport.answers = [receipt, receipt]
    ids = [row.id for row in await house.execute(select(outbox.c.id).order_by(outbox.c.seq))]
    async with relay_at_work(house, transport=transport):
        await until(lambda: _none_unsent(house))
    assert [message.message_id for message in transport.published] == ids


async def test_announcements_confirmed_but_not_marked_come_again_with_the_same_id(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await announce(house)
    transport = ChoosyTransport(MemoryBroker(with_oms()))
    await transport.start()
    house.ledger.away.add("mark_sent")
    async with relay_at_work(house, transport=transport):
        await until(lambda: house.ledger.refused["mark_sent"])
        assert await unsent(house) == 1
        house.ledger.away.clear()
        await until(lambda: _none_unsent(house))
    assert len(transport.published) >= 2
    assert len({message.message_id for message in transport.published}) == 1


async def test_the_lanes_of_a_dead_worker_are_freed_and_told_again(house: SmallHouse) -> None:
    message = await house.order_event(1)
    await house.ledger.beat("dead", "test", 0.0)
    await house.ledger.claim("dead", list(HANDLERS), 1)
    house.clock.advance(1)
    async with relay_at_work(house):
        await until_told(house, 1)
    assert [row.code for row in await house.attempts(message)] == ["worker_died"]


async def test_lanes_whose_reference_was_lost_are_told_of_again(house: SmallHouse) -> None:
    await house.order_event(1)
    async with relay_at_work(house):
        await until_told(house, 1)
        subscription = await house.transport.subscribe(QUEUE, 1)
        await subscription.acknowledge(await subscription.take(1, 1.0))
        assert await house.transport.depth(QUEUE) == 0
        house.clock.advance(relay.STALE_SECONDS + 1)
        await until_told(house, 1)


async def test_lanes_whose_reference_only_waits_long_are_not_told_of_again(house: SmallHouse) -> None:
    await house.order_event(1)
    async with relay_at_work(house):
        await until_told(house, 1)
        house.clock.advance(relay.STALE_SECONDS + 1)
        rounds = house.ledger.asked["rescue"]
        await until(lambda: house.ledger.asked["rescue"] >= rounds + 2)
        assert await house.transport.depth(QUEUE) == 1


async def test_an_event_on_the_inbox_becomes_work_that_workers_are_told_of(house: SmallHouse) -> None:
    envelope = house.incoming("order.created", {"external_order_id": "5"}).body
    await send(house, envelope)
    async with relay_at_work(house):
        await until_told(house, 1)
    assert await house.transport.depth(INBOX) == 0


async def test_a_database_that_is_away_for_a_while_loses_nothing(house: SmallHouse) -> None:
    async with relay_at_work(house):
        await until(lambda: house.ledger.asked["due_lanes"])
        house.ledger.away.add("due_lanes")
        await house.order_event(1)
        await until(lambda: house.ledger.refused["due_lanes"])
        assert await house.transport.depth(QUEUE) == 0
        house.ledger.away.clear()
        await until_told(house, 1)
