from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from broker import sources
from broker.ledger import Claim
from broker.sources import PolledLanes, TicketedLanes
from broker.topology import JOBS, job_queue
from broker.transports.seam import Outgoing
from broker.transports.urls import open_transport
from consumers import HANDLERS
from domain.errors import StorageUnavailable, TransportUnavailable
from domain.ids import new_id
from storage.tables import lanes
from tests.broker.roles import relay_at_work
from tests.house import DONE, SmallHouse, answering, small_house, sqlite_url
from tests.moody import until
from tests.services.rabbitmq import Vhost

QUEUE = job_queue("order_import")


@pytest.fixture(autouse=True)
def _only_tickets_or_a_full_claim_make_a_source_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "LOOK_SECONDS", 60.0)
    monkeypatch.setattr(sources, "POLL_SECONDS", 60.0)


@asynccontextmanager
async def ticketed(house: SmallHouse, worker: str = "worker") -> AsyncIterator[TicketedLanes]:
    """A started source that has looked once and found nothing more."""
    source = TicketedLanes(house.ledger, worker, list(HANDLERS), house.transport)
    await source.start()
    try:
        assert await soon(source) == []
        yield source
    finally:
        await source.stop()


async def soon(source: PolledLanes | TicketedLanes, most: int = 8, skip: tuple[str, ...] = ()) -> list[Claim]:
    """What a look gives that has a reason to come at once."""
    async with asyncio.timeout(20):
        await source.ready()
        return await source.claims(most, skip, None)


async def ticket(house: SmallHouse, *bodies: bytes, job: str = "order_import") -> None:
    """Publish tickets as the relay does."""
    await house.transport.publish([Outgoing(JOBS, f"{job}.ticket.all", body, new_id()) for body in bodies or (b"{}",)])


async def lie_ready(house: SmallHouse, count: int) -> bool:
    return await house.transport.depth(QUEUE) == count


async def test_a_ticket_makes_a_worker_claim_what_is_due(house: SmallHouse) -> None:
    async with ticketed(house) as source:
        await house.order_event(1)
        await ticket(house)
        (claim,) = await soon(source)
    assert claim.lane == f"{house.channel_id}/order/1" and len(claim.deliveries) == 1
    assert await house.transport.depth(QUEUE) == 0


async def test_a_ticket_of_one_job_brings_lanes_of_all_jobs_of_the_worker(house: SmallHouse) -> None:
    async with ticketed(house) as source:
        await house.order_event(1)
        await house.stock_event("MUG", 1)
        await ticket(house, job="inventory_export")
        assert {claim.job_type for claim in await soon(source)} == {"order_import", "inventory_export"}


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'{"lane": "no/such/lane"}', b"[" * 9000])
async def test_whatever_a_ticket_says_it_is_a_ticket(house: SmallHouse, body: bytes) -> None:
    async with ticketed(house) as source:
        await house.order_event(1)
        await ticket(house, body)
        assert len(await soon(source)) == 1
    assert await house.transport.depth(QUEUE) == 0


async def test_a_ticket_too_many_finds_nothing_and_is_gone(house: SmallHouse) -> None:
    async with ticketed(house) as source:
        await ticket(house)
        assert await soon(source) == []
        await until(lambda: lie_ready(house, 0))
    assert await house.transport.depth(QUEUE) == 0


async def test_one_ticket_is_kept_at_hand_and_the_others_stay_for_whoever_is_free(house: SmallHouse) -> None:
    async with ticketed(house) as source:
        await ticket(house, b"{}", b"{}", b"{}")
        await until(lambda: lie_ready(house, 2))
        await house.order_event(1)
        assert len(await soon(source)) == 1
        await until(lambda: lie_ready(house, 1))
    assert await house.transport.depth(QUEUE) == 2


async def test_while_enough_is_found_without_tickets_none_is_used(house: SmallHouse) -> None:
    async with ticketed(house) as source:
        await ticket(house, b"{}", b"{}")
        for number in range(6):
            await house.order_event(number)
        assert [len(await soon(source, 2)) for _ in range(3)] == [2, 2, 2]
    assert await house.transport.depth(QUEUE) == 1


