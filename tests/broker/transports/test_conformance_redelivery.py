"""What every transport promises about messages in hand when a taker lets go or dies."""

from __future__ import annotations

import asyncio

import pytest

from broker.topology import DEAD, INBOX, UNROUTED
from broker.transports.routing import DEATH_QUEUE, DEATH_REASON
from broker.transports.seam import Receipt, Transport
from domain.errors import ConfigurationError, TransportUnavailable
from tests.broker.transports.shape import LIMIT, LIMITED, OTHER, PLAIN, event, message, numbered
from tests.broker.transports.sites import PATIENCE, Site, bodies, collect, until_depth


async def test_what_a_dead_taker_had_comes_back_before_newer_messages_and_says_so(site: Site) -> None:
    dying, living = await site.open(), await site.open()
    await living.publish(numbered(6))
    taken = await collect(await dying.subscribe(PLAIN, 4), 4)
    await site.drop(dying)
    await until_depth(living, PLAIN, 6)
    again = await collect(await living.subscribe(PLAIN, 10), 6)
    assert bodies(again) == [b"0", b"1", b"2", b"3", b"4", b"5"]
    assert [one.redelivered for one in again] == [True] * 4 + [False] * 2
    assert [one.redelivered for one in taken] == [False] * 4


async def test_what_was_acknowledged_in_any_order_stays_away_and_the_rest_returns(site: Site) -> None:
    dying, living = await site.open(), await site.open()
    await living.publish(numbered(8))
    subscription = await dying.subscribe(PLAIN, 8)
    taken = await collect(subscription, 8)
    await subscription.acknowledge([taken[5], taken[1], taken[7]])
    await subscription.acknowledge([taken[0], taken[3]])
    await until_depth(living, PLAIN, 0)
    await subscription.release()
    await until_depth(living, PLAIN, 3)
    again = await collect(await living.subscribe(PLAIN, 10), 3)
    assert bodies(again) == [b"2", b"4", b"6"]


async def test_an_acknowledgement_said_twice_or_too_late_changes_nothing(transport: Transport) -> None:
    await transport.publish(numbered(3))
    first = await transport.subscribe(PLAIN, 10)
    taken = await collect(first, 3)
    await first.acknowledge(taken[:1])
    await first.acknowledge(taken[:1])
    await first.release()
    await until_depth(transport, PLAIN, 2)
    await first.acknowledge(taken)
    await first.reject(taken)
    assert bodies(await collect(await transport.subscribe(PLAIN, 10), 2)) == [b"1", b"2"]


async def test_an_acknowledgement_of_another_generation_is_passed_over(transport: Transport) -> None:
    await transport.publish(numbered(2))
    first, second = await transport.subscribe(PLAIN, 1), await transport.subscribe(PLAIN, 1)
    (one,), (other,) = await collect(first, 1), await collect(second, 1)
    await first.release()
    await second.acknowledge([other])
    again = await collect(second, 1)
    assert bodies(again) == [one.body]
    await first.acknowledge([one])
    await second.release()
    await until_depth(transport, PLAIN, 1)


async def test_a_rejected_message_lies_among_the_dead_and_says_where_it_died(transport: Transport) -> None:
    await transport.publish([message(body=b"bad"), message(body=b"good")])
    subscription = await transport.subscribe(PLAIN, 10)
    taken = await collect(subscription, 2)
    await subscription.reject(taken[:1])
    await subscription.acknowledge(taken[1:])
    (dead,) = await collect(await transport.subscribe(DEAD, 10), 1)
    assert (dead.body, dead.routing_key, dead.message_id) == (
        b"bad",
        taken[0].routing_key,
        taken[0].message_id,
    )
    assert dead.headers[DEATH_QUEUE] == PLAIN
    assert dead.headers[DEATH_REASON] == "rejected"
    await subscription.release()
    await until_depth(transport, PLAIN, 0)


async def test_rejecting_where_nothing_would_keep_the_message_is_refused(transport: Transport) -> None:
    await transport.publish([event("never.heard.of")])
    subscription = await transport.subscribe(UNROUTED, 10)
    taken = await collect(subscription, 1)
    with pytest.raises(ConfigurationError, match="no dead letter exchange"):
        await subscription.reject(taken)


async def test_a_message_that_kills_its_takers_too_often_lies_among_the_dead(site: Site) -> None:
    living = await site.open()
    await living.publish([message("limited.a", b"poison"), message("limited.a", b"fine")])
    for _ in range(LIMIT + 1):
        subscription = await living.subscribe(LIMITED, 1)
        (taken,) = await collect(subscription, 1)
        assert taken.body == b"poison"
        await subscription.release()
    (dead,) = await collect(await living.subscribe(DEAD, 10), 1)
    assert dead.body == b"poison"
    assert dead.headers[DEATH_REASON] == "delivery_limit"
    assert bodies(await collect(await living.subscribe(LIMITED, 10), 1)) == [b"fine"]


async def test_a_single_active_queue_feeds_one_taker_and_the_next_when_it_goes(site: Site) -> None:
    one, two = await site.open(), await site.open()
    active = await one.subscribe(INBOX, 2)
    stand_by = await two.subscribe(INBOX, 10)
    await one.publish([event(body=b"%d" % number) for number in range(5)])
    taken = await collect(active, 2)
    assert await stand_by.take(10, 0.3) == []
    await active.acknowledge(taken[:1])
    assert bodies(await collect(active, 1)) == [b"2"]
    await active.release()
    assert bodies(await collect(stand_by, 4)) == [b"1", b"2", b"3", b"4"]


async def test_the_stand_by_takes_over_when_the_active_taker_dies(site: Site) -> None:
    one, two = await site.open(), await site.open()
    active, stand_by = await one.subscribe(INBOX, 3), await two.subscribe(INBOX, 10)
    await two.publish([event(body=b"%d" % number) for number in range(4)])
    assert len(await collect(active, 3)) == 3
    await site.drop(one)
    again = await collect(stand_by, 4)
    assert bodies(again) == [b"0", b"1", b"2", b"3"]
    assert [one.redelivered for one in again] == [True, True, True, False]


async def test_released_messages_return_to_their_place(transport: Transport) -> None:
    await transport.publish(numbered(5))
    first = await transport.subscribe(PLAIN, 3)
    taken = await collect(first, 3)
    await first.acknowledge([taken[1]])
    await first.release()
    await until_depth(transport, PLAIN, 4)
    assert bodies(await collect(await transport.subscribe(PLAIN, 10), 4)) == [b"0", b"2", b"3", b"4"]


async def test_closing_gives_back_what_was_in_hand_and_ends_the_takers(site: Site) -> None:
    closing, living = await site.open(), await site.open()
    await living.publish(numbered(3))
    subscription = await closing.subscribe(PLAIN, 2)
    empty = await closing.subscribe(OTHER, 2)
    await collect(subscription, 2)
    waiting = asyncio.create_task(empty.take(5, PATIENCE))
    await asyncio.sleep(0)
    await closing.close()
    await closing.close()
    async with asyncio.timeout(2):
        assert await waiting == []
    assert not closing.healthy
    with pytest.raises(TransportUnavailable):
        await subscription.take(1, 0.1)
    with pytest.raises(TransportUnavailable):
        await closing.subscribe(PLAIN, 1)
    assert await closing.publish([message()]) == [Receipt.REFUSED]
    await until_depth(living, PLAIN, 3)
