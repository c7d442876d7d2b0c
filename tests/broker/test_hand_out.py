"""Hand-out: what comes in runs at once in the worker of the same process, without a claim."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from sqlalchemy import Connection, event, func, select
from sqlalchemy.exc import OperationalError

from broker import heart, intake
from broker.gates import GateClosed
from broker.guard import RunGuard
from broker.handling import Answer, Handler, Run
from broker.heart import Pace
from broker.ledger import Claim, Shares
from domain.errors import ShopDown
from domain.synclog import ApiCall
from storage.tables import deliveries, lanes
from tests.broker.handlers import Gated, noting, order_of
from tests.broker.roles import intake_at_work, relay_at_work, send
from tests.house import AFTER_A_CRASH, DONE, Shift, SmallHouse, answering
from tests.moody import until
from tests.services.process import wait_until


class NoLanes:
    """A source without lanes: what runs was handed out."""

    async def start(self) -> None:
        """Nothing to begin."""

    async def ready(self) -> None:
        await asyncio.sleep(0.01)

    async def claims(self, most: int, skip: Sequence[str], shares: Shares | None) -> list[Claim]:
        return []

    def nudge(self) -> None:
        """Nothing to look at."""

    async def stop(self) -> None:
        """Nothing was begun."""


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "AWAY_SECONDS", 0.02)
    monkeypatch.setattr(heart, "AWAY_SECONDS", 0.02)


@asynccontextmanager
async def handed_out(house: SmallHouse, handlers: dict[str, Handler], **rest: Any) -> AsyncIterator[Shift]:
    """A worker that gets no lanes but those its intake hands to it."""
    async with house.at_work(handlers, source=NoLanes(), **rest) as shift, intake_at_work(house, shift.worker):
        yield shift


async def come_in(house: SmallHouse, *orders: object, channel: str = "main", kind: str = "order.created") -> None:
    """Events arrive in the inbox."""
    bodies = [house.incoming(kind, {"external_order_id": str(each)}, channel=channel).body for each in orders]
    await send(house, *bodies)


async def states(house: SmallHouse) -> dict[str, str]:
    """How the lane of each order stands."""
    return {row.key.rsplit("/", 1)[1]: row.state for row in await house.execute(select(lanes.c.key, lanes.c.state))}


async def ended(house: SmallHouse, count: int) -> bool:
    ((found,),) = await house.execute(
        select(func.count()).select_from(deliveries).where(deliveries.c.settled_at.is_not(None))
    )
    return bool(found == count)


async def test_what_comes_in_runs_without_being_claimed(house: SmallHouse) -> None:
    ran: list[str] = []
    async with handed_out(house, noting(ran, order_of), pace=Pace()):
        for start in range(0, 20, 4):
            await come_in(house, *range(start, start + 4))
            await until(lambda start=start: ended(house, start + 4))  # type: ignore[misc]
    assert sorted(ran, key=int) == [str(number) for number in range(20)]
    assert house.ledger.asked["claim"] == 0


async def test_events_of_one_order_run_one_after_the_other_in_the_order_they_came(house: SmallHouse) -> None:
    ran: list[str] = []
    async with handed_out(house, noting(ran, lambda run: run.item.envelope.type)):
        await come_in(house, 1)
        await come_in(house, 1, kind="order.updated")
        await come_in(house, 1, kind="order.cancelled")
        await until(lambda: ended(house, 3))
    assert ran == ["order.created", "order.updated", "order.cancelled"]


async def test_what_comes_in_behind_a_run_does_not_run_beside_it(house: SmallHouse) -> None:
    handler = Gated()
    async with handed_out(house, answering(handler)):
        await come_in(house, 1)
        await until(lambda: handler.began)
        await come_in(house, 1, 2, kind="order.updated")
        await until(lambda: "main/2" in handler.began)
        assert handler.began == ["main/1", "main/2"]
        handler.let()
        await until(lambda: ended(house, 3))
    assert handler.began == ["main/1", "main/2", "main/1"]


async def test_no_more_is_handed_out_than_there_is_room_for(house: SmallHouse) -> None:
    handler = Gated()
    async with handed_out(house, answering(handler), pace=Pace(capacity=3, channel_share=1.0)):
        await come_in(house, *range(5))
        await until(lambda: _all_in(house, 5))
        await come_in(house, 9)
        await until(lambda: _all_in(house, 6))
        assert sorted((await states(house)).values()) == ["ready"] * 3 + ["running"] * 3
        handler.let()


async def _all_in(house: SmallHouse, count: int) -> bool:
    return len(await states(house)) == count


async def test_a_channel_is_handed_no_more_than_its_share(house: SmallHouse) -> None:
    handler = Gated()
    await house.add_channel("other", "other.example.com")
    async with handed_out(house, answering(handler), pace=Pace(capacity=6, channel_share=0.5)):
        await come_in(house, 8, channel="other")
        await until(lambda: handler.began == ["other/8"])
        await come_in(house, 1)
        await until(lambda: len(handler.began) == 2)
        await come_in(house, 2, 3, 4)
        await come_in(house, 9, channel="other")
        await until(lambda: len(handler.began) == 5)
        await until(lambda: _all_in(house, 6))
        waiting = [order for order, state in (await states(house)).items() if state == "ready"]
        assert waiting == ["4"]
        handler.let()


async def test_what_comes_in_for_a_channel_whose_gate_is_closed_waits_to_be_claimed(house: SmallHouse) -> None:
    ran: list[str] = []
    channel = await house.ledger.channel(house.channel_id)
    assert channel is not None
    for _ in range(3):
        await house.gates.report(channel, ShopDown("It is down.", status=500))
    assert house.gates.closed_channels() == [house.channel_id]
    async with handed_out(house, noting(ran, order_of)):
        await come_in(house, 1)
        await until(lambda: _all_in(house, 1))
        assert await states(house) == {"1": "ready"}
    assert ran == []


async def test_a_worker_whose_lease_is_nearly_over_is_handed_nothing(house: SmallHouse) -> None:
    lease = await house.lease(seconds=60.0, margin=61.0)
    async with handed_out(house, answering(lambda run: DONE), lease=lease):
        await come_in(house, 1)
        await until(lambda: _all_in(house, 1))
        assert await states(house) == {"1": "ready"}


class Calling:
    """A handler that makes one call as a connector does; it notes for which orders it meant to, and did."""

    def __init__(self, house: SmallHouse, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.made: list[str] = []
        self.handlers = answering(self._call)
        monkeypatch.setattr(house.connectors, "open", lambda _channel, guard: guard)

    async def _call(self, run: Run) -> Answer:
        guard = cast(RunGuard, run.shop)
        self.asked.append(order_of(run))
        await guard.before(run.channel, "PUT /orders/{id}", writes=True)
        self.made.append(order_of(run))
        guard.after(run.channel, ApiCall("PUT", "/orders/{id}", 200, 1, 2), None)
        return DONE


async def test_a_run_prepares_what_it_does_while_its_event_is_being_stored_and_acts_only_then(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = Calling(house, monkeypatch)
    async with handed_out(house, handler.handlers), on_its_way(house) as heard:
        await until(lambda: handler.asked)
        assert handler.made == []
        assert await house.logs() == []
        heard.set()
        await until(lambda: ended(house, 1))
    assert handler.asked == handler.made == ["1"]


async def test_a_run_that_needs_no_call_does_not_end_before_its_event_is_stored(house: SmallHouse) -> None:
    ran: list[str] = []
    async with handed_out(house, noting(ran, order_of)), on_its_way(house) as heard:
        await until(lambda: ran)
        assert house.ledger.asked["settle"] == 0
        heard.set()
        await until(lambda: ended(house, 1))
    assert ran == ["1"]


async def test_a_run_that_is_refused_does_not_end_before_its_event_is_stored(house: SmallHouse) -> None:
    """Its outcome would be refused as that of a lane that is not there, and the lane be held for ever after."""
    refused: list[str] = []

    def refuse(run: Run) -> Answer:
        refused.append(order_of(run))
        raise GateClosed("shop_down", 30.0, "The shop is down.")

    async with handed_out(house, answering(refuse)), on_its_way(house) as heard:
        await until(lambda: refused)
        with pytest.raises(TimeoutError):
            await until(lambda: house.ledger.asked["settle"] > 0, 0.2)
        heard.set()
        await until(lambda: is_waiting(house))
    assert refused == ["1"]


async def is_waiting(house: SmallHouse) -> bool:
    return await states(house) == {"1": "waiting"}


async def test_what_was_rolled_back_after_its_run_began_makes_no_call_and_runs_when_it_is_stored(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler, fails = Calling(house, monkeypatch), [False]

    def commit(connection: Connection) -> None:
        if fails == [True]:
            assert wait_until(lambda: bool(handler.asked), 10)
            fails.clear()
            raise OperationalError("COMMIT", {}, Exception("the disk is full"))

    event.listen(house.database.engine, "commit", commit)
    async with handed_out(house, handler.handlers):
        fails[0] = True
        await come_in(house, 1)
        await until(lambda: not fails)
        await until(lambda: ended(house, 1))
    event.remove(house.database.engine, "commit", commit)
    assert handler.made == ["1"]
    assert [(row.code, row.attempt) for row in await house.logs()] == [("ok", 1)]


async def test_an_answer_that_was_lost_makes_nothing_run_twice(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was stored is in the hand of a worker that does not know if it is: it gives that back, and takes it up
    again."""
    handler = Calling(house, monkeypatch)
    house.ledger.deaf.add("admit")
    async with house.at_work(handler.handlers) as shift, intake_at_work(house, shift.worker):
        await come_in(house, *range(4))
        await until(lambda: len(handler.asked) == 4)
        house.clock.advance(AFTER_A_CRASH)
        await until(lambda: ended(house, 4))
        assert house.ledger.deaf == set()
        await come_in(house, 9)
        await until(lambda: ended(house, 5))
    assert sorted(handler.made) == ["0", "1", "2", "3", "9"]
    assert (await house.desk.statistics()).duplicates == 4


