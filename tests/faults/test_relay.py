"""F05–F08: what the relay publishes is lost, refused or wanted by nobody, and what it stands for still happens once.

It publishes tickets for workers, which say that lanes of a job type are due, and announcements for the OMS. Only
RabbitMQ: workers of the journal read due lanes from the ledger themselves, so nothing is published to them.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from broker.sources import LANES_PER_TICKET
from broker.topology import JOBS, OMS, job_queue
from tests.app.harness import CRASHED, Child, Office, Stack, address_of, eventually
from tests.app.web import Web
from tests.app.workload import Work, order_events, parcel_events, stock_event
from tests.faults.faulty import start_faulty
from tests.faults.judging import judge
from tests.faults.proxy import DOWN
from tests.faults.signs import AmqpHand, lanes_of, said, says, virtual_host
from tests.faults.wires import Wires
from tests.services.provide import Rabbit

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.parametrize(
        "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
    ),
]

PARCELS = "shipment_export"
QUEUE = job_queue(PARCELS)
LANES = 40
TICKETS = -(-LANES // LANES_PER_TICKET)
TOLD_TO_OMS = "hears.oms"
CALM = 5
"""The most often that a relay may try in vain within a second."""


def parcels(stack: Stack, orders: int) -> Work:
    """One parcel for each of some new orders: as many lanes of one job type."""
    return Work(over_http=[parcel_events(order)[0] for order in stack.shop.buy(orders)])


def imports(stack: Stack, orders: int) -> Work:
    """New orders: one announcement to the OMS for each."""
    return Work(over_http=[order_events(order)[0] for order in stack.shop.buy(orders)])


def take_in(stack: Stack, office: Office, work: Work) -> Child:
    """Have all events accepted over HTTP by a process that only serves."""
    door = stack.start("serve")
    work.send_over_http(address_of(door), office.key, batch=50)
    return door


def leads(relay: Child) -> Child:
    """The relay, once it leads."""
    says(relay, "relay_active")
    return relay


def dies_with_confirms_on_the_way(stack: Stack, office: Office, wires: Wires, work: Work) -> None:
    """The broker has the tickets, its confirms need a second to the relay, and that is killed before."""
    assert wires.broker is not None
    relay = leads(stack.start("relay", **wires.environment).works())
    wires.broker.delay(1.0, DOWN)
    take_in(stack, office, work)
    eventually(lambda: AmqpHand(stack).ready(QUEUE) > 0, 30, "tickets are in the queue")
    relay.kill()


def dies_with_confirms_in_hand(stack: Stack, office: Office, wires: Wires, work: Work) -> None:
    """The broker confirmed the tickets, and the relay dies with that knowledge."""
    del wires
    relay = stack.start("relay", TOWPATH_CRASH_AT="relay.after_publish")
    take_in(stack, office, work)
    assert relay.wait() == CRASHED
    eventually(lambda: AmqpHand(stack).ready(QUEUE) > 0, 10, "tickets are in the queue")


@pytest.mark.slow
@pytest.mark.parametrize("dies", [dies_with_confirms_on_the_way, dies_with_confirms_in_hand])
def test_F05_the_tickets_of_a_killed_relay_are_neither_piled_up_nor_missed_and_all_is_done_once(
    stack: Stack, office: Office, wires: Wires, dies: Callable[[Stack, Office, Wires, Work], None]
) -> None:
    work = parcels(stack, LANES)
    dies(stack, office, wires, work)
    assert lanes_of(office, PARCELS) == {"ready": LANES}
    relay = leads(stack.start("relay"))
    hand = AmqpHand(stack)
    eventually(lambda: hand.ready(QUEUE) == TICKETS, 30, "there are as many tickets as the lanes need")
    hand.purge(QUEUE)
    eventually(lambda: hand.ready(QUEUE) == TICKETS, 30, "lost tickets are made up for")
    hand.publish(JOBS, f"{PARCELS}.ticket.all", b"{}", times=TICKETS)
    eventually(lambda: hand.ready(QUEUE) == 2 * TICKETS, 30, "every ticket is there twice")
    stack.start("consume")
    judge(stack, office, work)
    assert len(stack.shop.calls(method="POST")) == LANES
    assert relay.alive


@pytest.mark.slow
def test_F05_an_announcement_that_is_published_again_keeps_its_id(stack: Stack, office: Office, wires: Wires) -> None:
    assert wires.broker is not None
    hand, work = AmqpHand(stack), imports(stack, 6)
    hand.listen(TOLD_TO_OMS, OMS)
    relay = leads(stack.start("relay", **wires.environment).works())
    wires.broker.black_hole(DOWN)
    take_in(stack, office, work)
    consumer = stack.start("consume")
    eventually(lambda: hand.ready(TOLD_TO_OMS) > 0, 60, "the OMS is told")
    eventually(lambda: office.numbers().unsent == 6, 60, "all have something to tell, of which no confirm is known")
    relay.kill()
    leads(consumer)
    judge(stack, office, work)
    assert_told_again_by_the_same_id(hand, 6)


def assert_told_again_by_the_same_id(hand: AmqpHand, announcements: int) -> None:
    """The OMS heard of everything, of some of it twice, and can tell by the id."""
    told = Counter((number, json.loads(body)["id"]) for number, body in hand.drain(TOLD_TO_OMS))
    assert len(told) == announcements
    assert all(number == event_id for number, event_id in told)
    assert max(told.values()) == 2


@pytest.mark.slow
def test_F06_a_confirm_that_is_lost_costs_the_connection_and_is_asked_for_again(
    stack: Stack, office: Office, wires: Wires
) -> None:
    assert wires.broker is not None
    hand, work = AmqpHand(stack), imports(stack, 6)
    hand.listen(TOLD_TO_OMS, OMS)
    relay = leads(start_faulty(stack, "watchful", "relay", **wires.environment).works())
    connections = wires.broker.opened
    wires.broker.black_hole(DOWN)
    door = take_in(stack, office, work)
    stack.start("consume")
    says(relay, "confirms_missing", seconds=60)
    says(relay, "broker_connection_lost", line="publishing", seconds=20)
    eventually(lambda: office.numbers().unsent == 6, 30, "nothing counts as told")
    assert Web(address_of(door)).ask("GET", "/healthz")[0] == 200
    wires.broker.heal()
    judge(stack, office, work)
    assert_told_again_by_the_same_id(hand, 6)
    assert wires.broker.opened > connections
    assert relay.alive


def loses_its_queue(stack: Stack, server: Rabbit) -> None:
    server.rabbitmqctl("delete_queue", QUEUE, "-p", virtual_host(stack))


def loses_its_binding(stack: Stack, server: Rabbit) -> None:
    del server
    AmqpHand(stack).unbind(QUEUE, JOBS, f"{PARCELS}.#")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("goes", "sign"),
    [
        pytest.param(loses_its_queue, {"event": "queue_missing"}, id="queue"),
        pytest.param(loses_its_binding, {"event": "publish_failed", "receipt": "unroutable"}, id="binding"),
    ],
)
def test_F07_tickets_that_no_queue_takes_are_tried_calmly_until_the_topology_is_declared(
    stack: Stack,
    office: Office,
    rabbitmq_server: Rabbit,
    goes: Callable[[Stack, Rabbit], None],
    sign: Mapping[str, Any],
) -> None:
    goes(stack, rabbitmq_server)
    relay = leads(stack.start("relay"))
    work = parcels(stack, LANES)
    door = take_in(stack, office, work)
    assert tries_in_vain(relay, **sign) <= CALM
    assert lanes_of(office, PARCELS) == {"ready": LANES}
    if goes is loses_its_queue:
        assert QUEUE in what_the_doctor_says(stack)
    assert seen_in_metrics(door)['towpath_lanes{job="all",state="ready"}'] == LANES
    assert stack.command("topology", "declare").returncode == 0
    eventually(lambda: AmqpHand(stack).ready(QUEUE) == TICKETS, 30, "workers are told")
    stack.start("consume")
    judge(stack, office, work)
    assert relay.alive


def what_the_doctor_says(stack: Stack) -> str:
    """Of the transport, which is not well and can be mended by declaring the topology."""
    found = stack.command("doctor", "--json")
    assert found.returncode == 1, found.stderr.decode()
    (transport,) = [each for each in json.loads(found.stdout)["findings"] if each["subject"] == "transport"]
    assert "topology declare" in transport["sentence"]
    return str(transport["sentence"])


def seen_in_metrics(door: Child) -> Mapping[str, float]:
    """The samples of a process."""
    status, text = Web(address_of(door)).ask("GET", "/metrics")
    assert status == 200
    rows = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in rows}


@pytest.mark.slow
def test_F07_a_job_whose_tickets_no_queue_takes_keeps_no_other_waiting_and_workers_look_for_themselves(
    stack: Stack, office: Office, rabbitmq_server: Rabbit
) -> None:
    relay = leads(stack.start("relay"))
    stack.start("consume").works()
    loses_its_queue(stack, rabbitmq_server)
    work = parcels(stack, LANES)
    door = take_in(stack, office, work)
    says(relay, "queue_missing", queue=QUEUE)
    sku = stack.shop.skus()[0]
    work.over_http.append(stock_event(sku, 1, 250))
    work.quantities[sku] = {1: 250}
    work.send_over_http(address_of(door), office.key)
    eventually(lambda: stack.shop.stock()[sku] == 250, 20, "stock goes on")
    eventually(lambda: not lanes_of(office, PARCELS), 30, "workers look for parcels by themselves")
    assert stack.command("topology", "declare").returncode == 0
    judge(stack, office, work)


def tries_in_vain(relay: Child, event: str, **details: Any) -> float:
    """How often a second the relay tries in vain, looked at for three seconds from the first time."""
    says(relay, event, **details)
    before, start = len(said(relay, event, **details)), time.monotonic()
    # The pause between two tries is the very thing that is measured, so here time itself has to pass.
    time.sleep(3)
    return (len(said(relay, event, **details)) - before) / (time.monotonic() - start)


@pytest.mark.slow
def test_F08_a_full_queue_slows_the_relay_down_and_nobody_else(
    stack: Stack, office: Office, rabbitmq_server: Rabbit
) -> None:
    host = virtual_host(stack)
    policy = ("set_policy", "-p", host, "--apply-to", "queues", "full", f"^{QUEUE}$", '{"max-length": 1}')
    rabbitmq_server.rabbitmqctl(*policy)
    relay = leads(stack.start("relay"))
    fills = parcels(stack, LANES)
    door = take_in(stack, office, fills)
    # The limit of a quorum queue is overstepped by what is on its way, so the second wave is the one it refuses.
    eventually(lambda: AmqpHand(stack).ready(QUEUE) >= 1, 30, "the queue is full")
    waits = parcels(stack, LANES)
    waits.send_over_http(address_of(door), office.key, batch=50)
    assert tries_in_vain(relay, "publish_failed", receipt="refused") <= CALM
    more = parcels(stack, 5)
    more.send_over_http(address_of(door), office.key)
    assert lanes_of(office, PARCELS) == {"ready": 2 * LANES + 5}
    stack.start("consume")
    work = Work(over_http=[*fills.over_http, *waits.over_http, *more.over_http])
    judge(stack, office, work)
    assert not office.sql("SELECT 1 FROM deliveries WHERE failures > 0")
    assert relay.alive
