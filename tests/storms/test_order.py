"""Each order keeps its order while workers die, calls fail and one order stands still for long."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from app.publishing import publisher
from broker.transports.seam import Receipt
from domain.envelope import Envelope
from tests.app.harness import Child, Office, Stack, eventually
from tests.app.shop import SandboxShop
from tests.app.workload import event, parcel_events
from tests.storms.books import Books, Sent, Tally

ORDERS, EVENTS, LINES = 200, 20, 12
STATUSES = ("billed", "paid", "in_progress", "split", "back_ordered", "shipped", "completed")
KILLS = 12
CONSUMERS = 4
OTHERS = 30
SLACK_SECONDS = 2.0
LEASE_SECONDS = 15.0
PATIENCE = {"TOWPATH_CALL_SECONDS": "4", "TOWPATH_LEASE_SECONDS": f"{LEASE_SECONDS:.0f}"}
FAULTS: tuple[Mapping[str, Any], ...] = (
    {"kind": "server_error", "status": 503, "probability": 0.01},
    {"kind": "server_error", "after_write": True, "probability": 0.005},
    {"kind": "reset_after", "probability": 0.01},
    {"kind": "reset_before", "probability": 0.005},
    {"kind": "half_body", "probability": 0.005},
    {"kind": "hang", "after_write": True, "seconds": 20, "probability": 0.001},
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
distributed = pytest.mark.parametrize(
    "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
)
embedded = pytest.mark.parametrize("stack", ["embedded"], indirect=True)


def life_of(order: Mapping[str, Any]) -> list[Envelope]:
    """An order comes in, passes all statuses, and its parcels leave in between; no step comes twice."""
    order_id = str(order["order_id"])
    steps = [
        event("oms", f"{order_id}/{value}", "order.status_changed", {"external_order_id": order_id, "status": value})
        for value in STATUSES
    ]
    for at, parcel in enumerate(parcel_events(order)):
        steps.insert(1 + at * 3 // 2, parcel)
    return [event("shop", f"created/{order_id}", "order.created", {"external_order_id": order_id}), *steps]


def interleaved(lives: Sequence[Sequence[Envelope]], seed: int) -> list[Envelope]:
    """All in one line, each life in its order: a draw of orders with as many lots as each has events."""
    lots = [at for at, life in enumerate(lives) for _ in life]
    random.Random(seed).shuffle(lots)
    left = [iter(life) for life in lives]
    return [next(left[at]) for at in lots]


def send(stack: Stack, events: Sequence[Envelope], sent: Sent | None = None) -> Sent:
    """Publish all of them, each confirmed before the next one of its order; one in twenty twice.

    What is sent already, if anything, is carried on.
    """
    sent = sent or Sent()
    rng = random.Random(1)
    with publisher(stack.settings) as upstream:
        for each in events:
            for _ in range(2 if rng.random() < 0.05 else 1):
                eventually(lambda each=each: upstream.publish(each).outcome is Receipt.CONFIRMED, 60, each.id)  # type: ignore[misc]
            sent.add(each)
    return sent


def break_now_and_then(shop: SandboxShop) -> None:
    for seed, fault in enumerate(FAULTS):
        shop.fault(**{"times": None, "seed": seed, **fault})


def settled(office: Office, books: Books, sent: Sent, seconds: float) -> Tally:
    """The tally, once no lane is left."""

    def done() -> bool:
        numbers = office.numbers()
        return numbers.messages >= len(sent.ids) and not sum(numbers.lanes.values()) and not numbers.unsent

    eventually(done, seconds, "everything is settled")
    return books.tally(office, sent)


def lanes_held_by(office: Office, pid: int) -> int:
    """How many lanes a process holds; its worker is known by the process, or no longer known at all."""
    query = """SELECT count(*) FROM lanes JOIN workers ON workers.id = lanes.holder WHERE workers.process LIKE :pid"""
    return int(office.sql(query, pid=f"{pid}/%")[0][0])


def waits(office: Office, but_order: str) -> list[float]:
    """Seconds from admission to the end of each settled delivery of the other orders."""
    query = "SELECT settled_at - created_at FROM deliveries WHERE state <> 'open' AND business_key NOT LIKE :key"
    return [wait / 1e6 for (wait,) in office.sql(query, key=f"%{but_order or '-'}%")]


def failures(office: Office, order: str) -> int:
    """How often deliveries of an order failed."""
    query = "SELECT coalesce(sum(failures), 0) FROM deliveries WHERE business_key LIKE :key"
    return int(office.sql(query, key=f"%{order}%")[0][0])


class Row:
    """Consumers, of which one after another is killed and replaced at random moments."""

    def __init__(self, stack: Stack, office: Office, seed: int) -> None:
        self._stack, self._office = stack, office
        self._random = random.Random(seed)
        self._consumers = [self._start().works() for _ in range(CONSUMERS)]
        self.takeovers: list[float] = []

    def kill_one(self) -> None:
        """Kill one, start another, and measure until no lane is in the dead one's hands."""
        at = self._random.randrange(CONSUMERS)
        victim = self._consumers[at]
        victim.kill()
        killed = time.monotonic()
        self._consumers[at] = self._start()
        eventually(lambda: not lanes_held_by(self._office, victim.pid), 2 * LEASE_SECONDS, "its lanes are taken over")
        self.takeovers.append(time.monotonic() - killed)

    def _start(self) -> Child:
        return self._stack.start("consume", **PATIENCE)


