"""F10, F19, F20: RabbitMQ dies, loses a queue under its consumer, and never hears of one delivery twice.

Only RabbitMQ: the journal has no server of its own that could die, no queue that somebody could delete under a worker,
and no acknowledgement, for the settle itself frees its lanes.
"""

from __future__ import annotations

import contextlib
from contextlib import closing
from functools import partial

import pika
import pytest

from broker.topology import INBOX, job_queue
from tests.app.harness import Child, Office, Stack, address_of, eventually
from tests.app.web import Web
from tests.app.workload import Work, parcel_events, wait_settled
from tests.faults.judging import judge
from tests.faults.signs import AmqpHand, lanes_of, said, says, virtual_host
from tests.faults.test_relay import leads
from tests.faults.test_stopped_consumer import stopped
from tests.faults.wires import Wires
from tests.services.process import free_port
from tests.services.provide import Rabbit
from tests.services.rabbitmq import settle

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.parametrize(
        "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
    ),
]

PARCELS = "shipment_export"
QUEUE = job_queue(PARCELS)
KILLS = 2
PATIENT = 20
"""The most often that a consumer may ask for a missing queue while this test looks: its pauses double."""


@pytest.mark.slow
def test_F10_rabbitmq_killed_twice_under_load_loses_and_doubles_nothing_it_confirmed(
    stack: Stack, office: Office, rabbitmq_server: Rabbit
) -> None:
    settle(rabbitmq_server.rabbitmqctl)
    stack.shop.slow_down(20)
    work = Work.of(stack, orders=24, stock=80)
    address = f"http://127.0.0.1:{free_port()}"
    running = stack.start("up", "--port", address.rpartition(":")[2]).works()
    door, rest = Web(address), work
    for _ in range(KILLS):
        part, rest = rest.halves()
        seen = stack.shop.count_calls()
        with part.being_sent(stack, address, office.key):
            eventually(lambda goal=seen + 8: stack.shop.count_calls() >= goal, 60, "work is under way")  # type: ignore[misc]
            eventually(lambda: door.ask("GET", "/readyz")[0] == 200, 30, "both connections stand")
            refused = times(running, "broker_connect_failed")
            rabbitmq_server.crash()
            eventually(lambda before=refused: times(running, "broker_connect_failed") > before, 60, "it is noticed")  # type: ignore[misc]
            rabbitmq_server.restart()
    with rest.being_sent(stack, address, office.key):
        pass
    judge(stack, office, work)
    assert running.alive


def times(child: Child, event_name: str) -> int:
    """How often a process told of something."""
    return len(said(child, event_name))


@pytest.mark.slow
def test_F19_a_queue_deleted_under_its_consumer_is_noticed_and_consumed_again_once_it_is_declared(
    stack: Stack, office: Office, rabbitmq_server: Rabbit
) -> None:
    relay = leads(stack.start("relay"))
    consumer, door = stack.start("consume").works(), stack.start("serve").works()
    stack.shop.slow_down(400)
    first = Work(over_http=[parcel_events(order)[0] for order in stack.shop.buy(60)])
    first.send_over_http(address_of(door), office.key, batch=60)
    eventually(lambda: lanes_of(office, PARCELS).get("running", 0) > 5, 30, "the consumer is in the middle of it")
    rabbitmq_server.rabbitmqctl("delete_queue", QUEUE, "-p", virtual_host(stack))
    says(consumer, "consumer_restarted", queue=QUEUE, reason="the broker cancelled the consumer")
    stack.shop.slow_down(0)
    second = Work(over_http=[parcel_events(order)[0] for order in stack.shop.buy(5)])
    with stopped(consumer):
        # A consumer at work looks for due lanes by itself, and may leave the relay nothing to tell of.
        second.send_over_http(address_of(door), office.key)
        says(relay, "queue_missing", queue=QUEUE)
    found = stack.command("doctor")
    assert found.returncode == 1
    assert QUEUE in found.stdout.decode() + found.stderr.decode()
    eventually(lambda: times(consumer, "consumer_lost") >= 5, 60, "the consumer asks for its queue again")
    assert times(consumer, "consumer_lost") <= PATIENT
    assert stack.command("topology", "declare").returncode == 0
    eventually(lambda: AmqpHand(stack).consumers(QUEUE) == 1, 60, "the queue is consumed again")
    judge(stack, office, Work(over_http=[*first.over_http, *second.over_http]))
    assert relay.alive and consumer.alive and door.alive


