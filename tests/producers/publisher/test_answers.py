"""What RabbitMQ may answer to a publish."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from broker.topology import EVENTS
from producers.publisher import AmqpPublisher, PublisherTimes, Receipt
from tests.producers.publisher.places import QUICK, amqp_arrived, connected, order, unbound
from tests.producers.publisher.proxy import Proxy
from tests.services.provide import Rabbit
from tests.services.rabbitmq import Vhost

ROUNDS = 36
SHORT = "short"


@pytest.fixture
def channel(vhost: Vhost) -> Iterator[Any]:
    """A channel in a virtual host where the exchange of events has no alternate exchange and no binding."""
    connection = connected(vhost.url)
    channel = connection.channel()
    channel.exchange_declare(EVENTS, "topic", durable=True, auto_delete=False)
    yield channel
    connection.close()


def short_queue(channel: Any, length: int) -> None:
    """A queue that says no to what is over its length."""
    limits = {"x-max-length": length, "x-overflow": "reject-publish"}
    channel.queue_declare(SHORT, durable=True, auto_delete=False, arguments=limits)
    channel.queue_bind(SHORT, EVENTS, "order.created.#")


def test_an_event_that_no_queue_wants_is_unroutable_where_there_is_no_alternate(vhost: Vhost, channel: Any) -> None:
    short_queue(channel, 1000)
    events = [order(1), unbound(), order(2), unbound(), order(3)]

    with AmqpPublisher(vhost.url) as publisher:
        results = publisher.publish_many(events)
        again = publisher.publish_many([events[1]] * 200 + [events[0]])

    yes, no = Receipt.CONFIRMED, Receipt.UNROUTABLE
    assert [result.outcome for result in results] == [yes, no, yes, no, yes]
    assert [result.outcome for result in again] == [no] * 200 + [yes]
    assert "order.status_changed.acme.all" in results[1].sentence
    assert len(amqp_arrived(vhost.url, SHORT, 4)) == 4


def test_messages_are_persistent_and_say_what_they_are(vhost: Vhost, channel: Any) -> None:
    short_queue(channel, 10)

    with AmqpPublisher(vhost.url) as publisher:
        publisher.publish(order())

    [message] = amqp_arrived(vhost.url, SHORT, 1)
    assert message.properties["delivery_mode"] == 2
    assert message.properties["content_type"] == "application/cloudevents+json"


def test_an_event_is_no_longer_unroutable_once_a_queue_is_bound(vhost: Vhost, channel: Any) -> None:
    with AmqpPublisher(vhost.url) as publisher:
        event = order()
        before = publisher.publish(event).outcome
        short_queue(channel, 10)
        after = publisher.publish(event).outcome

    assert (before, after) == (Receipt.UNROUTABLE, Receipt.CONFIRMED)


def test_what_a_full_queue_rejects_is_refused_and_nothing_else_is(vhost: Vhost, channel: Any) -> None:
    short_queue(channel, 5)
    events = [order(number) for number in range(40)]

    with AmqpPublisher(vhost.url) as publisher:
        results = publisher.publish_many(events)

    outcomes = Counter(result.outcome for result in results)
    arrived = {message.message_id for message in amqp_arrived(vhost.url, SHORT, 5)}
    assert set(outcomes) == {Receipt.CONFIRMED, Receipt.REFUSED}
    assert {result.event_id for result in results if result.outcome is Receipt.CONFIRMED} == arrived


def test_a_confirm_that_comes_too_late_is_never_taken_for_the_next_event(vhost: Vhost, channel: Any) -> None:
    short_queue(channel, 1)
    times = PublisherTimes(connect=2.0, confirm=0.06, deadline=5.0)
    late: Counter[Receipt] = Counter()
    following: Counter[Receipt] = Counter()

    with Proxy(vhost.url) as proxy, AmqpPublisher(proxy.address(), times=times) as publisher:
        publisher.publish(order())
        for number in range(ROUNDS):
            channel.queue_purge(SHORT)
            proxy.hold("down", new_too=False)
            late[publisher.publish(order(number)).outcome] += 1
            proxy.release()
            following[publisher.publish(order(number + ROUNDS)).outcome] += 1

    assert Receipt.CONFIRMED not in following
    assert late[Receipt.UNKNOWN] >= 30


def test_without_the_exchange_the_answer_is_refused_at_once_and_says_what_to_do(vhost: Vhost) -> None:
    with AmqpPublisher(vhost.url) as publisher:
        results = publisher.publish_many([order(1), order(2)])

    assert {result.outcome for result in results} == {Receipt.REFUSED}
    assert "no exchange 'towpath.events'" in results[0].sentence
    assert "towpath topology declare" in results[0].sentence


def test_an_exchange_that_is_deleted_meanwhile_is_noticed(vhost: Vhost, channel: Any) -> None:
    short_queue(channel, 10)
    with AmqpPublisher(vhost.url, times=QUICK) as publisher:
        first = publisher.publish(order(1))
        channel.exchange_delete(EVENTS)
        second = publisher.publish(order(2))
        third = publisher.publish(order(3))

    assert first.outcome is Receipt.CONFIRMED
    assert second.outcome is Receipt.UNKNOWN
    assert third.outcome is Receipt.REFUSED


def test_a_user_without_the_right_to_write_is_refused(vhost: Vhost, channel: Any, rabbitmq_server: Rabbit) -> None:
    user = {"name": "reader", "password": "reader-secret", "tags": ""}
    rights = {"user": "reader", "vhost": vhost.name, "configure": "^$", "write": "^$", "read": ".*"}
    definitions = {"users": [user], "permissions": [rights]}
    rabbitmq_server.rabbitmqctl("import_definitions", "--format", "json", stdin=json.dumps(definitions))
    url = vhost.url.replace("guest:guest", "reader:reader-secret")

    with AmqpPublisher(url) as publisher:
        results = publisher.publish_many([order(1), order(2)])
    rabbitmq_server.rabbitmqctl("delete_user", "reader")

    assert {result.outcome for result in results} == {Receipt.REFUSED}
    assert "publishing to the exchange is refused" in results[0].sentence
