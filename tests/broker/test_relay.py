from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import update

from broker import relay
from broker.sources import LANES_PER_TICKET
from broker.topology import EVENTS, INBOX, job_queue
from broker.transports.memory import InMemoryTransport, MemoryBroker
from broker.transports.seam import Outgoing, Receipt, Taken
from consumers import HANDLERS
from domain.errors import ConfigurationError, TransportUnavailable
from domain.outcomes import Park
from storage.tables import leases
from tests.broker.roles import ChoosyTransport, relay_at_work, send
from tests.house import AFTER_A_CRASH, SmallHouse, answering
from tests.moody import until

QUEUE = job_queue("order_import")


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "RECOVER_SECONDS", 0.05)
    monkeypatch.setattr(relay, "AWAY_SECONDS", 0.05)


async def a_few_looks_later(house: SmallHouse, count: int = 5) -> None:
    """Wait until the relay has looked for due lanes some more times, and done what it found."""
    before = house.ledger.asked["waiting"]
    await until(lambda: house.ledger.asked["waiting"] >= before + count)


async def until_told(house: SmallHouse, count: int, queue: str = QUEUE) -> None:
    async def there() -> bool:
        return await house.transport.depth(queue) == count

    await until(there)


async def receive(house: SmallHouse, queue: str = QUEUE) -> list[Taken]:
    """Take all tickets of a queue, as a worker does."""
    subscription = await house.transport.subscribe(queue, 100)
    found = await subscription.take(100, 1.0)
    await subscription.acknowledge(found)
    await subscription.release()
    return found


async def test_there_are_as_many_tickets_as_the_due_lanes_need_and_no_more(house: SmallHouse) -> None:
    for number in range(2 * LANES_PER_TICKET + 1):
        await house.order_event(number)
        await house.order_event(number, "order.updated")
    async with relay_at_work(house):
        await until_told(house, 3)
        await a_few_looks_later(house)
        assert await house.transport.depth(QUEUE) == 3
    assert house.meters.announced._value.get() == 3
    found = await receive(house)
    assert {(one.body, one.routing_key) for one in found} == {(b"{}", "order_import.ticket.all")}


async def test_however_much_is_due_the_tickets_of_a_job_are_few(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "MOST_TICKETS", 2)
    for number in range(3 * LANES_PER_TICKET):
        await house.order_event(number)
    async with relay_at_work(house):
        await until_told(house, 2)
        await a_few_looks_later(house)
        assert await house.transport.depth(QUEUE) == 2


async def test_each_job_type_has_tickets_of_its_own(house: SmallHouse) -> None:
    await house.order_event(1)
    await house.stock_event("MUG", 1)
    async with relay_at_work(house):
        await until_told(house, 1)
        await until_told(house, 1, job_queue("inventory_export"))
        await a_few_looks_later(house)
        assert await house.transport.depth(job_queue("order_update")) == 0


async def test_tickets_are_topped_up_while_lanes_are_due_and_not_after_that(house: SmallHouse) -> None:
    """Whoever took a ticket may have died, or had no room."""
    for number in range(LANES_PER_TICKET + 1):
        await house.order_event(number)
    async with relay_at_work(house):
        await until_told(house, 2)
        assert len(await receive(house)) == 2
        await until_told(house, 2)
        await house.ledger.claim("worker", list(HANDLERS), 100)
        await receive(house)
        await a_few_looks_later(house)
        assert await house.transport.depth(QUEUE) == 0


async def test_fewer_lanes_need_fewer_tickets_and_those_that_lie_ready_count(house: SmallHouse) -> None:
    for number in range(2 * LANES_PER_TICKET + 1):
        await house.order_event(number)
    async with relay_at_work(house):
        await until_told(house, 3)
        await house.ledger.claim("worker", list(HANDLERS), LANES_PER_TICKET)
        await a_few_looks_later(house)
        assert await house.transport.depth(QUEUE) == 3
        await receive(house)
        await until_told(house, 2)
        await a_few_looks_later(house)
        assert await house.transport.depth(QUEUE) == 2


async def test_a_lane_that_waits_gets_a_ticket_when_it_is_due(house: SmallHouse) -> None:
    await house.order_event(1)
    await house.work_off(answering(lambda run: Park("It waits.", "throttled", "throttled", 30.0)))
    async with relay_at_work(house):
        await a_few_looks_later(house)
        assert await house.transport.depth(QUEUE) == 0
        house.clock.advance(31)
        await until_told(house, 1)


async def test_a_ticket_the_transport_refused_is_published_again(house: SmallHouse) -> None:
    transport = ChoosyTransport(MemoryBroker())
    await transport.start()
    transport.answers = [Receipt.REFUSED, Receipt.UNKNOWN]
    await house.order_event(1)
    async with relay_at_work(house, transport=transport):
        await until(lambda: len(transport.published) == 1)
        await a_few_looks_later(house)
    assert len(transport.published) == 1 == house.meters.announced._value.get()


