"""F15: a consumer that holds lanes is stopped (SIGSTOP) longer than its lease and goes on afterwards.

It cannot notice. With a broker, another consumer takes its lanes over when the lease is over, and what the old one
writes when it goes on is fenced. On the embedded default nobody may take over (one process works on a file), so the
same process finds that its lease ended, frees its own lanes and does again what it cannot be sure of.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from domain.moments import to_micros, utc_now
from tests.app.harness import Child, Office, Stack, eventually
from tests.app.workload import Work, parcel_events, wait_settled
from tests.faults.faulty import start_faulty
from tests.faults.judging import check_log, judge

LEASE = {"TOWPATH_LEASE_SECONDS": "10", "TOWPATH_CALL_SECONDS": "1"}
PATIENCE_SECONDS = 110.0
"""RabbitMQ gives what a silent consumer holds to another one after two to three heartbeats of 30 s."""
distributed = pytest.mark.parametrize(
    "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@distributed
def test_F15_a_consumer_stopped_in_its_calls_is_replaced_and_fenced_when_it_goes_on(
    stack: Stack, office: Office
) -> None:
    work = Work.of(stack, orders=10, stock=20)
    stack.shop.slow_down(500)
    stack.start("relay").works()
    old = stack.start("consume", **LEASE).works()
    everything_over_the_broker(work).send_over_broker(stack)
    eventually(lambda: office.numbers().lanes.get("running", 0) >= 8, 30, "the consumer holds lanes")
    with stopped(old):
        stack.shop.slow_down(0)
        stack.start("consume", **LEASE).works()
        wait_settled(stack, office, work, PATIENCE_SECONDS)
        before = seen(stack, office)
    goes_on_fenced(stack, office, old, before)
    judge(stack, office, work)


@distributed
def test_F15_a_consumer_stopped_inside_its_transaction_does_not_keep_others_waiting(
    stack: Stack, office: Office
) -> None:
    work = Work(over_broker=parcel_events(stack.shop.buy(1, lines=1)[0]))
    stack.start("relay").works()
    environment = {**LEASE, "TOWPATH_CRASH_AT": "settle.before_commit"}
    old = start_faulty(stack, "stop", "consume", TOWPATH_CRASH_ONCE_FILE=str(stack.folder / "stopped"), **environment)
    old.works()
    work.send_over_broker(stack)
    eventually(lambda: is_stopped(old), 30, "the consumer stopped in its transaction")
    with stopped(old):
        stack.start("consume", **LEASE).works()
        wait_settled(stack, office, work, PATIENCE_SECONDS)
        before = seen(stack, office)
    goes_on_fenced(stack, office, old, before)
    judge(stack, office, work)


@pytest.mark.parametrize("stack", ["embedded"], indirect=True)
def test_F15_the_only_process_stopped_longer_than_its_lease_does_everything_once(stack: Stack, office: Office) -> None:
    work = everything_over_the_broker(Work.of(stack, orders=6, stock=20))
    stack.shop.slow_down(500)
    only = stack.start("up", **LEASE).works()
    work.send_over_broker(stack)
    eventually(lambda: office.numbers().lanes.get("running", 0) >= 4, 30, "the process holds lanes")
    with stopped(only):
        stack.shop.slow_down(0)
        eventually(lambda: lease_is_over(office), 30, "its lease is over")
    judge(stack, office, work)
    assert only.alive


def everything_over_the_broker(work: Work) -> Work:
    work.over_broker += work.over_http
    work.over_http = []
    return work


def is_stopped(child: Child) -> bool:
    """Whether the process as a whole is stopped."""
    return Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@contextmanager
def stopped(child: Child) -> Iterator[None]:
    """The process does nothing inside, and goes on after it."""
    os.kill(child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(child.pid, signal.SIGCONT)


def lease_is_over(office: Office) -> bool:
    """By a look that needs no lock: the process may have been stopped while it wrote."""
    until = office.house.database.read(
        lambda connection: connection.scalar(text("SELECT max(lease_until) FROM workers"))
    )
    return bool(until < to_micros(utc_now()))


def seen(stack: Stack, office: Office) -> tuple[int, int, int]:
    """How much stands in the shop's books and in ours."""
    return len(stack.shop.effects()), len(office.logs()), office.sql("SELECT count(*) FROM deliveries")[0][0]


def goes_on_fenced(stack: Stack, office: Office, old: Child, before: tuple[int, int, int]) -> None:
    """The old process writes nothing of what it had in hand, says so, and then works on as the one that is left."""
    eventually(lambda: '"event": "fenced"' in old.text(), 30, "the old one is fenced")
    assert seen(stack, office) == before
    check_log(office)
    assert old.alive
