"""A network that swallows everything: each role says so within a bounded time, and goes on when it is mended."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from domain.envelope import BATCH
from tests.app.harness import ACCOUNT, CHANNEL, Child, Office, Stack, address_of, eventually, set_up
from tests.app.web import Web
from tests.app.workload import Work, check, wait_settled
from tests.faults.faulty import start_faulty
from tests.faults.wires import Wires, shop_by_way_of

IMPATIENT = {"TOWPATH_CALL_SECONDS": "2", "TOWPATH_LEASE_SECONDS": "15"}
ANSWER_SECONDS = 10.0
DOCTOR_SECONDS = 30.0
NOTICE_SECONDS = 45.0
"""These processes are watchful (:mod:`tests.faults.faulty`), for the usual times would only be waited for: who consumes
asks every 6 s and gives an answer 5 s; who does not misses heartbeats of 6 s, which Pika looks at every 11 s."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.parametrize(
        "stack", [pytest.param("distributed", marks=[pytest.mark.rabbitmq, pytest.mark.postgresql])], indirect=True
    ),
]


class Site:
    """The roles of a stack behind its wires, and what they say of themselves."""

    def __init__(self, stack: Stack, office: Office, wires: Wires) -> None:
        self._stack, self._wires = stack, wires
        roles = ("serve", "relay", "consume")
        made = [start_faulty(stack, "watchful", role, **wires.environment, **IMPATIENT).works() for role in roles]
        self.serve, self.relay, self.consume = made
        self.address = address_of(self.serve)
        self._web = Web(self.address, {"Authorization": f"Bearer {office.key}"})

    def send(self, work: Work) -> tuple[int, str]:
        """Status and text of the answer to the first event of ``work``."""
        return self._timed("POST", "/v1/events", b"[" + work.over_http[0].to_json() + b"]", BATCH)

    def readiness(self) -> tuple[int, dict[str, bool]]:
        """Status of ``/readyz``, and what it found."""
        status, text = self._timed("GET", "/readyz")
        return status, {found["subject"]: found["ok"] for found in json.loads(text)["findings"]}

    def doctor(self) -> dict[str, bool]:
        """What ``towpath doctor`` found."""
        begun = time.monotonic()
        done = self._stack.command("doctor", "--json", **self._wires.environment)  # type: ignore[arg-type]
        assert time.monotonic() - begun < DOCTOR_SECONDS
        return {found["subject"]: found["ok"] for found in json.loads(done.stdout)["findings"]}

    def _timed(self, *question: Any) -> tuple[int, str]:
        begun = time.monotonic()
        answer = self._web.ask(*question)
        assert time.monotonic() - begun < ANSWER_SECONDS
        return answer


def heard(child: Child, event: str) -> int:
    """How often a process has told of this event."""
    return child.text().count(f'"event": "{event}"')


def says(child: Child, event: str, before: int, seconds: float = NOTICE_SECONDS) -> None:
    """Wait until a process tells of this event more often than ``before``."""
    eventually(lambda: heard(child, event) > before, seconds, f"{child.name} says {event}")


def test_a_database_that_is_swallowed_is_refused_at_the_door_in_time_and_goes_on(
    stack: Stack, office: Office, wires: Wires
) -> None:
    assert wires.database is not None
    stack.shop.slow_down(20)
    site = Site(stack, office, wires)
    work = Work.of(stack, orders=8, stock=20)
    early, late = work.halves()
    with early.being_sent(stack, site.address, office.key):
        eventually(lambda: stack.shop.count_calls() >= 5, 30, "work is under way")
    wires.database.black_hole()
    assert site.send(late)[0] == 503
    status, found = site.readiness()
    assert (status, found["database"]) == (503, False)
    assert not all(site.doctor().values())
    wires.database.heal()
    with late.being_sent(stack, site.address, office.key):
        pass
    eventually(lambda: site.readiness()[0] == 200, 30, "it is ready again")
    wait_settled(stack, office, work, 90)
    check(stack, office, work)


def test_a_broker_that_is_swallowed_holds_up_no_sender_and_is_named_by_each_role(
    stack: Stack, office: Office, wires: Wires
) -> None:
    assert wires.broker is not None
    stack.shop.slow_down(20)
    site = Site(stack, office, wires)
    work = Work.of(stack, orders=8, stock=20)
    early, late = work.halves()
    with early.being_sent(stack, site.address, office.key):
        eventually(lambda: stack.shop.count_calls() >= 5, 30, "work is under way")
    roles = (site.serve, site.relay, site.consume)
    before = [heard(child, "broker_connect_failed") for child in roles]
    wires.broker.black_hole()
    with late.being_sent(stack, site.address, office.key):
        assert not site.doctor()["transport"]
    for child, already in zip(roles, before, strict=True):
        says(child, "broker_connect_failed", already)
    status, found = site.readiness()
    assert (status, found) == (503, {"database": True, "transport": False})
    wires.broker.heal()
    eventually(lambda: site.readiness()[0] == 200, 60, "it is ready again")
    wait_settled(stack, office, work, 90)
    check(stack, office, work)


def test_a_shop_that_is_swallowed_closes_the_gate_of_its_channel(stack: Stack, wires: Wires) -> None:
    stack.shop = shop_by_way_of(wires.shop, stack.shop)
    stack.settings = stack.settings.model_copy(update={"allowed_hosts": wires.environment["TOWPATH_ALLOWED_HOSTS"]})
    office = set_up(stack)
    site = Site(stack, office, wires)
    work = Work.of(stack, orders=8, stock=20)
    early, late = work.halves()
    with early.being_sent(stack, site.address, office.key):
        eventually(lambda: stack.shop.count_calls() >= 5, 30, "work is under way")
    before = heard(site.consume, "gate_closed")
    wires.shop.black_hole()
    with late.being_sent(stack, site.address, office.key):
        says(site.consume, "gate_closed", before, 30)
    eventually(lambda: not site.doctor()[f"channel {ACCOUNT}/{CHANNEL}"], 30, "the doctor sees the gate closed")
    wires.shop.heal()
    eventually(lambda: '"event": "gate_opened"' in site.consume.text(), 60, "the gate is open again")
    wait_settled(stack, office, work, 90)
    check(stack, office, work)