async def test_only_the_holder_of_the_lease_works(house: SmallHouse) -> None:
    broker = MemoryBroker()
    first, second = ChoosyTransport(broker), ChoosyTransport(broker)
    await first.start()
    await second.start()
    async with relay_at_work(house, transport=first):
        await until(lambda: house.ledger.asked["waiting"])
        async with relay_at_work(house, transport=second):
            await until(lambda: house.ledger.asked["hold"] >= 2)
            await house.order_event(1)
            await until(lambda: first.published)
            await a_few_looks_later(house)
    assert len(first.published) == 1 and second.published == []


async def test_another_relay_takes_over_when_the_lease_of_the_first_is_over(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LEASE_SECONDS", 0.5)
    first, second = ChoosyTransport(), ChoosyTransport()
    await first.start()
    await second.start()
    async with relay_at_work(house, transport=first) as killed:
        await until(lambda: house.ledger.asked["waiting"])
        async with relay_at_work(house, transport=second):
            killed.cancel()
            await house.order_event(1)
            await until(lambda: second.published)


async def test_a_relay_that_lost_its_lease_stops_working(house: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "LEASE_SECONDS", 0.4)
    async with relay_at_work(house):
        await until(lambda: house.ledger.asked["waiting"])
        await house.execute(update(leases).values(holder="another", until=2**61))
        await until(lambda: _quiet(house))
        await house.order_event(1)
        looked = house.ledger.asked["waiting"]
        before = house.ledger.asked["hold"]
        await until(lambda: house.ledger.asked["hold"] >= before + 3)
        assert house.ledger.asked["waiting"] == looked
    assert await house.transport.depth(QUEUE) == 0


async def _quiet(house: SmallHouse) -> bool:
    """Whether the relay asked for the lease twice without looking for work in between."""
    looked, held = house.ledger.asked["waiting"], house.ledger.asked["hold"]
    await until(lambda: house.ledger.asked["hold"] >= held + 2)
    return house.ledger.asked["waiting"] == looked


async def test_a_relay_that_cannot_renew_its_lease_ends_before_it_is_over(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "LEASE_SECONDS", 0.4)
    async with relay_at_work(house):
        await until(lambda: house.ledger.asked["waiting"])
        house.ledger.away.add("hold")
        await until(lambda: _no_more_looks(house))
        house.ledger.away.clear()
        looked = house.ledger.asked["waiting"]
        await until(lambda: house.ledger.asked["waiting"] > looked)


async def _no_more_looks(house: SmallHouse) -> bool:
    looked, refused = house.ledger.asked["waiting"], house.ledger.refused["hold"]
    await until(lambda: house.ledger.refused["hold"] >= refused + 2)
    return house.ledger.asked["waiting"] == looked


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


async def test_the_lanes_of_a_dead_worker_are_freed_and_told_of_after_a_moment(house: SmallHouse) -> None:
    message = await house.order_event(1)
    await house.ledger.beat("dead", "test", 0.0)
    await house.ledger.claim("dead", list(HANDLERS), 1)
    house.clock.advance(1)
    async with relay_at_work(house):
        await house.until_state(message, "waiting")
        house.clock.advance(AFTER_A_CRASH)
        await until_told(house, 1)
    assert [row.code for row in await house.attempts(message)] == ["worker_died"]


async def test_an_event_on_the_inbox_becomes_work_that_workers_are_told_of(house: SmallHouse) -> None:
    envelope = house.incoming("order.created", {"external_order_id": "5"}).body
    await send(house, envelope)
    async with relay_at_work(house):
        await until_told(house, 1)
    assert await house.transport.depth(INBOX) == 0


async def test_a_database_that_is_away_for_a_while_loses_nothing(house: SmallHouse) -> None:
    async with relay_at_work(house):
        await until(lambda: house.ledger.asked["waiting"])
        house.ledger.away.add("waiting")
        await house.order_event(1)
        await until(lambda: house.ledger.refused["waiting"])
        assert await house.transport.depth(QUEUE) == 0
        house.ledger.away.clear()
        await until_told(house, 1)


async def test_where_there_was_nothing_to_tell_for_a_while_it_looks_less_often_until_there_is(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "CALM_SECONDS", 0.0)
    monkeypatch.setattr(relay, "POLL_SECONDS", 0.5)
    monkeypatch.setattr(relay, "IDLE_SECONDS", 0.001)
    async with relay_at_work(house):
        # Calm: it looks again and again, after the other of the two times.
        await a_few_looks_later(house)
        monkeypatch.setattr(relay, "CALM_SECONDS", 3600.0)
        await house.order_event(1)
        await until_told(house, 1)
        await asyncio.sleep(0)
        looks = house.ledger.asked["waiting"]
        await house.order_event(2)
        await asyncio.sleep(relay.LEAST_SECONDS * 4)
        assert house.ledger.asked["waiting"] <= looks + 1