async def test_a_worker_without_tickets_looks_by_itself_after_a_while(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ticketed(house) as source:
        monkeypatch.setattr(sources, "LOOK_SECONDS", 0.05)
        await house.order_event(1)
        assert len(await soon(source)) == 1


async def test_while_more_is_due_than_fits_no_ticket_is_waited_for(house: SmallHouse) -> None:
    names = [f"{house.channel_id}/order/{number}" for number in range(5)]
    async with ticketed(house) as source:
        for number in range(5):
            await house.order_event(number)
        await ticket(house)
        found = [await soon(source, 2) for _ in range(3)]
    assert [len(each) for each in found] == [2, 2, 1]
    assert sorted(claim.lane for each in found for claim in each) == names


async def test_a_claim_that_failed_is_repeated_without_another_ticket(house: SmallHouse) -> None:
    async with ticketed(house) as source:
        await house.order_event(1)
        house.ledger.away.add("claim")
        await ticket(house)
        for _ in range(3):
            with pytest.raises(StorageUnavailable):
                await soon(source)
        house.ledger.away.clear()
        assert len(await soon(source)) == 1


async def test_channels_that_have_enough_are_left_out(house: SmallHouse) -> None:
    await house.add_channel("other", "other.example.com")
    async with ticketed(house) as source:
        await house.order_event(1)
        await house.event("order.created", {"external_order_id": "2"}, channel="other")
        await ticket(house)
        (claim,) = await soon(source, skip=(house.channel_id,))
    assert claim.lane.endswith("/order/2")


async def test_a_reader_that_failed_surfaces(house: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ticketed(house) as source:
        await house.transport.close()
        monkeypatch.setattr(sources, "LOOK_SECONDS", 0.05)
        with pytest.raises(TransportUnavailable):
            await until(source.ready)


async def test_a_lane_that_is_locked_for_a_moment_is_passed_over_and_stays_due(postgresql_database: str) -> None:
    """An admission extends it at this moment; a worker does not wait for that, and takes what else there is."""
    async with small_house(postgresql_database) as house, ticketed(house) as source:
        await house.order_event(1)
        await house.order_event(2)
        locked = f"{house.channel_id}/order/1"
        with house.database.engine.connect() as admission:
            admission.execute(select(lanes.c.key).where(lanes.c.key == locked).with_for_update())
            await ticket(house)
            (free,) = await soon(source)
            admission.rollback()
        assert free.lane != locked
        await ticket(house)
        (claim,) = await soon(source)
        assert claim.lane == locked


async def test_polled_lanes_leave_out_the_channels_that_have_enough(house: SmallHouse) -> None:
    await house.add_channel("other", "other.example.com")
    await house.order_event(1)
    await house.event("order.created", {"external_order_id": "2"}, channel="other")
    source = PolledLanes(house.ledger, "worker", list(HANDLERS), house.bell)
    (claim,) = await source.claims(8, [house.channel_id], None)
    assert claim.lane.endswith("/order/2")


async def test_polled_lanes_answer_as_soon_as_there_is_a_ring(house: SmallHouse) -> None:
    source = PolledLanes(house.ledger, "worker", list(HANDLERS), house.bell)
    house.bell.ring()
    assert await soon(source) == []


async def test_two_workers_on_rabbitmq_do_what_the_relay_tells_them_once_and_leave_no_ticket(
    vhost: Vhost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    transport = open_transport(vhost.url)
    async with small_house(sqlite_url(tmp_path), transport=transport) as house:
        await transport.declare()
        leases = [await house.lease() for _ in range(2)]
        taking = [TicketedLanes(house.ledger, lease.worker, list(HANDLERS), transport) for lease in leases]
        messages = [await house.order_event(number % 10) for number in range(30)]
        handlers = answering(lambda run: DONE)
        async with (
            relay_at_work(house),
            house.at_work(handlers, lease=leases[0], source=taking[0]),
            house.at_work(handlers, lease=leases[1], source=taking[1]),
        ):
            for message in messages:
                await house.until_state(message, "done")
            await until(lambda: lie_ready(house, 0))
        assert {row.attempts for row in [await house.delivery(message) for message in messages]} == {1}