@distributed
def test_two_hundred_orders_keep_their_order_while_four_workers_die_at_random(stack: Stack, office: Office) -> None:
    lives = [life_of(order) for order in stack.shop.buy(ORDERS, lines=LINES)]
    assert {len(life) for life in lives} == {EVENTS}
    books = Books(stack.shop)
    stack.start("relay").works()
    row = Row(stack, office, seed=5)
    break_now_and_then(stack.shop)
    events, sent = interleaved(lives, 5), Sent()
    part = len(events) // KILLS + 1
    with ThreadPoolExecutor(1) as pool:
        for start in range(0, len(events), part):
            before = stack.shop.count_calls()
            sending = pool.submit(send, stack, events[start : start + part], sent)
            eventually(lambda goal=before + part // 2: stack.shop.count_calls() >= goal, 60, "half of a part")  # type: ignore[misc]
            row.kill_one()
            sent = sending.result()
    assert len(row.takeovers) == KILLS
    tally = settled(office, books, sent, 180)
    assert tally.clean, tally
    assert tally.accepted == ORDERS * EVENTS
    assert tally.recovered > 0
    assert max(row.takeovers) < LEASE_SECONDS
    assert office.logs(code="worker_died", limit=1)


@embedded
def test_orders_keep_their_order_while_the_embedded_default_dies_at_random(stack: Stack, office: Office) -> None:
    lives = [life_of(order) for order in stack.shop.buy(ORDERS // 5, lines=LINES)]
    books = Books(stack.shop)
    running = stack.start("up", **PATIENCE).works()
    break_now_and_then(stack.shop)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, stack, interleaved(lives, 6))
        for seen in range(150, 900, 150):
            eventually(lambda goal=seen: stack.shop.count_calls() >= goal, 60, f"{seen} calls")  # type: ignore[misc]
            running.kill()
            running = stack.start("up", **PATIENCE)
    tally = settled(office, books, sending.result(), 120)
    assert tally.clean, tally
    assert tally.accepted == len(lives) * EVENTS


def test_an_order_that_stands_still_delays_no_other(stack: Stack, office: Office) -> None:
    for role in ("up",) if stack.embedded else ("relay", "consume", "consume"):
        stack.start(role).works()
    books = Books(stack.shop)
    alone = send(stack, interleaved([life_of(order) for order in stack.shop.buy(OTHERS, lines=2)], 7))
    assert settled(office, books, alone, 60).clean
    undisturbed = waits(office, "")
    (blocked,) = stack.shop.buy(1, lines=2)
    number = str(blocked["order_id"])
    stack.shop.fault("server_error", path=f"/orders/{number}(/|$)", times=None)
    stuck = send(stack, life_of(blocked))
    eventually(lambda: failures(office, number) > 0, 30, "the order stands still")
    others = send(stack, interleaved([life_of(order) for order in stack.shop.buy(OTHERS, lines=2)], 8))
    eventually(lambda: len(waits(office, number)) == len(undisturbed) + len(others.ids), 60, "the others are settled")
    assert office.sql(
        "SELECT count(*) FROM deliveries WHERE business_key LIKE :key AND state = 'open'", key=f"%{number}%"
    ) == [(len(stuck.ids),)]
    slowest, usual = max(waits(office, number)), max(undisturbed)
    assert slowest < 2 * usual + SLACK_SECONDS, (slowest, usual)
    assert office.sql("SELECT count(*) FROM deliveries WHERE failures > 0") == [(1,)]
    stack.shop.control("DELETE", "faults")
    assert settled(office, books, alone | others | stuck, 90).clean
