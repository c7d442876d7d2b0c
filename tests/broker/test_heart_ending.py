from __future__ import annotations

from collections.abc import Sequence

import pytest

from broker import heart
from broker.handling import Answer, Run
from broker.ledger import Claim, Shares
from broker.sources import PolledLanes
from consumers import HANDLERS
from domain.errors import ShopDown, StorageUnavailable
from domain.outcomes import Announcement, Done, Effects
from domain.synclog import ApiCall
from tests.broker.handlers import Gated, noting, order_of
from tests.house import AFTER_A_CRASH, DONE, SmallHouse, answering
from tests.moody import until


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heart, "AWAY_SECONDS", 0.02)


async def test_a_database_away_during_the_settle_does_not_run_the_handler_a_second_time(house: SmallHouse) -> None:
    runs: list[str] = []
    house.ledger.away.add("settle")
    async with house.at_work(noting(runs, order_of)):
        message = await house.order_event()
        await until(lambda: house.ledger.refused["settle"] >= 3)
        house.ledger.away.clear()
        await house.until_state(message, "done")
    assert runs == ["1001"]
    assert [row.outcome for row in await house.attempts(message)] == ["Done"]


async def test_the_database_away_when_the_gates_are_told_holds_up_nothing(house: SmallHouse) -> None:
    async def call(run: Run) -> Answer:
        guard = run.shop._caller._guard  # type: ignore[attr-defined]
        guard.after(run.channel, ApiCall("GET", "/orders", 429, 1, 0), ShopDown("It is down.", status=500))
        guard._gates = _DeafGates()
        return DONE

    class _DeafGates:
        def went_well(self, *_: object) -> bool:
            return False

        async def report(self, *_: object) -> None:
            raise StorageUnavailable("It is away.")

        def closed(self, *_: object) -> bool:
            return False

    message = await house.order_event()
    await house.work_off(answering(call))
    assert (await house.delivery(message)).state == "done"


async def test_a_run_whose_lease_was_taken_over_writes_nothing(house: SmallHouse) -> None:
    handler = Gated(Done("Too late.", effects=Effects(announcements=(Announcement("order.imported", {}, "1"),))))
    lease = await house.lease(seconds=60.0)
    async with house.at_work(answering(handler), lease=lease):
        message = await house.order_event()
        await until(lambda: handler.began)
        house.clock.advance(61)
        assert await house.ledger.rescue() == 1
        house.clock.advance(AFTER_A_CRASH)
        (taken,) = await house.ledger.claim("another worker", list(HANDLERS), 1)
        handler.let()
        await until(lambda: house.meters.fenced._value.get() == 1)
    assert await house.desk.announcements("acme", 0, 10) == []
    assert [row.code for row in await house.attempts(message)] == ["worker_died"]
    assert (await house.delivery(message)).state == "running"
    assert taken.deliveries[0].unsure


async def test_a_run_given_up_for_a_short_lease_frees_its_lane_and_costs_the_delivery_nothing(
    house: SmallHouse,
) -> None:
    """The database was away for a while and came back before the lease was over: nobody else will free the lane."""
    lease = await house.lease(seconds=2.0, margin=1.3)

    async def call_late(run: Run) -> Answer:
        await until(lambda: not lease.sufficient)
        await run.shop.read_order("1")
        return DONE

    message = await house.order_event()
    async with house.at_work(answering(call_late), lease=lease):
        row = await house.until_state(message, "waiting")
    assert (row.code, row.failures) == ("lease_lost", 0)
    house.clock.advance(5)
    await house.work_off(answering(lambda run: DONE))
    assert (await house.delivery(message)).state == "done"


async def test_lanes_whose_claim_was_answered_into_the_void_are_found_again(house: SmallHouse) -> None:
    messages = [await house.order_event(number) for number in range(3)]
    house.ledger.deaf.add("claim")
    async with house.at_work(answering(lambda run: DONE)):
        for message in messages:
            await house.until_state(message, "done")
    assert house.ledger.deaf == set()


async def test_a_settle_answered_into_the_void_counts_and_its_lane_goes_on(house: SmallHouse) -> None:
    ran: list[str] = []
    messages = [await house.order_event(1, kind) for kind in ("order.created", "order.updated", "order.cancelled")]
    house.ledger.deaf.add("settle")
    async with house.at_work(noting(ran, lambda run: run.item.envelope.type)):
        for message in messages:
            await house.until_state(message, "done")
    assert ran == ["order.created", "order.updated", "order.cancelled"]


async def test_stop_finishes_what_is_in_hand_and_takes_nothing_more(house: SmallHouse) -> None:
    handler = Gated()
    async with house.at_work(answering(handler)) as shift:
        first, second = await house.order_event(1), await house.order_event(1)
        await until(lambda: handler.began)
        shift.stop.set()
        await until(lambda: shift.worker._stopping)
        handler.let()
    assert (await house.delivery(first)).state == "done"
    assert (await house.delivery(second)).state == "ready"
    assert [row.outcome for row in await house.attempts(second)] == []


async def test_a_settle_under_way_when_the_worker_stops_is_waited_for(house: SmallHouse) -> None:
    """Its next claim too: a lane held by nobody would look like one whose worker died."""
    house.ledger.away.add("settle")
    messages = [await house.order_event(1) for _ in range(3)]
    async with house.at_work(answering(lambda run: DONE)):
        await until(lambda: house.ledger.refused["settle"] >= 2)
        house.ledger.come_back_after("settle", 3)
    states = [(await house.delivery(message)).state for message in messages]
    assert "running" not in states and states[0] == "done"
    assert all(row.code != "worker_died" for row in await house.logs())


async def test_a_worker_that_stops_while_the_database_is_away_ends_with_its_lease(house: SmallHouse) -> None:
    lease = await house.lease(seconds=1.2, margin=0.1)
    house.ledger.away.add("settle")
    message = await house.order_event()
    async with house.at_work(answering(lambda run: DONE), lease=lease):
        await until(lambda: house.ledger.refused["settle"])
    house.clock.advance(2)
    assert await house.ledger.rescue() == 1
    row = await house.delivery(message)
    assert (row.state, row.code) == ("waiting", "worker_died")


async def test_a_failing_source_ends_the_worker_after_it_finished_what_is_in_hand(house: SmallHouse) -> None:
    class Failing(PolledLanes):
        async def claims(self, most: int, skip: Sequence[str], shares: Shares | None) -> list[Claim]:
            if found := await super().claims(most, skip, shares):
                return found
            raise ConnectionError("The reader failed.")

    lease = await house.lease()
    message = await house.order_event()
    with pytest.raises(ConnectionError, match="The reader failed"):
        async with house.at_work(
            answering(lambda run: DONE),
            lease=lease,
            source=Failing(house.ledger, lease.worker, list(HANDLERS), house.bell),
        ):
            await house.until_state(message, "done")
    assert (await house.delivery(message)).state == "done"
