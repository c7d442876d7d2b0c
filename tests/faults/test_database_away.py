"""F18: the database goes away while a consumer commits what came in, or what it did.

The process waits without spinning. What is not admitted is not acknowledged either, and is admitted when the database
is back; what the process has in hand it settles then: one effect, no lost time of a lease, no death. On the embedded
default the database is a file that another program keeps locked.
"""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from broker.topology import INBOX
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
"""Each part of a process that waits (intake, settle, claims, announcements, rescue, lease) says so once a second."""
ADMITS, SETTLES = "admit.before_commit", "settle.before_commit"


def one_parcel(stack: Stack) -> Work:
    return Work(over_broker=parcel_events(stack.shop.buy(1, lines=1)[0]))


def stopped_at(point: str, stack: Stack, work: Work, **environment: str) -> Child:
    """A consumer that is stopped inside the first transaction of this kind that the work leads to."""
    once = str(stack.folder / "stopped")
    child = start_faulty(
        stack, "stop", "consume", TOWPATH_CRASH_AT=point, TOWPATH_CRASH_ONCE_FILE=once, **environment
    ).works()
    work.send_over_broker(stack)
    eventually(lambda: is_stopped(child), 30, "it stopped in its transaction")
    return child


@distributed
@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "refusing", "black hole"])
def test_F18_a_database_that_goes_away_in_a_commit_is_waited_for_and_then_it_is_settled_once(
    stack: Stack, office: Office, wires: Wires, postgresql_server: Postgres, how: str
) -> None:
    work = one_parcel(stack)
    stack.start("relay").works()
    consumer = stopped_at(SETTLES, stack, work, **wires.environment)
    with away(how, wires, postgresql_server):
        os.kill(consumer.pid, signal.SIGCONT)
        waits_quietly(consumer)
    judge(stack, office, work)
    assert consumer.alive
    assert len(stack.shop.calls(method="POST")) == 1


@distributed
@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "black hole"])
def test_F18_an_event_whose_admission_is_not_committed_stays_unacknowledged_in_the_inbox_and_is_admitted_once(
    stack: Stack, office: Office, wires: Wires, postgresql_server: Postgres, unacknowledged: Callable[[], int], how: str
) -> None:
    work = one_parcel(stack)
    consumer = stopped_at(ADMITS, stack, work, **wires.environment)
    with away(how, wires, postgresql_server):
        os.kill(consumer.pid, signal.SIGCONT)
        waits_quietly(consumer)
        eventually(lambda: unacknowledged() == 1, 20, "it stays unacknowledged")
    judge(stack, office, work)
    assert consumer.alive
    assert len(stack.shop.calls(method="POST")) == 1
    eventually(lambda: unacknowledged() == 0, 20, "it is acknowledged")


@contextmanager
def away(how: str, wires: Wires, server: Postgres) -> Iterator[None]:
    """The database cannot be used in that way."""
    assert wires.database is not None
    break_it, mend_it = {
        "killed": (server.crash, server.restart),
        "refusing": (wires.database.refuse, wires.database.heal),
        "black hole": (wires.database.black_hole, wires.database.heal),
    }[how]
    break_it()
    try:
        yield
    finally:
        mend_it()


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
    """How many events the inbox has that nobody acknowledged.

    Whoever leads holds them at first; it gives them back when it cannot renew its lease, which is no matter here. A
    quorum queue tells of a change within five seconds, later on a busy machine.
    """

    def count() -> int:
        told = rabbitmq_server.rabbitmqctl(
            "list_queues", "-p", vhost.name, "--no-table-headers", "name", "messages_ready", "messages_unacknowledged"
        )
        rows = [line.split() for line in told.splitlines()]
        return sum(int(ready) + int(held) for name, ready, held in rows if name == INBOX)

    return count
