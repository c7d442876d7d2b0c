"""``kill -9`` at moments nobody chose: after any number of calls, of any process."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.app.harness import Child, Office, Stack, eventually
from tests.app.workload import Work, check, wait_settled
from tests.services.process import free_port

KILLS = 5
distributed = pytest.mark.parametrize(
    "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
)
embedded = pytest.mark.parametrize("stack", ["embedded"], indirect=True)


def moments(stack: Stack, seed: int) -> Iterator[int]:
    """Returns from each step after a random number of further calls that the shop saw."""
    rng = random.Random(seed)
    seen = 0
    for number in range(KILLS):
        seen += rng.randint(4, 14)
        eventually(lambda goal=seen: stack.shop.count_calls() >= goal, 30, f"{seen} calls")  # type: ignore[misc]
        yield number
        seen = stack.shop.count_calls()


@pytest.mark.slow
@embedded
@pytest.mark.parametrize("seed", [11])
def test_kills_at_random_moments_change_nothing_on_the_embedded_default(
    stack: Stack, office: Office, seed: int
) -> None:
    stack.shop.slow_down(15)
    work = Work.of(stack, orders=20, stock=50, seed=seed)
    port = str(free_port())
    running = stack.start("up", "--port", port)
    with work.being_sent(stack, f"http://127.0.0.1:{port}", office.key):
        for _ in moments(stack, seed):
            running.kill()
            running = stack.start("up", "--port", port)
    wait_settled(stack, office, work)
    check(stack, office, work)


@pytest.mark.slow
@distributed
def test_killing_the_process_of_each_role_in_turn_changes_nothing(stack: Stack, office: Office) -> None:
    stack.shop.slow_down(15)
    work = Work.of(stack, orders=20, stock=50, seed=21)
    port = str(free_port())
    roles = [("consume",), ("relay",), ("serve", "--port", port), ("consume",), ("timer",)]
    running: list[Child] = [stack.start(*role).works() for role in roles]
    with work.being_sent(stack, f"http://127.0.0.1:{port}", office.key):
        for number in moments(stack, 21):
            running[number].kill()
            running[number] = stack.start(*roles[number])
    wait_settled(stack, office, work)
    check(stack, office, work)


@embedded
def test_a_process_that_is_told_to_stop_finishes_what_is_in_hand(stack: Stack, office: Office) -> None:
    stack.shop.slow_down(300)
    work = Work.of(stack, orders=4, stock=8)
    port = str(free_port())
    running = stack.start("up", "--port", port)
    with work.being_sent(stack, f"http://127.0.0.1:{port}", office.key):
        eventually(lambda: office.numbers().lanes.get("running", 0) > 0, 30, "lanes are in hand")
    assert running.stop() == 0
    assert not office.numbers().lanes.get("running")
    assert not office.logs(code="worker_died")
    stack.shop.slow_down(0)
    stack.start("up")
    wait_settled(stack, office, work)
    check(stack, office, work)
