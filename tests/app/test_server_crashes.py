"""PostgreSQL dies under load and comes back: nothing that was accepted is lost or done twice (RabbitMQ: fault F10)."""

from __future__ import annotations

import pytest

from tests.app.harness import Office, Stack, eventually
from tests.app.workload import Work, check, wait_settled
from tests.services.process import free_port
from tests.services.provide import Postgres

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize(
        "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
    ),
]


def under_load(stack: Stack, office: Office, server: Postgres, notices: str) -> None:
    """Kill the server after some calls, go on sending, start it again once the process notices, and judge."""
    stack.shop.slow_down(20)
    work = Work.of(stack, orders=12, stock=40)
    address = f"http://127.0.0.1:{free_port()}"
    running = stack.start("up", "--port", address.rpartition(":")[2]).works()
    early, late = work.halves()
    with early.being_sent(stack, address, office.key):
        eventually(lambda: stack.shop.count_calls() >= 10, 30, "work is under way")
    server.crash()
    with late.being_sent(stack, address, office.key):
        eventually(lambda: f'"event": "{notices}"' in running.text(), 30, f"the process says {notices}")
        server.restart()
    wait_settled(stack, office, work, 90)
    check(stack, office, work)
    assert running.alive


def test_a_crash_of_postgresql_under_load_loses_and_doubles_nothing(
    stack: Stack, office: Office, postgresql_server: Postgres
) -> None:
    under_load(stack, office, postgresql_server, "intake_waits")
