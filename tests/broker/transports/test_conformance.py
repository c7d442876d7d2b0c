"""What every transport promises, held against all of them."""

from __future__ import annotations

import asyncio

import pytest

from broker.topology import EVENTS, UNROUTED
from broker.transports.seam import Outgoing, Receipt, Transport
from domain.errors import ConfigurationError
from tests.broker.transports.shape import OTHER, PLAIN, event, message, numbered
from tests.broker.transports.sites import PATIENCE, Site, bodies, collect, until_depth


async def test_a_batch_gets_one_receipt_per_message_in_its_order(transport: Transport) -> None:
    batch = [
        message(),
        message("nobody.wants.this"),
        event(),
        message("order_import.acme.main", exchange="no.such"),
    ]
    receipts = await transport.publish(batch)
    assert receipts == [Receipt.CONFIRMED, Receipt.UNROUTABLE, Receipt.CONFIRMED, Receipt.REFUSED]


async def test_texts_longer_than_amqp_allows_are_refused_and_the_rest_goes_on(transport: Transport) -> None:
    batch = [message("order_import." + "x" * 300), message("order_import.\0"), message()]
    assert await transport.publish(batch) == [Receipt.REFUSED, Receipt.REFUSED, Receipt.CONFIRMED]
    await until_depth(transport, PLAIN, 1)


async def test_an_empty_batch_has_no_receipts(transport: Transport) -> None:
    assert await transport.publish([]) == []


async def test_an_event_that_no_queue_wants_is_confirmed_and_lies_in_unrouted(transport: Transport) -> None:
    lost = event("never.heard.of", b"x")
    assert await transport.publish([lost]) == [Receipt.CONFIRMED]
    (taken,) = await collect(await transport.subscribe(UNROUTED, 10), 1)
    assert (taken.body, taken.routing_key, taken.exchange) == (b"x", "never.heard.of", EVENTS)
    assert taken.message_id == lost.message_id


async def test_messages_go_to_the_queues_their_routing_key_matches(transport: Transport) -> None:
    await transport.publish(
        [message("order_import.a", b"1"), message("inventory_export.a", b"2"), message("order_import", b"3")]
    )
    assert bodies(await collect(await transport.subscribe(PLAIN, 10), 2)) == [b"1", b"3"]
    assert bodies(await collect(await transport.subscribe(OTHER, 10), 1)) == [b"2"]


async def test_body_headers_and_properties_arrive_as_they_were_sent(transport: Transport) -> None:
    sent = Outgoing(
        exchange="towpath.jobs",
        routing_key="order_import.acmé.main",
        body=bytes(range(256)) * 3,
        message_id="018f-id",
        content_type="application/cloudevents+json",
        headers={
            "text": "grüße",
            "number": 7,
            "big": 2**40,
            "flag": True,
            "none": None,
            "nested": {"list": [1, "two"]},
        },
    )
    await transport.publish([sent])
    (taken,) = await collect(await transport.subscribe(PLAIN, 10), 1)
    assert taken.body == sent.body
    assert dict(taken.headers) == dict(sent.headers)
    assert (taken.queue, taken.exchange, taken.routing_key) == (PLAIN, sent.exchange, sent.routing_key)
    assert (taken.message_id, taken.content_type) == (sent.message_id, sent.content_type)
    assert taken.redelivered is False


async def test_two_thousand_messages_in_one_batch_come_out_in_order(transport: Transport) -> None:
    assert set(await transport.publish(numbered(2000))) == {Receipt.CONFIRMED}
    subscription = await transport.subscribe(PLAIN, 500)
    seen: list[bytes] = []
    async with asyncio.timeout(PATIENCE):
        while len(seen) < 2000:
            taken = await subscription.take(300, 1.0)
            seen += bodies(taken)
            await subscription.acknowledge(taken)
    assert seen == [b"%d" % number for number in range(2000)]


async def test_taking_from_an_empty_queue_ends_with_nothing_after_the_wait(transport: Transport) -> None:
    subscription = await transport.subscribe(PLAIN, 10)
    started = asyncio.get_running_loop().time()
    assert await subscription.take(10, 0.2) == []
    assert asyncio.get_running_loop().time() - started >= 0.2


async def test_a_waiting_taker_wakes_when_a_message_comes(site: Site) -> None:
    one, two = await site.open(), await site.open()
    subscription = await one.subscribe(PLAIN, 10)
    waiting = asyncio.create_task(subscription.take(10, PATIENCE))
    await asyncio.sleep(0)
    await two.publish([message(body=b"late")])
    async with asyncio.timeout(PATIENCE / 2):
        assert bodies(await waiting) == [b"late"]


async def test_never_more_than_most_at_once_nor_prefetch_in_hand(transport: Transport) -> None:
    await transport.publish(numbered(10))
    subscription = await transport.subscribe(PLAIN, 4)
    first = await collect(subscription, 3, most=3)
    assert len(first) == 3
    second = await collect(subscription, 1)
    assert len(second) == 1
    assert await subscription.take(10, 0.2) == []
    await subscription.acknowledge(first)
    assert bodies(await collect(subscription, 3)) == [b"4", b"5", b"6"]


async def test_two_takers_share_a_queue_without_doubles(site: Site) -> None:
    one, two = await site.open(), await site.open()
    await one.publish(numbered(600))
    seen: list[bytes] = []

    async def work(transport: Transport) -> int:
        subscription = await transport.subscribe(PLAIN, 20)
        count = 0
        while taken := await subscription.take(10, 0.5):
            seen.extend(bodies(taken))
            count += len(taken)
            await subscription.acknowledge(taken)
        return count

    counts = await asyncio.gather(work(one), work(two))
    assert sorted(seen) == sorted(b"%d" % number for number in range(600))
    assert all(counts)


async def test_depth_counts_what_is_ready_and_not_what_is_in_hand(transport: Transport) -> None:
    assert await transport.depth(PLAIN) == 0
    await transport.publish(numbered(5))
    await until_depth(transport, PLAIN, 5)
    subscription = await transport.subscribe(PLAIN, 2)
    taken = await collect(subscription, 2)
    await until_depth(transport, PLAIN, 3)
    await subscription.acknowledge(taken[:1])
    await collect(subscription, 1)
    await until_depth(transport, PLAIN, 2)


async def test_a_take_that_was_cancelled_loses_nothing(transport: Transport) -> None:
    subscription = await transport.subscribe(PLAIN, 10)
    for number in range(20):
        waiting = asyncio.create_task(subscription.take(10, PATIENCE))
        publishing = asyncio.create_task(transport.publish([message(body=b"%d" % number)]))
        for _ in range(number):
            await asyncio.sleep(0.0005)
        waiting.cancel()
        (result,) = await asyncio.gather(waiting, return_exceptions=True)
        await publishing
        taken = result if isinstance(result, list) else await collect(subscription, 1)
        assert bodies(taken) == [b"%d" % number]
        await subscription.acknowledge(taken)


async def test_a_declared_topology_lacks_nothing(transport: Transport) -> None:
    assert await transport.declare()
    assert await transport.declare()
    assert await transport.check() == []
    assert transport.healthy


async def test_an_unknown_queue_is_named_in_the_error(transport: Transport) -> None:
    with pytest.raises(ConfigurationError, match=r"no\.such\.queue"):
        await transport.depth("no.such.queue")
    with pytest.raises(ConfigurationError, match=r"no\.such\.queue"):
        await transport.subscribe("no.such.queue", 10)
