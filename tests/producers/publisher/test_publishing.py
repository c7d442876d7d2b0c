"""What every publisher does, whatever the broker."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from broker.topology import INBOX, UNROUTED
from domain.envelope import parse
from domain.errors import InputError
from producers.publisher import PublisherUnusable, Receipt, new_event
from tests.producers.publisher.places import Place, order, unbound


def test_a_published_event_is_confirmed_and_arrives_as_it_was_built(place: Place) -> None:
    event = order(4711, channel="main", subject="4711", correlationid="c-1")

    result = place.open().publish(event)

    assert (result.outcome, result.event_id) == (Receipt.CONFIRMED, event.id)
    assert event.id in result.sentence
    [message] = place.arrived(INBOX, 1)
    assert message.message_id == event.id
    assert message.routing_key == "order.created.acme.main"
    assert parse(message.body) == event


def test_many_events_arrive_in_order_with_one_result_each(place: Place) -> None:
    events = [order(number) for number in range(700)]

    results = place.open().publish_many(events)

    assert [result.event_id for result in results] == [event.id for event in events]
    assert {result.outcome for result in results} == {Receipt.CONFIRMED}
    assert [message.message_id for message in place.arrived(INBOX, 700)] == [event.id for event in events]


def test_no_events_give_no_results(place: Place) -> None:
    assert place.open().publish_many([]) == []


def test_an_event_nobody_binds_is_confirmed_and_ends_where_it_can_be_seen(place: Place) -> None:
    event = unbound()

    assert place.open().publish(event).outcome is Receipt.CONFIRMED

    assert [message.message_id for message in place.arrived(UNROUTED, 1)] == [event.id]


def test_four_threads_share_one_publisher_and_every_event_arrives_once(place: Place) -> None:
    publisher = place.open()
    events = [order(number) for number in range(800)]

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(publisher.publish, events))

    assert Counter(result.outcome for result in results) == {Receipt.CONFIRMED: 800}
    arrived = Counter(message.message_id for message in place.arrived(INBOX, 800))
    assert arrived == Counter(event.id for event in events)


def test_one_bad_event_is_said_before_anything_is_sent(place: Place) -> None:
    publisher = place.open()
    bad = order().model_copy(update={"account": None})

    with pytest.raises(InputError, match="account"):
        publisher.publish_many([order(1), bad])

    good = order(2)
    publisher.publish(good)
    assert [message.message_id for message in place.arrived(INBOX, 1)] == [good.id]


def test_a_closed_publisher_says_so(place: Place) -> None:
    with place.open() as publisher:
        publisher.publish(order())
    publisher.close()

    with pytest.raises(PublisherUnusable, match="closed"):
        publisher.publish(order())


def test_the_second_copy_of_an_event_has_the_same_id(place: Place) -> None:
    publisher = place.open()
    event = new_event("order.created", {"external_order_id": "1"}, source="upstream", account="acme", id="shipment-1")

    outcomes = [publisher.publish(event).outcome for _ in range(2)]

    assert outcomes == [Receipt.CONFIRMED] * 2
    assert [message.message_id for message in place.arrived(INBOX, 2)] == ["shipment-1"] * 2
