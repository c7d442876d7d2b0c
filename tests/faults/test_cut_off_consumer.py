"""F16: the network of a consumer is cut in the middle of its calls: it hears neither the database nor the broker.

It may begin no call once its lease runs short, others take over when it is over, and what it sent into the void and
arrives when the network is back is fenced. The embedded default has no network between a worker and its ledger.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.app.harness import Child, Office, Stack, eventually
from tests.app.workload import Work, stock_event, wait_settled
from tests.faults.judging import judge
from tests.faults.test_stopped_consumer import LEASE, PATIENCE_SECONDS, distributed, everything_over_the_broker
from tests.faults.wires import Wires
from tests.services.process import wait_until

LOOKUPS = min(32, (os.cpu_count() or 1) + 4)
"""Threads that asyncio starts, one by one and no more than these, for the name lookups of new connections."""
QUIET_SECONDS = 8.0


@distributed
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_F16_a_consumer_cut_off_in_its_calls_is_replaced_ends_its_calls_and_works_again_when_it_is_back(
    stack: Stack, office: Office, wires: Wires
) -> None:
    work = everything_over_the_broker(Work.of(stack, orders=8, stock=20))
    stack.shop.slow_down(500)
    stack.start("relay").works()
    cut_off = stack.start("consume", **wires.environment, **LEASE).works()
    threads = len(tasks(cut_off))
    work.send_over_broker(stack)
    eventually(lambda: office.numbers().lanes.get("running", 0) >= 6, 30, "the consumer holds lanes")
    for wire in wires.to_servers():
        wire.black_hole()
    stack.shop.slow_down(0)
    calls_end(stack)
    other = stack.start("consume", **LEASE).works()
    wait_settled(stack, office, work, PATIENCE_SECONDS)
    before = len(stack.shop.effects()), len(office.logs())
    for wire in wires.to_servers():
        wire.heal()
    eventually(lambda: fenced(cut_off), 60, "what it had in hand is fenced")
    assert (len(stack.shop.effects()), len(office.logs())) == before
    assert len(tasks(cut_off)) <= threads + LOOKUPS, "threads leaked"
    other.kill()
    works_again(stack, office, work)
    judge(stack, office, work)
    assert cut_off.alive


def calls_end(stack: Stack) -> None:
    """The one that is cut off finishes the calls it is in, and begins no others."""
    counts = [stack.shop.count_calls()]

    def another() -> bool:
        counts.append(stack.shop.count_calls())
        return counts[-1] != counts[-2]

    while wait_until(another, QUIET_SECONDS):
        assert len(counts) < 5000, "it goes on calling without its database"


def works_again(stack: Stack, office: Office, work: Work) -> None:
    """Something new, which only the one that was cut off can do."""
    sku = stack.shop.skus()[-1]
    more = Work(over_broker=[stock_event(sku, 1, 999)])
    more.send_over_broker(stack)
    work.over_broker += more.over_broker
    work.quantities[sku] = {1: 999}
    eventually(lambda: stack.shop.stock()[sku] == 999, 60, "it works again")


def fenced(child: Child) -> bool:
    return '"event": "fenced"' in child.text()


def tasks(child: Child) -> list[Path]:
    """The threads of a process."""
    return list(Path(f"/proc/{child.pid}/task").iterdir())
