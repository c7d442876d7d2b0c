"""What becomes of a publish when the network or the server fails."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broker.topology import INBOX
from domain.envelope import Envelope
from producers.publisher import AmqpPublisher, PublisherTimes, PublisherUnusable, PublishResult, Receipt
from tests.producers.publisher.places import BRAVE, PATIENCE, QUICK, AmqpPlace, connected, order
from tests.producers.publisher.proxy import Proxy, Way
from tests.services.process import wait_until
from tests.services.provide import Rabbit
from tests.services.rabbitmq import settle

SLACK = 1.5


def within(seconds: float, act: Callable[[], PublishResult]) -> PublishResult:
    """The answer, which must come in time."""
    began = time.monotonic()
    result = act()
    assert time.monotonic() - began < seconds + SLACK
    return result


def ids(place: AmqpPlace, count: int) -> list[str]:
    return [message.message_id for message in place.arrived(INBOX, count)]


@pytest.mark.parametrize("ways", [("up",), ("down",), ("up", "down")], ids=["up", "down", "both"])
def test_a_black_hole_ends_as_unknown_in_time(rabbit: AmqpPlace, proxy: Proxy, ways: tuple[Way, ...]) -> None:
    with AmqpPublisher(proxy.address(), times=QUICK) as publisher:
        publisher.publish(order(1))
        proxy.hold(*ways)
        event = order(2)

        result = within(QUICK.deadline, lambda: publisher.publish(event))

    assert result.outcome is Receipt.UNKNOWN
    assert "same id" in result.sentence
    if ways == ("down",):
        assert set(ids(rabbit, 2)[1:]) == {event.id}


def test_a_black_hole_before_the_first_byte_ends_as_refused_in_time(rabbit: AmqpPlace, proxy: Proxy) -> None:
    proxy.hold("up", "down")

    with AmqpPublisher(proxy.address(), times=QUICK) as publisher:
        result = within(QUICK.deadline, lambda: publisher.publish(order()))

    assert result.outcome is Receipt.REFUSED


@pytest.mark.parametrize("count", [0, 10, 31])
def test_half_a_frame_does_not_hold_a_batch_up(rabbit: AmqpPlace, proxy: Proxy, count: int) -> None:
    with AmqpPublisher(proxy.address(), times=BRAVE) as publisher:
        publisher.publish(order())
        proxy.stop_after(count)
        events = [order(number) for number in range(500)]

        began = time.monotonic()
        results = publisher.publish_many(events)

    assert time.monotonic() - began < PATIENCE / 2
    assert {result.outcome for result in results} == {Receipt.CONFIRMED}
    assert set(ids(rabbit, 501)) >= {event.id for event in events}


def test_a_lost_answer_is_tried_again_with_the_same_id(rabbit: AmqpPlace, proxy: Proxy) -> None:
    with AmqpPublisher(proxy.address(), times=BRAVE) as publisher:
        publisher.publish(order(1))
        proxy.hold("down", new_too=False)
        event = order(2)

        assert publisher.publish(event).outcome is Receipt.CONFIRMED

    assert ids(rabbit, 3)[1:] == [event.id, event.id]


def test_a_connection_that_is_cut_while_publishing_is_replaced(rabbit: AmqpPlace, proxy: Proxy) -> None:
    events = [order(number) for number in range(300)]
    results: list[PublishResult] = []

    with AmqpPublisher(proxy.address()) as publisher, ThreadPoolExecutor(1) as threads:
        running = threads.submit(lambda: results.extend(map(publisher.publish, events)))
        for reached in range(50, 300, 50):
            assert wait_until(lambda now=reached: len(results) >= now, PATIENCE)  # type: ignore[misc]
            proxy.cut()
        running.result(PATIENCE)

    assert {result.outcome for result in results} == {Receipt.CONFIRMED}
    assert proxy.accepted > 1
    assert set(ids(rabbit, 300)) == {event.id for event in events}


def test_a_server_that_is_not_there_ends_as_refused_in_time(rabbit: AmqpPlace, proxy: Proxy) -> None:
    proxy.close()

    with AmqpPublisher(proxy.address(), times=QUICK) as publisher:
        result = within(QUICK.deadline, lambda: publisher.publish(order()))

    assert result.outcome is Receipt.REFUSED
    assert f"127.0.0.1:{proxy.port}" in result.sentence


def test_an_event_is_not_risked_on_an_idle_connection_that_is_gone(rabbit: AmqpPlace, proxy: Proxy) -> None:
    with AmqpPublisher(proxy.address(), times=QUICK) as publisher:
        publisher.publish(order(1))
        rested = time.monotonic() + 1.1
        proxy.close()
        wait_until(lambda: time.monotonic() > rested, PATIENCE)

        assert publisher.publish(order(2)).outcome is Receipt.REFUSED


def test_a_connection_idle_for_longer_than_the_heartbeat_stays_usable(rabbit: AmqpPlace, proxy: Proxy) -> None:
    def reads(connection: Any) -> bool:
        try:
            connection.blocking_read(0.01)
        except TimeoutError:
            return True
        except OSError:
            return False
        return True

    silent = connected(rabbit.url, heartbeat=1)
    with AmqpPublisher(proxy.address(), times=PublisherTimes(heartbeat=1)) as publisher:
        publisher.publish(order(1))
        assert wait_until(lambda: not reads(silent), PATIENCE), "the server cut nobody off"
        rested = time.monotonic() + 0.3
        wait_until(lambda: time.monotonic() > rested, PATIENCE)

        assert publisher.publish(order(2)).outcome is Receipt.CONFIRMED
    silent.collect()

    assert proxy.accepted == 1
    assert len(ids(rabbit, 2)) == 2


def test_a_connection_nobody_looked_after_is_renewed(rabbit: AmqpPlace, proxy: Proxy) -> None:
    with AmqpPublisher(proxy.address(), times=PublisherTimes(heartbeat=1)) as publisher:
        publisher.publish(order(1))
        proxy.hold("up", "down", new_too=False)

        assert wait_until(lambda: not publisher.connections, PATIENCE)
        assert publisher.publish(order(2)).outcome is Receipt.CONFIRMED

    assert len(ids(rabbit, 2)) == 2


@pytest.mark.slow
def test_the_first_publish_after_the_server_restarted_is_confirmed_and_there(
    rabbit: AmqpPlace, rabbitmq_server: Rabbit
) -> None:
    before, during, after = order(1), order(2), order(3)
    with AmqpPublisher(rabbit.url, times=QUICK) as publisher:
        assert publisher.publish(before).outcome is Receipt.CONFIRMED
        settle(rabbitmq_server.rabbitmqctl)
        rabbitmq_server.crash()
        assert publisher.publish(during).outcome in (Receipt.REFUSED, Receipt.UNKNOWN)
        rabbitmq_server.restart()

        assert publisher.publish(after).outcome is Receipt.CONFIRMED

    assert ids(rabbit, 2) == [before.id, after.id]


@pytest.mark.slow
def test_a_memory_alarm_ends_in_time_and_goes_by(rabbit: AmqpPlace, rabbitmq_server: Rabbit) -> None:
    control = rabbitmq_server.rabbitmqctl
    patient = AmqpPublisher(rabbit.url, times=PublisherTimes(confirm=0.5, deadline=PATIENCE))
    hasty = AmqpPublisher(rabbit.url, times=PublisherTimes(confirm=0.5, deadline=1.0, heartbeat=1))
    waited_for, given_up = order(1), order(2)
    with patient, hasty, ThreadPoolExecutor(1) as threads:
        control("set_vm_memory_high_watermark", "absolute", "1MB")
        try:
            waiting = threads.submit(patient.publish, waited_for)
            result = within(1.0, lambda: hasty.publish(given_up))
            assert wait_until(lambda: patient.blocked, PATIENCE)
        finally:
            control("set_vm_memory_high_watermark", "0.4")

        assert result.outcome is Receipt.UNKNOWN
        assert "alarm" in result.sentence
        assert waiting.result(PATIENCE).outcome is Receipt.CONFIRMED
        assert hasty.publish(given_up).outcome is Receipt.CONFIRMED
        assert not patient.blocked
        assert not hasty.blocked

    arrived = ids(rabbit, 2)
    assert arrived.count(waited_for.id) == 1
    assert set(arrived) == {waited_for.id, given_up.id}


def test_more_threads_than_connections_take_turns(rabbit: AmqpPlace, proxy: Proxy) -> None:
    with AmqpPublisher(proxy.address(), connections=2) as publisher, ThreadPoolExecutor(6) as threads:
        results = list(threads.map(publisher.publish, [order(number) for number in range(60)]))

    assert {result.outcome for result in results} == {Receipt.CONFIRMED}
    assert proxy.accepted <= 2
    assert len(ids(rabbit, 60)) == 60


def test_who_finds_all_connections_busy_is_refused_in_time(rabbit: AmqpPlace, proxy: Proxy) -> None:
    slow = PublisherTimes(connect=0.5, confirm=10.0, deadline=0.5)

    def publish(publisher: AmqpPublisher, event: Envelope) -> Receipt:
        return within(slow.deadline, lambda: publisher.publish(event)).outcome

    with AmqpPublisher(proxy.address(), times=slow, connections=1) as publisher:
        publisher.publish(order(1))
        proxy.hold("down")
        with ThreadPoolExecutor(2) as threads:
            outcomes = set(threads.map(lambda event: publish(publisher, event), [order(2), order(3)]))

    assert outcomes == {Receipt.UNKNOWN, Receipt.REFUSED}


def test_a_publisher_of_the_parent_process_is_not_used_in_the_child(
    rabbit: AmqpPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with AmqpPublisher(rabbit.url) as publisher:
        publisher.publish(order(1))
        parent = os.getpid()
        with monkeypatch.context() as child:
            child.setattr(os, "getpid", lambda: parent + 1)
            with pytest.raises(PublisherUnusable, match="forked"):
                publisher.publish(order(2))

        assert publisher.publish(order(3)).outcome is Receipt.CONFIRMED
