"""F18: the database goes away while a consumer commits what it did.

Nothing is acknowledged, the process waits without spinning, and when the database is back it settles what it has in
hand: one effect, no lost time of a lease, no death. On the embedded default the database is a file that another program
keeps locked.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.app.harness import Child, Office, Stack, eventually
from tests.app.workload import Work, parcel_events
from tests.faults.faulty import start_faulty
from tests.faults.judging import judge
from tests.faults.test_stopped_consumer import distributed, is_stopped
from tests.faults.wires import Wires
from tests.services.provide import Postgres, Rabbit
from tests.services.rabbitmq import Vhost

WATCHED_SECONDS = 6.0
CPU_SHARE = 0.15
LINES_PER_SECOND = 8.0


def one_parcel(stack: Stack) -> Work:
    return Work(over_broker=parcel_events(stack.shop.buy(1, lines=1)[0]))


def stopped_at_its_commit(stack: Stack, work: Work, *role: str, **environment: str) -> Child:
    """A consumer that did the work's only call and is stopped inside the transaction that settles it."""
    once = str(stack.folder / "stopped")
    child = start_faulty(
        stack,
        "stop",
        *role,
        TOWPATH_CRASH_AT="settle.before_commit",
        TOWPATH_CRASH_ONCE_FILE=once,
        **environment,
    ).works()
    work.send_over_broker(stack)
    eventually(lambda: is_stopped(child), 30, "it stopped in its transaction")
    return child


@distributed
@pytest.mark.parametrize("how", ["killed", "refusing", "black hole"])
def test_F18_a_database_that_goes_away_in_a_commit_leaves_it_unacknowledged_and_it_is_settled_when_it_is_back(
    stack: Stack, office: Office, wires: Wires, postgresql_server: Postgres, unacknowledged: Callable[[], int], how: str
) -> None:
    assert wires.database is not None
    break_it, mend_it = {
        "killed": (postgresql_server.crash, postgresql_server.restart),
        "refusing": (wires.database.refuse, wires.database.heal),
        "black hole": (wires.database.black_hole, wires.database.heal),
    }[how]
    work = one_parcel(stack)
    stack.start("relay").works()
    consumer = stopped_at_its_commit(stack, work, "consume", **wires.environment)
    break_it()
    try:
        os.kill(consumer.pid, signal.SIGCONT)
        waits_quietly(consumer)
        assert unacknowledged() == 1
    finally:
        mend_it()
    judge(stack, office, work)
    assert consumer.alive
    assert len(stack.shop.calls(method="POST")) == 1
    eventually(lambda: unacknowledged() == 0, 20, "it is acknowledged")


@pytest.mark.parametrize("stack", ["embedded"], indirect=True)
def test_F18_a_file_that_is_locked_when_it_is_to_commit_is_waited_for_and_then_written_once(
    stack: Stack, office: Office
) -> None:
    work = one_parcel(stack)
    stack.shop.slow_down(1500)
    process = stack.start("up").works()
    work.send_over_broker(stack)
    eventually(lambda: stack.shop.count_calls() >= 1, 30, "it is in its call")
    with locked(stack):
        eventually(lambda: len(stack.shop.effects()) == 1, 30, "the shop has the parcel")
        waits_quietly(process)
    judge(stack, office, work)
    assert process.alive
    assert len(stack.shop.calls(method="POST")) == 1


@contextmanager
def locked(stack: Stack) -> Iterator[None]:
    """Another program writes to the file, and takes its time."""
    with closing(sqlite3.connect(stack.settings.data_dir / "towpath.db", timeout=20, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def waits_quietly(child: Child) -> None:
    """For some seconds the process neither dies, nor uses the processor, nor fills its log."""
    cpu, lines = cpu_seconds(child), len(child.text().splitlines())
    began = os.times().elapsed
    eventually(lambda: os.times().elapsed - began > WATCHED_SECONDS, WATCHED_SECONDS * 4, "time passes")
    seconds = os.times().elapsed - began
    assert child.alive, child.text()[-3000:]
    assert (cpu_seconds(child) - cpu) / seconds < CPU_SHARE
    assert (len(child.text().splitlines()) - lines) / seconds < LINES_PER_SECOND, child.text()[-3000:]


def cpu_seconds(child: Child) -> float:
    """Processor time of the process so far."""
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def unacknowledged(rabbitmq_server: Rabbit, vhost: Vhost) -> Callable[[], int]:
    """How many references consumers hold without having acknowledged them."""

    def count() -> int:
        told = rabbitmq_server.rabbitmqctl(
            "list_queues", "-p", vhost.name, "--no-table-headers", "name", "messages_unacknowledged"
        )
        return sum(int(line.split()[1]) for line in told.splitlines() if line.startswith("towpath.job."))

    return count
