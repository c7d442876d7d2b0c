"""F05–F08: what the relay publishes is lost, refused or wanted by nobody, and still happens once.

Only RabbitMQ: workers of the journal read due lanes from the ledger themselves, so nothing is published to them.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from broker.relay import BATCH
from broker.topology import JOBS, OMS, job_queue
from tests.app.harness import CRASHED, Child, Office, Stack, address_of, eventually
from tests.app.web import Web
from tests.app.workload import Work, order_events, parcel_events, stock_event
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
TOLD_TO_OMS = "hears.oms"
CALM = 5
"""The most often that a relay may try in vain within a second."""


def parcels(stack: Stack, orders: int) -> Work:
    """One parcel for each of some new orders: as many lanes of one job type."""
    return Work(over_http=[parcel_events(order)[0] for order in stack.shop.buy(orders)])


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
    """The broker has the references and the announcements, their confirms never arrive, the relay is killed."""
    assert wires.broker is not None
    relay = leads(stack.start("relay", **wires.environment).works())
    wires.broker.black_hole(DOWN)
    take_in(stack, office, work)
    eventually(lambda: AmqpHand(stack).ready(QUEUE) == len(work.events), 30, "the references are in the queue")
    relay.kill()


def dies_with_confirms_in_hand(stack: Stack, office: Office, wires: Wires, work: Work) -> None:
    """The broker confirmed the references, and the relay dies before it notes that in the ledger."""
    del wires
    relay = stack.start("relay", TOWPATH_CRASH_AT="relay.after_publish")
    take_in(stack, office, work)
    assert relay.wait() == CRASHED
    eventually(lambda: AmqpHand(stack).ready(QUEUE) > 0, 10, "the references are in the queue")


@pytest.mark.parametrize("dies", [dies_with_confirms_on_the_way, dies_with_confirms_in_hand])
def test_F05_what_a_killed_relay_published_is_published_again_and_done_once(
    stack: Stack, office: Office, wires: Wires, dies: Callable[[Stack, Office, Wires, Work], None]
) -> None:
    work = parcels(stack, 8)
    dies(stack, office, wires, work)
    assert lanes_of(office, PARCELS) == {"ready": 8}
    once = AmqpHand(stack).ready(QUEUE)
    leads(stack.start("relay"))
    eventually(lambda: lanes_of(office, PARCELS) == {"queued": 8}, 30, "workers are told again")
    assert AmqpHand(stack).ready(QUEUE) == once + 8
    stack.start("consume")
    judge(stack, office, work)


def test_F05_an_announcement_that_is_published_again_keeps_its_id(stack: Stack, office: Office, wires: Wires) -> None:
    assert wires.broker is not None
    AmqpHand(stack).listen(TOLD_TO_OMS, OMS)
    work = Work(over_http=[order_events(order)[0] for order in stack.shop.buy(6)])
    take_in(stack, office, work)
    first = leads(stack.start("relay"))
    eventually(lambda: lanes_of(office, "order_import") == {"queued": 6}, 30, "workers are told")
    first.kill()
    relay = leads(stack.start("relay", **wires.environment).works())
    wires.broker.black_hole(DOWN)
    stack.start("consume")
    eventually(lambda: AmqpHand(stack).ready(TOLD_TO_OMS) == 6, 30, "the OMS is told")
    assert office.numbers().unsent == 6
    relay.kill()
    leads(stack.start("relay"))
    judge(stack, office, work)
    told = Counter((number, json.loads(body)["id"]) for number, body in AmqpHand(stack).drain(TOLD_TO_OMS))
    assert len(told) == 6
    assert all(number == event_id for number, event_id in told)
    assert set(told.values()) == {2}


@pytest.mark.slow
def test_F06_a_confirm_that_is_lost_costs_the_connection_and_is_asked_for_again(
    stack: Stack, office: Office, wires: Wires
) -> None:
    assert wires.broker is not None
    work = parcels(stack, 8)
    relay = leads(stack.start("relay", **wires.environment).works())
    connections = wires.broker.opened
    wires.broker.black_hole(DOWN)
    door = take_in(stack, office, work)
    says(relay, "confirms_missing", seconds=40)
    says(relay, "broker_connection_lost", line="publishing", seconds=20)
    assert lanes_of(office, PARCELS) == {"ready": 8}
    assert Web(address_of(door)).ask("GET", "/healthz")[0] == 200
    wires.broker.heal()
    eventually(lambda: lanes_of(office, PARCELS) == {"queued": 8}, 60, "workers are told")
    assert wires.broker.opened > connections
    stack.start("consume")
    judge(stack, office, work)
    assert relay.alive


def loses_its_queue(stack: Stack, server: Rabbit) -> None:
    server.rabbitmqctl("delete_queue", QUEUE, "-p", virtual_host(stack))


def loses_its_binding(stack: Stack, server: Rabbit) -> None:
    del server
    AmqpHand(stack).unbind(QUEUE, JOBS, f"{PARCELS}.#")


@pytest.mark.slow
@pytest.mark.parametrize("goes", [loses_its_queue, loses_its_binding])
def test_F07_a_reference_no_queue_wants_stays_in_the_ledger_until_the_topology_is_declared(
    stack: Stack, office: Office, rabbitmq_server: Rabbit, goes: Callable[[Stack, Rabbit], None]
) -> None:
    goes(stack, rabbitmq_server)
    relay = leads(stack.start("relay"))
    work = parcels(stack, 8)
    door = take_in(stack, office, work)
    assert tries_in_vain(relay, "unroutable") <= CALM
    assert lanes_of(office, PARCELS) == {"ready": 8}
    if goes is loses_its_queue:
        found = stack.command("doctor", "--json")
        assert found.returncode == 1, found.stderr.decode()
        (transport,) = [each for each in json.loads(found.stdout)["findings"] if each["subject"] == "transport"]
        assert QUEUE in transport["sentence"] and "topology declare" in transport["sentence"]
    assert seen_in_metrics(door)['towpath_lanes{job="all",state="ready"}'] == 8
    assert stack.command("topology", "declare").returncode == 0
    eventually(lambda: lanes_of(office, PARCELS) == {"queued": 8}, 30, "workers are told")
    stack.start("consume")
    judge(stack, office, work)
    assert relay.alive


def seen_in_metrics(door: Child) -> Mapping[str, float]:
    """The samples of a process."""
    status, text = Web(address_of(door)).ask("GET", "/metrics")
    assert status == 200
    rows = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in rows}


@pytest.mark.slow
def test_F07_more_lanes_than_are_told_at_once_that_no_queue_wants_keep_no_other_job_waiting(
    stack: Stack, office: Office, rabbitmq_server: Rabbit
) -> None:
    loses_its_queue(stack, rabbitmq_server)
    relay = leads(stack.start("relay"))
    stack.start("consume")
    stuck = parcels(stack, BATCH + 20)
    door = take_in(stack, office, stuck)
    says(relay, "publish_failed", receipt="unroutable")
    sku = stack.shop.skus()[0]
    stock = Work(over_http=[stock_event(sku, 1, 250)], quantities={sku: {1: 250}})
    stock.send_over_http(address_of(door), office.key)
    eventually(lambda: stack.shop.stock()[sku] == 250, 20, "stock goes on")
    assert lanes_of(office, PARCELS) == {"ready": len(stuck.events)}
    assert stack.command("topology", "declare").returncode == 0
    work = Work(over_http=[*stuck.over_http, *stock.over_http], quantities=stock.quantities)
    judge(stack, office, work)


def tries_in_vain(relay: Child, receipt: str) -> float:
    """How often a second the relay publishes in vain, looked at for three seconds from the first time."""
    says(relay, "publish_failed", receipt=receipt)
    before, start = len(said(relay, "publish_failed")), time.monotonic()
    # The pause between two tries is the very thing that is measured, so here time itself has to pass.
    time.sleep(3)
    return (len(said(relay, "publish_failed")) - before) / (time.monotonic() - start)


@pytest.mark.slow
def test_F08_a_full_queue_slows_the_relay_down_and_nobody_else(
    stack: Stack, office: Office, rabbitmq_server: Rabbit
) -> None:
    host = virtual_host(stack)
    policy = ("set_policy", "-p", host, "--apply-to", "queues", "full", f"^{QUEUE}$", '{"max-length": 5}')
    rabbitmq_server.rabbitmqctl(*policy)
    relay = leads(stack.start("relay"))
    fills = parcels(stack, 10)
    door = take_in(stack, office, fills)
    # The limit of a quorum queue is overstepped by what is on its way, so the second wave is the one it refuses.
    eventually(lambda: AmqpHand(stack).ready(QUEUE) >= 5, 30, "the queue is full")
    waits = parcels(stack, 30)
    waits.send_over_http(address_of(door), office.key)
    assert tries_in_vain(relay, "refused") <= CALM
    assert lanes_of(office, PARCELS)["ready"] >= 30
    more = parcels(stack, 5)
    more.send_over_http(address_of(door), office.key)
    assert sum(lanes_of(office, PARCELS).values()) == 45
    stack.start("consume")
    work = Work(over_http=[*fills.over_http, *waits.over_http, *more.over_http])
    judge(stack, office, work)
    assert not office.sql("SELECT 1 FROM deliveries WHERE failures > 0")
    assert relay.alive