async def test_a_database_that_is_away_while_events_come_in_is_waited_for_and_each_runs_once(house: SmallHouse) -> None:
    ran: list[str] = []
    house.ledger.away.update(("admit", "disown"))
    async with house.at_work(noting(ran, order_of)) as shift, intake_at_work(house, shift.worker):
        await come_in(house, *range(5))
        await until(lambda: house.ledger.refused["admit"] >= 3 and house.ledger.refused["disown"] >= 3)
        house.ledger.away.clear()
        await until(lambda: ended(house, 5))
    assert sorted(ran) == ["0", "1", "2", "3", "4"]
    assert (await house.desk.statistics()).duplicates == 0


@asynccontextmanager
async def on_its_way(house: SmallHouse) -> AsyncIterator[asyncio.Event]:
    """An event that is stored for a worker whose intake has not heard of it: it does when the given bell rings."""
    heard = house.ledger.held_up["admit"] = asyncio.Event()
    await come_in(house, 1)
    await until(lambda: _all_in(house, 1))
    assert await states(house) == {"1": "running"}
    try:
        yield heard
    finally:
        heard.set()


def somebody_waits_for(lock: asyncio.Lock) -> bool:
    return bool(lock._waiters)


async def test_a_lane_on_its_way_to_a_worker_is_not_given_back_as_lost(house: SmallHouse) -> None:
    ran: list[str] = []
    async with handed_out(house, noting(ran, order_of)) as shift, on_its_way(house) as heard:
        shift.worker.miss()
        await until(lambda: somebody_waits_for(shift.worker.claiming))
        heard.set()
        await until(lambda: ended(house, 1))
        await until(lambda: house.ledger.asked["disown"])
    assert ran == ["1"]
    assert [(row.code, row.attempt) for row in await house.logs()] == [("ok", 1)]


