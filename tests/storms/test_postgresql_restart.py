"""PostgreSQL is restarted in order, again and again under load, with every connection ended: nothing is lost.

That it may also be killed is shown by ``tests/app/test_server_crashes.py``.
"""

from __future__ import annotations

import os
import signal

import pytest

from tests.app.harness import Office, Stack, eventually
from tests.app.workload import Work, check, wait_settled
from tests.services.external import NotOursError
from tests.services.postgresql import PostgresServer
from tests.services.process import free_port
from tests.services.provide import Postgres

RESTARTS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "fast again": signal.SIGINT}


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
)
def test_restarts_of_postgresql_under_load_lose_and_double_nothing(
    stack: Stack, office: Office, postgresql_server: Postgres
) -> None:
    stack.shop.slow_down(20)
    work = Work.of(stack, orders=24, stock=60)
    port = str(free_port())
    roles = (("serve", "--port", port), ("relay",), ("consume",), ("consume",), ("timer",))
    running = [stack.start(*role).works() for role in roles]
    with work.being_sent(stack, f"http://127.0.0.1:{port}", office.key):
        for sent in RESTARTS.values():
            goal = stack.shop.count_calls() + 8
            eventually(lambda goal=goal: stack.shop.count_calls() >= goal, 60, "work is under way")  # type: ignore[misc]
            end_in_order(postgresql_server, sent)
            postgresql_server.restart()
    wait_settled(stack, office, work, 90)
    check(stack, office, work)
    assert all(child.alive for child in running)
    assert any("database_unavailable" in child.text() for child in running)


def end_in_order(server: Postgres, how: signal.Signals) -> None:
    """End the server as its own tools do: SIGINT ends every session first, SIGQUIT writes nothing more."""
    if not isinstance(server, PostgresServer):
        raise NotOursError("only a private PostgreSQL can be told to end; take the server's variable away")
    os.kill(int((server.folder / "data" / "postmaster.pid").read_text().split()[0]), how)
    eventually(lambda: not server.running, 30, "PostgreSQL has ended")
