"""F17: what can never work is put aside after a few tries, with its reason, and everything else flows on.

A body that is no event is rejected when it is first read. What kills the process that runs it (here: a native abort at
each run) is buried after a few deaths; what only happened to be in the same hands each time is not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from broker.topology import EVENTS
from broker.transports.seam import Outgoing, Receipt
from domain.ids import new_id
from tests.app.harness import Office, Stack, eventually
from tests.app.test_foreign_input import BAD, KEY
from tests.app.workload import Work, check_orders, order_events, parcel_events, wait_settled
from tests.faults.faulty import start_faulty
from tests.faults.judging import check_log, judge, left

FEW_DEATHS = 12


def test_F17_a_body_that_is_no_event_is_rejected_at_once_and_those_around_it_flow(stack: Stack, office: Office) -> None:
    work = Work(over_broker=[each for order in stack.shop.buy(3) for each in order_events(order)])
    half = len(work.over_broker) // 2
    Work(over_broker=work.over_broker[:half]).send_over_broker(stack)
    throw(office, [body for body, _ in BAD.values()])
    Work(over_broker=work.over_broker[half:]).send_over_broker(stack)
    start(stack)
    judge(stack, office, work, rejected=len(BAD))
    found = office.ask(office.house.operations.desk.rejected(100))
    assert sorted(row.code for row in found) == sorted(code for _, code in BAD.values())
    assert {row.seen for row in found} == {1}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_F17_a_delivery_that_aborts_its_process_is_buried_and_nothing_else_with_it(
    stack: Stack, office: Office
) -> None:
    orders = stack.shop.buy(12, lines=1)
    work = Work(over_broker=[each for order in orders for each in parcel_events(order)])
    poison = str(orders[5]["order_id"])
    if not stack.embedded:
        stack.start("relay")
    work.send_over_broker(stack)
    with supervised(stack, f"abort={poison}") as deaths:
        eventually(lambda: left(office).get("dead/killed_worker") == [poison], 150, "the poison is buried")
        wait_settled(stack, office, work)
    assert len(deaths) <= FEW_DEATHS
    assert left(office) == {"dead/killed_worker": [poison]}
    check_log(office)
    healthy = [each for each in work.events if each.data["external_order_id"] != poison]
    check_orders(stack.shop.effects(), Work(over_broker=healthy))


def start(stack: Stack) -> None:
    """Everything that is needed to work."""
    for role in ("up",) if stack.embedded else ("relay", "consume"):
        stack.start(role)


def throw(office: Office, bodies: list[bytes]) -> None:
    """Publish bytes as they are, past all checks of the SDK."""

    async def publish() -> list[Receipt]:
        transport = office.house.transport
        await transport.start()
        try:
            return await transport.publish([Outgoing(EVENTS, KEY, body, new_id()) for body in bodies])
        finally:
            await transport.close()

    assert set(office.ask(publish())) == {Receipt.CONFIRMED}


@contextmanager
def supervised(stack: Stack, fault: str) -> Iterator[list[int]]:
    """A service manager at work: a consumer that dies is started again at once. The exit codes so far."""
    over, deaths = Event(), list[int]()
    role = "up" if stack.embedded else "consume"

    def watch() -> None:
        while not over.is_set():
            child = start_faulty(stack, fault, role)
            while child.alive and not over.is_set():
                time.sleep(0.05)
            if not over.is_set():
                deaths.append(child.wait())

    thread = Thread(target=watch)
    thread.start()
    try:
        yield deaths
    finally:
        over.set()
        thread.join()
