"""Several processes of one role: the work is shared, and what a killed one held is taken over at once."""

from __future__ import annotations

import re
import time

import pytest

from tests.app.harness import Child, Office, Stack, eventually, schedule_in_the_past, ticks
from tests.app.workload import Work, check, order_events, wait_settled

pytestmark = pytest.mark.parametrize(
    "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
)

LEASE_SECONDS = 60.0


def test_two_consumers_share_the_work(stack: Stack, office: Office) -> None:
    stack.shop.slow_down(50)
    for role in ("relay", "consume", "consume"):
        stack.start(role).works()
    work = Work.of(stack, orders=12, stock=10)
    work.over_broker += work.over_http
    work.over_http = []
    work.send_over_broker(stack)
    wait_settled(stack, office, work)
    check(stack, office, work)
    workers = [worker for (worker,) in office.sql("SELECT id FROM workers WHERE roles = 'consume'")]
    assert len(workers) == 2
    rows = office.logs()
    share = [sum(row.actor == worker for row in rows) for worker in workers]
    assert min(share) > len(rows) / 10, share


def test_the_lanes_of_a_killed_consumer_are_taken_over_long_before_its_lease_ends(stack: Stack, office: Office) -> None:
    work = Work(over_broker=[each for order in stack.shop.buy(10) for each in order_events(order)])
    stack.start("relay").works()
    one = stack.start("consume").works()
    stack.shop.slow_down(700)
    work.send_over_broker(stack)
    eventually(lambda: office.numbers().lanes.get("running", 0) >= 8, 30, "the consumer holds lanes")
    stack.start("consume").works()
    one.kill()
    killed = time.monotonic()
    stack.shop.slow_down(0)
    wait_settled(stack, office, work)
    assert time.monotonic() - killed < LEASE_SECONDS / 3
    check(stack, office, work)
    assert office.logs(code="worker_died")
    # A call that its dead caller never finished reaches the shop's door and not its books.
    posts = [
        call for call in stack.shop.calls(method="POST") if call["path"].endswith("/shipments") and call["effects"]
    ]
    parcels = [each for each in work.over_broker if each.type == "shipment.created"]
    assert len(posts) == len(parcels)


def test_one_relay_leads_and_the_next_one_follows_when_it_is_killed(stack: Stack, office: Office) -> None:
    first = stack.start("relay")
    eventually(lambda: leads(first), 30, "the first relay leads")
    second = stack.start("relay").works()
    assert not leads(second)
    first.kill()
    eventually(lambda: leads(second), 9, "the second relay leads before the lease is over")
    stack.start("consume").works()
    all_is_done(stack, office)


def test_a_consumer_leads_where_no_relay_does_and_another_follows_when_it_is_killed(
    stack: Stack, office: Office
) -> None:
    first = stack.start("consume")
    eventually(lambda: leads(first), 30, "the first consumer leads")
    second = stack.start("consume").works()
    assert not leads(second)
    stack.shop.slow_down(300)
    work = Work.of(stack, orders=6, stock=5)
    work.over_broker += work.over_http
    work.over_http = []
    work.send_over_broker(stack)
    eventually(lambda: office.numbers().lanes.get("running", 0) >= 3, 30, "consumers hold lanes")
    first.kill()
    eventually(lambda: leads(second), 9, "the second consumer leads before the lease is over")
    stack.shop.slow_down(0)
    wait_settled(stack, office, work)
    check(stack, office, work)


def leads(process: Child) -> bool:
    return "relay_active" in process.text()


def all_is_done(stack: Stack, office: Office) -> None:
    work = Work.of(stack, orders=2, stock=5)
    work.over_broker += work.over_http
    work.over_http = []
    work.send_over_broker(stack)
    wait_settled(stack, office, work)
    check(stack, office, work)


def test_two_timers_fire_a_due_instant_once(stack: Stack, office: Office) -> None:
    schedule_in_the_past(office)
    office.sql("UPDATE schedules SET next_due = NULL")
    for _ in range(2):
        stack.start("timer").works()
    for round_ in range(1, 6):
        schedule_in_the_past(office)
        eventually(lambda: _not_due(office), 10, "the schedule fired")
        assert ticks(office) == round_


def _not_due(office: Office) -> bool:
    due = office.sql("SELECT count(*) FROM schedules WHERE next_due < :now", now=int(time.time() * 1e6))
    return due == [(0,)]


def test_the_log_of_a_process_names_its_roles(stack: Stack, office: Office) -> None:
    timer = stack.start("timer").works()
    assert re.search(r'"roles": "timer"', timer.text())
    assert timer.stop() == 0
    assert '"event": "stopped"' in timer.text()
    assert office.sql("SELECT count(*) FROM workers") == [(0,)]
