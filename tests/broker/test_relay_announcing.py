from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from broker import relay
from broker.topology import OMS, Binding, Queue, Topology, job_queue, topology
from broker.transports.memory import InMemoryTransport, MemoryBroker
from broker.transports.seam import Receipt
from domain.outcomes import Announcement, Done, Effects
from storage.tables import lanes, outbox
from tests.broker.roles import ChoosyTransport, relay_at_work
from tests.house import SmallHouse, answering
from tests.moody import until

QUEUE = job_queue("order_import")


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "RECOVER_SECONDS", 0.05)
    monkeypatch.setattr(relay, "AWAY_SECONDS", 0.05)


def with_oms() -> Topology:
    """The topology with an order system that listens to everything."""
    usual = topology()
    return replace(usual, queues=(*usual.queues, Queue("oms")), bindings=(*usual.bindings, Binding(OMS, "oms", "#")))


async def announce(house: SmallHouse, count: int = 1) -> None:
    """Put announcements into the outbox, as settled imports do."""

    def told(run: Any) -> Done:
        number = run.item.payload.external_order_id
        announcement = Announcement("order.imported", {"number": number}, number)
        return Done("It is done.", effects=Effects(announcements=(announcement,)))

    for number in range(count):
        await house.order_event(number)
        await house.work_off(answering(told))


async def unsent(house: SmallHouse) -> int:
    return len(await house.ledger.unsent(100))


async def _none_unsent(house: SmallHouse) -> bool:
    return await unsent(house) == 0


async def test_with_the_journal_workers_get_no_tickets_but_the_oms_is(house: SmallHouse) -> None:
    await announce(house)
    await house.order_event(9)
    async with relay_at_work(house, tickets=False):
        await until(lambda: _none_unsent(house))
    assert await house.transport.depth(QUEUE) == 0
    rows = await house.execute(select(lanes.c.state))
    assert [row.state for row in rows] == ["ready"]


async def test_what_the_oms_must_hear_is_published_in_order_and_then_marked(house: SmallHouse) -> None:
    await announce(house, 3)
    transport = InMemoryTransport(MemoryBroker(with_oms()))
    await transport.start()
    async with relay_at_work(house, transport=transport):
        await until(lambda: _none_unsent(house))
    subscription = await transport.subscribe("oms", 10)
    found = await subscription.take(10, 1.0)
    assert [json.loads(one.body)["data"]["number"] for one in found] == ["0", "1", "2"]
    assert [one.routing_key for one in found] == ["order.imported.acme.main"] * 3
    assert [one.message_id for one in found] == [json.loads(one.body)["id"] for one in found]
    assert {one.content_type for one in found} == {"application/cloudevents+json"}


async def test_an_announcement_nobody_listens_to_is_done_and_stays_readable(house: SmallHouse) -> None:
    await announce(house)
    async with relay_at_work(house):
        await until(lambda: _none_unsent(house))
    assert len(await house.desk.announcements("acme", 0, 10)) == 1


@pytest.mark.parametrize("receipt", [Receipt.REFUSED, Receipt.UNKNOWN])
async def test_an_announcement_that_is_not_confirmed_stays_and_is_published_again_with_its_id(
    house: SmallHouse, receipt: Receipt
) -> None:
    await announce(house, 2)
    transport = ChoosyTransport(MemoryBroker(with_oms()))
    await transport.start()
    transport.answers = [receipt, receipt]
    ids = [row.id for row in await house.execute(select(outbox.c.id).order_by(outbox.c.seq))]
    async with relay_at_work(house, transport=transport):
        await until(lambda: _none_unsent(house))
    assert [message.message_id for message in transport.published] == ids


async def test_announcements_confirmed_but_not_marked_come_again_with_the_same_id(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    await announce(house)
    transport = ChoosyTransport(MemoryBroker(with_oms()))
    await transport.start()
    house.ledger.away.add("mark_sent")
    async with relay_at_work(house, transport=transport):
        await until(lambda: house.ledger.refused["mark_sent"])
        assert await unsent(house) == 1
        house.ledger.away.clear()
        await until(lambda: _none_unsent(house))
    assert len(transport.published) >= 2
    assert len({message.message_id for message in transport.published}) == 1
