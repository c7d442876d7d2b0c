"""F24, F25: a due instant becomes one tick, whoever fires it and however late.

F24 needs a second timer, which the embedded default refuses (one process holds its file): there the one timer there is
is stopped over a due instant and continued.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text

from domain.moments import to_micros, utc_now
from domain.periods import Period
from tests.app.harness import ACCOUNT, CHANNEL, Child, Office, Stack, eventually, ticks
from tests.faults.judging import check_log
from tests.faults.wires import Wires

distributed = pytest.mark.parametrize(
    "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
)
embedded = pytest.mark.parametrize("stack", ["embedded"], indirect=True)

IMPORT = "order_import"
ROUNDS = 8


@contextmanager
def stopped(child: Child) -> Iterator[None]:
    """A process that the kernel gives no time meanwhile."""
    os.kill(child.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(child.pid, signal.SIGCONT)


def make_due(office: Office, job: str, seconds_ago: float, period: str = "12h") -> None:
    """Let a job of the channel have been due for so long, as if no timer had looked since; or be due that soon."""
    office.ask(office.house.operations.set_schedule(ACCOUNT, CHANNEL, job, Period(period)))
    due = to_micros(utc_now()) - int(seconds_ago * 1e6)
    office.sql("UPDATE schedules SET next_due = :due WHERE job_type = :job", due=due, job=job)


def fired(office: Office) -> bool:
    """Whether nothing is due any more; by a look that needs no lock, for a process may be stopped while it writes."""
    query, now = text("SELECT count(*) FROM schedules WHERE next_due <= :now"), to_micros(utc_now())
    return not office.house.database.read(lambda connection: connection.scalar(query, {"now": now}))


def ticks_of(office: Office, job: str) -> int:
    """How many ticks of a job came in."""
    return int(office.sql("SELECT count(*) FROM messages WHERE type = :type", type=f"tick.{job}")[0][0])


def is_firing(office: Office, job: str) -> bool:
    """Whether a timer is between taking a due schedule and its commit (PostgreSQL): its row is locked."""
    return office.sql("SELECT id FROM schedules WHERE job_type = :job FOR UPDATE SKIP LOCKED", job=job) == []


def judge_ticks(stack: Stack, office: Office, expected: int) -> None:
    """So many ticks of the order import came in, each is done and logged, and each looked into the shop once."""
    eventually(lambda: ticks(office) >= expected and not sum(office.numbers().lanes.values()), 30, "it is settled")
    assert ticks_of(office, IMPORT) == expected
    states = dict(
        office.sql(
            "SELECT deliveries.state, count(*) FROM deliveries JOIN messages ON messages.id = message_id "
            "WHERE type = :type GROUP BY deliveries.state",
            type=f"tick.{IMPORT}",
        )
    )
    assert set(states) <= {"done", "skipped"}, states
    looks = [call for call in stack.shop.calls(method="GET") if call["path"].endswith("/orders")]
    assert len(looks) == states.get("done", 0)
    check_log(office)


@pytest.mark.slow
@distributed
def test_F24_a_timer_that_is_stopped_in_the_middle_of_firing_fires_no_second_tick_when_it_goes_on(
    stack: Stack, office: Office, wires: Wires
) -> None:
    assert wires.database is not None
    slow = stack.start("timer", **wires.environment).works()
    wires.database.delay(0.3)
    make_due(office, IMPORT, 1)
    eventually(lambda: is_firing(office, IMPORT), 30, "the timer is in the middle of firing")
    with stopped(slow):
        stack.start("timer").works()
        make_due(office, "inventory_export", 1)
        eventually(lambda: ticks_of(office, "inventory_export") == 1, 30, "the other timer fires what it can")
        eventually(lambda: ticks_of(office, IMPORT) == 1, 30, "and what the stopped one held")
    wires.database.heal()
    make_due(office, "inventory_export", 1)
    eventually(lambda: ticks_of(office, "inventory_export") == 2, 30, "timers go on")
    assert slow.alive
    for role in ("relay", "consume"):
        stack.start(role)
    judge_ticks(stack, office, 1)


@distributed
def test_F24_two_timers_of_which_one_is_stopped_at_any_moment_fire_each_instant_once(
    stack: Stack, office: Office
) -> None:
    rng = random.Random(24)
    one, _ = (stack.start("timer").works() for _ in range(2))
    for role in ("relay", "consume"):
        stack.start(role).works()
    for round_ in range(1, ROUNDS + 1):
        make_due(office, IMPORT, 1)
        # The moment is drawn on purpose: both timers look every half second.
        time.sleep(rng.uniform(0, 0.5))
        with stopped(one):
            time.sleep(rng.uniform(0, 0.5))
        eventually(lambda: fired(office), 10, "the schedule fired")
        assert ticks(office) == round_
    judge_ticks(stack, office, ROUNDS)


@embedded
def test_F24_the_only_timer_of_the_embedded_default_stopped_over_an_instant_fires_it_once(
    stack: Stack, office: Office
) -> None:
    running = stack.start("up").works()
    for round_ in range(1, 4):
        make_due(office, IMPORT, -2)
        with stopped(running):
            eventually(lambda: not fired(office), 10, "the instant passes")
        eventually(lambda: fired(office), 10, "the schedule fired")
        assert ticks(office) == round_
    judge_ticks(stack, office, 3)


@pytest.mark.parametrize("period", ["5m", "daily@06:30"])
def test_F25_after_an_hour_or_days_without_a_timer_there_is_one_tick_of_the_newest_instant(
    stack: Stack, office: Office, period: str
) -> None:
    orders = stack.shop.buy(3)
    away = 3600 if period == "5m" else 3 * 86400
    make_due(office, IMPORT, away, period)
    start(stack)
    eventually(lambda: ticks_of(office, IMPORT) >= 1, 30, "the tick is there")
    make_due(office, "inventory_export", 1)
    eventually(lambda: ticks_of(office, "inventory_export") == 1, 30, "the timer looked again")
    ((last, following),) = office.sql("SELECT last_due, next_due FROM schedules WHERE job_type = :job", job=IMPORT)
    step = 300_000_000 if period == "5m" else 86_400_000_000
    now = to_micros(utc_now())
    assert now - step <= last <= now < following
    assert following - last == step
    imported = "SELECT count(*) FROM orders"
    eventually(lambda: office.sql(imported) == [(len(orders),)], 30, "the orders are imported")
    judge_ticks(stack, office, 1)


def test_F25_what_never_runs_is_not_caught_up_either(stack: Stack, office: Office) -> None:
    office.ask(office.house.operations.set_schedule(ACCOUNT, CHANNEL, IMPORT, Period("5m")))
    office.ask(office.house.operations.set_schedule(ACCOUNT, CHANNEL, IMPORT, Period("none")))
    start(stack)
    make_due(office, "inventory_export", 3600)
    eventually(lambda: ticks_of(office, "inventory_export") == 1, 30, "the timer looked")
    judge_ticks(stack, office, 0)


def start(stack: Stack) -> None:
    """All roles, in one process or in several."""
    if stack.embedded:
        stack.start("up")
        return
    for role in ("relay", "consume", "timer"):
        stack.start(role)
