from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import select, update

from broker import relay
from broker.sources import reference
from broker.topology import EVENTS, INBOX, job_queue
from broker.transports.memory import InMemoryTransport, MemoryBroker
from broker.transports.seam import Outgoing, Receipt
from consumers import HANDLERS
from domain.errors import ConfigurationError, TransportUnavailable
from domain.outcomes import Park
from storage.tables import lanes, leases
from tests.broker.roles import ChoosyTransport, relay_at_work, send
from tests.house import SmallHouse, answering
from tests.moody import until

QUEUE = job_queue("order_import")


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "RECOVER_SECONDS", 0.05)
    monkeypatch.setattr(relay, "AWAY_SECONDS", 0.05)


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