@pytest.mark.slow
def test_F19_an_inbox_deleted_under_the_relay_leaves_a_trace_of_each_event_and_works_again_once_declared(
    stack: Stack, office: Office, rabbitmq_server: Rabbit
) -> None:
    running = stack.start("up").works()
    orders = stack.shop.buy(6)
    before = Work(over_broker=[parcel_events(order)[0] for order in orders[:3]])
    before.send_over_broker(stack)
    wait_settled(stack, office, before)
    rabbitmq_server.rabbitmqctl("delete_queue", INBOX, "-p", virtual_host(stack))
    says(running, "consumer_restarted", queue=INBOX)
    astray = Work(over_broker=[parcel_events(order)[0] for order in orders[3:]])
    astray.send_over_broker(stack)
    eventually(lambda: office.numbers().rejected == 3, 30, "what the inbox missed is kept as rejected")
    assert {code for (code,) in office.sql("SELECT code FROM rejections")} == {"unrouted"}
    door = Web(address_of(running))
    eventually(lambda: door.ask("GET", "/readyz")[0] == 503, 30, "the process says that it is not ready")
    assert stack.command("doctor").returncode == 1
    assert stack.command("topology", "declare").returncode == 0
    eventually(lambda: door.ask("GET", "/readyz")[0] == 200, 60, "the process is ready again")
    astray.send_over_broker(stack)
    judge(stack, office, Work(over_broker=[*before.over_broker, *astray.over_broker]), rejected=3)
    assert running.alive


@pytest.mark.slow
def test_F20_nothing_is_acknowledged_twice_or_on_a_dead_channel_in_a_busy_run_with_broken_connections(
    stack: Stack, office: Office, wires: Wires, rabbitmq_server: Rabbit
) -> None:
    assert wires.broker is not None
    complaints_before = complaints(rabbitmq_server)
    stack.shop.slow_down(20)
    work = Work.of(stack, orders=16, stock=60)
    address = f"http://127.0.0.1:{free_port()}"
    running = [stack.start("up", "--port", address.rpartition(":")[2], **wires.environment).works()]
    running.append(stack.start("consume", **wires.environment).works())
    lines = lines_of(running[0])
    with work.being_sent(stack, address, office.key):
        for _ in range(3):
            seen = stack.shop.count_calls()
            eventually(lambda goal=seen + 8: stack.shop.count_calls() >= goal, 60, "work is under way")  # type: ignore[misc]
            eventually(lambda: lines_of(running[0]) >= lines, 30, "the process is connected")
            lost = times(running[0], "broker_connection_lost")
            wires.broker.reset()
            told = partial(times, running[0], "broker_connection_lost")
            eventually(lambda told=told, goal=lost + lines: told() >= goal, 30, "the connection is lost")  # type: ignore[misc]
    judge(stack, office, work)
    assert all(child.alive for child in running)
    assert not [line for child in running for line in child.text().splitlines() if "PRECONDITION_FAILED" in line]
    assert complaints(rabbitmq_server) == complaints_before
    acknowledge_twice(stack)
    eventually(lambda: complaints(rabbitmq_server) > complaints_before, 20, "a double acknowledgement would be seen")


def lines_of(child: Child) -> int:
    """How many connections to the broker a process has now."""
    return times(child, "broker_connected") - times(child, "broker_connection_lost")


def complaints(server: Rabbit) -> int:
    """How often the server's log tells of an acknowledgement that it did not expect."""
    matches = 'length(binary:matches(element(2, file:read_file(File)), <<"unknown delivery tag">>))'
    counted = server.rabbitmqctl(
        "eval", f"lists:sum([{matches} || File <- rabbit:log_locations(), filelib:is_regular(File)])."
    )
    return int(counted)


def acknowledge_twice(stack: Stack) -> None:
    """What must never happen, done on purpose."""
    connection = pika.BlockingConnection(pika.URLParameters(stack.settings.broker_url.get_secret_value()))
    with closing(connection), contextlib.suppress(pika.exceptions.ChannelClosedByBroker):
        channel = connection.channel()
        channel.basic_ack(1)
        channel.queue_declare(QUEUE, passive=True)
