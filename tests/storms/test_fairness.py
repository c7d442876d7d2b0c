"""A channel with a backlog, one that is throttled and one that is dead delay no other, and lose nothing by waiting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from app.publishing import publisher
from broker.breaker import STRIKES_TO_CLOSE
from broker.operations import NewChannel
from broker.transports.seam import Receipt
from domain.channels import ChannelSettings
from domain.envelope import Envelope
from tests.app.harness import ACCOUNT, CHANNEL, PACE, Child, Office, Stack, eventually, set_up
from tests.app.shop import SandboxShop
from tests.app.workload import event
from tests.faults.proxy import Proxy
from tests.faults.signs import said

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

BUSY, THROTTLED, DEAD, FREE = CHANNEL, "throttled", "dead", "free"
BACKLOG, WAITING, EVENTS = 2000, 40, 10
SLOW_MS = 50
BUSY_PACE = ChannelSettings(calls_per_second=200, burst=50)
TOKEN = "sandbox-read-write"
PART = 500


@dataclass(frozen=True)
class Street:
    """The shops: one that is slow (the stack's own), one that says 429, and one that serves the free channel and, by
    way of a network that can be cut, the dead one.
    """

    throttled: SandboxShop
    free: SandboxShop
    way_to_dead: Proxy

    def create_channels(self, office: Office) -> None:
        """One channel for each, beside that of the slow shop, whose pace lets its backlog last."""
        self.free.control("POST", "tokens", {"label": "dead", "value": "dead-value", "permission": "read_write"})
        for code, domain, token in (
            (THROTTLED, self.throttled.domain, TOKEN),
            (DEAD, self.way_to_dead.address, "dead-value"),
            (FREE, self.free.domain, TOKEN),
        ):
            new = NewChannel(ACCOUNT, code, code, "bright_sites", domain, token, PACE)
            office.ask(office.house.operations.create_channel(new))
        office.ask(office.house.operations.desk.change_channel(ACCOUNT, BUSY, settings=BUSY_PACE))


@pytest.fixture
def street() -> Iterator[Street]:
    """Two more shops, without faults."""
    throttled, free = SandboxShop(), SandboxShop()
    try:
        with Proxy.before(free.url) as way:
            yield Street(throttled, free, way)
    finally:
        throttled.stop()
        free.stop()


@pytest.fixture
def busy_office(stack: Stack, street: Street) -> Office:
    """The operator's view, with the four channels."""
    hosts = (stack.shop.domain, street.throttled.domain, street.free.domain, street.way_to_dead.address)
    stack.settings = stack.settings.model_copy(update={"allowed_hosts": ",".join(hosts)})
    office = set_up(stack)
    street.create_channels(office)
    return office


def changes(shop: SandboxShop, channel: str, count: int) -> list[Envelope]:
    """A new status for each of so many new orders."""
    orders = shop.control("POST", "buy", {"count": count, "lines": 1})["order_ids"]
    return [
        event(
            "oms", f"{channel}/{order}", "order.status_changed", {"external_order_id": str(order), "status": "billed"}
        ).model_copy(update={"channel": channel})
        for order in orders
    ]


def send(stack: Stack, events: Sequence[Envelope]) -> None:
    """Publish all, confirmed."""
    with publisher(stack.settings) as upstream:
        for start in range(0, len(events), PART):
            results = upstream.publish_many(events[start : start + PART])
            assert {result.outcome for result in results} == {Receipt.CONFIRMED}


def settled(office: Office, channel: str) -> int:
    """How many deliveries of a channel are done."""
    query = """
        SELECT count(*) FROM deliveries JOIN channels ON channels.id = channel_id
        WHERE channels.code = :code AND state = 'done'"""
    return int(office.sql(query, code=channel)[0][0])


def settled_by_then(office: Office, channel: str, then: str) -> int:
    """How many of a channel were settled when the last one of channel ``then`` was."""
    query = """
        SELECT count(*) FROM deliveries JOIN channels ON channels.id = channel_id
        WHERE channels.code = :code AND settled_at <= (
            SELECT max(settled_at) FROM deliveries JOIN channels ON channels.id = channel_id
            WHERE channels.code = :then)"""
    return int(office.sql(query, code=channel, then=then)[0][0])


def failures(office: Office, channel: str) -> list[int]:
    """The spent attempts of the deliveries of a channel that spent any."""
    query = """
        SELECT failures FROM deliveries JOIN channels ON channels.id = channel_id
        WHERE channels.code = :code AND failures > 0"""
    return [int(count) for (count,) in office.sql(query, code=channel)]


def state_of(office: Office, channel: str) -> str:
    """The state of a channel as the operator's list has it."""
    rows = office.ask(office.house.operations.desk.channels(ACCOUNT))
    return next(row.state for row in rows if row.code == channel)


def told(workers: Sequence[Child], what: str, channel: str) -> bool:
    """Whether a worker's log says so of a channel as a whole."""
    return any(said(worker, what, channel=channel, operation="all") for worker in workers)


def test_a_channel_is_served_while_others_are_busy_throttled_and_dead(
    stack: Stack, busy_office: Office, street: Street
) -> None:
    office = busy_office
    stack.shop.slow_down(SLOW_MS)
    street.throttled.fault("throttle", times=None, retry_after=2)
    street.way_to_dead.refuse()
    disturbing = changes(stack.shop, BUSY, BACKLOG)
    disturbing += changes(street.throttled, THROTTLED, WAITING) + changes(street.free, DEAD, WAITING)
    free = changes(street.free, FREE, EVENTS)
    workers = [stack.start(role).works() for role in (("up",) if stack.embedded else ("consume", "consume"))]
    send(stack, disturbing)
    for channel in (THROTTLED, DEAD):
        eventually(lambda code=channel: told(workers, "gate_closed", code), 60, f"{channel} is closed")  # type: ignore[misc]
    send(stack, free)
    eventually(lambda: settled(office, FREE) == EVENTS, 60, "the events of the free channel are settled")
    assert 0 < settled_by_then(office, BUSY, FREE) < BACKLOG / 2
    for channel, state in ((THROTTLED, "throttled"), (DEAD, "shop_down")):
        eventually(lambda code=channel, word=state: state_of(office, code) == word, 30, f"{channel} is seen as {state}")  # type: ignore[misc]
        assert settled(office, channel) == 0
    assert not failures(office, THROTTLED)
    # Until the third call in a row finds no connection, nobody can know that it is the shop and not the one call.
    assert failures(office, DEAD) == [1] * min(len(failures(office, DEAD)), (STRIKES_TO_CLOSE - 1) * len(workers))
    comes_back(office, street, workers)


def comes_back(office: Office, street: Street, workers: Sequence[Child]) -> None:
    """Both shops are well again: their gates open by themselves, the log says so, and all that waited is done."""
    street.throttled.control("DELETE", "faults")
    street.way_to_dead.heal()
    for channel in (THROTTLED, DEAD):
        eventually(lambda code=channel: told(workers, "gate_opened", code), 60, f"{channel} is open")  # type: ignore[misc]
        eventually(lambda code=channel: settled(office, code) == WAITING, 60, f"{channel} is worked off")  # type: ignore[misc]
        eventually(lambda code=channel: state_of(office, code) == "connected", 30, f"{channel} is seen as connected")  # type: ignore[misc]
    assert not failures(office, THROTTLED)
