from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import select, text

from broker.ledger import Claim
from broker.sources import PolledLanes, ReferencedLanes, reference
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


@asynccontextmanager
async def referenced(house: SmallHouse, worker: str = "worker") -> AsyncIterator[ReferencedLanes]:
    """A started source of references; stopped at the end, so that what is not acknowledged goes back."""
    source = ReferencedLanes(house.ledger, worker, list(HANDLERS), house.transport, 8)
    await source.start()
    try:
        yield source
    finally:
        await source.stop()


async def refer(house: SmallHouse, *bodies: bytes) -> None:
    """Publish references for ``order_import`` as the relay does."""
    batch = [Outgoing(JOBS, "order_import.acme.main", body, new_id()) for body in bodies]
    await house.transport.publish(batch)


async def lane_of_order(house: SmallHouse, number: object) -> str:
    """An order event's lane."""
    await house.order_event(number)
    return f"{house.channel_id}/order/{number}"


async def taken(source: ReferencedLanes, most: int = 8) -> list[Claim]:
    """The first claims that come."""
    found: list[Claim] = await until(lambda: source.claims(most, ()))
    return found


async def test_a_reference_is_acknowledged_when_its_claim_was_settled(house: SmallHouse) -> None:
    lane = await lane_of_order(house, 1)
    await refer(house, reference(lane))
    async with referenced(house) as source:
        (claim,) = await taken(source)
        assert claim.lane == lane and len(claim.deliveries) == 1
        await source.settled([lane])
    assert await house.transport.depth(QUEUE) == 0


async def test_a_reference_whose_claim_was_not_settled_goes_back_to_its_queue(house: SmallHouse) -> None:
    lane = await lane_of_order(house, 1)
    await refer(house, reference(lane))
    async with referenced(house) as source:
        await taken(source)
    assert await house.transport.depth(QUEUE) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"7",
        b"\xff",
        b'{"lane": null}',
        b'{"lane": "no/such/lane"}',
        b'{"lane": "a\\u0000b"}',
        b"[" * 9000,
    ],
)
async def test_a_useless_reference_claims_nothing_and_is_acknowledged(house: SmallHouse, body: bytes) -> None:
    lane = await lane_of_order(house, 1)
    await refer(house, body, reference(lane))
    async with referenced(house) as source:
        (claim,) = await taken(source)
        await source.settled([claim.lane])
    assert claim.lane == lane
    assert await house.transport.depth(QUEUE) == 0


async def test_a_reference_that_postgresql_cannot_even_ask_for_is_useless_too(postgresql_database: str) -> None:
    async with small_house(postgresql_database) as house:
        await refer(house, b'{"lane": "a\\u0000b"}', reference(await lane_of_order(house, 1)))
        async with referenced(house) as source:
            assert len(await taken(source)) == 1


async def test_a_reference_to_a_lane_somebody_holds_is_acknowledged(house: SmallHouse) -> None:
    lane = await lane_of_order(house, 1)
    await house.ledger.claim("another", list(HANDLERS), 1)
    other = await lane_of_order(house, 2)
    await refer(house, reference(lane), reference(other))
    async with referenced(house) as source:
        (claim,) = await taken(source)
        await source.settled([other])
    assert claim.lane == other
    assert await house.transport.depth(QUEUE) == 0


async def test_two_references_to_one_lane_are_one_claim_and_both_acknowledged(house: SmallHouse) -> None:
    lane = await lane_of_order(house, 1)
    await refer(house, reference(lane), reference(lane))
    async with referenced(house) as source:
        assert len(await taken(source)) == 1
        await source.settled([lane])
    assert await house.transport.depth(QUEUE) == 0


async def test_references_whose_claim_failed_are_claimed_when_the_database_is_back(house: SmallHouse) -> None:
    """However long it was away: they fill the window, so losing them would end the taking."""
    names = [await lane_of_order(house, number) for number in range(6)]
    await refer(house, *map(reference, names))
    house.ledger.away.add("claim")
    async with referenced(house) as source:
        for _ in range(3):
            with pytest.raises(StorageUnavailable):
                await source.claims(2, ())
        house.ledger.away.clear()
        found = [claim.lane for _ in range(3) for claim in await source.claims(2, ())]
        await source.settled(found)
    assert sorted(found) == sorted(names)
    assert await house.transport.depth(QUEUE) == 0


async def test_no_more_lanes_are_claimed_than_there_is_room_for(house: SmallHouse) -> None:
    await refer(house, *[reference(await lane_of_order(house, number)) for number in range(6)])
    async with referenced(house) as source:
        assert len(await taken(source, 4)) <= 4


async def test_a_reader_that_failed_surfaces(house: SmallHouse) -> None:
    async with referenced(house) as source:
        await house.transport.close()
        with pytest.raises(TransportUnavailable):
            await until(lambda: source.claims(8, ()))


async def test_a_lane_that_is_locked_for_a_moment_is_waited_for(postgresql_database: str) -> None:
    """An admission extends the lane at this moment; a reference passed over would be acknowledged and lost."""
    async with small_house(postgresql_database) as house, referenced(house) as source:
        lane = await lane_of_order(house, 1)
        await refer(house, reference(lane))
        with house.database.engine.connect() as admission:
            admission.execute(select(lanes.c.key).where(lanes.c.key == lane).with_for_update())
            waiting = asyncio.create_task(taken(source))
            await until(lambda: _somebody_waits(house))
            admission.rollback()
        (claim,) = await waiting
        assert claim.lane == lane


def _somebody_waits(house: SmallHouse) -> bool:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with house.database.engine.connect() as connection:
        return bool(connection.scalar(query))


async def test_polled_lanes_leave_out_the_channels_that_have_enough(house: SmallHouse) -> None:
    await house.add_channel("other", "other.example.com")
    await house.order_event(1)
    await house.event("order.created", {"external_order_id": "2"}, channel="other")
    source = PolledLanes(house.ledger, "worker", list(HANDLERS), house.bell)
    (claim,) = await source.claims(8, [house.channel_id])
    assert claim.lane.endswith("/order/2")


async def test_polled_lanes_answer_as_soon_as_there_is_a_ring(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("broker.sources.POLL_SECONDS", 60.0)
    source = PolledLanes(house.ledger, "worker", list(HANDLERS), house.bell)
    house.bell.ring()
    assert await asyncio.wait_for(source.claims(8, ()), 10) == []


async def test_a_worker_on_rabbitmq_does_what_the_relay_tells_it_and_leaves_no_reference(
    vhost: Vhost, tmp_path: Path
) -> None:
    transport = open_transport(vhost.url)
    async with small_house(sqlite_url(tmp_path), transport=transport) as house:
        await transport.declare()
        lease = await house.lease()
        source = ReferencedLanes(house.ledger, lease.worker, list(HANDLERS), transport, 16)
        messages = [await house.order_event(number % 10) for number in range(30)]
        async with (
            relay_at_work(house),
            house.at_work(answering(lambda run: DONE), lease=lease, source=source),
        ):
            for message in messages:
                await house.until_state(message, "done")
        assert await transport.depth(QUEUE) == 0
        assert {row.attempts for row in [await house.delivery(message) for message in messages]} == {1}
