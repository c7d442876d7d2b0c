"""F29: a worker is killed while it renews a channel's tokens; the platform takes each refresh token once.

What counts stands in the platform's own ledger: no refresh token ever led to new tokens twice. What the platform gave
and nobody stored is lost; where it answers a refresh token again, nobody needs to do anything, and else the channel
says so and its work waits for a person.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from broker.operations import ChannelRow, NewChannel
from domain.channels import ChannelSettings
from domain.envelope import Envelope
from domain.moments import utc_now
from domain.periods import Period
from tests.app.harness import ACCOUNT, CRASHED, Child, Office, Stack, eventually, set_up
from tests.app.workload import DAY, Work
from tests.faults.judging import check_log
from tests.faults.signs import said
from tests.faults.test_relay import leads
from tests.faults.test_stopped_consumer import distributed
from tests.house import FAST
from tests.refreshing import NAME, TokenServer, register, serving

JOB = "authorization_refresh"
ORDERS = 12
AN_HOUR = 3_600_000_000
FIRST_LANES = 4
"""How many lanes of a channel a worker has in flight before a run of it went well."""
embedded = pytest.mark.parametrize("stack", ["embedded"], indirect=True)
pytestmark = pytest.mark.timeout(240)


@dataclass(frozen=True)
class Hourly:
    """A channel whose token the platform takes no longer; ``refresh`` is the refresh token stored for it."""

    stack: Stack
    office: Office
    server: TokenServer
    refresh: str

    def start(self, *arguments: str, crash: str = "") -> Child:
        """A process of the stack that knows the platform; of all that are to crash, one does."""
        once = {"TOWPATH_CRASH_AT": crash, "TOWPATH_CRASH_ONCE_FILE": str(self.stack.folder / "crashed")}
        return self.stack.start_module("tests.refreshing", arguments, once if crash else {})

    def send(self, count: int = ORDERS) -> None:
        """Statuses of so many orders, each of which the platform is to be told."""
        Work(over_broker=[_status(number) for number in range(count)]).send_over_broker(self.stack)

    def works_again(self, count: int = ORDERS) -> None:
        """Wait until the platform has heard of all orders, and judge by the books on both sides."""
        wanted = {str(number): "paid" for number in range(count)}
        eventually(lambda: self.server.statuses == wanted, 60, "the platform has heard of all")
        eventually(lambda: not sum(self.office.numbers().lanes.values()), 30, "everything is settled")
        assert self.states("order_update") == {("done", 0)}
        assert self.row().state == "connected"
        check_log(self.office)
        led_on = [token for token, taken in self.server.asked if taken]
        assert len(led_on) == len(set(led_on)), "a refresh token led to new tokens twice"

    def states(self, job: str) -> set[tuple[str, int]]:
        """In which states the deliveries of a job are, and how often they failed."""
        query = "SELECT DISTINCT state, failures FROM deliveries WHERE job_type = :job"
        return {(str(state), int(failures)) for state, failures in self.office.sql(query, job=job)}

    def row(self) -> ChannelRow:
        """The channel as people see it."""
        rows = self.office.ask(self.office.house.operations.desk.channels(ACCOUNT))
        (found,) = [row for row in rows if row.code == NAME]
        return found


def _status(number: int) -> Envelope:
    data = {"external_order_id": str(number), "status": "paid"}
    kind = "order.status_changed"
    return Envelope(id=f"s/{number}", source="oms", type=kind, time=DAY, account=ACCOUNT, channel=NAME, data=data)


@pytest.fixture
def server() -> TokenServer:
    return TokenServer(utc_now)


@pytest.fixture
def office(stack: Stack, server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """As everywhere, with a channel of the platform."""
    register(monkeypatch)
    with serving(server) as address:
        allowed = f"{stack.shop.domain},{address}"
        stack.settings = stack.settings.model_copy(update={"allowed_hosts": allowed})
        made = set_up(stack)
        token = server.issue().access.get_secret_value()
        new = NewChannel(ACCOUNT, NAME, "Hourly", NAME, address, token, ChannelSettings(**FAST))
        made.ask(made.house.operations.create_channel(new))
        yield made


@pytest.fixture
def hourly(stack: Stack, office: Office, server: TokenServer) -> Hourly:
    """Authorized an hour ago."""
    operations = office.house.operations
    office.ask(operations.care.authorize(ACCOUNT, NAME, server.issue(), actor="tester"))
    office.ask(operations.set_schedule(ACCOUNT, NAME, JOB, Period("12h")))
    office.sql("UPDATE authorizations SET renewed_at = renewed_at - :hour", hour=AN_HOUR)
    server.expires_at = utc_now() - timedelta(seconds=1)
    return Hourly(stack, office, server, server.refresh)


@embedded
@pytest.mark.parametrize("point", ["renewal.before_call", "renewal.after_store"])
def test_F29_a_worker_killed_before_the_platform_is_asked_or_after_its_tokens_are_stored_costs_no_token(
    hourly: Hourly, point: str
) -> None:
    first = hourly.start("up", crash=point).works()
    hourly.send()
    assert first.wait() == CRASHED, first.text()[-3000:]
    hourly.start("up")
    hourly.works_again()
    assert hourly.server.asked == [(hourly.refresh, True)]


@embedded
def test_F29_tokens_lost_with_the_worker_that_got_them_come_again_where_the_platform_answers_again(
    hourly: Hourly,
) -> None:
    hourly.server.patient = True
    first = hourly.start("up", crash="renewal.after_call").works()
    hourly.send()
    assert first.wait() == CRASHED, first.text()[-3000:]
    hourly.start("up")
    hourly.works_again()
    assert hourly.server.asked == [(hourly.refresh, True), (hourly.refresh, False)]


@embedded
def test_F29_tokens_lost_with_the_worker_that_got_them_are_asked_for_once_more_and_then_of_a_person(
    hourly: Hourly,
) -> None:
    first = hourly.start("up", crash="renewal.after_call").works()
    hourly.send()
    assert first.wait() == CRASHED, first.text()[-3000:]
    second = hourly.start("up")
    eventually(lambda: "earlier renewal broke off" in hourly.row().state_reason, 60, "the channel says what happened")
    row = hourly.row()
    assert row.state == "disconnected"
    assert row.state_reason.endswith(f"Authorize it anew: towpath channels authorize {ACCOUNT}/{NAME}")
    assert hourly.states("order_update") == {("open", 0)}
    assert not hourly.server.statuses
    operations = hourly.office.house.operations
    hourly.office.ask(operations.care.authorize(ACCOUNT, NAME, hourly.server.issue(), actor="tester"))
    hourly.works_again()
    assert hourly.server.asked == [(hourly.refresh, True), (hourly.refresh, False)]
    assert second.alive


@distributed
def test_F29_another_worker_takes_over_a_renewal_whose_worker_was_killed_in_it(hourly: Hourly) -> None:
    hourly.server.patient = True
    leads(hourly.start("relay"))
    workers = [hourly.start("consume", crash="renewal.after_call").works() for _ in range(2)]
    hourly.send()
    eventually(lambda: not all(worker.alive for worker in workers), 30, "one worker dies")
    hourly.works_again()
    assert sorted(worker.alive for worker in workers) == [False, True]
    assert hourly.server.asked == [(hourly.refresh, True), (hourly.refresh, False)]


@distributed
def test_F29_many_calls_refused_at_once_in_two_workers_lead_to_one_renewal(hourly: Hourly) -> None:
    hourly.server.together = 2 * FIRST_LANES
    leads(hourly.start("relay"))
    workers = [hourly.start("consume").works() for _ in range(2)]
    hourly.send(4 * ORDERS)
    eventually(lambda: hourly.server.crowd >= 2 * FIRST_LANES, 30, "both workers are in their first calls")
    hourly.works_again(4 * ORDERS)
    assert hourly.server.asked == [(hourly.refresh, True)]
    assert all(worker.alive for worker in workers)
    assert not [line for worker in workers for line in said(worker, "handler_failed")]
