"""RabbitMQ or PostgreSQL dies under load and comes back: nothing that was accepted is lost or done twice."""

from __future__ import annotations

import pytest

from tests.app.harness import Office, Stack, eventually
from tests.app.workload import Work, check, wait_settled
from tests.services.process import free_port
from tests.services.provide import Postgres, Rabbit
from tests.services.rabbitmq import settle

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize(
        "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
    ),
]


def under_load(stack: Stack, office: Office, server: Rabbit | Postgres) -> None:
    """Kill the server after some calls, start it again, and judge."""
    stack.shop.slow_down(20)
    work = Work.of(stack, orders=12, stock=40)
    port = str(free_port())
    running = stack.start("up", "--port", port).works()
    with work.being_sent(stack, f"http://127.0.0.1:{port}", office.key):
        eventually(lambda: stack.shop.count_calls() >= 15, 30, "work is under way")
        server.crash()
        eventually(lambda: '"level": "warning"' in running.text(), 30, "the process notices")
        server.restart()
    wait_settled(stack, office, work, 90)
    check(stack, office, work)
    assert running.alive


def test_a_crash_of_rabbitmq_under_load_loses_and_doubles_nothing(
    stack: Stack, office: Office, rabbitmq_server: Rabbit
) -> None:
    settle(rabbitmq_server.rabbitmqctl)
    under_load(stack, office, rabbitmq_server)


def test_a_crash_of_postgresql_under_load_loses_and_doubles_nothing(
    stack: Stack, office: Office, postgresql_server: Postgres
) -> None:
    under_load(stack, office, postgresql_server)
