"""What the RabbitMQ transport does when the network or the server fails."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from broker.topology import INBOX, Queue, Topology
from broker.transports.rabbitmq import AmqpSettings, RabbitTransport
from broker.transports.seam import Receipt, Subscription, Taken, Transport
from domain.errors import ConfigurationError, TransportUnavailable
from tests.broker.transports.proxy import Proxy
from tests.broker.transports.shape import PLAIN, SHAPE, event, message, numbered
from tests.broker.transports.sites import PATIENCE, bodies, collect, until, until_depth
from tests.services.provide import Rabbit
from tests.services.rabbitmq import Vhost


class Load:
    """Publishes and consumes until told to stop; knows what was confirmed and what arrived."""

    def __init__(self, transport: Transport) -> None:
        self.confirmed: set[bytes] = set()
        self.arrived: set[bytes] = set()
        self.receipts: set[Receipt] = set()
        self._transport = transport
        self._stop = asyncio.Event()
        self._number = 0

    async def publish(self) -> None:
        while not self._stop.is_set():
            batch = [message(body=b"%d" % (self._number + at)) for at in range(20)]
            self._number += len(batch)
            receipts = await self._transport.publish(batch)
            self.receipts |= set(receipts)
            self.confirmed |= {
                one.body for one, receipt in zip(batch, receipts, strict=True) if receipt is Receipt.CONFIRMED
            }

    async def consume(self, subscription: Subscription) -> None:
        while not (self._stop.is_set() and self.confirmed <= self.arrived):
            taken = await subscription.take(50, 0.2)
            self.arrived |= set(bodies(taken))
            await subscription.acknowledge(taken)

    def stop(self) -> None:
        self._stop.set()

    async def grows_by(self, count: int) -> None:
        goal = len(self.confirmed) + count
        await until(lambda: len(self.confirmed) >= goal)


async def test_a_cut_connection_loses_nothing_confirmed_and_the_taker_comes_back(
    transport: RabbitTransport, proxy: Proxy
) -> None:
    load = Load(transport)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.publish())
        group.create_task(load.consume(await transport.subscribe(PLAIN, 30)))
        for _ in range(4):
            await load.grows_by(100)
            proxy.cut()
        await load.grows_by(100)
        load.stop()
    assert proxy.accepted >= 6
    await until(lambda: transport.healthy)


async def test_connections_closed_by_the_operator_come_back(
    transport: RabbitTransport, rabbitmq_server: Rabbit
) -> None:
    load = Load(transport)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.publish())
        group.create_task(load.consume(await transport.subscribe(PLAIN, 30)))
        await load.grows_by(50)
        await asyncio.to_thread(rabbitmq_server.rabbitmqctl, "close_all_connections", "maintenance")
        await load.grows_by(100)
        load.stop()


@pytest.mark.slow
async def test_a_killed_node_loses_nothing_confirmed(transport: RabbitTransport, rabbitmq_server: Rabbit) -> None:
    load = Load(transport)
    async with asyncio.TaskGroup() as group:
        group.create_task(load.publish())
        group.create_task(load.consume(await transport.subscribe(PLAIN, 30)))
        await load.grows_by(200)
        await asyncio.to_thread(rabbitmq_server.crash)
        await until(lambda: not transport.healthy)
        await asyncio.to_thread(rabbitmq_server.restart)
        await load.grows_by(200)
        load.stop()
    await until(lambda: transport.healthy)


async def test_a_confirm_that_does_not_come_is_unknown_and_costs_the_connection(
    transport: RabbitTransport, proxy: Proxy
) -> None:
    assert await transport.publish([message()]) == [Receipt.CONFIRMED]
    before = proxy.accepted
    proxy.freeze()
    assert await transport.publish(numbered(3)) == [Receipt.UNKNOWN] * 3
    proxy.thaw()
    assert await transport.publish([message()]) == [Receipt.CONFIRMED]
    assert proxy.accepted > before


async def test_without_a_connection_nothing_is_sent_and_the_receipt_is_refused(
    transport: RabbitTransport, proxy: Proxy
) -> None:
    await proxy.close()
    await until(lambda: not transport.healthy)
    assert await transport.publish([message()]) == [Receipt.REFUSED]
    with pytest.raises(TransportUnavailable, match="no connection"):
        await transport.depth(PLAIN)


async def test_a_full_queue_refuses_and_the_receipt_says_so(transport: RabbitTransport, vhost: Vhost) -> None:
    await tighten(transport, vhost)
    receipts: list[Receipt] = []
    async with asyncio.timeout(PATIENCE):
        while Receipt.REFUSED not in receipts:
            receipts += await transport.publish([message(body=b"x" * 500) for _ in range(20)])
    assert Receipt.CONFIRMED in receipts
    await until_depth(transport, PLAIN, receipts.count(Receipt.CONFIRMED))


async def tighten(transport: RabbitTransport, vhost: Vhost) -> None:
    """Make the queue again with room for about 2,000 bytes."""
    async with asyncio.timeout(PATIENCE):
        channel = await transport._consumers.channel()
        await channel.ask(channel.raw.queue_delete, PLAIN)
        channel.close()
    small = tuple(
        dataclasses.replace(queue, max_bytes=2000) if queue.name == PLAIN else queue for queue in SHAPE.queues
    )
    other = RabbitTransport(AmqpSettings(url=vhost.url), dataclasses.replace(SHAPE, queues=small))
    await other.start()
    await other.declare()
    await other.close()


@pytest.mark.slow
async def test_a_blocked_broker_gets_nothing_new_until_it_has_room_again(
    transport: RabbitTransport, rabbitmq_server: Rabbit
) -> None:
    assert await transport.publish([message()]) == [Receipt.CONFIRMED]
    subscription = await transport.subscribe(PLAIN, 10)
    control = rabbitmq_server.rabbitmqctl
    await asyncio.to_thread(control, "set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        first = await transport.publish(numbered(2))
        assert set(first) <= {Receipt.UNKNOWN, Receipt.REFUSED}
        assert transport.blocked
        assert not transport.healthy
        assert await transport.publish([message(body=b"never sent")]) == [Receipt.REFUSED]
        assert bodies(await collect(subscription, 1)) == [b"{}"]
    finally:
        await asyncio.to_thread(control, "set_vm_memory_high_watermark", "0.4")
    await until(lambda: transport.healthy)
    assert await transport.publish([message(body=b"after")]) == [Receipt.CONFIRMED]
    seen: list[bytes] = []
    async with asyncio.timeout(PATIENCE):
        while b"after" not in seen:
            seen += bodies(await subscription.take(10, 0.2))
    assert b"never sent" not in seen


async def test_a_queue_deleted_under_a_taker_is_taken_from_again_when_it_is_back(
    transport: RabbitTransport, rabbitmq_server: Rabbit, vhost: Vhost
) -> None:
    unwatched = RabbitTransport(AmqpSettings(url=vhost.url, watchdog_seconds=300), SHAPE)
    await unwatched.start()
    subscription = await unwatched.subscribe(PLAIN, 10)
    assert unwatched.healthy
    await asyncio.to_thread(rabbitmq_server.rabbitmqctl, "delete_queue", PLAIN, "-p", vhost.name)
    await until(lambda: not unwatched.healthy)
    missing = f"The queue {PLAIN} is missing; make it with `towpath topology declare`."
    assert await unwatched.check() == [missing]
    await transport.declare()
    await until(lambda: unwatched.healthy)
    await unwatched.publish([message(body=b"back")])
    assert bodies(await collect(subscription, 1)) == [b"back"]
    await unwatched.close()


async def test_the_watchdog_restarts_a_taker_that_the_broker_does_not_feed(
    transport: RabbitTransport,
) -> None:
    subscription = await transport.subscribe(PLAIN, 10)
    channel = subscription._channel  # type: ignore[attr-defined]
    (tag,) = channel.raw.consumer_tags
    await channel.ask(channel.raw.basic_cancel, tag)
    await transport.publish([message(body=b"overlooked")])
    assert bodies(await collect(subscription, 1)) == [b"overlooked"]
    await until(lambda: transport.healthy)


async def test_a_taker_that_cannot_be_proven_to_consume_is_unhealthy(transport: RabbitTransport, proxy: Proxy) -> None:
    await transport.subscribe(PLAIN, 10)
    await until(lambda: transport.healthy)
    proxy.freeze()
    await until(lambda: not transport.healthy)
    proxy.thaw()
    await until(lambda: transport.healthy)


async def test_an_acknowledgement_of_a_lost_connection_is_passed_over(transport: RabbitTransport, proxy: Proxy) -> None:
    await transport.publish(numbered(3))
    subscription = await transport.subscribe(PLAIN, 10)
    old = await collect(subscription, 3)
    proxy.cut()
    again = await collect(subscription, 3)
    assert [one.redelivered for one in again] == [True] * 3
    await subscription.acknowledge(old)
    await subscription.acknowledge(again[1:])
    await subscription.release()
    await until_depth(transport, PLAIN, 1)
    assert bodies(await collect(await transport.subscribe(PLAIN, 10), 1)) == [b"0"]


async def test_messages_are_never_in_two_hands_when_a_single_active_taker_lets_go(
    transport: RabbitTransport,
) -> None:
    held: set[bytes] = set()
    doubled: list[bytes] = []

    async def work(take: int) -> None:
        subscription = await transport.subscribe(INBOX, 5)
        taken: list[Taken] = await subscription.take(take, 5.0)
        doubled.extend(body for body in bodies(taken) if body in held)
        held.update(bodies(taken))
        await asyncio.sleep(0)
        await subscription.acknowledge(taken[:1])
        held.difference_update(bodies(taken))
        await subscription.release()

    await transport.publish([event(body=b"%d" % number) for number in range(30)])
    first, second = asyncio.create_task(work(3)), asyncio.create_task(work(3))
    for _ in range(8):
        await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
        first = asyncio.create_task(work(3)) if first.done() else first
        second = asyncio.create_task(work(3)) if second.done() else second
    await asyncio.gather(first, second)
    assert doubled == []


async def test_a_queue_with_other_properties_is_named_with_what_to_do(vhost: Vhost, transport: RabbitTransport) -> None:
    other = RabbitTransport(AmqpSettings(url=vhost.url), Topology(queues=(Queue(PLAIN, delivery_limit=3),)))
    await other.start()
    with pytest.raises(ConfigurationError, match=rf"queue {PLAIN} is there with other properties.*delete it"):
        await other.declare()
    await other.close()


async def test_declaring_says_what_was_made_and_what_was_there(vhost: Vhost) -> None:
    fresh = RabbitTransport(AmqpSettings(url=vhost.url), SHAPE)
    await fresh.start()
    assert f"The queue {INBOX} is missing; make it with `towpath topology declare`." in await fresh.check()
    assert f"Queue {INBOX} was made." in await fresh.declare()
    assert f"Queue {INBOX} was there." in await fresh.declare()
    await fresh.close()


async def test_headers_that_amqp_cannot_carry_are_refused_and_the_rest_goes_on(
    transport: RabbitTransport,
) -> None:
    good = message()
    batch = [dataclasses.replace(good, headers={"no": object()}), good]
    assert await transport.publish(batch) == [Receipt.REFUSED, Receipt.CONFIRMED]
    await until_depth(transport, PLAIN, 1)


async def test_a_batch_larger_than_the_window_is_confirmed_in_order(vhost: Vhost, transport: RabbitTransport) -> None:
    narrow = RabbitTransport(AmqpSettings(url=vhost.url, window=7), SHAPE)
    await narrow.start()
    results = await asyncio.gather(narrow.publish(numbered(100)), narrow.publish(numbered(100)))
    assert set(results[0] + results[1]) == {Receipt.CONFIRMED}
    seen = bodies(await collect(await narrow.subscribe(PLAIN, 200), 200))
    assert seen == [b"%d" % number for number in range(100)] * 2
    await narrow.close()