async def test_a_worker_that_stops_while_a_lane_is_on_its_way_finishes_it(house: SmallHouse) -> None:
    ran: list[str] = []
    async with handed_out(house, noting(ran, order_of)) as shift, on_its_way(house) as heard:
        shift.stop.set()
        await until(lambda: somebody_waits_for(shift.worker.claiming))
        heard.set()
        await until(lambda: ended(house, 1))
    assert ran == ["1"]
    assert await states(house) == {}
    assert [(row.code, row.attempt) for row in await house.logs()] == [("ok", 1)]


async def test_a_worker_that_stops_is_handed_nothing_more(house: SmallHouse) -> None:
    handler = Gated()
    async with handed_out(house, answering(handler)) as shift:
        await come_in(house, 1)
        await until(lambda: handler.began)
        shift.stop.set()
        await until(lambda: shift.worker.hands().room == 0)
        handler.let()
        await come_in(house, 2)
        await until(lambda: ended(house, 1))
        await until(lambda: _all_in(house, 1))
    assert await states(house) == {"2": "ready"}


async def test_a_relay_hands_what_comes_in_to_the_worker_of_its_process(house: SmallHouse) -> None:
    ran: list[str] = []
    async with (
        house.at_work(noting(ran, order_of), source=NoLanes()) as shift,
        relay_at_work(house, taker=shift.worker),
    ):
        await come_in(house, 1, 2, 3)
        await until(lambda: ended(house, 3))
    assert sorted(ran) == ["1", "2", "3"]
